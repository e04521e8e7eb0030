"""Compressor trees: plans sum what they must, hardware equals the plans, and both styles are proved equal."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.rtl.agreements import COMPLEMENT, IDENTITY, MASKED_XNOR, XNOR, allowed_levels
from hbnn_hw.backends.rtl.compressors import SCHEDULES, Addend, Schedule, compress, compress_by
from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.popcount import PopcountStyle, count_bits, popcount, sum_of_products
from hbnn_hw.backends.rtl.xnor_popcount_pe import agreement_sum
from hbnn_hw.verify.proof import component_verilog, prove_equal
from tests.rtl.test_components import evaluate


def value_of(addend, inputs):
    index = sum(inputs[:, net].astype(int) << at for at, net in enumerate(addend.nets))
    return (addend.table >> index & 1) << addend.place


def expected(addends, inputs):
    return sum(value_of(addend, inputs) for addend in addends)


def agreements(n):
    return tuple(Addend(nets=(at, n + at), table=XNOR) for at in range(n))


def constants(n, seed=0):
    signs = np.random.default_rng(seed).integers(0, 2, n)
    return tuple(Addend(nets=(at,), table=IDENTITY if sign else COMPLEMENT) for at, sign in enumerate(signs))


def corner_vectors(n, seed=0, count=60):
    rng = np.random.default_rng(seed)
    shares = rng.random((count, 1))
    return np.vstack([np.zeros((1, n)), np.ones((1, n)), rng.random((count, n)) < shares]).astype(np.uint8)


@st.composite
def heaps(draw):
    """Functions of one to three of a few nets, with any table and place, nets used any number of times."""
    n_inputs = draw(st.integers(3, 40))
    arities = draw(st.lists(st.integers(1, 3), min_size=1, max_size=70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    addends = []
    for arity in arities:
        nets = tuple(int(net) for net in rng.choice(n_inputs, arity, replace=False))
        table = int(rng.integers(1, (1 << (1 << arity)) - 1))
        addends.append(Addend(nets=nets, table=table, place=int(rng.integers(0, 4))))
    return tuple(addends), n_inputs


@settings(max_examples=40, deadline=None)
@given(heaps(), st.sampled_from(SCHEDULES))
def test_every_schedule_sums_any_heap(heap, schedule):
    addends, n_inputs = heap
    if schedule.rows == 1 and len(addends) > 16:
        schedule = Schedule(chain_stages=schedule.chain_stages, groups=schedule.groups, rows=2)
    inputs = corner_vectors(n_inputs)
    found = compress_by(addends, n_inputs, schedule).evaluate(inputs)
    np.testing.assert_array_equal(found, expected(addends, inputs))


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7, 8, 13, 64, 257])
@pytest.mark.parametrize("addends_of", [agreements, constants])
def test_the_chosen_plan_counts_in_few_levels(n, addends_of):
    addends = addends_of(n)
    n_inputs = sum(len(addend.nets) for addend in addends)
    plan = compress(addends, n_inputs, allowed_levels(addends))
    inputs = corner_vectors(n_inputs)
    np.testing.assert_array_equal(plan.evaluate(inputs), expected(addends, inputs))
    assert plan.depth <= allowed_levels(addends)
    assert len(plan.outputs) == count_bits(n)


def test_costs_stay_near_the_limit():
    """LUTs that are planned; a LUT for every removed bit, without carry chains, would be 333 and 247."""
    variable = compress(agreements(256), 512, allowed_levels(agreements(256)))
    constant = compress(constants(256), 256, allowed_levels(constants(256)))
    assert variable.luts <= 1.23 * 256
    assert variable.depth <= 11
    assert constant.luts <= 0.85 * 256
    assert constant.depth <= 11


def test_depth_is_bought_with_area():
    shallow = compress(agreements(128), 256, 9)
    small = compress(agreements(128), 256, 99)
    assert shallow.depth <= 9 < small.depth
    assert small.luts < shallow.luts


class Sum(wiring.Component):
    """Addends of one input vector."""

    def __init__(self, addends, n_inputs, style):
        self.addends, self.style = addends, style
        width = count_bits(sum(1 << addend.place for addend in addends))
        super().__init__({"bits": In(n_inputs), "total": Out(width)})

    def elaborate(self, platform):
        m = Module()
        fabric = Fabric.of(platform)
        total = sum_of_products(m, self.bits, self.addends, "sum", self.style, fabric)
        m.d.comb += self.total.eq(total)
        return m


@pytest.mark.parametrize("style", PopcountStyle)
@pytest.mark.parametrize("n", [1, 5, 8, 33, 64])
def test_hardware_counts_in_simulation(style, n):
    addends = agreements(n)
    inputs = corner_vectors(2 * n, seed=n, count=20)
    words = [int("".join(map(str, row[::-1])), 2) for row in inputs]
    found = evaluate(Sum(addends, 2 * n, style), "total", [{"bits": word} for word in words])
    assert found == expected(addends, inputs).tolist()


def count_specification(n, products):
    """Sum of bits one after the other, as Verilog says it."""
    bits = max(count_bits(sum(1 << place for _, place in products)), 1)
    terms = "\n".join(f"total = total + ({bits}'({text}) << {place});" for text, place in products)
    return f"module gold(input [{n - 1}:0] bits, output reg [{bits - 1}:0] total);\n" + (
        f"always @* begin total = 0;\n{terms}\nend\nendmodule"
    )


@pytest.mark.parametrize("fabric", Fabric)
@pytest.mark.parametrize("n", [1, 4, 7, 16])
def test_compressed_popcounts_equal_the_sum_of_bits(fabric, n):
    addends = constants(n, seed=n)
    gate = component_verilog(Sum(addends, n, PopcountStyle.COMPRESSED), "gate", fabric)
    signs = [("" if addend.table == IDENTITY else "!") + f"bits[{at}]" for at, addend in enumerate(addends)]
    assert prove_equal(count_specification(n, [(sign, 0) for sign in signs]), gate).equal


@pytest.mark.parametrize("n", [3, 8, 11])
def test_fused_agreements_equal_the_sum_of_bits(n):
    gate = component_verilog(Sum(agreements(n), 2 * n, PopcountStyle.COMPRESSED), "gate", Fabric.XC7)
    products = [(f"bits[{at}] == bits[{n + at}]", 0) for at in range(n)]
    assert prove_equal(count_specification(2 * n, products), gate).equal
    missing = [*products[:-1], (f"bits[{n - 1}] != bits[{2 * n - 1}]", 0)]
    assert not prove_equal(count_specification(2 * n, missing), gate).equal


class AgreementSum(wiring.Component):
    def __init__(self, simd, scales, masked):
        self.simd, self.scales, self.masked = simd, scales, masked
        width = count_bits(simd * sum(scales))
        super().__init__({"bits": In(simd * (len(scales) + 2)), "total": Out(width)})

    def elaborate(self, platform):
        m, simd = Module(), self.simd
        mask = self.bits[-simd:] if self.masked else None
        weights, lanes = self.bits[:simd], self.bits[simd:-simd]
        m.d.comb += self.total.eq(agreement_sum(m, weights, mask, lanes, self.scales, Fabric.of(platform)))
        return m


@pytest.mark.parametrize("scales", [(1,), (1, 2), (3, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_planes_and_masks_share_one_heap(scales, masked):
    simd = 4
    gate = component_verilog(AgreementSum(simd, scales, masked), "gate", Fabric.XC7)
    n = simd * (len(scales) + 2)
    products = [
        (f"bits[{lane}] == bits[{simd + lane * len(scales) + plane}] && {mask}", place)
        for lane in range(simd)
        for plane, scale in enumerate(scales)
        for place in range(2)
        if scale >> place & 1
        for mask in [f"bits[{n - simd + lane}]" if masked else "1'b1"]
    ]
    assert prove_equal(count_specification(n, products), gate).equal


def test_masked_products_read_three_nets():
    addends = tuple(Addend(nets=(at, 20 + at, 40 + at), table=MASKED_XNOR) for at in range(20))
    inputs = corner_vectors(60)
    plan = compress(addends, 60, allowed_levels(addends))
    agree = (inputs[:, :20] == inputs[:, 20:40]) & (inputs[:, 40:] == 1)
    np.testing.assert_array_equal(plan.evaluate(inputs), agree.sum(axis=1))


def test_style_follows_from_the_fabric():
    assert PopcountStyle.of(Fabric.XC7) is PopcountStyle.COMPRESSED
    assert PopcountStyle.of(Fabric.GENERIC) is PopcountStyle.TREE


def test_popcount_of_nothing_is_zero():
    class Nothing(wiring.Component):
        def __init__(self):
            super().__init__({"bits": In(0), "total": Out(1)})

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.total.eq(popcount(m, self.bits, "none", PopcountStyle.COMPRESSED))
            return m

    assert evaluate(Nothing(), "total", [{}]) == [0]
