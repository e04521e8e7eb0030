"""How fast explorations are: 200 designs of the MNIST network on two cores, and an estimate of AlexNet-BN.

The exploration is the command ``hbnn-hw explore`` on ``models/mnist_hbnn.pt``, in a fresh process with
everything that it does: imports, capture, two workers, results file, table. Its 203 points are 11 average
bitwidths from 1 to 2, with maps by element, column and tile, at 7 foldings, two of them searched and one
unrolled. Time is scaled to 200 points.

AlexNet-BN is the network of ``lowering_scale.py``, 61 million weights of 1.4 bits. What is measured is what
``hbnn-hw estimate MODEL.PT`` does behind capture, in one process: lowering with the default foldings, and the
estimate. The checkpoint is made first, which takes minutes and is not measured; ``--model`` keeps it.

Prints a table, then one line of JSON: ``points``, ``explore_200_s``, ``estimate_alexnet_s`` and the CPU
time of both. ``--only`` measures one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lowering_scale import child

import models

MNIST = Path(models.__file__).parent / "mnist_hbnn.pt"
SPACE = (
    "--bits=1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7,1.8,1.9,2.0",
    "--map=element,column,tile:16x16",
    "--folding=4x4,8x8,16x16,32x32,cycles=1568,fit,unrolled",
    "--workers=2",
)


def cpu_seconds(who: int) -> float:
    """CPU time of this process or of its finished children [s]."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def explore() -> dict[str, float]:
    """Run the exploration in a fresh process."""
    command = [sys.executable, "-c", "from hbnn_hw.cli import main; main()", "explore", str(MNIST), *SPACE]
    environment = os.environ | {"PYTHONPATH": str(Path(models.__file__).parents[1])}
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.sqlite"
        start, before = time.perf_counter(), cpu_seconds(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "-o", str(results)], check=True, stdout=sys.stderr, env=environment)
        seconds = time.perf_counter() - start
        cpu = cpu_seconds(resource.RUSAGE_CHILDREN) - before
        with sqlite3.connect(results) as database:
            (points,) = database.execute("SELECT count(*) FROM points").fetchone()
        database.close()
    return {
        "points": points,
        "explore_200_s": round(200 / points * seconds, 1),
        "explore_200_cpu_s": round(200 / points * cpu, 1),
    }


def estimate_alexnet(model: Path) -> dict[str, float]:
    """Estimate a captured AlexNet-BN."""
    from hbnn_hw.capture import capture_file
    from hbnn_hw.estimate import estimate, estimate_text
    from hbnn_hw.passes import lower
    from hbnn_hw.target import Target

    captured = capture_file(model).graph
    start, before = time.perf_counter(), cpu_seconds(resource.RUSAGE_SELF)
    lowered = lower(captured)
    middle = time.perf_counter()
    result = estimate(lowered, Target())
    end = time.perf_counter()
    print(estimate_text(result), end="", file=sys.stderr)
    print(f"lowered in {middle - start:.1f} s, estimated in {end - middle:.1f} s", file=sys.stderr)
    return {
        "estimate_alexnet_s": round(end - start, 1),
        "estimate_alexnet_cpu_s": round(cpu_seconds(resource.RUSAGE_SELF) - before, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("explore", "alexnet"), help="measure one of the two")
    parser.add_argument(
        "--model", type=Path, help="keep AlexNet's checkpoint here, and use it if it is there"
    )
    options = parser.parse_args(arguments)
    figures: dict[str, float] = {}
    if options.only != "alexnet":
        figures |= explore()
    if options.only != "explore":
        with tempfile.TemporaryDirectory() as folder:
            model = options.model or Path(folder) / "alexnet_bn.pt"
            if not model.exists():
                print("making AlexNet-BN, not measured", file=sys.stderr, flush=True)
                child("--make", model)
            figures |= estimate_alexnet(model)
    for name, value in figures.items():
        print(f"{name:24s}{value:10.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
