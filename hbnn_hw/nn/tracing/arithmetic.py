"""Sums of values, values and numbers, and concatenations."""

from __future__ import annotations

from hbnn_hw.nn.latent import Plain
from hbnn_hw.nn.tracing.program import Call, Ref
from hbnn_hw.nn.tracing.walk import Refused, Walk


def add_sum(walk: Walk, call: Call) -> str:
    """Make a sum of two values, or an offset of a value and a number."""
    return _sum(walk, call, walk.number(call, "alpha", 1.0))


def add_difference(walk: Walk, call: Call) -> str:
    """Make the sum of a value and a negated one, or an offset."""
    return _sum(walk, call, -walk.number(call, "alpha", 1.0))


def _sum(walk: Walk, call: Call, factor: float) -> str:
    """Make ``self + factor · other``."""
    first, second = (call.arguments.get(name) for name in ("self", "other"))
    if not isinstance(second, Ref):
        return _scaled(walk, call, walk.tensor(call, "self"), 1.0, factor * walk.number(call, "other"))
    if not isinstance(first, Ref):
        return _scaled(walk, call, second, factor, walk.number(call, "self"))
    left, right = walk.value(first), walk.value(second)
    if walk.shape(first) != walk.shape(second):
        raise Refused(
            f"values to add must have one shape, not {walk.shape(first)} and {walk.shape(second)}; "
            "broadcasting is not supported"
        )
    if factor != 1.0:
        right = walk.apply(call, "scale", {"factor": factor, "offset": 0.0}, [right], part="scale")
    return walk.apply(call, "add", {}, [left, right])


def add_reversed_difference(walk: Walk, call: Call) -> str:
    """Make ``number - alpha · value``."""
    offset = walk.number(call, "other")
    return _scaled(walk, call, walk.tensor(call, "self"), -walk.number(call, "alpha", 1.0), offset)


def add_product(walk: Walk, call: Call) -> str:
    """Make the product of a value and a number."""
    first, second = (call.arguments.get(name) for name in ("self", "other"))
    if isinstance(first, Ref) and isinstance(second, Ref):
        walk.value(first), walk.value(second)
        raise Refused("it multiplies two values, which no layer does; scale by a number or a normalization")
    if isinstance(second, Ref):
        return _scaled(walk, call, second, walk.number(call, "self"), 0.0)
    return _scaled(walk, call, walk.tensor(call, "self"), walk.number(call, "other"), 0.0)


def add_quotient(walk: Walk, call: Call) -> str:
    """Make the product of a value and a number's reciprocal."""
    if call.arguments.get("rounding_mode") is not None:
        raise Refused("it rounds a quotient; divide without rounding_mode")
    if isinstance(call.arguments.get("other"), Ref):
        raise Refused("it divides by a tensor; divide by a number, or use a normalization")
    divisor = walk.number(call, "other")
    if divisor == 0.0:
        raise Refused("it divides by 0")
    return _scaled(walk, call, walk.tensor(call, "self"), 1.0 / divisor, 0.0)


def add_negation(walk: Walk, call: Call) -> str:
    """Make the product of a value and -1."""
    return _scaled(walk, call, walk.tensor(call, "self"), -1.0, 0.0)


def _scaled(walk: Walk, call: Call, ref: Ref, factor: float, offset: float) -> str:
    fields: dict[str, Plain] = {"factor": factor, "offset": offset}
    return walk.apply(call, "scale", fields, [walk.value(ref)])


def add_concatenation(walk: Walk, call: Call) -> str:
    """Put channels behind one another."""
    tensors = call.arguments.get("tensors")
    refs = [ref for ref in tensors if isinstance(ref, Ref)] if isinstance(tensors, list) else []
    if not refs:
        raise Refused("it must concatenate a list of tensors")
    rank, dim = walk.rank(refs[0]), walk.integer(call, "dim", 0)
    if dim not in (1, 1 - rank):
        raise Refused(f"it concatenates along dimension {dim}; only channels (dim=1) can be concatenated")
    inputs = [walk.value(ref) for ref in refs]
    return inputs[0] if len(inputs) == 1 else walk.apply(call, "concat", {}, inputs)
