"""What an estimated area takes of a device, resource by resource."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw.estimate.area import Area
from hbnn_hw.target import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Use of one resource.

    Attributes
    ----------
    resource
        "LUT", "FF", "BRAM36", "BRAM18" or "DSP".
    used
        Estimated need.
    most
        The largest need: above ``used`` where the device's LUTs are smaller than those that are counted.
    available
        What the device has.
    """

    resource: str
    used: float
    most: float
    available: int

    @property
    def percent(self) -> float:
        """Share used [%]."""
        return 100 * self.used / self.available

    @property
    def most_percent(self) -> float:
        """Largest share used [%]."""
        return 100 * self.most / self.available

    @property
    def fits(self) -> bool:
        """Whether even the largest need is there."""
        return self.most <= self.available


def occupancy(area: Area, device: Device) -> tuple[Share, ...]:
    """Return the share of every resource of a device that an area takes.

    LUTs are counted with six inputs. A device whose LUTs have fewer takes between one and
    ``device.luts_per_lut6`` of its own for each; what it is in fact, only synthesis tells.
    """

    def share(resource: str, used: float, available: int, factor: int = 1) -> Share:
        return Share(resource=resource, used=used, most=factor * used, available=available)

    return (
        share("LUT", area.luts, device.luts, device.luts_per_lut6),
        share("FF", area.flip_flops, device.flip_flops),
        share("BRAM36", area.bram36, device.bram36),
        share("BRAM18", 2 * area.bram36, device.bram18),
        share("DSP", float(area.dsps), device.dsps),
    )


def occupancy_text(area: Area, device: Device) -> str:
    """Print the shares in one line."""

    def figure(share: Share) -> str:
        most = f" to {share.most_percent:.1f}" if share.most > share.used else ""
        return f"{share.percent:.1f}{most} % {share.resource}"

    shares = occupancy(area, device)
    beyond = [share.resource for share in shares if not share.fits]
    verdict = f"; too small: {', '.join(beyond)}" if beyond else ""
    small = f", whose LUTs have {device.lut_inputs} inputs" if device.lut_inputs < 6 else ""
    return f"{device.part}{small}: {', '.join(map(figure, shares))}{verdict}"
