"""The HBNN paper's own hardware table, and the closed-form scaling that reproduces its printed digits.

Source: Fromm et al. 2018, Table 2. None of its heterogeneous rows was synthesized: FPGA rows scale FINN's
CNV-max by the average bitwidth, one factor in area and one in time; ASIC rows scale a ternary network
(Alemdar et al. 2017, which the table calls 2 bits) by its square, all of it in area.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

CNV_OCCUPANCY_PCT = 21.2
CNV_KFPS = 21.9
CNV_POWER_W = 3.6


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One FPGA row of the paper's Table 2.

    Attributes
    ----------
    occupancy_pct
        LUTs used of the XC7Z045's [%], at most 100.
    kfps
        Thousand frames per second at 200 MHz.
    power_w
        Chip power [W].
    """

    occupancy_pct: float
    kfps: float
    power_w: float


def paper_fpga(average_bits: float, unfolding: float = 1.0) -> PaperRow:
    """VGG-8 on a ZC706 as the paper scales it.

    ``occupancy = min(100, 21.2 U B)``, ``kFPS = 21.9 U / B``, ``P = 3.6 W occupancy / 21.2``, with U
    computing units per parameter and B bits per weight and activation.
    """
    occupancy = min(100.0, CNV_OCCUPANCY_PCT * unfolding * average_bits)
    return PaperRow(
        occupancy, CNV_KFPS * unfolding / average_bits, CNV_POWER_W * occupancy / CNV_OCCUPANCY_PCT
    )


def scaled_area(one_bit_area: float, average_bits: float) -> float:
    """The paper's law for any quantity of area: proportional to the average bitwidth."""
    return one_bit_area * average_bits


class Platform(Enum):
    """Chip of a row; an occupancy is in percent of the LUTs, an ASIC's area in mm²."""

    ZC706 = "ZC706"
    ASIC = "ASIC"


class Network(Enum):
    """Network of a row."""

    VGG8 = "VGG-8"
    MOBILENET = "MobileNet"


class Quantity(Enum):
    """Column of the table that the scaling gives."""

    AREA = "area"
    KFPS = "kFPS"
    POWER = "power"


Figures = dict[Quantity, Decimal]
"""Area [% or mm²], rate [k/s] and power [W] of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of Table 2 as printed.

    Attributes
    ----------
    number
        From 1, from the top.
    platform, network
        Where and what.
    unfolding
        Computing units per parameter; 1 where the table has none.
    bits
        Average bits of weights and of activations.
    printed
        The printed digits of each column.
    accuracy_pct
        Top-1 accuracy [%].
    """

    number: int
    platform: Platform
    network: Network
    unfolding: int
    bits: Decimal
    printed: dict[Quantity, str]
    accuracy_pct: float


def _row(
    number: int, where: tuple[Platform, Network], work: tuple[int, str], printed: str, accuracy: float
) -> TableRow:
    area, kfps, power = printed.split()
    return TableRow(
        number=number,
        platform=where[0],
        network=where[1],
        unfolding=work[0],
        bits=Decimal(work[1]),
        printed={Quantity.AREA: area, Quantity.KFPS: kfps, Quantity.POWER: power},
        accuracy_pct=accuracy,
    )


_VGG_FPGA, _VGG_ASIC = (Platform.ZC706, Network.VGG8), (Platform.ASIC, Network.VGG8)
_NET_FPGA, _NET_ASIC = (Platform.ZC706, Network.MOBILENET), (Platform.ASIC, Network.MOBILENET)

