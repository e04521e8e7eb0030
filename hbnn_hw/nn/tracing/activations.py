"""Activation functions that quantizers are made of."""

from __future__ import annotations

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.tracing.program import Call
from hbnn_hw.nn.tracing.walk import Refused, Walk


def add_relu(walk: Walk, call: Call) -> str:
    """Keep a ReLU."""
    return _apply(walk, call, "relu", {})


def add_relu6(walk: Walk, call: Call) -> str:
    """Keep a ReLU6."""
    return _apply(walk, call, "relu6", {})


def add_leaky_relu(walk: Walk, call: Call) -> str:
    """Keep a leaky ReLU."""
    return _apply(walk, call, "leaky_relu", {"negative_slope": walk.number(call, "negative_slope", 0.01)})


def add_hardtanh(walk: Walk, call: Call) -> str:
    """Keep a clipping between two bounds."""
    return _clip(walk, call, walk.number(call, "min_val", -1.0), walk.number(call, "max_val", 1.0))


def add_clamp(walk: Walk, call: Call) -> str:
    """Make a clipping, or a ReLU, of a clamp."""
    low, high = (call.arguments.get(name) for name in ("min", "max"))
    if high is None and low == 0:
        return add_relu(walk, call)
    if low is None or high is None:
        raise Refused("clamp must have both bounds, or min=0 alone, which is nn.ReLU")
    return _clip(walk, call, walk.number(call, "min"), walk.number(call, "max"))


def _clip(walk: Walk, call: Call, low: float, high: float) -> str:
    if not low < high:
        raise Refused(f"its bounds must ascend, not {low} to {high}")
    return _apply(walk, call, "hardtanh", {"min_val": low, "max_val": high})


def _apply(walk: Walk, call: Call, kind: str, fields: dict[str, Plain]) -> str:
    return walk.apply(call, kind, fields, [walk.value(walk.tensor(call, "self"))])
