"""Proofs that a unit keeps the rules of valid/ready streams, by Yosys' SAT solver.

All inputs are free, the reset included: nothing is simulated, every behaviour of the neighbours is covered.
Practical for a few bits per word, which is where handshakes go wrong.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.extras import require
from hbnn_hw.yosys import run_yosys

BOUND_CLOCKS = 12
"""Clocks behind a reset that are looked at where induction does not hold."""

INDUCTION_CLOCKS = 4
"""Longest history that an induction step may need."""


class StreamVerdict(Enum):
    """Outcome of a proof."""

    PROVED = auto()
    """The rules hold at all times."""
    BOUNDED = auto()
    """They hold for :data:`BOUND_CLOCKS` clocks; whether from then on, induction does not tell."""
    BROKEN = auto()
    """Some behaviour of the neighbours makes the unit break a rule."""


def prove_streams(create: Callable[[], Any], *, is_numbered: bool = False) -> StreamVerdict:
    """Prove that what a unit offers stays until it is taken, provided that its inputs keep the same rule.

    Parameters
    ----------
    create
        Makes the unit, an Amaranth component all of whose ports are streams; an elaborated one is used up.
    is_numbered
        Whether the words that leave must be those that came in, in order: see
        :class:`~hbnn_hw.backends.rtl.stream_monitor.StreamMonitor`.

    Raises
    ------
    ToolMissingError
        If Amaranth or pyosys is not installed.
    ToolFailedError
        If Yosys fails.
    """
    require("amaranth", "rtl", "proving stream rules")
    from hbnn_hw.backends.rtl.stream_monitor import StreamMonitor

    design = _rtlil(StreamMonitor(create(), is_numbered))
    step = f"sat -tempinduct -prove-asserts -set-assumes -maxsteps {INDUCTION_CLOCKS} monitored"
    if "Induction step proven: SUCCESS!" in _run(design, [*_FORMAL, step]):
        return StreamVerdict.PROVED
    base = f"sat -tempinduct-baseonly -prove-asserts -set-assumes -maxsteps {BOUND_CLOCKS} monitored"
    log = _run(design, [*_FORMAL, base])
    if "proved base case" in log and "SUCCESS!" in log:
        return StreamVerdict.BOUNDED
    if "model found for base case: FAIL!" in log:
        return StreamVerdict.BROKEN
    raise ToolFailedError("the SAT solver gave no verdict:\n" + "\n".join(log.splitlines()[-20:]))


def ready_paths(create: Callable[[], Any]) -> tuple[str, ...]:
    """Name the ready signals of inputs that depend on an output's ready within the same clock.

    Such paths add up from unit to unit through a whole chip; only units that are wires may have them.

    Raises
    ------
    ToolMissingError
        If Amaranth or pyosys is not installed.
    ToolFailedError
        If Yosys fails.
    """
    require("amaranth", "rtl", "looking for ready paths")
    select = "select -list i:*__ready %co*:-$dff:-$mem_v2 o:*__ready %i"
    log = _run(_rtlil(create()), [*_READ, "opt_clean", select])
    return tuple(
        line.removeprefix("monitored/") for line in log.splitlines() if line.startswith("monitored/")
    )


_READ = ("read_rtlil design.il", "hierarchy -check -top monitored", "proc", "flatten")

_FORMAL = (*_READ, "memory_map", "async2sync", "chformal -lower", "opt_clean")


def _rtlil(component: object) -> str:
    from amaranth.back import rtlil

    return str(rtlil.convert(component, name="monitored", emit_src=False))


def _run(design: str, passes: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "design.il").write_text(design, encoding="utf-8")
        return run_yosys(passes, folder).log
