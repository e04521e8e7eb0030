"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hbnn_hw.estimate import Estimate, SynthesisResult
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target
from hbnn_hw.verify.result import VerificationResult


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
    """

    graph: Graph
    estimate: Estimate
    target: Target
    metadata: Mapping[str, object] = field(default_factory=dict)
    synthesis: SynthesisResult | None = None
    verifications: tuple[VerificationResult, ...] = ()
