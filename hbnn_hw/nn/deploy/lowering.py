"""The walk through a network, and the twin that grows on the way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.lowering.bends import clip
from hbnn_hw.lowering.fixed_point import fixed_point, root_mean_square, step_for
from hbnn_hw.lowering.lines import Lines, Reals
from hbnn_hw.lowering.stages import Codes, Integers, Value
from hbnn_hw.lowering.stages import Reals as RealStage
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.deployed import DeployedAffine
from hbnn_hw.nn.deployed_network import DeployedNetwork
from hbnn_hw.nn.deployed_scale import DeployedPiecewiseAffine, DeployedQuantizer, DeployedRescale
from hbnn_hw.nn.network import INPUT
from hbnn_hw.scales import IntegerScales, ScaleForm, fit_scales

SATURATION = 128
"""Fixed-point numbers saturate at so many times what they vary by, which no trained network reaches.

The proven ranges of sums that are summed again, layer after layer, would grow beyond any accumulator.
"""
_QUANTIZERS = (BitPlaneInput, SignActivation, DeployedQuantizer)


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One layer of the network at its place.

    Attributes
    ----------
    name
        Its path.
    module
        The layer.
    inputs
        What it reads, at least one value.
    reaches_sign
        Whether its value goes to a sign, through layers that choose or move values alone, and nowhere else.
    """

    name: str
    module: nn.Module
    inputs: tuple[Value, ...]
    reaches_sign: bool = False

    @property
    def title(self) -> str:
        """Name and class, for a complaint."""
        return title(self.name, self.module)

    @property
    def input(self) -> Value:
        """The one value that it reads."""
        (value,) = self.inputs
        return value


