"""QONNX files, as Brevitas and FINN users have them, become IR graphs; PyTorch is not needed.

Real numbers between quantizers are carried as exact functions of integers
(:mod:`hbnn_hw.lowering.lines`), and each quantizer becomes integer thresholds together with all that stands
before it. docs/qonnx.md lists what is read.
"""

from __future__ import annotations

from pathlib import Path

from hbnn_hw.capture.qonnx.inputs import InputCode
from hbnn_hw.capture.qonnx.model import QonnxModel, lower_graph
from hbnn_hw.capture.qonnx.reading import parse, read
from hbnn_hw.graph import Graph

__all__ = ["InputCode", "QonnxModel", "load", "read_bytes", "read_model"]


def load(path: Path, input_code: InputCode | None = None) -> Graph:
    """Read a QONNX file as a captured graph.

    Parameters
    ----------
    path
        The file.
    input_code
        What the input's codes stand for, if the file does not say: with neither a quantizer that reads the
        input nor a datatype annotation.

    Raises
    ------
    CaptureError
        If the file is damaged, or holds what cannot be lowered; every such node is named.
    ToolMissingError
        If the package onnx is not installed.
    """
    return read_model(path, input_code).graph


def read_model(path: Path, input_code: InputCode | None = None) -> QonnxModel:
    """Read a QONNX file with what is known of its tensors; see :func:`load`."""
    return lower_graph(read(Path(path)), input_code)


def read_bytes(content: bytes, name: str = "network", input_code: InputCode | None = None) -> QonnxModel:
    """Read the content of a QONNX file; see :func:`load`."""
    return lower_graph(parse(content, name), input_code)
