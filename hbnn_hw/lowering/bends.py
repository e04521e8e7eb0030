"""Piecewise linear activations as functions of one real number."""

from __future__ import annotations

import numpy as np

from hbnn_hw.lowering.lines import Bend, Reals

_ONE, _ZERO = np.ones(1), np.zeros(1)


def clip(low: float, high: float | None) -> Bend:
    """Return ``min(max(x, low), high)``; None for no upper limit."""
    bottom = np.array([low])
    if high is None:
        return Bend(at=(bottom,), slopes=(_ZERO, _ONE), offsets=(bottom, _ZERO))
    top = np.array([high])
    return Bend(at=(bottom, top), slopes=(_ZERO, _ONE, _ZERO), offsets=(bottom, _ZERO, top))


def leak(slope: Reals) -> Bend:
    """Return ``x if x >= 0 else slope · x``."""
    return Bend(at=(_ZERO,), slopes=(slope, _ONE), offsets=(_ZERO, _ZERO))
