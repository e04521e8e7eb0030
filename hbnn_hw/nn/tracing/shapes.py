"""What moves, frames and leaves out values, and what does nothing in evaluation."""

from __future__ import annotations

from math import prod

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.tracing.program import Call, Ref, Shape
from hbnn_hw.nn.tracing.walk import Refused, Walk

END = 2**63 - 1
"""The end of a slice that has none."""


def add_reshape(walk: Walk, call: Call) -> str:
    """Make flattening and unflattening of any view that keeps every sample apart.

    Shapes decide, not arguments: those may hold the size of the batch.
    """
    ref = walk.tensor(call, "self" if "self" in call.arguments else "input")
    before, after = walk.shape(ref), walk.output_form(call).shape
    value = walk.value(ref)
    if not after or before[:1] != after[:1]:
        raise _mixes(before, after)
    old, new = walk.sides(before), walk.sides(after)
    if prod(old) != prod(new):
        raise _mixes(before, after)
    if old == new:
        return value
    if len(new) == 1:
        return walk.apply(call, "flatten", {"start_dim": 1, "end_dim": -1}, [value])
    if len(old) == 1:
        return walk.apply(call, "unflatten", {"dim": 1, "unflattened_size": [*new]}, [value])
    return _regroup(walk, call, value, old, new)


def _mixes(before: Shape, after: Shape) -> Refused:
    return Refused(
        f"it must keep the batch, which {before} to {after} does not; write x.shape[0] or -1 for its size"
    )


def _regroup(walk: Walk, call: Call, value: str, old: tuple[int, ...], new: tuple[int, ...]) -> str:
    """Merge or split the dimensions that differ; all of them if it is not one group."""
    front = 0
    while front < min(len(old), len(new)) - 1 and old[front] == new[front]:
        front += 1
    back = 0
    while back < min(len(old), len(new)) - 1 - front and old[-1 - back] == new[-1 - back]:
        back += 1
    if len(new) - front - back == 1:
        return walk.apply(call, "flatten", {"start_dim": 1 + front, "end_dim": len(old) - back}, [value])
    split = new[front : len(new) - back]
    if len(old) - front - back == 1:
        return walk.apply(call, "unflatten", {"dim": 1 + front, "unflattened_size": [*split]}, [value])
    flat = walk.apply(call, "flatten", {"start_dim": 1, "end_dim": -1}, [value], part="flatten")
    return walk.apply(call, "unflatten", {"dim": 1, "unflattened_size": [*new]}, [flat], part="unflatten")


def skip(walk: Walk, call: Call) -> str:
    """Drop what does nothing."""
    name = "self" if "self" in call.arguments else "input"
    return walk.value(walk.tensor(call, name))


def skip_dropout(walk: Walk, call: Call) -> str:
    """Drop a dropout, which does nothing in evaluation."""
    if walk.flag(call, "train", True):
        raise Refused("it drops values; call model.eval() before the export")
    return skip(walk, call)


ENCODERS = {"bit_plane_input", "threshold_input", "thermometer_input"}
"""Kinds of layers that make float32 of whatever they read."""


def add_conversion(walk: Walk, call: Call) -> str:
    """Drop a conversion to the same dtype, or of integer codes before an input layer."""
    ref = walk.tensor(call, "self")
    before, after = walk.dtype(ref), walk.output_form(call).dtype
    if before == after or _only_encoders_read(walk, call):
        return walk.value(ref)
    if before.is_floating_point or not after.is_floating_point:
        raise Refused(f"it converts {before} to {after}; values must stay float32 from the input layer on")
    return walk.apply(call, "scale", {"factor": 1.0, "offset": 0.0}, [walk.value(ref)])


def _only_encoders_read(walk: Walk, call: Call) -> bool:
    readers = [other for other in walk.program.calls if Ref(call.name) in other.arguments.values()]
    return bool(readers) and all(reader.arguments.get("kind") in ENCODERS for reader in readers)


def add_pad(walk: Walk, call: Call) -> str:
    """Make a frame of a constant padding."""
    if call.arguments.get("mode", "constant") != "constant":
        raise Refused("it must pad with a constant; other modes have no hardware form")
    ref = walk.tensor(call, "self")
    sizes = walk.integers(call, "pad")
    value = 0.0 if call.arguments.get("value") is None else walk.number(call, "value")
    rank = walk.rank(ref)
    if rank not in (3, 4) or len(sizes) % 2 or len(sizes) > 2 * (rank - 1) or any(size < 0 for size in sizes):
        raise Refused(f"it must add to rows, columns or channels of an image, not pad by {sizes}")
    pairs = [(sizes[i], sizes[i + 1]) for i in range(0, len(sizes), 2)]
    pairs += [(0, 0)] * (rank - 1 - len(pairs))
    rows = pairs[1] if rank == 4 else (0, 0)
    if not any(sizes):
        return walk.value(ref)
    fields: dict[str, Plain] = {"padding": [*rows, *pairs[0]], "channels": [*pairs[-1]], "value": value}
    return walk.apply(call, "pad", fields, [walk.value(ref)])


def add_slice(walk: Walk, call: Call) -> str:
    """Drop a slice of everything; leave pixels out for one with a step, together with the slice before."""
    ref = walk.tensor(call, "self")
    shape = walk.shape(ref)
    dim = walk.integer(call, "dim", 0) % max(len(shape), 1)
    step = walk.integer(call, "step", 1)
    _check_whole(walk, call, shape, dim, step)
    value = walk.value(ref)
    if step == 1:
        return value
    stride = [1, step] if dim == len(shape) - 1 else [step, 1]
    last = walk.uses[-1] if walk.uses else None
    joins = last is not None and last.output == value and last.layer.kind == "subsample"
    if last is None or not joins or not walk.has_one_reader(value):
        return walk.apply(call, "subsample", {"stride": [*stride]}, [value], part="subsample")
    before = walk.integers_of(last.layer, "stride")
    return walk.amend_last({"stride": [a * b for a, b in zip(before, stride, strict=True)]})


def _check_whole(walk: Walk, call: Call, shape: Shape, dim: int, step: int) -> None:
    """Refuse a slice that is not from the first to the last."""
    start = 0 if call.arguments.get("start") is None else walk.integer(call, "start")
    end = END if call.arguments.get("end") is None else walk.integer(call, "end")
    size = shape[dim]
    whole = start == 0 and (end == END or (size is not None and end >= size))
    if not whole:
        raise Refused(
            f"it cuts out a part of dimension {dim}; only a step over whole rows and columns is known"
        )
    if step != 1 and (dim < 2 or len(shape) not in (3, 4)):
        raise Refused(f"it leaves out every other of dimension {dim}; only rows and columns can be left out")
