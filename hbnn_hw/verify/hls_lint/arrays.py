"""Array pragmas against the sizes of their arrays; sizes are those of the template instances in use."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from clang.cindex import Cursor

from hbnn_hw.backends.hls.limits import PARTITION_LIMIT
from hbnn_hw.verify.hls_lint.ast import Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.placement import Named, PlacedPragma, resolve
from hbnn_hw.verify.hls_lint.types import dimensions

_ARRAY_DIRECTIVES = ("ARRAY_PARTITION", "ARRAY_RESHAPE")


def _array_of(unit: Unit, placed: PlacedPragma) -> Cursor | None:
    """Return the declaration of a pragma's variable; None if it is unknown, which other rules report."""
    path = placed.pragma.get("variable")
    named = resolve(unit, placed, path) if path is not None else None
    return named.cursor if isinstance(named, Named) else None


def _split_dimensions(placed: PlacedPragma, extents: tuple[int, ...]) -> list[int]:
    """Return which dimensions, from 0, a pragma splits."""
    # Without 'dim' the tools split the first dimension; 0 means all.
    dim = 1 if placed.pragma.get("dim") is None else placed.pragma.integer("dim")
    if dim is None:
        return []
    return list(range(len(extents))) if dim == 0 else [dim - 1]


def _check_one(placed: PlacedPragma, extents: tuple[int, ...]) -> Iterator[Finding]:
    pragma, variable = placed.pragma, placed.pragma.get("variable")
    if not extents:
        what = f"'{variable}' must be an array for {pragma.directive.name}"
        yield pragma.finding(Rule.PRAGMA_VARIABLE, what, "name the array, or the member that is one")
        return
    split, factor = _split_dimensions(placed, extents), pragma.integer("factor")
    for dim in split:
        if dim >= len(extents):
            what = f"'dim' must be at most {len(extents)} for '{variable}', not {dim + 1}"
            yield pragma.finding(Rule.PRAGMA_FACTOR, what, "correct the dimension")
        elif factor is not None and extents[dim] % factor:
            what = f"the factor must divide the {extents[dim]} elements of '{variable}', not be {factor}"
            yield pragma.finding(Rule.PRAGMA_FACTOR, what, "choose a divisor")


def _banks(placed: PlacedPragma, extents: tuple[int, ...]) -> int:
    """Into how many parts one pragma splits an array."""
    split = [extents[dim] for dim in _split_dimensions(placed, extents) if dim < len(extents)]
    if (placed.pragma.get("type") or "").lower() == "complete":
        return math.prod(split)
    factor = placed.pragma.integer("factor") or 1
    return math.prod(factor for _ in split)


def check_arrays(unit: Unit, pragmas: list[PlacedPragma]) -> Iterator[Finding]:
    """Check all array pragmas of one function or instance; several pragmas may split one array."""
    splits: dict[str, list[tuple[PlacedPragma, tuple[int, ...]]]] = defaultdict(list)
    for placed in pragmas:
        if placed.pragma.directive.name not in _ARRAY_DIRECTIVES:
            continue
        cursor = _array_of(unit, placed)
        extents = dimensions(cursor.type) if cursor is not None else None
        if extents is None or (not extents and placed.function.dependent):
            continue
        yield from _check_one(placed, extents)
        if placed.pragma.directive.name == "ARRAY_PARTITION":
            splits[placed.pragma.get("variable") or ""].append((placed, extents))
    for variable, parts in splits.items():
        banks = math.prod(_banks(placed, extents) for placed, extents in parts)
        if banks > PARTITION_LIMIT:
            what = f"'{variable}' must be split into at most {PARTITION_LIMIT} parts, not {banks}"
            yield parts[-1][0].pragma.finding(
                Rule.PARTITION_LIMIT, what, "split fewer dimensions, or fold the layer further"
            )
