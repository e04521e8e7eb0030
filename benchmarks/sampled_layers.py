"""How well a sample tells the LUTs of a large unrolled layer: trained layers, planned whole.

An estimate builds part of a large layer (``hbnn_hw/backends/rtl/unrolled/sample.py``), an export all of it.
Here both are done to every layer of the checkpoints that are named (``mnist_bnn`` and ``mnist_hbnn`` unless
told), with the structure that wins on large layers, any two rows sharing. Layers of few synapses are planned
exactly by an estimate, and left out.

Prints a table, then one line of JSON: LUTs sampled and planned of every layer, ``worst_pct``, and
``cpu_ratio``, the CPU time of the plans over that of the samples. Takes about four minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import models
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.sample import sampled_luts
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.capture.model import capture_file
from hbnn_hw.estimate.area.planned import BUILT
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.types import TensorType

FOLDER = Path(models.__file__).parent


def layers(checkpoint: str) -> Iterator[tuple[str, Mvtu, TensorType]]:
    """List the large layers of a checkpoint as they are when unrolled."""
    graph = lower(capture_file(FOLDER / f"{checkpoint}.pt").graph, FoldingRequest(unroll=True))
    for node in graph.hardware_nodes:
        if isinstance(node.op, Mvtu):
            source = graph.source_type(node)
            if node.op.weights.plane_populations().sum() * source.element.bits > BUILT:
                yield f"{checkpoint} {node.name}", node.op, source


def compare(name: str, op: Mvtu, source: TensorType) -> dict[str, Any]:
    """Sample a layer and plan it."""
    start = time.process_time()
    sampled = sampled_luts(op, source).luts
    middle = time.process_time()
    planned = plan_layer(op, source, (Structure(group_size=PAIRS),)).netlist.luts
    return {
        "layer": name,
        "sampled": round(sampled),
        "planned": planned,
        "error_pct": round(100 * (sampled / planned - 1), 1),
        "sample_cpu_s": round(middle - start, 2),
        "plan_cpu_s": round(time.process_time() - middle, 2),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", default=["mnist_bnn", "mnist_hbnn"])
    options = parser.parse_args(arguments)
    found = []
    print(f"{'layer':20s}{'sampled':>10s}{'planned':>10s}{'error':>9s}{'CPU s':>8s}{'CPU s':>8s}")
    for checkpoint in options.checkpoints:
        for name, op, source in layers(checkpoint):
            row = compare(name, op, source)
            found.append(row)
            print(
                f"{name:20s}{row['sampled']:10d}{row['planned']:10d}{row['error_pct']:8.1f}%"
                f"{row['sample_cpu_s']:8.1f}{row['plan_cpu_s']:8.1f}",
                flush=True,
            )
    figures = {
        "worst_pct": max(abs(row["error_pct"]) for row in found),
        "cpu_ratio": round(sum(r["plan_cpu_s"] for r in found) / sum(r["sample_cpu_s"] for r in found), 1),
        "layers": found,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
