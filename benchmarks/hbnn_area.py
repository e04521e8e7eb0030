"""Unrolled area against the average bitwidth, on trained networks: what heterogeneous bits cost in LUTs.

The networks of ``models/deployed``: 784-256-256-256-10, trained on MNIST with each average bitwidth (1.2 =
85/10/5 % of the weights with 1/2/3 bits, 1.4 = 70/20/10, the HBNN paper's mixes; 1.0, 2.0 and 3.0 are full
planes) and each bit map, middle-out: per element, shared by columns, or by rows. ``python -m
models.experiments --study bit_maps --fresh --keep models/deployed`` trains them again. Some rows of each
hidden layer are unrolled, with the weights, maps, plane scales and thresholds that were trained, as planned
and synthesized by the flow of all area benchmarks. The first layer reads 784 pixels of eight bits and takes
nine LUTs of ten.

Prints a table, then one line of JSON: LUTs and sites of every kind and average, by layer and summed, and
``column_1p4_over_1``, ``column_1p4_over_2``, ``row_1p4_over_1`` and ``element_1p4_over_1``, by LUTs. Two
points are planned once more with rows that share nothing but their total, ``element_1p4_over_1_unshared``.
``--drawn`` takes random maps and random further signs over the first signs of one trained network, plane
scales 4, 2, 1: what the same averages cost without the regularity that training leaves in maps and planes.
``--rows`` sets how many rows of each layer, ``--layers`` chooses layers, ``--planned`` leaves synthesis out
and counts the LUTs of planned netlists, each evaluated against its layer; synthesis adds nothing to them.
``--save`` writes the figures to ``benchmarks/results/hbnn_area.json``, which ``hbnn_accuracy.py`` reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from area_flow import measure
from drawn_maps import Layer, drawn_layers, hidden_layers
from numpy.typing import NDArray
from unrolled_area import SEED, meaning, our_design

import models
from hbnn_hw import ir_file
from hbnn_hw.backends.rtl.unrolled.netlist import Netlist
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.errors import MismatchError
from hbnn_hw.folding import Folding
from hbnn_hw.nn import Sharing
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.passes import lower
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes
from models.bit_maps import MIXES, SHARINGS, recipe_name

NETWORKS = Path(models.__file__).parent / "deployed"
KINDS = tuple(sharing.value for sharing in SHARINGS)

PLAN_VECTORS = 512

SHARED, UNSHARED = Structure(group_size=PAIRS), Structure(group_size=1)

RESULTS = Path(__file__).parent / "results" / "hbnn_area.json"


def typical_rows(weights: WeightPlanes, n_rows: int) -> NDArray[np.int64]:
    """Indices of rows whose bitwidths are spread as those of all rows, ascending."""
    order = np.argsort(weights.bit_map().sum(axis=1), kind="stable")
    places = (np.arange(n_rows) + 0.5) * weights.rows / n_rows
    return np.sort(order[places.astype(np.int64)])


def some_rows(op: Mvtu, n_rows: int) -> Mvtu:
    """Cut a layer down to typical rows, unrolled."""
    assert op.thresholds is not None
    rows = typical_rows(op.weights, n_rows)
    masks = op.weights.unpacked_masks()[:, rows]
    return Mvtu(
        weights=WeightPlanes.from_bits(
            op.weights.unpacked_bits()[:, rows] & masks, masks, op.weights.coefficients
        ),
        thresholds=Thresholds(table=op.thresholds.table[rows], inverted=op.thresholds.inverted[rows]),
        folding=Folding(n_rows, op.weights.columns, unrolled=True),
    )


def trained_layers(kind: str, average: float, n_rows: int) -> list[Layer]:
    """Return rows of the hidden layers of the network that was trained with such a map."""
    path = NETWORKS / f"{recipe_name(Sharing(kind), average)}.hbnn"
    layers = hidden_layers(lower(ir_file.load(path)))
    return [(name, some_rows(op, n_rows), source) for name, op, source in layers if op.weights.rows >= n_rows]


def check_plan(name: str, op: Mvtu, source: TensorType, netlist: Netlist) -> None:
    """Evaluate a planned netlist on vectors of all densities; raise MismatchError if it is not the layer."""
    rng = np.random.default_rng(SEED)
    density = rng.random((PLAN_VECTORS, 1))
    density[:2] = [[0.0], [1.0]]
    lanes = (rng.random((PLAN_VECTORS, netlist.n_inputs)) < density).astype(np.uint8)
    expected = meaning(op, source)({"lanes": lanes})["results"]
    wrong = np.argwhere(netlist.evaluate(lanes) != expected)
    if len(wrong):
        vector, bit = wrong[0]
        raise MismatchError(f"{name}: the plan's output bit {bit} is wrong on vector {vector}")


def area(
    name: str, op: Mvtu, source: TensorType, planned: bool, structure: Structure = SHARED
) -> tuple[int, int]:
    """LUTs and sites of a layer, planned LUTs for both without synthesis. All maps have one structure."""
    plan = plan_layer(op, source, (structure,))
    if planned:
        check_plan(name, op, source, plan.netlist)
        return plan.netlist.luts, plan.netlist.luts
    found = measure(our_design(name, op, source, plan))
    if found.luts != plan.netlist.luts:
        print(f"{name}: {plan.netlist.luts} LUTs were planned, synthesis has {found.luts}", file=sys.stderr)
    return found.luts, found.sites


class Networks:
    """Where layers come from: trained or drawn maps, how many rows, which layers."""

    def __init__(self, *, drawn: bool, n_rows: int, names: Sequence[str] | None) -> None:
        self._read = partial(drawn_layers if drawn else trained_layers, n_rows=n_rows)
        self._names = names

    def layers(self, kind: str, average: float) -> list[Layer]:
        """Return the chosen layers with one map."""
        found = self._read(kind, average)
        return [layer for layer in found if not self._names or layer[0] in self._names]


def points(networks: Networks, planned: bool) -> Iterator[dict[str, Any]]:
    """Measure all kinds and averages, summed over the layers; full planes are the same in every kind."""
    for average, mix in MIXES.items():
        is_full = len(mix) == 1
        for kind in KINDS[:1] if is_full else KINDS:
            layers = networks.layers(kind, average)
            areas = {
                name: area(f"{name}, {average} bits, {kind} map", op, source, planned)
                for name, op, source in layers
            }
            print(average, kind, areas, file=sys.stderr, flush=True)
            luts, sites = (sum(part) for part in zip(*areas.values(), strict=True))
            for shown in KINDS if is_full else (kind,):
                yield {
                    "kind": shown,
                    "average_bits": average,
                    "measured_bits": round(mean_bits(layers), 4),
                    "luts": luts,
                    "sites": sites,
                    "luts_by_layer": {name: found for name, (found, _) in areas.items()},
                    "plane_scales_by_layer": {name: op.weights.coefficients for name, op, _ in layers},
                }


def mean_bits(layers: Sequence[Layer]) -> float:
    """Average the bitwidths of the weights that are built [bits per weight]."""
    weights = [op.weights for _, op, _ in layers]
    stored = sum(int(one.plane_populations().sum()) for one in weights)
    return stored / sum(one.rows * one.columns for one in weights)


def unshared_ratio(networks: Networks) -> float:
    """Element maps of 1.4 bits over 1 bit when rows share nothing but their total, by planned LUTs."""
    mixed, single = (
        sum(
            area(name, op, source, planned=True, structure=UNSHARED)[0]
            for name, op, source in networks.layers("element", average)
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
    parser.add_argument("--drawn", action="store_true", help="random maps over one network's signs")
    parser.add_argument("--planned", action="store_true", help="count planned LUTs, without synthesis")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args(arguments)
    if options.drawn and options.save:
        parser.error("--save must come without --drawn: the committed figures are those of trained maps")
    networks = Networks(drawn=options.drawn, n_rows=options.rows, names=options.layers)
    layers = [name for name, _, _ in networks.layers(KINDS[0], 1.0)]
    if not layers:
        parser.error(f"no layer of {options.rows} rows is among {options.layers}")
    found = sorted(
        points(networks, options.planned),
        key=lambda row: (KINDS.index(row["kind"]), row["average_bits"]),
    )
    luts = {(row["kind"], row["average_bits"]): row["luts"] for row in found}
    print(f"{'map':10s}{'bits':>6s}{'LUT':>8s}{'sites':>8s}{'x 1 bit':>9s}{'x 2 bits':>9s}")
    for row in found:
        one, two = (row["luts"] / luts[row["kind"], bits] for bits in (1.0, 2.0))
        print(
            f"{row['kind']:10s}{row['average_bits']:6.1f}{row['luts']:8d}{row['sites']:8d}{one:9.2f}{two:9.2f}"
        )
    document = {
        "rows": options.rows,
        "layers": layers,
        "maps": "drawn" if options.drawn else "trained",
        "synthesized": not options.planned,
        **figures(found),
        "element_1p4_over_1_unshared": round(unshared_ratio(networks), 4),
        "points": found,
    }
    if options.save:
        RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
