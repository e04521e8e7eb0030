"""What a results file has of one model file, read without computing: the Pareto front of a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hbnn_hw.bit_distribution import Distribution, Sharing
from hbnn_hw.errors import OutputError
from hbnn_hw.explore import options
from hbnn_hw.explore.pareto import OBJECTIVES, Objective, Row, with_front
from hbnn_hw.explore.point import Drawn, FoldingTarget, Method, Point, Trained, Weights
from hbnn_hw.explore.results_file import KnownNetwork, ResultsFile, estimator_version
from hbnn_hw.explore.space import covers
from hbnn_hw.explore.table import flat


def read_point(document: Mapping[str, Any]) -> Point:
    """Read a point from what :meth:`Point.document` returned, and JSON since."""
    return Point(
        weights=_weights(document["weights"]),
        folding=options.folding(document["folding"]),
        board=document["board"],
        clock_ns=document["clock_ns"],
    )


def _weights(document: Mapping[str, Any]) -> Weights:
    distribution: Distribution = tuple((bits, share) for bits, share in document["distribution"])
    sharing = Sharing(document["sharing"])
    if document["kind"] == "trained":
        return Trained(
            network=document["network"],
            label=document["label"],
            method=document["method"],
            average_bits=document["average_bits"],
            distribution=distribution,
            sharing=sharing,
        )
    rows, columns = document["tile"]
    return Drawn(
        network=document["network"],
        method=Method(document["method"]),
        distribution=distribution,
        sharing=sharing,
        tile=(rows, columns),
        slice_bits=document["slice_bits"],
    )


def kept_rows(path: Path, file_sha256: str, objectives: Sequence[Objective] = OBJECTIVES) -> tuple[Row, ...]:
    """Read all points of all explorations of a model file, those of fewer bits first, and compare them.

    Parameters
    ----------
    path
        Results file of ``hbnn-hw explore``.
    file_sha256
        Digest of the model file.
    objectives
        What designs are compared by.

    Raises
    ------
    OutputError
        If the file is something else, or has no points of this model file and version.
    """
    with ResultsFile(path, read_only=True) as results:
        known = results.networks()
        explored = _explored(path, known, file_sha256)
        accuracies: dict[str, float | None] = {}
        for one in known:
            if one.explored in explored and accuracies.get(one.network) is None:
                accuracies[one.network] = one.accuracy
        rows = [
            Row(point=read_point(document), outcome=outcome, accuracy=accuracies[weights["network"]])
            if (weights := document["weights"])["kind"] == "trained"
            else Row(point=read_point(document), outcome=outcome)
            for document, outcome in results.documents()
            if _belongs(document["weights"], explored, accuracies)
        ]
    if not rows:
        raise OutputError(
            f"'{path}' must have points of version {estimator_version()}, not of older ones alone; "
            "run its exploration again"
        )
    return with_front(sorted(_uncovered(rows), key=_place), objectives)


def _explored(path: Path, known: Sequence[KnownNetwork], file_sha256: str) -> set[str]:
    """Digests of the networks that were explored from a model file."""
    explored = {
        one.explored for one in known if one.file_sha256 == file_sha256 and one.explored == one.network
    }
    if explored:
        return explored
    if not known:
        raise OutputError(
            f"'{path}' must say which model files it has points of, but it is empty or was written before "
            "that was noted; run its exploration again, which keeps finished points"
        )
    labels = ", ".join(sorted({one.label for one in known if one.explored == one.network}))
    raise OutputError(
        f"'{path}' must have an exploration of the model file that was exported, not of {labels} alone; "
        f"explore that file, with '-o {path}' or another results file"
    )


def _uncovered(rows: Sequence[Row]) -> list[Row]:
    """Leave out drawn weights that have a trained example at the same folding, device and clock."""
    trained = defaultdict(list)
    for row in rows:
        if isinstance(row.point.weights, Trained):
            trained[_hardware(row.point)].append(row.point.weights)

    def is_covered(point: Point) -> bool:
        weights = point.weights
        return isinstance(weights, Drawn) and any(covers(one, weights) for one in trained[_hardware(point)])

    return [row for row in rows if not is_covered(row.point)]


def _hardware(point: Point) -> tuple[FoldingTarget, str, float]:
    return point.folding, point.board, point.clock_ns


def _belongs(weights: Mapping[str, Any], explored: set[str], accuracies: Mapping[str, float | None]) -> bool:
    return weights["network"] in (accuracies if weights["kind"] == "trained" else explored)


def _place(row: Row) -> tuple[float, bool, str, str, float, float]:
    """Order of a table: bits, trained networks before others, kind of map, device, clock, size."""
    weights, figures = row.point.weights, row.outcome.figures
    return (
        round(weights.average_bits, 6),
        isinstance(weights, Drawn),
        weights.map_text,
        row.point.board,
        row.point.clock_ns,
        figures.luts if figures else float("inf"),
    )


def exploration_document(rows: Sequence[Row], objectives: Sequence[Objective]) -> dict[str, Any]:
    """Return compared rows as plain data for a report: what they were compared by, and a record a point."""
    return {
        "version": estimator_version(),
        "objectives": [objective.value for objective in objectives],
        "points": [{"map": row.point.weights.map_text, **flat(row)} for row in rows],
    }
