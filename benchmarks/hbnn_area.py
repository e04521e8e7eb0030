"""Unrolled area against the average bitwidth, on trained layers: what heterogeneous bits cost in LUTs.

The first rows of the layers of the trained MNIST network ``mnist_hbnn.pt``, unrolled, as planned and
synthesized by the flow of all area benchmarks. A map of each average (1.2 = 85/10/5 % of the entries with
1/2/3 bits, 1.4 = 70/20/10, the HBNN paper's mixes; 1.0, 2.0 and 3.0 are full planes) is drawn entry by
entry, shared by the columns' entries, or by the rows'. Signs are the trained ones where the checkpoint
has the plane; those of planes that it does not have are drawn, since the signs of a residual are close to
balanced and independent. Plane weights are 4, 2, 1, and thresholds the trained ones, scaled to the
layer's sums. The first layer reads 784 pixels of eight bits and takes nine LUTs of ten.

Prints a table, then one line of JSON: LUTs and sites of every kind and average, by layer and summed, and
``column_1p4_over_1``, ``column_1p4_over_2``, ``row_1p4_over_1`` and ``element_1p4_over_1``, by LUTs. Two
points are planned once more with rows that share nothing but their total, ``element_1p4_over_1_unshared``.
``--rows`` sets how many rows of each layer, ``--layers`` chooses layers, ``--planned`` leaves synthesis out
and counts planned LUTs, to which synthesis adds nothing. ``--save`` writes the figures to
``benchmarks/results/hbnn_area.json``, which ``hbnn_accuracy.py`` reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from area_flow import measure
from numpy.typing import NDArray
from unrolled_area import our_design

import models
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.capture.model import capture_file
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.passes import lower
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes

CHECKPOINT = Path(models.__file__).parent / "mnist_hbnn.pt"
MIXES: dict[float, tuple[float, ...]] = {
    1.0: (1.0,),
    1.2: (0.85, 0.1, 0.05),
    1.4: (0.7, 0.2, 0.1),
    2.0: (0.0, 1.0),
    3.0: (0.0, 0.0, 1.0),
}
KINDS = ("element", "column", "row")
PLANES = 3
COEFFICIENTS = (4, 2, 1)
SEED = 2018

SHARED, UNSHARED = Structure(group_size=PAIRS), Structure(group_size=1)

RESULTS = Path(__file__).parent / "results" / "hbnn_area.json"


def bit_map(kind: str, mix: Sequence[float], shape: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Draw the bits of all entries (rows, columns) with exactly the asked shares, up to rounding."""
    rows, columns = shape
    cells = {"element": rows * columns, "column": columns, "row": rows}[kind]
    edges = np.rint(np.cumsum(mix) * cells)
    drawn = 1 + np.searchsorted(edges, np.random.default_rng(seed).permutation(cells), side="right")
    form = {"element": shape, "column": (1, columns), "row": (rows, 1)}[kind]
    return np.broadcast_to(drawn.reshape(form), shape).astype(np.int64)


def all_signs(weights: WeightPlanes, rows: int) -> NDArray[np.uint8]:
    """Signs of three planes (planes, rows, columns): the trained ones, drawn where there are none."""
    drawn = np.random.default_rng(SEED).integers(0, 2, (PLANES, rows, weights.columns), dtype=np.uint8)
    masks, bits = weights.unpacked_masks()[:PLANES, :rows], weights.unpacked_bits()[:PLANES, :rows]
    drawn[: len(masks)] = np.where(masks, bits, drawn[: len(masks)])
    return drawn


def trained_layers(n_rows: int) -> Iterator[tuple[str, Mvtu, TensorType]]:
    """Hidden layers of the checkpoint that read planes, and their inputs' types."""
    graph = lower(capture_file(CHECKPOINT).graph)
    for node in graph.hardware_nodes:
        op = node.op
        if isinstance(op, Mvtu) and op.thresholds is not None and op.weights.rows >= n_rows:
            source = graph.source_type(node)
            if isinstance(source.element, Planes):
                yield node.name, op, source


