"""A real synthesis beside the estimate, with the error said openly."""

from __future__ import annotations

from hbnn_hw.estimate.model import Estimate
from hbnn_hw.estimate.synthesis import SynthesisResult


def synthesis_text(result: SynthesisResult, estimate: Estimate) -> str:
    """Print synthesized cells, the estimate, and the estimate's relative error, a resource a line."""
    counts, area = result.counts, estimate.area
    rows = (
        ("LUT", counts.luts, area.luts),
        ("LUT6 sites", counts.sites, area.lut_sites),
        ("FF", counts.flip_flops, area.flip_flops),
        ("BRAM36", counts.bram36_equivalent, area.bram36),
        ("DSP", counts.dsp, area.dsps),
    )
    lines = [f"{result.top}, synthesized with {result.tool}; nothing is placed or routed"]
    lines.append(f"{'':12}{'synthesized':>12}{'estimated':>12}{'error':>9}")
    for name, found, estimated in rows:
        error = f"{100 * (estimated / found - 1):+.1f} %" if found else "-"
        lines.append(f"{name:12}{found:>12g}{round(estimated, 1):>12g}{error:>9}")
    return "\n".join(lines) + "\n"
