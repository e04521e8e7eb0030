"""Rules on the call graph: hardware has no stack, so nothing may call itself.

Instances of a template are different functions: recursion over compile-time sizes ends at a specialization.
"""

from __future__ import annotations

from collections.abc import Iterator

from hbnn_hw.verify.hls_lint.ast import Function, Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule


def _cycle(start: str, calls: dict[str, list[str]]) -> list[str] | None:
    """Return the shortest way from a function back to itself, None if there is none."""
    ways = [[start, callee] for callee in calls[start]]
    seen: set[str] = set()
    for way in ways:
        if way[-1] == start:
            return way
        if way[-1] not in seen:
            seen.add(way[-1])
            ways.extend([*way, callee] for callee in calls[way[-1]])
    return None


def check_recursion(unit: Unit) -> Iterator[Finding]:
    """Find every function that calls itself, directly or through others."""
    functions: dict[str, Function] = unit.concrete
    calls = {key: list(dict.fromkeys(c.key for c in unit.callees(f))) for key, f in functions.items()}
    for key, function in functions.items():
        cycle = _cycle(key, calls)
        if cycle is not None:
            names = " -> ".join(functions[step].name for step in cycle)
            what = f"'{function.name}' must not call itself, as in {names}"
            yield Finding(function.source.name, function.line, Rule.RECURSION, what, "write a loop")
