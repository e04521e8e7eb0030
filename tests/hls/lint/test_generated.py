"""Generated projects have no findings; faults planted into their text are found at their line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.errors import OutputError, ToolFailedError, ToolMissingError
from hbnn_hw.verify.csim import find_headers
from hbnn_hw.verify.hls_lint import Rule, lint, sources
from hbnn_hw.verify.hls_lint.sources import without_block_comments, without_tables
from tests.hls.lint.projects import HEADERS, write_project
from tests.hls.networks import TARGET, golden, mlp, write_texts
from tests.hls.test_csim import NETWORKS


def write(folder, graph, tool):
    write_texts(folder / "hls", emit(graph, golden(graph, 2), TARGET, tool))
    return folder


@pytest.mark.parametrize("tool", HlsTool)
@pytest.mark.parametrize("name", NETWORKS)
def test_generated_projects_have_no_findings(name, tool, tmp_path):
    assert lint(write(tmp_path, NETWORKS[name](), tool), headers=HEADERS) == ()


@pytest.mark.hls
@pytest.mark.parametrize(
    ("name", "tool"), [("mixed", HlsTool.VIVADO_HLS), ("multi_level", HlsTool.VITIS_HLS)]
)
def test_nothing_is_found_with_the_headers_of_the_c_simulation(name, tool, tmp_path):
    if find_headers() is None:
        pytest.skip("there are no HLS headers: pip install 'hbnn-hw[csim]'")
    assert lint(write(tmp_path, NETWORKS[name](), tool)) == ()


FAULTS = [
    # File, correct text, faulty text, text of the line at fault, rule.
    ("lib/mvtu.h", "II=1 enable_flush", "II=1 enable_flsh", "II=1 enable_flsh", Rule.PRAGMA_OPTION),
    ("lib/mvtu.h", "HLS UNROLL", "HLS UNROL", "HLS UNROL\n", Rule.PRAGMA_UNKNOWN),
    ("lib/mvtu.h", "enable_flush", "style=flp", "style=flp", Rule.PRAGMA_DIALECT),
    ("lib/mvtu.h", "variable=sums ", "variable=sum ", "variable=sum ", Rule.PRAGMA_VARIABLE),
    ("lib/mvtu.h", "#pragma HLS LOOP_TRIPCOUNT min=1 max=1000\n", "", "image < images", Rule.LOOP_BOUND),
    ("lib/mvtu.h", "sums complete", "sums cyclic factor=3", "factor=3", Rule.PRAGMA_FACTOR),
    (
        "layers/fc1.h",
        "fc1_weights.words complete",
        "fc1_weights.word complete",
        ".word ",
        Rule.PRAGMA_VARIABLE,
    ),
    ("layers/fc1.h", "core=ROM_1P_LUTRAM", "core=ROM_1P_LUT", "_LUT\n", Rule.PRAGMA_OPTION),
    (
        "layers/fc1.h",
        "variable=buffer complete dim=0",
        "variable=buffer complete dim=3",
        "dim=3",
        Rule.PRAGMA_FACTOR,
    ),
    (
        "layers/fc1.h",
        "unsigned SUM_BITS = ",
        "unsigned SUM_BITS = 5000 + ",
        "",
        Rule.WORD_WIDTH,
    ),
    (
        "random_mlp.cpp",
        "encode(to_encode, to_fc1",
        "encode(to_encode, to_encode",
        "",
        Rule.STREAM_WRITERS,
    ),
    ("random_mlp.cpp", "fc1(to_fc1,", "fc1(to_encode,", "", Rule.STREAM_READERS),
    ("random_mlp.cpp", "  fc2(to_fc2", "  if (images > 1) fc2(to_fc2", "if (images", Rule.DATAFLOW_CONDITION),
    ("random_mlp.cpp", "variable=to_fc1 depth=2\n", "variable=to_fc1\n", "> to_fc1(", Rule.STREAM_DEPTH),
    ("random_mlp.cpp", "#pragma HLS DATAFLOW\n", "#pragma HLS DATAFLOWS\n", "FLOWS", Rule.PRAGMA_UNKNOWN),
    ("lib/axis.h", "ap_uint<1> last;", "ap_uint<1> tlast;", "tlast", Rule.COMPILE_ERROR),
]


def network():
    return mlp(4, [24, 20, 12, 10], (4, 6), (6, 4), (5, 3), coefficients=(5, 3, 1))


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{f[0]}-{f[4].value}-{i}" for i, f in enumerate(FAULTS)])
def test_planted_faults_are_found(fault, tmp_path):
    file, correct, wrong, line, rule = fault
    folder = write(tmp_path, network(), HlsTool.VIVADO_HLS)
    path = folder / "hls" / "src" / file
    text = path.read_text()
    assert correct in text
    path.write_text(text.replace(correct, wrong))
    findings = [finding for finding in lint(folder, headers=HEADERS) if finding.rule is rule]
    assert findings
    if line and rule is not Rule.COMPILE_ERROR:
        lines = path.read_text().splitlines(keepends=True)
        assert {f.file for f in findings} == {f"src/{file}"}
        assert all(line in lines[f.line - 1] for f in findings)


def test_missing_tlast_is_found_in_both_dialects(tmp_path):
    for tool, header, correct, wrong in (
        (HlsTool.VIVADO_HLS, "axis.h", "ap_uint<1> last;", "ap_uint<1> final;"),
        (HlsTool.VITIS_HLS, "axis.h", "using AxisBeat = ap_axiu<DATA_BITS, 0, 0, 0>;", PLAIN_BEAT),
    ):
        folder = write(tmp_path / tool.value, network(), tool)
        path = folder / "hls" / "src" / "lib" / header
        text = path.read_text()
        assert correct in text
        path.write_text(
            text.replace(correct, wrong).replace(
                "beat.last", "beat.final" if "final;" in wrong else "beat.last"
            )
        )
        findings = lint(folder, headers=HEADERS)
        assert [(f.file, f.rule) for f in findings] == [("src/random_mlp.cpp", Rule.AXIS_TLAST)] * 2


PLAIN_BEAT = "struct AxisBeat { ap_uint<DATA_BITS> data; ap_uint<1> keep, strb, last; };"


def test_a_whole_network_with_large_tables_is_read_without_them(tmp_path):
    folder = write(
        tmp_path,
        mlp(5, [1024, 256, 64, 10], (8, 32), (8, 16), (2, 16), coefficients=(2, 1)),
        HlsTool.VIVADO_HLS,
    )
    path = folder / "hls" / "src" / "layers" / "fc1.h"
    assert lint(folder, headers=HEADERS) == ()
    text = path.read_text()
    assert len(without_tables(text)) < 10_000 < len(text)
    assert without_tables(text).count("\n") == text.count("\n")
    # Sizes behind an emptied table still count, and lines stay where they are.
    path.write_text(text.replace("fc1_weights.words complete dim=1", "fc1_weights.words complete dim=0"))
    (finding,) = lint(folder, headers=HEADERS)
    assert finding.rule is Rule.PARTITION_LIMIT
    assert "dim=0" in path.read_text().splitlines()[finding.line - 1]
    assert f"not {8 * 2 * 32 * 32}" in finding.what


def test_tables_are_emptied_only_where_nothing_is_lost():
    long = ", ".join(["0x12345678"] * 400)
    assert without_tables(f"const int x[400] = {{ {long} }};\n") == "const int x[400] = {};\n"
    assert without_tables(f"const int x[] = {{ {long} }};\n") == f"const int x[] = {{ {long} }};\n"
    assert without_tables("const int x[2] = { 1, 2 };\n") == "const int x[2] = { 1, 2 };\n"


def test_comments_are_removed_where_they_are_comments():
    text = 'a /* b\n c */ d // e /* f\n"/*" g */\n'
    assert without_block_comments(text) == 'a \n d // e /* f\n"/*" g */\n'


def test_files_beyond_the_limit(tmp_path, monkeypatch):
    text = write_project(tmp_path, "")
    assert sources.FILE_LIMIT_BYTES == 20_000_000
    monkeypatch.setattr(sources, "FILE_LIMIT_BYTES", len(text))
    assert lint(tmp_path, headers=HEADERS) == ()
    monkeypatch.setattr(sources, "FILE_LIMIT_BYTES", len(text) - 1)
    assert [f.rule for f in lint(tmp_path, headers=HEADERS)] == [Rule.FILE_SIZE]


def test_code_that_does_not_compile_is_one_finding_a_line(tmp_path):
    write_project(tmp_path, "int f() { return y; }\n")
    (finding,) = lint(tmp_path, headers=HEADERS)
    assert finding.rule is Rule.COMPILE_ERROR
    assert finding.what == "the code must compile: use of undeclared identifier 'y'"


def test_a_failed_call_says_which_argument_does_not_fit(tmp_path):
    write_project(tmp_path, "static void g(ap_uint<4> *x) {}\nvoid f(ap_uint<5> *x) { g(x); }\n")
    (finding,) = lint(tmp_path, headers=HEADERS)
    assert "no matching function for call to 'g'; candidate function not viable: no known" in finding.what
    assert "from 'ap_uint<5> *' to 'ap_uint<4> *' for 1st argument" in finding.what


def test_a_missing_package_or_header_set_is_told(tmp_path, monkeypatch):
    write_project(tmp_path, "")
    with pytest.raises(ToolMissingError, match=r"the linter needs the HLS headers; type: pip install"):
        lint(tmp_path, headers=tmp_path)
    broken = tmp_path / "headers"
    broken.mkdir()
    (broken / "ap_int.h").write_text("int x = y;\n")
    with pytest.raises(ToolFailedError, match="libclang cannot read the HLS headers"):
        lint(tmp_path, headers=broken)
    monkeypatch.setattr("hbnn_hw.extras.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"the HLS linter needs the package 'clang'.*hbnn-hw\[csim\]"):
        lint(tmp_path, headers=HEADERS)


def test_a_missing_top_function_is_found(tmp_path):
    write_project(tmp_path, "namespace other { static void net(int) {} }\nvoid net(int x);\n")
    (finding,) = lint(tmp_path, headers=HEADERS)
    assert (finding.file, finding.rule) == ("src/net.cpp", Rule.UNDEFINED_FUNCTION)


def test_long_expressions_are_read(tmp_path):
    write_project(tmp_path, f"int f(int x) {{ return {' + '.join(['x'] * 200)}; }}\n")
    assert lint(tmp_path, headers=HEADERS) == ()


def test_the_document_lists_every_rule():
    text = (Path(__file__).parents[3] / "docs" / "hls_lint.md").read_text(encoding="utf-8")
    assert [rule.value for rule in Rule if f"| `{rule.value}` |" not in text] == []


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(OutputError, match="is no HLS project of this toolkit"):
        lint(tmp_path, headers=HEADERS)


def test_the_command_prints_findings_and_fails(tmp_path):
    folder = write(tmp_path / "export", network(), HlsTool.VIVADO_HLS)

    def run(*arguments):
        command = [
            sys.executable,
            "-c",
            "from hbnn_hw.cli import main; main()",
            "lint",
            str(folder),
            *arguments,
        ]
        environment = {**os.environ, "XILINX_HLS": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    (tmp_path / "include").symlink_to(HEADERS)
    assert (run("--json").returncode, json.loads(run("--json").stdout)) == (0, {"findings": []})
    path = folder / "hls" / "src" / "lib" / "mvtu.h"
    text = path.read_text().replace("variable=sums ", "variable=sum ", 1)
    path.write_text(text)
    line = 1 + text[: text.index("variable=sum ")].count("\n")
    plain = run()
    assert plain.returncode == 1
    assert plain.stdout.startswith(f"src/lib/mvtu.h:{line}: pragma-variable: 'sum' must be declared before")
    (finding,) = json.loads(run("--json").stdout)["findings"]
    assert finding["file"] == "src/lib/mvtu.h"
    assert (finding["line"], finding["rule"]) == (line, "pragma-variable")
