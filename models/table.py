"""Write ``models/README.md`` from the checkpoints: ``python -m models.table`` (``--check`` only compares)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hbnn_hw.nn import LoadedCheckpoint, Method, load
from hbnn_hw.scales import DEFAULT_SCALE_ERROR
from models.train import RECIPES

FOLDER = Path(__file__).parent

_HEAD = f"""# Reference networks

Trained by the recipes in this folder, one seeded command each. Every layer's weights are quantized, the first
and the last included; activations are signs; pixels enter as bipolar bit-planes (8 for MNIST, 5 for digits).
A hidden layer is linear, batch normalization, sign; the output layer is linear and one positive scale.
The HBNN rows have 70 / 20 / 10 % of 1, 2 and 3 bits per weight, one map entry per weight, middle-out. The SLB
rows choose each weight from -1 and +1, temperature 1 to 0.04 over 95 % of the training. The FleXOR rows store
8 bits for 10 weights, two taps per XOR output, flattened in the paper's order, one alpha per output.

*Deployed* is the accuracy with the constants that hardware has (plane scales as integers within
{DEFAULT_SCALE_ERROR:.0%}, float32 affines), *trained* that of the network as PyTorch trained it, both on the
full test set (MNIST 10,000 images, digits 1,797). One seed each: expect another seed to differ by some
tenths of a percent. The float rows have the same shape, schedule and epochs, with Hardtanh for the sign; they
are the baseline and cannot be deployed.

| file | widths | method | bits per weight | deployed | trained | seed | epochs | command |
|---|---|---|---|---|---|---|---|---|
"""

_TAIL = """
Each file also holds 100 real test images with their labels as golden inputs, and the latent weights, so that
training can go on from it. The same command on the same machine and PyTorch version gives the same weights;
other processors round differently, and end within some tenths of a percent.

MNIST is not in the repository; `hbnn-hw data mnist` fetches it. `python -m models.table` writes this page
from the files themselves; `python -m models.remeasure` measures them again without training.
"""


def row(name: str, checkpoint: LoadedCheckpoint) -> str:
    """Return one line of the table."""
    known, recipe = checkpoint.metadata, RECIPES[name]
    deployed = "" if known.method is Method.FLOAT else f"{known.accuracy:.2%}"
    cells = (
        f"`{name}.pt`",
        recipe.shape,
        known.method.name,
        f"{known.bits_per_weight:.2f}",
        deployed,
        f"{known.trained_accuracy:.2%}",
        str(known.seed),
        str(known.epochs),
        f"`{known.command}`",
    )
    return f"| {' | '.join(cells)} |\n"


def page() -> str:
    """Return the whole page."""
    rows = [row(name, load(FOLDER / f"{name}.pt")) for name in RECIPES if (FOLDER / f"{name}.pt").exists()]
    return _HEAD + "".join(rows) + _TAIL


def main(argv: list[str] | None = None) -> int:
    """Write or compare the page; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.table", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit status 1 if the page is old")
    options = parser.parse_args(argv)
    target, text = FOLDER / "README.md", page()
    if options.check:
        same = target.exists() and target.read_text(encoding="utf-8") == text
        print("models/README.md is up to date" if same else "models/README.md must be written again")
        return 0 if same else 1
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
