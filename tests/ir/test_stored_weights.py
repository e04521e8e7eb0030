"""The compact form of weights: exactly the bits that exist, and the same weights back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.errors import GraphError
from hbnn_hw.planes import to_bipolar
from hbnn_hw.stored_weights import MapForm, StoredWeights, restore_weights, store_weights
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_weights


def free(n_bytes):
    """Allow any memory."""


@st.composite
def any_weights(draw):
    """Planes under maps that are full, nested, empty or neither, with shared or row coefficients."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    shape = draw(st.integers(1, 7)), draw(st.integers(1, 130))
    masks, before = [], np.ones(shape, dtype=np.uint8)
    for kind in draw(st.lists(st.sampled_from(["full", "nested", "free", "empty"]), min_size=1, max_size=4)):
        random = rng.integers(0, 2, shape, dtype=np.uint8)
        before = {"full": before, "nested": before & random, "free": random, "empty": 0 * random}[kind]
        masks.append(before)
    bits = rng.integers(0, 2, (len(masks), *shape), dtype=np.uint8) & np.stack(masks)
    table = rng.integers(0, 300, (len(masks), shape[0])) if draw(st.booleans()) else None
    return WeightPlanes.from_bits(bits, np.stack(masks), row_coefficients=table)


@given(any_weights())
def test_weights_come_back_bit_for_bit(weights):
    again = restore_weights(store_weights(weights), free)
    assert np.array_equal(again.bits, weights.bits)
    assert np.array_equal(again.masks, weights.masks)
    assert again.coefficients == weights.coefficients
    assert np.array_equal(again.coefficient_table(), weights.coefficient_table())


@given(st.integers(0, 9999), st.integers(1, 9), st.integers(1, 140))
def test_only_existing_bits_and_nested_maps_are_stored(seed, rows, columns):
    weights = random_weights(np.random.default_rng(seed), rows, columns, (4, 2, 1), zero_bit=True)
    populations = weights.plane_populations().sum(axis=1).tolist()
    candidates = [rows * columns, *populations[:-1]]
    stored = store_weights(weights)
    maps = sum(had for had, has in zip(candidates, populations, strict=True) if had != has)
    assert stored.bits.size == -(-sum(populations) // 8)
    assert (0 if stored.map_bits is None else stored.map_bits.size) == -(-maps // 8)


def test_known_weights_give_known_octets():
    """Entries of 2, 1, 0 and 2 bits: map 1101 for the first plane, of those 101 for the second."""
    bits = [[[1, 0, 0, 1]], [[0, 0, 0, 1]]]
    masks = [[[1, 1, 0, 1]], [[1, 0, 0, 1]]]
    stored = store_weights(WeightPlanes.from_bits(bits, masks, (2, 1)))
    assert stored.maps == (MapForm.NESTED, MapForm.NESTED)
    assert stored.map_bits.tolist() == [0b1011 | 0b101 << 4]
    assert stored.bits.tolist() == [0b101 | 0b10 << 3]
    assert restore_weights(stored, free).values().tolist() == [[1, -2, 0, 3]]


def stored(**changes):
    fields = {
        "rows": 1,
        "columns": 4,
        "coefficients": (1,),
        "maps": (MapForm.FULL,),
        "bits": np.array([0b1010], dtype=np.uint8),
    }
    return StoredWeights(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": 0}, "must have planes, rows and columns"),
        ({"columns": -4}, "must have planes, rows and columns"),
        ({"columns": 9}, "must hold 9 bits, not 8"),
        ({"bits": None}, "must hold 4 bits, not 0"),
        ({"bits": np.array([0xFA], dtype=np.uint8)}, "must end with zeros"),
        ({"bits": np.array([10, 0], dtype=np.uint8)}, "must end with zeros"),
        ({"bits": np.array([[10]], dtype=np.uint8)}, "one run of octets"),
        ({"maps": ()}, "1 planes must have as many maps, not 0"),
        ({"map_bits": np.array([0], dtype=np.uint8)}, "must end with zeros"),
        ({"maps": (MapForm.NESTED,)}, "must hold 4 bits, not 0"),
    ],
)
def test_damaged_weights_are_refused(changes, message):
    assert (restore_weights(stored(), free).values() == to_bipolar(np.array([[0, 1, 0, 1]]))).all()
    with pytest.raises(GraphError, match=message):
        restore_weights(stored(**changes), free)


def test_memory_is_asked_for_before_it_is_taken():
    asked = []

    def refuse(n_bytes):
        asked.append(n_bytes)
        raise GraphError("too much")

    with pytest.raises(GraphError, match="too much"):
        restore_weights(stored(rows=10**9, columns=10**9), refuse)
    assert asked[0] > 10**18
