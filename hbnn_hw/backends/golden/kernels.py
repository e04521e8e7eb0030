"""How dot products are computed: the choice, and the form on packed words that needs numpy alone."""

from __future__ import annotations

from enum import Enum
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden.products import Numbers, Product
from hbnn_hw.extras import require
from hbnn_hw.planes import decode, pack, popcount
from hbnn_hw.types import Planes
from hbnn_hw.weights import WeightPlanes

MOST_PLANE_PAIRS = 2
"""Pairs of a weight plane and an input plane up to which compiled packed words beat matrix products."""


FEWEST_PACKED_BITS = 32
"""Fewer bits leave most of a word empty, and matrix products win."""


class DotKernel(Enum):
    """How dot products are computed; all are exact."""

    PACKED = "xnor and popcount on 64-bit words, in numpy"
    FLOAT32 = "float32 matrix products, float64 where sums need it"
    NUMBA = "compiled by numba: xnor and popcount on 64-bit words, or tables where planes are many"


def numba_is_installed() -> bool:
    """Whether the optional accelerator is there."""
    return find_spec("numba") is not None


def check_kernel(kernel: DotKernel | None) -> None:
    """Raise ToolMissingError, naming the extra, for a kernel whose package is not installed."""
    if kernel is DotKernel.NUMBA:
        require("numba", "fast", "the golden model's compiled kernel")


def choose_kernel(weights: WeightPlanes, source: Planes, run: int | None = None) -> DotKernel:
    """Take the compiled kernels where numba is installed and words are full, matrix products elsewhere.

    Parameters
    ----------
    weights
        The weights of the layer.
    source
        Planes of its input; any number.
    run
        Bits that are packed together: the columns of a dense layer, the default, or the channels of an image.
    """
    full_words = (run or weights.columns) >= FEWEST_PACKED_BITS
    return DotKernel.NUMBA if full_words and numba_is_installed() else DotKernel.FLOAT32


def has_few_planes(weights: WeightPlanes, source: Planes) -> bool:
    """Whether packed words beat what else computes a layer."""
    return weights.n_planes * source.n_planes <= MOST_PLANE_PAIRS


def dot_packed(weights: WeightPlanes, source: Planes, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compute ``W x`` from packed words.

    Per weight plane p and input plane q: ``c_p a_q (2 popcount(~(W_p ^ X_q) & m_p) - popcount(m_p))``.

    Parameters
    ----------
    weights
        (rows, columns) planes.
    source
        Input planes with their scales.
    bits
        uint8 (batch, input planes, columns).

    Returns
    -------
    NDArray
        int64 (batch, rows).
    """
    words = pack(bits)
    agreement = np.zeros((len(bits), weights.rows), dtype=np.int64)
    for p, coefficient in enumerate(weights.coefficients):
        for q, scale in enumerate(source.scales):
            for row in range(weights.rows):
                equal = ~(words[:, q] ^ weights.bits[p, row]) & weights.masks[p, row]
                agreement[:, row] += coefficient * scale * popcount(equal)
    return 2 * agreement - weights.row_offsets(source.scales)


def dot_float32(weights: WeightPlanes, source: Planes, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compute ``W x`` as one matrix product; parameters and result are those of :func:`dot_packed`."""
    product = Product.of(weights.values(), Numbers.of_planes(source))
    numbers = decode(bits, source.scales).astype(np.float64)
    return product.apply(numbers).astype(np.int64)
