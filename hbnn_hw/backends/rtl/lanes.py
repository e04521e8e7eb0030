"""Which lanes a unit can have."""

from __future__ import annotations

from hbnn_hw.errors import FoldingError


def check_lanes(lanes: int, *counts: int) -> None:
    """Raise FoldingError unless the lanes divide all counts of channels."""
    if lanes < 1 or any(count % lanes for count in counts):
        raise FoldingError(f"the lanes must divide {', '.join(map(str, counts))} channels, not be {lanes}")
