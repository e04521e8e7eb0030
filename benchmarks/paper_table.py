"""The HBNN paper's hardware table three ways: its own scaling, this toolkit's model, and synthesis.

1. All 13 hardware rows of Table 2 by the scaling that made them (:mod:`hbnn_hw.estimate.paper`), with every
   cell that differs from the printed digits.
2. The same rows by the model. FPGA, VGG-8: FINN's CNV at CNV-max's parallelism, with B bits a weight in
   tiles of whole SIMD words, and activations of one bit or of two, the fewest whole planes that hold B. Four
   units a parameter are four accelerators, since a sliding window gives at most one pixel a clock. FPGA,
   MobileNet: all its 28 layers, the folding searched once at one bit for the table's rate, then kept. ASIC:
   energy of the counted operations and memory accesses at 45 nm, at the table's rate; no area.
3. Synthesis, where it is possible: one folded unit of CNV's second layer (576 columns, 64 rows, PE 8, SIMD
   32) at the same bits. ``--fresh`` synthesizes all units again.

The last line printed is a JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from itertools import pairwise
from typing import Any

from designs import (
    DesignSpec,
    LayerSpec,
    build,
    load_results,
    parse_spec,
    save_results,
    synthesize_all,
)
from finn_networks import CNV_MAX_FOLDING, cnv, published
from mobilenet import mobilenet

from hbnn_hw.estimate import Estimate, estimate
from hbnn_hw.estimate.area import Area, area, graph_features
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.estimate.paper import (
    ERRATA,
    TABLE_2,
    Network,
    Platform,
    Quantity,
    TableRow,
    as_printed,
    differing_cells,
    scaled,
)
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import FoldingRequest, LayerFolding, schedule
from hbnn_hw.search import Budget, FoldingSearch
from hbnn_hw.streams import sample_interval
from hbnn_hw.target import XC7Z045, Target

RAW = "paper_table.json"
CLOCK_NS = 5.0
MOBILENET_FPS = 450

SHARES: dict[Decimal, tuple[float, ...]] = {
    Decimal("1"): (1.0,),
    Decimal("1.2"): (0.85, 0.10, 0.05),
    Decimal("1.4"): (0.70, 0.20, 0.10),
    Decimal("2"): (0.0, 1.0),
}
"""Parts of the weights with 1, 2, 3 bits that the paper gives for an average. Source: section 4.4."""

WORDS = 18
COLUMNS, ROWS, PE, SIMD = 32 * WORDS, 64, 8, 32
"""The synthesized unit: CNV's second layer, with a bit map of whole SIMD words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelled:
    """A row by the model.

    Attributes
    ----------
    occupancy_pct, kfps, power_w
        As in the table; None where there is no model.
    weight_bits
        Average bits of a weight after rounding to whole tiles.
    planes
        Bits of an activation.
    """

    occupancy_pct: float | None
    kfps: float
    power_w: float
    weight_bits: float
    planes: int


def weight_bits(result: Estimate) -> float:
    """Average bits of all weights of a network."""
    layers = [node.layer for node in result.nodes if node.layer]
    entries = sum(layer.rows * layer.columns for layer in layers)
    return sum(layer.rows * layer.columns * layer.average_bits for layer in layers) / entries


@cache
def vgg(bits: Decimal, planes: int) -> Estimate:
    """Estimate CNV at CNV-max's parallelism, with weights of ``bits`` bits and activations of ``planes``."""
    graph = cnv(shares=SHARES[bits], tiles=[simd for simd, _ in CNV_MAX_FOLDING], planes=planes)
    return estimate(schedule(graph, published(graph, CNV_MAX_FOLDING)), Target(clock_ns=CLOCK_NS))


@cache
def mobilenet_folding() -> tuple[tuple[int, int], ...]:
    """Search (SIMD, PE) of MobileNet's layers for the table's rate at one bit."""
    search = FoldingSearch(mobilenet(), Budget.of(XC7Z045))
    result = search.smallest(int(1e9 / CLOCK_NS / MOBILENET_FPS))
    return tuple((layer.simd, layer.pe) for layer in result.layers)


@cache
def mobile(bits: Decimal, planes: int) -> Estimate:
    """Estimate MobileNet with point-wise weights of ``bits`` bits at the folding of the one-bit network."""
    folding = mobilenet_folding()
    graph = mobilenet(shares=SHARES[bits], tiles=[simd for simd, _ in folding], planes=planes)
    names = [node.name for node in graph.nodes if isinstance(node.op, Mvtu)]
    layers = {name: LayerFolding(pe=pe, simd=simd) for name, (simd, pe) in zip(names, folding, strict=True)}
    return estimate(schedule(graph, FoldingRequest(layers=layers)), Target(clock_ns=CLOCK_NS))


def modelled(row: TableRow, planes: int) -> Modelled:
    """Compute a row by the model."""
    result = (vgg if row.network is Network.VGG8 else mobile)(row.bits, planes)
    kfps = float(row.printed[Quantity.KFPS])
    if row.platform is Platform.ASIC:
        power = result.energy.total_pj * 1e-12 * kfps * 1000
        return Modelled(
            occupancy_pct=None, kfps=kfps, power_w=power, weight_bits=weight_bits(result), planes=planes
        )
    return Modelled(
        occupancy_pct=100 * row.unfolding * result.area.luts / XC7Z045.luts,
        kfps=row.unfolding * result.frames_per_second / 1000,
        power_w=row.unfolding * result.fpga_power_w,
        weight_bits=weight_bits(result),
        planes=planes,
    )


