"""The XOR network in bits: matrices, rank, distance, flattening orders, decoding."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.nn import FlattenLayout, FlattenOrder, XorScheme, decode_weights
from hbnn_hw.nn.xor_matrix import decode, minimum_row_distance, rank


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 12), st.integers(1, 3), st.integers(0, 99))
def test_matrices_have_the_taps_that_the_scheme_says(n_in, more, n_taps, planes, seed):
    scheme = XorScheme(n_in=n_in, n_out=n_in + more, n_taps=min(n_taps, n_in), seed=seed)
    matrix = scheme.draw(planes)
    assert (matrix.shape, matrix.dtype) == ((planes, n_in + more, n_in), np.uint8)
    taps = matrix.sum(axis=2)
    assert (taps == scheme.n_taps).all() if scheme.n_taps else (taps >= 1).all()
    assert np.array_equal(matrix, scheme.draw(planes))


def test_another_seed_and_another_plane_have_another_matrix():
    first, second = XorScheme(seed=0).draw(2), XorScheme(seed=1).draw(2)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def test_tapped_rows_repeat_only_when_all_have_been_used():
    for n_out, distance in ((6, 2), (7, 0)):
        matrix = XorScheme(n_in=4, n_out=n_out, n_taps=2).draw(1)[0]
        assert len(np.unique(matrix, axis=0)) == 6
        assert minimum_row_distance(matrix) == distance


def test_many_possible_rows_are_drawn_without_a_list():
    matrix = XorScheme(n_in=40, n_out=50, n_taps=10).draw(1)[0]
    assert (matrix.sum(axis=1) == 10).all()


def test_fair_rows_are_fair():
    assert XorScheme(n_in=64, n_out=256, n_taps=0).draw(1).mean() == pytest.approx(0.5, abs=0.02)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_rank_counts_what_the_rows_span(n_rows, n_in, seed):
    matrix = np.random.default_rng(seed).integers(0, 2, (n_rows, n_in), dtype=np.uint8)
    chosen = itertools.product((False, True), repeat=n_rows)
    sums = {tuple(np.bitwise_xor.reduce(matrix[list(rows)], axis=0, initial=0)) for rows in chosen}
    assert len(sums) == 2 ** rank(matrix)
    assert rank(matrix.T.copy()) == rank(matrix)


def test_rows_with_two_taps_never_have_full_rank():
    assert rank(XorScheme(n_in=8, n_out=20, n_taps=2).draw(1)[0]) == 7


def test_distances_by_hand():
    matrix = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]], np.uint8)
    assert minimum_row_distance(matrix) == 2
    assert minimum_row_distance(matrix[:1]) == 5


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"n_in": 0}, "1 <= n_in <= n_out, not 0, 10"),
        ({"n_in": 11}, "1 <= n_in <= n_out, not 11, 10"),
        ({"n_taps": 9}, r"n_taps must lie in 0\.\.8, not 9"),
        ({"seed": -1}, "must not be negative, not -1"),
    ],
)
def test_impossible_schemes_are_refused(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        XorScheme(**fields)


def test_decoding_is_exclusive_or():
    matrix = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 1], [0, 0, 0]], np.uint8)
    for a, b, c in itertools.product((0, 1), repeat=3):
        assert decode(np.array([a, b, c], np.uint8), matrix).tolist() == [a ^ b, a ^ b ^ c, c, 0]


def layouts(rows=6, columns=4, n_out=5):
    yield FlattenLayout(order=FlattenOrder.PAPER, rows=rows, columns=columns, n_out=n_out)
    yield FlattenLayout(order=FlattenOrder.ROW_MAJOR, rows=rows, columns=columns, n_out=n_out)
    for pe, simd in ((1, 1), (2, 2), (3, 4), (6, 4)):
        yield FlattenLayout(
            order=FlattenOrder.WORD, rows=rows, columns=columns, n_out=n_out, pe=pe, simd=simd
        )


@pytest.mark.parametrize("layout", list(layouts()), ids=str)
def test_positions_are_distinct_and_inside_the_stream(layout):
    positions = layout.positions()
    assert positions.shape == (6, 4)
    assert len(np.unique(positions)) == 24
    assert positions.min() >= 0
    assert positions.max() < layout.n_slices * layout.n_out


def test_positions_by_hand():
    paper, rows, words = (
        FlattenLayout(order=order, rows=4, columns=2, n_out=3, pe=fold, simd=fold)
        for order, fold in ((FlattenOrder.PAPER, 1), (FlattenOrder.ROW_MAJOR, 1), (FlattenOrder.WORD, 2))
    )
    assert paper.positions().tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert rows.positions().tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    # Words of 2 x 2 weights take two slices of 3 bits each, of which 2 bits are dropped.
    assert (words.slices_per_word, words.n_words, words.n_slices) == (2, 2, 4)
    assert words.positions().tolist() == [[0, 1], [2, 3], [6, 7], [8, 9]]


def test_columns_by_hand():
    """Two channels, a kernel of 1 x 3: all channels of a pixel side by side, or all pixels of a channel."""
    for order in (FlattenOrder.PAPER, FlattenOrder.WORD):
        assert order.columns(2, 1, 3).tolist() == [[[0, 2, 4]], [[1, 3, 5]]]
        assert order.columns(3).tolist() == [0, 1, 2]
    assert FlattenOrder.ROW_MAJOR.columns(2, 1, 3).tolist() == [[[0, 1, 2]], [[3, 4, 5]]]
    assert FlattenOrder.ROW_MAJOR.columns(3).tolist() == [0, 1, 2]


@given(st.sampled_from(list(FlattenOrder)), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_every_weight_of_an_output_has_its_own_column(order, channels, height, width):
    columns = order.columns(channels, height, width)
    assert columns.shape == (channels, height, width)
    assert sorted(columns.ravel()) == list(range(channels * height * width))


def test_whole_words_are_decoded_from_whole_slices():
    """Word w of the folded weights needs the stored bits of its own slices and of no others."""
    layout = FlattenLayout(order=FlattenOrder.WORD, rows=6, columns=8, n_out=5, pe=3, simd=4)
    matrix = XorScheme(n_in=4, n_out=5, n_taps=2).draw(1)
    encoded = np.random.default_rng(0).integers(0, 2, (1, layout.n_slices, 4), dtype=np.uint8)
    weights = decode_weights(encoded, matrix, layout)[0]
    tiles = weights.reshape(2, 3, 2, 4).transpose(0, 2, 1, 3).reshape(4, 12)
    for word, expected in enumerate(tiles):
        slices = encoded[0, word * 3 : word * 3 + 3]
        assert np.array_equal(decode(slices, matrix[0]).ravel()[:12], expected)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"order": FlattenOrder.WORD, "pe": 4}, "PE must divide 6 rows and SIMD 4 columns, not 4, 1"),
        ({"order": FlattenOrder.WORD, "simd": 0}, "not 1, 0"),
        ({"order": FlattenOrder.PAPER, "pe": 2}, "are for order 'word' only, and must be 1 for 'paper'"),
    ],
)
def test_impossible_layouts_are_refused(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        FlattenLayout(rows=6, columns=4, n_out=5, **fields)
