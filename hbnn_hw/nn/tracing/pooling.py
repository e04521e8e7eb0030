"""Pooling in windows, over the whole image, and as a mean over dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.tracing.program import Call, Ref
from hbnn_hw.nn.tracing.walk import Refused, Walk


def add_max_pool(walk: Walk, call: Call) -> str:
    """Keep a max-pooling."""
    n_sides = _n_sides(call)
    kernel = _sizes(walk, call, "kernel_size", n_sides)
    fields = _window(walk, call, n_sides)
    dilation = _sizes(walk, call, "dilation", n_sides, [1])
    if any(step != 1 for step in dilation):
        fields["dilation"] = _plain(dilation)
    if _ceil_matters(
        walk, call, [step * (side - 1) + 1 for step, side in zip(dilation, kernel, strict=True)]
    ):
        fields["ceil_mode"] = True
    return walk.apply(call, f"maxpool{n_sides}d", fields, [walk.value(walk.tensor(call, "self"))])


def add_avg_pool(walk: Walk, call: Call) -> str:
    """Keep a mean over windows."""
    n_sides = _n_sides(call)
    if call.arguments.get("divisor_override") is not None:
        raise Refused("divisor_override must be None; scale behind the pooling")
    fields = _window(walk, call, n_sides)
    padded = any(_sizes(walk, call, "padding", n_sides, [0]))
    if padded and not walk.flag(call, "count_include_pad", True):
        fields["count_include_pad"] = False
    if _ceil_matters(walk, call, _sizes(walk, call, "kernel_size", n_sides)):
        fields["ceil_mode"] = True
    return walk.apply(call, f"avgpool{n_sides}d", fields, [walk.value(walk.tensor(call, "self"))])


def add_adaptive_pool(walk: Walk, call: Call) -> str:
    """Make a pooling with windows of one size, if the sides are multiples of the asked-for ones."""
    ref = walk.tensor(call, "self")
    sides = _image(walk, ref)
    wanted = walk.integers(call, "output_size")
    if len(wanted) != len(sides) or any(
        asked < 1 or side % asked for side, asked in zip(sides, wanted, strict=False)
    ):
        raise Refused(
            f"the sides {sides} must be multiples of the output's {wanted}, so that all windows are alike"
        )
    window = [side // asked for side, asked in zip(sides, wanted, strict=True)]
    kind = "maxpool" if "max" in call.operator else "avgpool"
    return _pool(walk, call, kind, window, walk.value(ref))


def add_mean(walk: Walk, call: Call) -> str:
    """Make an average pooling of a mean over the image."""
    return _over_image(walk, call, "avgpool")


def add_maximum(walk: Walk, call: Call) -> str:
    """Make a max-pooling of a maximum over the image."""
    return _over_image(walk, call, "maxpool")


def _over_image(walk: Walk, call: Call, kind: str) -> str:
    ref = walk.tensor(call, "self")
    rank = walk.rank(ref)
    dims = {dim % rank for dim in walk.integers(call, "dim")}
    if rank not in (3, 4) or dims != set(range(2, rank)):
        raise Refused(
            f"it reduces the dimensions {sorted(dims)} of {rank}; only all those behind the channels can be"
        )
    pooled = _pool(walk, call, kind, [*walk.sides(walk.shape(ref))[1:]], walk.value(ref))
    if walk.flag(call, "keepdim", False):
        return pooled
    return walk.apply(call, "flatten", {"start_dim": 1, "end_dim": -1}, [pooled], part="flatten")


def _pool(walk: Walk, call: Call, kind: str, window: Sequence[int], value: str) -> str:
    """Pool with windows side by side."""
    if all(side == 1 for side in window):
        return value
    size = _plain(window)
    fields: dict[str, Plain] = {"kernel_size": size, "stride": size, "padding": 0}
    return walk.apply(call, f"{kind}{len(window)}d", fields, [value])


def _window(walk: Walk, call: Call, n_sides: int) -> dict[str, Plain]:
    if walk.rank(walk.tensor(call, "self")) != n_sides + 2:
        raise Refused("its input must have a batch dimension")
    kernel = _sizes(walk, call, "kernel_size", n_sides)
    stride = _sizes(walk, call, "stride", n_sides, kernel) if call.arguments.get("stride") else kernel
    padding = _sizes(walk, call, "padding", n_sides, [0])
    return {"kernel_size": _plain(kernel), "stride": _plain(stride), "padding": _plain(padding)}


def _ceil_matters(walk: Walk, call: Call, kernel: Sequence[int]) -> bool:
    """Whether rounding the number of windows up adds one to those that fit."""
    if not walk.flag(call, "ceil_mode", False):
        return False
    n_sides = len(kernel)
    sides = _image(walk, walk.tensor(call, "self"))
    stride = _sizes(walk, call, "stride", n_sides, kernel) if call.arguments.get("stride") else kernel
    padding = _sizes(walk, call, "padding", n_sides, [0])
    if min(stride) < 1:
        raise Refused(f"its stride must be at least 1, not {list(stride)}")
    spans = [side + 2 * pad - window for side, pad, window in zip(sides, padding, kernel, strict=True)]
    return any(ceil(span / step) != span // step for span, step in zip(spans, stride, strict=True))


def _image(walk: Walk, ref: Ref) -> tuple[int, ...]:
    _, *sides = walk.sides(walk.shape(ref)) or (0,)
    if len(sides) not in (1, 2):
        raise Refused("its input must be (batch, channels, height, width) or (batch, channels, length)")
    return tuple(sides)


def _n_sides(call: Call) -> int:
    return 1 if call.operator.endswith("1d") else 2


def _sizes(walk: Walk, call: Call, name: str, n_sides: int, default: Sequence[int] = ()) -> list[int]:
    values = walk.integers(call, name, default)
    if len(values) == 1:
        values = values * n_sides
    if len(values) != n_sides:
        raise Refused(f"its argument {name!r} must be {n_sides} numbers, not {values}")
    return values


def _plain(sizes: Sequence[int]) -> Plain:
    """Return one number where all are alike, as model files have it."""
    return sizes[0] if len(set(sizes)) == 1 else [*sizes]
