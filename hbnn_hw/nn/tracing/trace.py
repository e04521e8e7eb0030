"""Tracing: any module that ``torch.export`` can trace, as a network of known layers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from hbnn_hw.errors import CaptureError, HbnnError, ToolMissingError
from hbnn_hw.nn.network import Network
from hbnn_hw.nn.tracing.exported import read_exported
from hbnn_hw.nn.tracing.normalise import normalise


def trace(model: nn.Module, example_input: Tensor) -> Network:
    """Trace the evaluation of a model.

    Parameters
    ----------
    model
        Any module whose forward pass maps one tensor to one tensor. It is left in the mode that it was in.
    example_input
        (batch, ...), an input that the model accepts. The batch of the network is free, its other sizes are
        the example's.

    Returns
    -------
    Network
        In evaluation mode. Its tensors are the model's, not copies of them, under their own names;
        parameters and layers that the forward pass does not use are left out.

    Raises
    ------
    CaptureError
        If ``torch.export`` cannot trace the model, or operations of it have no place in a network; all
        are named at once.
    ToolMissingError
        If PyTorch is older than 2.7.
    """
    if not hasattr(torch.compiler, "is_exporting"):
        raise ToolMissingError(
            f"tracing a network must have PyTorch 2.7 or newer, not {torch.__version__}: "
            "pip install --upgrade torch"
        )
    if example_input.dim() < 1 or not len(example_input):
        raise CaptureError(
            f"example_input must be (batch, ...) with at least one sample, not {tuple(example_input.shape)}"
        )
    with _evaluating(model):
        return normalise(read_exported(_exported(model, example_input)))


def _exported(model: nn.Module, example_input: Tensor) -> ExportedProgram:
    # Two samples: of one alone torch.export believes that there is never another number of them.
    x = torch.cat([example_input[:1], example_input[-1:]])
    free_batch = ({0: torch.export.Dim.AUTO},)
    # What PyTorch deprecates inside PyTorch is no concern of the user's.
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        try:
            return torch.export.export(model, (x,), dynamic_shapes=free_batch, strict=False)
        except HbnnError:
            raise
        except Exception as error:
            raise CaptureError(
                f"{type(model).__name__} cannot be traced by torch.export: {_reason(error)}; its forward "
                "pass must not branch on values, and must take and return one tensor"
            ) from error


def _reason(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.split("\n")[0][:300]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
