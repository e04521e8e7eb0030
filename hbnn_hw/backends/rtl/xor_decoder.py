"""XOR decoder of FleXOR: stored bits to weight bits, a few XOR gates per output.

Source: Lee et al., NeurIPS 2020 (arXiv 2009.04126), eqs. 2 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from operator import xor

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.lut import Fabric, lut, lut_pair
from hbnn_hw.backends.rtl.parities import ParityPlan, plan_parities
from hbnn_hw.backends.rtl.truth_tables import truth_table
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

    Latency 0, one word per clock. Area: ``xor_gates`` XOR2 per slice. On 6-input LUTs one level and at most
    one LUT per output up to six taps, half a LUT with two (7-series: 10 for 8 to 20 bits); wider rows share
    sub-expressions (:mod:`hbnn_hw.backends.rtl.parities`).

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
        """Build one XOR per output bit; on a fabric of LUTs, those of the plan."""
        m, fabric = Module(), Fabric.of(platform)
        n_in = self.parameters.n_in
        slices = [self.encoded[at * n_in : (at + 1) * n_in] for at in range(self.slices)]
        if fabric is Fabric.GENERIC:
            outputs = [_parity(row, bits) for bits in slices for row in self.parameters.matrix]
        else:
            plan = plan_parities(self.parameters.matrix)
            outputs = [
                output for at, bits in enumerate(slices) for output in _planned(m, fabric, plan, bits, at)
            ]
        m.d.comb += self.decoded.eq(Cat(*outputs))
        return m


def _parity(taps: NDArray[np.uint8], bits: Value) -> Value:
    tapped = [bits[int(tap)] for tap in np.flatnonzero(taps)]
    return reduce(xor, tapped) if tapped else Const(0, 1)


def _planned(m: Module, fabric: Fabric, plan: ParityPlan, bits: Value, at: int) -> list[Value]:
    """Build one slice from its plan, two gates to a site where they fit; return its outputs."""
    signals: dict[int | None, Value] = {None: Const(0, 1), **dict(enumerate(bits))}
    for site in plan.pairs():
        gates = [plan.gates[gate] for gate in site]
        names = [f"slice{at}_gate{gate}" for gate in site]
        pins = sorted({signal for gate in gates for signal in gate})
        tables = [_parity_table(len(pins), tuple(pins.index(signal) for signal in gate)) for gate in gates]
        inputs = [signals[pin] for pin in pins]
        if len(site) == 1:
            outputs: tuple[Value, ...] = (lut(m, fabric, tables[0], inputs, names[0]),)
        else:
            outputs = lut_pair(m, fabric, (tables[0], tables[1]), inputs, (names[0], names[1]))
        signals |= {plan.n_inputs + gate: output for gate, output in zip(site, outputs, strict=True)}
    return [signals[output] for output in plan.outputs]


@cache
def _parity_table(n_pins: int, tapped: tuple[int, ...]) -> int:
    return truth_table(n_pins, lambda *pins: sum(pins[tap] for tap in tapped))
