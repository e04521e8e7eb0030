"""What a verification run found, in a form that is printed, stored and shown in the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """Outcome of one level's comparison against the golden model; it exists only if all bits agreed.

    Attributes
    ----------
    level
        What was run, as a short phrase: "C simulation", "RTL simulation, random stalls".
    tool
        Program and version.
    images
        Samples compared.
    bits
        Output bits compared.
    interval_cycles
        Measured clock cycles between samples at full throughput; None where the level has no clock.
    predicted_interval_cycles
        The schedule's prediction of it.
    latency_cycles, predicted_latency_cycles
        From the first input beat to the last output beat of the first sample, likewise.
    evaluated_kernels
        Verilog modules of unrolled layers that were not compiled, but evaluated from their printed text.
    """

    level: str
    tool: str
    images: int
    bits: int
    interval_cycles: int | None = None
    predicted_interval_cycles: int | None = None
    latency_cycles: int | None = None
    predicted_latency_cycles: int | None = None
    evaluated_kernels: tuple[str, ...] = ()

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> VerificationResult:
        """Return the result that :meth:`document` described."""
        kernels = tuple(document.get("evaluated_kernels", ()))
        return cls(**{**document, "evaluated_kernels": kernels})

    @property
    def means(self) -> str:
        """What it was run with: the tool, and what the tool did not run itself."""
        if not self.evaluated_kernels:
            return self.tool
        return f"{self.tool}; evaluated as printed, not compiled: {', '.join(self.evaluated_kernels)}"

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)
