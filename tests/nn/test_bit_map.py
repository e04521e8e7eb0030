"""Algorithm 1 against the paper's Fig. 2a, its counts, and a direct transcription."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw.nn import Heuristic, average_bits, dist_from_avg, generate_bit_map, residual_planes
from hbnn_hw.nn.bit_map import entry_counts

# Normalized Euclidean error on N(0, 1): average bits, random, top-down, bottom-up, middle-out. The
# middle-out column is Fig. 2a of the paper, the others come from an independent re-run of its equations.
FIG_2A = [
    (1.1, 0.583, 0.556, 0.451, 0.451),
    (1.2, 0.577, 0.556, 0.441, 0.441),
    (1.3, 0.541, 0.502, 0.438, 0.349),
    (1.4, 0.534, 0.501, 0.407, 0.327),
    (1.5, 0.496, 0.501, 0.492, 0.288),
    (1.6, 0.505, 0.492, 0.435, 0.288),
    (1.7, 0.481, 0.493, 0.446, 0.261),
    (1.8, 0.457, 0.501, 0.439, 0.240),
    (1.9, 0.449, 0.503, 0.451, 0.251),
]
HEURISTICS = (Heuristic.RANDOM, Heuristic.TOP_DOWN, Heuristic.BOTTOM_UP, Heuristic.MIDDLE_OUT)


@pytest.fixture(scope="module")
def normal():
    return torch.randn(400_000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("row", FIG_2A, ids=lambda row: f"{row[0]}bit")
def test_errors_are_those_of_figure_2a(normal, row):
    """±0.003 covers the difference between two samples of 400 000."""
    average, *errors = row
    for heuristic, error in zip(HEURISTICS, errors, strict=True):
        bit_map = generate_bit_map(normal, dist_from_avg(average), heuristic)
        quantized = residual_planes(normal, bit_map, 3).values()
        found = float((normal - quantized).norm() / normal.norm())
        assert found == pytest.approx(error, abs=0.003), heuristic


@pytest.mark.parametrize("tenths", [*range(10, 21), 30])
def test_every_tabulated_split_has_its_average(tenths):
    distribution = dist_from_avg(tenths / 10)
    assert average_bits(distribution) == pytest.approx(tenths / 10)
    assert math.fsum(fraction for _, fraction in distribution) == pytest.approx(1.0)


def test_the_default_is_70_20_10():
    assert dist_from_avg(1.4) == ((1, 0.7), (2, 0.2), (3, 0.1))


@pytest.mark.parametrize("average", [0.0, 1.45, 2.5, 4.0, -1.4, float("nan"), float("inf")])
def test_an_average_without_a_published_split_is_refused(average):
    with pytest.raises(
        ValueError, match=r"average bits must be one of 1\.0, 1\.1.*give the distribution itself"
    ):
        dist_from_avg(average)


@pytest.mark.parametrize(
    ("distribution", "complaint"),
    [
        ((), "bitwidths must lie in"),
        (((0, 1.0),), "bitwidths must lie in"),
        (((1, 0.5), (9, 0.5)), "bitwidths must lie in"),
        (((2, 0.5), (1, 0.5)), "bitwidths must ascend"),
        (((1, 0.5), (1, 0.5)), "bitwidths must ascend"),
        (((1, 0.5), (2, 0.6)), "fractions must be positive with sum 1"),
        (((1, 1.5), (2, -0.5)), "fractions must be positive with sum 1"),
        (((1, float("nan")), (2, 0.5)), "fractions must be positive with sum 1"),
    ],
)
def test_a_malformed_distribution_is_refused(distribution, complaint):
    with pytest.raises(ValueError, match=complaint):
        generate_bit_map(torch.ones(4), distribution)


@given(st.integers(1, 500), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_counts_are_rounded_shares_with_the_exact_total(n_entries, weights):
    total = sum(weights)
    distribution = tuple((i + 1, w / total) for i, w in enumerate(weights))
    counts = entry_counts(distribution, n_entries)
    assert sum(counts) == n_entries
    assert all(
        abs(count - fraction * n_entries) <= 1
        for count, (_, fraction) in zip(counts, distribution, strict=True)
    )


def transcription(weights, distribution):
    """Algorithm 1 on a Python list, middle-out, ties to the earlier entry."""
    left = list(enumerate(abs(float(w)) for w in weights))
    bit_map = [0] * len(left)
    for (bits, _), count in zip(distribution, entry_counts(distribution, len(left)), strict=True):
        middle = float(torch.tensor([m for _, m in left]).mean()) if left else 0.0
        served = sorted(left, key=lambda entry: abs(np.float32(entry[1]) - np.float32(middle)))[:count]
        for index, _ in served:
            bit_map[index] = bits
        left = [entry for entry in left if entry not in served]
    return bit_map


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-8, 8), min_size=1, max_size=30),
    st.sampled_from([dist_from_avg(1.4), dist_from_avg(1.9), ((0, 0.25), (1, 0.5), (4, 0.25))]),
)
def test_middle_out_is_algorithm_1_on_lists_with_many_ties(integers, distribution):
    weights = torch.tensor(integers, dtype=torch.float32)
    assert generate_bit_map(weights, distribution).tolist() == transcription(weights, distribution)


def test_a_map_has_the_shape_of_its_tensor_and_repeats():
    weights = torch.randn(6, 5, 4, generator=torch.Generator().manual_seed(3))
    for heuristic in Heuristic:
        bit_map = generate_bit_map(weights, dist_from_avg(1.4), heuristic)
        assert (bit_map.shape, bit_map.dtype) == (weights.shape, torch.uint8)
        assert torch.equal(bit_map, generate_bit_map(weights, dist_from_avg(1.4), heuristic))
