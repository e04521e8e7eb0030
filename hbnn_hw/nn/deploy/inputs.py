"""The first layers: codes as bit-planes, vectors as images."""

from __future__ import annotations

from torch import nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.activations import BitPlaneInput
from hbnn_hw.nn.deploy.lowering import Lowering, title
from hbnn_hw.nn.deploy.stages import Codes, Integers


def add_input(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Let the network read codes as integers."""
    assert isinstance(module, BitPlaneInput)
    if not isinstance(lowering.stage, Codes):
        raise CaptureError(f"{title(name, module)} must be the first layer of the network")
    lowering.put(name, BitPlaneInput(module.bits, scaled=False))
    lowering.stage = Integers(module.scale, module.bound)


def add_unflatten(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Make images of the input's vectors."""
    assert isinstance(module, nn.Unflatten)
    if lowering.shape is not None or not isinstance(lowering.stage, Codes | Integers):
        raise CaptureError(f"{title(name, module)} must stand before the first layer with weights, and once")
    shape = tuple(module.unflattened_size)
    if module.dim != 1 or len(shape) != 3 or not all(isinstance(n, int) and n > 0 for n in shape):
        raise CaptureError(
            f"{title(name, module)} must be nn.Unflatten(1, (channels, rows, columns)), "
            f"not nn.Unflatten({module.dim!r}, {module.unflattened_size!r})"
        )
    lowering.put(name, nn.Unflatten(1, shape))
    lowering.shape = shape
