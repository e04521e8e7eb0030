"""Unrolled layers: the planned netlist is the layer, for every kind of input, and so is the printed text."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.rtl.lut import Fabric, with_models
from hbnn_hw.backends.rtl.mvtu_kernel_text import kernel_text
from hbnn_hw.backends.rtl.mvtu_unrolled import UnrolledKernel
from hbnn_hw.backends.rtl.unrolled.chains import Pending, SlotMaker, compress
from hbnn_hw.backends.rtl.unrolled.decisions import at_least, resolve
from hbnn_hw.backends.rtl.unrolled.heap import Heap, signed_digits
from hbnn_hw.backends.rtl.unrolled.joints import LONGEST
from hbnn_hw.backends.rtl.unrolled.netlist import ZERO, Bit, CarryChain, NetlistBuilder
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.plan import SAMPLE_ROWS, plan_layer
from hbnn_hw.backends.rtl.unrolled.sites import slice_sites
from hbnn_hw.backends.rtl.unrolled.stages import cut
from hbnn_hw.backends.rtl.unrolled.structure import FEW_ROWS, Structure
from hbnn_hw.backends.rtl.unrolled.terms import digit_planes, naf_planes
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.base import Tensor
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.types import Bordered, Integers, Planes, TensorType
from hbnn_hw.verify.proof import component_verilog, prove_equal
from hbnn_hw.weights import WeightPlanes

ELEMENTS = (
    Planes((1,)),
    Planes((1, 2)),
    Planes((3, 1)),
    Integers(0, 7),
    Integers(-4, 3),
    Integers(-1, 0),
    Bordered(Planes((1,))),
    Bordered(Planes((2, 3))),
)
PLACES = 3


def random_layer(rng, rows, columns, planes=1, levels=1, density=1.0, row_coefficients=False, spread=12):
    bits = rng.integers(0, 2, (planes, rows, columns), dtype=np.uint8)
    masks = (rng.random((planes, rows, columns)) < density).astype(np.uint8)
    coefficients = None if row_coefficients else [1 << p for p in reversed(range(planes))]
    table = rng.integers(0, 9, (planes, rows)) if row_coefficients else None
    thresholds = None
    if levels:
        rising = np.sort(rng.integers(-spread, spread + 1, (rows, levels)), axis=1).astype(np.int64)
        thresholds = Thresholds(table=rising, inverted=rng.random(rows) < 0.5)
    return Mvtu(
        weights=WeightPlanes.from_bits(bits & masks, masks, coefficients, row_coefficients=table),
        thresholds=thresholds,
        folding=Folding(rows, columns, unrolled=True),
    )


def random_input(rng, element, columns, batch=40):
    """Data of a batch, and the words (batch * places, bits) that carry it."""
    if isinstance(element, Integers):
        data = rng.integers(element.low, element.high + 1, (batch, PLACES, columns))
        return data, (data[..., np.newaxis] >> np.arange(element.bits) & 1).reshape(batch * PLACES, -1)
    data = rng.integers(0, 2, (batch, element.bits, PLACES, columns))
    frame = rng.integers(0, 2, (batch, 1, PLACES, 1))
    if isinstance(element, Bordered):
        data = data & (1 - frame)
    words = np.moveaxis(data, 1, 3).reshape(batch * PLACES, -1)
    if isinstance(element, Bordered):
        words = np.hstack([words, frame.reshape(-1, 1)])
        data = np.concatenate([data, np.broadcast_to(frame, (batch, 1, PLACES, columns))], axis=1)
    return data.astype(np.uint8), words


def check(op, element, netlist, rng):
    """The netlist gives what the operator means."""
    source = TensorType((PLACES, op.weights.columns), element)
    data, words = random_input(rng, element, op.weights.columns)
    expected = op.compute(Tensor(source, data))
    output = op.infer(source).element
    found = netlist.evaluate(words.astype(np.uint8)).astype(np.int64)
    found = found.reshape(len(data), PLACES, op.weights.rows, output.bits)
    if op.thresholds is not None:
        np.testing.assert_array_equal(np.moveaxis(found, 3, 1), expected)
        return
    values = (found << np.arange(output.bits)).sum(axis=-1)
    signs = (values >> (output.bits - 1) & 1) * output.signed
    np.testing.assert_array_equal(values - (signs << output.bits), expected)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    element=st.sampled_from(ELEMENTS),
    rows=st.integers(1, 6),
    columns=st.integers(1, 13),
    planes=st.integers(1, 3),
    levels=st.sampled_from((0, 1, 3, 7)),
    density=st.sampled_from((0.2, 0.7, 1.0)),
    row_coefficients=st.booleans(),
    size=st.sampled_from((1, 2, 4, PAIRS)),
    has_total=st.booleans(),
)
# The planes of the second row cancel: its sum is a constant.
@example(2, Integers(-1, 0), 2, 2, 2, 3, 0.2, True, 1, True)
def test_netlists_compute_their_layers(
    seed, element, rows, columns, planes, levels, density, row_coefficients, size, has_total
):
    rng = np.random.default_rng(seed)
    op = random_layer(rng, rows, columns, planes, levels, density, row_coefficients)
    source = TensorType((PLACES, columns), element)
    structure = Structure(group_size=size, has_total=has_total)
    check(op, element, plan_layer(op, source, (structure,)).netlist, rng)


def test_pairs_of_rows_share_among_sample_rows_and_compute_the_layer():
    rng = np.random.default_rng(5)
    op = random_layer(rng, 2 * SAMPLE_ROWS + 3, 24, planes=3, density=0.6)
    source = TensorType((PLACES, 24), Planes((1,)))
    plan = plan_layer(op, source, (Structure(group_size=PAIRS),))
    assert plan.explanation.startswith("any two rows share sub-sums; LUTs + sites of 32 rows that share: ")
    check(op, Planes((1,)), plan.netlist, rng)


@pytest.mark.parametrize(("planes", "element"), [(1, Planes((1,))), (3, Planes((1, 2)))])
def test_the_search_takes_the_cheapest_structure_and_says_so(planes, element):
    rng = np.random.default_rng(7)
    op = random_layer(rng, 12, 40, planes, density=0.8 if planes > 1 else 1.0)
    plan = plan_layer(op, TensorType((PLACES, 40), element))
    costs = [candidate.cost for candidate in plan.candidates]
    assert costs == sorted(costs)
    best = plan.candidates[0]
    assert plan.netlist.luts == best.luts
    said = f"; LUTs + sites of 12 rows that share: {best.luts} + {best.sites} by {best.structure}, "
    assert said in plan.explanation
    unshared = next(
        candidate for candidate in plan.candidates if candidate.structure == Structure(group_size=1)
    )
    assert (best.luts, best.sites) < (unshared.luts, unshared.sites)
    check(op, element, plan.netlist, rng)


def test_a_layer_of_64_bits_and_32_rows_takes_a_fifth_of_a_lut_per_weight():
    op = random_layer(np.random.default_rng(0), 32, 64)
    plan = plan_layer(op, TensorType((64,), Planes((1,))), (Structure(group_size=3),))
    assert plan.netlist.luts <= 460


def heap_of(columns, inverted):
    bits = [(int(c), Bit(at, bool(i))) for at, (c, i) in enumerate(zip(columns, inverted, strict=True))]
    return Heap.of_bits(bits)


heaps = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=24)


@settings(max_examples=40, deadline=None)
@given(bits=heaps, share=st.floats(-0.1, 1.1), inverted=st.booleans())
def test_comparisons_sums_and_compressions_keep_the_value_of_a_heap(bits, share, inverted):
    columns, flips = (np.array(part) for part in zip(*bits, strict=True))
    heap = heap_of(columns, flips)
    builder = NetlistBuilder(len(bits))
    threshold = round(heap.high * share)
    decision = at_least(builder, heap, threshold, inverted=inverted)
    parts = [resolve(builder, heap), compress(builder, heap, 1.05)]
    placed = [[(column, bit) for column, bits in part.columns.items() for bit in bits] for part in parts]
    outputs = [bit.net for part in placed for _, bit in part]
    netlist = builder.finish([decision, *outputs])
    inputs = np.random.default_rng(len(bits)).integers(0, 2, (64, len(bits)), dtype=np.uint8)
    value = ((inputs ^ flips) << columns.astype(np.int64)).sum(axis=1)
    found = netlist.evaluate(inputs).astype(np.int64)
    np.testing.assert_array_equal(found[:, 0], (value >= threshold) != inverted)
    at = 1
    for part in placed:
        total = sum((found[:, at + i] ^ bit.inverted) << column for i, (column, bit) in enumerate(part))
        np.testing.assert_array_equal(total, value)
        at += len(part)


@pytest.mark.parametrize(("n", "luts"), [(3, 1), (7, 2), (13, 5), (31, 16), (63, 33)])
def test_counts_take_about_half_a_lut_per_bit(n, luts):
    builder = NetlistBuilder(n)
    added = resolve(builder, heap_of([0] * n, [False] * n))
    netlist = builder.finish([bits[0].net for _, bits in sorted(added.columns.items())])
    assert netlist.luts <= luts
    ones = np.tri(n + 1, n, -1, dtype=np.uint8)
    counts = (netlist.evaluate(ones).astype(np.int64) << np.arange(len(netlist.outputs))).sum(axis=1)
    np.testing.assert_array_equal(counts, np.arange(n + 1))


@given(st.integers(-(2**20), 2**20))
def test_signed_digits_add_up_and_no_two_stand_together(value):
    digits = signed_digits(value)
    assert sum((-1 if negative else 1) << exponent for exponent, negative in digits) == value
    assert all(high - low > 1 for (low, _), (high, _) in pairwise(digits))
    planes = naf_planes(np.array([value]))
    assert {(int(at), plane[0] < 0) for at, plane in enumerate(planes) if plane[0]} == set(digits)


@given(st.lists(st.integers(-(2**9), 2**9), min_size=1, max_size=30))
def test_digits_stand_in_planes_that_others_use_and_are_no_more_than_the_fewest(values):
    matrix = np.array(values).reshape(1, -1)
    planes, canonical = digit_planes(matrix), naf_planes(matrix)
    weights = 1 << np.arange(len(planes)).reshape(-1, 1, 1)
    np.testing.assert_array_equal((planes * weights).sum(axis=0), matrix)
    np.testing.assert_array_equal(np.abs(planes).sum(axis=0), np.abs(canonical).sum(axis=0))
    assert len(planes) <= len(canonical)
    assert digit_planes(np.array([[8, 8, 2, 2, 1, 1, 11]]))[:, 0, -1].tolist() == [1, 1, 0, 1]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_stages_ascend_along_every_path_and_hold_what_crosses(count):
    op = random_layer(np.random.default_rng(3), 6, 30)
    netlist = plan_layer(op, TensorType((30,), Planes((1,))), (Structure(group_size=2),)).netlist
    staged = cut(netlist, count)
    born = dict.fromkeys(range(netlist.n_inputs), 0)
    for cell, stage in zip(netlist.cells, staged.cells, strict=True):
        for net in cell.inputs:
            if net >= 0:
                assert born[net] <= stage
                assert all(net in staged.registers[at] for at in range(born[net], stage))
        born.update(dict.fromkeys(cell.outputs, stage))
    assert staged.count == count
    assert set(staged.cells) == set(range(count))
    for net in netlist.outputs:
        assert net < 0 or all(net in staged.registers[at] for at in range(born[net], count - 1))


def specification(op, n_planes):
    """The layer as integers, element after element."""
    columns, rows = op.weights.columns, op.weights.rows
    lines = []
    for row, weights in enumerate(op.weights.values().tolist()):
        terms = " + ".join(
            f"32'sd{weight} * {1 << q} * (2 * $signed({{31'd0, lanes[{column * n_planes + q}]}}) - 1)"
            if weight >= 0
            else f"-32'sd{-weight} * {1 << q} * (2 * $signed({{31'd0, lanes[{column * n_planes + q}]}}) - 1)"
            for column, weight in enumerate(weights)
            for q in range(n_planes)
        )
        lines.append(f"wire signed [31:0] dot{row} = {terms};")
        bound, inverted = int(op.thresholds.table[row, 0]), int(op.thresholds.inverted[row])
        lines.append(f"assign results[{row}] = (dot{row} >= {bound}) != {inverted};")
    body = "\n".join(lines)
    ports = f"input [{columns * n_planes - 1}:0] lanes, output [{rows - 1}:0] results"
    return f"module gold({ports});\n{body}\nendmodule"


CASES = [(1, 1, 1, 3), (7, 1, 1, PAIRS), (3, 2, 2, 3), (5, 3, 1, PAIRS)]


@pytest.mark.parametrize(("columns", "planes", "n_planes", "size"), CASES)
def test_printed_kernels_equal_the_integer_definition_for_all_inputs(columns, planes, n_planes, size):
    op = random_layer(np.random.default_rng(columns), 3, columns, planes, density=0.8, spread=4)
    source = TensorType((columns,), Planes(tuple(1 << q for q in range(n_planes))))
    netlist = plan_layer(op, source, (Structure(group_size=size),)).netlist
    gold = specification(op, n_planes)
    assert prove_equal(gold, kernel_text("gate", netlist)).equal
    assert prove_equal(gold, with_models(kernel_text("gate", netlist, fabric=Fabric.XC7))).equal
    assert prove_equal(gold, component_verilog(UnrolledKernel(netlist), "gate")).equal


def test_few_rows_of_many_columns_go_without_a_total():
    rng = np.random.default_rng(3)
    few = random_layer(rng, 4, 60)
    plan = plan_layer(few, TensorType((PLACES, 60), Planes((1,))))
    with_total = min(found.cost for found in plan.candidates if found.structure.has_total)
    assert not plan.candidates[0].structure.has_total
    assert plan.candidates[0].cost < with_total
    assert "share sub-sums, without a total; LUTs" in plan.explanation
    check(few, Planes((1,)), plan.netlist, rng)
    many = plan_layer(random_layer(rng, FEW_ROWS + 1, 9), TensorType((9,), Planes((1,))))
    assert all(candidate.structure.has_total for candidate in many.candidates)


def test_one_flipped_weight_is_refuted():
    rng = np.random.default_rng(11)
    op = random_layer(rng, 2, 9, spread=2)
    signs = op.weights.unpacked_bits()
    signs[0, 1, 4] ^= 1
    faulty = Mvtu(
        weights=WeightPlanes.from_bits(signs, op.weights.unpacked_masks()),
        thresholds=op.thresholds,
        folding=op.folding,
    )
    source = TensorType((9,), Planes((1,)))
    assert not prove_equal(
        specification(op, 1), kernel_text("gate", plan_layer(faulty, source).netlist)
    ).equal


@pytest.mark.parametrize("fabric", Fabric)
def test_texts_are_reproducible_and_say_what_they_are(fabric):
    op = random_layer(np.random.default_rng(2), 4, 20)
    source = TensorType((20,), Planes((1,)))
    texts = [kernel_text("kernel", plan_layer(op, source).netlist, 2, fabric) for _ in range(2)]
    assert texts[0] == texts[1]
    assert "// Unrolled layer: 20 bits in, 4 bits out" in texts[0]
    assert ("CARRY4" in texts[0]) == (fabric is Fabric.XC7)


def test_empty_rows_are_constants():
    weights = WeightPlanes.from_bits(np.zeros((1, 2, 5), np.uint8), np.zeros((1, 2, 5), np.uint8))
    thresholds = Thresholds(table=np.array([[0], [1]]), inverted=np.zeros(2, dtype=bool))
    op = Mvtu(weights=weights, thresholds=thresholds, folding=Folding(2, 5, unrolled=True))
    netlist = plan_layer(op, TensorType((5,), Planes((1,)))).netlist
    assert netlist.luts == 0
    assert netlist.outputs[1] == ZERO
    np.testing.assert_array_equal(netlist.evaluate(np.ones((1, 5), dtype=np.uint8)), [[1, 0]])


def test_chains_in_rows_compute_the_same_in_fewer_sites():
    op = random_layer(np.random.default_rng(5), 8, 48)
    plan = plan_layer(op, TensorType((PLACES, 48), Planes((1,))), (Structure(group_size=4),))
    chains = [cell for cell in plan.netlist.cells if isinstance(cell, CarryChain)]
    assert slice_sites(plan.netlist) < plan.candidates[0].sites
    assert max(len(chain.sums) for chain in chains) <= LONGEST
    # A joint drops the carry of the chain below it and starts with the net that enters the one above.
    assert any(
        select == ZERO and generate >= 0
        for chain in chains
        for select, generate in zip(chain.selects, chain.generates, strict=True)
    )
    check(op, Planes((1,)), plan.netlist, np.random.default_rng(6))


def two_slots(builder, carry_in=ZERO):
    """A chain that counts six bits, and one more that enters."""
    maker = SlotMaker(builder)
    maker.add([Bit(net) for net in range(6)], Pending.FLOOR)
    maker.add([], Pending.NOTHING)
    return builder.chain(carry_in, maker.slots)


def test_sites_are_counted_as_slices_hold_them():
    """Two LUTs and two slots, one slot more where the last carry leaves too, one where a net enters."""
    builder = NetlistBuilder(7)
    sums, carry = two_slots(builder)
    assert slice_sites(builder.finish(sums)) == 2
    assert slice_sites(builder.finish([carry])) == 2
    assert slice_sites(builder.finish([*sums, carry])) == 3
    builder = NetlistBuilder(7)
    sums, carry = two_slots(builder, carry_in=6)
    assert slice_sites(builder.finish([*sums, carry])) == 4
