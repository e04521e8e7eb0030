"""The plan of an unrolled layer: its netlist, and what it costs and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.rtl.unrolled.chains import PARITY, compress, unit_terms
from hbnn_hw.backends.rtl.unrolled.decisions import at_least, resolve
from hbnn_hw.backends.rtl.unrolled.heap import Heap, signed_digits
from hbnn_hw.backends.rtl.unrolled.joints import joined
from hbnn_hw.backends.rtl.unrolled.netlist import (
    LUT_INPUTS,
    ZERO,
    Bit,
    Netlist,
    NetlistBuilder,
    side_by_side,
)
from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS, paired_sums
from hbnn_hw.backends.rtl.unrolled.sharing import SHARED_PRICE, group_rows, shared_sums
from hbnn_hw.backends.rtl.unrolled.sites import slice_sites
from hbnn_hw.backends.rtl.unrolled.terms import Terms, terms_of
from hbnn_hw.errors import RangeError
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Structure:
    """A way to build a layer.

    Attributes
    ----------
    group_size
        Rows that may share sub-sums, or :data:`PAIRS` for any two rows.
    has_total
        Whether the rows are recoded against a total that they share (:mod:`.terms`).
    """

    group_size: int
    has_total: bool = True

    def __str__(self) -> str:
        """Name it among others."""
        return f"{self.group_size or 'pairs'}{'' if self.has_total else ' without a total'}"

    @property
    def sentence(self) -> str:
        """Say which rows share what."""
        total = "" if self.has_total else ", without a total"
        if self.group_size == PAIRS:
            return f"any two rows share sub-sums{total}"
        if self.group_size > 1:
            return f"up to {self.group_size} rows share sub-sums{total}"
        return "rows share their total alone" if self.has_total else "rows share nothing"


STRUCTURES = tuple(Structure(group_size=size) for size in (1, 2, 3, 4, 6, 8, PAIRS))
"""Structures that the search builds."""

FEW_STRUCTURES = tuple(Structure(group_size=size, has_total=False) for size in (4, 8, PAIRS))
"""Structures that it builds besides for few rows."""

FEW_ROWS = 32
"""Most rows whose total may cost more than it saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One structure that the search has built.

    Attributes
    ----------
    structure
        Which.
    luts, sites
        Its LUTs, and the sites that they and its carry chains take (:mod:`.sites`); those of a sample of the
        rows in a large layer.
    """

    structure: Structure
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
        What the search has compared, cheapest first; the first was taken. In a layer of groups, those of the
        first group.
    sample_rows
        Rows that were built with each.
    groups
        Groups of the layer, whose kernels stand side by side.
    """

    netlist: Netlist
    candidates: tuple[Candidate, ...]
    sample_rows: int
    groups: int = 1

    @property
    def explanation(self) -> str:
        """Say in a sentence which structure was taken, and against which others."""
        taken = self.candidates[0].structure.sentence
        tried = ", ".join(f"{found.luts} + {found.sites} by {found.structure}" for found in self.candidates)
        groups = f"{self.groups} groups side by side; in the first " if self.groups > 1 else ""
        return f"{groups}{taken}; LUTs + sites of {self.sample_rows} rows that share: {tried}"


SAMPLE_ROWS = 32
"""Most rows that the search builds with every structure; a larger layer is then built once. Also the rows
among which any two may share."""

SAMPLE_BITS = 1 << 16
"""Bits that all these rows read together, at most, as long as there is a whole group of rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layer:
    """A layer, or a group of one, in the words of the planner: ``dot = scale * (W u) + offsets``.

    Attributes
    ----------
    elements
        u as heaps, one per column.
    scale
        1 or 2.
    offsets
        int64 (rows,).
    weights, thresholds
        Those of the rows.
    n_inputs, output_bits
        Bits of the unit's input word, and of an output element.
    is_bordered
        Whether the last input bit tells that the vector lies in a frame of nothing, all other bits being 0.
    """

    elements: tuple[Heap, ...]
    scale: int
    offsets: NDArray[np.int64]
    weights: WeightPlanes
    thresholds: Thresholds | None
    n_inputs: int
    is_bordered: bool
    output_bits: int

    @classmethod
    def of(cls, op: Mvtu, source: TensorType, group: int = 0) -> _Layer:
        """Write one of an operator's groups; all of it if it has no others."""
        accumulation = op.accumulation(source)
        planes = len(accumulation.scales)
        is_bipolar = accumulation.shift == 1 or accumulation.halves
        factors = list(accumulation.scales) if is_bipolar else [1 << q for q in range(planes)]
        if accumulation.top_inverted:
            factors[-1] = -factors[-1]
        weights, thresholds = _rows_of(op, group)
        return cls(
            elements=tuple(
                _element([lane * planes + q for q in range(planes)], factors) for lane in _lanes_of(op, group)
            ),
            scale=1 if accumulation.halves or not is_bipolar else 2,
            offsets=-(sum(factors) if is_bipolar else 0) * weights.row_sums(),
            weights=weights,
            thresholds=thresholds,
            n_inputs=op.groups * op.weights.columns * planes + accumulation.halves,
            is_bordered=accumulation.halves,
            output_bits=op.infer(source).element.bits,
        )


