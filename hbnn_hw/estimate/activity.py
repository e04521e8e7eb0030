"""How often the bits inside a network toggle: from the golden model on real data, and from the schedule.

The switching energy of logic is spent by bits that change from one clock to the next. Two factors make a
unit's activity:

* *utilization*, the share of clocks in which it works, which follows from the schedule: a unit that needs
  half as many cycles as the slowest one stands still half of the time;
* *toggle rate*, the share of bits that change from one working clock to the next. Of a folded matrix unit
  these are the products ``~(w ^ x) & m`` at the input of its counters, which change because the weights
  do, even for a constant input; of all other operators, the bits of the stream that comes in.

Without data, bits are taken for random: a toggle rate of one half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.folding import weight_words
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import HardwareOp, Mvtu, Tensor
from hbnn_hw.planes import Bits
from hbnn_hw.streams import node_cycles
from hbnn_hw.types import Integers

RANDOM_TOGGLE = 0.5
"""Toggle rate of independent random bits."""

VECTORS = 16
"""Most input vectors of a unit whose products are looked at."""

PRODUCT_BITS = 1 << 22
"""Most product bits of a unit that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Activity of one operator.

    Attributes
    ----------
    utilization
        Share of clocks in which it works, 0 … 1.
    toggle
        Share of bits that change between two working clocks, 0 … 1.
    measured
        Whether ``toggle`` comes from data.
    """

    utilization: float
    toggle: float = RANDOM_TOGGLE
    measured: bool = False

    @property
    def rate(self) -> float:
        """Toggles per bit and clock."""
        return self.utilization * self.toggle


def utilizations(graph: Graph) -> dict[str, float]:
    """Return the share of clocks in which each hardware node works, at full throughput."""
    cycles = node_cycles(graph)
    interval = max(cycles.values())
    return {name: count / interval for name, count in cycles.items()}


def activities(graph: Graph, entering: NDArray[np.int64] | None = None) -> dict[str, Activity]:
    """Return the activity of every hardware node of a scheduled graph.

    Parameters
    ----------
    graph
        A scheduled graph.
    entering
        int64 (images, elements): what enters the accelerator, as golden vectors have it; None for random
        bits.
    """
    shares = utilizations(graph)
    if entering is None or not len(entering):
        return {name: Activity(utilization=share) for name, share in shares.items()}
    values = _traced(graph, entering)
    return {
        node.name: Activity(
            utilization=shares[node.name], toggle=_toggle(node, values[node.inputs[0]]), measured=True
        )
        for node in graph.hardware_nodes
    }


def _traced(graph: Graph, entering: NDArray[np.int64]) -> dict[str, Tensor]:
    """Compute every value behind the accelerator's input."""
    source = graph.types[graph.hardware_input]
    values = {graph.hardware_input: Tensor(source, entering.reshape(-1, *source.shape))}
    for node in graph.nodes:
        if node.name not in values and all(name in values for name in node.inputs):
            values[node.name] = node.op.run(*(values[name] for name in node.inputs))
    return values


def stream_beats(value: Tensor, lanes: int) -> Bits:
    """Return the bits of a stream beat by beat, uint8 (images, beats, bits).

    Integers are in two's complement; planes of an element lie side by side.
    """
    bits, element = value.data, value.type.element
    if isinstance(element, Integers):
        flat = value.data.reshape(len(value.data), -1).astype(np.int64)
        bits = (flat[:, :, np.newaxis] >> np.arange(element.bits) & 1).astype(np.uint8)
    else:
        bits = np.moveaxis(bits.reshape(*bits.shape[:2], -1), 1, 2)
    return bits.reshape(len(bits), -1, lanes * bits.shape[-1])


def toggle_rate(beats: Bits) -> float:
    """Return the share of bits that differ between consecutive rows, of uint8 (..., rows, bits).

    A single row never changes; its toggle rate is 0.
    """
    if beats.shape[-2] < 2:
        return 0.0
    return float((beats[..., 1:, :] != beats[..., :-1, :]).mean())


def _toggle(node: Node, source: Tensor) -> float:
    op = node.op
    assert isinstance(op, HardwareOp)
    if isinstance(op, Mvtu) and not op.scheduled_folding.unrolled:
        return product_toggle(op, source)
    # Consecutive images follow one another: the last beat of one stands in front of the next one's first.
    beats = stream_beats(source, op.lanes_in)
    return toggle_rate(beats.reshape(-1, beats.shape[-1]))


def product_toggle(op: Mvtu, source: Tensor) -> float:
    """Return the toggle rate of a folded unit's products, over its first steps and a few vectors.

    Integers count as their bits in two's complement.
    """
    folding, schedule = op.scheduled_folding, op.schedule()
    steps = slice(0, max(2, min(schedule.n_steps, PRODUCT_BITS // (folding.pe * folding.simd * VECTORS))))
    weights, masks = (words[steps] for words in weight_words(op.weights, folding, schedule))
    words = stream_beats(source, folding.simd * op.spread)
    bits = words.shape[-1] // (folding.simd * op.spread)
    # (vectors, column folds, simd, bits): of grouped units the first group of those worked on at once.
    columns = words.reshape(-1, op.weights.columns // folding.simd, op.spread, folding.simd, bits)[:, :, 0]
    chosen = columns[:: max(1, len(columns) // VECTORS)][:VECTORS]
    operands = chosen[:, schedule.column_fold[steps]]
    agree = operands[:, :, np.newaxis] == weights[..., np.newaxis]
    products = agree.astype(np.uint8) & masks[..., np.newaxis]
    return toggle_rate(products.reshape(len(products), len(weights), -1))
