"""What each module of a deployed network becomes in the IR."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.capture.order import Order
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.deployed import DeployedAffine, DeployedConv2d, DeployedLinear
from hbnn_hw.ops import (
    Affine,
    Convolution,
    Dense,
    EncodeBitPlanes,
    Flatten,
    MaxPool,
    Op,
    Sign,
    SignOfZero,
    Unflatten,
)
from hbnn_hw.weights import WeightPlanes

Scalar = TypeVar("Scalar", bound=np.generic)

Translator: TypeAlias = Callable[[nn.Module, Order | None], Op]
"""Makes the operator of a module that reads features in a certain order; None is PyTorch's."""


def _encoder(module: nn.Module, order: Order | None) -> Op:
    assert isinstance(module, BitPlaneInput)
    return EncodeBitPlanes(n_bits=module.bits)


def _unflatten(module: nn.Module, order: Order | None) -> Op:
    assert isinstance(module, nn.Unflatten)
    assert order is None, "images are made of the network's input only"
    channels, rows, columns = (int(extent) for extent in module.unflattened_size)
    return Unflatten(shape=(rows, columns, channels))


def _flatten(module: nn.Module, order: Order | None) -> Op:
    return Flatten()


def _dense(module: nn.Module, order: Order | None) -> Op:
    assert isinstance(module, DeployedLinear)
    bits, mask = (_permuted(planes.numpy(), order) for planes in (module.bits, module.mask))
    return Dense(weights=WeightPlanes.from_bits(bits, mask, module.coefficients))


def _convolution(module: nn.Module, order: Order | None) -> Op:
    assert isinstance(module, DeployedConv2d)
    bits, mask = (_kernel_columns(planes.numpy()) for planes in (module.bits, module.mask))
    vertical, horizontal = module.padding
    return Convolution(
        weights=WeightPlanes.from_bits(bits, mask, module.coefficients),
        kernel=module.kernel_size,
        stride=module.stride,
        padding=(vertical, vertical, horizontal, horizontal),
        border=module.border,
        groups=module.groups,
    )


def _kernel_columns(planes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Flatten kernels (planes, out, in, height, width) with the input channels innermost."""
    return np.moveaxis(planes, 2, -1).reshape(*planes.shape[:2], -1)


def _max_pool(module: nn.Module, order: Order | None) -> Op:
    assert isinstance(module, nn.MaxPool2d)
    assert isinstance(module.kernel_size, tuple)
    assert isinstance(module.stride, tuple)
    return MaxPool(kernel=module.kernel_size, stride=module.stride)


def _affine(module: nn.Module, order: Order | None) -> Op:
    assert isinstance(module, DeployedAffine)
    alpha, beta = (_permuted(_constants(values), order) for values in (module.alpha, module.beta))
    return Affine(alpha=alpha, beta=beta)


def _sign(module: nn.Module, order: Order | None) -> Op:
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
        nn.Flatten: _flatten,
    }
)
"""How to translate every module that a deployed network is made of."""
