"""FINN's networks on streams with random binary weights, and the foldings that FINN published for them.

Run as a program, it estimates the three designs of FINN's paper for the highest rate at foldings that take as
many cycles, and puts FINN's published figures beside: frame rate, LUTs, block RAM, power. FINN published the
rates and not the foldings of these designs. Chosen here is, layer by layer, the least parallelism of whole
divisors that keeps the rate, so that it is the parallelism that matches, and with it the rate. The last line
printed is a JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hbnn_hw.estimate import Estimate, estimate
from hbnn_hw.estimate.finn import CLOCK_MHZ, CNV_MAX, LFC_MAX, SFC_MAX, FinnDesign
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
from hbnn_hw.passes import FoldingRequest, LayerFolding, schedule, to_streams
from hbnn_hw.target import Target
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes

CNV_FOLDING = ((3, 16), (32, 32), (32, 16), (32, 16), (32, 4), (32, 1), (4, 1), (8, 1), (1, 4))
"""(SIMD, PE) of the nine layers of cnvW1A1. Source: BNN-PYNQ."""

LFC_FOLDING = ((64, 32), (32, 64), (64, 32), (8, 16))
"""(SIMD, PE) of the four layers of lfcW1A1. Source: BNN-PYNQ."""

SFC_FOLDING = ((49, 256), (64, 64), (64, 64), (64, 16))
"""(SIMD, PE) that takes 16 cycles in every layer. FINN publishes no folding of SFC, but 12.3 M frames/s at
200 MHz, which are 16.2 cycles a frame."""


CNV_MAX_FOLDING = (
    (3, 64),
    (64, 64),
    (64, 32),
    (64, 32),
    (64, 8),
    (64, 1),
    (16, 1),
    (32, 1),
    (4, 1),
)
"""(SIMD, PE) that takes at most 9216 cycles in every layer of CNV: CNV-max's 21,906 frames/s at 200 MHz are
9130 cycles. A beat of a window is at most one pixel, 64 channels in the first layers."""

LFC_MAX_FOLDING = ((104, 64), (64, 128), (64, 128), (64, 8))
"""(SIMD, PE) that takes 128 cycles in every layer of LFC: LFC-max's 1.561 M frames/s are 128.1 cycles."""

PLANE_SCALES = {1: (1,), 2: (1, 2), 3: (1, 2, 4)}
"""Integer factors of planes, least significant first, by their number."""


@dataclass(slots=True)
class NetworkBuilder:
    """A chain of operators with random weights.

    Attributes
    ----------
    rng, graph
        Source of the weights; what is built so far.
    shares
        Parts of the weights of the next layer that have 1, 2, 3 bits, rounded to whole tiles.
    tile
        Columns, shared by all rows, that have as many bits.
    planes
        Bits of an activation.
    names
        Layers with weights.
    """

    rng: np.random.Generator
    graph: Graph
    shares: Sequence[float] = (1.0,)
    tile: int = 1
    planes: int = 1
    names: list[str] = field(default_factory=list)

    @classmethod
    def started(cls, name: str, n_inputs: int, n_bits: int) -> NetworkBuilder:
        """Begin a network for inputs of ``n_bits`` bits."""
        source = TensorType((n_inputs,), Integers(0, 2**n_bits - 1))
        return cls(np.random.default_rng(0), Graph(name, "x", source, ()))

    @property
    def channels(self) -> int:
        """Channels of what is built so far."""
        return self.graph.output_type.shape[-1]

    def next(self, kind: str) -> str:
        """Name the next layer with weights."""
        self.names.append(f"{kind}{len(self.names) + 1}")
        return self.names[-1]

    def put(self, name: str, op: Op) -> None:
        """Append an operator."""
        source = self.graph.nodes[-1].name if self.graph.nodes else self.graph.input_name
        nodes = (*self.graph.nodes, Node(name, op, (source,)))
        self.graph = Graph(self.graph.name, self.graph.input_name, self.graph.input_type, nodes)

    def weights(self, rows: int, columns: int) -> WeightPlanes:
        """Draw signs; the last columns have the most bits, whole tiles of them alike."""
        shape = (len(self.shares), rows, columns)
        signs = self.rng.integers(0, 2, shape, dtype=np.uint8)
        n_tiles = columns // self.tile
        ends = np.rint(np.cumsum(self.shares) * n_tiles)
        bits = np.repeat(1 + np.searchsorted(ends, np.arange(n_tiles), side="right"), self.tile)
        masks = np.broadcast_to(bits > np.arange(shape[0])[:, np.newaxis, np.newaxis], shape)
        scales = reversed(PLANE_SCALES[shape[0]])
        return WeightPlanes.from_bits(signs & masks, masks.astype(np.uint8), tuple(scales))

    def thresholds(self, rows: int) -> Thresholds:
        """Return thresholds around 0, one for each level of an activation."""
        levels = np.arange(1 - 2 ** (self.planes - 1), 2 ** (self.planes - 1))
        table = np.broadcast_to(levels, (rows, len(levels))).astype(np.int64)
        return Thresholds(table=table, inverted=np.zeros(rows, dtype=np.bool_))

    def convolution(self, rows: int) -> None:
        """A 3x3 convolution without padding, and its thresholds."""
        name, columns = self.next("conv"), 9 * self.channels
        self.put(name, Convolution(weights=self.weights(rows, columns), kernel=(3, 3)))
        self.put(f"{name}_act", Threshold(thresholds=self.thresholds(rows)))

    def dense(self, rows: int, last: bool = False) -> None:
        """A fully connected layer; the last one gives raw scores."""
        name, weights = self.next("fc"), self.weights(rows, self.graph.output_type.n_elements)
        self.put(name, Mvtu(weights=weights, thresholds=None if last else self.thresholds(rows)))


