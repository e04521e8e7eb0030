"""Rows and inputs without bits are counted; of convolutions, whole input channels."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.analysis import DeadWeights, analysis_lines, dead_weights
from hbnn_hw.ops import Convolution, Dense
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.ir.passes.networks import chain


def sparse(rng, rows, columns):
    masks = (rng.random((2, rows, columns)) < 0.15).astype(np.uint8)
    return WeightPlanes.from_bits(masks * 0, masks, (2, 1))


@given(st.integers(0, 9999), st.integers(1, 5), st.integers(1, 70))
def test_dense_layers(seed, rows, columns):
    weights = sparse(np.random.default_rng(seed), rows, columns)
    (found,) = dead_weights(chain(TensorType((columns,), Planes((1,))), Dense(weights=weights)))
    zero = weights.values() == 0
    expected = DeadWeights("dense0", rows, zero.all(axis=1).sum(), columns, zero.all(axis=0).sum())
    assert found == expected


@given(st.integers(0, 9999), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_convolutions_group_by_group(seed, groups, inputs, outputs):
    weights = sparse(np.random.default_rng(seed), groups * outputs, 4 * inputs)
    op = Convolution(weights=weights, kernel=(2, 2), groups=groups)
    (found,) = dead_weights(chain(TensorType((3, 3, groups * inputs), Planes((1,))), op))
    zero = (weights.values() == 0).reshape(groups, outputs, 4, inputs).all(axis=(1, 2))
    assert (found.inputs, found.unread_inputs) == (groups * inputs, zero.sum())


def test_the_text_tells_of_dead_weights_alone():
    kind = TensorType((3,), Planes((1,)))
    masks = np.array([[[1, 0, 0], [0, 0, 0]]])
    sparse_layer = Dense(weights=WeightPlanes.from_bits(masks * 0, masks, (1,)))
    assert analysis_lines(chain(kind, sparse_layer)) == [
        "dense0: sums -1…1, 2 bits proven, 3 naive; 1 bits as a count of agreements",
        "dense0: 1 of 2 rows have no bits, 2 of 3 inputs are never read",
    ]
    full = np.ones((1, 1, 3))
    full_layer = Dense(weights=WeightPlanes.from_bits(full, full, (1,)))
    assert len(analysis_lines(chain(kind, full_layer))) == 1


def test_rows_whose_coefficients_are_0_are_dead():
    ones = np.ones((2, 3, 4), dtype=np.uint8)
    weights = WeightPlanes.from_bits(ones, ones, row_coefficients=np.array([[1, 0, 0], [0, 0, 2]]))
    (found,) = dead_weights(chain(TensorType((4,), Planes((1,))), Dense(weights=weights)))
    assert found == DeadWeights("dense0", 3, 1, 4, 0)
