"""What FINN published of its designs on the ZC706 at 200 MHz: rates, area, power.

Source: Umuroglu et al., FPGA 2017, as quoted; its full text was not at hand. Every design says which of its
figures a second publication confirms. The others are the paper's as they are commonly cited.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_MHZ = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FinnDesign:
    """One published design.

    Attributes
    ----------
    name
        As in the paper: network, and "max" for the fastest or "fix" for 12 k frames a second.
    kfps
        Thousand frames per second.
    luts, bram36
        LUTs and 36-kbit block RAMs of the XC7Z045, whole design: DMA and control included.
    chip_w, wall_w
        Power of the chip and of the board at the socket [W].
    latency_us
        From image to class [µs].
    confirmed
        Names of the figures that a second publication quotes.
    """

    name: str
    kfps: float
    luts: int
    bram36: float
    chip_w: float
    wall_w: float
    latency_us: float
    confirmed: frozenset[str] = frozenset()


SFC_MAX = FinnDesign(
    name="SFC-max",
    kfps=12_361,
    luts=91_131,
    bram36=4.5,
    chip_w=7.3,
    wall_w=21.2,
    latency_us=0.31,
    # 12.3 M/s in FINN's abstract; LUT, 5 BRAM and latency in the tables of PolyLUT and NeuraLUT.
    confirmed=frozenset({"kfps", "luts", "bram36", "latency_us"}),
)

LFC_MAX = FinnDesign(
    name="LFC-max",
    kfps=1_561,
    luts=82_988,
    bram36=396,
    chip_w=8.8,
    wall_w=22.6,
    latency_us=2.44,
    # DWN's table of Z-7045 designs; its 5445 nJ an image are 8.5 W.
    confirmed=frozenset({"kfps", "luts", "latency_us"}),
)

CNV_MAX = FinnDesign(
    name="CNV-max",
    kfps=21.906,
    luts=46_253,
    bram36=186,
    chip_w=3.6,
    wall_w=11.7,
    latency_us=283,
    # HBNN's table 2 (21.2 %, 21.9 k/s, 3.6 W) and DWN's; DWN's 150 685 nJ an image are 3.3 W.
    confirmed=frozenset({"kfps", "luts", "chip_w", "latency_us"}),
)

SFC_FIX = FinnDesign(name="SFC-fix", kfps=12.2, luts=5_155, bram36=16, chip_w=0.4, wall_w=8.1, latency_us=240)
LFC_FIX = FinnDesign(
    name="LFC-fix", kfps=12.2, luts=5_636, bram36=114.5, chip_w=0.8, wall_w=7.9, latency_us=282
)
CNV_FIX = FinnDesign(
    name="CNV-fix", kfps=11.6, luts=29_274, bram36=152.5, chip_w=2.3, wall_w=10.0, latency_us=550
)

FASTEST = (SFC_MAX, LFC_MAX, CNV_MAX)
"""The designs for the highest rate; their power fits the constants of :mod:`hbnn_hw.estimate.power`."""

FIXED_RATE = (SFC_FIX, LFC_FIX, CNV_FIX)
"""The designs for a fixed rate; their power checks these constants."""
