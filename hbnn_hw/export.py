"""Export: a model file becomes a folder with IR, HLS project, RTL, golden vectors and report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw import __version__, ir_file
from hbnn_hw.artifacts import check_absent, json_bytes, npy_bytes, write_folder
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.errors import GraphError
from hbnn_hw.exported import FOLDING, MANIFEST, REPORT, STRUCTURES, parse_structures, report_page
from hbnn_hw.extras import require
from hbnn_hw.folding_file import folding_document
from hbnn_hw.graph import Graph
from hbnn_hw.inspection import read_graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import FoldingRequest, lower, streamed
from hbnn_hw.planes import decode
from hbnn_hw.scales import DEFAULT_SCALE_ERROR, ScaleForm
from hbnn_hw.search import Budget, FoldingSearch, SearchGoal, search_text
from hbnn_hw.streams import node_cycles
from hbnn_hw.target import Target
from hbnn_hw.types import Integers, Planes
from hbnn_hw.verify.vectors import VectorSet, vector_files

RANDOM_VECTORS = 6
"""Random samples that follow the real images and the two extreme samples among the golden vectors."""

Progress = Callable[[str], None]
"""Called with a short phrase when a stage of the export begins."""


class Backend(Enum):
    """What to emit."""

    HLS = "hls"
    RTL = "rtl"


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a user chooses for an export.

    Attributes
    ----------
    backends
        Which hardware projects to emit; None for all that know the network's operators.
    folding
        PE, SIMD and unrolling.
    goal
        What the foldings of the other layers are searched for; None takes the limits of ``folding``.
    target
        Device and clock.
    tool
        Which HLS tool's dialect to write.
    scale_error
        Largest relative error of a plane scale's integer form (dimensionless).
    scale_form
        What plane coefficients may be.
    arg_max
        Whether the class leaves the accelerator and not the scores.
    """

    backends: frozenset[Backend] | None = None
    folding: FoldingRequest = field(default_factory=FoldingRequest)
    goal: SearchGoal | None = None
    target: Target = field(default_factory=Target)
    tool: HlsTool = HlsTool.VIVADO_HLS
    scale_error: float = DEFAULT_SCALE_ERROR
    scale_form: ScaleForm = ScaleForm.INTEGERS
    arg_max: bool = False


def golden_vectors(graph: Graph, images: NDArray[np.int64]) -> VectorSet:
    """Make the vectors of an export from a lowered graph, at the accelerator's edges.

    The inputs are the given real images, then the all-smallest and the all-largest sample, then
    ``RANDOM_VECTORS`` random ones (seed 0).
    """
    element = graph.input_type.element
    assert isinstance(element, Integers)
    n = graph.input_type.n_elements
    extremes = np.array([[element.low] * n, [element.high] * n], dtype=np.int64)
    noise = np.random.default_rng(0).integers(element.low, element.high + 1, (RANDOM_VECTORS, n))
    inputs = np.concatenate([images.reshape(-1, n), extremes, noise]).astype(np.int64)
    return VectorSet(entering_values(graph, inputs), edge_values(graph, inputs))


