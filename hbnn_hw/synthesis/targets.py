"""Synthesis targets: Yosys' command for each, how its cells are counted, and which of them are logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from hbnn_hw.synthesis.cell_delays import CellDelays


class SynthesisTarget(Enum):
    """What Yosys maps to."""

    XC7 = "xc7"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    GENERIC = "generic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Cells of a target.

    Attributes
    ----------
    command
        Yosys' synthesis command, without the top module.
    counted
        Columns of the result: each adds up cells, with a weight for every kind of them.
    logic
        Input and output pins of the combinational cells, one level each.
    clocked
        Data inputs and outputs of the clocked cells, at which paths begin and end.
    """

    command: str
    counted: Mapping[str, Mapping[str, float]]
    logic: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    clocked: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def unit_delays(self) -> dict[str, CellDelays]:
        """Delays that count levels: 1 through every logic cell, 0 elsewhere."""
        logic = {
            kind: CellDelays(
                arcs={((a, None), (b, None)): 1 for a in inputs.split() for b in outputs.split()}
            )
            for kind, (inputs, outputs) in self.logic.items()
        }
        clocked = {
            kind: CellDelays(
                launches={(pin, None): 0 for pin in outputs.split()},
                setups={(pin, None): 0 for pin in inputs.split()},
            )
            for kind, (inputs, outputs) in self.clocked.items()
        }
        return logic | clocked


def _pins(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{at}" for at in range(count))


_ECP5 = Library(
    command="synth_ecp5",
    counted={
        # A carry cell takes the two LUTs of its slice half; a memory of 16 words by 4 bits takes four LUTs.
        "LUT": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        "FF": {"TRELLIS_FF": 1},
        "carry": {"CCU2C": 1},
        "MUX": {"PFUMX": 1, "L6MUX21": 1},
        "LUTRAM": {"TRELLIS_DPR16X4": 4},
        "BRAM18": {"DP16KD": 1, "PDPW16KD": 1},
        "DSP": {"MULT18X18D": 1, "ALU54B": 1},
    },
    logic={
        "LUT4": ("A B C D", "Z"),
        "PFUMX": ("ALUT BLUT C0", "Z"),
        "L6MUX21": ("D0 D1 SD", "Z"),
        "CCU2C": ("A0 B0 C0 D0 A1 B1 C1 D1 CIN", "S0 S1 COUT"),
        "TRELLIS_DPR16X4": ("RAD", "DO"),
    },
    clocked={
        "TRELLIS_FF": ("DI M CE LSR", "Q"),
        "DP16KD": (
            " ".join(
                (_pins("DIA", 18), _pins("ADA", 14), _pins("DIB", 18), _pins("ADB", 14), "CEA CEB WEA WEB")
            ),
            f"{_pins('DOA', 18)} {_pins('DOB', 18)}",
        ),
        "PDPW16KD": (
            " ".join((_pins("DI", 36), _pins("ADW", 9), _pins("ADR", 14), "CEW CER")),
            _pins("DO", 36),
        ),
    },
)

_ICE40_FLIP_FLOPS = [f"SB_DFF{kind}" for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")]

_ICE40 = Library(
    command="synth_ice40",
    counted={
        "LUT": {"SB_LUT4": 1},
        "FF": dict.fromkeys(_ICE40_FLIP_FLOPS, 1),
        "carry": {"SB_CARRY": 1},
        "BRAM4": {f"SB_RAM40_4K{edges}": 1 for edges in ("", "NR", "NW", "NRNW")},
        "DSP": {"SB_MAC16": 1},
    },
    logic={"SB_LUT4": (_pins("I", 4), "O"), "SB_CARRY": ("I0 I1 CI", "CO")},
    clocked={
        **dict.fromkeys(_ICE40_FLIP_FLOPS, ("D E R S", "Q")),
        "SB_RAM40_4K": ("RADDR WADDR WDATA MASK RE WE RCLKE WCLKE", "RDATA"),
    },
)

_GENERIC_FLIP_FLOPS = [
    *(f"$_DFF_{edge}_" for edge in "PN"),
    *(f"$_DFFE_{edge}{level}_" for edge in "PN" for level in "PN"),
    *(f"$_SDFF_{edge}{level}{value}_" for edge in "PN" for level in "PN" for value in "01"),
    *(
        f"$_SDFF{order}_{edge}{level}{value}{enable}_"
        for order in ("E", "CE")
        for edge in "PN"
        for level in "PN"
        for value in "01"
        for enable in "PN"
    ),
]

_GENERIC = Library(
    command="synth -flatten -lut 6",
    counted={"LUT": {"$lut": 1}, "FF": dict.fromkeys(_GENERIC_FLIP_FLOPS, 1)},
    logic={"$lut": ("A", "Y")},
    clocked=dict.fromkeys(_GENERIC_FLIP_FLOPS, ("D E R", "Q")),
)

LIBRARIES: Mapping[SynthesisTarget, Library] = {
    SynthesisTarget.ECP5: _ECP5,
    SynthesisTarget.ICE40: _ICE40,
    SynthesisTarget.GENERIC: _GENERIC,
}
"""Every target but 7-series, whose cells :mod:`hbnn_hw.estimate.netlist` counts."""