TABLE_2: tuple[TableRow, ...] = (
    _row(1, _VGG_FPGA, (1, "1"), "21.2 21.9 3.6", 80.90),
    _row(2, _VGG_FPGA, (4, "1"), "84.8 87.6 14.4", 80.90),
    _row(3, _VGG_ASIC, (1, "2"), "6.06 3.4 0.38", 87.89),
    _row(4, _VGG_FPGA, (1, "1.2"), "25.4 18.25 4.3", 85.8),
    _row(5, _VGG_FPGA, (1, "1.4"), "29.7 15.6 5.0", 89.4),
    _row(6, _VGG_FPGA, (4, "1.2"), "100 73.0 17.0", 85.8),
    _row(7, _VGG_ASIC, (1, "1.2"), "2.18 3.4 0.14", 85.8),
    _row(8, _VGG_ASIC, (1, "1.4"), "2.96 3.4 0.18", 89.4),
    _row(9, _NET_FPGA, (1, "1"), "20.0 0.45 3.4", 52.9),
    _row(10, _NET_FPGA, (1, "2"), "40.0 0.23 6.8", 63.0),
    _row(11, _NET_FPGA, (1, "1.4"), "28.0 0.32 4.76", 64.7),
    _row(12, _NET_ASIC, (1, "2"), "297 3.4 18.62", 63.0),
    _row(13, _NET_ASIC, (1, "1.4"), "145.5 3.4 9.1", 64.7),
)

ANCHORS: dict[tuple[Platform, Network], Figures] = {
    where: dict(zip(Quantity, map(Decimal, figures.split()), strict=True))
    for where, figures in (
        (_VGG_FPGA, "21.2 21.9 3.6"),
        (_NET_FPGA, "20.0 0.45 3.4"),
        (_VGG_ASIC, "6.06 3.4 0.38"),
        # 49 = (224 / 32)² times the smaller network: 296.94 mm², printed as 297.
        (_NET_ASIC, "297 3.4 18.62"),
    )
}
"""Figures that the other rows are scaled from: of one bit on the FPGA, of two bits on the ASIC."""

ERRATA: dict[int, str] = {
    1: "FINN itself reports 80.1 % for this network, not 80.90 %",
    3: "the network is ternary; the table calls it 2 bits",
    6: "84.8 % x 1.2 is 101.8 %: area and power are clipped at the whole device, the rate is not",
    8: "2.9694 mm² and 0.1862 W are printed as 2.96 and 0.18: cut off, where the other rows are rounded",
    9: "0.45 is 21.9 / 49, and 49 the ratio of input pixels, (224 / 32)²; of products it is 9.6",
    12: "297 mm² and 18.62 W are 49 times row 3: scaled by pixels as well",
}
"""What is odd about a row, by its number."""

CUT_OFF: frozenset[tuple[int, Quantity]] = frozenset({(8, Quantity.AREA), (8, Quantity.POWER)})
"""Cells whose digits are cut off and not rounded."""


def scaled(row: TableRow) -> Figures:
    """Compute a row by the paper's scaling, exactly.

    FPGA: ``area = min(100, A U B)``, ``kFPS = F U / B``, ``P = P_1 area / A``. ASIC: ``area = A (B / 2)²``,
    ``P = P_2 (B / 2)²``, kFPS constant.
    """
    anchor, bits, units = ANCHORS[row.platform, row.network], row.bits, Decimal(row.unfolding)
    if row.platform is Platform.ASIC:
        share = (bits / 2) ** 2
        return {
            Quantity.AREA: anchor[Quantity.AREA] * share,
            Quantity.KFPS: anchor[Quantity.KFPS],
            Quantity.POWER: anchor[Quantity.POWER] * share,
        }
    area = min(Decimal(100), anchor[Quantity.AREA] * units * bits)
    return {
        Quantity.AREA: area,
        Quantity.KFPS: anchor[Quantity.KFPS] * units / bits,
        Quantity.POWER: anchor[Quantity.POWER] * area / anchor[Quantity.AREA],
    }


def as_printed(value: Decimal, printed: str) -> str:
    """Round a value, halves up, to as many digits as are printed."""
    return str(value.quantize(Decimal(1).scaleb(Decimal(printed).as_tuple().exponent), ROUND_HALF_UP))  # type: ignore[arg-type]


def differing_cells() -> dict[tuple[int, Quantity], tuple[str, str]]:
    """Return every cell whose printed digits are not the scaling's, with (printed, scaled)."""
    pairs = {
        (row.number, quantity): (printed, as_printed(scaled(row)[quantity], printed))
        for row in TABLE_2
        for quantity, printed in row.printed.items()
    }
    return {cell: pair for cell, pair in pairs.items() if pair[0] != pair[1]}