class Lowering:
    """Collects the twin's layers.

    Parameters
    ----------
    scale_error
        Largest relative error of the integer form of any plane scale, and of the steps of fixed-point
        numbers (dimensionless).
    reserved
        Paths of the network's layers, which no other part of the twin is named after.
    scale_form
        What plane coefficients may be.
    """

    def __init__(
        self,
        scale_error: float,
        reserved: Iterable[str] = (),
        scale_form: ScaleForm = ScaleForm.INTEGERS,
    ) -> None:
        self.scale_error = scale_error
        self.scale_form = scale_form
        self._reserved = {_flat(path) for path in reserved}
        self._twin: OrderedDict[str, nn.Module] = OrderedDict()
        self._sources: dict[str, tuple[str, ...]] = {}
        self._affines: dict[Value, str] = {}
        self._fixed: dict[tuple[Value, float], Value] = {}

    def scales(self, mu: Sequence[float]) -> IntegerScales:
        """Return the integer form of plane scales; raise RangeError if there is none."""
        return fit_scales(mu, self.scale_error, self.scale_form)

    def put(self, name: str, module: nn.Module, *sources: str) -> str:
        """Add a layer that reads the twin's ``sources``; return its name in the twin."""
        node = _flat(name)
        if node in self._twin or node == INPUT:
            raise CaptureError(
                f"the layer {name!r} becomes {node!r}, and so does another; rename one of them"
            )
        self._twin[node] = module
        self._sources[node] = sources
        return node

    def free(self, name: str) -> str:
        """Return a name that neither the twin nor a layer of the network has."""
        candidates = (name if n == 1 else f"{name}_{n}" for n in count(1))
        taken = self._reserved | self._twin.keys()
        return next(candidate for candidate in candidates if _flat(candidate) not in taken)

    def lines(self, layer: Layer, value: Value) -> Lines:
        """Return a value as a function of its integers; raise CaptureError if it is not one."""
        if isinstance(value.stage, Lines):
            return value.stage
        if not isinstance(value.stage, Integers) or value.shape is None:
            raise CaptureError(
                f"{layer.title} must follow a layer with weights, their normalization, or a sum of such"
            )
        return _as_lines(value.stage, value.shape[0])

    def reals(self, value: Value) -> str:
        """Return the twin's layer that makes the real numbers of a value, adding the affine if need be."""
        if isinstance(value.stage, RealStage):
            return value.node
        if value not in self._affines:
            assert isinstance(value.stage, Lines | Integers)
            assert value.shape is not None
            stage = value.stage if isinstance(value.stage, Lines) else _as_lines(value.stage, value.shape[0])
            is_free = stage.label is not None and _flat(stage.label) not in self._twin
            name = stage.label if stage.label and is_free else self.free(f"{value.node}_affine")
            self._affines[value] = self.put(name, _affine(name, stage), value.node)
        return self._affines[value]

    def integers(self, layer: Layer, value: Value, step: float | None = None) -> Value:
        """Return a value as integers without an offset, ``step`` apart, rounding in fixed point if need be.

        Without a ``step``, integers keep their own, and real numbers get one by their spread. What could be
        more than :data:`SATURATION` times as large as they vary by saturates there.
        """
        stage = value.stage
        if isinstance(stage, Integers) and stage.offset == 0 and step in (None, stage.scale):
            return value
        lines = self.lines(layer, value)
        step = step or step_for(lines.spread, self.scale_error)
        if (value, step) not in self._fixed:
            self._fixed[value, step] = self._rescaled(value, lines, step)
        return self._fixed[value, step]

    def _rescaled(self, value: Value, lines: Lines, step: float) -> Value:
        form = fixed_point(lines, step)
        limit = SATURATION * float(lines.spread.max())
        if max(-form.low, form.high) * step > limit > 0:
            lines = lines.then_bend(clip(-limit, limit), lines.label)
            form = fixed_point(lines, step)
        name = self.free(f"{lines.label or value.node}_fixed")
        node = self.put(
            name, DeployedRescale(form.multipliers, form.offsets, lines.knees, form.shift), value.node
        )
        spread = root_mean_square(lines.spread)
        return Value(node, Integers(scale=step, low=form.low, high=form.high, spread=spread), value.shape)

    def finish(self, output: Value) -> DeployedNetwork:
        """Return the twin; raise CaptureError if the network does not end with logits."""
        is_code = output.node == INPUT or isinstance(self._twin[output.node], _QUANTIZERS)
        if is_code or isinstance(output.stage, Codes) or output.shape is None or output.image is not None:
            raise CaptureError(
                "the network must end with a linear layer, OutputScale or BatchNorm1d, so that it has logits"
            )
        needed = self._needed(self.reals(output))
        layers = OrderedDict((name, module) for name, module in self._twin.items() if name in needed)
        return DeployedNetwork(layers, {name: self._sources[name] for name in layers})

    def _needed(self, output: str) -> set[str]:
        """Return the twin's layers that the output depends on."""
        needed, todo = set[str](), [output]
        while todo:
            name = todo.pop()
            if name not in needed and name != INPUT:
                needed.add(name)
                todo += self._sources[name]
        return needed


def _flat(path: str) -> str:
    """Return a layer's name in the twin."""
    return path.replace(".", "_")


def _as_lines(stage: Integers, channels: int) -> Lines:
    slope, offset, spread = (np.full(channels, v) for v in (stage.scale, stage.offset, stage.spread))
    return Lines.straight(slope, offset, (stage.low, stage.high), spread)


def _affine(name: str, lines: Lines) -> nn.Module:
    """Return ``alpha · x + beta`` over integers, its constants rounded to float32 once."""
    rounded = lines.rounded()
    alpha, beta = rounded.slopes.astype(np.float32), rounded.offsets.astype(np.float32)
    if not (np.isfinite(alpha).all() and np.isfinite(beta).all()):
        raise CaptureError(
            f"the affine of module {name!r} must fit float32; its slope or offset is too large"
        )
    if lines.is_straight:
        return DeployedAffine(alpha[0], beta[0])
    return DeployedPiecewiseAffine(alpha, beta, lines.knees)


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
    array: Reals = values.detach().cpu().numpy().astype(np.float64)
    return array
