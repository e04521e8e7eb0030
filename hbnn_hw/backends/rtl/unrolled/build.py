"""Building the rows of an unrolled layer with one structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.unrolled.chains import PARITY, compress, unit_terms
from hbnn_hw.backends.rtl.unrolled.decisions import at_least, resolve
from hbnn_hw.backends.rtl.unrolled.heap import Heap, signed_digits
from hbnn_hw.backends.rtl.unrolled.layer import Layer
from hbnn_hw.backends.rtl.unrolled.netlist import LUT_INPUTS, ZERO, Bit, Netlist, NetlistBuilder
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS, paired_sums
from hbnn_hw.backends.rtl.unrolled.sharing import SHARED_PRICE, group_rows, shared_sums
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.backends.rtl.unrolled.terms import Terms, terms_of
from hbnn_hw.errors import RangeError

WINDOW = 32
"""Rows among which any two may share."""


class LayerBuilder:
    """Builds rows of a layer: first their total and the sums that they share, then one row after the other.

    Parameters
    ----------
    layer, structure
        What is built, and how.
    rows
        Rows that may be asked for.

    Attributes
    ----------
    cells
        All cells so far.
    total_luts
        LUTs of the total.
    """

    def __init__(self, layer: Layer, structure: Structure, rows: Sequence[int]) -> None:
        self.cells = NetlistBuilder(layer.n_inputs)
        self._layer = layer
        self._terms = terms_of(layer.weights, structure.has_total)
        total = Heap()
        for element, offset in zip(layer.elements, self._terms.total.tolist(), strict=True):
            total.add_multiple(element, offset)
        self._total = resolve(self.cells, total)
        self.total_luts = self.cells.luts
        self._sums = _vector_sums(
            self.cells, layer.elements, self._terms, self._total, structure.group_size, rows
        )

    def row(self, row: int) -> list[int]:
        """Build a row; return the nets of its output element."""
        terms, heap = self._terms, Heap()
        for vector, factor in terms.uses[row]:
            _add_use(self.cells, heap, self._sums[vector], factor, terms.carrier_shift)
        heap.add_multiple(self._total, -int(terms.total_factors[row]))
        is_negated = bool(terms.negated[row])
        if self._layer.is_bordered:
            heap = _doubled(self._layer, heap, row, is_negated)
        return _outputs(self.cells, self._layer, heap, row, is_negated)


def build(layer: Layer, structure: Structure, rows: Sequence[int]) -> Netlist:
    """Build rows of a layer with one structure."""
    builder = LayerBuilder(layer, structure, rows)
    return builder.cells.finish([net for row in rows for net in builder.row(row)])


def _doubled(layer: Layer, heap: Heap, row: int, is_negated: bool) -> Heap:
    """Twice a row's sum, and in a frame of nothing what brings the dot product to 0."""
    doubled = Heap()
    doubled.add(heap, 1)
    sign = -1 if is_negated else 1
    doubled.add_multiple(Heap.of_bits([(0, Bit(layer.n_inputs - 1))]), -sign * int(layer.offsets[row]))
    return doubled


def _add_use(builder: NetlistBuilder, heap: Heap, leaf: Heap, factor: int, shift: int) -> None:
    """Add a vector's sum, which stands ``2**shift`` times too high."""
    if factor & (factor - 1):
        leaf = compress(builder, leaf, SHARED_PRICE)
    for exponent, negative in signed_digits(factor):
        heap.add(leaf, exponent - shift, negative)


def _vector_sums(
    builder: NetlistBuilder,
    elements: Sequence[Heap],
    terms: Terms,
    total: Heap,
    group_size: int,
    rows: Sequence[int],
) -> dict[int, Heap]:
    """Build the sums of the vectors that some rows use, group by group or in pairs."""
    items = [total, *(_lifted(element, terms.carrier_shift) for element in elements)]
    sums: dict[int, Heap] = {}
    step = WINDOW if group_size == PAIRS else max(len(rows), 1)
    for first in range(0, len(rows), step):
        used, patterns = _patterns(terms, rows[first : first + step])
        if used:
            found = _shared(builder, patterns, items, group_size)
            sums.update({used[at]: heap for at, heap in found.items()})
    return sums


