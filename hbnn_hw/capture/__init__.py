"""The only door into the IR: PyTorch networks, and QONNX files (:mod:`hbnn_hw.capture.qonnx`).

What reads PyTorch imports it, which takes seconds, so each name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hbnn_hw.capture.names import identifier

if TYPE_CHECKING:
    from hbnn_hw.capture.equivalence import Equivalence, compare_with_torch
    from hbnn_hw.capture.model import CapturedModel, capture_file
    from hbnn_hw.capture.sequential import capture

__all__ = ["CapturedModel", "Equivalence", "capture", "capture_file", "compare_with_torch", "identifier"]

_HOMES = {
    "CapturedModel": "model",
    "Equivalence": "equivalence",
    "capture": "sequential",
    "capture_file": "model",
    "compare_with_torch": "equivalence",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the attributes are of different types
    """Import what needs PyTorch on first use."""
    if name in _HOMES:
        return getattr(import_module(f"hbnn_hw.capture.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'hbnn_hw.capture' has no attribute {name!r}")
