"""Write ``docs/results.md`` and its pictures from the runs in ``models/results``.

``python -m models.results_page`` (``--check`` only compares the text).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from models import results_plots, run_log
from models.recipe import Recipe
from models.run_log import Run
from models.studies import STUDIES
from models.study import Study

PAGE = Path(__file__).parent.parent / "docs" / "results.md"
PICTURES = PAGE.parent / "results"

_HEAD = """# Results

Every figure is the accuracy on the full test set after the last epoch; no epoch and no seed was chosen.
*Accuracy* is the mean over the seeds, *spread* the lowest and the highest run. Rows that hardware computes
exactly are measured deployed (integer plane scales, float32 affines), the others as trained. *Against* is the
difference to the first row, in points. *Stored* is what the weights take in memory; bit maps, scales and
thresholds are not counted. *Huffman* is the same after Huffman coding, code tables included. Step sizes and
SLB's temperatures were found on MNIST and serve all data sets. The data sets are those of `hbnn-hw data`.

`python -m models.experiments` trains what is missing in `models/results` and writes this page again; a run is
one line there, with its loss and accuracy after each epoch. `python -m models.train --recipe NAME --seed N
--out model.pt` makes the checkpoint of any single run. The same seed on the same processor and version of
PyTorch gives the same weights; another processor rounds differently and ends within about the spread.

"""
_COLUMNS = (
    "recipe", "what", "layers", "accuracy", "spread", "against", "training set", "stored [bit/weight]",
    "stored [kbit]", "Huffman [kbit]", "seeds", "epochs",
)  # fmt: skip


def mean(runs: Sequence[Run]) -> float:
    """Return the mean test accuracy of runs, 0 .. 1."""
    return statistics.fmean(run.accuracy for run in runs)


def row(recipe: Recipe, runs: Sequence[Run], baseline: Sequence[Run]) -> str:
    """Return one line of a table."""
    accuracies = [run.accuracy for run in runs]
    difference = 100 * (mean(runs) - mean(baseline))
    stored = statistics.fmean(run.stored_bits for run in runs)
    huffman = statistics.fmean(run.huffman_bits for run in runs)
    cells = (
        f"`{recipe.name}`",
        recipe.label,
        recipe.shape,
        f"{mean(runs):.2%}",
        f"{min(accuracies):.2%} – {max(accuracies):.2%}",
        "" if runs is baseline else f"{difference:+.2f}",
        f"{statistics.fmean(run.training_accuracy for run in runs):.2%}",
        f"{stored / runs[0].n_weights:.2f}",
        f"{stored / 1000:,.0f}",
        f"{huffman / 1000:,.0f}" if huffman else "",
        str(len(runs)),
        str(runs[0].epochs),
    )
    return f"| {' | '.join(cells)} |\n"


def table(study: Study) -> str:
    """Return heading, text and table of a study."""
    known = [(recipe, run_log.read(recipe.name)) for recipe in study.recipes]
    present = [(recipe, runs) for recipe, runs in known if runs]
    if not present:
        return ""
    head = f"## {study.title}\n\n{study.text}\n\n"
    rules = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}\n"
    lines = "".join(row(recipe, runs, present[0][1]) for recipe, runs in present)
    answer = f"\n{study.answer}\n" if study.answer else ""
    picture = f"\n![{study.title}](results/{study.name}.svg)\n\n"
    return head + rules + lines + answer + picture


def page() -> str:
    """Return the whole page."""
    return _HEAD + "".join(table(study) for study in STUDIES).rstrip() + "\n"


def main(argv: list[str] | None = None) -> int:
    """Write or compare the page; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.results_page", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit status 1 if the page is old")
    options = parser.parse_args(argv)
    text = page()
    if options.check:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("docs/results.md is up to date" if same else "docs/results.md must be written again")
        return 0 if same else 1
    PICTURES.mkdir(exist_ok=True)
    for study in STUDIES:
        results_plots.draw(study, PICTURES / f"{study.name}.svg")
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
