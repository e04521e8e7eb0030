"""The fitted constants of the area model, and how wrong they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hbnn_hw.estimate.area.features import Area, Block, Features

FILE = "data/area.json"


@dataclass(frozen=True, slots=True)
class ErrorBand:
    """Relative error of an estimated quantity against synthesis, over designs that the fit has not seen.

    Attributes
    ----------
    median_pct, p90_pct
        Median and 90th percentile of the relative error's magnitude [%].
    n
        Designs compared.
    """

    median_pct: float
    p90_pct: float
    n: int


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """Constants of all blocks.

    Attributes
    ----------
    luts, lut_sites
        Per block, LUT cells or LUT6 sites per unit of each named quantity.
    errors
        Error band by quantity: ``luts``, ``lut_sites``, ``flip_flops``.
    source
        Tool and sample that they were fitted on.
    """

    luts: Mapping[Block, Mapping[str, float]]
    lut_sites: Mapping[Block, Mapping[str, float]]
    errors: Mapping[str, ErrorBand]
    source: str

    def area(self, features: Features) -> Area:
        """Multiply quantities with constants; those from first principles are areas already."""
        if not features.is_calibrated:
            luts = sum(features.luts.values())
            return Area(luts, luts, features.flip_flops, features.bram36, features.dsps)
        return Area(
            luts=_weighted(self.luts.get(features.block, {}), features.luts),
            lut_sites=_weighted(self.lut_sites.get(features.block, {}), features.luts),
            flip_flops=features.flip_flops,
            bram36=features.bram36,
            dsps=features.dsps,
        )

    def document(self) -> dict[str, Any]:
        """Return plain data for the file, rounded to what the fit can tell."""

        def plain(table: Mapping[Block, Mapping[str, float]]) -> dict[str, dict[str, float]]:
            return {
                block.value: {name: round(value, 4) for name, value in terms.items()}
                for block, terms in table.items()
            }

        return {
            "source": self.source,
            "luts": plain(self.luts),
            "lut_sites": plain(self.lut_sites),
            "errors": {
                name: {"median_pct": band.median_pct, "p90_pct": band.p90_pct, "n": band.n}
                for name, band in self.errors.items()
            },
        }


def _weighted(constants: Mapping[str, float], quantities: Mapping[str, float]) -> float:
    return sum(constants.get(name, 0.0) * quantity for name, quantity in quantities.items())


def parse_constants(document: Mapping[str, Any]) -> Constants:
    """Undo :meth:`Constants.document`."""
    return Constants(
        luts={Block(name): terms for name, terms in document["luts"].items()},
        lut_sites={Block(name): terms for name, terms in document["lut_sites"].items()},
        errors={name: ErrorBand(**band) for name, band in document["errors"].items()},
        source=document["source"],
    )


@cache
def load_constants() -> Constants:
    """Read the committed constants."""
    return parse_constants(json.loads((files("hbnn_hw.estimate") / FILE).read_text(encoding="utf-8")))
