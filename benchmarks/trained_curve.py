"""Area, time and accuracy of one trained network against its average bitwidth, synthesized.

The 64-64-10 network of ``models/digits.py`` is trained as an HBNN with 1.0 to 2.0 bits a weight in the
paper's splits (one seed; bit maps in tiles of four columns and all rows, so that folded hardware leaves out
whole words), deployed, folded (PE 8, SIMD 4) and synthesized whole with Yosys. Beside the counts stand the
paper's law, cycles, the 45 nm energy of a frame, and what the model said then. Unrolled layers of a trained
network are :mod:`hbnn_area`'s. Without options the committed results are shown; ``--fresh`` trains and
synthesizes again, four minutes of CPU time. The last line printed is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from designs import load_results, save_results

from hbnn_hw.estimate import estimate, scaled_area, synthesize_graph
from hbnn_hw.estimate.netlist import CellCounts
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.target import Target

RAW = "trained_curve.json"
BITS = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
PE, SIMD, SEED = 8, 4, 0


def trained(bits: float, folder: Path) -> tuple[Path, float]:
    """Train one network; return its checkpoint and the deployed network's accuracy."""
    from dataclasses import replace

    from hbnn_hw.nn import Granularity, HbnnSpec, Method, dist_from_avg
    from models.digits import RECIPES
    from models.perceptron import converted
    from models.recipe import run

    base = next(recipe for recipe in RECIPES if recipe.name == "digits_hbnn")
    spec = HbnnSpec(distribution=dist_from_avg(bits), granularity=Granularity.tile(64, SIMD))
    recipe = replace(base, name="curve", method=Method.HBNN, network=converted((64,), spec))
    path = folder / f"curve_{bits}.pt"
    return path, run(recipe, SEED, path).accuracy


def measured() -> Iterator[dict[str, Any]]:
    """Train and synthesize every point."""
    from hbnn_hw.capture.model import capture_file

    with tempfile.TemporaryDirectory(prefix="hbnn-curve-") as name:
        for bits in BITS:
            path, accuracy = trained(bits, Path(name))
            graph = lower(capture_file(path).graph, FoldingRequest(pe=PE, simd=SIMD))
            result, model = synthesize_graph(graph, Target()), estimate(graph, Target())
            layers = [node.layer for node in model.nodes if node.layer]
            entries = sum(layer.rows * layer.columns for layer in layers)
            yield {
                "asked_bits": bits,
                "average_bits": sum(n.rows * n.columns * n.average_bits for n in layers) / entries,
                "accuracy": accuracy,
                "tool": result.tool,
                "counts": result.counts.document(),
                "model_luts": round(model.area.luts),
                "total_cycles": sum(node.cycles for node in model.nodes if node.layer),
                "energy_pj": round(model.energy.total_pj, 1),
            }


def fresh() -> None:
    """Measure all points again, saving after each."""
    done: list[dict[str, Any]] = []
    save = partial(save_results, RAW)
    for point in measured():
        done.append(point)
        save(done)


def table(points: list[dict[str, Any]]) -> None:
    """Print the points, each beside the paper's law from the first."""
    print(f"{'bits':>6}{'accuracy':>10}{'LUT':>7}{'ratio':>7}{'law':>7}{'sites':>7}{'FF':>7}", end="")
    print(f"{'model':>7}{'cycles':>8}{'ratio':>7}{'nJ':>8}")
    for point in points:
        first = points[0]
        counts, base = CellCounts(**point["counts"]), CellCounts(**first["counts"])
        law = scaled_area(base.luts, point["average_bits"])
        print(
            f"{point['average_bits']:6.2f}{100 * point['accuracy']:9.2f}%{counts.luts:7d}"
            f"{counts.luts / base.luts:7.2f}{law:7.0f}{counts.sites:7d}"
            f"{counts.flip_flops:7d}{point['model_luts']:7d}{point['total_cycles']:8d}"
            f"{point['total_cycles'] / first['total_cycles']:7.2f}{point['energy_pj'] / 1000:8.3f}"
        )


def main() -> None:
    """Measure when asked, print the table and the points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="train and synthesize every point again")
    if parser.parse_args().fresh:
        fresh()
    points = load_results(RAW)
    table(points)
    print(json.dumps({"points": points}))


if __name__ == "__main__":
    main()
