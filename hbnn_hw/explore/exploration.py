"""Explorations: what is finished is read, what is left is computed, and each result is kept at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hbnn_hw.explore.models import Model
from hbnn_hw.explore.pareto import OBJECTIVES, Objective, Row, with_front
from hbnn_hw.explore.point import Point, Trained
from hbnn_hw.explore.results_file import ResultsFile
from hbnn_hw.explore.runners import Runner

Progress = Callable[[int, int], None]
"""Called with the numbers of finished points and of all points."""


def _quiet(finished: int, total: int) -> None:
    del finished, total


def explore(
    models: Sequence[Model],
    points: Sequence[Point],
    results: ResultsFile,
    runner: Runner,
    *,
    objectives: Sequence[Objective] = OBJECTIVES,
    progress: Progress = _quiet,
) -> tuple[Row, ...]:
    """Compute all points that a results file does not have yet, and compare all.

    Parameters
    ----------
    models
        Every network that a point names, the explored one first.
    points
        What to explore (:meth:`hbnn_hw.explore.space.Space.points`).
    results
        Where finished points are, and go.
    runner
        Where points are computed.
    objectives
        What designs are compared by.
    progress
        Told how many points are finished.

    Returns
    -------
    tuple of Row
        In the order of ``points``, however they were computed.
    """
    results.add_networks(models)
    done = results.finished(points)
    progress(len(done), len(points))
    left = [point for point in points if point not in done]
    networks = {model.digest: model.content for model in models}
    for point, outcome in runner.run(networks, left):
        results.add(point, outcome)
        done[point] = outcome
        progress(len(done), len(points))
    accuracies = {model.digest: model.accuracy for model in models}
    rows = [Row(point=point, outcome=done[point], accuracy=_accuracy(point, accuracies)) for point in points]
    return with_front(rows, objectives)


def _accuracy(point: Point, accuracies: dict[str, float | None]) -> float | None:
    """Accuracy of trained weights; weights that are drawn have none."""
    return accuracies[point.weights.network] if isinstance(point.weights, Trained) else None
