"""Look-up tables and carry chains as logic, or as the primitives of a fabric: the back end's one switch.

Synthesis restructures tables that are written as logic; only instantiated primitives keep the structure that
a cost model chose. A component asks for the fabric in ``elaborate``, where Amaranth hands every component the
``platform`` of the conversion::

    def elaborate(self, platform: object) -> Module:
        fabric = Fabric.of(platform)

Amaranth's simulator passes none, which is :attr:`Fabric.GENERIC`; ``to_verilog(..., fabric=Fabric.XC7)``
emits the primitives. :func:`with_models` adds behavioural models of the primitives that a text instantiates,
for simulators; synthesis tools define ``SYNTHESIS`` and use their own.

Source: Xilinx UG474 (slices, O5 and O6), UG953 (LUT6, LUT6_2, CARRY4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value

from hbnn_hw.backends.rtl.truth_tables import widened_table
from hbnn_hw.target import Target
from hbnn_hw.templating import static_text

MODELS = "rtl/primitives"
"""Folder of the behavioural models, one ``<primitive>.v`` each."""

_INSTANCE = re.compile(r"^\s*(LUT[1-6]|LUT6_2|CARRY4)\b", re.MULTILINE)


class Fabric(Enum):
    """What the emitted Verilog may instantiate."""

    GENERIC = "generic"
    """Nothing: every tool and device reads it."""

    XC7 = "xc7"
    """``LUT1`` to ``LUT6``, ``LUT6_2`` and ``CARRY4`` of the 7-series."""

    @classmethod
    def of(cls, platform: object) -> Fabric:
        """Return the fabric that a conversion handed to ``elaborate``; none is generic."""
        return platform if isinstance(platform, Fabric) else cls.GENERIC

    @classmethod
    def of_target(cls, target: Target) -> Fabric:
        """Return the fabric of a target's device."""
        return cls.XC7 if target.device.part.startswith("xc7") else cls.GENERIC


def lut(m: Module, fabric: Fabric, table: int, inputs: Sequence[Value], name: str) -> Signal:
    """Add a table of 1 to 6 inputs, combinationally.

    Parameters
    ----------
    m
        Module that takes the logic.
    fabric
        Whether it becomes an instance.
    table
        Value for every input pattern; see :func:`~hbnn_hw.backends.rtl.truth_tables.truth_table`.
    inputs
        Single bits, input 0 first.
    name
        Name of the output signal.
    """
    output = Signal(name=name)
    if fabric is Fabric.XC7:
        pins = {f"i_I{at}": pin for at, pin in enumerate(inputs)}
        m.submodules += Instance(
            f"LUT{len(inputs)}", p_INIT=Const(table, 1 << len(inputs)), **pins, o_O=output
        )
    else:
        m.d.comb += output.eq(_look_up(table, inputs))
    return output


def lut6_2(
    m: Module, fabric: Fabric, table: int, inputs: Sequence[Value], names: tuple[str, str]
) -> tuple[Signal, Signal]:
    """Add a LUT6 site with both its outputs: O6 of all six inputs, O5 of the first five, combinationally.

    Parameters
    ----------
    m, fabric
        As for :func:`lut`.
    table
        O6 for the 64 input patterns; its lower half, where input 5 is 0, is O5 as well.
    inputs
        Six single bits, input 0 first. A constant 1 as input 5 makes the outputs two tables of five inputs.
    names
        Names of O5 and O6.
    """
    low, high = Signal(name=names[0]), Signal(name=names[1])
    if fabric is Fabric.XC7:
        pins = {f"i_I{at}": pin for at, pin in enumerate(inputs)}
        m.submodules += Instance("LUT6_2", p_INIT=Const(table, 64), **pins, o_O5=low, o_O6=high)
    else:
        lower_half = table & ((1 << 32) - 1)
        m.d.comb += [low.eq(_look_up(lower_half, inputs[:5])), high.eq(_look_up(table, inputs))]
    return low, high


def lut_pair(
    m: Module, fabric: Fabric, tables: tuple[int, int], inputs: Sequence[Value], names: tuple[str, str]
) -> tuple[Signal, Signal]:
    """Add two tables of the same 1 to 5 inputs, combinationally: one LUT6 site with outputs O5 and O6.

    Parameters
    ----------
    m, fabric
        As for :func:`lut`.
    tables
        Values of O5 and O6 for every input pattern.
    inputs
        Single bits, input 0 first.
    names
        Names of the two signals.
    """
    low, high = (widened_table(table, len(inputs), 5) for table in tables)
    pins = [*inputs, *[Const(0, 1)] * (5 - len(inputs)), Const(1, 1)]
    return lut6_2(m, fabric, low | high << 32, pins, names)


def carry_chain(
    m: Module, fabric: Fabric, carry_in: Value, propagate: Value, generate: Value, name: str
) -> Signal:
    """Add a carry chain: ``sums[i] = p[i] ^ c[i]``, ``c[i + 1] = c[i] if p[i] else g[i]``; combinational.

    Parameters
    ----------
    m, fabric
        As for :func:`lut`.
    carry_in
        c[0], one bit.
    propagate, generate
        p and g, vectors of the chain's length.
    name
        Prefix of the signals.

    Returns
    -------
    Signal
        The sums. The carries stay inside: a slice has one output for either.
    """
    sums = Signal(len(propagate), name=f"{name}_sums")
    if fabric is Fabric.XC7:
        for at in range(0, len(propagate), 4):
            p, g, out = (vector[at : at + 4] for vector in (propagate, generate, sums))
            ends = at == 0, at + 4 >= len(propagate)
            carry_in = _carry4(m, carry_in, p, g, out, ends, f"{name}_{at}")
        return sums
    carries = Signal(len(propagate), name=f"{name}_carries")
    m.d.comb += [
        carries.eq(
            Cat(carry_in, *(Mux(p, c, g) for p, c, g in zip(propagate, carries, generate, strict=True)))
        ),
        sums.eq(propagate ^ carries),
    ]
    return sums


def _carry4(
    m: Module,
    carry: Value,
    propagate: Value,
    generate: Value,
    sums: Value,
    ends: tuple[bool, bool],
    name: str,
) -> Value:
    """Add four places of a chain, or its last few; return the carry out of the fourth.

    ``ends`` tells whether the places are the first and the last.
    """
    (first, last), zero, unused = ends, Const(0, 1), Const(0, 4 - len(sums))
    outputs, carries = Signal(4, name=f"{name}_carry4_o"), Signal(4, name=f"{name}_carry4_co")
    m.submodules += Instance(
        "CARRY4",
        i_CI=zero if first else carry,
        i_CYINIT=carry if first else zero,
        i_S=Cat(propagate, unused),
        i_DI=Cat(generate, unused),
        o_O=outputs,
        **({} if last else {"o_CO": carries}),
    )
    m.d.comb += sums.eq(outputs)
    return carries[3]


def with_models(verilog: str) -> str:
    """Append the behavioural models of the primitives that a Verilog text instantiates.

    They are invisible where ``SYNTHESIS`` is defined, so that a synthesis tool takes its own primitives.
    """
    names = sorted(set(_INSTANCE.findall(verilog)))
    if not names:
        return verilog
    models = "\n".join(static_text(f"{MODELS}/{name}.v") for name in names)
    return f"{verilog}\n`ifndef SYNTHESIS\n{models}`endif\n"


def _look_up(table: int, inputs: Sequence[Value]) -> Value:
    return Const(table, 1 << len(inputs)).bit_select(Cat(*inputs), 1)
