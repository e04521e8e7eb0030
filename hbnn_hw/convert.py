"""Networks from one file format to another: model files, IR files and QONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hbnn_hw import ir_file
from hbnn_hw.artifacts import replace_file
from hbnn_hw.errors import OutputError
from hbnn_hw.graph import Graph
from hbnn_hw.inspection import read_graph

if TYPE_CHECKING:
    from hbnn_hw.capture.qonnx import InputCode

ONNX, IR = ".onnx", ".hbnn"


def convert_file(
    source: Path,
    target: Path,
    input_code: InputCode | None = None,
    batch: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> Graph:
    """Read a network and write it in the format that the target's name ends with.

    Parameters
    ----------
    source
        A model file, an IR file, an export folder or a QONNX file.
    target
        ``*.hbnn`` or ``*.onnx``; it must not exist.
    input_code
        What the input's codes stand for, if a QONNX file does not say.
    batch
        Samples at a time of a QONNX file that is written.
    progress
        Told what was left out.

    Raises
    ------
    OutputError
        If the target exists, has another ending or cannot be written.
    HbnnError
        If the source holds no network, or one that the format cannot express.
    """
    if target.suffix not in (ONNX, IR):
        raise OutputError(f"the output must end with {IR} or {ONNX}, not '{target.name}'")
    if target.exists():
        raise OutputError(f"the output '{target}' exists already; remove it or name another")
    graph = _read(source, input_code, progress)
    replace_file(target, _content(graph, target, batch))
    return graph


def _read(source: Path, input_code: InputCode | None, progress: Callable[[str], None]) -> Graph:
    if source.suffix != ONNX:
        return read_graph(source)
    from hbnn_hw.capture.qonnx import read_model

    model = read_model(source, input_code)
    for note in model.notes:
        progress(note)
    return model.graph


def _content(graph: Graph, target: Path, batch: int) -> bytes:
    if target.suffix == IR:
        return ir_file.to_bytes(graph)
    from hbnn_hw.backends.qonnx import export

    content: bytes = export(graph, batch).SerializeToString()
    return content
