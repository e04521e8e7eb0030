"""The plan of an unrolled layer: its netlist, and what it costs and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hbnn_hw.backends.rtl.unrolled.build import WINDOW, build
from hbnn_hw.backends.rtl.unrolled.joints import joined
from hbnn_hw.backends.rtl.unrolled.layer import Layer
from hbnn_hw.backends.rtl.unrolled.netlist import Netlist, side_by_side
from hbnn_hw.backends.rtl.unrolled.sites import slice_sites
from hbnn_hw.backends.rtl.unrolled.structure import FEW_ROWS, FEW_STRUCTURES, STRUCTURES, Structure
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import TensorType


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One structure that the search has built.

    Attributes
    ----------
    structure
        Which.
    luts, sites
        Its LUTs, and the sites that they and its carry chains take (:mod:`.sites`); those of a sample of the
        rows in a large layer.
    """

    structure: Structure
    luts: int
    sites: int

    @property
    def cost(self) -> int:
        """What the search minimizes: both counts together."""
        return self.luts + self.sites


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """An unrolled layer.

    Attributes
    ----------
    netlist
        From the bits of all input elements to those of all output elements.
    candidates
        What the search has compared, cheapest first; the first was taken. In a layer of groups, those of the
        first group.
    sample_rows
        Rows that were built with each.
    groups
        Groups of the layer, whose kernels stand side by side.
    """

    netlist: Netlist
    candidates: tuple[Candidate, ...]
    sample_rows: int
    groups: int = 1

    @property
    def explanation(self) -> str:
        """Say in a sentence which structure was taken, and against which others."""
        taken = self.candidates[0].structure.sentence
        tried = ", ".join(f"{found.luts} + {found.sites} by {found.structure}" for found in self.candidates)
        groups = f"{self.groups} groups side by side; in the first " if self.groups > 1 else ""
        return f"{groups}{taken}; LUTs + sites of {self.sample_rows} rows that share: {tried}"


SAMPLE_ROWS = WINDOW
"""Most rows that the search builds with every structure; a larger layer is then built once."""

SAMPLE_BITS = 1 << 16
"""Bits that all these rows read together, at most, as long as there is a whole group of rows."""


def plan_layer(op: Mvtu, source: TensorType, structures: Sequence[Structure] | None = None) -> LayerPlan:
    """Choose the cheapest structure of a layer and build it.

    Parameters
    ----------
    op
        The operator, as if it were unrolled.
    source
        Type of its input: planes or integers.
    structures
        Structures to choose from; all that may be the cheapest unless told.

    Raises
    ------
    RangeError
        If the unit cannot read the input, or its outputs have different maps at different places.
    """
    plans = [_plan(Layer.of(op, source, group), structures) for group in range(op.groups)]
    if len(plans) == 1:
        return plans[0]
    return replace(plans[0], netlist=side_by_side([plan.netlist for plan in plans]), groups=op.groups)


def _plan(layer: Layer, structures: Sequence[Structure] | None) -> LayerPlan:
    rows = range(layer.weights.rows)
    if structures is None:
        structures = STRUCTURES + (FEW_STRUCTURES if len(rows) <= FEW_ROWS else ())
    largest = max(structure.group_size for structure in structures)
    sample = rows[: max(largest, min(SAMPLE_ROWS, SAMPLE_BITS // max(1, layer.n_inputs)))]
    built = {structure: build(layer, structure, sample) for structure in structures}
    candidates = sorted(
        (
            Candidate(structure=structure, luts=netlist.luts, sites=slice_sites(netlist))
            for structure, netlist in built.items()
        ),
        key=lambda candidate: (candidate.cost, candidate.structure),
    )
    best = candidates[0].structure
    return LayerPlan(
        netlist=joined(built[best] if len(sample) == len(rows) else build(layer, best, rows)),
        sample_rows=len(sample),
        candidates=tuple(candidates),
    )
