"""Hold the estimator against synthesis on designs that its fit has never seen.

The held-out set is random layers (other seeds than the fit's) and small whole networks.
``--fresh`` synthesizes it again and rewrites ``results/estimator_error.json``; without it the committed
results are compared. ``--write`` puts the measured bands into ``hbnn_hw/estimate/data/area.json``.
The last line printed is a JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from designs import (
    DesignSpec,
    LayerSpec,
    build,
    load_results,
    parse_spec,
    random_blocks,
    save_results,
    synthesize_all,
)

import hbnn_hw.estimate
from hbnn_hw.estimate.area import Area, ErrorBand, area, graph_features, load_constants
from hbnn_hw.estimate.netlist import CellCounts

RAW = "estimator_error.json"
SEED = 5000
QUANTITIES = ("luts", "lut_sites", "flip_flops")
NETWORKS = (
    DesignSpec(
        name="net-64-32-32-10",
        input_bits=4,
        seed=1,
        layers=(
            LayerSpec(columns=64, rows=32, pe=8, simd=16),
            LayerSpec(columns=32, rows=32, pe=8, simd=8),
            LayerSpec(columns=32, rows=10, pe=5, simd=8, thresholds=False),
        ),
    ),
    DesignSpec(
        name="net-hbnn-64-64-10",
        input_bits=2,
        seed=2,
        layers=(
            LayerSpec(columns=64, rows=64, pe=8, simd=8, fractions=(0.7, 0.2, 0.1), map_kind="tile"),
            LayerSpec(columns=64, rows=10, pe=2, simd=16, fractions=(0.7, 0.2, 0.1), thresholds=False),
        ),
    ),
    DesignSpec(
        name="net-128-64-64-10",
        input_bits=8,
        seed=3,
        layers=(
            LayerSpec(columns=128, rows=64, pe=4, simd=32),
            LayerSpec(columns=64, rows=64, pe=4, simd=16, fractions=(0.8, 0.2), map_kind="column"),
            LayerSpec(columns=64, rows=10, pe=1, simd=16, thresholds=False),
        ),
    ),
    DesignSpec(
        name="net-mixed-32-16-10",
        input_bits=2,
        seed=4,
        layers=(
            LayerSpec(columns=32, rows=16, pe=4, simd=8),
            LayerSpec(columns=16, rows=10, thresholds=False),
        ),
    ),
)


def held_out() -> list[DesignSpec]:
    """Return the held-out set."""
    return [*random_blocks("held", SEED, 12, 5), *NETWORKS]


def estimated(spec: DesignSpec) -> Area:
    """Estimate a whole design, edges included."""
    return sum((area(features) for features in graph_features(build(spec)).values()), Area(0, 0, 0))


def synthesized_value(counts: CellCounts, quantity: str) -> int:
    """Pick the synthesized counterpart of an estimated quantity."""
    return counts.sites if quantity == "lut_sites" else int(getattr(counts, quantity))


def band(errors: Iterable[float]) -> ErrorBand:
    """Median and 90th percentile of the errors' magnitude [%]."""
    size = np.abs(np.array(list(errors)))
    return ErrorBand(round(float(np.median(size)), 1), round(float(np.percentile(size, 90)), 1), len(size))


def main() -> None:
    """Synthesize when asked, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="synthesize the held-out set again")
    parser.add_argument("--write", action="store_true", help="store the error bands beside the constants")
    parser.add_argument("--jobs", type=int, default=1, help="syntheses at once")
    arguments = parser.parse_args()
    if arguments.fresh:
        synthesize_all(held_out(), arguments.jobs, partial(save_results, RAW))
    errors: dict[str, list[float]] = {quantity: [] for quantity in QUANTITIES}
    titles = "".join(f"{title:>8s}" for title in ("LUT", "model", "error", "sites", "model", "FF", "model"))
    print(f"{'design':20s}{titles}")
    for entry in load_results(RAW):
        spec, counts = parse_spec(entry["spec"]), CellCounts(**entry["counts"])
        model = estimated(spec)
        for quantity in QUANTITIES:
            errors[quantity].append(
                100 * (getattr(model, quantity) / synthesized_value(counts, quantity) - 1)
            )
        print(
            f"{spec.name:20s}{counts.luts:8d}{model.luts:8.0f}{errors['luts'][-1]:+7.1f}%{counts.sites:8d}"
            f"{model.lut_sites:8.0f}{counts.flip_flops:8d}{model.flip_flops:8.0f}"
        )
    bands = {quantity: band(found) for quantity, found in errors.items()}
    if arguments.write:
        path = Path(hbnn_hw.estimate.__file__).parent / "data" / "area.json"
        document = replace(load_constants(), errors=bands).document()
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    luts, sites, registers = (bands[quantity] for quantity in QUANTITIES)
    summary = {
        "lut_median_pct": luts.median_pct,
        "lut_p90_pct": luts.p90_pct,
        "lut_site_median_pct": sites.median_pct,
        "lut_site_p90_pct": sites.p90_pct,
        "ff_median_pct": registers.median_pct,
        "ff_p90_pct": registers.p90_pct,
        "n": luts.n,
    }
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
