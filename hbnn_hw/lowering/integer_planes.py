"""Integer matrices as weight planes, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError
from hbnn_hw.weights import WeightPlanes

LARGEST_WEIGHT = 1 << 15
"""No integer weight may exceed this magnitude: wider ones are not low-bit."""


def integer_planes(weights: NDArray[np.int64]) -> tuple[WeightPlanes, int]:
    """Split integers (rows, columns) into planes.

    After division by what all have in common, odd integers become full planes of coefficients 1, 2, 4 and so
    on, because ``sum_p 2**p * s_p`` with ``s_p = ±1`` is each odd number up to its bound exactly once. All
    others become sign and magnitude: plane p has the weight's sign, and a bit where bit p of its magnitude
    is set, so that 0 has no bits at all.

    Returns
    -------
    tuple
        The planes, and the positive integer that their values are to be multiplied by.

    Raises
    ------
    RangeError
        If a weight exceeds 2**15, or all are 0.
    """
    magnitudes = np.abs(weights)
    largest = int(magnitudes.max(initial=0))
    if not 0 < largest <= LARGEST_WEIGHT:
        raise RangeError(
            f"integer weights must not all be 0, and none larger than {LARGEST_WEIGHT}; "
            f"the largest is {largest}"
        )
    factor = int(np.gcd.reduce(magnitudes, axis=None))
    magnitudes, signs = magnitudes // factor, weights > 0
    n_planes = (largest // factor).bit_length()
    coefficients = tuple(1 << p for p in range(n_planes))
    shifts = np.arange(n_planes).reshape(-1, 1, 1)
    if (magnitudes & 1).all():
        codes = (np.where(signs, magnitudes, -magnitudes) + (1 << n_planes) - 1) >> 1
        bits = (codes >> shifts & 1).astype(np.uint8)
        return WeightPlanes.from_bits(bits, np.ones_like(bits), coefficients), factor
    masks = (magnitudes >> shifts & 1).astype(np.uint8)
    inhabited = [p for p in range(n_planes) if masks[p].any()]
    masks = masks[inhabited]
    return WeightPlanes.from_bits(masks * signs, masks, [coefficients[p] for p in inhabited]), factor