def _shared(
    builder: NetlistBuilder, patterns: NDArray[np.int8], items: Sequence[Heap], group_size: int
) -> dict[int, Heap]:
    """Build the sums of some vectors, the columns of ``patterns``, in one way."""
    if group_size == PAIRS:
        return paired_sums(builder, patterns, items)
    sums: dict[int, Heap] = {}
    for tree in group_rows(patterns[1:].T, group_size):
        sums.update(shared_sums(builder, tree, patterns, items))
    return sums


def _patterns(terms: Terms, rows: Sequence[int]) -> tuple[list[int], NDArray[np.int8]]:
    """Return the vectors that rows use, and the factors of T and of all columns in them (items, vectors)."""
    used = sorted({vector for row in rows for vector, _ in terms.uses[row]})
    carriers = -terms.carriers[used].astype(np.int8)
    return used, np.vstack([carriers[np.newaxis], terms.vectors[used].T])


def _lifted(heap: Heap, shift: int) -> Heap:
    lifted = Heap()
    lifted.add(heap, shift)
    return lifted


def _outputs(builder: NetlistBuilder, layer: Layer, heap: Heap, row: int, is_negated: bool) -> list[int]:
    """Make the bits of a row's output element from its sum or its negative."""
    thresholds = layer.thresholds
    if thresholds is None:
        return _number(builder, layer, heap, row, is_negated)
    bounds = [-((int(layer.offsets[row]) - level) // layer.scale) for level in thresholds.table[row].tolist()]
    is_inverted = bool(thresholds.inverted[row])
    if is_negated:
        bounds = [1 - bound for bound in bounds]
    flipped = is_inverted != is_negated
    passed = _cheapest_comparisons(builder, heap, bounds, flipped)
    # Sorted so that a passed level implies those before it.
    bits = _code(builder, passed[::-1] if is_inverted else passed, thresholds.n_bits)
    return [net if present else ZERO for net, present in zip(bits, _present(layer, row), strict=True)]


def _present(layer: Layer, row: int) -> list[bool]:
    """Which bits of a row's output exist."""
    thresholds = layer.thresholds
    assert thresholds is not None
    if thresholds.mask is None:
        return [True] * thresholds.n_bits
    mask = thresholds.mask.reshape(thresholds.n_bits, -1, layer.weights.rows)[:, :, row]
    if (mask != mask[:, :1]).any():
        raise RangeError("the outputs of an unrolled unit must have the same map at all places; fold it")
    return [bool(bit) for bit in mask[:, 0]]


def _cheapest_comparisons(
    builder: NetlistBuilder, heap: Heap, bounds: Sequence[int], inverted: bool
) -> list[int]:
    """Compare one sum with several bounds: each by itself, or behind the complete addition."""
    start, before = builder.mark(), builder.luts
    if len(bounds) > 1:
        for bound in bounds:
            at_least(builder, heap, bound, inverted=inverted)
        apart = builder.luts - before
        builder.take_back(start)
        added = resolve(builder, heap)
        passed = [at_least(builder, added, bound, inverted=inverted) for bound in bounds]
        if builder.luts - before <= apart:
            return passed
        builder.take_back(start)
    return [at_least(builder, heap, bound, inverted=inverted) for bound in bounds]


def _code(builder: NetlistBuilder, passed: Sequence[int], n_bits: int) -> list[int]:
    """Count sorted bits: bit p of the count changes at every multiple of 2**p."""
    code = []
    for place in range(n_bits):
        step = 1 << place
        code.append(_parity(builder, passed[step - 1 :: step]))
    return code


def _parity(builder: NetlistBuilder, nets: Sequence[int]) -> int:
    rest = [net for net in nets if net != ZERO]
    while len(rest) > 1:
        taken, rest = rest[:LUT_INPUTS], rest[LUT_INPUTS:]
        rest.append(builder.lut(unit_terms(map(Bit, taken)), PARITY))
    return rest[0] if rest else ZERO


def _number(builder: NetlistBuilder, layer: Layer, heap: Heap, row: int, is_negated: bool) -> list[int]:
    """Add up a raw dot product in two's complement."""
    dot = Heap()
    dot.add(heap, layer.scale.bit_length() - 1, is_negated)
    modulus = 1 << layer.output_bits
    dot.columns = {column: bits for column, bits in dot.columns.items() if column < layer.output_bits}
    dot.materialize((dot.constant + int(layer.offsets[row])) % modulus)
    added = resolve(builder, dot)
    bits = [added.columns.get(column, [Bit(ZERO)])[0] for column in range(layer.output_bits)]
    return [builder.lut([(bit, 1)], PARITY) if bit.net != ZERO else ZERO for bit in bits]