def _lanes_of(op: Mvtu, group: int) -> list[int]:
    """Elements of an unrolled unit's word that a group's columns read: pixel by pixel, group by group."""
    channels = op.group_inputs
    return [
        (pixel * op.groups + group) * channels + channel
        for pixel in range(op.window)
        for channel in range(channels)
    ]


def _rows_of(op: Mvtu, group: int) -> tuple[WeightPlanes, Thresholds | None]:
    """Weights and thresholds of a group."""
    weights, thresholds = op.weights, op.thresholds
    if op.groups == 1:
        return weights, thresholds
    size = weights.rows // op.groups
    rows = slice(group * size, (group + 1) * size)
    table = weights.row_coefficients
    weights = replace(
        weights,
        bits=weights.bits[:, rows],
        masks=weights.masks[:, rows],
        row_coefficients=None if table is None else table[:, rows],
        encoding=None,
    )
    if thresholds is None:
        return weights, None
    mask = thresholds.mask
    return weights, replace(
        thresholds,
        table=thresholds.table[rows],
        inverted=thresholds.inverted[rows],
        mask=None if mask is None else mask[..., rows],
    )


def _element(nets: Sequence[int], factors: Sequence[int]) -> Heap:
    element = Heap()
    for net, factor in zip(nets, factors, strict=True):
        element.add_multiple(Heap.of_bits([(0, Bit(net))]), factor)
    return element


def plan_layer(op: Mvtu, source: TensorType, structures: Sequence[Structure] | None = None) -> LayerPlan:
    """Choose the cheapest structure of a layer and build it.

    Parameters
    ----------
    op
        The operator, as if it were unrolled.
    source
        Type of its input: planes or integers.
    structures
        Structures to choose from; all that may be the cheapest unless told.

    Raises
    ------
    RangeError
        If the unit cannot read the input, or its outputs have different maps at different places.
    """
    plans = [_plan(_Layer.of(op, source, group), structures) for group in range(op.groups)]
    if len(plans) == 1:
        return plans[0]
    return replace(plans[0], netlist=side_by_side([plan.netlist for plan in plans]), groups=op.groups)


def _plan(layer: _Layer, structures: Sequence[Structure] | None) -> LayerPlan:
    rows = range(layer.weights.rows)
    if structures is None:
        structures = STRUCTURES + (FEW_STRUCTURES if len(rows) <= FEW_ROWS else ())
    largest = max(structure.group_size for structure in structures)
    sample = rows[: max(largest, min(SAMPLE_ROWS, SAMPLE_BITS // max(1, layer.n_inputs)))]
    built = {structure: _build(layer, structure, sample) for structure in structures}
    candidates = sorted(
        (
            Candidate(structure=structure, luts=netlist.luts, sites=slice_sites(netlist))
            for structure, netlist in built.items()
        ),
        key=lambda candidate: (candidate.cost, candidate.structure),
    )
    best = candidates[0].structure
    return LayerPlan(
        netlist=joined(built[best] if len(sample) == len(rows) else _build(layer, best, rows)),
        sample_rows=len(sample),
        candidates=tuple(candidates),
    )


def _build(layer: _Layer, structure: Structure, rows: Sequence[int]) -> Netlist:
    """Build the rows of a layer with one structure."""
    builder = NetlistBuilder(layer.n_inputs)
    terms = terms_of(layer.weights, structure.has_total)
    total = Heap()
    for element, offset in zip(layer.elements, terms.total.tolist(), strict=True):
        total.add_multiple(element, offset)
    total = resolve(builder, total)
    sums = _vector_sums(builder, layer.elements, terms, total, structure.group_size, rows)
    outputs: list[int] = []
    for row in rows:
        heap = Heap()
        for vector, factor in terms.uses[row]:
            _add_use(builder, heap, sums[vector], factor, terms.carrier_shift)
        heap.add_multiple(total, -int(terms.total_factors[row]))
        is_negated = bool(terms.negated[row])
        if layer.is_bordered:
            heap = _doubled(layer, heap, row, is_negated)
        outputs += _outputs(builder, layer, heap, row, is_negated)
    return builder.finish(outputs)


def _doubled(layer: _Layer, heap: Heap, row: int, is_negated: bool) -> Heap:
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
    step = SAMPLE_ROWS if group_size == PAIRS else max(len(rows), 1)
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


def _outputs(builder: NetlistBuilder, layer: _Layer, heap: Heap, row: int, is_negated: bool) -> list[int]:
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


def _present(layer: _Layer, row: int) -> list[bool]:
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
