"""What each module of a deployed network becomes in the IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.capture.order import Order
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.deployed import DeployedAffine, DeployedConv2d, DeployedLinear
from hbnn_hw.nn.deployed_scale import (
    DeployedPiecewiseAffine,
    DeployedQuantizer,
    DeployedRescale,
    DeployedSumPool2d,
)
from hbnn_hw.nn.structure import Add, Concat, Pad
from hbnn_hw.ops import Add as AddOp
from hbnn_hw.ops import (
    Affine,
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Op,
    PiecewiseAffine,
    Quantize,
    Rescale,
    Sign,
    SignOfZero,
    SumPool,
    Unflatten,
)
from hbnn_hw.ops import Concat as ConcatOp
from hbnn_hw.ops import Pad as PadOp
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.windows import ceiling_padding

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a module stands.

    Attributes
    ----------
    source
        Type of its first input.
    order
        Order of the features that it reads; None is PyTorch's.
    """

    source: TensorType
    order: Order | None


Translator: TypeAlias = Callable[[nn.Module, Place], Op]
"""Makes the operator of a module at its place."""


def _encoder(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, BitPlaneInput)
    return EncodeBitPlanes(n_bits=module.bits)


def _unflatten(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, nn.Unflatten)
    assert place.order is None, "images are made of the network's input only"
    channels, rows, columns = (int(extent) for extent in module.unflattened_size)
    return Unflatten(shape=(rows, columns, channels))


def _flatten(module: nn.Module, place: Place) -> Op:
    return Flatten()


def _dense(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedLinear)
    bits, mask = (_permuted(planes.numpy(), place.order) for planes in (module.bits, module.mask))
    return Dense(weights=_weights(bits, mask, module, place.order))


def _weights(
    bits: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    module: DeployedLinear | DeployedConv2d,
    column_order: NDArray[np.int64] | None,
) -> WeightPlanes:
    """Pack planes (planes, out, columns), with the form that they are stored in, if they have one."""
    shared = module.coefficients if isinstance(module.coefficients, tuple) else None
    by_row = module.coefficients if isinstance(module.coefficients, np.ndarray) else None
    weights = WeightPlanes.from_bits(bits, mask, shared, by_row)
    stored = module.stored
    if stored is None:
        return weights
    return weights.with_encoding(stored.encoded, stored.matrices, stored.layout, column_order)


def _convolution(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedConv2d)
    bits, mask = (_kernel_columns(planes.numpy()) for planes in (module.bits, module.mask))
    order = None
    if module.stored is not None:
        channels = module.in_channels // module.groups
        order = np.moveaxis(module.stored.layout.order.columns(channels, *module.kernel_size), 0, -1).ravel()
    return Convolution(
        weights=_weights(bits, mask, module, order),
        kernel=module.kernel_size,
        stride=module.stride,
        padding=module.frame,
        border=module.border,
        groups=module.groups,
        dilation=module.dilation,
    )


def _kernel_columns(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Flatten kernels (planes, out, in, height, width) with the input channels innermost."""
    return np.moveaxis(planes, 2, -1).reshape(*planes.shape[:2], -1)


def _max_pool(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, nn.MaxPool2d)
    vertical, horizontal = _pair(module.padding)
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    padding: tuple[int, ...] = (vertical, vertical, horizontal, horizontal)
    if module.ceil_mode:
        rows, columns, _ = place.source.shape
        padding = ceiling_padding((rows, columns), kernel, stride, padding)
    return MaxPool(kernel=kernel, stride=stride, padding=padding)


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _sum_pool(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedSumPool2d)
    vertical, horizontal = module.padding
    return SumPool(
        kernel=module.kernel_size,
        stride=module.stride,
        padding=(vertical, vertical, horizontal, horizontal),
    )


def _add(module: nn.Module, place: Place) -> Op:
    return AddOp()


def _concat(module: nn.Module, place: Place) -> Op:
    return ConcatOp()


def _pad(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, Pad)
    return PadOp(padding=module.padding, channels=module.channels, value=int(module.value))


def _piecewise_affine(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedPiecewiseAffine)
    alpha, beta = (_permuted(_constants(values), place.order) for values in (module.alpha, module.beta))
    return PiecewiseAffine(alpha=alpha, beta=beta, knees=_permuted(module.knees.numpy(), place.order))


def _rescale(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedRescale)
    multipliers, offsets, knees = (
        _permuted(values.numpy(), place.order)
        for values in (module.multipliers, module.offsets, module.knees)
    )
    return Rescale(multipliers=multipliers, offsets=offsets, knees=knees, shift=module.shift)


def _quantizer(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedQuantizer)
    return Quantize(
        boundaries=module.boundaries.numpy(),
        inclusive=module.inclusive.numpy(),
        scales=module.scales,
        mask=None if module.mask is None else _mask(module.mask.numpy(), place),
    )


def _mask(mask: NDArray[np.uint8], place: Place) -> NDArray[np.uint8] | None:
    """Spread a map (planes, *first sizes of a sample) over all of a sample, in the IR's order."""
    planes, shape = len(mask), place.source.shape
    if mask.all():
        return None
    if len(shape) == 1:
        return np.ascontiguousarray(_permuted(mask.reshape(planes, -1), place.order))
    rows, columns, channels = shape
    framed = mask.reshape(*mask.shape, *[1] * (4 - mask.ndim))
    spread = np.broadcast_to(framed, (planes, channels, rows, columns))
    return np.ascontiguousarray(np.moveaxis(spread, 1, -1))


def _affine(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, DeployedAffine)
    alpha, beta = (_permuted(_constants(values), place.order) for values in (module.alpha, module.beta))
    return Affine(alpha=alpha, beta=beta)


def _sign(module: nn.Module, place: Place) -> Op:
    assert isinstance(module, SignActivation)
    return Sign(zero=SignOfZero(module.zero))


def _constants(values: Tensor) -> NDArray[np.float32]:
    return values.detach().numpy().astype(np.float32)


def _permuted(values: NDArray[Scalar], order: Order | None) -> NDArray[Scalar]:
    """Bring the last axis, PyTorch's features, into the IR's order."""
    return values if order is None else np.take(values, order, axis=-1)


OPERATORS: Mapping[type[nn.Module], Translator] = MappingProxyType(
    {
        BitPlaneInput: _encoder,
        nn.Unflatten: _unflatten,
        DeployedLinear: _dense,
        DeployedConv2d: _convolution,
        DeployedAffine: _affine,
        SignActivation: _sign,
        nn.MaxPool2d: _max_pool,
        DeployedSumPool2d: _sum_pool,
        DeployedPiecewiseAffine: _piecewise_affine,
        DeployedRescale: _rescale,
        DeployedQuantizer: _quantizer,
        Add: _add,
        Concat: _concat,
        Pad: _pad,
        nn.Flatten: _flatten,
    }
)
"""How to translate every module that a deployed network is made of."""