def with_map(op: Mvtu, kind: str, mix: Sequence[float], n_rows: int) -> Mvtu:
    """Give the first rows of a layer a map of another average."""
    assert op.thresholds is not None
    signs = all_signs(op.weights, n_rows)
    bits = bit_map(kind, mix, (n_rows, op.weights.columns), SEED)
    masks = (bits > np.arange(PLANES).reshape(-1, 1, 1)).astype(np.uint8)
    weights = WeightPlanes.from_bits(signs & masks, masks, COEFFICIENTS)
    old, new = op.weights.values()[:n_rows], weights.values()
    scale = np.sqrt((new**2).sum(axis=1) / (old**2).sum(axis=1))
    table = np.rint(op.thresholds.table[:n_rows] * scale[:, np.newaxis]).astype(np.int64)
    return Mvtu(
        weights=weights,
        thresholds=Thresholds(table=table, inverted=op.thresholds.inverted[:n_rows]),
        folding=Folding(n_rows, op.weights.columns, unrolled=True),
    )


def area(name: str, op: Mvtu, source: TensorType, planned: bool) -> tuple[int, int]:
    """LUTs and sites of a layer, planned LUTs for both without synthesis. All maps have one structure."""
    plan = plan_layer(op, source, (SHARED,))
    if planned:
        return plan.netlist.luts, plan.netlist.luts
    found = measure(our_design(name, op, source, plan))
    if found.luts != plan.netlist.luts:
        print(f"{name}: {plan.netlist.luts} LUTs were planned, synthesis has {found.luts}", file=sys.stderr)
    return found.luts, found.sites


Layers = Sequence[tuple[str, Mvtu, TensorType]]


def points(layers: Layers, n_rows: int, planned: bool) -> Iterator[dict[str, Any]]:
    """Measure all kinds and averages, summed over the layers; full planes are the same in every kind."""
    for average, mix in MIXES.items():
        is_full = max(mix) == 1
        for kind in KINDS[:1] if is_full else KINDS:
            areas = {
                name: area(
                    f"{name}, {average} bits, {kind} map", with_map(op, kind, mix, n_rows), source, planned
                )
                for name, op, source in layers
            }
            print(average, kind, areas, file=sys.stderr, flush=True)
            luts, sites = (sum(part) for part in zip(*areas.values(), strict=True))
            for shown in KINDS if is_full else (kind,):
                yield {
                    "kind": shown,
                    "average_bits": average,
                    "luts": luts,
                    "sites": sites,
                    "luts_by_layer": {name: found for name, (found, _) in areas.items()},
                }


def unshared_ratio(layers: Layers, n_rows: int) -> float:
    """Element maps of 1.4 bits over 1 bit when rows share nothing but their total, by planned LUTs."""
    mixed, single = (
        sum(
            plan_layer(with_map(op, "element", MIXES[average], n_rows), source, (UNSHARED,)).netlist.luts
            for _, op, source in layers
        )
        for average in (1.4, 1.0)
    )
    return mixed / single


def figures(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Compute the ratios that are named in the module's text."""
    luts = {(row["kind"], row["average_bits"]): row["luts"] for row in found}
    ratios = {f"{kind}_1p4_over_1": luts[kind, 1.4] / luts[kind, 1.0] for kind in KINDS}
    ratios["column_1p4_over_2"] = luts["column", 1.4] / luts["column", 2.0]
    return {name: round(ratio, 4) for name, ratio in ratios.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=32, help="rows of each layer")
    parser.add_argument("--layers", nargs="+", default=None, metavar="NAME", help="of fc1, fc2, fc3")
    parser.add_argument("--planned", action="store_true", help="count planned LUTs, without synthesis")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args(arguments)
    layers = [
        layer for layer in trained_layers(options.rows) if not options.layers or layer[0] in options.layers
    ]
    if not layers:
        parser.error(f"no layer of {options.rows} rows is among {options.layers}")
    found = sorted(
        points(layers, options.rows, options.planned),
        key=lambda row: (KINDS.index(row["kind"]), row["average_bits"]),
    )
    luts = {(row["kind"], row["average_bits"]): row["luts"] for row in found}
    print(f"{'map':10s}{'bits':>6s}{'LUT':>8s}{'sites':>8s}{'x 1 bit':>9s}")
    for row in found:
        ratio = row["luts"] / luts[row["kind"], 1.0]
        print(f"{row['kind']:10s}{row['average_bits']:6.1f}{row['luts']:8d}{row['sites']:8d}{ratio:9.2f}")
    document = {
        "rows": options.rows,
        "layers": [name for name, _, _ in layers],
        "synthesized": not options.planned,
        **figures(found),
        "element_1p4_over_1_unshared": round(unshared_ratio(layers, options.rows), 4),
        "points": found,
    }
    if options.save:
        RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
