"""The only door from PyTorch into the IR."""

from hbnn_hw.capture.equivalence import Equivalence, compare_with_torch
from hbnn_hw.capture.model import CapturedModel, capture_file
from hbnn_hw.capture.sequential import capture, identifier

__all__ = ["CapturedModel", "Equivalence", "capture", "capture_file", "compare_with_torch", "identifier"]
