# SPDX-License-Identifier: Apache-2.0
"""Command line: ``python -m hbnn_driver self-test`` and ``python -m hbnn_driver classify FILE.npy``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np

from . import Accelerator, connect
from .errors import DriverError, LayoutError
from .network import load_vectors


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hbnn_driver", description="Run the accelerator.")
    parser.add_argument("--bitstream", type=Path, help="bitstream to load first (PYNQ only)")
    parser.add_argument("--hwh", type=Path, help="hardware hand-off file with the addresses")
    parser.add_argument(
        "--header", type=Path, help="generated x<top>_hw.h with the control registers' offsets"
    )
    parser.add_argument("--batch", type=int, default=64, help="most images per start of the accelerator")
    parser.add_argument("--timeout", type=float, help="longest time without an image, in seconds")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("self-test", help="run the golden vectors and compare every output")
    classify = verbs.add_parser("classify", help="print the class of every image of a file")
    classify.add_argument("file", type=Path, help=".npy of integer codes (batch, ...)")
    return parser


def _load(path: Path) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise LayoutError(f"'{path}' is no .npy file: {error}") from error


def main(arguments: Sequence[str] | None = None, opener: Callable[..., Accelerator] = connect) -> int:
    """Run one command; return 0 if it succeeded, 1 with the reason on stderr if not."""
    given = _parser().parse_args(arguments)
    try:
        accelerator = opener(
            bitstream=given.bitstream,
            handoff=given.hwh,
            header=given.header,
            batch=given.batch,
            timeout_s=given.timeout,
        )
        where = accelerator.addresses
        print(
            f"AXI DMA at {where.dma:#010x}, accelerator at {where.control:#010x}: {where.source}",
            file=sys.stderr,
        )
        print(f"control registers: {accelerator.offsets.source}", file=sys.stderr)
        if given.verb == "self-test":
            result = accelerator.self_test(*load_vectors(accelerator.network))
            print(
                f"PASSED: {len(result.outputs)} images equal golden, {result.images_per_second:,.0f} images/s"
            )
        else:
            for label in accelerator.classify(_load(given.file)):
                print(label)
    except DriverError as error:
        print(f"FAILED: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
