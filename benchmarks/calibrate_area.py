"""Fit the constants of the area model on Yosys syntheses of random blocks.

What the back end plans or instantiates is counted and not fitted (the term "exact"); flip-flops and block RAM
are counted altogether. A constant starts from what first principles say and moves as far as the sample
asks for: terms that the sample hardly tells apart stay near their start.

``--fresh`` synthesizes the sample again (ten minutes) and rewrites ``results/area_calibration.json``,
``--resume`` continues that; without them the fit is repeated on the committed results. Writes
``hbnn_hw/estimate/data/area.json``. The error bands in that file come from ``estimator_error.py``, whose
designs are never used here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from area_sample import Kind, SampleSpec, build
from area_synthesis import parse_spec, synthesize_sample
from designs import load_results

import hbnn_hw.estimate
from hbnn_hw.estimate.area import Area, Block, Constants, Features, area, graph_features, load_constants
from hbnn_hw.estimate.netlist import CellCounts

RAW = "area_calibration.json"
SEEDS = range(100, 103)

EXACT = "exact"
"""The term that counts LUTs one by one."""

STARTS = {
    "counters": 1.5,
    "counter": 1.5,
    "place": 1.5,
    "queue": 1.5,
    "control": 1.5,
    "table_control": 1.5,
    "address": 2.0,
    "excess": 2.0,
    "unit": 5.0,
    "weigh": 1.0,
    "frame": 0.5,
    "offset": 1.0,
    "compare": 0.5,
    "constant": 2.0,
    "piece": 1.0,
    "choice": 1.0,
    "contend": 2.0,
    "best": 1.5,
    "or": 1.0,
    "sum": 1.0,
    "add": 1.0,
    "readers": 3.0,
    "inputs": 1.0,
    "flags": 3.0,
    "cut": 3.0,
}
"""Constants before any synthesis, in LUTs per unit of the term: an adder bit or a two-way choice of a bit
takes one, a counter bit one and a half, a comparison a half to two."""

SPREAD = 0.5
"""How far off the starts are taken to be, as a share of them."""

NOISE = 0.02
"""How far off the counts of a well-fitted design are taken to be, as a share of its LUTs."""

SITES = 0.8
"""LUT6 sites of a LUT, before any synthesis."""

CONTROL_LUTS = 64.0
"""LUTs of the AXI4-Lite block, as Yosys counts it by itself: the start of the edges' "control"."""

Term = tuple[Block, str]


def sample() -> list[SampleSpec]:
    """Return the blocks that constants are fitted on; whole networks are never among them."""
    return [SampleSpec(kind, seed) for seed in SEEDS for kind in Kind if not kind.is_network]


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


@dataclass(frozen=True, slots=True)
class Design:
    """A design of the sample.

    Attributes
    ----------
    name
        Its name.
    terms
        Its quantities, of all its blocks.
    features
        The same by node.
    counts
        What synthesis made of it.
    """

    name: str
    terms: Mapping[Term, float]
    features: Mapping[str, Features]
    counts: CellCounts


def collect(entries: Sequence[dict[str, Any]]) -> list[Design]:
    """Pair the quantities of each design with its counts."""
    found = []
    for entry in entries:
        spec, terms = parse_spec(entry), dict[Term, float]()
        features = graph_features(build(spec))
        for block in features.values():
            for name, quantity in block.luts.items():
                terms[block.block, name] = terms.get((block.block, name), 0.0) + quantity
        found.append(Design(spec.name, terms, features, CellCounts(**entry["counts"])))
    return found


