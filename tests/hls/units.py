"""Single units in one C++ program: any element type can enter, and many units share one compilation."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hbnn_hw.backends.hls.dialect import AXIS_HEADER, HlsTool, translate
from hbnn_hw.backends.hls.layers import layer_values, op_name
from hbnn_hw.backends.hls.project import LIBRARY
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import HardwareOp
from hbnn_hw.ops.base import Tensor
from hbnn_hw.templating import render, static_text
from hbnn_hw.types import Bordered, Integers, TensorType
from hbnn_hw.verify.csim import compile_flags, find_headers
from tests.hls.networks import write_texts

MAIN = """
#include "unit.h"
#include <fstream>
#include <iostream>

template <int BITS>
void take(std::istream &file, hls::stream<ap_uint<BITS> > &stream, unsigned beats) {
  for (std::string text; beats > 0; --beats) {
    file >> text;
    ap_uint<BITS> beat = 0;
    for (unsigned at = 0; at < 4 * text.size() && at < BITS; ++at) {
      const char digit = text[text.size() - 1 - at / 4];
      beat[at] = ((digit <= '9' ? digit - '0' : digit - 'a' + 10) >> at % 4) & 1;
    }
    stream.write(beat);
  }
}

template <int BITS>
void give(hls::stream<ap_uint<BITS> > &stream) {
  while (!stream.empty()) {
    const ap_uint<BITS> beat = stream.read();
    for (int at = (BITS - 1) / 4 * 4; at >= 0; at -= 4) {
      std::cout << "0123456789abcdef"[ap_uint<4>(beat >> at).to_uint()];
    }
    std::cout << "\\n";
  }
}
"""


@dataclass(frozen=True, eq=False)
class Unit:
    """An operator of one input, and a batch that it reads."""

    op: HardwareOp
    source: Tensor

    @property
    def graph(self) -> Graph:
        return Graph("unit", "x", self.source.type, (Node("unit", self.op, ("x",)),))

    def values(self, index: int) -> dict:
        graph = self.graph
        return layer_values(graph, graph.nodes[0], index, f"unit{index}")

    def header(self, index: int) -> str:
        return render(f"hls/{op_name(self.op)}.h.j2", self.values(index))


def beats(tensor: Tensor, lanes: int) -> list[int]:
    """What crosses a stream: elements in row-major order, lane 0 lowest, above them the frame's bit."""
    element, data = tensor.type.element, tensor.data
    if isinstance(element, Integers):
        bits = (data[..., np.newaxis] >> np.arange(element.bits)) & 1
    else:
        bits = np.moveaxis(data, 1, -1)
    outside = None
    if isinstance(element, Bordered):
        bits, outside = bits[..., :-1], bits[..., -1].reshape(-1, lanes)
        assert (outside == outside[:, :1]).all()
    words = bits.reshape(-1, lanes * element.bits)
    if outside is not None:
        words = np.concatenate([words, outside[:, :1]], axis=1)
    packed = np.packbits(words.astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def write_units(folder: Path, units: list[Unit], tool: HlsTool = HlsTool.VIVADO_HLS) -> None:
    """Write headers, the program and the input beats of all units."""
    texts = {f"lib/{name}": static_text(f"hls/lib/{name}") for name in LIBRARY}
    texts["lib/axis.h"] = static_text(f"hls/lib/{AXIS_HEADER[tool]}")
    texts |= {f"layers/unit{index}.h": unit.header(index) for index, unit in enumerate(units)}
    for index, unit in enumerate(units):
        files = unit.values(index).get("rom_files", {})
        texts |= {f"layers/unit{index}_{name}": text for name, text in files.items()}
    texts = {name: translate(text, tool) for name, text in texts.items()}
    texts["unit.h"] = "".join(f'#include "layers/unit{index}.h"\n' for index in range(len(units)))
    lines = [MAIN, f"unsigned long long hbnn_steps[{len(units)}];\n", "int main() {"]
    lines.append('  std::ifstream file("input.dat");')
    data = []
    for index, unit in enumerate(units):
        values, entering = unit.values(index), beats(unit.source, unit.op.lanes_in)
        lines += [
            "  {",
            f'    hls::stream<ap_uint<{values["input_bits"]}> > source("source{index}");',
            f'    hls::stream<ap_uint<{values["output_bits"]}> > sink("sink{index}");',
            f"    take<{values['input_bits']}>(file, source, {len(entering)});",
            f"    unit{index}(source, sink, {len(unit.source.data)});",
            f"    give<{values['output_bits']}>(sink);",
            f'    std::cout << "steps " << hbnn_steps[{index}] << "\\n";',
            "  }",
        ]
        data += [f"{beat:x}" for beat in entering]
    texts["main.cpp"] = "\n".join([*lines, "}", ""])
    texts["input.dat"] = "\n".join(data) + "\n"
    write_texts(folder, texts)


def run_units(folder: Path, units: list[Unit], csim_tools, compiler, *flags: str, **options) -> None:
    """Hold the outputs and the counted steps of all units against the operators' plain meaning."""
    write_units(folder, units, **options)
    command = [
        compiler.path,
        *compile_flags(find_headers().path, folder),
        *csim_tools.extra_flags,
        *flags,
        folder / "main.cpp",
        "-o",
        folder / "main",
    ]
    built = subprocess.run(command, capture_output=True, text=True)
    assert (built.returncode, built.stderr) == (0, "")
    ran = subprocess.run([folder / "main"], cwd=folder, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    found = iter(ran.stdout.splitlines())
    for unit in units:
        result = Tensor(unit.op.infer(unit.source.type), unit.op.compute(unit.source))
        expected = beats(result, unit.op.lanes_out)
        got = [int(next(found), 16) for _ in expected]
        assert got == expected, f"{unit.op.folding} {unit.source.type} {unit.op}"
        steps = unit.op.cycles(unit.source.type) * len(unit.source.data)
        assert next(found) == f"steps {steps}"
    assert next(found, None) is None


def random_source(rng: np.random.Generator, value: TensorType, outside: np.ndarray | None = None) -> Tensor:
    """A random batch of two, three with the extremes of integers.

    Parameters
    ----------
    rng
        Where the numbers come from.
    value
        Type of the input.
    outside
        uint8 (batch, *shape), 1 in the frame of bordered planes.
    """
    element = value.element
    if isinstance(element, Integers):
        data = rng.integers(element.low, element.high + 1, (3, *value.shape))
        data[0], data[1] = element.low, element.high
        return Tensor(value, data)
    if isinstance(element, Bordered):
        bits = rng.integers(0, 2, (2, element.bits, *value.shape), dtype=np.uint8)
        frame = outside[:, np.newaxis]
        return Tensor(value, np.concatenate([bits * (1 - frame), frame], axis=1))
    return Tensor(value, rng.integers(0, 2, (2, element.bits, *value.shape), dtype=np.uint8))
