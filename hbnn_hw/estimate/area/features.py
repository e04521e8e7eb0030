"""What a block's area depends on: named quantities that the fitted constants multiply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

ASSUMED_ERROR_PCT = 50.0
"""How far off the area of a block is taken to be that no synthesis stands behind [%]: an assumption."""


class Block(Enum):
    """Kinds of blocks that have constants of their own."""

    FOLDED_MVTU = "folded_mvtu"
    UNROLLED_MVTU = "unrolled_mvtu"
    WIDTH_CONVERTER = "width_converter"
    ENCODE_BIT_PLANES = "encode_bit_planes"
    EDGES = "edges"
    SLIDING_WINDOW = "sliding_window"
    PAD = "pad"
    POOL = "pool"
    WINDOW_POOL = "window_pool"
    THRESHOLD = "threshold"
    RESCALE = "rescale"
    ARG_MAX = "arg_max"
    DECODE = "decode"
    ADD = "add"
    CONCAT = "concat"
    FORK = "fork"
    QUEUE = "queue"
    FIRST_PRINCIPLES = "first_principles"
    """Quantities that are LUTs already, without a synthesis behind them; no block of the RTL is such."""


@dataclass(frozen=True, slots=True)
class Features:
    """Quantities of one block, before any constant of the technology.

    Attributes
    ----------
    block
        Which constants apply.
    luts
        Quantity per named LUT term; a term's constant is in LUT per unit of it.
    flip_flops
        Flip-flops that follow from the widths of the registers.
    bram36
        Block RAM in units of 36 kbit.
    dsps
        DSP slices.
    """

    block: Block
    luts: Mapping[str, float]
    flip_flops: float
    bram36: float = 0.0
    dsps: int = 0

    @property
    def is_calibrated(self) -> bool:
        """Whether the constants were fitted on synthesis."""
        return self.block is not Block.FIRST_PRINCIPLES


@dataclass(frozen=True, slots=True)
class Area:
    """Estimated resources of a block.

    Attributes
    ----------
    luts
        LUT cells, unpaired, distributed memory included.
    lut_sites
        LUT6 sites with two small LUTs in one where their inputs allow it.
    flip_flops
        Flip-flops.
    bram36
        Block RAM in units of 36 kbit.
    dsps
        DSP slices: of rescaling alone, no other block multiplies by anything but a constant.
    """

    luts: float
    lut_sites: float
    flip_flops: float
    bram36: float = 0.0
    dsps: int = 0

    def __add__(self, other: Area) -> Area:
        return Area(
            self.luts + other.luts,
            self.lut_sites + other.lut_sites,
            self.flip_flops + other.flip_flops,
            self.bram36 + other.bram36,
            self.dsps + other.dsps,
        )


def count_bits(n: int) -> int:
    """Width of a count of ``n`` ones, at least 1."""
    return max(1, n.bit_length())
