"""The law of bit order, and packing against unpacked arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import code_to_bits, decode, pack, popcount, tail_is_clear, to_hex, uniform_scales, unpack

bit_arrays = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=1, max_dims=3, max_side=200), elements=st.integers(0, 1)
)


def test_element_j_is_bit_j_of_the_little_endian_words():
    bits = np.zeros(130, dtype=np.uint8)
    bits[[0, 3, 63, 64, 129]] = 1
    assert pack(bits).tolist() == [(1 << 0) | (1 << 3) | (1 << 63), 1, 1 << 1]


@given(bit_arrays)
def test_unpack_undoes_pack_and_tail_bits_are_zero(bits):
    words = pack(bits)
    n = bits.shape[-1]
    assert np.array_equal(unpack(words, n), bits)
    assert tail_is_clear(words, n)
    assert np.array_equal(popcount(words), bits.sum(axis=-1, dtype=np.int64))


@given(st.integers(1, 8), st.data())
def test_uniform_planes_decode_to_twice_the_code_minus_the_largest(n_bits, data):
    codes = data.draw(hnp.arrays(np.int64, (3, 5), elements=st.integers(0, 2**n_bits - 1)))
    bits = code_to_bits(codes, n_bits)
    assert np.array_equal(decode(bits, uniform_scales(n_bits)), 2 * codes - (2**n_bits - 1))


def test_hex_puts_element_0_in_the_least_significant_place():
    assert to_hex(np.array([1, 0, 0, 0, 1, 1], dtype=np.uint8)) == "31"


def test_other_values_than_0_and_1_are_refused():
    with pytest.raises(RangeError, match="0 or 1"):
        pack(np.array([0, 2]))


def test_unpacking_names_the_number_of_words_it_needs():
    with pytest.raises(ShapeError, match="65 bits need 2 words, not 1"):
        unpack(np.zeros(1, dtype=np.uint64), 65)
