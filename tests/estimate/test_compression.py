"""Stored bits, entropy and Huffman coding of weight bits, and what decoders cost."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hbnn_hw.estimate.compression import (
    code_lengths,
    compression_text,
    entropy_bits,
    gates_of_inputs,
    huffman_decoder_luts,
    huffman_size,
    network_compression,
    symbol_counts,
    xor_decoder_luts,
)
from hbnn_hw.estimate.energy import mask_word_bits, stored_word_bits
from hbnn_hw.folding import Folding
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding
from hbnn_hw.xor_wiring import xor_wirings
from tests.graphs import random_mlp

COUNTS = arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 1000))


@given(COUNTS)
def test_huffman_lies_between_the_entropy_and_one_bit_a_symbol_more(counts):
    assume((counts > 0).sum() > 1)
    coded, entropy, n = int((counts * code_lengths(counts)).sum()), entropy_bits(counts), counts.sum()
    assert entropy <= coded + 1e-6
    assert coded < entropy + n


@given(COUNTS)
def test_code_lengths_are_those_of_a_prefix_code(counts):
    assume((counts > 0).sum() > 1)
    # Kraft: a full binary tree.
    lengths = code_lengths(counts)
    assert sum(2.0 ** -int(length) for length in lengths[counts > 0]) == pytest.approx(1)
    assert not lengths[counts == 0].any()


def test_entropy_of_known_strings():
    assert entropy_bits(np.array([8, 0])) == 0
    assert entropy_bits(np.array([4, 4])) == 8
    assert entropy_bits(np.array([1, 1, 2])) == pytest.approx(2 * 2 + 2 * 1)


@given(arrays(np.uint8, st.integers(1, 200), elements=st.integers(0, 1)), st.integers(1, 6))
def test_symbols_are_counted_from_the_start_and_the_rest_is_kept(bits, symbol_bits):
    counts = symbol_counts(bits, symbol_bits)
    assert counts.sum() == len(bits) // symbol_bits
    assert huffman_size(bits, symbol_bits).coded_bits >= entropy_bits(counts) - 1e-6


@pytest.mark.parametrize(("inputs", "luts"), [(0, 0), (1, 0), (2, 1), (6, 1), (7, 2), (11, 2), (12, 3)])
def test_luts_of_an_xor(inputs, luts):
    assert gates_of_inputs(inputs) == luts


def encoded_unit(*matrices, rows=8, columns=16, pe=4, simd=4):
    matrix = matrices[0]
    layout = FlattenLayout(
        order=FlattenOrder.WORD, rows=rows, columns=columns, n_out=len(matrix), pe=pe, simd=simd
    )
    stored = np.random.default_rng(0).integers(0, 2, (len(matrices), layout.n_slices, matrix.shape[1]))
    encoding = XorEncoding.from_bits(stored.astype(np.uint8), np.stack(matrices), layout)
    op = Mvtu(weights=WeightPlanes.from_encoding(encoding), folding=Folding(pe, simd))
    return Graph("net", "x", TensorType((columns,), Planes((1,))), (Node("fc", op, ("x",)),))


MATRIX = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 0, 0]], dtype=np.uint8)
"""Three XORs of two taps and a wire."""


def test_an_encoded_layer_by_hand():
    graph = encoded_unit(MATRIX)
    (layer,) = network_compression(graph)
    # 8 x 16 weights, 3 stored bits for 4.
    assert (layer.weight_bits, layer.stored_bits, layer.memory_bits) == (128, 96, 96)
    # 16 lanes are 4 slices of 3 XORs each.
    assert layer.decoder_luts == 12
    assert layer.entropy_bits <= layer.huffman.coded_bits
    assert "stored 96 (75 %)" in compression_text([layer])


@pytest.mark.parametrize(("second", "luts"), [(MATRIX, 12), (MATRIX[::-1].copy(), 16)])
def test_planes_that_differ_choose_between_their_taps(second, luts):
    op = encoded_unit(MATRIX, second).nodes[0].op
    wiring = next(xor_wirings(op.weights.encoding, op.scheduled_folding))
    # Where they are equal, the wire stays a wire.
    assert xor_decoder_luts(op.weights.encoding, wiring, 4) == luts


def test_a_word_that_needs_parts_of_slices_is_stored_decoded():
    graph = encoded_unit(MATRIX, pe=4, simd=4)
    misfit = Mvtu(weights=graph.nodes[0].op.weights, folding=Folding(1, 2))
    assert stored_word_bits(graph.nodes[0].op) == 12
    assert stored_word_bits(misfit) == 2
    (layer,) = network_compression(
        Graph("net", "x", TensorType((16,), Planes((1,))), (Node("fc", misfit, ("x",)),))
    )
    assert (layer.memory_bits, layer.decoder_luts) == (128, 0)


def test_networks_without_encoding_have_nothing_to_say():
    assert network_compression(random_mlp(1, (8, 4))) == ()
    assert compression_text(()) == ""


@pytest.mark.parametrize(
    ("second", "bits"),
    [
        (np.tile([0, 0, 0, 0, 1, 1, 1, 1], (4, 1)), 0),  # whole words of SIMD 4
        (np.tile([0, 1, 0, 0, 1, 1, 1, 1], (4, 1)), 4),  # shared by the rows
        (np.eye(4, 8, dtype=np.int64), 8),  # each row its own: PE 2 x SIMD 4
    ],
)
def test_masks_are_read_as_they_are_stored(second, bits):
    masks = np.stack([np.ones((4, 8), dtype=np.uint8), second.astype(np.uint8)])
    weights = WeightPlanes.from_bits(masks, masks, (2, 1))
    assert mask_word_bits(Mvtu(weights=weights, folding=Folding(2, 4))) == bits


def test_a_decoder_of_more_symbols_costs_more():
    few = huffman_decoder_luts(code_lengths(np.array([5, 2, 1, 1])), 2)
    many = huffman_decoder_luts(code_lengths(np.arange(1, 257)), 8)
    assert 0 < few < many
