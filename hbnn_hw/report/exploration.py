"""Designs of an exploration, as a report shows them: figures alone, and which are on the front."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One design: an explored one, or the one that a report is about.

    Attributes
    ----------
    average_bits
        Mean of the stored bits a weight.
    weights
        Method and kind of map, for people.
    is_drawn
        Whether the weights are drawn for the shapes of the layers, and not trained.
    folding
        As a user types it.
    board, clock_ns
        Device, and clock period [ns].
    luts, flip_flops, bram36
        Estimated area.
    interval_cycles, latency_cycles
        Clock cycles between frames, and through the accelerator.
    energy_pj
        Of 45 nm operations and memory reads, a frame, estimated [pJ].
    stored_bits
        Of weights and maps.
    accuracy
        Share of right answers, 0 to 1; None if unknown.
    fits
        Whether its device's budget holds it.
    on_front
        Whether no explored design beats it.
    """

    average_bits: float
    weights: str
    is_drawn: bool
    folding: str
    board: str
    clock_ns: float
    luts: float
    flip_flops: float
    bram36: float
    interval_cycles: int
    latency_cycles: int
    energy_pj: float
    stored_bits: int
    accuracy: float | None
    fits: bool
    on_front: bool = False

    @property
    def frames_per_second(self) -> float:
        """Rate at its clock [1/s]."""
        return 1e9 / (self.clock_ns * self.interval_cycles)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Design:
        """Read a record of :func:`hbnn_hw.explore.kept.exploration_document`."""
        return cls(
            average_bits=record["asked_bits"],
            weights=f"{record['method']} {record['map']}".strip(),
            is_drawn=record["weights"] == "drawn",
            folding=record["folding"],
            board=record["board"],
            clock_ns=record["clock_ns"],
            luts=record["luts"],
            flip_flops=record["flip_flops"],
            bram36=record["bram36"],
            interval_cycles=record["interval_cycles"],
            latency_cycles=record["latency_cycles"],
            energy_pj=record["operation_energy_pj"],
            stored_bits=record["weight_bits"] + record["map_bits"],
            accuracy=record["accuracy"],
            fits=record["fits"],
            on_front=record["on_front"],
        )


@dataclass(frozen=True, slots=True)
class Objective:
    """What designs are compared by: its name in a sentence, and a cost, of which less is better."""

    text: str
    cost: Callable[[Design], float]


ACCURACY = Objective("accuracy", lambda design: -(design.accuracy or 0.0))
BITS = Objective("average bits", lambda design: -round(design.average_bits, 2))
"""Stands in for the accuracy where that of a design is not known."""

OBJECTIVES = {
    "luts": Objective("LUT", lambda design: design.luts),
    "bram36": Objective("block RAM", lambda design: design.bram36),
    "energy": Objective("energy", lambda design: design.energy_pj),
    "interval": Objective("frame rate", lambda design: design.clock_ns * design.interval_cycles),
    "latency": Objective("latency", lambda design: design.clock_ns * design.latency_cycles),
    "accuracy": ACCURACY,
}
"""By the values of :class:`hbnn_hw.explore.Objective`."""

SAME = 1e-9
"""Costs that differ by less, relatively, are equal."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exploration:
    """An exploration of the network of a report.

    Attributes
    ----------
    designs
        Those that there are, fewer bits first.
    objectives
        What the front was made by.
    n_points
        Points, those without a design included.
    document
        All of it as plain data.
    is_current
        Whether the figures are of this version of the toolkit.
    """

    designs: tuple[Design, ...]
    objectives: tuple[Objective, ...]
    n_points: int
    document: Mapping[str, Any]
    is_current: bool = True

    @classmethod
    def from_document(cls, document: Mapping[str, Any], version: str) -> Exploration:
        """Read what :func:`hbnn_hw.explore.kept.exploration_document` returned.

        Parameters
        ----------
        document
            Plain data.
        version
            The estimator's that the report is made with.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is damaged.
        """
        points = document["points"]
        known = all(record["accuracy"] is not None for record in points)
        named = {**OBJECTIVES, "accuracy": ACCURACY if known else BITS}
        return cls(
            designs=tuple(Design.from_record(record) for record in points if "luts" in record),
            objectives=tuple(named[name] for name in document["objectives"]),
            n_points=len(points),
            document=document,
            is_current=document["version"] == version,
        )

    @property
    def front(self) -> tuple[Design, ...]:
        """The designs that no other beats, the smallest first."""
        return tuple(sorted((one for one in self.designs if one.on_front), key=lambda one: one.luts))

    def beats(self, one: Design, other: Design) -> bool:
        """Whether a design is nowhere worse than another, and better somewhere."""
        costs = [(objective.cost(one), objective.cost(other)) for objective in self.objectives]
        return all(mine <= theirs + SAME * abs(theirs) for mine, theirs in costs) and any(
            mine < theirs - SAME * abs(theirs) for mine, theirs in costs
        )
