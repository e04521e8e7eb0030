"""The emitted queue depths let a network reach its slowest layer's interval: a clock-by-clock model."""

import re
from dataclasses import dataclass, field

import numpy as np
import pytest

from hbnn_hw.backends.hls import emit
from hbnn_hw.ops import Mvtu, WidthConverter
from hbnn_hw.passes import schedule, simplify, to_streams
from hbnn_hw.streams import sample_interval
from tests.graphs import random_mlp
from tests.hls.networks import TARGET, folded, golden, mlp


@dataclass
class Stage:
    """One dataflow process: which steps read and which write; a step stalls until it can do both."""

    reads: np.ndarray
    writes: np.ndarray
    step: int = 0
    finished: list[int] = field(default_factory=list)


def stage(graph, node) -> Stage:
    op, steps = node.op, node.hardware.cycles(graph.source_type(node))
    always = np.ones(steps, dtype=bool)
    if isinstance(op, Mvtu) and not op.folding.unrolled:
        schedule = op.schedule()
        return Stage(schedule.reads_stream, schedule.last_of_row_fold)
    if isinstance(op, WidthConverter):
        ratio = max(op.lanes_in, op.lanes_out) // min(op.lanes_in, op.lanes_out)
        part = np.arange(steps) % ratio
        return Stage(part == 0, always) if op.lanes_in > op.lanes_out else Stage(always, part == ratio - 1)
    return Stage(always, always)


def measured_interval(graph, depths: list[int], images: int = 8) -> int:
    """Clocks between the last two images, with an input that never waits and an output that always takes."""
    stages = [stage(graph, node) for node in graph.hardware_nodes]
    queues = [10**9, *[0] * (len(stages) - 1), 0]
    room = [0, *depths[1:], 10**9]
    clock = 0
    while len(stages[-1].finished) < images:
        before = list(queues)
        for i, s in enumerate(stages):
            at = s.step % len(s.reads)
            if (s.reads[at] and before[i] < 1) or (s.writes[at] and before[i + 1] >= room[i + 1]):
                continue
            queues[i] -= int(s.reads[at])
            queues[i + 1] += int(s.writes[at])
            s.step += 1
            if s.step % len(s.reads) == 0:
                s.finished.append(clock)
        clock += 1
    return stages[-1].finished[-1] - stages[-1].finished[-2]


def near_ties():
    """Columns as they come: sorted ones would take fewer steps, and the intervals would differ more."""
    graph = random_mlp(73, [36, 30, 24, 30], coefficients=(3, 1), shared_columns=True)
    return schedule(to_streams(simplify(graph)), folded((5, 6), (6, 5), (5, 6)))


NETWORKS = {
    "even": lambda: mlp(70, [64, 32, 32, 10], (8, 8), (8, 8), (2, 8), coefficients=(2, 1)),
    "slow_first": lambda: mlp(71, [64, 32, 16, 10], (4, 4), (8, 16), (5, 16)),
    "slow_last": lambda: mlp(72, [32, 32, 32, 30], (16, 16), (8, 8), (1, 4), coefficients=(2, 1)),
    "near_ties": near_ties,
    "converters": lambda: mlp(74, [48, 40, 40, 20], (2, 12), (4, 20), (5, 20)),
}


def emitted_depths(graph) -> list[int]:
    text = emit(graph, golden(graph, 1), TARGET)[f"src/{graph.name}.cpp"]
    return [int(depth) for depth in re.findall(r"variable=to_(?!output )\w+ depth=(\d+)", text)]


@pytest.mark.parametrize("name", NETWORKS)
def test_emitted_depths_reach_the_schedules_interval(name):
    graph = NETWORKS[name]()
    depths = emitted_depths(graph)
    assert len(depths) == len(graph.hardware_nodes)
    assert measured_interval(graph, depths) == sample_interval(graph)


def test_the_tools_default_depth_would_not():
    graph = NETWORKS["near_ties"]()
    assert measured_interval(graph, [2] * len(graph.hardware_nodes)) > sample_interval(graph)
