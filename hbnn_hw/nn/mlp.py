"""Multilayer perceptrons in the shape that deploys: quantized linear, norm, sign, over and over."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import Enum
from typing import TypeAlias

from torch import nn

from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.binary import BinaryLinear
from hbnn_hw.nn.bit_map import Distribution
from hbnn_hw.nn.encoders import ThermometerInput, ThresholdInput
from hbnn_hw.nn.flexor import FlexorLinear
from hbnn_hw.nn.hbnn import DEFAULT_DISTRIBUTION, HbnnLinear
from hbnn_hw.nn.metadata import Method
from hbnn_hw.nn.norms import OutputScale
from hbnn_hw.nn.slb import SlbLinear
from hbnn_hw.nn.state_batchnorm import StateBatchNorm1d
from hbnn_hw.nn.xor_matrix import XorScheme


class Output(Enum):
    """What stands behind the output layer."""

    SCALE = "scale"
    BATCHNORM = "batchnorm"


class Norm(Enum):
    """Which batch normalization stands behind the hidden layers: the plain one, or SLB's with two states."""

    BATCH = "batch"
    STATE = "state"


DEFAULT_XOR_SCHEME = XorScheme()
"""8 stored bits for 10 weights, two taps: 0.8 bits per weight."""

InputEncoder: TypeAlias = BitPlaneInput | ThresholdInput | ThermometerInput
"""What may stand before the first linear layer."""

_NORMS: dict[Norm, Callable[[int], nn.Module]] = {Norm.BATCH: nn.BatchNorm1d, Norm.STATE: StateBatchNorm1d}


def mlp(
    method: Method,
    input_bits: int,
    widths: Sequence[int],
    *,
    encoder: InputEncoder | None = None,
    distribution: Distribution = DEFAULT_DISTRIBUTION,
    output: Output = Output.SCALE,
    norm: Norm = Norm.BATCH,
    slb_bits: int = 1,
    xor_scheme: XorScheme = DEFAULT_XOR_SCHEME,
) -> nn.Sequential:
    """Build an untrained multilayer perceptron.

    Parameters
    ----------
    method
        BNN: binary weights, sign(0) = +1. HBNN: heterogeneous weights, sign(0) = -1. SLB and FLEXOR:
        searched and decoded weights, sign(0) = +1. FLOAT: the baseline with float weights and Hardtanh in
        the sign's place.
    input_bits
        Width of the input codes; of no effect with an ``encoder``, which takes any.
    widths
        Features of input, hidden layers and output: at least two numbers. The input counts before encoding:
        behind a thermometer the first linear layer has ``widths[0] · levels`` inputs.
    encoder
        The first layer, thresholds set; None for ``BitPlaneInput(input_bits)``.
    distribution
        Bitwidths of an HBNN.
    output
        What stands behind the last layer.
    norm
        What stands behind the hidden layers.
    slb_bits
        Bits per weight of SLB.
    xor_scheme
        The XOR matrix of FleXOR, shared by all layers.

    Returns
    -------
    nn.Sequential
        Children ``input``, then for layer i = 1, 2, ...: ``fc<i>``, ``norm<i>``, ``act<i>``; the last has
        ``scale`` or ``norm<i>`` only. Input (batch, widths[0]) codes, output (batch, widths[-1]) logits.

    Raises
    ------
    ValueError
        If there are fewer than two widths, the method is not one of the five, or a thermometer has another
        number of features than ``widths[0]``.
    """
    if len(widths) < 2:
        raise ValueError(f"a perceptron must have at least 2 widths (input and output), not {list(widths)}")
    linear, activation = _layer_makers(method, distribution, slb_bits, xor_scheme)
    first = BitPlaneInput(input_bits) if encoder is None else encoder
    layers: OrderedDict[str, nn.Module] = OrderedDict(input=first)
    widths = (_encoded_width(first, widths[0]), *widths[1:])
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths), start=1):
        layers[f"fc{i}"] = linear(fan_in, fan_out)
        if i < len(widths) - 1:
            layers[f"norm{i}"] = _NORMS[norm](fan_out)
            layers[f"act{i}"] = activation()
    name, module = _output(output, norm, widths)
    layers[name] = module
    return nn.Sequential(layers)


def _encoded_width(encoder: InputEncoder, features: int) -> int:
    if not isinstance(encoder, ThermometerInput):
        return features
    if encoder.features != features:
        raise ValueError(
            f"a thermometer of {encoder.features} features must stand before widths[0] = {encoder.features}, "
            f"not {features}"
        )
    return features * encoder.levels


def _output(output: Output, norm: Norm, widths: Sequence[int]) -> tuple[str, nn.Module]:
    if output is Output.BATCHNORM:
        return f"norm{len(widths) - 1}", _NORMS[norm](widths[-1])
    return "scale", OutputScale(1.0 / math.sqrt(widths[-2]))


def _layer_makers(
    method: Method, distribution: Distribution, slb_bits: int, xor_scheme: XorScheme
) -> tuple[Callable[[int, int], nn.Module], Callable[[], nn.Module]]:
    if method is Method.BNN:
        return BinaryLinear, SignActivation
    if method is Method.HBNN:
        return lambda n, m: HbnnLinear(n, m, distribution=distribution), lambda: SignActivation(zero=-1)
    if method is Method.SLB:
        return lambda n, m: SlbLinear(n, m, bits=slb_bits), SignActivation
    if method is Method.FLEXOR:
        return lambda n, m: FlexorLinear(n, m, **asdict(xor_scheme)), SignActivation
    if method is Method.FLOAT:
        # Same initial weights as the quantized layers' latent ones, torch's own default otherwise.
        return lambda n, m: nn.Linear(n, m, bias=False), nn.Hardtanh
    raise ValueError(f"a perceptron can be built for BNN, HBNN, SLB, FLEXOR or FLOAT, not {method}")
