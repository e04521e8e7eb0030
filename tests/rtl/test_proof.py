"""Proofs for all inputs at small widths, and planted faults that the prover has to find."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.popcount import PopcountStyle, count_bits
from hbnn_hw.backends.rtl.threshold_unit import ThresholdUnit
from hbnn_hw.backends.rtl.xnor_popcount_pe import agreement_counts
from hbnn_hw.backends.rtl.xor_decoder import XorParameters
from hbnn_hw.errors import ToolFailedError
from hbnn_hw.verify.proof import component_verilog, prove_equal


def parity_specification(matrix):
    """Count the taps as integers and take the remainder by two."""
    sums = [" + ".join(f"32'(encoded[{tap}])" for tap in np.flatnonzero(row)) or "0" for row in matrix]
    lines = "\n".join(f"assign decoded[{r}] = (({text}) % 2) == 1;" for r, text in enumerate(sums))
    n_out, n_in = matrix.shape
    return f"module gold(input [{n_in - 1}:0] encoded, output [{n_out - 1}:0] decoded);\n{lines}\nendmodule"


def xor_parameters():
    return XorParameters(np.random.default_rng(8).integers(0, 2, (20, 8), dtype=np.uint8))


def test_xor_decoder_equals_its_specification():
    parameters = xor_parameters()
    gate = component_verilog(parameters.create(), "gate")
    assert prove_equal(parity_specification(parameters.matrix), gate).equal


def test_one_wrong_tap_is_refuted_with_an_input_that_shows_it():
    parameters = xor_parameters()
    faulty = parameters.matrix.copy()
    faulty[13, 5] ^= 1
    gate = component_verilog(parameters.create(), "gate")
    proof = prove_equal(parity_specification(faulty), gate)
    assert not proof.equal
    encoded = np.array([proof.counterexample["encoded"] >> at & 1 for at in range(8)], dtype=np.uint8)
    assert (parameters.decode(encoded) != XorParameters(faulty).decode(encoded)).any()


class Agreement(wiring.Component):
    """The processing element's combinational part."""

    def __init__(self, simd):
        super().__init__(
            {"weights": In(simd), "mask": In(simd), "lanes": In(simd), "count": Out(count_bits(simd))}
        )

    def elaborate(self, platform):
        m = Module()
        (count,) = agreement_counts(m, self.weights, self.mask, self.lanes, 1, PopcountStyle.TREE)
        m.d.comb += self.count.eq(count)
        return m


def agreement_specification(simd, masked="mask[i]"):
    """Sum of bits, one after the other."""
    return f"""
    module gold(input [{simd - 1}:0] weights, mask, lanes, output reg [{count_bits(simd) - 1}:0] count);
      integer i;
      always @* begin
        count = 0;
        for (i = 0; i < {simd}; i = i + 1)
          if ({masked} && weights[i] == lanes[i]) count = count + 1;
      end
    endmodule"""


@pytest.mark.parametrize("simd", [1, 2, 5, 8])
def test_masked_xnor_popcount_equals_the_sum_of_bits(simd):
    assert prove_equal(agreement_specification(simd), component_verilog(Agreement(simd), "gate")).equal


def test_one_forgotten_mask_bit_is_refuted():
    forgotten = agreement_specification(5, masked="(mask[i] || i == 3)")
    proof = prove_equal(forgotten, component_verilog(Agreement(5), "gate"))
    assert not proof.equal
    assert not proof.counterexample["mask"] >> 3 & 1


@pytest.mark.parametrize("fabric", Fabric)
@pytest.mark.parametrize(("bits", "levels"), [(1, 1), (4, 1), (3, 3)])
def test_threshold_unit_equals_its_specification(bits, levels, fabric):
    width = levels * (bits + 1)
    fields = [f"constants[{(at + 1) * (bits + 1) - 1}:{at * (bits + 1)}]" for at in range(levels)]
    terms = " + ".join(f"32'((32'(agreement) >= 32'({field})) != constants[{width}])" for field in fields)
    code = levels.bit_length() - 1
    gold = f"""
    module gold(input [{bits - 1}:0] agreement, input [{width}:0] constants, output [{code}:0] code);
      assign code = {terms};
    endmodule"""
    assert prove_equal(gold, component_verilog(ThresholdUnit(bits, levels), "gate", fabric)).equal


def test_registers_and_broken_text_are_no_proof():
    with pytest.raises(ToolFailedError):
        prove_equal("module gold(", "module gate(); endmodule")
    register = "module {}(input c, d, output reg q); always @(posedge c) q <= d; endmodule"
    with pytest.raises(ToolFailedError):
        prove_equal(register.format("gold"), register.format("gate"))
