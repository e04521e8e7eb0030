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
from collections.abc import Callable, Sequence
from enum import Enum

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value

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


def truth_table(n_inputs: int, function: Callable[..., int]) -> int:
    """Tabulate a function of bits: bit ``i`` holds its value where input ``k`` is bit ``k`` of ``i``."""
    return sum(
        (int(function(*((index >> at) & 1 for at in range(n_inputs)))) & 1) << index
        for index in range(1 << n_inputs)
    )


def lut(m: Module, fabric: Fabric, table: int, inputs: Sequence[Value], name: str) -> Signal:
    """Add a table of 1 to 6 inputs, combinationally.

    Parameters
    ----------
    m
        Module that takes the logic.
    fabric
        Whether it becomes an instance.
    table
        Value for every input pattern; see :func:`truth_table`.
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
    outputs = Signal(name=names[0]), Signal(name=names[1])
    if fabric is Fabric.XC7:
        unused = 5 - len(inputs)
        low, high = (_widen(table, len(inputs), unused) for table in tables)
        pins = {f"i_I{at}": pin for at, pin in enumerate([*inputs, *[Const(0, 1)] * unused, Const(1, 1)])}
        m.submodules += Instance(
            "LUT6_2", p_INIT=Const(low | high << 32, 64), **pins, o_O5=outputs[0], o_O6=outputs[1]
        )
    else:
        m.d.comb += [
            output.eq(_look_up(table, inputs)) for output, table in zip(outputs, tables, strict=True)
        ]
    return outputs


def carry_chain(
    m: Module, fabric: Fabric, carry_in: Value, propagate: Value, generate: Value, name: str
) -> tuple[Signal, Signal]:
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
    tuple of Signal
        The sums, and the carries c[1] ... c[length].
    """
    length = len(propagate)
    sums, carries = Signal(length, name=f"{name}_sums"), Signal(length, name=f"{name}_carries")
    if fabric is not Fabric.XC7:
        before = Cat(carry_in, carries[:-1])
        m.d.comb += [
            sums.eq(propagate ^ before),
            *(carries[at].eq(Mux(propagate[at], before[at], generate[at])) for at in range(length)),
        ]
        return sums, carries
    for at in range(0, length, 4):
        bits = min(4, length - at)
        chain_sums, chain_carries = Signal(4, name=f"{name}_o{at}"), Signal(4, name=f"{name}_co{at}")
        m.submodules += Instance(
            "CARRY4",
            i_CI=carries[at - 1] if at else Const(0, 1),
            i_CYINIT=Const(0, 1) if at else carry_in,
            i_S=Cat(propagate[at : at + bits], Const(0, 4 - bits)),
            i_DI=Cat(generate[at : at + bits], Const(0, 4 - bits)),
            o_O=chain_sums,
            o_CO=chain_carries,
        )
        m.d.comb += [
            sums[at : at + bits].eq(chain_sums[:bits]),
            carries[at : at + bits].eq(chain_carries[:bits]),
        ]
    return sums, carries


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


def _widen(table: int, n_inputs: int, unused: int) -> int:
    """Repeat a table for inputs that do not matter."""
    for at in range(n_inputs, n_inputs + unused):
        table |= table << (1 << at)
    return table
