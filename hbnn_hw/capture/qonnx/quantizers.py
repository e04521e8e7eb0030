"""QONNX's quantizers: monotone functions to codes, and what the codes stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.capture.qonnx.reading import OnnxNode
from hbnn_hw.capture.qonnx.values import Reals, whole
from hbnn_hw.errors import CaptureError

Rounding = Callable[[Reals], Reals]

WIDEST = 8
"""Bits of the widest activation: more would be more thresholds than hardware compares with."""

WIDEST_WEIGHT = 16
"""Bits of the widest weight."""


def _away(x: Reals) -> Reals:
    return np.copysign(np.ceil(np.abs(x)), x)


def _half_up(x: Reals) -> Reals:
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def _half_down(x: Reals) -> Reals:
    return np.copysign(np.ceil(np.abs(x) - 0.5), x)


ROUNDINGS: Mapping[str, Rounding] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _away,
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": _half_up,
    "HALF_DOWN": _half_down,
}
"""Rounding modes by the names that QONNX gives them."""


class Quantizer(Protocol):
    """A monotone function of a real number with few values: ``scale · code + offset``."""

    @property
    def scale(self) -> Reals:
        """Difference between codes, float64 (channels,); where it is negative, values fall with codes."""

    @property
    def offset(self) -> Reals:
        """Value of code 0, float64 (channels,)."""

    @property
    def levels(self) -> int:
        """Largest code; the smallest is 0."""

    def codes(self, x: Reals) -> NDArray[np.int64]:
        """Return the codes of reals (..., channels)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Uniform:
    """``Quant``: ``round(clip(x / step + zero, low, high))`` counts from ``low``.

    Source: QONNX's IntQuant, which clips before it rounds.
    """

    step: Reals
    zero: Reals
    low: int
    high: int
    rounding: Rounding

    @property
    def scale(self) -> Reals:
        """The step."""
        return self.step

    @property
    def offset(self) -> Reals:
        """Real value of the lowest integer."""
        return self.step * (self.low - self.zero)

    @property
    def levels(self) -> int:
        """Largest code."""
        return self.high - self.low

    def codes(self, x: Reals) -> NDArray[np.int64]:
        """Return the codes of reals (..., channels)."""
        clipped = np.clip(x / self.step + self.zero, self.low, self.high)
        return self.rounding(clipped).astype(np.int64) - self.low


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bipolar:
    """``BipolarQuant``: ``x / step + zero >= 0`` is +1, everything else -1."""

    step: Reals
    zero: Reals

    @property
    def scale(self) -> Reals:
        """Two steps: from -1 to +1."""
        return 2.0 * self.step

    @property
    def offset(self) -> Reals:
        """Real value of -1."""
        return self.step * (-1.0 - self.zero)

    @property
    def levels(self) -> int:
        """Largest code."""
        return 1

    def codes(self, x: Reals) -> NDArray[np.int64]:
        """Return the codes of reals (..., channels)."""
        return (x / self.step + self.zero >= 0).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Steps:
    """``MultiThreshold``: the number of thresholds that are not above x.

    Attributes
    ----------
    thresholds
        float64 (channels, levels), in any order.
    """

    thresholds: Reals
    scale: Reals
    offset: Reals

    @property
    def levels(self) -> int:
        """Largest code."""
        return int(self.thresholds.shape[1])

    def codes(self, x: Reals) -> NDArray[np.int64]:
        """Return the codes of reals (..., channels)."""
        codes = np.zeros(x.shape, dtype=np.int64)
        for level in range(self.levels):
            codes += x >= self.thresholds[:, level]
        return codes


def integer_range(node: OnnxNode, bit_width: Reals, widest: int) -> tuple[int, int]:
    """Return the lowest and the highest integer of a ``Quant`` node.

    Raises
    ------
    CaptureError
        If the bit width is not one whole number from 1 to ``widest``.
    """
    if bit_width.size != 1:
        raise CaptureError(f"{node.title} must have one bit width, not {bit_width.size}")
    bits = whole(float(bit_width.flat[0]), f"the bit width of {node.title}")
    if not 1 <= bits <= widest:
        raise CaptureError(f"the bit width of {node.title} must lie in 1..{widest}, not {bits}")
    signed, narrow = node.integer("signed", 1), node.integer("narrow", 0)
    if signed:
        half = 1 << (bits - 1)
        return -half + bool(narrow), half - 1
    return 0, (1 << bits) - 1 - bool(narrow)


def is_bipolar(node: OnnxNode, bit_width: Reals) -> bool:
    """Tell whether a ``Quant`` node has the two values ±1: one signed bit."""
    return bool(node.integer("signed", 1)) and bit_width.size == 1 and float(bit_width.flat[0]) == 1.0


def rounding_of(node: OnnxNode) -> Rounding:
    """Return the rounding of a ``Quant`` node; raise CaptureError if it has none of QONNX's modes."""
    mode = node.text("rounding_mode", "ROUND").upper()
    if mode not in ROUNDINGS:
        raise CaptureError(
            f"the rounding mode of {node.title} must be one of {', '.join(ROUNDINGS)}, not {mode!r}"
        )
    return ROUNDINGS[mode]


def check_step(node: OnnxNode, step: Reals, zero: Reals) -> None:
    """Raise CaptureError unless steps are positive and zero points whole numbers."""
    if not (step > 0).all():
        raise CaptureError(f"the scale of {node.title} must be positive")
    if (zero != np.rint(zero)).any() or np.abs(zero).max(initial=0) > 1 << WIDEST_WEIGHT:
        raise CaptureError(f"the zero point of {node.title} must be a whole number of {WIDEST_WEIGHT} bits")
