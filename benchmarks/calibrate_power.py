"""Fit the constants of the FPGA power model to FINN's published designs, and check them.

The chip power of FINN's three fastest designs is fitted: relative least squares, no constant negative. Their
areas are the published ones; how busy their units are comes from this toolkit's schedule of the same networks
at the same parallelism (:mod:`finn_networks`), weighted by estimated LUTs. Data are taken for random, since
weights that change at every clock make products so. The three designs for a fixed rate are the check: their
foldings are not known, so their units count as busy as those of the fast design of the same network. The band
holds all six. ``hbnn_hw/estimate/data/power.json`` is written with ``--write``. The last line printed is a
JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain, combinations
from pathlib import Path

import numpy as np
from finn_networks import all_matched
from numpy.typing import NDArray

import hbnn_hw.estimate
from hbnn_hw.estimate.finn import CLOCK_MHZ, FASTEST, FIXED_RATE, FinnDesign
from hbnn_hw.estimate.power import FILE, PowerConstants, fpga_power, switching_factor

SOURCE = (
    "FINN on the ZC706 at 200 MHz (Umuroglu et al. 2017): SFC-max, LFC-max and CNV-max fitted, SFC-fix, "
    "LFC-fix and CNV-fix checked; CNV-max's power alone is confirmed by a second publication"
)


@dataclass(frozen=True, slots=True)
class Point:
    """A published design and the activity of its units."""

    design: FinnDesign
    activity: float

    def terms(self) -> NDArray[np.float64]:
        """Factors of static_w, lut_pj and bram36_pj in its power [W]."""
        clock = CLOCK_MHZ * 1e-6
        luts = self.design.luts * switching_factor(self.activity)
        return np.array([1.0, luts * clock, self.design.bram36 * clock])

    def error_pct(self, constants: PowerConstants) -> float:
        """Model against published chip power [%]."""
        units = [(float(self.design.luts), self.activity)]
        power = fpga_power(units, self.design.bram36, CLOCK_MHZ, constants)
        return 100 * (power.total_w / self.design.chip_w - 1)


def points() -> tuple[list[Point], list[Point]]:
    """Return the designs to fit and those to check."""
    rates = []
    for row in all_matched():
        nodes, total = row.estimate.nodes, sum(node.area.luts for node in row.estimate.nodes)
        rates.append(sum(node.area.luts * node.activity.rate for node in nodes) / total)
    return [[Point(*pair) for pair in zip(designs, rates, strict=True)] for designs in (FASTEST, FIXED_RATE)]  # type: ignore[return-value]


def non_negative(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve ``rows · x = 1`` by least squares with no x negative: the best of all sets of positive terms."""
    best, error = np.zeros(rows.shape[1]), np.inf
    n_terms = rows.shape[1]
    for used in chain.from_iterable(combinations(range(n_terms), n) for n in range(1, n_terms + 1)):
        part = np.linalg.lstsq(rows[:, used], np.ones(len(rows)), rcond=None)[0]
        misfit = float(((rows[:, used] @ part - 1) ** 2).sum())
        if (part >= 0).all() and misfit < error - 1e-12:
            best, error = np.zeros(n_terms), misfit
            best[list(used)] = part
    return best


def fit(fitted: Sequence[Point], checked: Sequence[Point]) -> PowerConstants:
    """Fit the constants to some designs, and the band to all."""
    rows = np.array([point.terms() / point.design.chip_w for point in fitted])
    static, lut, bram = (round(float(value), 4) for value in non_negative(rows))
    bound = min(point.design.chip_w for point in (*fitted, *checked))
    middle = PowerConstants(
        static_w=static, most_static_w=bound, lut_pj=lut, bram36_pj=bram, low=1.0, high=1.0, source=SOURCE
    )
    factors = [1 / (1 + point.error_pct(middle) / 100) for point in (*fitted, *checked)]
    # Outwards, so that the band holds all of them.
    low, high = np.floor(100 * min(factors)) / 100, np.ceil(100 * max(factors)) / 100
    return PowerConstants(
        static_w=static,
        most_static_w=bound,
        lut_pj=lut,
        bram36_pj=bram,
        low=float(low),
        high=float(high),
        source=SOURCE,
    )


def main() -> None:
    """Fit, print the designs, write the constants when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="store the constants")
    write = parser.parse_args().write
    fitted, checked = points()
    constants = fit(fitted, checked)
    print(f"{'':9}{'':9}{'activity':>9}{'LUT':>8}{'BRAM36':>8}{'W':>6}{'model':>7}{'error':>8}")
    documents = []
    for role, group in (("fitted", fitted), ("checked", checked)):
        for point in group:
            design, error = point.design, point.error_pct(constants)
            print(
                f"{design.name:9}{role:9}{point.activity:9.3f}{design.luts:8d}{design.bram36:8.1f}{design.chip_w:6.1f}"
                f"{design.chip_w * (1 + error / 100):7.2f}{error:+7.1f}%"
            )
            documents.append(
                {
                    "design": design.name,
                    "role": role,
                    "activity": round(point.activity, 4),
                    "chip_w": design.chip_w,
                    "error_pct": round(error, 1),
                }
            )
    document = {"constants": asdict(constants), "designs": documents}
    if write:
        path = Path(hbnn_hw.estimate.__file__).parent / FILE
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
