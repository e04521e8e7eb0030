"""What a user types about folding, made into a request."""

from __future__ import annotations

from collections.abc import Sequence

from hbnn_hw.errors import FoldingError
from hbnn_hw.passes.schedule import FoldingRequest, LayerFolding
from hbnn_hw.search import SearchGoal

ALL_LAYERS = "all"


def _split(label: str, entries: Sequence[str], default: int) -> tuple[int, dict[str, int]]:
    """Read ``16`` (the default of all layers) and ``fc1=8`` (one layer) entries."""
    layers: dict[str, int] = {}
    for entry in entries:
        name, _, number = entry.rpartition("=")
        if not number.isdecimal() or int(number) < 1:
            raise FoldingError(
                f"{label} must be a number like 16 or a layer's number like fc1=8, not {entry!r}"
            )
        if name:
            layers[name] = int(number)
        else:
            default = int(number)
    return default, layers


def parse_folding(
    pe: Sequence[str] = (),
    simd: Sequence[str] = (),
    unroll: Sequence[str] = (),
    stages: Sequence[str] = (),
) -> FoldingRequest:
    """Build the folding request of ``--pe``, ``--simd``, ``--unroll`` and ``--stages``.

    Parameters
    ----------
    pe, simd
        A bare number is an upper limit for all layers; ``NAME=NUMBER`` is exact for one layer.
    unroll
        Layer names, or "all".
    stages
        A bare number is for all unrolled layers; ``NAME=NUMBER`` for one.

    Raises
    ------
    FoldingError
        If an entry is not of that form, or a layer is both unrolled and folded.
    """
    request = FoldingRequest()
    default_pe, pe_of = _split("--pe", pe, request.pe)
    default_simd, simd_of = _split("--simd", simd, request.simd)
    default_stages, stages_of = _split("--stages", stages, request.stages)
    names = set(unroll) - {ALL_LAYERS}
    both = sorted(names & (pe_of.keys() | simd_of.keys()))
    if both:
        raise FoldingError(
            f"layer '{both[0]}' cannot be unrolled and have a PE or SIMD of its own; drop one of them"
        )
    layers = {
        name: LayerFolding(
            pe_of.get(name), simd_of.get(name), unroll=name in names, stages=stages_of.get(name)
        )
        for name in sorted(names | pe_of.keys() | simd_of.keys() | stages_of.keys())
    }
    return FoldingRequest(default_pe, default_simd, ALL_LAYERS in unroll, default_stages, layers)


def parse_goal(
    fps: float | None, cycles: int | None, fit: bool, clock_ns: float, folding: FoldingRequest
) -> SearchGoal | None:
    """Build the goal of ``--fps``, ``--cycles`` and ``--fit``; None without any of them.

    Raises
    ------
    FoldingError
        If there is more than one of them, one is out of range, or a limit for all layers stands beside it.
    """
    if [fps is not None, cycles is not None, fit].count(True) == 0:
        return None
    if [fps is not None, cycles is not None, fit].count(True) > 1:
        raise FoldingError("--fps, --cycles and --fit exclude one another; give one of them")
    defaults = FoldingRequest()
    if (folding.pe, folding.simd, folding.unroll) != (defaults.pe, defaults.simd, defaults.unroll):
        raise FoldingError(
            "--fps, --cycles and --fit choose PE and SIMD of all layers; limit single layers beside them, "
            "such as --pe fc1=8"
        )
    if fps is not None and not 0 < fps <= 1e9 / clock_ns:
        raise FoldingError(
            f"--fps must lie above 0 and not above the clock's {1e9 / clock_ns:,.0f} frames/s, not at {fps:g}"
        )
    if fps is not None:
        return SearchGoal(int(1e9 / (clock_ns * fps)))
    if cycles is not None and cycles < 1:
        raise FoldingError(f"--cycles must be at least 1, not {cycles}")
    return SearchGoal(cycles)
