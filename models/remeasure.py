"""Measure the trained checkpoints again, without training: ``python -m models.remeasure``.

Needed after a change of the default rounding of plane scales, of the golden inputs or of the file format's
metadata. It leaves weights, maps and scales alone, and writes models/README.md from the new figures.
"""

from __future__ import annotations

import sys
from pathlib import Path

from hbnn_hw.data import load as load_dataset
from hbnn_hw.errors import HbnnError
from hbnn_hw.nn import load
from models import table
from models.recipe import Recipe, measure_and_save
from models.train import RECIPES


def remeasure(recipe: Recipe, path: Path) -> str:
    """Rewrite one checkpoint; return one line that says what it measured."""
    known = load(path)
    found = measure_and_save(recipe, known.metadata.seed, known.model, load_dataset(recipe.dataset), path)
    return f"{path.name}: {found.accuracy:.2%} deployed, {found.trained_accuracy:.2%} as trained"


def main() -> int:
    """Measure every committed checkpoint; return the exit status."""
    paths = {name: table.FOLDER / f"{name}.pt" for name in RECIPES}
    try:
        for name, path in paths.items():
            if path.exists():
                print(remeasure(RECIPES[name], path), flush=True)
    except HbnnError as error:
        print(error, file=sys.stderr)
        return 2
    return table.main([])


if __name__ == "__main__":
    sys.exit(main())
