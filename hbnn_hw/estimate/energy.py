"""Energy: an ASIC-style figure from counted operations, an FPGA figure from a published power.

Neither is a measurement of this design. The two do not describe the same chip and must not be added.

**45 nm operations.** Horowitz (ISSCC 2014) in the table of BNN (Hubara et al. 2016): an 8-bit addition
takes 0.03 pJ, a 64-bit access to an 8-KB memory 10 pJ. The table has no one-bit operations; a full adder is
taken as an eighth of the 8-bit addition, and one binary multiply-accumulate as one full adder (the XNOR in
front is a fraction of it, left out).

**FPGA.** FINN's CNV-max draws 3.6 W (whole chip) with 46 253 LUT at 200 MHz (Umuroglu et al. 2017): 0.39 pJ
per LUT and clock, static power and all else included. FINN's SFC-max and LFC-max come to 0.40 and 0.53 pJ.
"""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.ops import (
    Add,
    HardwareOp,
    Mvtu,
    Pool,
    Rescale,
    SlidingWindow,
    Threshold,
    WindowPool,
)
from hbnn_hw.types import TensorType

ADD8_PJ = 0.03
FULL_ADDER_PJ = ADD8_PJ / 8
MEMORY_BIT_PJ = 10.0 / 64
"""Reading a bit of an 8-KB memory [pJ]."""

FINN_POWER_W = 3.6
FINN_LUTS = 46_253
FINN_CLOCK_MHZ = 200.0
LUT_CYCLE_PJ = FINN_POWER_W / FINN_LUTS / FINN_CLOCK_MHZ * 1e6
"""Chip energy per LUT and clock cycle [pJ]."""


@dataclass(frozen=True, slots=True)
class OperationEnergy:
    """45 nm energy of one sample [pJ].

    Attributes
    ----------
    compute_pj
        Binary multiply-accumulates, accumulation, comparisons, additions and multiplications.
    memory_pj
        Weight, mask, threshold and input words read; rows of images written and read.
    """

    compute_pj: float = 0.0
    memory_pj: float = 0.0

    @property
    def total_pj(self) -> float:
        """Sum [pJ]."""
        return self.compute_pj + self.memory_pj


def _memory_bits(op: Mvtu, source: TensorType) -> float:
    """Bits read per sample; an unrolled unit has its constants in logic and reads none."""
    fold = op.scheduled_folding
    if fold.unrolled:
        return 0.0
    steps = op.cycles(source)
    planes = op.input_planes(source).n_planes
    per_lane = (1 if op.weights.is_homogeneous else 2) * fold.pe + planes * op.spread
    return steps * fold.simd * per_lane + op.places(source) * op.work(source).threshold_bits


def _mvtu_energy(op: Mvtu, source: TensorType) -> OperationEnergy:
    work, bits = op.work(source), op.agreement_bits(source)
    fold = op.scheduled_folding
    accumulations = 0 if fold.unrolled else op.cycles(source) * fold.pe
    adders = work.binary_macs + bits * (accumulations + work.comparisons)
    return OperationEnergy(adders * FULL_ADDER_PJ, _memory_bits(op, source) * MEMORY_BIT_PJ)


def _window_energy(op: SlidingWindow, source: TensorType) -> OperationEnergy:
    """Every pixel is written into the ring once, and read by every window that sees it."""
    moved = source.n_elements + op.infer(source).n_elements
    return OperationEnergy(memory_pj=moved * source.element.bits * MEMORY_BIT_PJ)


def _pool_energy(op: Pool | WindowPool, source: TensorType) -> OperationEnergy:
    """An addition or comparison per element; unfinished results are read and written by each further row."""
    result = op.infer(source)
    bits = result.element.bits
    compute = source.n_elements * bits * FULL_ADDER_PJ
    if isinstance(op, WindowPool):
        return OperationEnergy(compute)
    accesses = 2 * (op.kernel[0] - 1) * result.n_elements
    return OperationEnergy(compute, accesses * bits * MEMORY_BIT_PJ)


def _rescale_energy(op: Rescale, source: TensorType) -> OperationEnergy:
    """A multiplication of x by m bits as m additions of x bits, and the addition of the offset."""
    factor_bits = int(abs(op.multipliers).max()).bit_length() + 1
    adders = source.n_elements * source.element.bits * (factor_bits + 1)
    return OperationEnergy(adders * FULL_ADDER_PJ)


def _threshold_energy(op: Threshold, source: TensorType) -> OperationEnergy:
    bits = op.work(source).comparisons * source.element.bits
    return OperationEnergy(bits * FULL_ADDER_PJ, bits * MEMORY_BIT_PJ)


def operation_energy(op: HardwareOp, *sources: TensorType) -> OperationEnergy:
    """45 nm energy of one operator and sample; nothing for wires, frames and converters."""
    source = sources[0]
    match op:
        case Mvtu():
            return _mvtu_energy(op, source)
        case SlidingWindow():
            return _window_energy(op, source)
        case Pool() | WindowPool():
            return _pool_energy(op, source)
        case Rescale():
            return _rescale_energy(op, source)
        case Threshold():
            return _threshold_energy(op, source)
        case Add():
            result = op.infer(*sources)
            adders = (len(sources) - 1) * result.n_elements * result.element.bits
            return OperationEnergy(adders * FULL_ADDER_PJ)
        case _:
            return OperationEnergy()


def fpga_power_w(luts: float, clock_mhz: float) -> float:
    """Chip power at FINN's energy per LUT and clock [W]: proportional to both."""
    return luts * LUT_CYCLE_PJ * clock_mhz * 1e-6


def fpga_energy_pj(luts: float, cycles: int) -> float:
    """FPGA energy of ``cycles`` clocks of ``luts`` LUTs [pJ]."""
    return luts * LUT_CYCLE_PJ * cycles
