"""The entry: deploy a whole network."""

from __future__ import annotations

from torch import nn

from hbnn_hw.nn.deploy.handlers import supported_children
from hbnn_hw.nn.deploy.lowering import Lowering, check_finite
from hbnn_hw.scales import DEFAULT_SCALE_ERROR


def deploy(model: nn.Module, scale_error: float = DEFAULT_SCALE_ERROR) -> nn.Sequential:
    """Build the deployed twin of a trained network.

    Parameters
    ----------
    model
        ``nn.Sequential`` that begins with :class:`BitPlaneInput` and goes on with quantized linear layers
        and convolutions, each followed by a batch normalization or :class:`OutputScale` and, but for the
        last, by :class:`SignActivation`. Convolutions need ``nn.Unflatten(1, (channels, rows, columns))``
        before or behind the input layer; ``nn.MaxPool2d`` may stand anywhere between them, before or behind
        the normalization or behind the sign; ``nn.Flatten()`` stands before the first linear layer. Dropout
        may stand anywhere. The network is not changed; its evaluation statistics count.
    scale_error
        Largest relative error of the integer form of any plane scale (dimensionless).

    Returns
    -------
    nn.Sequential
        In evaluation mode, with the child names of ``model``: :class:`BitPlaneInput` giving integers,
        :class:`DeployedLinear`, :class:`DeployedConv2d`, :class:`DeployedAffine` (for each norm, and as
        ``<name>_affine`` where there is none), :class:`SignActivation`, ``nn.Unflatten``, ``nn.MaxPool2d``,
        ``nn.Flatten``. Input (batch, features) codes, output (batch, classes) float64.

    Raises
    ------
    CaptureError
        If a module is not supported (all are named at once), stands in a place where hardware has no
        meaning for it, or holds a value that is not finite.
    ShapeError
        If neighbouring layers do not fit.
    RangeError
        If an accumulator could leave the range in which float32 is exact.
    """
    children = supported_children(model)
    lowering = Lowering(scale_error)
    for name, (module, handler) in children.items():
        check_finite(name, module)
        handler(lowering, name, module)
    return lowering.finish().requires_grad_(False).eval()
