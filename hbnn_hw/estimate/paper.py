"""The HBNN paper's own hardware table, as the closed-form scaling that reproduces every printed digit.

Source: Fromm et al. 2018, Table 2. None of its heterogeneous rows was synthesized: FPGA rows scale FINN's
CNV-max by the average bitwidth, one factor in area and one in time.
"""

from __future__ import annotations

from dataclasses import dataclass

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
