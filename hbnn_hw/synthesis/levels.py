"""Levels of logic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hbnn_hw.errors import ToolFailedError


def levels(needs: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Level of every net that logic drives: one more than the highest of what it needs.

    Raises
    ------
    ToolFailedError
        If nets need each other in a loop.
    """
    level: dict[int, int] = {}
    waiting = {net: sum(need in needs for need in inputs) for net, inputs in needs.items()}
    readers: dict[int, list[int]] = defaultdict(list)
    for net, inputs in needs.items():
        for need in inputs:
            readers[need].append(net)
    ready = [net for net, count in waiting.items() if not count]
    while ready:
        net = ready.pop()
        level[net] = 1 + max((level.get(need, 0) for need in needs[net]), default=0)
        for reader in readers[net]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    if len(level) < len(needs):
        raise ToolFailedError(f"the netlist must have no combinational loop; {len(needs) - len(level)} nets")
    return level
