"""Index of the largest score of a sample."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.decoded_inputs import as_integers, with_decoders
from hbnn_hw.backends.rtl.pipeline import Pipeline, fields, numbers, signed_field
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.ops import ArgMax
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import arg_max_depth
from hbnn_hw.types import Integers, TensorType

Contender = tuple[Value, Value]
"""A key and the index of its lane."""


def one_round(contenders: Sequence[Contender]) -> list[Contender]:
    """Let neighbours contend, combinationally; one without a neighbour goes on by itself."""
    pairs = (contenders[at : at + 2] for at in range(0, len(contenders), 2))
    return [larger(*pair) if len(pair) == 2 else (pair[0][0], Cat(pair[0][1], Const(0, 1))) for pair in pairs]


def larger(first: Contender, second: Contender) -> Contender:
    """Return the contender with the larger key, the first of equals, combinationally.

    ``second`` must lie one power of two of lanes behind ``first``, so that its index has one more bit.
    """
    wins = second[0] > first[0]
    return Mux(wins, second[0], first[0]), Cat(Mux(wins, second[1], first[1]), wins)


class StreamArgMax(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """The class c of the largest ``(x[c] << shift) + offsets[c]``, the first of equals.

    The lanes of a beat are compared two by two, with registers behind every round; the winner is compared
    with the best of the beats before.

    Latency ``timing.arg_max_depth`` clocks behind a sample's last beat, a beat per clock. Area for 10
    classes of 10 bits without offsets: 19 LUT and 46 flip-flops for 1 lane, 183 and 325 for 10 (Yosys, xc7).

    Parameters
    ----------
    op
        The operator.
    source
        Type of its input, integers.
    """

    def __init__(self, op: ArgMax, source: TensorType) -> None:
        assert isinstance(source.element, Integers)
        self.op, self.element = op, source.element
        keys = op.key_range(source)
        self.key_bits = Integers(min(-1, keys.low), keys.high).bits
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(beat_bits(source, op.lanes)))),
                "o": Out(stream.Signature(unsigned(op.infer(source).element.bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Make keys, let them contend, and keep the best."""
        m = Module()
        last = Signal()
        flow = Pipeline.between(m, self.i, self.o, arg_max_depth(self.op.lanes), leaves=last)
        contenders: list[Contender] = [(key, Const(0, 0)) for key in self._keys(flow)]
        while len(contenders) > 1:
            n = len(contenders)
            contenders = [
                (flow.register(key, f"key{at}_of_{n}"), flow.register(lane, f"lane{at}_of_{n}"))
                for at, (key, lane) in enumerate(one_round(contenders))
            ]
        self._keep_best(m, flow, *contenders[0], last)
        return m

    def _keys(self, flow: Pipeline) -> list[Signal]:
        """Register the scores with their offsets, of the beat that the first stage holds."""
        lanes, offsets = self.op.lanes, self.op.offsets.tolist()
        width = Integers(min(-1, min(offsets)), max(offsets)).bits
        words = [
            concatenate([(offset, width) for offset in offsets[at : at + lanes]])
            for at in range(0, len(offsets), lanes)
        ]
        beat = flow.register(flow.beat, "beat")
        parts = fields(flow.constants("offsets", lanes * width, words), [width] * lanes)
        scores = numbers(beat, self.element.bits, self.element.signed)
        keys = (
            (score << self.op.shift) + signed_field(part, width)
            for score, part in zip(scores, parts, strict=True)
        )
        return [flow.register(key, f"key{lane}", signed(self.key_bits)) for lane, key in enumerate(keys)]

    def _keep_best(self, m: Module, flow: Pipeline, key: Value, lane: Value, last: Signal) -> None:
        """Compare a beat's winner with the best of the beats before it."""
        classes, lanes = len(self.op.offsets), self.op.lanes
        first_class = Signal(range(classes))
        best = Signal(signed(self.key_bits), reset_less=True)
        best_class = Signal(len(self.o.payload), reset_less=True)
        m.d.comb += [last.eq(first_class == classes - lanes), flow.result.eq(best_class)]
        with m.If(flow.arrives):
            m.d.sync += first_class.eq(Mux(last, 0, first_class + lanes))
            with m.If((first_class == 0) | (key > best)):
                m.d.sync += [best.eq(key), best_class.eq(first_class + lane)]


def build(op: ArgMax, source: TensorType) -> wiring.Component:
    """Return the unit of an IR operator; planes are decoded first."""
    return with_decoders(StreamArgMax(op, as_integers(source)), op.lanes, {"i": source})
