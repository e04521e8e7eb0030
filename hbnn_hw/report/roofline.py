"""The roofline of a device, and where the layers of a network stand below it.

Operations are one-bit: a product and its addition are two, for every weight plane entry present and every
input plane. Traffic is what a unit moves in a frame: weights and masks read from memory, stream in, stream
out; constants of unrolled layers are logic and move nothing. Both roofs are the device's at the clock that
was asked for. Source of the model: Williams, Waterman and Patterson, CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import Any

from hbnn_hw.estimate.model import map_granularity
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu
from hbnn_hw.report.chart import Tick
from hbnn_hw.report.figures import with_unit
from hbnn_hw.streams import node_cycles
from hbnn_hw.target import Target

LUTS_PER_PRODUCT = 1636 / 1024
"""LUTs of a whole folded unit per one-bit product and clock: 64 × 576 weights, PE 16, SIMD 64, weights in
block RAM, synthesized (:class:`hbnn_hw.backends.rtl.mvtu.FoldedMvtu`)."""

BRAM36_READ_BITS = 72
"""Bits that a 36-kbit block RAM reads in a clock (AMD UG473, simple dual port)."""

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 78, 16, 16, 46
NEAR = 16
"""Marks closer than this share their number [px]."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer, or a whole network, stands.

    Attributes
    ----------
    name
        Of the layer.
    operations
        One-bit operations a frame.
    traffic_bytes
        Bytes moved a frame.
    rate
        Operations a second while it works [1/s].
    roof
        The most that the device could do at this intensity [1/s].
    """

    name: str
    operations: int
    traffic_bytes: float
    rate: float
    roof: float

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.traffic_bytes


@dataclass(frozen=True, slots=True)
class Roofline:
    """The roofs of a device, and what stands below.

    Attributes
    ----------
    peak
        Operations a second if all LUTs were folded units [1/s].
    bandwidth
        Bytes a second that all block RAMs together read.
    layers
        Matrix units that compute anything, each at its own pace.
    network
        All of them at the pace of the slowest; None without any.
    """

    peak: float
    bandwidth: float
    layers: tuple[Place, ...]
    network: Place | None

    @property
    def ridge(self) -> float:
        """Operations a byte at which the roofs meet."""
        return self.peak / self.bandwidth

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""

        def plain(place: Place) -> dict[str, Any]:
            return {
                "name": place.name,
                "operations": place.operations,
                "traffic_bytes": place.traffic_bytes,
                "operations_per_byte": place.intensity,
                "operations_per_second": place.rate,
                "roof_operations_per_second": place.roof,
            }

        return {
            "peak_operations_per_second": self.peak,
            "bandwidth_bytes_per_second": self.bandwidth,
            "luts_per_product": LUTS_PER_PRODUCT,
            "layers": [plain(place) for place in self.layers],
            "network": plain(self.network) if self.network else None,
        }


def weight_bits_read(op: Mvtu, cycles: int) -> float:
    """Bits of weights and masks that a unit reads from memory in a frame of ``cycles`` steps."""
    fold = op.scheduled_folding
    if fold.unrolled:
        return 0.0
    lanes = fold.pe * fold.simd
    masks = {"uniform": 0, "column": fold.simd, "element": lanes}[map_granularity(op)]
    encoded = op.weights.stored_average_bits() / op.weights.average_bits()
    return cycles * (lanes * encoded + masks)


def _traffic(graph: Graph, node: Node, op: Mvtu, cycles: int) -> float:
    """Bytes that a unit moves in a frame."""
    streams = (graph.source_type(node), graph.types[node.name])
    bits = sum(stream.n_elements * stream.element.bits for stream in streams)
    return (weight_bits_read(op, cycles) + bits) / 8


def roofline(graph: Graph, target: Target) -> Roofline:
    """Place every matrix unit of a scheduled network under the roofs of its device."""
    hertz = 1e9 / target.clock_ns
    peak = 2 * target.device.luts / LUTS_PER_PRODUCT * hertz
    bandwidth = target.device.bram36 * BRAM36_READ_BITS / 8 * hertz
    cycles = node_cycles(graph)

    def place(name: str, operations: int, traffic: float, steps: int) -> Place:
        roof = min(peak, operations / traffic * bandwidth)
        return Place(name, operations, traffic, operations * hertz / steps, roof)

    layers = tuple(
        place(node.name, operations, _traffic(graph, node, node.op, cycles[node.name]), cycles[node.name])
        for node in graph.hardware_nodes
        if isinstance(node.op, Mvtu) and (operations := 2 * node.op.work(graph.source_type(node)).binary_macs)
    )
    total, traffic = sum(at.operations for at in layers), sum(at.traffic_bytes for at in layers)
    whole = place(graph.name, total, traffic, max(cycles.values())) if layers else None
    return Roofline(peak, bandwidth, layers, whole)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in pixels: the numbers of the layers that stand near it, and what to read there."""

    x: float
    y: float
    label: str
    text: str

    def is_near(self, other: Mark) -> bool:
        """Whether the numbers of both would be printed over one another."""
        return max(abs(self.x - other.x), abs(self.y - other.y)) < NEAR


