"""The front has what nothing beats, and everything else is beaten by something on it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hbnn_hw.explore import LocalRunner, Objective, explore, pareto_front
from hbnn_hw.explore.pareto import with_front
from hbnn_hw.explore.results_file import ResultsFile
from tests.explore.networks import small_model, small_space

COSTS = st.tuples(st.integers(0, 20), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(0, 5).map(float))
)


def dominates(a, b):
    return bool((a <= b).all() and (a < b).any())


@given(COSTS)
def test_the_front_is_what_nothing_dominates(costs):
    front = pareto_front(costs)
    for cost, on_front in zip(costs, front, strict=True):
        assert on_front == (not any(dominates(other, cost) for other in costs))


@given(COSTS)
def test_whatever_is_beaten_is_beaten_by_the_front(costs):
    front = pareto_front(costs)
    for cost in costs[~front]:
        assert any(dominates(other, cost) for other in costs[front])


@given(COSTS, st.integers(0, 99))
def test_the_order_of_the_points_does_not_matter(costs, seed):
    order = np.random.default_rng(seed).permutation(len(costs))
    assert (pareto_front(costs[order]) == pareto_front(costs)[order]).all()


def rows_of(tmp_path, model, checkpoints=()):
    points = small_space().points(model, checkpoints)
    with ResultsFile(tmp_path / "r.sqlite") as results:
        return explore([model, *checkpoints], points, results, LocalRunner(1))


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return rows_of(tmp_path_factory.mktemp("rows"), small_model(accuracy=0.9))


def test_more_bits_count_as_better_where_an_accuracy_is_unknown(rows):
    """By area alone one bit wins; with accuracy among the objectives the smallest design of each is kept."""
    by_area = with_front(rows, [Objective.LUTS])
    (least,) = {row.point.weights.average_bits for row in by_area if row.on_front}
    assert least == 1.0
    both = with_front(rows, [Objective.LUTS, Objective.ACCURACY])
    assert {1.0, 2.0} <= {row.point.weights.average_bits for row in both if row.on_front}


def test_known_accuracies_decide(tmp_path):
    """A network of more bits that is no better is on no front."""
    good = small_model(coefficients=(1,), accuracy=0.95, seed=2)
    worse = small_model(accuracy=0.9)
    rows = [row for row in rows_of(tmp_path, good, [worse]) if row.accuracy is not None]
    front = {row.accuracy for row in with_front(rows, [Objective.LUTS, Objective.ACCURACY]) if row.on_front}
    assert front == {0.95}


def test_designs_that_do_not_fit_are_on_no_front(rows):
    assert all(row.outcome.figures.fits for row in rows if row.on_front)
    assert sum(row.on_front for row in rows) > 0
