"""What a design may take of a device, and how dear each resource is."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.estimate.area import Area
from hbnn_hw.target import Device

LUT_SHARE = 0.7
"""Share of a device's LUTs and flip-flops that a design may fill and still be routed. Source: LUT_PROPORTION
of FINN's 2018 tool, which takes all block RAM (BRAM_PROPORTION)."""

RESOURCES = ("LUT", "FF", "BRAM36", "DSP")
"""Names of the resources, in the order of every vector here."""

Resources = NDArray[np.float64]
"""LUTs, flip-flops, BRAM36 and DSP slices, float64 (4,)."""


def resources(area: Area) -> Resources:
    """Return an area as a vector."""
    return np.array([area.luts, area.flip_flops, area.bram36, area.dsps], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Budget:
    """Most of each resource that a design may take.

    Attributes
    ----------
    luts, flip_flops, bram36, dsps
        LUTs, flip-flops, block RAM in units of 36 kbit, DSP slices.
    """

    luts: float
    flip_flops: float
    bram36: float
    dsps: float

    @classmethod
    def of(cls, device: Device, lut_share: float = LUT_SHARE) -> Budget:
        """Return what a device lends: a share of its LUTs and flip-flops, all of its blocks."""
        return cls(lut_share * device.luts, lut_share * device.flip_flops, device.bram36, device.dsps)

    @property
    def vector(self) -> Resources:
        """The budget as a vector."""
        return np.array(astuple(self), dtype=np.float64)

    def excess(self, used: Resources) -> str | None:
        """Say which resources are beyond the budget; None if none is."""
        over = [
            f"{need:,.0f} of {have:,.0f} {name}"
            for name, need, have in zip(RESOURCES, used, self.vector, strict=True)
            if need > have
        ]
        return ", ".join(over) or None

    def fullest(self, used: Resources) -> float:
        """Return the largest share of a resource that is used, above 1 beyond the budget."""
        return float((used / np.maximum(self.vector, 1.0)).max())

    def prices(self) -> Resources:
        """Return what one of each resource costs at first: the inverse of what there is."""
        return 1.0 / np.maximum(self.vector, 1.0)

    def raised(self, prices: Resources, used: Resources) -> Resources:
        """Raise the prices of what is used beyond the budget."""
        raised: Resources = prices * np.maximum(1.0, used / np.maximum(self.vector, 1.0)) ** 2
        return raised
