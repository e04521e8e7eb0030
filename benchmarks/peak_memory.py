"""Bytes of tensors that are alive at the peak of a training step, as PyTorch's profiler counts them.

Counted is what PyTorch's own allocator hands out on the CPU: parameters, buffers, gradients, optimizer
state, the batch, and whatever the step keeps or makes in between. Scratch memory of the BLAS and convolution
libraries, the interpreter and the program itself are not.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

MEASURED = "measured step"


def peak_bytes(prepare: Callable[[], Callable[[], None]]) -> int:
    """Return the most bytes of tensors alive at once in the second step of a training.

    Parameters
    ----------
    prepare
        Makes batch, network and optimizer anew and returns the function that does one step. It runs under the
        profiler too, which knows the size of what it has seen made only.

    Notes
    -----
    The first step makes the optimizer's state and the first gradients, and does not count.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        step = prepare()
        step()
        with record_function(MEASURED):
            step()
    events = _trace(run)
    (measured,) = (event for event in events if event["name"] == MEASURED and event["ph"] == "X")
    changes = sorted(
        (event for event in events if event["name"] == "[memory]"), key=lambda event: event["ts"]
    )
    alive = accumulate(int(event["args"]["Bytes"]) for event in changes)
    start, end = measured["ts"], measured["ts"] + measured["dur"]
    return max(total for event, total in zip(changes, alive, strict=True) if start <= event["ts"] <= end)


def _trace(run: profile) -> list[dict[str, Any]]:
    """Return the profiler's events in the documented form, that of Chrome's traces."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        run.export_chrome_trace(str(path))
        events: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    return [event for event in events if "name" in event]
