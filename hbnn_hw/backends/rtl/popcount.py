"""Population counts: how many bits of a vector are 1, and sums of products of bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import reduce

from amaranth.hdl import Cat, Const, Module, Signal, Value

from hbnn_hw.backends.rtl.agreements import IDENTITY, MASKED_XNOR, XNOR, allowed_levels
from hbnn_hw.backends.rtl.compressors import ONE, ZERO, Addend, Cell, Plan, Table, TablePair, compress
from hbnn_hw.backends.rtl.lut import Fabric, carry_chain, lut, lut6_2


class PopcountStyle(Enum):
    """Structure of the counting logic."""

    TREE = "tree"
    """Balanced tree of adders; synthesis merges it into one multi-operand adder."""

    COMPRESSED = "compressed"
    """Planned compressors of LUTs and carry chains: primitives where the fabric has them, else tables."""

    @classmethod
    def of(cls, fabric: Fabric) -> PopcountStyle:
        """Return the smaller one: without primitives synthesis would restructure the compressors."""
        return cls.COMPRESSED if fabric is Fabric.XC7 else cls.TREE


def count_bits(n: int) -> int:
    """Width that holds a count of ``n`` bits, at least 1."""
    return max(1, n.bit_length())


def _tree(bits: list[Value]) -> Value:
    """Add bits pairwise, level by level.

    The operands of a level have nearly equal widths, so the sums stay at ``log2(n) + 1`` bits. A chain, or
    Python's ``sum`` with its integer start value, would widen every node.
    """
    level = bits
    while len(level) > 1:
        level = [reduce(lambda a, b: a + b, level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


def popcount(
    m: Module,
    vector: Value,
    name: str,
    style: PopcountStyle = PopcountStyle.TREE,
    fabric: Fabric = Fabric.GENERIC,
) -> Value:
    """Count the ones of a vector, combinationally.

    Latency 0. Area, in LUTs per bit (Yosys, 7-series): compressed about 0.8, as a tree about 1.6. Where the
    bits are agreements with weights that are signals, :func:`sum_of_products` takes the XNOR along.

    Parameters
    ----------
    m
        Module that takes the logic.
    vector
        Value of n bits. It is copied into a signal first: slicing an expression bit by bit would repeat the
        expression for every bit.
    name
        Name of the count's signal.
    style
        Structure of the logic.
    fabric
        Primitives that compressors may use.

    Returns
    -------
    Signal
        The count, ``count_bits(n)`` wide.
    """
    bits = Signal(len(vector), name=f"{name}_bits")
    count = Signal(count_bits(len(vector)), name=name)
    m.d.comb += bits.eq(vector)
    addends = tuple(Addend(nets=(at,), table=IDENTITY) for at in range(len(bits)))
    m.d.comb += count.eq(_STRUCTURES[style](m, bits, addends, fabric, name) if addends else Const(0))
    return count


def sum_of_products(
    m: Module,
    inputs: Value,
    addends: Sequence[Addend],
    name: str,
    style: PopcountStyle = PopcountStyle.TREE,
    fabric: Fabric = Fabric.GENERIC,
) -> Value:
    """Add small functions of bits, each times a power of two, combinationally.

    Latency 0. Area, in LUTs per agreement of two signals (Yosys, 7-series): compressed 1.16, 1.23
    and 1.33 at 64, 256 and 1024, as a tree 2.2 to 2.4; and no more levels than the tree.

    Parameters
    ----------
    m
        Module that takes the logic.
    inputs
        Bits that the addends read; copied into a signal first.
    addends
        At least one.
    name
        Name of the sum's signal.
    style, fabric
        As for :func:`popcount`.

    Returns
    -------
    Signal
        The sum, as wide as its largest value.
    """
    bits = Signal(len(inputs), name=f"{name}_bits")
    total = Signal(count_bits(sum(1 << addend.place for addend in addends)), name=name)
    m.d.comb += bits.eq(inputs)
    m.d.comb += total.eq(_STRUCTURES[style](m, bits, tuple(addends), fabric, name))
    return total


def _adder_tree(m: Module, bits: Signal, addends: tuple[Addend, ...], fabric: Fabric, name: str) -> Value:
    """Count the addends of every place in a tree, and add the shifted counts."""
    by_place: dict[int, list[Value]] = {}
    for addend in addends:
        by_place.setdefault(addend.place, []).append(_expression(bits, addend))
    counts = []
    for place, column in sorted(by_place.items()):
        named = Signal(len(column), name=f"{name}_addends{place}")
        m.d.comb += named.eq(Cat(*column))
        counts.append(_tree(list(named)) << place)
    return reduce(lambda a, b: a + b, counts)


def _expression(bits: Signal, addend: Addend) -> Value:
    pins = [bits[net] for net in addend.nets]
    match len(pins), addend.table:
        case 1, table if table == IDENTITY:
            return pins[0]
        case 2, table if table == XNOR:
            return ~(pins[0] ^ pins[1])
        case 3, table if table == MASKED_XNOR:
            return ~(pins[0] ^ pins[1]) & pins[2]
    return Const(addend.table, 1 << len(pins)).bit_select(Cat(*pins), 1)


def _compressors(m: Module, bits: Signal, addends: tuple[Addend, ...], fabric: Fabric, name: str) -> Value:
    plan = compress(addends, len(bits), allowed_levels(addends))
    return build_plan(m, fabric, plan, bits, name)


_STRUCTURES: dict[PopcountStyle, Callable[[Module, Signal, tuple[Addend, ...], Fabric, str], Value]] = {
    PopcountStyle.TREE: _adder_tree,
    PopcountStyle.COMPRESSED: _compressors,
}


def build_plan(m: Module, fabric: Fabric, plan: Plan, bits: Signal, name: str) -> Value:
    """Turn a plan into logic; return its sum."""
    nets: dict[int, Value] = {ZERO: Const(0, 1), ONE: Const(1, 1)}
    nets |= {at: bits[at] for at in range(plan.n_inputs)}
    for cell in plan.cells:
        nets |= _build_cell(m, fabric, cell, nets, name)
    return Cat(*(nets[net] for net in plan.outputs))


def _build_cell(m: Module, fabric: Fabric, cell: Cell, nets: dict[int, Value], name: str) -> dict[int, Value]:
    if isinstance(cell, Table):
        pins = [nets[net] for net in cell.inputs]
        return {cell.output: lut(m, fabric, cell.table, pins, f"{name}_{cell.output}")}
    if isinstance(cell, TablePair):
        pins = [nets[net] for net in cell.inputs]
        low, high = cell.outputs
        outputs = lut6_2(m, fabric, cell.table, pins, (f"{name}_{low}", f"{name}_{high}"))
        return dict(zip(cell.outputs, outputs, strict=True))
    propagate, generate = (Cat(*(nets[net] for net in vector)) for vector in (cell.propagate, cell.generate))
    sums = carry_chain(m, fabric, nets[cell.carry_in], propagate, generate, f"{name}_{cell.sums[0]}")
    return dict(zip(cell.sums, sums, strict=True))
