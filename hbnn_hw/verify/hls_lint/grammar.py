"""Grammar of the HLS pragmas as data: directives, their options, and which tool knows which.

Source: UG902 (2019.2) and UG1270 for Vivado HLS; UG1399 (2020.2 to 2024.1) for Vitis HLS. Spellings that one
tool takes for compatibility only count as the other tool's, so that the dialects never mix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from hbnn_hw.backends.hls.dialect import HlsTool

VIVADO = frozenset({HlsTool.VIVADO_HLS})
VITIS = frozenset({HlsTool.VITIS_HLS})
BOTH = VIVADO | VITIS
NEITHER: frozenset[HlsTool] = frozenset()


class Value(Enum):
    """What an option's value is."""

    FLAG = auto()
    CHOICE = auto()
    INTEGER = auto()
    VARIABLE = auto()
    PORT = auto()
    TEXT = auto()


class Place(Enum):
    """Where a pragma may stand."""

    FUNCTION = "at the start of a function body"
    LOOP = "at the start of a loop body"
    BODY = "inside a function body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a directive.

    Attributes
    ----------
    name
        As in ``name=value``; the word itself for a flag.
    value
        Kind of its value.
    choices
        Legal values of a choice, in lower case.
    named
        Tools that take it as ``name=value``.
    bare
        Tools that take the value alone, as in ``complete`` for ``type=complete``.
    minimum
        Smallest legal integer.
    required
        Whether the directive is illegal without it.
    """

    name: str
    value: Value
    choices: frozenset[str] = frozenset()
    named: frozenset[HlsTool] = BOTH
    bare: frozenset[HlsTool] = NEITHER
    minimum: int = 0
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One directive: ``#pragma HLS NAME options``.

    Attributes
    ----------
    name
        In capitals.
    options
        What may follow; an option with several entries takes the values of all of them.
    places
        Where it may stand.
    tools
        Tools that know it.
    """

    name: str
    options: tuple[Option, ...]
    places: frozenset[Place] = frozenset({Place.BODY})
    tools: frozenset[HlsTool] = BOTH


def _flag(name: str, tools: frozenset[HlsTool] = BOTH) -> Option:
    return Option(name=name, value=Value.FLAG, named=NEITHER, bare=tools)


def _integer(name: str, minimum: int = 0, *, required: bool = False) -> Option:
    return Option(name=name, value=Value.INTEGER, minimum=minimum, required=required)


def _integers(names: str, tools: frozenset[HlsTool] = BOTH) -> tuple[Option, ...]:
    return tuple(Option(name=name, value=Value.INTEGER, named=tools) for name in names.split())


def _text(name: str, tools: frozenset[HlsTool] = BOTH, *, required: bool = False) -> Option:
    return Option(name=name, value=Value.TEXT, named=tools, required=required)


def _choice(
    name: str,
    choices: str,
    *,
    named: frozenset[HlsTool] = BOTH,
    bare: frozenset[HlsTool] = NEITHER,
    required: bool = False,
) -> Option:
    words = frozenset(choices.split())
    return Option(name=name, value=Value.CHOICE, choices=words, named=named, bare=bare, required=required)


_VARIABLE = Option(name="variable", value=Value.VARIABLE, required=True)
_LOOP = frozenset({Place.LOOP})
_FUNCTION = frozenset({Place.FUNCTION})
_EITHER_START = _LOOP | _FUNCTION

PORT_MODES = """
ap_none ap_stable ap_vld ap_ack ap_hs ap_ovld ap_fifo ap_memory bram axis s_axilite m_axi ap_ctrl_none
ap_ctrl_hs ap_ctrl_chain
"""
"""Modes of INTERFACE that both tools know."""

_BURSTS = (
    "num_read_outstanding num_write_outstanding max_read_burst_length max_write_burst_length depth latency"
)

