"""Plans of parities: right for every input, one gate a row up to six taps, shared gates beyond."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.parities import plan_parities
from hbnn_hw.backends.rtl.xor_decoder import XorParameters
from hbnn_hw.verify.proof import component_verilog, prove_equal


def taps_matrix(rng, n_out, n_in, taps):
    """Rows of exactly so many taps, all different as long as there are enough."""
    matrix = np.zeros((n_out, n_in), dtype=np.uint8)
    for row in matrix:
        row[rng.choice(n_in, taps, replace=False)] = 1
    return matrix


def taps_of(plan):
    """Inputs that every signal is the parity of."""
    sets = [frozenset([at]) for at in range(plan.n_inputs)]
    for gate in plan.gates:
        parity = frozenset()
        for signal in gate:
            parity ^= sets[signal]
        sets.append(parity)
    return sets


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1), st.sampled_from([0.2, 0.5, 0.9]))
def test_every_output_is_the_parity_of_its_taps(n_in, n_out, seed, density):
    matrix = (np.random.default_rng(seed).random((n_out, n_in)) < density).astype(np.uint8)
    plan = plan_parities(matrix)
    sets = taps_of(plan)
    for row, output in zip(matrix, plan.outputs, strict=True):
        assert (frozenset() if output is None else sets[output]) == frozenset(np.flatnonzero(row))
    for at, gate in enumerate(plan.gates):
        assert 2 <= len(gate) <= 6
        assert max(gate) < n_in + at
    sites = list(plan.pairs())
    assert sorted(gate for site in sites for gate in site) == list(range(len(plan.gates)))
    made = set(range(n_in))
    for site in sites:
        inputs = {signal for gate in site for signal in plan.gates[gate]}
        assert len(inputs) <= (6 if len(site) == 1 else 5)
        assert inputs <= made
        made |= {n_in + gate for gate in site}


@pytest.mark.parametrize("taps", [2, 3, 4, 5, 6])
def test_up_to_six_taps_are_one_gate_and_one_level(taps):
    matrix = taps_matrix(np.random.default_rng(taps), 20, 8, taps)
    plan = plan_parities(matrix)
    assert len(plan.gates) == len(np.unique(matrix, axis=0))
    assert all(max(gate) < 8 for gate in plan.gates)


def test_two_taps_cost_half_a_site():
    matrix = np.array(
        [[at in pair for at in range(8)] for pair in [(0, 1), (2, 3), (4, 5), (0, 7)]], np.uint8
    )
    assert plan_parities(matrix).sites == 2


def test_wide_rows_share_what_they_have_in_common():
    matrix = np.ones((6, 16), dtype=np.uint8) - np.eye(16, dtype=np.uint8)[:6]
    alone = sum(-(-(15 - 1) // 5) for _ in range(6))
    assert len(plan_parities(matrix).gates) < alone / 2


@pytest.mark.parametrize(("n_in", "taps"), [(8, 2), (8, 4), (8, 8), (12, 9)])
def test_planned_decoder_equals_the_generic_one(n_in, taps):
    matrix = taps_matrix(np.random.default_rng(taps), 10, n_in, taps)
    matrix[3] = 0
    decoder = XorParameters(matrix).create(2)
    gold, gate = (component_verilog(decoder, "top", fabric) for fabric in Fabric)
    assert "LUT" not in gold
    assert "LUT" in gate
    assert prove_equal(gold, gate, gold_top="top", gate_top="top").equal
