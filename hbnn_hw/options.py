"""What a user types about folding, made into a request."""

from __future__ import annotations

from collections.abc import Sequence

from hbnn_hw.errors import FoldingError
from hbnn_hw.passes.schedule import FoldingRequest, LayerFolding

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
    pe: Sequence[str] = (), simd: Sequence[str] = (), unroll: Sequence[str] = ()
) -> FoldingRequest:
    """Build the folding request of ``--pe``, ``--simd`` and ``--unroll``.

    Parameters
    ----------
    pe, simd
        A bare number is an upper limit for all layers; ``NAME=NUMBER`` is exact for one layer.
    unroll
        Layer names, or "all".

    Raises
    ------
    FoldingError
        If an entry is not of that form, or a layer is both unrolled and folded.
    """
    request = FoldingRequest()
    default_pe, pe_of = _split("--pe", pe, request.pe)
    default_simd, simd_of = _split("--simd", simd, request.simd)
    names = set(unroll) - {ALL_LAYERS}
    both = sorted(names & (pe_of.keys() | simd_of.keys()))
    if both:
        raise FoldingError(
            f"layer '{both[0]}' cannot be unrolled and have a PE or SIMD of its own; drop one of them"
        )
    layers = {
        name: LayerFolding(pe_of.get(name), simd_of.get(name), unroll=name in names)
        for name in sorted(names | pe_of.keys() | simd_of.keys())
    }
    return FoldingRequest(default_pe, default_simd, ALL_LAYERS in unroll, layers)