MEMORY_CORES = """
ram_1p ram_1p_bram ram_1p_lutram ram_1p_uram ram_2p ram_2p_bram ram_2p_lutram ram_2p_uram ram_s2p_bram
ram_s2p_lutram ram_s2p_uram ram_t2p_bram ram_t2p_uram rom_1p rom_1p_bram rom_1p_lutram rom_1p_1s rom_2p
rom_2p_bram rom_2p_lutram rom_np_bram rom_np_lutram fifo fifo_bram fifo_lutram fifo_srl xpm_memory
"""
"""Cores of RESOURCE that are memories. Source: UG902, table "Memory Cores"."""

ARITHMETIC_CORES = """
addsub addsub_dsp addsubns cmp div divns mul mulns mul_lut mul_dsp mux sel dsp48 dspadd dspmul dspmul6
dspmul_us
"""
"""Cores of RESOURCE that are operators. Source: UG902, table "Functional Cores"."""

STORAGE = {
    "fifo": "bram lutram srl uram memory auto",
    "ram_1p": "bram lutram uram bram_ecc uram_ecc auto",
    "ram_1wnr": "bram lutram uram auto",
    "ram_2p": "bram lutram uram bram_ecc uram_ecc auto",
    "ram_s2p": "bram lutram uram bram_ecc uram_ecc auto",
    "ram_t2p": "bram uram auto",
    "rom_1p": "bram lutram auto",
    "rom_2p": "bram lutram auto",
    "rom_np": "bram lutram auto",
}
"""Implementations by type of BIND_STORAGE. Source: UG1399, "pragma HLS bind_storage"."""

_PARTITION = (
    _VARIABLE,
    # "complete" is what both tools do when no type is given; spelled out here, so that nobody has to know.
    _choice("type", "block cyclic complete", named=VITIS, bare=BOTH, required=True),
    _integer("factor", 1),
    _integer("dim"),
)


def _directives() -> Iterable[Directive]:
    yield Directive(
        name="INTERFACE",
        places=_FUNCTION,
        options=(
            _choice("mode", PORT_MODES, named=VITIS, bare=BOTH, required=True),
            _choice("mode", "ap_bus", named=NEITHER, bare=VIVADO),
            Option(name="port", value=Value.PORT, required=True),
            # As Vivado HLS writes it: "axis register both port=x".
            _flag("register"),
            _choice("register side", "off forward reverse both", named=NEITHER, bare=VIVADO),
            _choice("register_mode", "off forward reverse both", named=VITIS),
            *(_text(name) for name in ("bundle", "name", "clock", "offset")),
            *_integers(_BURSTS),
            *_integers("max_widen_bitwidth", VITIS),
            _choice("storage_type", " ".join(STORAGE), named=VITIS),
            _choice("storage_impl", "bram lutram uram srl auto", named=VITIS),
        ),
    )
    yield from _loop_directives()
    yield from _array_directives()
    yield from _function_directives()


def _loop_directives() -> Iterable[Directive]:
    yield Directive(
        name="PIPELINE",
        places=_EITHER_START,
        options=(
            _integer("II", 1),
            _flag("enable_flush", VIVADO),
            _choice("style", "stp flp frp", named=VITIS),
            _flag("rewind"),
            _flag("off"),
        ),
    )
    yield Directive(
        name="UNROLL",
        places=_LOOP,
        options=(
            _integer("factor", 1),
            _flag("skip_exit_check"),
            _flag("region", VIVADO),
            _choice("off", "true", named=VITIS),
        ),
    )
    yield Directive(
        name="LOOP_TRIPCOUNT",
        places=_LOOP,
        options=(_integer("min"), _integer("max", required=True), _integer("avg")),
    )
    yield Directive(name="LOOP_FLATTEN", places=_LOOP, options=(_flag("off"),))
    yield Directive(name="LOOP_MERGE", places=_EITHER_START, options=(_flag("force"),))
    yield Directive(name="DATAFLOW", places=_EITHER_START, options=(_flag("disable_start_propagation"),))
    yield Directive(
        name="DEPENDENCE",
        options=(
            Option(name="variable", value=Value.VARIABLE),
            _choice("class", "array pointer", named=VITIS, bare=BOTH),
            _choice("type", "inter intra", named=VITIS, bare=BOTH, required=True),
            _choice("direction", "raw war waw", named=VITIS, bare=BOTH),
            _integer("distance", 1),
            _choice("dependent", "true false", named=VITIS, bare=BOTH, required=True),
        ),
    )
    yield Directive(name="OCCURRENCE", options=(_integer("cycle", 1),))


