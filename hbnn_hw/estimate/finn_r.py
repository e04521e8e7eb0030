"""FINN's own published cost formulas, beside this toolkit's estimator: what others' tools would print.

The formulas are those that FINN ships for its HLS blocks (``get_exp_cycles``, ``lut_estimation``,
``bram_estimation``); their source comments cite FINN-R (Blott et al. 2018). They are a model of FINN's
blocks, not of these, and no synthesis: users report errors of factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

LUT_FIXED, LUT_PER_OPERATION = 300, 1.1
"""FINN-R's coefficients: LUTs of a unit at rest, and LUTs per counted operation."""

LUTRAM_WORDS = 64
"""Words of one bit that a LUT holds."""

EMBEDDED_LUTRAM_WORDS = 128
"""Deepest embedded weight memory that goes to LUTs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mvau:
    """One matrix-vector-activation unit of FINN.

    Attributes
    ----------
    columns, rows
        MW and MH.
    simd, pe
        Q and P.
    weight_bits, input_bits
        W and A.
    output_bits
        B; 0 for raw sums.
    vectors
        Output pixels.
    input_signed
        Whether inputs are two's complement.
    """

    columns: int
    rows: int
    simd: int
    pe: int
    weight_bits: int = 1
    input_bits: int = 1
    output_bits: int = 1
    vectors: int = 1
    input_signed: bool = False

    @property
    def weight_words(self) -> int:
        """Depth of the weight memory, omega."""
        return self.columns * self.rows // (self.pe * self.simd)

    @property
    def cycles(self) -> int:
        """(MH / P)·(MW / Q) per vector."""
        return (self.rows // self.pe) * (self.columns // self.simd) * self.vectors

    @property
    def accumulator_bits(self) -> int:
        """Width of the sum by the input's and the weights' range."""
        alpha = log2(self.columns) + self.weight_bits + self.input_bits - 1 - int(self.input_signed)
        return ceil(alpha + log2(1 + 2.0**-alpha) + 1)

    @property
    def luts(self) -> int:
        """LUTs with multiplication, embedded weights and thresholds in LUTs; rounded down, as FINN does."""
        both = self.weight_bits + self.input_bits
        multipliers = self.simd * (2 * ceil(both / 6) - 1) * both
        tree = both * (2 * self.simd - 1)
        in_luts = self.weight_words <= EMBEDDED_LUTRAM_WORDS
        memory = (
            self.pe * self.simd * self.weight_bits * ceil(self.weight_words / LUTRAM_WORDS) if in_luts else 0
        )
        levels, bits = (1 << self.output_bits) - 1, self.accumulator_bits
        thresholds = levels * bits * (ceil(self.rows / self.pe / LUTRAM_WORDS) + 1)
        operations = multipliers + tree + bits + thresholds
        return int(LUT_FIXED + LUT_PER_OPERATION * self.pe * operations + memory)

    @property
    def bram18(self) -> int:
        """Blocks of 18 kbit for the weights as one memory of P·Q·W bits; none below 129 words."""
        if self.weight_words <= EMBEDDED_LUTRAM_WORDS:
            return 0
        return memory_bram18(self.weight_words, self.pe * self.simd * self.weight_bits)

    @property
    def bram18_by_pe(self) -> int:
        """The same with a memory for every PE, which is what HLS makes of embedded weights."""
        if self.weight_words <= EMBEDDED_LUTRAM_WORDS:
            return 0
        return self.pe * memory_bram18(self.weight_words, self.simd * self.weight_bits)

    @property
    def dsps(self) -> int:
        """DSP slices if the products were mapped to them."""
        return self.pe * self.simd * ceil((self.weight_bits + self.input_bits) / 48)


def memory_bram18(depth: int, width: int) -> int:
    """Blocks of 18 kbit for ``depth`` words of ``width`` bits, by FINN-R's ladder of aspect ratios."""
    if width == 1:
        return ceil(depth / 16384)
    if width == 2:
        return ceil(depth / 8192)
    if width <= 4:
        return ceil(depth / 4096) * ceil(width / 4)
    if width <= 9:
        return ceil(depth / 2048) * ceil(width / 9)
    if width <= 18 or depth > 512:
        return ceil(depth / 1024) * ceil(width / 18)
    return ceil(depth / 512) * ceil(width / 36)


def sliding_window_cycles(
    image: tuple[int, int, int], kernel: tuple[int, int], stride: tuple[int, int], simd: int
) -> int:
    """Cycles of a sliding window over an image (rows, columns, channels) that is padded already.

    ``IFM K C/SIMD`` to fill, then per row of places the slower of writing it and taking the next rows.
    """
    rows, columns, channels = image
    words = channels // simd
    out_rows, out_columns = (
        (size - k) // s + 1 for size, k, s in zip((rows, columns), kernel, stride, strict=True)
    )
    per_row = max(out_columns * kernel[0] * kernel[1] * words, stride[0] * columns * words)
    return columns * kernel[0] * words + out_rows * per_row


def bottleneck_cycles(units: list[Mvau]) -> int:
    """Cycles between frames of a pipeline: the slowest unit's."""
    return max(unit.cycles for unit in units)
