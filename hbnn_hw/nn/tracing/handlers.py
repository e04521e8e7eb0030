"""What becomes of every operator of a traced program, and what is said of those that become nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from hbnn_hw.nn.tracing.activations import add_clamp, add_hardtanh, add_leaky_relu, add_relu, add_relu6
from hbnn_hw.nn.tracing.arithmetic import (
    add_concatenation,
    add_difference,
    add_negation,
    add_product,
    add_quotient,
    add_reversed_difference,
    add_sum,
)
from hbnn_hw.nn.tracing.layers import add_batch_norm, add_convolution, add_layer, add_linear, add_prelu
from hbnn_hw.nn.tracing.pooling import add_adaptive_pool, add_avg_pool, add_max_pool, add_maximum, add_mean
from hbnn_hw.nn.tracing.program import Call
from hbnn_hw.nn.tracing.shapes import add_conversion, add_pad, add_reshape, add_slice, skip, skip_dropout
from hbnn_hw.nn.tracing.walk import Walk

Handler: TypeAlias = Callable[[Walk, Call], str]
"""Applies the layers that a call stands for; returns the name of the value that they make."""

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "hbnn_hw.layer": add_layer,
        "aten.linear": add_linear,
        "aten.conv1d": add_convolution,
        "aten.conv2d": add_convolution,
        "aten.batch_norm": add_batch_norm,
        "aten.relu": add_relu,
        "aten.relu6": add_relu6,
        "aten.hardtanh": add_hardtanh,
        "aten.clamp": add_clamp,
        "aten.clamp_min": add_clamp,
        "aten.leaky_relu": add_leaky_relu,
        "aten.prelu": add_prelu,
        "aten.max_pool1d": add_max_pool,
        "aten.max_pool2d": add_max_pool,
        "aten.avg_pool1d": add_avg_pool,
        "aten.avg_pool2d": add_avg_pool,
        "aten.adaptive_avg_pool1d": add_adaptive_pool,
        "aten.adaptive_avg_pool2d": add_adaptive_pool,
        "aten.adaptive_max_pool1d": add_adaptive_pool,
        "aten.adaptive_max_pool2d": add_adaptive_pool,
        "aten.mean": add_mean,
        "aten.amax": add_maximum,
        "aten.add": add_sum,
        "aten.sub": add_difference,
        "aten.rsub": add_reversed_difference,
        "aten.mul": add_product,
        "aten.div": add_quotient,
        "aten.neg": add_negation,
        "aten.cat": add_concatenation,
        "aten.flatten": add_reshape,
        "aten.view": add_reshape,
        "aten._unsafe_view": add_reshape,
        "aten.reshape": add_reshape,
        "aten.squeeze": add_reshape,
        "aten.unsqueeze": add_reshape,
        "aten.unflatten": add_reshape,
        "aten.pad": add_pad,
        "aten.constant_pad_nd": add_pad,
        "aten.slice": add_slice,
        "aten.dropout": skip_dropout,
        "aten.feature_dropout": skip_dropout,
        "aten.alpha_dropout": skip_dropout,
        "aten.feature_alpha_dropout": skip_dropout,
        "aten.to": add_conversion,
        "aten._to_copy": add_conversion,
        "aten.contiguous": skip,
        "aten.clone": skip,
        "aten.detach": skip,
        "aten.alias": skip,
        "aten.lift_fresh_copy": skip,
    }
)
"""By operator."""

VIEWS = frozenset({
    "aten.flatten", "aten.view", "aten.reshape", "aten.squeeze", "aten.unsqueeze", "aten.unflatten",
    "aten.slice", "aten.dropout", "aten.feature_dropout", "aten.alpha_dropout", "aten.feature_alpha_dropout",
    "aten.to", "aten.contiguous", "aten.detach", "aten.alias",
})  # fmt: skip
"""Operators whose output may share memory with their input."""

_DECOMPOSED = (
    "the program was decomposed: save torch.export.export(model.eval(), (x,)) without run_decompositions()"
)
_NORM = "use nn.BatchNorm2d: statistics of each sample need arithmetic that hardware does not have"
_ACTIVATION = "use SignActivation, HbnnActivation, nn.Hardtanh or nn.ReLU"
_TRANSPOSED = "upsample before the network, or leave the layer out"
_CONSTANT = "it makes a constant tensor; use a Python number"
_ORDER = "keep channels in dimension 1 and samples apart"

REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "aten.convolution",
                "aten.addmm",
                "aten.mm",
                "aten._native_batch_norm_legit_no_training",
                "aten.max_pool2d_with_indices",
                "aten._adaptive_avg_pool2d",
            ),
            _DECOMPOSED,
        ),
        **dict.fromkeys(("aten.layer_norm", "aten.group_norm", "aten.instance_norm", "aten.rms_norm"), _NORM),
        **dict.fromkeys(
            (
                "aten.sigmoid",
                "aten.tanh",
                "aten.gelu",
                "aten.silu",
                "aten.elu",
                "aten.selu",
                "aten.hardswish",
                "aten.hardsigmoid",
                "aten.softplus",
                "aten.sign",
                "aten.mish",
            ),
            _ACTIVATION,
        ),
        **dict.fromkeys(
            ("aten.softmax", "aten.log_softmax"), "leave it out: the largest logit stays the largest"
        ),
        **dict.fromkeys(("aten.permute", "aten.transpose", "aten.t", "aten.select", "aten.index"), _ORDER),
        **dict.fromkeys(
            ("aten.conv_transpose1d", "aten.conv_transpose2d", "aten.upsample_nearest2d"), _TRANSPOSED
        ),
        **dict.fromkeys(
            ("aten.ones", "aten.zeros", "aten.full", "aten.arange", "aten.rand", "aten.randn"), _CONSTANT
        ),
        "aten.conv3d": "use nn.Conv2d or nn.Conv1d",
        "aten.matmul": "use nn.Linear or a quantized one",
        "aten.stack": "use torch.cat along dim=1",
        "aten.split": "use two layers that read the whole value",
        "aten.chunk": "use two layers that read the whole value",
    }
)
"""By operator: what to do."""


def refusal(operator: str) -> str:
    """Say that an operator is not supported, and what to do."""
    return f"it is not supported; {REMEDIES.get(operator, 'see the table of operations in docs/capture.md')}"
