"""Area and time of one layer against its average bitwidth: synthesis, the model, and the paper's scaling.

64 inputs of one bit, 8 rows with thresholds. Three kinds of hardware: unrolled with a bit map per element,
unrolled with a map per column (shared by all rows), and folded (PE 4, SIMD 4) with columns of equal bitwidth
side by side, where fewer bits are fewer clock cycles. The mixes are those of the HBNN paper (1.2 = 85/10/5 %
of entries with 1/2/3 bits, 1.4 = 70/20/10, 1.6 = 60/20/20); 2.0 and 3.0 are full planes.

Without options the committed results are shown and ``hbnn_hw/estimate/data/area_vs_bitwidth.json``, which
the report plots, is written from them. ``--fresh`` synthesizes all (a few minutes of CPU time),
``--sample N`` the N cheapest, which are then compared with the committed counts. The last line printed is a
JSON object.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from designs import (
    DesignSpec,
    LayerSpec,
    build,
    load_results,
    parse_spec,
    save_results,
    synthesize_all,
    synthesized,
)

import hbnn_hw.estimate
from hbnn_hw.estimate import scaled_area
from hbnn_hw.estimate.area import Area, area, graph_features
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.streams import sample_interval

RAW = "area_vs_bitwidth.json"
COLUMNS, ROWS = 64, 8
LAYER = f"{COLUMNS} one-bit inputs, {ROWS} rows with thresholds; folded with PE 4, SIMD 4"
MIXES: tuple[tuple[float, ...], ...] = (
    (1.0,),
    (0.85, 0.1, 0.05),
    (0.7, 0.2, 0.1),
    (0.6, 0.2, 0.2),
    (0.0, 1.0),
    (0.0, 0.0, 1.0),
)
FOLDED, COLUMN, ELEMENT = "folded, column map", "unrolled, column map", "unrolled, element map"
STYLES = {
    FOLDED: {"map_kind": "tile", "pe": 4, "simd": 4},
    COLUMN: {"map_kind": "column"},
    ELEMENT: {"map_kind": "element"},
}


def designs() -> list[DesignSpec]:
    """Return all points, cheapest to synthesize first.

    Full planes have no map, so the element-map style has no designs of its own at 1, 2 and 3 bits.
    """
    return [
        DesignSpec(
            name=f"{style} {LayerSpec(columns=1, rows=1, fractions=mix).average_bits:.1f}",
            layers=(LayerSpec(columns=COLUMNS, rows=ROWS, fractions=mix, **options),),  # type: ignore[arg-type]
            seed=7,
        )
        for style, options in STYLES.items()
        for mix in MIXES
        if style != ELEMENT or max(mix) < 1
    ]


def all_points(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Describe every design, full planes under both unrolled styles, ordered by style and bitwidth."""
    points = [point(entry) for entry in entries]
    full = [row for row in points if row["style"] == COLUMN and row["average_bits"] in {1.0, 2.0, 3.0}]
    points += [{**row, "style": ELEMENT} for row in full]
    return sorted(points, key=lambda row: (list(STYLES).index(row["style"]), row["average_bits"]))


def point(entry: dict[str, Any]) -> dict[str, Any]:
    """Put synthesis and model of one design side by side."""
    spec, counts = parse_spec(entry["spec"]), CellCounts(**entry["counts"])
    graph = build(spec)
    model = sum((area(features) for features in graph_features(graph).values()), Area(0, 0, 0))
    return {
        "style": spec.name.rsplit(" ", 1)[0],
        "average_bits": round(spec.layers[0].average_bits, 2),
        "luts": counts.luts,
        "lut_sites": counts.sites,
        "flip_flops": counts.flip_flops,
        "cycles": sample_interval(graph),
        "model_luts": round(model.luts),
        "model_lut_sites": round(model.lut_sites),
    }


def table(points: list[dict[str, Any]]) -> None:
    """Print the points, with the paper's linear scaling from each style's one-bit area."""
    header = ("bits", "LUT", "x 1 bit", "sites", "x 1 bit", "model", "paper", "FF", "cycles")
    print(f"{'style':22s}" + "".join(f"{title:>9s}" for title in header))
    for row in points:
        first = next(p for p in points if p["style"] == row["style"])
        print(
            f"{row['style']:22s}{row['average_bits']:9.2f}{row['luts']:9d}{row['luts'] / first['luts']:9.2f}"
            f"{row['lut_sites']:9d}{row['lut_sites'] / first['lut_sites']:9.2f}{row['model_luts']:9d}"
            f"{scaled_area(first['luts'], row['average_bits']):9.0f}{row['flip_flops']:9d}{row['cycles']:9d}"
        )


def check_sample(count: int) -> None:
    """Synthesize the first designs again and compare them with the committed counts."""
    committed = {entry["spec"]["name"]: entry["counts"] for entry in load_results(RAW)}
    for spec in designs()[:count]:
        fresh = synthesized(spec)["counts"]
        verdict = (
            "same" if fresh == committed[spec.name] else f"DIFFERS: {fresh} against {committed[spec.name]}"
        )
        print(f"{spec.name}: {verdict}")


def main() -> None:
    """Synthesize when asked, print the table and the points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="synthesize every point again")
    parser.add_argument("--sample", type=int, default=0, help="synthesize the first N points and compare")
    parser.add_argument("--jobs", type=int, default=1, help="syntheses at once")
    arguments = parser.parse_args()
    if arguments.fresh:
        synthesize_all(designs(), arguments.jobs, partial(save_results, RAW))
    check_sample(arguments.sample)
    entries = load_results(RAW)
    points = all_points(entries)
    table(points)
    document = {"layer": LAYER, "tool": entries[0]["tool"], "points": points}
    path = Path(hbnn_hw.estimate.__file__).parent / "data" / "area_vs_bitwidth.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
