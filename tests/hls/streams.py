"""Graphs of single operators with hand-set lanes, for the tests of the HLS back end."""

import numpy as np

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import (
    Add,
    ArgMax,
    Concat,
    Decode,
    EncodeBitPlanes,
    Fork,
    Op,
    Rescale,
    Threshold,
    Thresholds,
    WidthConverter,
)
from hbnn_hw.types import Integers, TensorType


class Builder:
    """A graph, operator by operator; methods return the name of the value that they make.

    Integers cross the edge first, so every method takes such; random constants reach the ends of the ranges.
    """

    def __init__(self, seed: int, shape: tuple[int, ...], low: int, high: int, lanes: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lanes = lanes
        self.graph = Graph("operators", "x", TensorType(shape, Integers(low, high)), ())

    def put(self, op: Op, *inputs: str) -> str:
        name = f"{type(op).__name__.lower()}{len(self.graph.nodes)}"
        nodes = (*self.graph.nodes, Node(name, op, inputs))
        self.graph = Graph("operators", "x", self.graph.input_type, nodes)
        assert self.graph.types[name]
        return name

    def type(self, value: str) -> TensorType:
        return self.graph.types[value]

    def fork(self, value: str) -> str:
        return self.put(Fork(lanes=self.lanes), value)

    def add(self, *values: str) -> str:
        return self.put(Add(lanes=self.lanes), *values)

    def concat(self, *values: str) -> str:
        return self.put(Concat(lanes=self.lanes), *values)

    def decode(self, value: str) -> str:
        return self.put(Decode(lanes=self.lanes), value)

    def encode(self, value: str) -> str:
        bits = self.type(value).element.bits
        return self.put(EncodeBitPlanes(n_bits=bits, lanes=self.lanes), value)

    def converted(self, value: str, lanes: int) -> str:
        """The same value in beats of other lanes; further operators take them."""
        name = self.put(WidthConverter(lanes_from=self.lanes, lanes_to=lanes), value)
        self.lanes = lanes
        return name

    def threshold(self, value: str, n_bits: int = 1, scales=None, mask=None) -> str:
        """Tables over the whole range and beyond: always, never, equal levels, inverted channels."""
        source = self.type(value)
        low, high, channels = source.element.low, source.element.high, source.shape[-1]
        table = self.rng.integers(low, high + 2, (channels, 2**n_bits - 1))
        ends = [low, high + 1, low - 1000, high + 1000, high]
        for channel, end in zip(self.rng.permutation(channels), ends, strict=False):
            table[channel, self.rng.integers(table.shape[1]) :] = end
        inverted = self.rng.integers(0, 2, channels) == 1
        table = np.sort(table, axis=1).astype(np.int64)
        thresholds = Thresholds(table=table, inverted=inverted, scales=scales, mask=mask)
        return self.put(Threshold(thresholds=thresholds, lanes=self.lanes), value)

    def rescale(self, value: str, pieces: int, shift: int, bits: int, spread: int = 1) -> str:
        """Multipliers of ``bits`` bits and either sign; knees in, at the ends of and beyond the range.

        ``spread`` bits of offset go beyond the shift, so that results keep far fewer bits than products.
        """
        source = self.type(value)
        low, high, channels = source.element.low, source.element.high, source.shape[-1]
        most = (1 << bits) - 1
        multipliers = self.rng.integers(-most, most + 1, (pieces, channels))
        multipliers[0, 0] = most
        offsets = self.rng.integers(-(1 << (shift + spread)), 1 << (shift + spread), (pieces, channels))
        knees = np.sort(self.rng.integers(low - 2, high + 3, (pieces - 1, channels)), axis=0)
        op = Rescale(multipliers=multipliers, offsets=offsets, knees=knees, shift=shift, lanes=self.lanes)
        return self.put(op, value)

    def arg_max(self, value: str, shift: int) -> str:
        """Offsets of a few steps, so that ties are frequent."""
        (classes,) = self.type(value).shape
        offsets = self.rng.integers(-2 << shift, (2 << shift) + 1, classes)
        return self.put(ArgMax(offsets=offsets, shift=shift, lanes=self.lanes), value)
