"""Spaces: which points there are, in which order, and what is said of wrong axes."""

import re

import pytest

from hbnn_hw.bit_distribution import Sharing
from hbnn_hw.errors import HbnnError
from hbnn_hw.explore import Drawn, FoldingTarget, MapKind, Method, Point, Space, Trained, options
from tests.explore.networks import small_model, small_space


def test_points_are_all_choices_in_order_of_their_bits():
    model = small_model()
    points = small_space().points(model)
    averages = [point.weights.average_bits for point in points]
    assert len(points) == len(set(points)) == (1 + 2 + 2) * 3
    assert averages == sorted(averages)
    assert small_space().points(model) == points


def test_full_planes_have_no_kinds_of_maps():
    space = Space(averages=(1.0, 2.0), maps=(MapKind(), MapKind(Sharing.ROW)))
    drawn = [p.weights for p in space.points(small_model()) if isinstance(p.weights, Drawn)]
    assert [one.distribution for one in drawn] == [((1, 1.0),), ((2, 1.0),)]


@pytest.mark.parametrize("method", ["bnn", "hbnn", "slb"])
def test_what_is_trained_is_not_drawn_as_well(method):
    """One full plane is the same whatever trained it."""
    model = small_model(coefficients=(1,), method=method)
    (point,) = Space(averages=(1.0,)).points(model)
    assert point.weights == model.trained
    assert point.weights.average_bits == 1.0


def test_a_checkpoint_stands_beside_the_model():
    model, other = small_model(), small_model(coefficients=(1,), seed=2)
    points = Space().points(model, [other])
    assert {point.weights.label for point in points} == {"small1", "small2"}
    assert all(isinstance(point.weights, Trained) for point in points)


def test_methods_have_their_own_averages():
    space = Space(averages=(0.8, 1.0, 1.4, 2.0), methods=(Method.SLB, Method.FLEXOR, Method.BNN))
    weights = [p.weights for p in space.points(small_model()) if isinstance(p.weights, Drawn)]
    found = {(one.method, one.average_bits) for one in weights}
    assert found == {
        (Method.BNN, 1.0),
        (Method.SLB, 1.0),
        (Method.SLB, 2.0),
        (Method.FLEXOR, 0.8),
        (Method.FLEXOR, 1.4),
    }


def test_a_method_without_any_of_the_averages_is_refused():
    with pytest.raises(HbnnError, match=r"slb must have one of the average bitwidths, not none of 1\.4"):
        Space(averages=(1.4,), methods=(Method.SLB,)).points(small_model())


@pytest.mark.parametrize(
    "text", ["4x8", "unrolled", "fit", "fps=20000", "fps=1000000", "fps=0.5", "cycles=1024"]
)
def test_foldings_are_printed_as_they_are_typed(text):
    assert options.folding(text).text == text


def test_percentages_are_shares_of_one_two_three_bits():
    assert options.distribution("85/10/5") == ((1, 0.85), (2, 0.1), (3, 0.05))
    assert options.distribution("80/0/20") == ((1, 0.8), (3, 0.2))
    assert options.map_kind("tile:8x16") == MapKind(Sharing.TILE, (8, 16))
    assert options.each("1.0, 1.4,1", options.average) == (1.0, 1.4)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (options.average, "two", "an average bitwidth must be a number, not 'two'"),
        (options.average, "9", "at most 8, not '9'"),
        (options.average, "nan", "must be a number, not 'nan'"),
        (options.distribution, "50/40", "with the sum 100, such as 85/10/5, not '50/40'"),
        (options.map_kind, "diagonal", "must be one of element, column, row, tile, not 'diagonal'"),
        (options.map_kind, "row:2x2", "only a tile has a size"),
        (options.map_kind, "tile:2", "a tile must be rows and columns such as 16x16, not '2'"),
        (options.folding, "16", "(or unrolled, fit, fps=N, cycles=N) must be rows and columns"),
        (options.folding, "0x4", "not '0x4'"),
        (options.folding, "fps=fast", "frames a second must be a number, not 'fast'"),
        (options.folding, "cycles=0", "cycles a frame must be at least 1, not 0"),
    ],
)
def test_wrong_values_are_named(read, text, message):
    with pytest.raises(HbnnError, match=re.escape(message)):
        read(text)


def test_a_point_that_cannot_be_is_refused():
    weights = small_model().trained
    with pytest.raises(HbnnError, match=r"the board must be one of .*zc706.*, not 'zx81'"):
        Point(weights=weights, folding=FoldingTarget(fit=True), board="zx81", clock_ns=5.0)
    with pytest.raises(HbnnError, match=r"0\.5 to 1000 ns, not 0\.1"):
        Point(weights=weights, folding=FoldingTarget(fit=True), board="zc706", clock_ns=0.1)
    with pytest.raises(HbnnError, match=r"not be above the clock's 100,000,000, not 2e"):
        Point(weights=weights, folding=FoldingTarget(fps=2e8), board="zc706", clock_ns=10.0)
