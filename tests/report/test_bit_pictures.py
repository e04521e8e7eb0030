"""Pictures of bit maps show every weight's bits, and stay small."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from hbnn_hw.errors import RangeError
from hbnn_hw.estimate import estimate
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.report import ReportInput, render_report
from hbnn_hw.report.bit_pictures import MOST_PIXELS, SHADES, _block, _shares, bit_map_png, bit_pictures
from hbnn_hw.report.png import png
from hbnn_hw.target import Target
from tests.graphs import random_mlp, random_weights


def opened(content: bytes) -> np.ndarray:
    """Colours of a picture, (height, width, 3), by a reader that is not ours."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@given(
    pixels=st.integers(1, 20).flatmap(
        lambda n: arrays(
            np.int64, st.tuples(st.integers(1, 9), st.integers(1, 19)), elements=st.integers(0, n)
        )
    )
)
def test_a_png_holds_its_pixels(pixels):
    palette = [(7 * n, 255 - n, 3 * n) for n in range(pixels.max() + 1)]
    assert np.array_equal(opened(png(pixels, palette)), np.array(palette, dtype=np.uint8)[pixels])


def test_a_large_png_holds_its_pixels_too():
    """More bytes than a block that is not compressed may have."""
    pixels = np.random.default_rng(0).integers(0, 16, (300, 1001))
    palette = [(7 * n, 255 - n, 3 * n) for n in range(16)]
    assert np.array_equal(opened(png(pixels, palette)), np.array(palette, dtype=np.uint8)[pixels])


def test_pixels_must_be_of_the_palette():
    with pytest.raises(RangeError, match=r"pixels must be 0 … 1, not 0 … 2"):
        png(np.array([[0, 2]]), [(0, 0, 0), (1, 1, 1)])
    with pytest.raises(RangeError, match="1 to 256 colours"):
        png(np.zeros((0, 3), dtype=np.int64), [(0, 0, 0)])


def test_every_weight_has_the_colour_of_its_bits():
    weights = random_weights(np.random.default_rng(1), 13, 21, (4, 2, 1), zero_bit=True)
    assert np.array_equal(opened(bit_map_png(weights)), np.array(SHADES)[weights.bit_map()])


def test_a_block_has_the_colour_of_its_mean():
    weights = random_weights(np.random.default_rng(2), 7, 10, (2, 1), zero_bit=True)
    bits = weights.bit_map()
    picture = opened(bit_map_png(weights, (3, 4))).astype(int)
    assert picture.shape == (3, 3, 3)
    for row, column in np.ndindex(3, 3):
        mean = bits[3 * row : 3 * row + 3, 4 * column : 4 * column + 4].mean()
        low = min(int(mean), 1)
        expected = (1 - mean + low) * np.array(SHADES[low]) + (mean - low) * np.array(SHADES[low + 1])
        # Sixteen shades over two bits: no channel is off by more than half a step, and rounding.
        step = np.abs(np.array(SHADES[low + 1]) - SHADES[low]) * 2 / 15 / 2 + 6
        assert (np.abs(picture[row, column] - expected) <= step).all()


@given(sizes=st.lists(st.integers(1, 5000), max_size=8), most=st.integers(10, 4000))
def test_pictures_share_their_pixels(sizes, most):
    shares = _shares(sizes, most)
    assert sum(shares) <= max(most, len(sizes))
    assert all(1 <= share <= size for share, size in zip(shares, sizes, strict=True))
    if sum(sizes) <= most:
        assert shares == sizes


@given(rows=st.integers(1, 3000), columns=st.integers(1, 3000), most=st.integers(1, 100_000))
def test_blocks_are_as_small_as_can_be(rows, columns, most):
    def pixels(side):
        return -(-rows // side) * -(-columns // side)

    block = _block(rows, columns, most)
    assert -(-rows // block[0]) * -(-columns // block[1]) <= most
    assert max(block) == 1 or pixels(max(block) - 1) > most


def test_only_layers_whose_weights_differ_have_pictures():
    plain = lower(random_mlp(1, (16, 8, 4), coefficients=(1,)), FoldingRequest(pe=4, simd=8))
    assert bit_pictures(plain) == ()
    mixed = lower(random_mlp(1, (16, 8, 4), coefficients=(2, 1)), FoldingRequest(pe=4, simd=8))
    first, _ = bit_pictures(mixed)
    assert (first.rows, first.columns, first.block) == (8, 16, (1, 1))
    assert first.detail == "8 × 16, a pixel a weight"
    assert first.width == 16 * 12
    content = base64.b64decode(first.address.removeprefix("data:image/png;base64,"))
    weights = next(node.op.weights for node in mixed.hardware_nodes if node.name == first.name)
    assert np.array_equal(opened(content), np.array(SHADES)[weights.bit_map()])
    small = bit_pictures(mixed, most=40)[0]
    assert small.detail == "8 × 16, a pixel the mean of 3 × 3 weights"


def test_a_page_of_a_large_network_stays_below_a_megabyte():
    graph = lower(random_mlp(3, (1100, 900, 10), coefficients=(4, 2, 1)), FoldingRequest(pe=10, simd=20))
    assert MOST_PIXELS < 1100 * 900
    source = ReportInput(graph=graph, estimate=estimate(graph, Target()), target=Target())
    assert len(render_report(source)) < 1_000_000
