"""Area of the choice of a class: offsets, comparisons, and what is the largest so far."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.area.rescale import signed_bits
from hbnn_hw.estimate.area.structure import comparison_luts, counter_bits, structure
from hbnn_hw.estimate.area.tables import Table
from hbnn_hw.ops import ArgMax
from hbnn_hw.streams import beat_bits
from hbnn_hw.types import TensorType


def features(op: ArgMax, source: TensorType) -> Features:
    """Quantities of a unit that compares ``lanes`` classes a clock: each with the largest of those before."""
    key_bits, class_bits = op.key_range(source).bits, beat_bits(op.infer(source), 1)
    beats = len(op.offsets) // op.lanes
    in_luts, registers, blocks = Table(beats, op.lanes * signed_bits(op.offsets)).cost()
    luts = {
        "add": float(op.lanes * key_bits) if op.offsets.any() else 0.0,
        "compare": op.lanes * comparison_luts(key_bits),
        "choose": float(op.lanes * (key_bits + class_bits)),
    }
    return structure(
        luts,
        word_bits=class_bits,
        counters=counter_bits(beats),
        flip_flops=float(registers + op.lanes * key_bits + key_bits + class_bits),
        memories=[(in_luts, blocks)] if op.offsets.any() else (),
    )
