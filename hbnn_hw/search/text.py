"""A search's result as a plain text table."""

from __future__ import annotations

from hbnn_hw.search.budget import RESOURCES
from hbnn_hw.search.search import LayerChoice, SearchResult

_HEADER = ("layer", "shape", "PE×SIMD", "cycles", "all words", "LUT", "BRAM36")


def _row(layer: LayerChoice) -> tuple[str, ...]:
    fold = "unrolled" if layer.unrolled else f"{layer.pe}×{layer.simd}"
    shape = f"{layer.columns}→{layer.rows}"
    costs = (f"{layer.cycles}", f"{layer.full_cycles}", f"{layer.luts:.0f}", f"{layer.bram36:g}")
    return (layer.name, shape, fold, *costs)


def search_text(result: SearchResult, clock_ns: float) -> str:
    """Print a folding: a line a layer with its cycles, also if no word were left out, then totals.

    Parameters
    ----------
    result
        What was found.
    clock_ns
        Clock period that frames per second are told at [ns].
    """
    rows = [_HEADER, *map(_row, result.layers)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADER))]
    lines = [
        "  ".join(f"{cell:<{w}}" if at == 0 else f"{cell:>{w}}" for at, (cell, w) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    rate = 1e9 / (clock_ns * result.interval_cycles)
    used = ", ".join(
        f"{need:,.0f} of {have:,.0f} {name}"
        for name, need, have in zip(RESOURCES, result.needs, result.budget.vector, strict=True)
    )
    lines.append(
        f"bottleneck: {result.bottleneck}, {result.interval_cycles} cycles a frame, {rate:,.0f} frames/s "
        f"if {1000 / clock_ns:g} MHz is met"
    )
    lines.append(f"budget (estimated upper bounds): {used}")
    return "\n".join(lines) + "\n"
