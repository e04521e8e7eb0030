"""Hold the estimator against synthesis on designs that its fit has never seen.

The held-out set is blocks of all kinds with other seeds than the fit's, and whole networks, of which the
fit has none. Every design is an accelerator with its AXI edges; ``unit_`` figures leave the edges out of what
an error is related to. ``--fresh N`` synthesizes N designs of the set again, drawn at random, and compares
them with the committed counts; ``--all`` synthesizes the whole set again (half an hour) and rewrites
``results/estimator_error.json``, ``--resume`` continues that. ``--write`` puts the measured bands into
``hbnn_hw/estimate/data/area.json``. The last line printed is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from area_sample import Kind, SampleSpec, build
from area_synthesis import parse_spec, synthesize_sample
from designs import load_results

import hbnn_hw.estimate
from hbnn_hw.estimate.area import Area, ErrorBand, area, graph_features, load_constants
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.estimate.synthesis import synthesize_graph
from hbnn_hw.target import Target

RAW = "estimator_error.json"
SEEDS = range(1000, 1003)
NETWORK_SEEDS = range(1000, 1002)
QUANTITIES = ("luts", "lut_sites", "flip_flops", "bram36")


def held_out() -> list[SampleSpec]:
    """Return the held-out set."""
    blocks = [SampleSpec(kind, seed) for seed in SEEDS for kind in Kind if not kind.is_network]
    return [*blocks, *(SampleSpec(kind, seed) for kind in Kind if kind.is_network for seed in NETWORK_SEEDS)]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A design's estimate beside its counts.

    Attributes
    ----------
    spec
        The design.
    model, edges
        Its estimate, and what of that are the accelerator's edges.
    counts
        What synthesis made of it.
    """

    spec: SampleSpec
    model: Area
    edges: Area
    counts: CellCounts

    def synthesized(self, quantity: str) -> float:
        """Pick the synthesized counterpart of an estimated quantity."""
        names = {"lut_sites": "sites", "bram36": "bram36_equivalent"}
        return float(getattr(self.counts, names.get(quantity, quantity)))

    def error_pct(self, quantity: str) -> float:
        """Relative error of an estimate [%]; where synthesis has none of something, of one of it."""
        found = self.synthesized(quantity)
        return 100 * (float(getattr(self.model, quantity)) - found) / (found or 1.0)

    @property
    def unit_error_pct(self) -> float:
        """Error of the LUTs, related to those without the edges [%]."""
        return 100 * (self.model.luts - self.counts.luts) / max(1.0, self.counts.luts - self.edges.luts)


def compared(entry: dict[str, Any]) -> Comparison:
    """Estimate a design of the results."""
    spec = parse_spec(entry)
    parts = {name: area(features) for name, features in graph_features(build(spec)).items()}
    model = sum(parts.values(), Area(0, 0, 0))
    return Comparison(spec, model, parts[""], CellCounts(**entry["counts"]))


def band(errors: Iterable[float]) -> ErrorBand:
    """Median and 90th percentile of the errors' magnitude [%]."""
    size = np.abs(np.array(list(errors)))
    return ErrorBand(round(float(np.median(size)), 1), round(float(np.percentile(size, 90)), 1), len(size))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's correlation of ranks; equal values share the mean of theirs."""

    def ranks(values: Sequence[float]) -> np.ndarray:
        _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        mean = np.cumsum(counts) - (counts - 1) / 2
        return np.asarray(mean[places])

    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def table(rows: Iterable[Comparison]) -> str:
    """Print estimates and counts, a design a line."""
    titles = ("LUT", "model", "error", "sites", "model", "FF", "model", "BRAM36", "model")
    lines = [f"{'design':20s}" + "".join(f"{title:>8s}" for title in titles)]
    for row in rows:
        counts, model = row.counts, row.model
        lines.append(
            f"{row.spec.name:20s}{counts.luts:8d}{model.luts:8.0f}{row.error_pct('luts'):+7.1f}%"
            f"{counts.sites:8d}{model.lut_sites:8.0f}{counts.flip_flops:8d}{model.flip_flops:8.0f}"
            f"{counts.bram36_equivalent:8.1f}{model.bram36:8.1f}"
        )
    return "\n".join(lines)


def summary(rows: Sequence[Comparison]) -> dict[str, float]:
    """Return the figures that the set is for."""
    luts, sites, registers, blocks = (
        band(row.error_pct(quantity) for row in rows) for quantity in QUANTITIES
    )
    units = band(row.unit_error_pct for row in rows)
    networks = band(row.error_pct("luts") for row in rows if row.spec.kind.is_network)
    return {
        "lut_median_pct": luts.median_pct,
        "lut_p90_pct": luts.p90_pct,
        "unit_lut_median_pct": units.median_pct,
        "unit_lut_p90_pct": units.p90_pct,
        "network_lut_median_pct": networks.median_pct,
        "network_lut_p90_pct": networks.p90_pct,
        "lut_site_median_pct": sites.median_pct,
        "lut_site_p90_pct": sites.p90_pct,
        "ff_median_pct": registers.median_pct,
        "ff_p90_pct": registers.p90_pct,
        "ff_exact": sum(row.model.flip_flops == row.counts.flip_flops for row in rows),
        "bram_p90_pct": blocks.p90_pct,
        "bram_exact": sum(row.model.bram36 == row.counts.bram36_equivalent for row in rows),
        "rank": round(rank_correlation([r.model.luts for r in rows], [r.counts.luts for r in rows]), 4),
        "blocks": sum(not row.spec.kind.is_network for row in rows),
        "networks": networks.n,
        "n": luts.n,
    }


def check_again(entries: Sequence[dict[str, Any]], n: int) -> float:
    """Synthesize some designs again, one by one; return the largest difference of their LUTs [%]."""
    chosen = np.random.default_rng().choice(len(entries), min(n, len(entries)), replace=False)
    worst = 0.0
    for at in chosen.tolist():
        spec, committed = parse_spec(entries[at]), CellCounts(**entries[at]["counts"])
        found = synthesize_graph(build(spec), Target()).counts
        worst = max(worst, 100 * abs(found.luts - committed.luts) / committed.luts)
        print(
            f"  {spec.name}: {found.luts} LUT, {found.flip_flops} FF; committed {committed.luts}, "
            f"{committed.flip_flops}",
            file=sys.stderr,
        )
    return round(worst, 1)


def main() -> None:
    """Synthesize when asked, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", type=int, default=0, metavar="N", help="synthesize N designs again")
    parser.add_argument("--all", action="store_true", help="synthesize the held-out set again")
    parser.add_argument("--resume", action="store_true", help="synthesize what the results lack")
    parser.add_argument("--write", action="store_true", help="store the error bands beside the constants")
    arguments = parser.parse_args()
    if arguments.all or arguments.resume:
        synthesize_sample(held_out(), RAW, resume=arguments.resume)
    entries = load_results(RAW)
    rows = [compared(entry) for entry in entries]
    print(table(rows))
    if arguments.write:
        bands = {name: band(row.error_pct(name) for row in rows) for name in QUANTITIES}
        path = Path(hbnn_hw.estimate.__file__).parent / "data" / "area.json"
        document = replace(load_constants(), errors=bands).document()
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    again = {"again_lut_max_pct": check_again(entries, arguments.fresh)} if arguments.fresh else {}
    print(json.dumps(summary(rows) | again))


if __name__ == "__main__":
    main()
