"""FINN's perceptrons for MNIST: SFC and LFC."""

from __future__ import annotations

from torch import nn

from hbnn_hw.nn import Method, mlp
from models.networks.blocks import scaled


def sfc(
    *, n_features: int = 784, input_bits: int = 8, n_classes: int = 10, width: float = 1.0
) -> nn.Sequential:
    """Build 784-256-256-256-10, FINN's small perceptron.

    Parameters
    ----------
    n_features
        Pixels of an image.
    input_bits
        Width of a pixel's code; FINN's own has 1.
    n_classes
        Outputs.
    width
        Factor on the hidden layers.

    Returns
    -------
    nn.Sequential
        Float; children ``input``, ``fc<i>``, ``norm<i>``, ``act<i>``, ``scale``. Input (batch, n_features)
        codes, output (batch, n_classes) logits.
    """
    return _perceptron(256, n_features, input_bits, n_classes, width)


def lfc(
    *, n_features: int = 784, input_bits: int = 8, n_classes: int = 10, width: float = 1.0
) -> nn.Sequential:
    """Build 784-1024-1024-1024-10, FINN's large perceptron; ``width=4`` is BNN's 784-3x4096-10.

    Parameters and result are those of :func:`sfc`.
    """
    return _perceptron(1024, n_features, input_bits, n_classes, width)


def _perceptron(hidden: int, n_features: int, input_bits: int, n_classes: int, width: float) -> nn.Sequential:
    widths = (n_features, *[scaled(hidden, width)] * 3, n_classes)
    return mlp(Method.FLOAT, input_bits, widths)
