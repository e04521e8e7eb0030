"""Fit the constants of the area model on Yosys syntheses of random single layers.

``--fresh all`` synthesizes the sample again (a quarter of an hour) and rewrites
``results/area_calibration.json``; without it the fit is repeated on the committed results. Writes
``hbnn_hw/estimate/data/area.json``. The error bands in that file come from ``estimator_error.py``, whose
designs are never used here.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from hbnn_hw.estimate.area import Block, Constants, Features, graph_features, load_constants
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.estimate.synthesis import synthesize_graph
from hbnn_hw.target import Target

RAW = "area_calibration.json"
RAW_CONVERTERS = "converter_calibration.json"
CONVERTERS = DesignSpec(
    name="converters",
    layers=(
        LayerSpec(columns=16, rows=32, pe=32, simd=4),
        LayerSpec(columns=32, rows=32, pe=4, simd=4),
        LayerSpec(columns=32, rows=32, pe=16, simd=16),
        LayerSpec(columns=32, rows=4, pe=1, simd=4, thresholds=False),
    ),
)
"""Layers whose widths differ, so that converters of both directions lie between them."""
SEED = 1000
FOLDED, UNROLLED = 22, 10
FIXED = {"memory", "fifo"}
"""Terms whose constant is 1: distributed RAM is exact, FIFO counters are not in the sample."""


def nonnegative_fit(matrix: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares with constants >= 0: constants that come out negative are fixed at 0, one at a time."""
    kept = list(np.flatnonzero(np.abs(matrix).sum(axis=0)))
    solution = np.zeros(matrix.shape[1])
    while kept:
        values = np.linalg.lstsq(matrix[:, kept], target, rcond=None)[0]
        if values.min() >= 0:
            solution[kept] = values
            break
        kept.pop(int(values.argmin()))
    return solution


def fit_block(rows: list[tuple[Features, float]]) -> dict[str, float]:
    """Fit one block's constants to minimize the relative error."""
    names = [name for name in rows[0][0].luts if name not in FIXED]
    exact = np.array(
        [sum(features.luts[name] for name in FIXED & set(features.luts)) for features, _ in rows]
    )
    counts = np.array([count for _, count in rows])
    quantities = np.array([[features.luts[name] for name in names] for features, _ in rows])
    weight = 1 / np.maximum(counts, 50.0)  # below 50 LUT an absolute error of a few cells is what matters
    values = nonnegative_fit(quantities * weight[:, np.newaxis], (counts - exact) * weight)
    fixed = {name: 1.0 for name in rows[0][0].luts if name in FIXED}
    return {name: round(float(value), 4) for name, value in zip(names, values, strict=True)} | fixed


@dataclass(frozen=True, slots=True)
class Unit:
    """Counts of a single unit, without the accelerator's edges."""

    luts: float
    sites: float
    flip_flops: float


def collect(entries: list[dict[str, Any]], constants: Constants) -> dict[Block, list[tuple[Features, Unit]]]:
    """Pair the quantities of each design's only layer with its counts; those of the edges are known."""
    rows: dict[Block, list[tuple[Features, Unit]]] = defaultdict(list)
    for entry in entries:
        features = graph_features(build(parse_spec(entry["spec"])))
        counts, edges = CellCounts(**entry["counts"]), constants.area(features[""])
        unit = Unit(
            counts.luts - edges.luts, counts.sites - edges.lut_sites, counts.flip_flops - edges.flip_flops
        )
        rows[features["fc1"].block].append((features["fc1"], unit))
    return rows


def converter_rows() -> list[tuple[Features, Unit]]:
    """Pair the quantities of each width converter with its counts."""
    features = graph_features(build(CONVERTERS))
    counts = {entry["node"]: CellCounts(**entry["counts"]) for entry in load_results(RAW_CONVERTERS)}
    return [
        (features[name], Unit(found.luts, found.sites, found.flip_flops)) for name, found in counts.items()
    ]


def resynthesize_converters() -> None:
    """Synthesize the converters one by one, each as the module that it is."""
    result = synthesize_graph(build(CONVERTERS), Target(), flatten=False)
    wanted = {name: counts for name, counts in result.instances.items() if name.endswith("_width")}
    save_results(
        RAW_CONVERTERS, [{"node": name, "counts": counts.document()} for name, counts in wanted.items()]
    )


def fit(entries: list[dict[str, Any]], start: Constants) -> Constants:
    """Fit all blocks that the sample holds; the others keep their constants."""
    luts, sites, registers = dict(start.luts), dict(start.lut_sites), dict(start.flip_flops)
    for block, rows in {**collect(entries, start), Block.WIDTH_CONVERTER: converter_rows()}.items():
        luts[block] = fit_block([(features, counts.luts) for features, counts in rows])
        sites[block] = fit_block([(features, counts.sites) for features, counts in rows])
        ratios = [counts.flip_flops / features.flip_flops for features, counts in rows]
        registers[block] = round(float(np.median(ratios)), 4)
    source = f"{entries[0]['tool']} synth_xilinx -family xc7, {len(entries)} random layers, seed {SEED}"
    return replace(start, luts=luts, lut_sites=sites, flip_flops=registers, source=source)


def residuals(entries: list[dict[str, Any]], constants: Constants) -> None:
    """Print the fit's own residuals, design by design."""
    for entry in entries:
        features = graph_features(build(parse_spec(entry["spec"])))
        unit, edges, counts = (
            constants.area(features["fc1"]),
            constants.area(features[""]),
            CellCounts(**entry["counts"]),
        )
        estimate = unit + edges
        error = 100 * (estimate.luts / counts.luts - 1)
        print(
            f"{entry['spec']['name']:22s} LUT {counts.luts:6d} model {estimate.luts:8.0f} {error:+6.1f} %   "
            f"sites {counts.sites:6d} {estimate.lut_sites:8.0f}   "
            f"FF {counts.flip_flops:5d} {estimate.flip_flops:7.0f}"
        )


def resynthesize(part: str, jobs: int) -> None:
    """Synthesize the sample, or one kind of it, and keep the committed results of the rest."""
    if part in {"converters", "all"}:
        resynthesize_converters()
    if part == "converters":
        return
    specs = random_blocks("fit", SEED, FOLDED, UNROLLED)
    kept = [] if part == "all" else [e for e in load_results(RAW) if f"-{part}-" not in e["spec"]["name"]]
    wanted = [spec for spec in specs if part == "all" or f"-{part}-" in spec.name]
    synthesize_all(wanted, jobs, lambda done: save_results(RAW, sorted([*kept, *done], key=entry_order)))


def entry_order(entry: dict[str, Any]) -> int:
    """Order results by the index in their names."""
    return int(entry["spec"]["name"].rsplit("-", 1)[1])


def main() -> None:
    """Synthesize when asked, fit, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fresh", choices=["folded", "unrolled", "converters", "all"], help="synthesize this part again"
    )
    parser.add_argument("--jobs", type=int, default=1, help="syntheses at once")
    arguments = parser.parse_args()
    if arguments.fresh:
        resynthesize(arguments.fresh, arguments.jobs)
    entries = load_results(RAW)
    constants = fit(entries, load_constants())
    residuals(entries, constants)
    path = Path(hbnn_hw.estimate.__file__).parent / "data" / "area.json"
    path.write_text(json.dumps(constants.document(), indent=1) + "\n", encoding="utf-8")
    print(json.dumps(constants.document()))


if __name__ == "__main__":
    main()
