"""Proofs for all inputs at small widths of the arithmetic on elements, and faults that have to be found."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.arg_max import one_round
from hbnn_hw.backends.rtl.decode import decoded
from hbnn_hw.backends.rtl.pipeline import numbers
from hbnn_hw.backends.rtl.rescale import PieceConstants, choose
from hbnn_hw.backends.rtl.threshold import channel_code, threshold_words
from hbnn_hw.ops import Rescale, Thresholds
from hbnn_hw.types import Integers
from hbnn_hw.verify.proof import component_verilog, prove_equal


class Wires(wiring.Component):
    """A combinational module of input widths and one output, from a function of a module and the inputs."""

    def __init__(self, inputs, output, shape, function):
        self.function, self.output = function, output
        super().__init__({name: In(width) for name, width in inputs.items()} | {output: Out(shape)})

    def elaborate(self, platform):
        m = Module()
        inputs = [getattr(self, name) for name in self.signature.members if name != self.output]
        m.d.comb += getattr(self, self.output).eq(self.function(m, *inputs))
        return m


def is_equal(gold, inputs, output, shape, function):
    return prove_equal(gold, component_verilog(Wires(inputs, output, shape, function), "gate")).equal


# --- planes


def decoder_specification(scales, bits, present="present[{p}]"):
    terms = " + ".join(
        f"({present.format(p=p)} ? (bits[{p}] ? {scale} : -{scale}) : 0)" for p, scale in enumerate(scales)
    )
    top = len(scales) - 1
    return f"""
    module gold(input [{top}:0] bits, input [{top}:0] present, output signed [{bits - 1}:0] y);
      wire signed [31:0] sum = {terms};
      assign y = sum;
    endmodule"""


ALL_KNOWN = [(1,), (4, 2, 1), (5, 5, 1, 7), (7, 1, 3, 9, 2, 6, 4), (1, 2, 4, 8, 16, 32, 64, 128)]


@pytest.mark.parametrize(
    ("scales", "masked"), [*((scales, False) for scales in ALL_KNOWN), ((3,), True), ((1, 2, 4, 5), True)]
)
def test_decoded_planes_are_their_signed_sum(scales, masked):
    bits = Integers(-sum(scales), sum(scales)).bits
    gold = decoder_specification(scales, bits, "present[{p}]" if masked else "1'b1")
    ports = {"bits": len(scales), "present": len(scales)}
    known = [1] * len(scales)
    function = lambda m, x, present: decoded(x, list(present) if masked else known, scales)  # noqa: E731
    assert is_equal(gold, ports, "y", signed(bits), function)


def test_known_masks_leave_planes_out():
    scales = (4, 2, 1)
    gold = decoder_specification(scales, 4, "(3'b101 >> {p} & 1'b1)")
    ports = {"bits": 3, "present": 3}
    assert is_equal(gold, ports, "y", signed(4), lambda m, x, _: decoded(x, [1, 0, 1], scales))
    assert not is_equal(gold, ports, "y", signed(4), lambda m, x, _: decoded(x, [1, 1, 1], scales))


# --- thresholds


def threshold_specification(element, tables):
    """The codes of several channels side by side; 0 outside the range, which the type rules out."""
    in_range = f"v >= {element.low} && v <= {element.high}"
    codes = [
        " + ".join(f"((v >= {level}) != {int(inverted)})" for level in row)
        for row, inverted in zip(tables.table.tolist(), tables.inverted.tolist(), strict=True)
    ]
    lines = "\n".join(
        f"assign codes[{at * tables.n_bits} +: {tables.n_bits}] = ({in_range}) ? {code} : 0;"
        for at, code in enumerate(codes)
    )
    return f"""
    module gold(input {"signed " if element.signed else ""}[{element.bits - 1}:0] x,
                output [{len(codes) * tables.n_bits - 1}:0] codes);
      wire signed [31:0] v = x;
      {lines}
    endmodule"""


def threshold_codes(element, tables):
    """Every other channel's thresholds as constants in logic, the others' as words that a ROM would give."""

    def function(m, x):
        value, codes = x.as_signed() if element.signed else x, []
        reached = Signal()
        m.d.comb += reached.eq((value >= element.low) & (value <= element.high))
        for channel, word in enumerate(threshold_words(tables, element, 1)):
            constants = word
            if channel % 2:
                constants = Signal(tables.levels * (element.bits + 1) + 1, name=f"word{channel}")
                m.d.comb += constants.eq(word)
            code = channel_code(m, x, element, constants, tables.levels, f"passed{channel}")
            codes.append(Mux(reached, code, 0))
        return Cat(*codes)

    return function


@pytest.mark.parametrize(
    ("element", "levels"),
    [(Integers(-8, 7), 3), (Integers(0, 15), 7), (Integers(-3, 4), 1), (Integers(-1, 0), 3)],
)
def test_thresholds_of_two_s_complement(element, levels):
    """In the range, at its ends and beyond, equal ones, inverted ones."""
    rng = np.random.default_rng(levels)
    table = np.sort(rng.integers(element.low - 2, element.high + 4, (8, levels)), axis=1)
    table[0], table[1] = element.low, element.high + 1
    tables = Thresholds(table=table, inverted=np.arange(8) % 4 >= 2)
    gold = threshold_specification(element, tables)
    assert is_equal(gold, {"x": element.bits}, "codes", 8 * tables.n_bits, threshold_codes(element, tables))
    raised = table.copy()
    raised[0, -1] += 1
    other = Thresholds(table=raised, inverted=tables.inverted)
    assert not is_equal(
        gold, {"x": element.bits}, "codes", 8 * tables.n_bits, threshold_codes(element, other)
    )


# --- rescaling


def rescale_specification(op, element, bits):
    pieces = len(op.multipliers)
    sums = [f"v * ({op.multipliers[k, 0]}) + ({op.offsets[k, 0]})" for k in range(pieces)]
    chosen = sums[0]
    for knee, total in zip(op.knees[:, 0], sums[1:], strict=True):
        chosen = f"(v >= {knee}) ? ({total}) : ({chosen})"
    sign = "signed " if element.signed else ""
    return f"""
    module gold(input {sign}[{element.bits - 1}:0] x, output signed [{bits - 1}:0] y);
      wire signed [31:0] v = x;
      wire signed [31:0] sum = {chosen};
      assign y = sum >>> {op.shift};
    endmodule"""


def rescaled(op, element):
    """What the unit computes between its registers."""

    def function(m, x):
        constants = PieceConstants.of(op, element)
        knees, multipliers, offsets = constants.split(constants.words(1)[0])
        value = x.as_signed() if element.signed else x
        product = choose(value, knees, multipliers) * value
        return (product + choose(value, knees, offsets)) >> op.shift

    return function


@pytest.mark.parametrize(
    ("element", "pieces"), [(Integers(-16, 15), 1), (Integers(0, 31), 2), (Integers(-9, 5), 3)]
)
def test_rescaled_integers_round_down(element, pieces):
    rng = np.random.default_rng(pieces)
    op = Rescale(
        multipliers=rng.integers(-9, 10, (pieces, 1)),
        offsets=rng.integers(-40, 41, (pieces, 1)),
        knees=np.sort(rng.integers(element.low, element.high, (pieces - 1, 1)), axis=0),
        shift=2,
    )
    gold = rescale_specification(op, element, 9)
    assert is_equal(gold, {"x": element.bits}, "y", signed(9), rescaled(op, element))
    offsets = op.offsets + np.array([[4], *([[0]] * (pieces - 1))])
    other = Rescale(multipliers=op.multipliers, offsets=offsets, knees=op.knees, shift=2)
    assert not is_equal(gold, {"x": element.bits}, "y", signed(9), rescaled(other, element))


# --- classes


def first_of_largest(lanes, bits, compare=">"):
    top = lanes * bits - 1
    lines = "\n".join(
        f"if (key({lane}) {compare} best) begin best = key({lane}); class_ = {lane}; end"
        for lane in range(1, lanes)
    )
    return f"""
    module gold(input [{top}:0] keys, output reg [7:0] class_);
      reg signed [{bits - 1}:0] best;
      function signed [{bits - 1}:0] key(input integer lane); key = keys[lane * {bits} +: {bits}]; endfunction
      always @* begin
        best = key(0); class_ = 0;
        {lines}
      end
    endmodule"""


def winner(bits):
    def function(m, keys):
        contenders = [(key, Const(0, 0)) for key in numbers(keys, bits, is_signed=True)]
        while len(contenders) > 1:
            contenders = one_round(contenders)
        return contenders[0][1]

    return function


@pytest.mark.parametrize(("lanes", "bits"), [(1, 3), (2, 6), (4, 3), (7, 2)])
def test_the_first_of_the_largest_keys_wins(lanes, bits):
    ports = {"keys": lanes * bits}
    assert is_equal(first_of_largest(lanes, bits), ports, "class_", 8, winner(bits))
    if lanes > 1:
        assert not is_equal(first_of_largest(lanes, bits, ">="), ports, "class_", 8, winner(bits))
