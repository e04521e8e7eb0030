"""Layers with weights: their planes with integer scales, and the proof that their sums are exact."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hbnn_hw.errors import CaptureError, RangeError, ShapeError
from hbnn_hw.nn.conv import Padding, QuantizedConv
from hbnn_hw.nn.deploy.lines import Lines, Reals
from hbnn_hw.nn.deploy.lowering import Layer, Lowering, reals, title
from hbnn_hw.nn.deploy.stages import Codes, Integers, Value
from hbnn_hw.nn.deployed import EXACT_FLOAT32, LARGEST_ACCUMULATOR, DeployedConv2d, DeployedLinear, StoredForm
from hbnn_hw.nn.flexor import FlexorWeights
from hbnn_hw.nn.latent import QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.windows import output_sides

Coefficients: TypeAlias = "tuple[int, ...] | NDArray[np.int64]"
"""One for each plane, or int64 (planes, out)."""

_BORDERS = {Padding.MASKED: 0.0, Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}
"""Real value of the border; nothing else than 0 leaves a sum."""


def add_linear(lowering: Lowering, layer: Layer) -> Value:
    """Turn a quantized linear layer into one over integers."""
    module, value = layer.module, layer.input
    assert isinstance(module, QuantizedLinear)
    stage = _integers(layer)
    if value.image is not None:
        raise CaptureError(f"{layer.title} must read vectors; put nn.Flatten() before it")
    if value.shape not in (None, (module.in_features,)):
        (features,) = value.shape or ()
        raise ShapeError(f"{layer.title} must have {features} inputs, not {module.in_features}")
    bits, mask, coefficients, scale = _integer_planes(layer, lowering)
    linear = DeployedLinear(bits, mask, coefficients)
    largest = linear.largest_accumulator(stage.bound)
    _check_exact(layer.name, largest)
    linear.wide, linear.stored = largest >= EXACT_FLOAT32, _stored_form(module)
    node = lowering.put(layer.name, linear, value.node)
    sums = _sums(module, stage, scale, linear.weight, largest)
    return Value(node, sums, (module.out_features,))


def add_convolution(lowering: Lowering, layer: Layer) -> Value:
    """Turn a quantized convolution into one over integers."""
    module, value = layer.module, layer.input
    assert isinstance(module, QuantizedConv)
    stage = _integers(layer)
    sides = _output_sides(layer)
    bits, mask, coefficients, scale = _integer_planes(layer, lowering)
    if module.n_dimensions == 1:
        bits, mask = bits.unsqueeze(-2), mask.unsqueeze(-2)  # a sequence is an image of one row
    # The same function with all scales positive, so that integers rise with what they stand for: the
    # largest of several real sums is then the largest integer, whatever is pooled before the norm.
    falling = torch.from_numpy(scale < 0).view(1, -1, 1, 1, 1)
    convolution = DeployedConv2d(
        torch.where(falling, mask - bits, bits),
        mask,
        coefficients,
        stride=module.window.stride,
        dilation=module.window.dilation,
        frame=module.frame,
        border=_border(layer.name, module, stage),
        groups=module.groups,
    )
    largest = convolution.largest_accumulator(stage.bound)
    _check_exact(layer.name, largest)
    convolution.wide, convolution.stored = largest >= EXACT_FLOAT32, _stored_form(module)
    node = lowering.put(layer.name, convolution, value.node)
    sums = _sums(module, stage, np.abs(scale), convolution.weight, largest)
    return Value(node, sums, (module.out_channels, *sides))


def _integers(layer: Layer) -> Integers:
    """Return the stage that a layer with weights needs; raise CaptureError at any other."""
    stage = layer.input.stage
    if isinstance(stage, Codes):
        raise CaptureError(f"{layer.title} must read integers; begin the network with BitPlaneInput(bits)")
    if not isinstance(stage, Integers):
        raise CaptureError(f"{layer.title} must read ±1; put a SignActivation before it")
    return stage


def _sums(module: QuantizedLayer, stage: Integers, scale: Reals, weight: Tensor, largest: int) -> Lines:
    """Say what sums of integers stand for, with the layer's bias and the offset of its inputs."""
    step = scale * stage.scale
    rows = weight.flatten(1).double()
    offset = _bias(module) + scale * stage.offset * reals(rows.sum(dim=1))
    spread = np.abs(scale) * stage.spread * np.sqrt(reals(rows.square().sum(dim=1)))
    return Lines.straight(step, offset, (-largest, largest), spread)