def planes_of(row: TableRow) -> tuple[int, ...]:
    """Activation planes to model a row with: one, and the fewest that hold its bits."""
    return (1,) if row.bits == 1 else (1, 2)


def units() -> list[DesignSpec]:
    """Return the units to synthesize: weights of 1 to 2 bits, activations of one and two."""
    return [
        DesignSpec(
            name=f"{bits} bits, {planes} plane{'s' if planes > 1 else ''}",
            layers=(
                LayerSpec(
                    columns=COLUMNS, rows=ROWS, fractions=in_words(shares), map_kind="tile", pe=PE, simd=SIMD
                ),
            ),
            input_bits=planes,
            seed=11,
        )
        for bits, shares in SHARES.items()
        for planes in (1, 2)
    ]


def in_words(shares: Sequence[float]) -> tuple[float, ...]:
    """Round shares to whole SIMD words of the unit."""
    ends = [0, *(round(sum(shares[: n + 1]) * WORDS) for n in range(len(shares)))]
    return tuple((end - start) / WORDS for start, end in pairwise(ends))


def unit(entry: dict[str, Any]) -> dict[str, Any]:
    """Put a synthesized unit beside the model of it."""
    spec, counts = parse_spec(entry["spec"]), CellCounts(**entry["counts"])
    graph = build(spec)
    model = sum((area(features) for features in graph_features(graph).values()), Area(0, 0, 0))
    return {
        "name": spec.name,
        "weight_bits": round(spec.layers[0].average_bits, 3),
        "planes": spec.input_bits,
        "luts": counts.luts,
        "sites": counts.sites,
        "model_luts": round(model.luts),
        "cycles": sample_interval(graph),
    }


def print_rows() -> list[dict[str, Any]]:
    """Print all rows; return them as plain data."""
    print(f"{'#':>2} {'platform':9}{'network':11}{'x':>2}{'bits':>5} | {'printed':>20} |", end="")
    print(f" {'scaled':>22} | {'model':>20} | weight bits, activation planes")
    documents = []
    for row in TABLE_2:
        figures = scaled(row)
        law = [as_printed(figures[quantity], printed) for quantity, printed in row.printed.items()]
        head = f"{row.number:2d} {row.platform.value:9}{row.network.value:11}{row.unfolding:2d}{row.bits:>5}"
        models = [modelled(row, planes) for planes in planes_of(row)]
        for at, model in enumerate(models):
            left = (
                f"{head} | {_cells(row.printed.values())} | {_cells(law)}  "
                if at == 0
                else f"{'':31} | {'':20} | {'':22}"
            )
            occupancy = "-" if model.occupancy_pct is None else f"{model.occupancy_pct:.1f}"
            print(
                f"{left} | {_cells((occupancy, f'{model.kfps:.2f}', f'{model.power_w:.3g}'))} | "
                f"{model.weight_bits:.2f}, {model.planes}"
            )
        documents.append(_document(row, law, models))
    for number, text in ERRATA.items():
        print(f"row {number}: {text}")
    return documents


def _cells(values: Iterable[str]) -> str:
    return "".join(f"{value:>7}" for value in values)[1:]


def _document(row: TableRow, law: list[str], models: list[Modelled]) -> dict[str, Any]:
    return {
        "row": row.number,
        "printed": list(row.printed.values()),
        "scaled": law,
        "model": [
            {
                "occupancy_pct": None if model.occupancy_pct is None else round(model.occupancy_pct, 1),
                "kfps": round(model.kfps, 3),
                "power_w": round(model.power_w, 4),
                "weight_bits": round(model.weight_bits, 3),
                "planes": model.planes,
            }
            for model in models
        ],
    }


def print_units(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Print the synthesized units, each beside the law and the model; return them as plain data."""
    found = [unit(entry) for entry in entries]
    first = found[0]
    print(f"\none unit, {COLUMNS} x {ROWS}, PE {PE}, SIMD {SIMD}; ratios to one bit")
    print(f"{'weight bits':>12}{'planes':>8}{'LUT':>7}{'ratio':>7}{'model':>7}{'cycles':>8}{'ratio':>7}")
    for row in found:
        print(
            f"{row['weight_bits']:12.2f}{row['planes']:8d}{row['luts']:7d}{row['luts'] / first['luts']:7.2f}"
            f"{row['model_luts']:7d}{row['cycles']:8d}{row['cycles'] / first['cycles']:7.2f}"
        )
    return found


def main() -> None:
    """Print the table, the units and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="synthesize all units again (5 minutes of CPU)")
    if parser.parse_args().fresh:
        synthesize_all(units(), 1, partial(save_results, RAW))
    rows = print_rows()
    synthesized = print_units(load_results(RAW))
    print(
        json.dumps(
            {
                "cells": sum(len(row.printed) for row in TABLE_2),
                "differing": [[n, q.value, *pair] for (n, q), pair in differing_cells().items()],
                "rows": rows,
                "units": synthesized,
            }
        )
    )


if __name__ == "__main__":
    main()