def _array_directives() -> Iterable[Directive]:
    yield Directive(name="ARRAY_PARTITION", options=_PARTITION)
    yield Directive(name="ARRAY_RESHAPE", options=(*_PARTITION, _flag("object")))
    yield Directive(
        name="ARRAY_MAP",
        tools=VIVADO,
        options=(
            _VARIABLE,
            _text("instance", required=True),
            _choice("mode", "horizontal vertical", named=NEITHER, bare=VIVADO),
            _integer("offset"),
        ),
    )
    yield Directive(
        name="RESOURCE",
        tools=VIVADO,
        options=(
            _VARIABLE,
            _choice("core", f"{MEMORY_CORES} {ARITHMETIC_CORES}", required=True),
            _integer("latency"),
        ),
    )
    yield Directive(
        name="BIND_STORAGE",
        tools=VITIS,
        options=(
            _VARIABLE,
            _choice("type", " ".join(STORAGE), required=True),
            _choice("impl", "bram bram_ecc lutram uram uram_ecc srl memory auto"),
            _integer("latency"),
        ),
    )
    yield Directive(
        name="BIND_OP",
        tools=VITIS,
        options=(
            _VARIABLE,
            _choice("op", "mul add sub", required=True),
            _choice("impl", "dsp fabric auto", required=True),
            _integer("latency"),
        ),
    )
    yield Directive(name="STREAM", options=(_VARIABLE, _integer("depth", 1), _integer("dim"), _flag("off")))
    yield Directive(
        name="DATA_PACK",
        tools=VIVADO,
        options=(_VARIABLE, _text("instance"), _choice("byte_pad", "struct_level field_level")),
    )
    yield Directive(
        name="AGGREGATE",
        tools=VITIS,
        options=(_VARIABLE, _choice("compact", "bit byte none auto")),
    )
    yield Directive(name="DISAGGREGATE", tools=VITIS, options=(_VARIABLE,))
    yield Directive(name="RESET", options=(_VARIABLE, _flag("off")))
    yield Directive(name="STABLE", options=(_VARIABLE,))


def _function_directives() -> Iterable[Directive]:
    yield Directive(
        name="INLINE",
        places=_FUNCTION,
        options=(
            _choice("mode", "off recursive", named=NEITHER, bare=BOTH),
            _choice("mode", "region", named=NEITHER, bare=VIVADO),
        ),
    )
    yield Directive(
        name="ALLOCATION",
        options=(
            _text("instances", required=True),
            _integer("limit", 1, required=True),
            _choice("type", "function operation", named=VITIS, bare=BOTH, required=True),
            _choice("type", "core", named=NEITHER, bare=VIVADO),
        ),
    )
    yield Directive(name="FUNCTION_INSTANTIATE", places=_FUNCTION, options=(_VARIABLE,))
    yield Directive(name="EXPRESSION_BALANCE", options=(_flag("off"),))
    yield Directive(name="LATENCY", options=(_integer("min"), _integer("max")))
    yield Directive(name="PROTOCOL", options=(_choice("mode", "floating fixed", named=VITIS, bare=BOTH),))
    yield Directive(name="TOP", places=_FUNCTION, options=(_text("name"),))


DIRECTIVES: dict[str, Directive] = {directive.name: directive for directive in _directives()}
"""Every directive by its name."""
