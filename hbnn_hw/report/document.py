"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hbnn_hw.estimate import Estimate, SynthesisResult
from hbnn_hw.graph import Graph
from hbnn_hw.report.exploration import Exploration
from hbnn_hw.target import Target
from hbnn_hw.verify.result import VerificationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrolledStructure:
    """How the RTL builds an unrolled layer.

    Attributes
    ----------
    name
        The layer.
    luts
        LUTs of its kernel as planned, before synthesis.
    levels
        LUT levels of its longest path, carries as fractions.
    explanation
        Which structure was taken, and against which others.
    """

    name: str
    luts: int
    levels: float
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportInput:
    """Plain data of one network; nothing is measured or computed again for the page.

    Attributes
    ----------
    graph
        The lowered, scheduled network.
    estimate
        Its estimate.
    target
        Device and clock.
    metadata
        Facts of the checkpoint: ``dataset``, ``method``, ``accuracy``, ``trained_accuracy`` and
        ``float_accuracy`` (shares, 0 … 1), ``test_images``, ``seed``, ``epochs``, ``command``. Absent,
        empty and zero all mean unknown.
    synthesis
        Counts of a real synthesis, or None.
    verifications
        What was verified; empty before any run.
    structures
        Structures of the unrolled layers; empty where the export has no RTL of such.
    exploration
        Other designs of the network, or None.
    """

    graph: Graph
    estimate: Estimate
    target: Target
    metadata: Mapping[str, object] = field(default_factory=dict)
    synthesis: SynthesisResult | None = None
    verifications: tuple[VerificationResult, ...] = ()
    structures: tuple[UnrolledStructure, ...] = ()
    exploration: Exploration | None = None
