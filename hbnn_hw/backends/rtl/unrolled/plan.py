"""The plan of an unrolled layer: its netlist, and what it costs and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.unrolled.chains import PARITY, compress, unit_terms
from hbnn_hw.backends.rtl.unrolled.decisions import at_least, resolve
from hbnn_hw.backends.rtl.unrolled.heap import Heap, signed_digits
from hbnn_hw.backends.rtl.unrolled.joints import joined
from hbnn_hw.backends.rtl.unrolled.netlist import LUT_INPUTS, ZERO, Bit, Netlist, NetlistBuilder
from hbnn_hw.backends.rtl.unrolled.sharing import SHARED_PRICE, group_rows, shared_sums
from hbnn_hw.backends.rtl.unrolled.sites import slice_sites
from hbnn_hw.backends.rtl.unrolled.terms import Terms, terms_of
from hbnn_hw.errors import RangeError
from hbnn_hw.ops import Mvtu
from hbnn_hw.types import TensorType

GROUP_SIZES = (1, 2, 3, 4, 6, 8)
"""Rows that may share sub-sums; the search builds the layer with each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One structure that the search has built.

    Attributes
    ----------
    group_size
        Rows that share sub-sums.
    luts, sites
        Its LUTs, and the sites that they and its carry chains take (:mod:`.sites`); those of a sample of the
        rows in a large layer.
    """

    group_size: int
    luts: int
    sites: int

    @property
    def cost(self) -> int:
        """What the search minimizes: both counts together."""
        return self.luts + self.sites


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """An unrolled layer.

    Attributes
    ----------
    netlist
        From the bits of all input elements to those of all output elements.
    candidates
        What the search has compared, cheapest first; the first was taken.
    sample_rows
        Rows that were built with each.
    """

    netlist: Netlist
    candidates: tuple[Candidate, ...]
    sample_rows: int

    @property
    def explanation(self) -> str:
        """Say in a sentence which structure was taken, and against which others."""
        size = self.candidates[0].group_size
        taken = f"up to {size} rows share sub-sums" if size > 1 else "rows share their total alone"
        tried = ", ".join(f"{found.luts} + {found.sites} by {found.group_size}" for found in self.candidates)
        return f"{taken}; LUTs + sites of {self.sample_rows} rows that share: {tried}"


SAMPLE_ROWS = 32
"""Most rows that the search builds with every structure; a larger layer is then built once."""

SAMPLE_BITS = 1 << 16
"""Bits that all these rows read together, at most, as long as there is a whole group of rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layer:
    """A layer in the words of the planner: ``dot = scale * (W u) + offsets``.

    Attributes
    ----------
    elements
        u as heaps, one per column.
    terms
        W recoded.
    scale
        1 or 2.
    offsets
        int64 (rows,).
    op
        The operator.
    n_inputs, output_bits
        Bits of the whole input vector, and of an output element.
    is_bordered
        Whether the last input bit tells that the vector lies in a frame of nothing, all other bits being 0.
    """

    elements: tuple[Heap, ...]
    terms: Terms
    scale: int
    offsets: NDArray[np.int64]
    op: Mvtu
    n_inputs: int
    is_bordered: bool
    output_bits: int

    @classmethod
    def of(cls, op: Mvtu, source: TensorType) -> _Layer:
        accumulation = op.accumulation(source)
        planes = len(accumulation.scales)
        is_bipolar = accumulation.shift == 1 or accumulation.halves
        factors = list(accumulation.scales) if is_bipolar else [1 << q for q in range(planes)]
        if accumulation.top_inverted:
            factors[-1] = -factors[-1]
        return cls(
            elements=tuple(
                _element([column * planes + q for q in range(planes)], factors)
                for column in range(op.weights.columns)
            ),
            terms=terms_of(op.weights),
            scale=1 if accumulation.halves or not is_bipolar else 2,
            offsets=-(sum(factors) if is_bipolar else 0) * op.weights.row_sums(),
            op=op,
            n_inputs=op.weights.columns * planes + accumulation.halves,
            is_bordered=accumulation.halves,
            output_bits=op.infer(source).element.bits,
        )


def _element(nets: Sequence[int], factors: Sequence[int]) -> Heap:
    element = Heap()
    for net, factor in zip(nets, factors, strict=True):
        element.add_multiple(Heap.of_bits([(0, Bit(net))]), factor)
    return element


