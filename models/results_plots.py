"""The pictures of the results page: accuracy of every run, and how the test accuracy grew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from models import run_log
from models.study import Study

_METADATA = {"Date": None, "Creator": None}


def draw(study: Study, path: Path) -> None:
    """Write an SVG of a study: one dot per run at the left, mean accuracy after each epoch at the right."""
    import matplotlib as mpl

    rows = [(recipe, run_log.read(recipe.name)) for recipe in study.recipes]
    rows = [(recipe, runs) for recipe, runs in rows if runs]
    if not rows:
        return
    # Fixed salt and no date: the same runs give the same bytes.
    with mpl.rc_context({"svg.hashsalt": study.name, "svg.fonttype": "none", "font.size": 9}):
        figure, (dots, curves) = _axes(len(rows))
        for index, (recipe, runs) in enumerate(rows):
            colour = f"C{index % 10}"
            accuracies = [100 * run.accuracy for run in runs]
            dots.plot(accuracies, [index] * len(runs), "o", color=colour, alpha=0.6)
            dots.plot([float(np.mean(accuracies))], [index], "|", color=colour, markersize=16)
            growth = 100 * np.mean([run.accuracies for run in runs], axis=0)
            curves.plot(np.arange(1, len(growth) + 1), growth, color=colour, linewidth=1, label=recipe.label)
        dots.set_yticks(range(len(rows)), [recipe.label for recipe, _ in rows])
        dots.invert_yaxis()
        dots.set_xlabel("test accuracy [%], one dot per seed")
        curves.set_xlabel("epoch")
        curves.set_ylabel("mean test accuracy [%]")
        curves.set_ylim(bottom=_floor(rows))
        curves.legend(fontsize=6)
        for axes in (dots, curves):
            axes.grid(visible=True, alpha=0.3)
        figure.savefig(path, metadata=_METADATA)


def _axes(n_rows: int) -> tuple[Any, tuple[Any, Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 1.6 + 0.28 * max(4, n_rows)), layout="constrained")
    return figure, tuple(figure.subplots(1, 2))


def _floor(rows: list[tuple[Any, tuple[run_log.Run, ...]]]) -> float:
    """Leave out the first, low epochs: the picture shows where the rows part."""
    late = [
        accuracy
        for _, runs in rows
        for run in runs
        for accuracy in run.accuracies[len(run.accuracies) // 4 :]
    ]
    return 100 * float(np.quantile(late, 0.02)) - 1