def _output_sides(layer: Layer) -> tuple[int, int]:
    module, image = layer.module, layer.input.image
    assert isinstance(module, QuantizedConv)
    if image is None:
        raise CaptureError(
            f"{layer.title} must read images; put nn.Unflatten(1, (channels, rows, columns)) at the "
            "beginning of the network"
        )
    channels, *sides = image
    if channels != module.in_channels:
        raise ShapeError(f"{layer.title} must have {channels} channels, not {module.in_channels}")
    (rows, columns), window = sides, module.window
    try:
        return output_sides((rows, columns), window.kernel, window.stride, window.frame, window.dilation)
    except ShapeError as error:
        raise ShapeError(f"{layer.title}: {error}") from error


def _border(name: str, module: QuantizedConv, stage: Integers) -> int:
    """Return the border on the scale of the integers that the layer reads.

    Next to pixels of b bits, which are odd multiples of 2^-b, a border of -1 is -2^b: one step beyond the
    darkest pixel. It is no code, but an integer like any other.
    """
    if not any(module.frame) or module.padding_value is None:
        return 0
    real = _BORDERS[module.padding_value]
    border = (real - stage.offset) / stage.scale
    if not math.isclose(border, round(border), rel_tol=1e-12, abs_tol=1e-12):
        raise CaptureError(
            f"the border of {title(name, module)} must be a whole number of the steps of {stage.scale:g} "
            f"between its inputs, not {real:+g}; use Padding.MASKED"
        )
    return round(border)


def _integer_planes(layer: Layer, lowering: Lowering) -> tuple[Tensor, Tensor, Coefficients, Reals]:
    """Return bits and mask, uint8 (planes, out, ...), coefficients, and float64 (out,): one step's value."""
    module = layer.module
    assert isinstance(module, QuantizedLayer)
    try:
        planes = _inhabited(module.planes())
        if planes.mu.numel() == 0:
            raise CaptureError("the layer must have at least one weight with a bit")
        coefficients, scale = _integer_scales(planes, lowering)
    except (CaptureError, RangeError) as error:
        raise CaptureError(f"{layer.title}: {error}") from error
    bits = (planes.signs > 0).to(torch.uint8)
    mask = (planes.signs != 0).to(torch.uint8)
    rows = np.ones(module.weight_shape[0]) if planes.row_scale is None else reals(planes.row_scale)
    return bits, mask, coefficients, rows * scale


def _integer_scales(planes: RealPlanes, lowering: Lowering) -> tuple[Coefficients, Reals]:
    """Return the integer coefficients of the planes, and what one step of them is worth in each row."""
    if planes.plane_row_scale is None:
        scales = lowering.scales(planes.mu.tolist())
        return scales.coefficients, np.array(scales.factor)
    found = [_row_scales(row, lowering) for row in planes.plane_row_scale.T.tolist()]
    table = np.array([coefficients for coefficients, _ in found], dtype=np.int64).T
    return np.ascontiguousarray(table), np.array([factor for _, factor in found])


def _row_scales(mu: list[float], lowering: Lowering) -> tuple[tuple[int, ...], float]:
    """Return one row's coefficients and their factor; planes without a scale get 0."""
    present = [m for m in mu if m != 0]
    if not present:
        return (0,) * len(mu), 1.0
    scales = lowering.scales(present)
    remaining = iter(scales.coefficients)
    return tuple(next(remaining) if m != 0 else 0 for m in mu), scales.factor


def _stored_form(module: QuantizedLayer) -> StoredForm | None:
    if not isinstance(module, FlexorWeights):
        return None
    return StoredForm(module.encoded_bits(), module.matrix.cpu().numpy(), module.layout)


def _inhabited(planes: RealPlanes) -> RealPlanes:
    """Drop planes that no entry has, as small layers do not fill every share of a distribution."""
    keep = planes.signs.flatten(1).any(dim=1)
    row_scale = None if planes.row_scale is None else planes.row_scale.cpu()
    # Not a copy of everything where nothing is dropped.
    signs, mu = (planes.signs, planes.mu) if keep.all() else (planes.signs[keep], planes.mu[keep])
    plane_row_scale = None if planes.plane_row_scale is None else planes.plane_row_scale.cpu()
    return RealPlanes(signs.cpu(), mu.cpu(), row_scale, plane_row_scale)


def _bias(module: QuantizedLayer) -> Reals:
    return np.zeros(module.weight_shape[0]) if module.bias is None else reals(module.bias)


def _check_exact(name: str, largest: int) -> None:
    if largest >= LARGEST_ACCUMULATOR:
        raise RangeError(
            f"accumulators of layer {name!r} must stay below {LARGEST_ACCUMULATOR} (2^29), so that their "
            f"product with a float32 is exact in float64, but can reach {largest}; use fewer input bits, "
            "fewer inputs or a larger scale_error"
        )