def plan_layer(op: Mvtu, source: TensorType, group_sizes: Sequence[int] = GROUP_SIZES) -> LayerPlan:
    """Choose the cheapest structure of a layer and build it.

    Parameters
    ----------
    op
        The operator; its folding does not matter.
    source
        Type of its input: planes or integers.
    group_sizes
        Numbers of rows that may share sub-sums, to choose from.

    Raises
    ------
    RangeError
        If the unit cannot read the input, or its outputs have different maps at different places.
    """
    layer = _Layer.of(op, source)
    rows = range(op.weights.rows)
    sample = rows[: max(*group_sizes, min(SAMPLE_ROWS, SAMPLE_BITS // max(1, layer.n_inputs)))]
    built = {size: _build(layer, size, sample) for size in group_sizes}
    candidates = sorted(
        (
            Candidate(group_size=size, luts=netlist.luts, sites=slice_sites(netlist))
            for size, netlist in built.items()
        ),
        key=lambda candidate: (candidate.cost, candidate.group_size),
    )
    size = candidates[0].group_size
    return LayerPlan(
        netlist=joined(built[size] if len(sample) == len(rows) else _build(layer, size, rows)),
        sample_rows=len(sample),
        candidates=tuple(candidates),
    )


def _build(layer: _Layer, group_size: int, rows: Sequence[int]) -> Netlist:
    """Build the rows of a layer with one structure."""
    builder = NetlistBuilder(layer.n_inputs)
    terms = layer.terms
    total = Heap()
    for element, offset in zip(layer.elements, terms.total.tolist(), strict=True):
        total.add_multiple(element, offset)
    total = resolve(builder, total)
    sums = _vector_sums(builder, layer, total, group_size, rows)
    outputs: list[int] = []
    for row in rows:
        heap = Heap()
        for vector, factor in terms.uses[row]:
            _add_use(builder, heap, sums[vector], factor, terms.carrier_shift)
        heap.add_multiple(total, -int(terms.total_factors[row]))
        outputs += _outputs(builder, layer, _doubled(layer, heap, row) if layer.is_bordered else heap, row)
    return builder.finish(outputs)


def _doubled(layer: _Layer, heap: Heap, row: int) -> Heap:
    """Twice a row's sum, and in a frame of nothing what brings the dot product to 0."""
    doubled = Heap()
    doubled.add(heap, 1)
    sign = -1 if layer.terms.negated[row] else 1
    doubled.add_multiple(Heap.of_bits([(0, Bit(layer.n_inputs - 1))]), -sign * int(layer.offsets[row]))
    return doubled


def _add_use(builder: NetlistBuilder, heap: Heap, leaf: Heap, factor: int, shift: int) -> None:
    """Add a vector's sum, which stands ``2**shift`` times too high."""
    if factor & (factor - 1):
        leaf = compress(builder, leaf, SHARED_PRICE)
    for exponent, negative in signed_digits(factor):
        heap.add(leaf, exponent - shift, negative)


def _vector_sums(
    builder: NetlistBuilder, layer: _Layer, total: Heap, group_size: int, rows: Sequence[int]
) -> dict[int, Heap]:
    """Build the sums of the vectors that some rows use, group by group."""
    terms = layer.terms
    used = sorted({vector for row in rows for vector, _ in terms.uses[row]})
    if not used:
        return {}
    items = [total, *(_lifted(element, terms.carrier_shift) for element in layer.elements)]
    vectors = terms.vectors[used]
    patterns = np.vstack([-terms.carriers[used].astype(np.int8)[np.newaxis], vectors.T])
    sums: dict[int, Heap] = {}
    for tree in group_rows(vectors, group_size):
        found = shared_sums(builder, tree, patterns, items)
        sums.update({used[at]: heap for at, heap in found.items()})
    return sums


def _lifted(heap: Heap, shift: int) -> Heap:
    lifted = Heap()
    lifted.add(heap, shift)
    return lifted


def _outputs(builder: NetlistBuilder, layer: _Layer, heap: Heap, row: int) -> list[int]:
    """Make the bits of a row's output element from its sum."""
    thresholds = layer.op.thresholds
    is_negated = bool(layer.terms.negated[row])
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


def _present(layer: _Layer, row: int) -> list[bool]:
    """Which bits of a row's output exist."""
    thresholds = layer.op.thresholds
    assert thresholds is not None
    if thresholds.mask is None:
        return [True] * thresholds.n_bits
    mask = thresholds.mask.reshape(thresholds.n_bits, -1, layer.op.weights.rows)[:, :, row]
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


def _number(builder: NetlistBuilder, layer: _Layer, heap: Heap, row: int, is_negated: bool) -> list[int]:
    """Add up a raw dot product in two's complement."""
    dot = Heap()
    dot.add(heap, layer.scale.bit_length() - 1, is_negated)
    modulus = 1 << layer.output_bits
    dot.columns = {column: bits for column, bits in dot.columns.items() if column < layer.output_bits}
    dot.materialize((dot.constant + int(layer.offsets[row])) % modulus)
    added = resolve(builder, dot)
    bits = [added.columns.get(column, [Bit(ZERO)])[0] for column in range(layer.output_bits)]
    return [builder.lut([(bit, 1)], PARITY) if bit.net != ZERO else ZERO for bit in bits]
