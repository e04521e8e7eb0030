"""Brevitas networks become IR graphs, by way of Brevitas's own QONNX export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from hbnn_hw.capture.qonnx import InputCode, QonnxModel, read_bytes
from hbnn_hw.errors import CaptureError, HbnnError
from hbnn_hw.extras import require


def convert(
    model: nn.Module, example_input: Tensor, name: str = "network", input_code: InputCode | None = None
) -> QonnxModel:
    """Read a network of Brevitas's quantized layers.

    Parameters
    ----------
    model
        Any module that Brevitas can export. Its evaluation statistics count; it is left in the mode that it
        was in.
    example_input
        One input (batch, ...), of the shape that the network is to read.
    name
        Of the network.
    input_code
        What the input's codes stand for, if no quantizer (``QuantIdentity``) reads the input.

    Returns
    -------
    QonnxModel
        The captured graph, and what is known of its tensors.

    Raises
    ------
    CaptureError
        If Brevitas cannot export the network, or the network holds what cannot be lowered.
    ToolMissingError
        If Brevitas or a package that its export needs is not installed.
    """
    for package in ("brevitas", "onnx", "onnxoptimizer", "onnxscript"):
        require(package, "brevitas", "reading a Brevitas network")
    with _quiet():
        from brevitas.export import export_qonnx

        training = model.training
        try:
            exported = export_qonnx(model.eval(), args=example_input[:1], verbose=False)
        except HbnnError:
            raise
        except Exception as error:
            raise CaptureError(f"Brevitas cannot export {type(model).__name__}: {error}") from error
        finally:
            model.train(training)
    return read_bytes(exported.SerializeToString(), name, input_code)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what PyTorch and Brevitas say about each other to themselves."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    with warnings.catch_warnings(action="ignore"):
        exporter.setLevel(logging.ERROR)
        try:
            yield
        finally:
            exporter.setLevel(level)
