"""Repeated kernels and rows are counted as a plain search finds them, inverse ones included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.analysis import KernelSharing, kernel_sharing
from hbnn_hw.ops import Convolution, Dense, EncodeBitPlanes
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_weights
from tests.ir.passes.networks import chain


def signs_of(weights):
    masks = weights.unpacked_masks().astype(np.int64)
    return masks * (2 * weights.unpacked_bits().astype(np.int64) - 1)


def up_to_sign(numbers):
    """The sequence or its negative, whichever comes first in order; None if all are 0."""
    one = tuple(int(n) for n in np.ravel(numbers))
    return min(one, tuple(-n for n in one)) if any(one) else None


def by_search(op):
    """Count kernels and rows one after the other."""
    signs, kernels, rows = signs_of(op.weights), [], []
    for output in range(op.weights.rows):
        group = output // op.group_outputs
        row = up_to_sign(signs[:, output])
        rows += [(group, row)] if row else []
        for plane, channel in np.ndindex(op.weights.n_planes, op.group_inputs):
            kernel = up_to_sign(signs[plane, output].reshape(-1, op.group_inputs)[:, channel])
            kernels += [(group, channel, kernel)] if kernel else []
    return len(kernels), len(set(kernels)), len(rows), len(set(rows))


def convolution(seed, kernel, groups, outputs, inputs, coefficients):
    rng = np.random.default_rng(seed)
    columns = kernel[0] * kernel[1] * inputs
    weights = random_weights(rng, groups * outputs, columns, coefficients, zero_bit=True)
    return Convolution(weights=weights, kernel=kernel, groups=groups)


def facts_of(op):
    channels = op.groups * op.group_inputs
    (facts,) = kernel_sharing(chain(TensorType((4, 4, channels), Planes((1,))), op))
    return facts


@given(
    st.builds(
        convolution,
        seed=st.integers(0, 9999),
        kernel=st.sampled_from([(1, 2), (2, 2), (3, 3)]),
        groups=st.integers(1, 3),
        outputs=st.integers(1, 12),
        inputs=st.integers(1, 3),
        coefficients=st.sampled_from([(1,), (2, 1)]),
    )
)
def test_the_counts_are_those_of_a_plain_search(op):
    assert facts_of(op) == KernelSharing("convolution0", *by_search(op))


def test_a_kernel_and_its_inverse_share_and_the_saving_is_told():
    """Four outputs on one channel: a kernel, its inverse, itself again, and another one."""
    kernel, other = np.array([1, 0, 1, 1]), np.array([1, 1, 1, 1])
    bits = np.stack([kernel, 1 - kernel, kernel, other])[np.newaxis]
    op = Convolution(weights=WeightPlanes.from_bits(bits, np.ones_like(bits), (1,)), kernel=(2, 2))
    facts = facts_of(op)
    assert facts == KernelSharing("convolution0", kernels=4, unique=2, rows=4, unique_rows=2)
    assert facts.saved == 0.5
    assert facts.text() == (
        "convolution0: 2 of 4 2-D kernels are unique up to the sign (50.0 % of the popcounts are "
        "repetitions), 2 of 4 rows are unique up to the sign"
    )


def test_binary_3x3_kernels_on_one_channel_are_at_most_256_up_to_the_sign():
    """BNN (Hubara et al. 2016) counts 2**9 patterns; half of them are inverses."""
    bits = np.random.default_rng(0).integers(0, 2, (1, 4000, 18))
    weights = WeightPlanes.from_bits(bits, np.ones_like(bits), (1,))
    facts = facts_of(Convolution(weights=weights, kernel=(3, 3)))
    assert (facts.kernels, facts.unique) == (8000, 512)
    assert facts.saved == pytest.approx(1 - 512 / 8000)


def test_dense_layers_and_single_pixels_have_rows_only():
    rows = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]])[np.newaxis]
    weights = WeightPlanes.from_bits(rows, np.ones_like(rows), (1,))
    kind = TensorType((3,), Integers(0, 1))
    (dense,) = kernel_sharing(chain(kind, EncodeBitPlanes(n_bits=1), Dense(weights=weights)))
    assert dense == KernelSharing("dense1", 0, 0, 3, 2)
    assert facts_of(Convolution(weights=weights, kernel=(1, 1))) == KernelSharing("convolution0", 0, 0, 3, 2)


def test_rows_without_bits_and_layers_without_repetitions_say_nothing():
    masks = np.array([[[1, 1, 0], [0, 0, 0]]])
    (facts,) = kernel_sharing(
        chain(TensorType((3,), Planes((1,))), Dense(weights=WeightPlanes.from_bits(masks * 0, masks, (1,))))
    )
    assert (facts.rows, facts.unique_rows, facts.saved, facts.text()) == (1, 1, 0.0, "")


def test_equal_signs_with_other_coefficients_make_another_row():
    bits = np.array([[[1, 0, 1], [1, 0, 1], [0, 1, 0]]])
    table = np.array([[2, 3, 2]])
    weights = WeightPlanes.from_bits(bits, np.ones_like(bits), row_coefficients=table)
    (facts,) = kernel_sharing(chain(TensorType((3,), Planes((1,))), Dense(weights=weights)))
    assert (facts.rows, facts.unique_rows) == (3, 2)
