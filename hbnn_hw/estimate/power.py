"""Power of an FPGA: static and switching, as a range, with constants from FINN's published designs.

.. code-block:: text

    P = P_static + f ( e_LUT Σ_units LUT_u (c + (1 - c) α_u / ½) + e_BRAM BRAM36 )

α_u is the activity of a unit's bits (:mod:`hbnn_hw.estimate.activity`), ½ that of random bits at every clock,
and c the share of the clock tree, which toggles whatever the data do: 14 of the 90 % of dynamic power that
routing, logic and clocks take (Shang, Kaviani, Bathala: Dynamic power consumption in Virtex-II FPGA family,
FPGA 2002: 60, 16 and 14 %). It is an older family's; no such figure of 7-series was found.

``benchmarks/calibrate_power.py`` fits P_static, e_LUT and e_BRAM to the chip power of FINN's three fastest
designs on the ZC706 and checks them on its three designs for a fixed rate. The band holds all six. The fit
leaves nothing for static power; the smallest published chip power is its upper bound and is added to the
upper end of the range. Whether FINN's figures include the processing system is not known here, and nothing of
this is a measurement of a design of this toolkit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from hbnn_hw.estimate.activity import RANDOM_TOGGLE

FILE = "data/power.json"

CLOCK_SHARE = 14 / (60 + 16 + 14)
"""Share of the dynamic power of logic that data does not change. Source: Shang et al. 2002."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerConstants:
    """Fitted constants.

    Attributes
    ----------
    static_w, most_static_w
        Power without any clock, as fitted, and the most that it can be [W].
    lut_pj
        Energy of a LUT, with its share of routing and registers, per clock at random data [pJ].
    bram36_pj
        Energy of a 36-kbit block RAM per clock [pJ].
    low, high
        Factors on the power that hold every published design.
    source
        What was fitted and checked.
    """

    static_w: float
    most_static_w: float
    lut_pj: float
    bram36_pj: float
    low: float
    high: float
    source: str


@cache
def load_power_constants() -> PowerConstants:
    """Read the committed constants."""
    text = (files("hbnn_hw.estimate") / FILE).read_text(encoding="utf-8")
    return PowerConstants(**json.loads(text)["constants"])


def switching_factor(activity: float) -> float:
    """Return switching against random data at every clock: 1 at an activity of one half."""
    return CLOCK_SHARE + (1 - CLOCK_SHARE) * activity / RANDOM_TOGGLE


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaPower:
    """Power of a design on an FPGA [W].

    Attributes
    ----------
    static_w, most_static_w
        Without any clock: as fitted, and at most.
    logic_w
        Switching of LUTs, registers, routing and clock tree.
    bram_w
        Block RAM.
    low_w, high_w
        Range in which the total lies, as far as FINN's designs tell.
    """

    static_w: float
    most_static_w: float
    logic_w: float
    bram_w: float
    low_w: float
    high_w: float

    @property
    def total_w(self) -> float:
        """Middle of the estimate."""
        return self.static_w + self.logic_w + self.bram_w


def fpga_power(
    units: Iterable[tuple[float, float]],
    bram36: float,
    clock_mhz: float,
    constants: PowerConstants | None = None,
) -> FpgaPower:
    """Estimate the power of a design.

    Parameters
    ----------
    units
        LUTs and activity (toggles per bit and clock) of every unit.
    bram36
        Block RAMs of 36 kbit.
    clock_mhz
        Clock frequency [MHz].
    constants
        The committed ones unless told.
    """
    known = constants or load_power_constants()
    logic = sum(luts * switching_factor(activity) for luts, activity in units) * known.lut_pj
    logic_w, bram_w = (energy * clock_mhz * 1e-6 for energy in (logic, bram36 * known.bram36_pj))
    total = known.static_w + logic_w + bram_w
    return FpgaPower(
        static_w=known.static_w,
        most_static_w=known.most_static_w,
        logic_w=logic_w,
        bram_w=bram_w,
        low_w=known.low * total,
        high_w=known.high * total + known.most_static_w - known.static_w,
    )
