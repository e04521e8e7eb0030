"""Quantities that several reports have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Resources that a design uses.

    Attributes
    ----------
    luts, flip_flops, dsps
        Six-input LUTs, flip-flops, DSP slices.
    bram36
        Block RAM in units of 36 kbit; a half is one of 18 kbit.
    """

    luts: float
    flip_flops: float
    bram36: float
    dsps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycles:
    """A range of clock cycles; None where the tool could not tell.

    Attributes
    ----------
    minimum, maximum
        Both ends.
    average
        Mean, where it was measured.
    """

    minimum: int | None
    maximum: int | None
    average: int | None = None
