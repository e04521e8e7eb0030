"""Layers with weights, normalizations, and the layers of ours, which are one call each."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.registry import build_layer
from hbnn_hw.nn.tracing.program import Call, Ref
from hbnn_hw.nn.tracing.walk import Refused, Walk


def add_layer(walk: Walk, call: Call) -> str:
    """Add a layer of ours, as its call describes it."""
    kind, config = (call.arguments.get(name) for name in ("kind", "config"))
    tensors = call.arguments.get("state")
    if not isinstance(config, str) or not isinstance(kind, str) or not isinstance(tensors, list):
        raise Refused("its kind, configuration and state must be text and a list of tensors")
    fields = _fields(config)
    try:
        keys = list(build_layer(kind, kind, fields).state_dict())
    except CheckpointError as error:
        raise Refused(str(error)) from error
    refs = [tensor for tensor in tensors if isinstance(tensor, Ref)]
    if len(refs) != len(keys) or len(refs) != len(tensors):
        raise Refused(f"a layer of kind {kind!r} must have {len(keys)} tensors, not {len(tensors)}")
    state = dict(zip(keys, refs, strict=True))
    return walk.apply(call, kind, fields, [walk.value(walk.tensor(call, "x"))], state=state)


def _fields(config: str) -> dict[str, Plain]:
    try:
        fields = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise Refused(f"its configuration must be JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Refused("its configuration must be a JSON object")
    return fields


def add_linear(walk: Walk, call: Call) -> str:
    """Keep a float linear layer."""
    weight = walk.tensor(call, "weight")
    out_features, in_features = _sizes(walk, weight, 2)
    fields: dict[str, Plain] = {"in_features": in_features, "out_features": out_features}
    state = _with_bias(walk, call, {"weight": weight})
    return walk.apply(call, "linear", fields | {"bias": "bias" in state}, _input(walk, call), state=state)


def add_convolution(walk: Walk, call: Call) -> str:
    """Keep a float convolution; padding "same" that is not symmetric becomes a frame before it."""
    n_sides = 1 if call.operator == "aten.conv1d" else 2
    weight = walk.tensor(call, "weight")
    out_channels, in_channels, *kernel = _sizes(walk, weight, n_sides + 2)
    if walk.rank(walk.tensor(call, "input")) != n_sides + 2:
        raise Refused("its input must have a batch dimension")
    stride, dilation = (_each(walk, call, name, n_sides) for name in ("stride", "dilation"))
    inputs = _input(walk, call)
    padding, frame = _padding(walk, call, kernel, dilation)
    if any(frame):
        described: dict[str, Plain] = {"padding": [*frame], "channels": [0, 0], "value": 0.0}
        inputs = [walk.apply(call, "pad", described, inputs, part="pad")]
    groups = walk.integer(call, "groups", 1)
    state = _with_bias(walk, call, {"weight": weight})
    fields: dict[str, Plain] = {
        "in_channels": in_channels * groups,
        "out_channels": out_channels,
        "kernel_size": [*kernel],
        "stride": [*stride],
        "padding": [*padding],
        "groups": groups,
        "bias": "bias" in state,
    }
    if any(step != 1 for step in dilation):
        fields["dilation"] = [*dilation]
    return walk.apply(call, f"conv{n_sides}d", fields, inputs, state=state)


def _padding(
    walk: Walk, call: Call, kernel: list[int], dilation: list[int]
) -> tuple[list[int], tuple[int, int, int, int]]:
    """Return a convolution's own padding, and the frame (top, bottom, left, right) to put before it."""
    none = (0, 0, 0, 0)
    value = call.arguments.get("padding")
    if value == "valid":
        return [0] * len(kernel), none
    if value != "same":
        return _each(walk, call, "padding", len(kernel), default=0), none
    totals = [step * (side - 1) for step, side in zip(dilation, kernel, strict=True)]
    # As PyTorch does it: an odd pixel stands behind.
    bottom, right = [0] * (2 - len(totals)) + [total % 2 for total in totals]
    return [total // 2 for total in totals], (0, bottom, 0, right)


def add_batch_norm(walk: Walk, call: Call) -> str:
    """Keep a batch normalization that uses running statistics."""
    if walk.flag(call, "training", False):
        raise Refused("it normalizes by the batch; call model.eval(), and keep track_running_stats=True")
    mean = walk.tensor(call, "running_mean")
    state: dict[str, Ref] = {}
    for key in ("weight", "bias"):
        if (ref := walk.optional_tensor(call, key)) is not None:
            state[key] = ref
    if len(state) == 1:
        raise Refused("it must have both weight and bias, or neither")
    state |= {"running_mean": mean, "running_var": walk.tensor(call, "running_var")}
    (features,) = _sizes(walk, mean, 1)
    fields: dict[str, Plain] = {
        "num_features": features,
        "eps": walk.number(call, "eps"),
        "momentum": walk.number(call, "momentum"),
        "affine": "weight" in state,
    }
    ref = walk.tensor(call, "input")
    rank = walk.rank(ref)
    if rank not in (2, 3, 4):
        raise Refused(f"its input must have 2 to 4 dimensions, not {rank}")
    kind = "batchnorm2d" if rank == 4 else "batchnorm1d"
    return walk.apply(call, kind, fields, [walk.value(ref)], state=state)


def add_prelu(walk: Walk, call: Call) -> str:
    """Keep a PReLU."""
    weight = walk.tensor(call, "weight")
    (n_parameters,) = _sizes(walk, weight, 1)
    inputs = [walk.value(walk.tensor(call, "self"))]
    return walk.apply(call, "prelu", {"num_parameters": n_parameters}, inputs, state={"weight": weight})


def _input(walk: Walk, call: Call) -> list[str]:
    return [walk.value(walk.tensor(call, "input"))]


def _with_bias(walk: Walk, call: Call, state: Mapping[str, Ref]) -> dict[str, Ref]:
    bias = walk.optional_tensor(call, "bias")
    return dict(state) if bias is None else {**state, "bias": bias}


def _sizes(walk: Walk, weight: Ref, rank: int) -> list[int]:
    """Return the shape of a parameter, which must have ``rank`` dimensions."""
    shape = walk.program.tensors[walk.state_name(weight)].shape
    if len(shape) != rank:
        raise Refused(f"its weights must have {rank} dimensions, not {len(shape)}")
    return list(shape)


def _each(walk: Walk, call: Call, name: str, n_sides: int, default: int = 1) -> list[int]:
    """Return a number for each side; one alone is meant for all."""
    values = walk.integers(call, name, [default])
    if len(values) == 1:
        values = values * n_sides
    if len(values) != n_sides:
        raise Refused(f"its argument {name!r} must be {n_sides} numbers, not {values}")
    return values
