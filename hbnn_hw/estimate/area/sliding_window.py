"""Area of the sliding window: a ring of image rows and the addresses into it."""

from __future__ import annotations

from math import gcd

from hbnn_hw.backends.rtl.window_plan import WindowPlan
from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, ram, skid_buffer
from hbnn_hw.ops import SlidingWindow
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType

FLAGS = 3
"""Filling, shows, valid."""


def _excess_bits(plan: WindowPlan) -> int:
    """Bits of the sum that spreads the new beats over the steps of a row of places."""
    shared = gcd(plan.new, plan.steps)
    new, steps = plan.new // shared, plan.steps // shared
    return 0 if new == steps else max((steps - new - 1).bit_length(), (new - 1).bit_length()) + 1


def features(op: SlidingWindow, source: TensorType) -> Features:
    """Quantities of a window: the ring, its two addresses, and the counters.

    ``counters`` is the bits of the nested loops and of the beats taken, ``address`` those of the addresses,
    ``excess`` those of the sum that paces the input.
    """
    plan, width = WindowPlan.of(op, source), beat_bits(source, op.lanes)
    words = plan.ring_words()
    counts_rows = plan.written < plan.steps or plan.skipped + plan.left > 0
    loops = counter_bits(plan.place_rows, *(walk.size for walk in plan.walks))
    counters = loops + counter_bits(max(plan.fill, plan.new if counts_rows else 0))
    address, excess = counter_bits(words), _excess_bits(plan)
    parts = [
        skid_buffer(width),
        ram(words, width),
        Parts(0, counters + 2 * address + excess + FLAGS),
    ]
    terms = {"counters": counters, "address": address, "excess": excess}
    return block_features(Block.SLIDING_WINDOW, parts, terms)
