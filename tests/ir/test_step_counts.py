"""Step counts without schedules are the schedules' own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.folding import Folding, divisors, fold_schedule, legal_pe, spread
from hbnn_hw.step_counts import StepCounts, full_steps
from hbnn_hw.weights import WeightPlanes


@st.composite
def layers(draw):
    """Weights under maps per element, per column or full, with empty rows and planes, in groups."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    rows, columns = groups * draw(st.sampled_from([1, 2, 4, 6])), draw(st.sampled_from([1, 4, 6, 12]))
    planes = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = draw(st.sampled_from([(rows, columns), (1, columns), (rows, 1)]))
    bit_map = np.broadcast_to(rng.choice(planes + 1, shape, p=None), (rows, columns))
    if draw(st.booleans()):
        bit_map = np.full((rows, columns), planes)
    masks = (bit_map > np.arange(planes)[:, None, None]).astype(np.uint8)
    return WeightPlanes.from_bits(rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks, masks), groups


@settings(deadline=None)
@given(layers())
def test_every_legal_folding_counts_the_steps_of_its_schedule(layer):
    weights, groups = layer
    counts = StepCounts(weights, groups)
    for pe in legal_pe(weights.rows, groups):
        for simd in reversed(divisors(weights.columns)):
            folding = Folding(pe, simd)
            if spread(folding, weights.rows, groups) > 1 and simd != weights.columns:
                continue
            assert counts.steps(folding) == fold_schedule(weights, folding, groups).n_steps


def test_full_steps_leave_nothing_out():
    masks = np.zeros((2, 4, 8), dtype=np.uint8)
    masks[0], masks[1, :, :2] = 1, 1
    weights = WeightPlanes.from_bits(masks, masks, (2, 1))
    assert full_steps(weights, Folding(2, 2)) == 2 * 2 * 4
    assert StepCounts(weights).steps(Folding(2, 2)) == 2 * 4 + 2
    assert full_steps(weights, Folding(4, 8, unrolled=True)) == 1