@dataclass(frozen=True, slots=True)
class RooflinePicture:
    """A roofline in pixels."""

    roof: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    network: Mark
    width: int = WIDTH
    height: int = HEIGHT
    frame: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis from ``10**low`` to ``10**high``, between two pixels."""

    low: int
    high: int
    start: int
    end: int

    @classmethod
    def over(cls, values: Sequence[float], start: int, end: int) -> _Axis:
        return cls(floor(log10(min(values))), ceil(log10(max(values) * 1.2)), start, end)

    def at(self, value: float) -> float:
        share = (log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, unit: str) -> tuple[Tick, ...]:
        powers = range(self.low, self.high + 1, max(1, (self.high - self.low) // 6))
        return tuple(Tick(self.at(10.0**power), with_unit(10.0**power, unit)) for power in powers)


def _mark(x: float, y: float, label: str, place: Place) -> Mark:
    text = f"{place.name}: {with_unit(place.rate, 'op/s')} at {place.intensity:.3g} op/byte"
    return Mark(x, y, label, text)


def _joined(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Print the numbers of marks that lie over one another at the first of them."""
    joined: list[Mark] = []
    for mark in marks:
        near = (at for at, other in enumerate(joined) if other.label and other.is_near(mark))
        first = next(near, None)
        if first is not None:
            joined[first] = replace(joined[first], label=f"{joined[first].label}, {mark.label}")
            mark = replace(mark, label="")
        joined.append(mark)
    return tuple(joined)


def roofline_picture(roofs: Roofline) -> RooflinePicture | None:
    """Lay out a roofline on logarithmic axes; None if nothing stands below it."""
    if roofs.network is None:
        return None
    places = (*roofs.layers, roofs.network)
    x = _Axis.over([roofs.ridge / 4, roofs.ridge * 4, *(p.intensity for p in places)], LEFT, WIDTH - RIGHT)
    y = _Axis.over([roofs.peak, *(p.rate for p in places)], HEIGHT - BOTTOM, TOP)
    left = max(10.0**x.low, 10.0**y.low / roofs.bandwidth)
    points = [(left, left * roofs.bandwidth), (roofs.ridge, roofs.peak), (10.0**x.high, roofs.peak)]
    marks = [
        _mark(x.at(place.intensity), y.at(place.rate), str(number), place)
        for number, place in enumerate(roofs.layers, start=1)
    ]
    network = _mark(x.at(roofs.network.intensity), y.at(roofs.network.rate), "network", roofs.network)
    return RooflinePicture(
        roof="M" + "L".join(f"{x.at(at)} {y.at(rate)}" for at, rate in points),
        x_ticks=x.ticks(""),
        y_ticks=y.ticks("op/s"),
        marks=_joined(marks),
        network=network,
    )
