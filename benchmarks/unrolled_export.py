"""Time and memory of exporting a network whose layers are all unrolled.

``hbnn-hw export --backend rtl --unroll all`` in a process of its own, from the checkpoint to the folder:
capture, lowering, golden vectors, plans and text of all kernels, Amaranth around them, estimate, report. By
default the trained binary 784-256-256-256-10 network with eight-bit pixels, 335,000 weights; any other
checkpoint may be named.

Prints a table, then one line of JSON: ``export_s``, wall time [s], ``cpu_s``, time of the processor [s], and
``export_gb``, the largest resident memory of that process [10**9 bytes]. Little else should run beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "mnist_bnn.pt"
RUN = "from hbnn_hw.cli import main; main()"


def export(model: Path, folder: Path) -> None:
    """Export a checkpoint, all layers unrolled, in a fresh process."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    options = ["-o", str(folder), "--backend", "rtl", "--unroll", "all"]
    subprocess.run(
        [sys.executable, "-c", RUN, "export", str(model), *options],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def measure(model: Path) -> dict[str, float]:
    """Export and return what it took."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder) / "out")
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in (Path(folder) / "out" / "rtl").rglob("*.v"))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "export_s": round(seconds, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "export_gb": round(used.ru_maxrss * 1024 / 1e9, 2),
        "verilog_mb": round(size / 1e6, 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one export and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "model", nargs="?", type=Path, default=MODEL, help="checkpoint (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    figures = measure(options.model)
    print(f"{'checkpoint':24}" + "".join(f"{name:>12}" for name in figures))
    print(f"{options.model.name:24}" + "".join(f"{value:>12}" for value in figures.values()))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
