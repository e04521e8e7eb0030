"""Area of the input encoder: it is wiring."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features


def features() -> Features:
    """Return no quantities: plane p of a code is its bit p."""
    return Features(Block.ENCODE_BIT_PLANES, {}, 0.0)
