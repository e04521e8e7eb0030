"""Stream rules hold for every behaviour of the neighbours; units that break them are found."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl import add, arg_max, concat, decode, fork, rescale, threshold
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer, StreamFifo
from hbnn_hw.backends.rtl.width_converter import StreamWidthConverter
from hbnn_hw.ops import Add, ArgMax, Concat, Decode, Fork, Rescale, Threshold, Thresholds
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.verify.stream_proof import StreamVerdict, prove_streams, ready_paths

BITS, PLANES = TensorType((2,), Integers(0, 1)), TensorType((2,), Planes((3, 1)))
ONES, NONE = [[1, -1]], [[0, 0]]


def array(rows):
    return np.array(rows, dtype=np.int64)


def rescaler():
    op = Rescale(multipliers=array(ONES), offsets=array(NONE), knees=array(ONES)[:0], shift=0, lanes=1)
    return rescale.build(op, BITS)


def thresholds():
    tables = Thresholds(table=array([[0], [1]]), inverted=array([0, 1]) == 1)
    return threshold.build(Threshold(thresholds=tables, lanes=1), BITS)


UNITS = {
    "skid buffer": lambda: SkidBuffer(2),
    "cutting converter": lambda: StreamWidthConverter(4, 2),
    "collecting converter": lambda: StreamWidthConverter(1, 3, mark_bits=1),
    "fork": lambda: fork.build(Fork(lanes=2), BITS, readers=2),
    "sum": lambda: add.build(Add(lanes=2), BITS, BITS),
    "sum of planes": lambda: add.build(Add(lanes=2), BITS, PLANES),
    "join": lambda: concat.build(Concat(lanes=1), BITS, BITS),
    "decoder": lambda: decode.build(Decode(lanes=1), PLANES),
    "thresholds": thresholds,
    "rescaling": rescaler,
    "arg-max": lambda: arg_max.build(ArgMax(offsets=array([0, 1]), lanes=1), BITS),
}


@pytest.mark.parametrize("name", UNITS)
def test_what_is_offered_stays_until_it_is_taken(name):
    assert prove_streams(UNITS[name]) is StreamVerdict.PROVED
    assert ready_paths(UNITS[name]) == ()


def test_a_queue_keeps_the_rules_as_long_as_one_looks():
    """Its fill level and its pointers agree, which induction by itself does not know."""
    assert prove_streams(lambda: StreamFifo(2, 2)) is StreamVerdict.BOUNDED
    assert ready_paths(lambda: StreamFifo(2, 2)) == ()


@pytest.mark.parametrize("unit", [UNITS["skid buffer"], UNITS["fork"], lambda: StreamFifo(2, 2)])
def test_no_word_is_lost_doubled_or_out_of_order(unit):
    assert prove_streams(unit, is_numbered=True) is not StreamVerdict.BROKEN


class Faulty(wiring.Component):
    """A register that forgets to wait for its reader, or one that overwrites a word."""

    def __init__(self, overwrites):
        self.overwrites = overwrites
        super().__init__({"i": In(stream.Signature(2)), "o": Out(stream.Signature(2))})

    def elaborate(self, platform):
        m = Module()
        full, word = Signal(), Signal(2)
        m.d.comb += [self.i.ready.eq(~full | self.o.ready), self.o.valid.eq(full), self.o.payload.eq(word)]
        if self.overwrites:
            m.d.comb += self.i.ready.eq(1)
        with m.If(self.o.ready | (not self.overwrites)):
            m.d.sync += full.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [full.eq(1), word.eq(self.i.payload)]
        return m


@pytest.mark.parametrize("overwrites", [False, True])
def test_broken_rules_are_found(overwrites):
    assert prove_streams(lambda: Faulty(overwrites)) is StreamVerdict.BROKEN


class Doubling(SkidBuffer):
    """A skid buffer that offers its spare word twice: the rule of holding is kept, the order is not."""

    def elaborate(self, platform):
        m = Module()
        m.submodules.skid = skid = SkidBuffer(len(self.i.payload))
        again, word = Signal(), Signal(len(self.i.payload))
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        m.d.comb += [self.o.payload.eq(skid.o.payload), self.o.valid.eq(skid.o.valid)]
        with m.If(again):
            m.d.comb += [self.o.payload.eq(word), self.o.valid.eq(1)]
            with m.If(self.o.ready):
                m.d.sync += again.eq(0)
        with m.Else():
            m.d.comb += skid.o.ready.eq(self.o.ready)
            with m.If(skid.o.valid & self.o.ready):
                m.d.sync += [again.eq(1), word.eq(skid.o.payload)]
        return m


def test_a_doubled_word_is_found():
    assert prove_streams(lambda: Doubling(2)) is not StreamVerdict.BROKEN
    assert prove_streams(lambda: Doubling(2), is_numbered=True) is StreamVerdict.BROKEN


def test_a_path_from_ready_to_ready_is_named():
    assert ready_paths(lambda: Faulty(overwrites=False)) == ("i__ready",)
