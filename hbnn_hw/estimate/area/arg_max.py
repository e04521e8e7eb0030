"""Area of the choice of a class: offsets, comparisons, and what is the largest so far."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.join import decoders
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, pipeline, rom, still_bits, total
from hbnn_hw.estimate.area.rescale import signed_bits
from hbnn_hw.ops import ArgMax
from hbnn_hw.ops.base import range_of
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import arg_max_depth
from hbnn_hw.types import Integers, TensorType

SHIFT_REGISTER = 3
"""Registers one behind the other from which on synthesis makes a shift register in a LUT of them."""


def _rounds(lanes: int, key_bits: int, registers_before: int) -> tuple[Parts, int]:
    """Count the registers behind the rounds among the lanes, and the bits that are compared in them.

    A lane without a neighbour passes a round as it is: its registers may become shift registers.
    """
    found, compared = Parts(), 0
    contenders = [(0, registers_before)] * lanes
    while len(contenders) > 1:
        following = []
        for pair in (contenders[at : at + 2] for at in range(0, len(contenders), 2)):
            bits, registers = pair[0]
            if len(pair) == 2:
                found += total(_shifted(key_bits + index, behind) for index, behind in pair)
                compared += key_bits
                bits, registers = bits + 1, 0
            found += Parts(0, key_bits + bits)
            following.append((bits, registers + 1))
        contenders = following
    bits, registers = contenders[0]
    return found + _shifted(key_bits + bits, registers), compared


def _shifted(width: int, registers: int) -> Parts:
    """What changes where registers one behind the other become a shift register."""
    return Parts(width, -width * registers) if registers >= SHIFT_REGISTER else Parts()


def features(op: ArgMax, source: TensorType) -> Features:
    """Quantities of a unit that compares ``lanes`` classes a clock: each with the largest of those before.

    ``contend`` is the bits compared between lanes, ``best`` those with the best so far, ``add`` those of
    offsets, ``place`` the bits of the counters.
    """
    keys, class_bits = op.key_range(source), beat_bits(op.infer(source), 1)
    key_bits = Integers(min(-1, keys.low), keys.high).bits
    beats, width_in = len(op.offsets) // op.lanes, op.lanes * range_of(source).bits
    has_offsets = bool(op.offsets.any())
    is_table = has_offsets and beats > 1
    rounds, compared = _rounds(op.lanes, key_bits, 1 if has_offsets else 2)
    first = counter_bits(len(op.offsets)) - still_bits(op.lanes) if beats > 1 else 0
    place = counter_bits(beats) if is_table else 0
    parts = [
        decoders(op.lanes, source),
        pipeline(width_in, class_bits, arg_max_depth(op.lanes)),
        rounds,
        rom(beats if is_table else 1, op.lanes * signed_bits(op.offsets)),
        Parts(0, width_in + op.lanes * key_bits + key_bits + class_bits + first + place),
    ]
    terms = {
        "contend": compared,
        "best": key_bits if beats > 1 else 0,
        "add": op.lanes * key_bits if has_offsets else 0,
        "place": first + place,
    }
    return block_features(Block.ARG_MAX, parts, terms)
