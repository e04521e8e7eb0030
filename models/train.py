"""Train one reference network: ``python -m models.train --recipe digits_hbnn --seed 0 --out my.pt``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hbnn_hw.errors import HbnnError
from hbnn_hw.nn import EpochReport
from models.recipe import run
from models.studies import all_recipes

RECIPES = all_recipes()


def _progress(report: EpochReport) -> None:
    position = f"epoch {report.epoch:3d}/{report.epochs}"
    print(f"{position}  loss {report.loss:.4f}  test accuracy {report.test_accuracy:.2%}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.train", description=__doc__)
    parser.add_argument(
        "--recipe", required=True, choices=sorted(RECIPES), help="network and training method"
    )
    parser.add_argument("--seed", type=int, default=0, help="of initial weights and image order (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="model file to write")
    options = parser.parse_args(argv)
    try:
        metadata = run(RECIPES[options.recipe], options.seed, options.out, _progress)
    except HbnnError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{options.out}: {metadata.bits_per_weight:.2f} bits per weight, {metadata.accuracy:.2%} deployed, "
        f"{metadata.trained_accuracy:.2%} as trained, on {metadata.test_images} test images"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
