"""XOR decoder of FleXOR: stored bits to weight bits, a few XOR gates per output.

Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126), eqs. 2 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hbnn_hw.errors import RangeError, ShapeError
from hbnn_hw.planes import Bits
from hbnn_hw.xor_encoding import decode


@dataclass(frozen=True, slots=True, eq=False)
class XorParameters:
    """The fixed XOR matrix: ``y = matrix x`` over GF(2), in sign form ``y_r = (-1)^(n_r - 1) prod_taps x_j``.

    The parity factor is what makes the product of bipolar values an XOR of their bits: a product of n values
    is -1 for an odd number of zeros among the bits, and that is the XOR for odd n and its inverse for even
    n. In bits there is therefore no inversion at all; without taps both forms give 0, which is -1.

    Attributes
    ----------
    matrix
        uint8 (n_out, n_in) of 0 and 1; row r holds the taps of output r.
    """

    matrix: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.matrix.ndim != 2 or self.matrix.dtype != np.uint8 or not self.matrix.size:
            raise ShapeError(
                f"an XOR matrix must be uint8 (n_out, n_in), not {self.matrix.dtype} {self.matrix.shape}"
            )
        if self.matrix.max() > 1:
            raise RangeError("an XOR matrix must hold 0 and 1 only")

    @property
    def n_in(self) -> int:
        """Stored bits per slice."""
        return int(self.matrix.shape[1])

    @property
    def n_out(self) -> int:
        """Weight bits per slice."""
        return int(self.matrix.shape[0])

    @property
    def xor_gates(self) -> int:
        """Two-input XOR gates without sharing: taps minus one, summed over the outputs."""
        return int(np.maximum(self.matrix.sum(axis=1, dtype=np.int64) - 1, 0).sum())

    def decode(self, bits: Bits) -> Bits:
        """Decode slices: uint8 (..., n_in) to uint8 (..., n_out), the golden model of the hardware.

        Raises
        ------
        ShapeError
            If the last axis is not ``n_in`` long.
        """
        if bits.shape[-1] != self.n_in:
            raise ShapeError(f"the XOR decoder reads slices of {self.n_in} bits, not {bits.shape[-1]}")
        return decode(bits, self.matrix)

    def create(self, slices: int = 1) -> XorDecoder:
        """Return the hardware for several slices side by side."""
        return XorDecoder(self, slices)


class XorDecoder(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Combinational decoder of ``slices`` slices at once; it stands between a weight ROM and its user.

    Latency 0, one word per clock. Area: ``xor_gates`` XOR2 per slice; on 6-input LUTs at most one LUT and
    one level per output up to six taps, and half a LUT with two taps.

    Parameters
    ----------
    parameters
        The matrix.
    slices
        Slices per word, slice 0 in the least significant bits.

    Attributes
    ----------
    encoded
        ``slices * n_in`` stored bits.
    decoded
        ``slices * n_out`` weight bits.
    """

    def __init__(self, parameters: XorParameters, slices: int = 1) -> None:
        self.parameters = parameters
        self.slices = slices
        super().__init__(
            {
                "encoded": In(unsigned(slices * parameters.n_in)),
                "decoded": Out(unsigned(slices * parameters.n_out)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build one XOR per output bit."""
        m = Module()
        n_in = self.parameters.n_in
        m.d.comb += self.decoded.eq(
            Cat(self._parity(row, at * n_in) for at in range(self.slices) for row in self.parameters.matrix)
        )
        return m

    def _parity(self, taps: NDArray[np.uint8], start: int) -> Value:
        bits = [self.encoded[start + int(tap)] for tap in np.flatnonzero(taps)]
        return reduce(xor, bits) if bits else Const(0, 1)
