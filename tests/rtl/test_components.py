"""Every component by itself in Amaranth's simulator, at many widths."""

from itertools import product

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from hbnn_hw.backends.rtl.deep_fifo import DeepFifo, queue
from hbnn_hw.backends.rtl.popcount import PopcountStyle, count_bits, popcount
from hbnn_hw.backends.rtl.rom import Rom, concatenate
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer, StreamFifo
from hbnn_hw.backends.rtl.threshold_unit import ThresholdUnit
from hbnn_hw.backends.rtl.width_converter import StreamWidthConverter
from hbnn_hw.backends.rtl.xnor_popcount_pe import XnorPopcountPe
from hbnn_hw.backends.rtl.xor_decoder import XorParameters
from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.timing import DEEP_FIFO_LATENCY, FIFO_LATENCY
from tests.rtl.harness import drive


def evaluate(unit, output, cases):
    """Apply input assignments to a combinational unit; return the output of each."""
    found = []

    async def bench(ctx):
        for case in cases:
            for name, value in case.items():
                ctx.set(getattr(unit, name), value)
            await ctx.delay(1e-9)
            found.append(ctx.get(getattr(unit, output)))

    simulator = Simulator(unit)
    simulator.add_testbench(bench)
    simulator.run()
    return found


class Counter(wiring.Component):
    def __init__(self, n):
        super().__init__({"bits": In(n), "count": Out(count_bits(n))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.count.eq(popcount(m, self.bits, "total"))
        return m


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 9, 31, 64, 100, 127])
def test_popcount(n):
    rng = np.random.default_rng(n)
    vectors = [
        0,
        (1 << n) - 1,
        *(int.from_bytes(rng.bytes(-(-n // 8)), "little") % (1 << n) for _ in range(60)),
    ]
    found = evaluate(Counter(n), "count", [{"bits": vector} for vector in vectors])
    assert found == [vector.bit_count() for vector in vectors]


@pytest.mark.parametrize(
    ("width_in", "width_out"), [(1, 1), (1, 7), (7, 1), (3, 12), (12, 3), (5, 5), (8, 16), (20, 4), (2, 22)]
)
@pytest.mark.parametrize("stall_seed", [None, 1, 2])
@pytest.mark.parametrize("reset_after", [0, 5, 8])
def test_width_converter_keeps_all_bits_in_order(width_in, width_out, stall_seed, reset_after):
    total = 12 * max(width_in, width_out)
    value = int.from_bytes(np.random.default_rng(width_in).bytes(total // 8 + 1), "little") % (1 << total)
    cut = lambda width: [value >> at & ((1 << width) - 1) for at in range(0, total, width)]  # noqa: E731
    unit = StreamWidthConverter(width_in, width_out)
    run = drive(unit, cut(width_in), len(cut(width_out)), stall_seed=stall_seed, reset_after=reset_after)
    assert run.outputs == cut(width_out)
    if stall_seed is None:
        narrow = run.input_cycles if width_in < width_out else run.output_cycles
        assert np.all(np.diff(narrow) == 1), "one beat per clock on the narrower side"


@pytest.mark.parametrize(
    "unit",
    [
        lambda: SkidBuffer(9),
        *(lambda d=d: StreamFifo(9, d) for d in (2, 3, 7)),
        *(lambda d=d: DeepFifo(9, d) for d in (3, 8, 65)),
    ],
)
@pytest.mark.parametrize("stall_seed", [None, 1, 2, 3])
@pytest.mark.parametrize("reset_after", [0, 6, 11])
def test_buffers_keep_all_words_in_order(unit, stall_seed, reset_after):
    words = [(37 * at + 5) % 512 for at in range(60)]
    run = drive(unit(), words, len(words), stall_seed=stall_seed, reset_after=reset_after)
    assert run.outputs == words
    if stall_seed is None:
        assert np.all(np.diff(run.output_cycles) == 1)


@pytest.mark.parametrize(("depth", "latency"), [(64, FIFO_LATENCY), (65, DEEP_FIFO_LATENCY)])
def test_a_queue_holds_its_depth_and_has_its_latency(depth, latency):
    run = drive(queue(4, depth), [7], 1)
    assert run.output_cycles[0] - run.input_cycles[0] == latency
    assert words_held(queue(4, depth)) == depth


def words_held(unit):
    """Words that a buffer takes while nobody takes any from it."""
    taken = 0

    async def bench(ctx):
        nonlocal taken
        ctx.set(unit.i.valid, 1)
        for _ in range(200):
            _, _, ready = await ctx.tick().sample(unit.i.ready)
            taken += ready

    simulator = Simulator(unit)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return taken


@pytest.mark.parametrize("words", [[5], [1, 2], [9, 8, 7, 6, 5]])
def test_rom_reads_after_one_clock_and_holds(words):
    unit, found = Rom(4, words), []

    async def bench(ctx):
        ctx.set(unit.en, 1)
        for address in range(len(words)):
            if len(words) > 1:
                ctx.set(unit.address, address)
            await ctx.tick()
            found.append(ctx.get(unit.data))
        ctx.set(unit.en, 0)
        await ctx.tick()
        found.append(ctx.get(unit.data))

    simulator = Simulator(unit)
    simulator.add_clock(1e-9) if len(words) > 1 else None
    if len(words) == 1:
        found = evaluate(unit, "data", [{"en": 1}])
        assert found == words
        return
    simulator.add_testbench(bench)
    simulator.run()
    assert found == [*words, words[-1]]


@pytest.mark.parametrize("levels", [1, 3, 7])
@pytest.mark.parametrize("bits", [1, 3, 5])
def test_threshold_unit_counts_passed_levels(levels, bits):
    rng = np.random.default_rng(levels)
    unit = ThresholdUnit(bits, levels)
    cases, expected = [], []
    for _ in range(20):
        table, inverted = np.sort(rng.integers(0, (1 << bits) + 1, levels)).tolist(), int(rng.integers(2))
        constants = concatenate([*((level, bits + 1) for level in table), (inverted, 1)])
        for agreement in range(1 << bits):
            cases.append({"agreement": agreement, "constants": constants})
            expected.append(sum((agreement >= level) != bool(inverted) for level in table))
    assert evaluate(unit, "code", cases) == expected


@pytest.mark.parametrize("simd", [1, 3, 8])
@pytest.mark.parametrize("scales", [(1,), (1, 2, 4), (5, 3)])
@pytest.mark.parametrize("coefficients", [(1,), (4, 2, 1), (3, 5)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("style", PopcountStyle)
def test_processing_element_accumulates_weighted_agreements(simd, scales, coefficients, masked, style):
    rng = np.random.default_rng(simd)
    n_steps, n_planes = 40, len(scales)
    weights, masks = rng.integers(0, 2, (2, n_steps, simd))
    masks = masks if masked else np.ones_like(masks)
    lanes = rng.integers(0, 2, (n_steps, simd, n_planes))
    planes = rng.integers(0, len(coefficients), n_steps)
    starts, real = rng.random(n_steps) < 0.3, rng.random(n_steps) < 0.8
    starts[0] = real[0] = True
    agree = ((weights[..., np.newaxis] == lanes) & masks[..., np.newaxis].astype(bool)).sum(
        axis=1
    ) @ np.array(scales)
    expected, total = [], 0
    for step in range(n_steps):
        if real[step]:
            total = (0 if starts[step] else total) + int(agree[step]) * coefficients[planes[step]]
        expected.append(total)
    unit = XnorPopcountPe(simd, scales, coefficients, masked, max(expected).bit_length() + 1, style)
    found = run_element(unit, weights, masks, lanes, planes, real, starts, rng)
    assert found == expected


def run_element(unit, weights, masks, lanes, planes, real, starts, rng):
    """Feed steps back to back, with frozen clocks in between; return the sum after every step."""
    found, n_steps = [], len(weights)
    join = lambda bits: int("".join(map(str, bits.reshape(-1)[::-1])), 2)  # noqa: E731

    async def bench(ctx):
        for clock in range(n_steps + 2):
            while rng.random() < 0.3:
                ctx.set(unit.advance, 0)
                await ctx.tick()
            ctx.set(unit.advance, 1)
            if clock < n_steps:
                ctx.set(unit.weights, join(weights[clock]))
                ctx.set(unit.lanes, join(lanes[clock]))
                if unit.masked:
                    ctx.set(unit.mask, join(masks[clock]))
            if len(unit.coefficients) > 1 and 0 <= clock - 1 < n_steps:
                ctx.set(unit.plane, int(planes[clock - 1]))
            if clock >= 2:
                ctx.set(unit.accumulate, int(real[clock - 2]))
                ctx.set(unit.restart, int(starts[clock - 2]))
            await ctx.tick()
            if clock >= 2:
                found.append(ctx.get(unit.agreement))

    simulator = Simulator(unit)
    simulator.add_clock(1e-9)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize(
    ("n_in", "n_out", "slices"), [(1, 1, 1), (3, 5, 1), (8, 10, 1), (8, 20, 3), (5, 9, 4)]
)
def test_xor_decoder_equals_its_golden_method(n_in, n_out, slices):
    rng = np.random.default_rng(n_in)
    parameters = XorParameters(rng.integers(0, 2, (n_out, n_in), dtype=np.uint8))
    words = rng.integers(0, 2, (50, slices, n_in), dtype=np.uint8)
    join = lambda bits: concatenate([(int(bit), 1) for bit in bits.reshape(-1)])  # noqa: E731
    found = evaluate(parameters.create(slices), "decoded", [{"encoded": join(word)} for word in words])
    assert found == [join(decoded) for decoded in parameters.decode(words)]


def test_xor_decoder_follows_the_sign_form_of_the_paper():
    """Eqs. 2 and 4: ``y = (-1)^(n - 1) * product of the taps``, for every number of taps and every input."""
    n_in = 5
    matrix = np.array([row for row in product((0, 1), repeat=n_in) if any(row)], dtype=np.uint8)
    bits = np.array(list(product((0, 1), repeat=n_in)), dtype=np.uint8)
    signs = 2 * bits.astype(int) - 1
    products = np.where(matrix[np.newaxis] == 1, signs[:, np.newaxis], 1).prod(axis=2)
    parity = (-1) ** (matrix.sum(axis=1).astype(int) - 1)
    np.testing.assert_array_equal(2 * XorParameters(matrix).decode(bits).astype(int) - 1, parity * products)


def test_xor_parameters_refuse_what_is_no_matrix():
    with pytest.raises(ShapeError):
        XorParameters(np.zeros(3, dtype=np.uint8))
    with pytest.raises(RangeError):
        XorParameters(np.full((2, 2), 2, dtype=np.uint8))
    with pytest.raises(ShapeError):
        XorParameters(np.eye(3, dtype=np.uint8)).decode(np.zeros(4, dtype=np.uint8))
