"""Pareto front: the designs that no other design beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.explore.figures import Outcome
from hbnn_hw.explore.point import Point


class Objective(Enum):
    """What designs are compared by; less is better but of accuracy."""

    LUTS = "luts"
    BRAM36 = "bram36"
    ENERGY = "energy"
    """45 nm operations and memory accesses of a frame. FPGA energy at a fixed power per LUT is a product of
    LUTs and interval, and changes no front that has both."""
    INTERVAL = "interval"
    """Time between frames."""
    LATENCY = "latency"
    ACCURACY = "accuracy"
    """Where the accuracy of every design is known. Otherwise the average bitwidth stands in its place, since
    nothing else is known of what weights that are drawn would be worth: more is better."""


OBJECTIVES = (Objective.LUTS, Objective.ENERGY, Objective.INTERVAL, Objective.ACCURACY)
"""The objectives that are compared by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A point and all that is known of it.

    Attributes
    ----------
    point
        The design.
    outcome
        Its figures, or why there are none.
    accuracy
        Share of right answers of its network, 0 to 1; None if unknown.
    on_front
        Whether no design that fits its device is better.
    """

    point: Point
    outcome: Outcome
    accuracy: float | None = None
    on_front: bool = False


def pareto_front(costs: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points no other point dominates.

    A point dominates another if none of its costs is larger and one is smaller; of equal points all stay.

    Parameters
    ----------
    costs
        float64 (points, objectives), less is better.

    Returns
    -------
    bool (points,)
    """
    front = np.ones(len(costs), dtype=np.bool_)
    for at, cost in enumerate(costs):
        beaten = (costs <= cost).all(axis=1) & (costs < cost).any(axis=1)
        front[at] = not beaten.any()
    return front


def with_front(rows: Sequence[Row], objectives: Sequence[Objective] = OBJECTIVES) -> tuple[Row, ...]:
    """Mark the rows on the front of all designs that fit their devices."""
    eligible = [row for row in rows if row.outcome.figures is not None and row.outcome.figures.fits]
    by_accuracy = accuracy_is_known(rows)
    costs = [[_cost(row, objective, by_accuracy) for objective in objectives] for row in eligible]
    table = np.array(costs, dtype=np.float64).reshape(len(eligible), len(objectives))
    on_front = {row.point for row, best in zip(eligible, pareto_front(table).tolist(), strict=True) if best}
    return tuple(
        Row(point=row.point, outcome=row.outcome, accuracy=row.accuracy, on_front=row.point in on_front)
        for row in rows
    )


def accuracy_is_known(rows: Sequence[Row]) -> bool:
    """Tell whether every design's accuracy is known, so that designs are compared by it."""
    return all(row.accuracy is not None for row in rows)


def _cost(row: Row, objective: Objective, by_accuracy: bool) -> float:
    figures = row.outcome.figures
    assert figures is not None
    match objective:
        case Objective.LUTS:
            return figures.luts
        case Objective.BRAM36:
            return figures.bram36
        case Objective.ENERGY:
            return figures.operation_energy_pj
        case Objective.INTERVAL:
            return figures.interval_ns
        case Objective.LATENCY:
            return figures.latency_cycles * row.point.clock_ns
        case Objective.ACCURACY:
            # Bitwidths of maps are rounded to whole entries, which is no reason to prefer one.
            known = row.accuracy if by_accuracy else round(row.point.weights.average_bits, 2)
            return -float(known or 0.0)
