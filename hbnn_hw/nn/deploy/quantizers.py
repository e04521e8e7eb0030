"""Activation quantizers: real numbers become the codes that layers with weights read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from hbnn_hw.errors import CaptureError, RangeError
from hbnn_hw.nn.activations import SignActivation
from hbnn_hw.nn.deploy.lines import Lines
from hbnn_hw.nn.deploy.lowering import Layer, Lowering
from hbnn_hw.nn.deploy.stages import Codes, Integers, Value
from hbnn_hw.nn.deployed_scale import DeployedQuantizer
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.uniform_activation import UniformActivation
from hbnn_hw.planes import uniform_scales


def add_sign(lowering: Lowering, layer: Layer) -> Value:
    """Keep a sign, which makes ±1 of reals and of integers."""
    module, value = layer.module, layer.input
    assert isinstance(module, SignActivation)
    stage = value.stage
    if isinstance(stage, Codes):
        raise CaptureError(f"{layer.title} must follow a linear layer or its norm")
    is_plain = isinstance(stage, Integers) and stage.offset == 0
    node = value.node if is_plain else _monotone_reals(lowering, layer)
    return Value(
        lowering.put(layer.name, SignActivation(module.zero), node),
        Integers(scale=1.0, low=-1, high=1, spread=1.0),
        value.shape,
    )


def _monotone_reals(lowering: Lowering, layer: Layer) -> str:
    """Return the twin's layer of reals that rise or fall throughout with the integers that they are of.

    Thresholds exist of such only; what does not is rounded to integers first, and those rise.
    """
    value = layer.input
    if isinstance(value.stage, Lines) and not value.stage.is_monotone:
        return lowering.reals(lowering.integers(layer, value))
    return lowering.reals(value)


def add_hbnn_activation(lowering: Lowering, layer: Layer) -> Value:
    """Give a heterogeneous activation constant boundaries and integer plane scales (HBNN eq. 4-5).

    Its mu becomes a factor times integers, and so do the boundaries, which are sums of mu.
    """
    module, value = layer.module, layer.input
    assert isinstance(module, HbnnActivation)
    lowering.lines(layer, value)
    # A plane of scale 0 adds nothing: what it would have split was exact without it.
    n_planes = min(int(module.bit_map.max()), int((module.mu > 0).sum()))
    if n_planes < 1:
        raise CaptureError(
            f"{layer.title} must have a position with a bit, and a scale above 0; train it, or call "
            "calibrate_activations"
        )
    try:
        scales = lowering.scales(module.mu[:n_planes].tolist())
    except RangeError as error:
        raise CaptureError(f"{layer.title}: {error}") from error
    mu = [scales.factor * c for c in scales.coefficients]
    boundaries = residual_boundaries(mu)
    planes = torch.arange(n_planes, 0, -1).view(-1, *[1] * module.bit_map.dim())
    quantizer = DeployedQuantizer(
        boundaries,
        np.zeros(len(boundaries), dtype=np.bool_),  # sign(0) = -1, as the authors' code has it
        scales.coefficients[::-1],
        (module.bit_map.cpu() >= planes).to(torch.uint8),
    )
    node = lowering.put(layer.name, quantizer, _monotone_reals(lowering, layer))
    bound = sum(scales.coefficients)
    spread = float(np.sqrt(np.sum(np.square(mu))))
    return Value(node, Integers(scale=scales.factor, low=-bound, high=bound, spread=spread), value.shape)


def add_uniform_activation(lowering: Lowering, layer: Layer) -> Value:
    """Turn a uniform quantizer into planes of scales 1, 2, 4 and so on (PACT, DoReFa).

    Bits of the code as ±1 make ``2 · code - (2^bits - 1)``, for codes counted from the lowest: half steps
    with an offset, which goes into the bias of the next layer with weights.
    """
    module, value = layer.module, layer.input
    assert isinstance(module, UniformActivation)
    lowering.lines(layer, value)
    n_codes = 1 << module.bits
    first = module.high + 1 - n_codes
    codes = np.arange(first + 1, module.high + 1)
    # Half-way between two codes the even one is taken; a narrow range never has the first code.
    boundaries = np.where(codes > module.low, module.step_size * (codes - 0.5), -np.inf)
    quantizer = DeployedQuantizer(boundaries, codes % 2 == 0, uniform_scales(module.bits))
    node = lowering.put(layer.name, quantizer, _monotone_reals(lowering, layer))
    largest = n_codes - 1
    stage = Integers(
        scale=module.step_size / 2,
        low=-largest,
        high=largest,
        spread=module.step_size * largest / 2,
        offset=module.step_size * (largest / 2 + first),
    )
    return Value(node, stage, value.shape)


def residual_boundaries(mu: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return where the code of a residual binarization rises, float64 (2**planes - 1,), ascending.

    The sign of each residual splits the interval that the signs before left over, so the signs, first plane
    first, are the digits of the interval's number. A split that would fall outside its interval is moved to
    its end: that sign is then the same throughout.
    """
    edges = [-np.inf, np.inf]
    for depth in range(len(mu)):
        split: list[float] = [edges[0]]
        for index, (low, high) in enumerate(pairwise(edges)):
            signs = [1.0 if index >> (depth - 1 - d) & 1 else -1.0 for d in range(depth)]
            centre = sum(sign * scale for sign, scale in zip(signs, mu, strict=False))
            split += [min(max(centre, low), high), high]
        edges = split
    return np.array(edges[1:-1], dtype=np.float64)