def fit_terms(
    designs: Sequence[Design], targets: Sequence[float], sizes: Sequence[int], starts: Mapping[Term, float]
) -> dict[Term, float]:
    """Fit constants to all designs at once: least squares of relative errors, held near the starts.

    Parameters
    ----------
    designs, targets
        What is fitted, and to which counts.
    sizes
        What an error is related to.
    starts
        The terms that are fitted.
    """
    # Below 100 cells it is a few that matter.
    scale = NOISE * np.maximum(sizes, 100)[:, np.newaxis]
    quantities = np.array([[design.terms.get(term, 0.0) for term in starts] for design in designs])
    held = np.array(list(starts.values()))
    matrix = np.vstack([quantities / scale, np.diag(1 / (SPREAD * held))])
    wanted = np.concatenate([np.array(targets) / scale[:, 0], np.full(len(starts), 1 / SPREAD)])
    return dict(zip(starts, nonnegative_fit(matrix, wanted).tolist(), strict=True))


def _start(term: Term) -> float:
    return CONTROL_LUTS if term == (Block.EDGES, "control") else STARTS[term[1]]


def fit_luts(designs: Sequence[Design], terms: Sequence[Term]) -> dict[Term, float]:
    """Fit LUTs; what is counted exactly is taken off."""
    exact = [sum(n for (_, name), n in design.terms.items() if name == EXACT) for design in designs]
    luts = [design.counts.luts for design in designs]
    rest = [count - known for count, known in zip(luts, exact, strict=True)]
    starts = {term: _start(term) for term in terms if term[1] != EXACT}
    return dict.fromkeys(terms, 1.0) | fit_terms(designs, rest, luts, starts)


def fit_sites(designs: Sequence[Design], terms: Sequence[Term]) -> dict[Term, float]:
    """Fit LUT6 sites, also those of LUTs that are counted exactly: some of them share a site."""
    sites = [design.counts.sites for design in designs]
    starts = {term: SITES * (1.0 if term[1] == EXACT else _start(term)) for term in terms}
    return fit_terms(designs, sites, sites, starts)


def _by_block(values: Mapping[Term, float]) -> dict[Block, dict[str, float]]:
    found: dict[Block, dict[str, float]] = {}
    for (block, name), value in values.items():
        found.setdefault(block, {})[name] = round(value, 4)
    return found


def fit(entries: Sequence[dict[str, Any]], start: Constants) -> Constants:
    """Fit all constants; the error bands stay those of ``start``."""
    designs = collect(entries)
    found = {term for design in designs for term in design.terms}
    terms = sorted(found, key=lambda term: (term[0].value, term[1]))
    return replace(
        start,
        luts=_by_block(fit_luts(designs, terms)),
        lut_sites=_by_block(fit_sites(designs, terms)),
        source=f"{entries[0]['tool']} synth_xilinx -family xc7, {len(entries)} random blocks",
    )


def residuals(entries: Sequence[dict[str, Any]], constants: Constants) -> None:
    """Print the fit's own residuals, design by design."""
    for design in collect(entries):
        estimate = sum((area(block, constants) for block in design.features.values()), Area(0, 0, 0))
        counts = design.counts
        print(
            f"{design.name:20s} LUT {counts.luts:6d} {estimate.luts:8.0f} "
            f"{100 * (estimate.luts / counts.luts - 1):+6.1f} %   sites {counts.sites:6d} "
            f"{estimate.lut_sites:8.0f}   FF {counts.flip_flops:5d} {estimate.flip_flops:7.0f}   "
            f"BRAM36 {counts.bram36_equivalent:5.1f} {estimate.bram36:5.1f}"
        )


def main() -> None:
    """Synthesize when asked, fit, write, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="synthesize the sample again")
    parser.add_argument("--resume", action="store_true", help="synthesize what the results lack")
    arguments = parser.parse_args()
    if arguments.fresh or arguments.resume:
        synthesize_sample(sample(), RAW, resume=arguments.resume)
    entries = load_results(RAW)
    constants = fit(entries, load_constants())
    residuals(entries, constants)
    path = Path(hbnn_hw.estimate.__file__).parent / "data" / "area.json"
    path.write_text(json.dumps(constants.document(), indent=1) + "\n", encoding="utf-8")
    print(json.dumps(constants.document()))


if __name__ == "__main__":
    main()
