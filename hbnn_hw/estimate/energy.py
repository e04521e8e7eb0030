"""Energy of the counted operations and memory accesses at 45 nm: an ASIC-style figure and no measurement.

It describes another chip than the FPGA's figure (:mod:`hbnn_hw.estimate.power`); they must not be added.

Horowitz (ISSCC 2014) in the table of BNN (Hubara et al. 2016): an 8-bit addition
takes 0.03 pJ, a 64-bit access to an 8-KB memory 10 pJ. The table has no one-bit operations; a full adder is
taken as an eighth of the 8-bit addition, and one binary multiply-accumulate as one full adder (the XNOR in
front is a fraction of it, left out).

Memories are read as they are stored: FleXOR's weights encoded, masks only where a word of some step lacks
entries, and once for all rows that share them.
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
from hbnn_hw.xor_wiring import xor_wirings

ADD8_PJ = 0.03
FULL_ADDER_PJ = ADD8_PJ / 8
MEMORY_BIT_PJ = 10.0 / 64
"""Reading a bit of an 8-KB memory [pJ]."""


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


def stored_word_bits(op: Mvtu) -> int:
    """Bits of weights that a folded unit's memory gives in a step: encoded ones where it keeps them so."""
    fold, encoding = op.scheduled_folding, op.weights.encoding
    wiring = None if encoding is None else next(xor_wirings(encoding, fold), None)
    if encoding is None or wiring is None:
        return fold.pe * fold.simd
    return fold.pe // wiring.group_pes * wiring.n_slots * encoding.n_in


def mask_word_bits(op: Mvtu) -> int:
    """Bits of masks that a folded unit reads in a step: none where words are whole, one row's if shared."""
    if op.weights.is_homogeneous:
        return 0
    fold, masks = op.scheduled_folding, op.weights.unpacked_masks()
    # (planes, row folds, pe, column folds, simd): a word is one PE's and one column fold's.
    tiles = masks.reshape(len(masks), -1, fold.pe, op.weights.columns // fold.simd, fold.simd)
    present, whole = tiles.any(axis=(2, 4)), tiles.all(axis=(2, 4))
    # A step without any entry is kept where it reads the stream.
    if (present == whole).all() and op.schedule().n_steps == present.sum():
        return 0
    return fold.simd if (tiles == tiles[:, :, :1]).all() else fold.pe * fold.simd


def _memory_bits(op: Mvtu, source: TensorType) -> float:
    """Bits read per sample; an unrolled unit has its constants in logic and reads none."""
    fold = op.scheduled_folding
    if fold.unrolled:
        return 0.0
    inputs = fold.simd * op.input_planes(source).n_planes * op.spread
    word = stored_word_bits(op) + mask_word_bits(op) + inputs
    return op.cycles(source) * word + op.places(source) * op.work(source).threshold_bits


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
