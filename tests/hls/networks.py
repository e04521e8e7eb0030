"""Networks and export folders for the tests of the HLS back end."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import EncodeBitPlanes, Mvtu, Thresholds
from hbnn_hw.ops.dense import accumulator_range
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower, schedule
from hbnn_hw.target import Target
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.verify.vectors import VectorSet, vector_files
from tests.graphs import random_inputs, random_mlp, random_weights

TARGET = Target()


def folded(*foldings: tuple[int, int] | None) -> FoldingRequest:
    """Exact (PE, SIMD) per layer fc1, fc2, …; None unrolls the layer."""
    layers = {
        f"fc{index}": LayerFolding(unroll=True) if pair is None else LayerFolding(pe=pair[0], simd=pair[1])
        for index, pair in enumerate(foldings, start=1)
    }
    return FoldingRequest(layers=layers)


def mlp(seed: int, sizes: Sequence[int], *foldings: tuple[int, int] | None, **options) -> Graph:
    return lower(random_mlp(seed, sizes, **options), folded(*foldings))


def random_thresholds(rng: np.random.Generator, rows: int, n_bits: int, low: int, high: int) -> Thresholds:
    """Ascending tables over the whole range; the ends (always, never) and inverted rows occur."""
    table = rng.integers(low, high + 2, (rows, 2**n_bits - 1))
    table[0], table[-1] = low, high + 1
    return Thresholds(table=np.sort(table, axis=1).astype(np.int64), inverted=rng.integers(0, 2, rows) == 1)


def multi_level(
    seed: int, sizes: Sequence[int], code_bits: Sequence[int], *foldings, n_bits=2, **weights
) -> Graph:
    """Units with multi-level thresholds in all layers, the last one included: codes leave the accelerator."""
    rng = np.random.default_rng(seed)
    nodes = [Node("encode", EncodeBitPlanes(n_bits=n_bits), ("x",))]
    source = Planes(tuple(1 << p for p in range(n_bits)))
    for index, (columns, rows, bits) in enumerate(zip(sizes, sizes[1:], code_bits, strict=False), start=1):
        planes = random_weights(rng, rows, columns, **weights)
        reach = accumulator_range(planes, source.largest)
        thresholds = random_thresholds(rng, rows, bits, reach.low, reach.high)
        nodes.append(Node(f"fc{index}", Mvtu(weights=planes, thresholds=thresholds), (nodes[-1].name,)))
        source = thresholds.output
    graph = Graph("codes", "x", TensorType((sizes[0],), Integers(0, 2**n_bits - 1)), tuple(nodes))
    graph = schedule(graph, folded(*foldings))
    graph.check()
    return graph


def golden(graph: Graph, batch: int = 8, seed: int = 0) -> VectorSet:
    """Vectors at the edges by the operators' plain meaning; the first two samples are the extremes."""
    values = dict(graph.trace(random_inputs(graph, batch, seed)))
    entering = values[graph.hardware_input].data.astype(np.int64)
    leaving = values[graph.hardware_output].data.astype(np.int64)
    if isinstance(graph.types[graph.hardware_output].element, Planes):
        leaving = sum(leaving[:, p] << p for p in range(leaving.shape[1]))
    return VectorSet(entering.reshape(batch, -1), leaving.reshape(batch, -1))


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def export(folder: Path, graph: Graph, tool: HlsTool = HlsTool.VIVADO_HLS, batch: int = 8) -> Path:
    """Write what the C simulation needs of an export."""
    vectors = golden(graph, batch)
    write_texts(folder / "hls", emit(graph, vectors, TARGET, tool))
    for name, array in vector_files(vectors).items():
        (folder / name).parent.mkdir(exist_ok=True)
        np.save(folder / name, array)
    return folder
