"""An export folder, opened again: its graph, its manifest, its verification results, its report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw import ir_file
from hbnn_hw.artifacts import json_bytes, replace_file
from hbnn_hw.errors import OutputError
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target, find_device
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.vectors import load_vectors

if TYPE_CHECKING:
    from hbnn_hw.estimate import SynthesisResult
    from hbnn_hw.report import Exploration, UnrolledStructure

MANIFEST = "export.json"
FOLDING = "folding.json"
REPORT = "report.html"
RESULTS = "verification.json"
SYNTHESIS = "synthesis.json"
STRUCTURES = "rtl/structures.json"
EXPLORATION = "exploration.json"


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """An export folder.

    Attributes
    ----------
    folder
        Where it is.
    graph
        The lowered network.
    manifest
        The content of ``export.json``.
    """

    folder: Path
    graph: Graph
    manifest: Mapping[str, Any]


def open_export(folder: Path) -> Exported:
    """Open a folder that ``hbnn-hw export`` wrote.

    Raises
    ------
    OutputError
        If it is not such a folder.
    GraphError
        If its graph is damaged.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise OutputError(
            f"'{folder}' is not an export; make one with 'hbnn-hw export model.pt -o {folder}'"
        ) from error
    if (
        not isinstance(manifest, dict)
        or manifest.get("format") != "hbnn_hw.export"
        or manifest.get("version") != 1
    ):
        raise OutputError(
            f"'{folder / MANIFEST}' must describe an export of version 1; export the model again"
        )
    return Exported(folder, ir_file.load(folder / "graph.hbnn"), manifest)


def target_of(manifest: Mapping[str, Any]) -> Target:
    """Device and clock that an export was made for."""
    return Target(find_device(manifest["board"]), float(manifest["clock_ns"]))


ACTIVITY_IMAGES = 4
"""Real images by which the toggling of bits is measured."""

ACTIVITY_PRODUCTS = 2 * 10**8
"""One-bit products of an image beyond which bits are taken for random: tracing them plainly is slow."""


def real_inputs(exported: Exported) -> NDArray[np.int64] | None:
    """Return a few real samples as they enter the accelerator; None if the export has none or is too large.

    They are int64 (images, elements), the first of its golden vectors.

    Raises
    ------
    OutputError
        If the vectors are missing.
    """
    graph = exported.graph
    products = sum(node.op.work(*graph.input_types(node)).binary_macs for node in graph.hardware_nodes)
    n_real = int(exported.manifest.get("vectors", {}).get("real", 0))
    if not n_real or products > ACTIVITY_PRODUCTS:
        return None
    return load_vectors(exported.folder).inputs[: min(n_real, ACTIVITY_IMAGES)]


def load_results(folder: Path) -> tuple[VerificationResult, ...]:
    """Read the verification results of a folder; none if nothing was verified yet.

    Raises
    ------
    OutputError
        If the file is damaged.
    """
    path = folder / RESULTS
    if not path.exists():
        return ()
    try:
        return tuple(VerificationResult.of_document(entry) for entry in json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise OutputError(f"'{path}' is damaged ({error}); delete it and verify again") from error


def load_synthesis(folder: Path) -> SynthesisResult | None:
    """Read the synthesis result of a folder; None if nothing was synthesized yet.

    Raises
    ------
    OutputError
        If the file is damaged.
    """
    from hbnn_hw.estimate import SynthesisResult

    path = folder / SYNTHESIS
    if not path.exists():
        return None
    try:
        return SynthesisResult.from_document(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"'{path}' is damaged ({error}); delete it and synthesize again") from error


def parse_structures(content: bytes) -> tuple[UnrolledStructure, ...]:
    """Read what the RTL tells of its unrolled layers; raises ValueError or TypeError where it is damaged."""
    from hbnn_hw.report import UnrolledStructure

    return tuple(UnrolledStructure(**entry) for entry in json.loads(content))


def load_structures(folder: Path) -> tuple[UnrolledStructure, ...]:
    """Read the structures of a folder's unrolled layers; none if its RTL has no such layers.

    Raises
    ------
    OutputError
        If the file is damaged.
    """
    path = folder / STRUCTURES
    if not path.exists():
        return ()
    try:
        return parse_structures(path.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise OutputError(f"'{path}' is damaged ({error}); export the model again") from error


def load_exploration(folder: Path) -> Exploration | None:
    """Read the exploration of a folder's network; None if its report was never given one.

    Raises
    ------
    OutputError
        If the file is damaged.
    """
    from hbnn_hw.explore.results_file import estimator_version
    from hbnn_hw.report import Exploration

    path = folder / EXPLORATION
    if not path.exists():
        return None
    try:
        return Exploration.from_document(json.loads(path.read_bytes()), estimator_version())
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"'{path}' is damaged ({error}); delete it and report again") from error


def add_results(exported: Exported, results: Sequence[VerificationResult]) -> None:
    """Store verification results (a level's newest replaces its older one) and renew the report."""
    merged = {result.level: result for result in (*load_results(exported.folder), *results)}
    kept = [merged[level].document() for level in sorted(merged)]
    replace_file(exported.folder / RESULTS, json_bytes(kept))
    renew_report(exported)


def add_synthesis(exported: Exported, result: SynthesisResult) -> None:
    """Store the result of a synthesis and renew the report."""
    replace_file(exported.folder / SYNTHESIS, json_bytes(result.document()))
    renew_report(exported)


def add_exploration(exported: Exported, document: Mapping[str, Any]) -> None:
    """Store an exploration (:func:`hbnn_hw.explore.kept.exploration_document`) and renew the report."""
    replace_file(exported.folder / EXPLORATION, json_bytes(document))
    renew_report(exported)


def renew_report(exported: Exported) -> None:
    """Render the folder's report again from everything that is known by now."""
    folder = exported.folder
    page = report_page(
        exported.graph,
        exported.manifest,
        load_results(folder),
        load_synthesis(folder),
        load_structures(folder),
        load_exploration(folder),
    )
    replace_file(folder / REPORT, page.encode())


def report_page(
    graph: Graph,
    manifest: Mapping[str, Any],
    results: Sequence[VerificationResult] = (),
    synthesis: SynthesisResult | None = None,
    structures: Sequence[UnrolledStructure] = (),
    exploration: Exploration | None = None,
) -> str:
    """Render the HTML report of a lowered network."""
    from hbnn_hw.estimate import estimate
    from hbnn_hw.report import ReportInput, render_report

    target = target_of(manifest)
    return render_report(
        ReportInput(
            graph=graph,
            estimate=estimate(graph, target),
            target=target,
            metadata=manifest["facts"],
            synthesis=synthesis,
            verifications=tuple(results),
            structures=tuple(structures),
            exploration=exploration,
        )
    )