def entering_values(graph: Graph, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a batch as it enters the accelerator, int64 (batch, elements): in the order of its stream."""
    return GoldenModel(graph).value(inputs, graph.hardware_input).reshape(len(inputs), -1).astype(np.int64)


def edge_values(graph: Graph, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute what leaves the accelerator for a batch: integers, or the codes of planes."""
    values = GoldenModel(graph).value(inputs, graph.hardware_output)
    element = graph.types[graph.hardware_output].element
    if isinstance(element, Planes):
        values = (decode(values.astype(np.uint8), element.scales) + element.largest) // 2
    return values.reshape(len(inputs), -1).astype(np.int64)


def _layer_documents(graph: Graph) -> list[dict[str, Any]]:
    cycles = node_cycles(graph)
    return [
        {"name": node.name, "cycles": cycles[node.name], **asdict(node.op.scheduled_folding)}
        for node in graph.hardware_nodes
        if isinstance(node.op, Mvtu)
    ]


def export(path: Path, folder: Path, options: ExportOptions, progress: Progress = lambda _: None) -> Graph:
    """Read a model file and write its export folder, whole or not at all.

    Parameters
    ----------
    path
        Model file, see :func:`hbnn_hw.capture.capture_file`, or a QONNX file.
    folder
        Folder to make; it must not exist.
    options
        The user's choices.
    progress
        Told the stages.

    Returns
    -------
    Graph
        The lowered network.

    Raises
    ------
    HbnnError
        Of the kind that fits: CheckpointError, CaptureError, FoldingError, OutputError, ToolMissingError, …
    """
    check_absent(folder)
    progress("reading the model")
    captured, facts, images = _read(path, options)
    progress("lowering to integer hardware operators")
    graph = _lowered(captured, options, progress)
    backends = _backends(graph, options, progress)
    progress("computing golden vectors")
    vectors = golden_vectors(graph, images)
    files: dict[str, bytes] = {"graph.hbnn": ir_file.to_bytes(graph)}
    files[FOLDING] = json_bytes(folding_document(graph))
    files |= {name: npy_bytes(array) for name, array in vector_files(vectors).items()}
    files |= _backend_files(graph, vectors, options, backends, progress)
    progress("estimating area, time and energy")
    manifest = {
        "format": "hbnn_hw.export",
        "version": 1,
        "toolkit": __version__,
        "network": graph.name,
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "facts": facts,
        "board": options.target.board,
        "clock_ns": options.target.clock_ns,
        "hls_tool": options.tool.value,
        "backends": sorted(backend.value for backend in backends),
        "scale_error": options.scale_error,
        "scales": options.scale_form.value,
        "arg_max": options.arg_max,
        "vectors": {"real": len(images), "extreme": 2, "random": RANDOM_VECTORS},
        "layers": _layer_documents(graph),
    }
    structures = parse_structures(files[STRUCTURES]) if STRUCTURES in files else ()
    files[REPORT] = report_page(graph, manifest, structures=structures).encode()
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    files[MANIFEST] = json_bytes(manifest)
    progress("writing the folder")
    write_folder(folder, files)
    return graph


def _lowered(captured: Graph, options: ExportOptions, progress: Progress) -> Graph:
    """Lower the network with the foldings that are asked for, or with those that a search finds."""
    if options.goal is None:
        return lower(captured, options.folding, arg_max=options.arg_max)
    streams = streamed(captured, arg_max=options.arg_max)
    progress("searching foldings")
    search = FoldingSearch(streams, Budget.of(options.target.device), options.folding.layers)
    result = options.goal.search(search)
    result.graph.check()
    progress("found\n" + search_text(result, options.target.clock_ns).rstrip())
    return result.graph


def _read(path: Path, options: ExportOptions) -> tuple[Graph, dict[str, Any], NDArray[np.int64]]:
    """Return the captured graph, what is known of its training, and real images; of QONNX the graph alone."""
    if path.suffix == ".onnx":
        graph = read_graph(path)
        return graph, {}, np.empty((0, graph.input_type.n_elements), dtype=np.int64)
    require("torch", "train", "reading a model file")
    from hbnn_hw.capture import capture_file  # torch takes seconds to import: not for every command

    model = capture_file(path, options.scale_error, options.scale_form)
    return model.graph, dict(model.facts), model.images


RTL_MEMORY_TEXT = 100_000_000
"""Verilog with weight memories of more [bytes] is emitted only when it is asked for: few tools read it."""

RTL_UNROLLED_BITS = 8_000_000
"""Beyond these weight bits in unrolled layers the RTL takes minutes to plan, with the same consequence."""


def _backends(graph: Graph, options: ExportOptions, progress: Progress) -> frozenset[Backend]:
    """Return the back ends to use: those asked for, or else all that know the network's operators."""
    if options.backends is not None and Backend.RTL not in options.backends:
        return options.backends
    from hbnn_hw.backends import rtl

    try:
        rtl.check_emittable(graph)
    except GraphError:
        if options.backends is not None:
            raise
        return frozenset({Backend.HLS})
    if options.backends is None and _rtl_is_large(graph):
        progress("leaving out the RTL, which is large at these foldings; --backend rtl emits it")
        return frozenset({Backend.HLS})
    return options.backends or frozenset(Backend)


def _rtl_is_large(graph: Graph) -> bool:
    """Whether the RTL is emitted only when it is asked for."""
    units = [node.op for node in graph.hardware_nodes if isinstance(node.op, Mvtu)]
    unrolled = [op.weights for op in units if op.scheduled_folding.unrolled]
    text = sum(_memory_text(op) for op in units if not op.scheduled_folding.unrolled)
    unrolled_bits = sum(weights.n_planes * weights.rows * weights.columns for weights in unrolled)
    return text > RTL_MEMORY_TEXT or unrolled_bits > RTL_UNROLLED_BITS


def _memory_text(op: Mvtu) -> int:
    """Bytes of Verilog that a folded unit's weights and masks take, about: a line a step, a digit 4 bits."""
    folding, memories = op.scheduled_folding, 1 if op.weights.is_homogeneous else 2
    line = len("    memory[100000] = 256'h;\n") + folding.pe * folding.simd // 4
    return memories * op.place_cycles() * line


def _backend_files(
    graph: Graph,
    vectors: VectorSet,
    options: ExportOptions,
    backends: frozenset[Backend],
    progress: Progress,
) -> Mapping[str, bytes]:
    """Emit the chosen hardware projects, each below a folder of its own name."""
    files: dict[str, bytes] = {}
    if Backend.HLS in backends:
        from hbnn_hw.backends import hls

        progress("emitting the HLS project")
        texts = hls.emit(graph, vectors, options.target, options.tool)
        files |= {f"hls/{name}": text.encode() for name, text in texts.items()}
    if Backend.RTL in backends:
        from hbnn_hw.backends import rtl

        progress("emitting the RTL")
        texts = rtl.emit(graph, options.target)
        files |= {f"rtl/{name}": text.encode() for name, text in texts.items()}
    return files
