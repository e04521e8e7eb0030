"""The only door from PyTorch into the IR."""

from hbnn_hw.capture.sequential import capture, identifier

__all__ = ["capture", "identifier"]
