"""The state of a walk through a network's layers, and the twin that grows on the way."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.deploy.stages import Accumulators, Codes, Integers, Logits, Reals, Stage
from hbnn_hw.nn.deployed import DeployedAffine


class Lowering:
    """Walks the layers in order and carries what the numbers of the moment mean.

    Parameters
    ----------
    scale_error
        Largest relative error of the integer form of any plane scale (dimensionless).

    Attributes
    ----------
    stage
        Meaning of the numbers behind the last layer.
    shape
        Of one sample in PyTorch's order: (features,) or (channels, rows, columns); None while unknown.
    """

    def __init__(self, scale_error: float) -> None:
        self.scale_error = scale_error
        self.stage: Stage = Codes()
        self.shape: tuple[int, ...] | None = None
        self._twin: OrderedDict[str, nn.Module] = OrderedDict()

    @property
    def image(self) -> tuple[int, int, int] | None:
        """The shape (channels, rows, columns), if samples are images."""
        if self.shape is None or len(self.shape) != 3:
            return None
        channels, rows, columns = self.shape
        return channels, rows, columns

    def integers(self, name: str, module: nn.Module) -> Integers:
        """Return the stage that a layer with weights needs; raise CaptureError at any other."""
        if isinstance(self.stage, Codes):
            raise CaptureError(
                f"{title(name, module)} must read integers; begin the network with BitPlaneInput(bits)"
            )
        if not isinstance(self.stage, Integers):
            raise CaptureError(f"{title(name, module)} must read ±1; put a SignActivation before it")
        return self.stage

    def accumulators(self, name: str, module: nn.Module) -> Accumulators:
        """Return the stage that a norm needs; raise CaptureError at any other."""
        if not isinstance(self.stage, Accumulators):
            raise CaptureError(
                f"{title(name, module)} must follow a linear layer directly, or a convolution and its pooling"
            )
        return self.stage

    def close(self) -> None:
        """Give a layer with weights but without a norm its own affine."""
        if isinstance(self.stage, Accumulators):
            self.put_affine(f"{self.stage.name}_affine", self.stage.scale, self.stage.bias)

    def put_affine(self, name: str, alpha: Reals, beta: Reals) -> None:
        """Add ``alpha · x + beta`` over accumulators, rounded to float32 once."""
        with np.errstate(over="ignore"):
            rounded = alpha.astype(np.float32), beta.astype(np.float32)
        if not all(np.isfinite(constants).all() for constants in rounded):
            raise CaptureError(
                f"the affine of module {name!r} must fit float32; its slope or offset is too large"
            )
        self.put(name, DeployedAffine(*rounded))
        self.stage = Logits()

    def put(self, name: str, module: nn.Module) -> None:
        """Add a layer to the twin."""
        if name in self._twin:
            raise CaptureError(f"module name {name!r} is needed for the affine of a linear layer; rename it")
        self._twin[name] = module

    def finish(self) -> nn.Sequential:
        """Return the twin; raise CaptureError if the network does not end with logits."""
        self.close()
        if not isinstance(self.stage, Logits) or self.image is not None:
            raise CaptureError(
                "the network must end with a linear layer, OutputScale or BatchNorm1d, so that it has logits"
            )
        return nn.Sequential(self._twin)


def title(name: str, module: nn.Module) -> str:
    """Name a module in a complaint."""
    return f"{name!r} ({type(module).__name__})"


def check_finite(name: str, module: nn.Module) -> None:
    """Raise CaptureError if a parameter or buffer holds NaN or infinity."""
    for parameter, values in module.state_dict().items():
        if not bool(torch.isfinite(values).all()):
            raise CaptureError(
                f"{parameter} of {title(name, module)} must be finite; it holds NaN or infinity"
            )


def reals(values: Tensor) -> Reals:
    """Return a tensor's values as float64."""
    return values.detach().cpu().numpy().astype(np.float64)