def cnv(
    outputs: int = 64, shares: Sequence[float] = (1.0,), tiles: Sequence[int] = (), planes: int = 1
) -> Graph:
    """Build FINN's CNV for 32 x 32 images of three 8-bit channels; FINN pads its 10 outputs to 64.

    Parameters
    ----------
    outputs
        Classes, with those that fill up.
    shares
        Parts of the weights with 1, 2, 3 bits, rounded to whole tiles in every layer.
    tiles
        Columns of a tile of the bit map in each layer; 1 in all of them if empty.
    planes
        Bits of an activation.
    """
    build = NetworkBuilder.started("cnv", 32 * 32 * 3, 8)
    build.shares, build.planes = shares, planes
    widths = iter(tiles)

    def tiled() -> NetworkBuilder:
        """Set the next layer's tile."""
        build.tile = next(widths, 1)
        return build

    build.put("image", Unflatten(shape=(32, 32, 3)))
    build.put("input", EncodeBitPlanes(n_bits=8))
    for rows in (64, 128):
        tiled().convolution(rows)
        tiled().convolution(rows)
        build.put(f"pool{rows}", MaxPool(kernel=(2, 2), stride=(2, 2)))
    tiled().convolution(256)
    tiled().convolution(256)
    build.put("flatten", Flatten())
    tiled().dense(512)
    tiled().dense(512)
    tiled().dense(outputs, last=True)
    return to_streams(build.graph)


def mlp(name: str, sizes: Sequence[int]) -> Graph:
    """Build a fully connected network on binary inputs."""
    build = NetworkBuilder.started(name, sizes[0], 1)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A published design and the estimate of the same network at the same parallelism."""

    design: FinnDesign
    estimate: Estimate
    lanes: int

    @property
    def rate_error_pct(self) -> float:
        """Estimated frame rate against the published one [%]."""
        return 100 * (self.estimate.frames_per_second / (1000 * self.design.kfps) - 1)

    @property
    def lut_error_pct(self) -> float:
        """Estimated LUTs against the published ones [%]."""
        return 100 * (self.estimate.area.luts / self.design.luts - 1)


def matched(design: FinnDesign, graph: Graph, folding: Sequence[tuple[int, int]]) -> Matched:
    """Estimate a network at a folding, at the clock of the published design."""
    scheduled = schedule(graph, published(graph, folding))
    lanes = sum(simd * pe for simd, pe in folding)
    return Matched(
        design=design, estimate=estimate(scheduled, Target(clock_ns=1000 / CLOCK_MHZ)), lanes=lanes
    )


def all_matched() -> tuple[Matched, ...]:
    """Estimate the three networks at the parallelism of FINN's fastest designs."""
    return (
        matched(SFC_MAX, sfc(), SFC_FOLDING),
        matched(LFC_MAX, lfc(), LFC_MAX_FOLDING),
        matched(CNV_MAX, cnv(), CNV_MAX_FOLDING),
    )


def main() -> None:
    """Print the table and its figures."""
    rows = all_matched()
    print(f"{'':9}{'lanes':>7}{'cycles':>8}{'kFPS':>10}{'FINN':>10}{'error':>8}", end="")
    print(f"{'LUT':>9}{'FINN':>8}{'LUT/lane':>10}{'FINN':>6}{'BRAM36':>8}{'FINN':>7}{'W':>7}{'FINN':>6}")
    for row in rows:
        found, design = row.estimate, row.design
        print(
            f"{design.name:9}{row.lanes:7d}{found.interval_cycles:8d}{found.frames_per_second / 1000:10.2f}"
            f"{design.kfps:10.2f}{row.rate_error_pct:+7.1f}%{found.area.luts:9.0f}{design.luts:8d}"
            f"{found.area.luts / row.lanes:10.1f}{design.luts / row.lanes:6.1f}{found.area.bram36:8.1f}"
            f"{design.bram36:7.1f}{found.fpga_power_w:7.2f}{design.chip_w:6.1f}"
        )
    document = {
        row.design.name.lower().replace("-", "_"): {
            "kfps": round(row.estimate.frames_per_second / 1000, 3),
            "rate_error_pct": round(row.rate_error_pct, 2),
            "luts": round(row.estimate.area.luts),
            "lut_error_pct": round(row.lut_error_pct, 1),
            "power_w": round(row.estimate.fpga_power_w, 2),
        }
        for row in rows
    }
    print(json.dumps({**document, "worst_rate_error_pct": max(abs(row.rate_error_pct) for row in rows)}))


if __name__ == "__main__":
    main()
