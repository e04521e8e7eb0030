"""Many generated layers in one C++ program, each held against its operator: beats, reads and steps.

Unlike a whole network, a layer alone may have any element type, width and number of lanes at its ends, and
its program can tell how much was read when each beat was written.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.backends.hls.dialect import AXIS_HEADER, translate
from hbnn_hw.backends.hls.layers import layer_values, op_name
from hbnn_hw.backends.hls.project import LIBRARY
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import HardwareOp
from hbnn_hw.ops.base import Tensor
from hbnn_hw.streams import beat_bits
from hbnn_hw.templating import render, static_text
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from hbnn_hw.verify.csim import compile_flags, find_headers

BRANCHES = ("-DHBNN_SYNTHESIS_BRANCHES",)

STREAM = """
#ifndef HBNN_TEST_STREAM_H
#define HBNN_TEST_STREAM_H
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>
extern unsigned long long total_reads;
namespace hls {
template <class Word>
struct stream {
  std::deque<Word> words;
  std::vector<unsigned long long> reads_at_write;
  Word read() {
    if (words.empty()) { std::printf("a stream is read while empty\\n"); std::exit(1); }
    const Word word = words.front();
    words.pop_front();
    ++total_reads;
    return word;
  }
  void write(const Word &word) {
    words.push_back(word);
    reads_at_write.push_back(total_reads);
  }
};
}
#endif
"""

PREFIX = "#define AP_INT_MAX_W 4096\n" + "".join(
    f"#include <{name}>\n" for name in ("ap_int.h", "hls_stream.h", "fstream", "string")
)

BENCH = """
unsigned long long total_reads;
unsigned long long hbnn_steps[{n}];
template <int BITS>
ap_uint<BITS> parsed(const std::string &digits) {{
  ap_uint<BITS> word = 0;
  for (unsigned at = 0; at < digits.size(); at += 16) {{
    if (at) word <<= BITS > 64 ? 64 : 0;
    word |= ap_uint<BITS>(std::strtoull(digits.substr(at, 16).c_str(), 0, 16));
  }}
  return word;
}}
template <int BITS>
void print(const ap_uint<BITS> &word) {{
  for (int at = (BITS - 1) / 64 * 64; at >= 0; at -= 64)
    std::printf("%016llx", ap_uint<BITS>(word >> at).to_uint64());
}}
template <int IN, int OUT>
void run(void (*layer)(hls::stream<ap_uint<IN> > &, hls::stream<ap_uint<OUT> > &, unsigned),
         const char *path, unsigned images, unsigned index) {{
  hls::stream<ap_uint<IN> > source;
  hls::stream<ap_uint<OUT> > sink;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) source.write(parsed<IN>(line));
  total_reads = 0;
  layer(source, sink, 1);
  layer(source, sink, images - 1);
  std::printf("layer %u %llu %u\\n", index, hbnn_steps[index], unsigned(source.words.size()));
  for (unsigned beat = 0; beat < sink.words.size(); ++beat) {{
    std::printf("%llu ", sink.reads_at_write[beat]);
    print<OUT>(sink.words[beat]);
    std::printf("\\n");
  }}
}}
int main() {{
{calls}
  return 0;
}}
"""


@dataclass(frozen=True, eq=False)
class Layer:
    """An operator with its lanes, and what it reads; random data unless given."""

    op: HardwareOp
    source: TensorType
    data: Tensor | None = None

    @property
    def graph(self) -> Graph:
        return Graph("layer", "x", self.source, (Node("y", self.op, ("x",)),))


def random_tensor(source: TensorType, lanes: int, batch: int, rng: np.random.Generator) -> Tensor:
    """Random data, extremes in the first and the last sample; beats at random lie in a frame."""
    element, shape = source.element, source.shape
    match element:
        case Integers(low, high):
            data = rng.integers(low, high, (batch, *shape), endpoint=True)
            data[0], data[-1] = low, high
        case Planes():
            data = rng.integers(0, 2, (batch, element.n_planes, *shape), dtype=np.uint8)
            data[0], data[-1] = 0, 1
        case Bordered(planes):
            data = rng.integers(0, 2, (batch, planes.n_planes, *shape), dtype=np.uint8)
            outside = rng.integers(0, 2, (batch, 1, *shape[:2], shape[2] // lanes), dtype=np.uint8)
            outside = outside.repeat(lanes, axis=-1)
            data = np.concatenate([data * (1 - outside), outside], axis=1)
    return Tensor(source, data)


def to_beats(tensor: Tensor, lanes: int) -> list[int]:
    """Beats of all samples as they cross a stream."""
    element, data = tensor.type.element, tensor.data
    bits = element.bits
    if isinstance(element, Integers):
        codes = data % (1 << bits) if bits < 63 else data & ((1 << bits) - 1)
    else:
        codes = sum(data[:, p].astype(np.int64) << p for p in range(bits))
    marks = data[:, -1] if isinstance(element, Bordered) else np.zeros_like(codes)
    beats = []
    for code, mark in zip(codes.reshape(-1, lanes).tolist(), marks.reshape(-1, lanes).tolist(), strict=True):
        assert len(set(mark)) == 1
        beats.append(sum(value << (i * bits) for i, value in enumerate(code)) | mark[0] << (lanes * bits))
    return beats


def _headers(folder: Path, tool: HlsTool) -> None:
    (folder / "lib").mkdir(parents=True)
    (folder / "layers").mkdir()
    for name in LIBRARY:
        (folder / "lib" / name).write_text(translate(static_text(f"hls/lib/{name}"), tool))
    (folder / "lib" / "axis.h").write_text(translate(static_text(f"hls/lib/{AXIS_HEADER[tool]}"), tool))


def _write_layer(folder: Path, index: int, layer: Layer, tool: HlsTool) -> str:
    """Write a layer's header; return the call that runs it."""
    node = layer.graph.nodes[0]
    values = layer_values(layer.graph, node, index, f"layer{index}")
    text = translate(render(f"hls/{op_name(layer.op)}.h.j2", values), tool)
    (folder / "layers" / f"layer{index}.h").write_text(text)
    for name, table in values.get("rom_files", {}).items():
        (folder / "layers" / f"layer{index}_{name}").write_text(table)
    widths = f"{values['input_bits']}, {values['output_bits']}"
    return f'  run<{widths}>(layer{index}, "{folder}/{index}.dat", IMAGES, {index});'


