"""Layers with weights: their planes with integer scales, and the proof that their sums are exact."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError, RangeError, ShapeError
from hbnn_hw.nn.conv import Padding, QuantizedConv2d
from hbnn_hw.nn.deploy.lowering import Lowering, reals, title
from hbnn_hw.nn.deploy.stages import Accumulators, Integers, Reals
from hbnn_hw.nn.deployed import EXACT_FLOAT32, DeployedConv2d, DeployedLinear
from hbnn_hw.nn.latent import QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.scales import integer_scales
from hbnn_hw.windows import output_sides

_BORDERS = {Padding.MASKED: 0.0, Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}
"""Real value of the border; nothing else than 0 leaves a sum."""


def add_linear(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Turn a quantized linear layer into one over integers."""
    assert isinstance(module, QuantizedLinear)
    stage = lowering.integers(name, module)
    if lowering.image is not None:
        raise CaptureError(f"{title(name, module)} must read vectors; put nn.Flatten() before it")
    if lowering.shape not in (None, (module.in_features,)):
        (features,) = lowering.shape or ()
        raise ShapeError(f"{title(name, module)} must have {features} inputs, not {module.in_features}")
    bits, mask, coefficients, scale = _integer_planes(name, module, lowering.scale_error)
    linear = DeployedLinear(bits, mask, coefficients)
    _check_exact(name, linear.largest_accumulator(stage.bound))
    lowering.put(name, linear)
    lowering.shape = (module.out_features,)
    lowering.stage = Accumulators(name, scale * stage.scale, _bias(module))


def add_convolution(lowering: Lowering, name: str, module: nn.Module) -> None:
    """Turn a quantized convolution into one over integers."""
    assert isinstance(module, QuantizedConv2d)
    stage = lowering.integers(name, module)
    sides = _output_sides(lowering, name, module)
    bits, mask, coefficients, scale = _integer_planes(name, module, lowering.scale_error)
    # The same function with all scales positive, so that integers rise with what they stand for: the
    # largest of several real sums is then the largest integer, whatever is pooled before the norm.
    falling = torch.from_numpy(scale < 0).view(1, -1, 1, 1, 1)
    convolution = DeployedConv2d(
        torch.where(falling, mask - bits, bits),
        mask,
        coefficients,
        stride=module.stride,
        padding=module.padding,
        border=_border(name, module, stage),
        groups=module.groups,
    )
    _check_exact(name, convolution.largest_accumulator(stage.bound))
    lowering.put(name, convolution)
    lowering.shape = (module.out_channels, *sides)
    lowering.stage = Accumulators(name, np.abs(scale) * stage.scale, _bias(module))


def _output_sides(lowering: Lowering, name: str, module: QuantizedConv2d) -> tuple[int, int]:
    if lowering.image is None:
        raise CaptureError(
            f"{title(name, module)} must read images; put nn.Unflatten(1, (channels, rows, columns)) at the "
            "beginning of the network"
        )
    channels, *sides = lowering.image
    if channels != module.in_channels:
        raise ShapeError(f"{title(name, module)} must have {channels} channels, not {module.in_channels}")
    (vertical, horizontal), (rows, columns) = module.padding, sides
    try:
        padding = (vertical, vertical, horizontal, horizontal)
        return output_sides((rows, columns), module.kernel_size, module.stride, padding)
    except ShapeError as error:
        raise ShapeError(f"{title(name, module)}: {error}") from error


def _border(name: str, module: QuantizedConv2d, stage: Integers) -> int:
    """Return the border on the scale of the integers that the layer reads.

    Next to pixels of b bits, which are odd multiples of 2^-b, a border of -1 is -2^b: one step beyond the
    darkest pixel. It is no code, but an integer like any other.
    """
    if not any(module.padding) or module.padding_value is None:
        return 0
    border = _BORDERS[module.padding_value] / stage.scale
    if not border.is_integer():
        raise CaptureError(
            f"the border of {title(name, module)} must be a whole number of the steps of {stage.scale:g} "
            f"between its inputs, not {_BORDERS[module.padding_value]:+g}; use Padding.MASKED"
        )
    return int(border)


def _integer_planes(
    name: str, module: QuantizedLayer, scale_error: float
) -> tuple[Tensor, Tensor, tuple[int, ...], Reals]:
    """Return bits and mask, uint8 (planes, out, ...), coefficients, and float64 (out,): one step's value."""
    try:
        planes = _inhabited(module.planes())
        if planes.mu.numel() == 0:
            raise CaptureError("the layer must have at least one weight with a bit")
        scales = integer_scales(planes.mu.tolist(), scale_error)
    except (CaptureError, RangeError) as error:
        raise CaptureError(f"{title(name, module)}: {error}") from error
    bits = (planes.signs > 0).to(torch.uint8)
    mask = (planes.signs != 0).to(torch.uint8)
    rows = np.ones(module.weight_shape[0]) if planes.row_scale is None else reals(planes.row_scale)
    return bits, mask, scales.coefficients, rows * scales.factor


def _inhabited(planes: RealPlanes) -> RealPlanes:
    """Drop planes that no entry has, as small layers do not fill every share of a distribution."""
    keep = planes.signs.flatten(1).any(dim=1)
    row_scale = None if planes.row_scale is None else planes.row_scale.cpu()
    # Not a copy of everything where nothing is dropped.
    signs, mu = (planes.signs, planes.mu) if keep.all() else (planes.signs[keep], planes.mu[keep])
    return RealPlanes(signs.cpu(), mu.cpu(), row_scale)


def _bias(module: QuantizedLayer) -> Reals:
    return np.zeros(module.weight_shape[0]) if module.bias is None else reals(module.bias)


def _check_exact(name: str, largest: int) -> None:
    if largest >= EXACT_FLOAT32:
        raise RangeError(
            f"accumulators of layer {name!r} must stay below {EXACT_FLOAT32} (2^24) to be exact in float32, "
            f"but can reach {largest}; use fewer input bits, fewer inputs or a larger scale_error"
        )
