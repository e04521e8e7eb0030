"""FINN's networks on streams with random binary weights, and the foldings that FINN published for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Convolution,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Mvtu,
    Op,
    Threshold,
    Thresholds,
    Unflatten,
)
from hbnn_hw.passes import FoldingRequest, LayerFolding, to_streams
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes

CNV_FOLDING = ((3, 16), (32, 32), (32, 16), (32, 16), (32, 4), (32, 1), (4, 1), (8, 1), (1, 4))
"""(SIMD, PE) of the nine layers of cnvW1A1. Source: BNN-PYNQ."""

LFC_FOLDING = ((64, 32), (32, 64), (64, 32), (8, 16))
"""(SIMD, PE) of the four layers of lfcW1A1. Source: BNN-PYNQ."""

SFC_FOLDING = ((49, 256), (64, 64), (64, 64), (64, 16))
"""(SIMD, PE) that takes 16 cycles in every layer. FINN publishes no folding of SFC, but 12.3 M frames/s at
200 MHz, which are 16.2 cycles a frame."""


@dataclass(slots=True)
class _Builder:
    """A chain of operators with random weights."""

    rng: np.random.Generator
    graph: Graph
    names: list[str] = field(default_factory=list)

    def put(self, name: str, op: Op) -> None:
        source = self.graph.nodes[-1].name if self.graph.nodes else self.graph.input_name
        nodes = (*self.graph.nodes, Node(name, op, (source,)))
        self.graph = Graph(self.graph.name, self.graph.input_name, self.graph.input_type, nodes)

    def weights(self, rows: int, columns: int) -> WeightPlanes:
        shape = (1, rows, columns)
        signs = self.rng.integers(0, 2, shape, dtype=np.uint8)
        return WeightPlanes.from_bits(signs, np.ones(shape, dtype=np.uint8), (1,))

    def thresholds(self, rows: int) -> Thresholds:
        return Thresholds(table=np.zeros((rows, 1), dtype=np.int64), inverted=np.zeros(rows, dtype=np.bool_))

    def convolution(self, rows: int) -> None:
        """A 3x3 convolution without padding, and its thresholds."""
        self.names.append(f"conv{len(self.names) + 1}")
        columns = 9 * self.graph.output_type.shape[-1]
        self.put(self.names[-1], Convolution(weights=self.weights(rows, columns), kernel=(3, 3)))
        self.put(f"{self.names[-1]}_act", Threshold(thresholds=self.thresholds(rows)))

    def dense(self, rows: int, last: bool = False) -> None:
        """A fully connected layer; the last one gives raw scores."""
        self.names.append(f"fc{len(self.names) + 1}")
        weights = self.weights(rows, self.graph.output_type.n_elements)
        self.put(self.names[-1], Mvtu(weights=weights, thresholds=None if last else self.thresholds(rows)))


def _started(name: str, n_inputs: int, n_bits: int) -> _Builder:
    source = TensorType((n_inputs,), Integers(0, 2**n_bits - 1))
    return _Builder(np.random.default_rng(0), Graph(name, "x", source, ()))


def cnv(outputs: int = 64) -> Graph:
    """Build FINN's CNV for 32 x 32 images of three 8-bit channels; FINN pads its 10 outputs to 64."""
    build = _started("cnv", 32 * 32 * 3, 8)
    build.put("image", Unflatten(shape=(32, 32, 3)))
    build.put("input", EncodeBitPlanes(n_bits=8))
    for rows in (64, 128):
        build.convolution(rows)
        build.convolution(rows)
        build.put(f"pool{rows}", MaxPool(kernel=(2, 2), stride=(2, 2)))
    build.convolution(256)
    build.convolution(256)
    build.put("flatten", Flatten())
    build.dense(512)
    build.dense(512)
    build.dense(outputs, last=True)
    return to_streams(build.graph)


def mlp(name: str, sizes: Sequence[int]) -> Graph:
    """Build a fully connected network on binary inputs."""
    build = _started(name, sizes[0], 1)
    build.put("input", EncodeBitPlanes(n_bits=1))
    for rows in sizes[1:-1]:
        build.dense(rows)
    build.dense(sizes[-1], last=True)
    return to_streams(build.graph)


def lfc() -> Graph:
    """Build FINN's LFC with its inputs padded from 784 to 832 and its outputs from 10 to 64."""
    return mlp("lfc", (832, 1024, 1024, 1024, 64))


def sfc() -> Graph:
    """Build FINN's SFC with its outputs padded from 10 to 64."""
    return mlp("sfc", (784, 256, 256, 256, 64))


def published(graph: Graph, folding: Sequence[tuple[int, int]]) -> FoldingRequest:
    """Ask for (SIMD, PE) of every layer in order."""
    names = [node.name for node in graph.nodes if isinstance(node.op, Mvtu)]
    layers = {name: LayerFolding(pe=pe, simd=simd) for name, (simd, pe) in zip(names, folding, strict=True)}
    return FoldingRequest(layers=layers)