class LayerBench:
    """Compiles and runs layers, with the vendor's headers compiled once per set of options."""

    def __init__(self, compiler: Path, folder: Path, flags: tuple[str, ...]) -> None:
        self.compiler, self.folder, self.flags = compiler, folder, flags
        self.built: set[tuple[str, ...]] = set()
        self.runs = 0
        (folder / "hls_stream.h").write_text(STREAM)
        (folder / "prefix.h").write_text(PREFIX)

    def _options(self, flags: tuple[str, ...]) -> list[str]:
        # Our stream before that of the header set.
        options = [
            "-isystem",
            str(self.folder),
            *compile_flags(find_headers().path, self.folder),
            *self.flags,
            *flags,
        ]
        # What our headers choose by the vendor's do not see.
        shared = tuple(flag for flag in flags if flag not in BRANCHES)
        name = self.folder / f"prefix{abs(hash(shared))}.h"
        if shared not in self.built:
            name.write_text(PREFIX)
            command = [str(self.compiler), *options, "-x", "c++-header", str(name), "-o", f"{name}.gch"]
            subprocess.run(command, check=True)
            self.built.add(shared)
        return [*options, "-include", str(name)]

    def check(
        self,
        layers: Sequence[Layer],
        *flags: str,
        tool: HlsTool = HlsTool.VIVADO_HLS,
        images: int = 3,
        seed: int = 0,
    ) -> None:
        """Assert that all layers give their operators' beats, reading and stepping as these say."""
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        _headers(folder, tool)
        rng = np.random.default_rng(seed)
        calls, tensors = [], []
        for index, layer in enumerate(layers):
            calls.append(_write_layer(folder, index, layer, tool).replace("IMAGES", str(images)))
            tensors.append(layer.data or random_tensor(layer.source, layer.op.lanes_in, images, rng))
            beats = to_beats(tensors[-1], layer.op.lanes_in)
            digits = -(-beat_bits(layer.source, layer.op.lanes_in) // 64) * 16
            lines = "".join(f"{beat:0{digits}x}\n" for beat in beats)
            (folder / f"{index}.dat").write_text(lines)
        unit = folder / "bench.cpp"
        includes = "".join(f'#include "layers/layer{index}.h"\n' for index in range(len(layers)))
        unit.write_text(includes + BENCH.format(n=len(layers), calls="\n".join(calls)))
        command = [str(self.compiler), *self._options(flags), str(unit), "-o", str(folder / "bench")]
        outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (outcome.returncode, outcome.stderr) == (0, ""), outcome.stderr[-2000:]
        outcome = subprocess.run([str(folder / "bench")], capture_output=True, text=True, check=False)
        assert (outcome.returncode, outcome.stderr) == (0, ""), outcome.stdout[-300:]
        found = outcome.stdout.split("layer ")[1:]
        for layer, tensor, text in zip(layers, tensors, found, strict=True):
            _compare(layer, tensor, text.splitlines(), images)


def _compare(layer: Layer, tensor: Tensor, lines: list[str], images: int) -> None:
    op, source = layer.op, layer.source
    _, steps, left = map(int, lines[0].split())
    assert steps == images * op.cycles(source), f"{layer}: steps"
    assert left == 0, f"{layer}: {left} beats of the input are left"
    found = [(int(reads), int(word, 16)) for reads, word in map(str.split, lines[1:])]
    beats = to_beats(Tensor(op.infer(source), op.compute(tensor)), op.lanes_out)
    (reads,) = op.reads(source)
    per_image = source.n_elements // op.lanes_in
    all_reads = [int(n) + image * per_image for image in range(images) for n in reads]
    assert [word for _, word in found] == beats, f"{layer}: beats"
    assert [n for n, _ in found] == all_reads, f"{layer}: reads"
