"""Small HLS projects whose faulty lines carry the name of the rule that they break."""

import json
import re
from pathlib import Path

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.verify.hls_lint import Rule, lint

HEADERS = Path(__file__).parent / "headers"
"""Declarations alone: the linter needs no bodies, and these parse in milliseconds."""

PREFIX = """\
#define AP_INT_MAX_W 4096
#include <ap_int.h>
#include <hls_stream.h>
"""

VIVADO_BEAT = "struct beat { ap_uint<8> data; ap_uint<1> last; };\n"
VITIS_BEAT = "#include <ap_axi_sdata.h>\ntypedef ap_axiu<8, 0, 0, 0> beat;\n"

TOP = """
static void process(hls::stream<beat> &source, hls::stream<beat> &sink) {
  sink.write(source.read());
}
void net(hls::stream<beat> &s_axis_in, hls::stream<beat> &m_axis_out, unsigned images) {
#pragma HLS INTERFACE axis port=s_axis_in
#pragma HLS INTERFACE axis port=m_axis_out
#pragma HLS INTERFACE s_axilite port=images bundle=control
#pragma HLS INTERFACE s_axilite port=return bundle=control
#pragma HLS DATAFLOW
  hls::stream<beat> between("between");
#pragma HLS STREAM variable=between depth=2
  process(s_axis_in, between);
  process(between, m_axis_out);
}
"""

_MARK = re.compile(r"// !([a-z-]+)")


def write_project(folder: Path, code: str, tool: HlsTool = HlsTool.VIVADO_HLS) -> str:
    """Write a project around some C++; return the text of its only source.

    The top function is :data:`TOP` unless the code has one of its own.
    """
    beat = VITIS_BEAT if tool is HlsTool.VITIS_HLS else VIVADO_BEAT
    text = PREFIX + beat + code + ("" if "void net(" in code else TOP)
    for name in ("src", "tb"):
        (folder / name).mkdir(parents=True)
    (folder / "src" / "net.cpp").write_text(text)
    (folder / "tb" / "layout.json").write_text(json.dumps({"network": "net", "tool": tool.value}))
    return text


def marked(text: str) -> list[tuple[int, Rule]]:
    """Lines and rules of the marks ``// !rule`` in a text."""
    return [
        (number, Rule(match[1]))
        for number, line in enumerate(text.splitlines(), start=1)
        for match in _MARK.finditer(line)
    ]


def found(folder: Path) -> list[tuple[int, Rule]]:
    return [(finding.line, finding.rule) for finding in lint(folder, headers=HEADERS)]
