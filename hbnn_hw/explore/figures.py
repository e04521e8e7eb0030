"""What one point comes to: a pure function of network and point."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from hbnn_hw import ir_file
from hbnn_hw.analysis.weighted_nodes import weighted_nodes
from hbnn_hw.errors import HbnnError
from hbnn_hw.estimate import estimate
from hbnn_hw.explore.point import Drawn, Point, Weights
from hbnn_hw.explore.redraw import redrawn
from hbnn_hw.graph import Graph
from hbnn_hw.passes import schedule, sort_columns, split_planes, to_streams
from hbnn_hw.search import Budget, FoldingSearch
from hbnn_hw.search.budget import resources

KEPT = 4
"""Networks, and sets of weights, that a process keeps: neighbouring points have the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Estimated figures of one design; cycles are exact.

    Attributes
    ----------
    average_bits
        Mean of the stored bits a weight, as drawn, without maps.
    weight_bits, map_bits
        Stored bits of all weights, and of their maps where entries differ.
    luts, lut_sites, flip_flops, bram36, dsps
        Area of the accelerator.
    occupancy
        Largest share of a resource of the device's budget (:class:`hbnn_hw.search.Budget`); above 1 the
        design does not fit.
    interval_cycles, latency_cycles
        Clock cycles between frames, and through the accelerator.
    bottleneck
        The slowest operator.
    frames_per_second, interval_ns
        Rate at the point's clock, and its inverse.
    operation_energy_pj, fpga_energy_pj, fpga_power_w
        Of :class:`hbnn_hw.estimate.Estimate`, a frame.
    """

    average_bits: float
    weight_bits: int
    map_bits: int
    luts: float
    lut_sites: float
    flip_flops: float
    bram36: float
    dsps: int
    occupancy: float
    interval_cycles: int
    latency_cycles: int
    bottleneck: str
    frames_per_second: float
    interval_ns: float
    operation_energy_pj: float
    fpga_energy_pj: float
    fpga_power_w: float

    @property
    def fits(self) -> bool:
        """Whether the device's budget holds the design."""
        return self.occupancy <= 1

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a point: figures, or the reason why there is no such design.

    Attributes
    ----------
    figures
        None where there is no design.
    problem
        The reason; empty where there are figures.
    """

    figures: Figures | None
    problem: str = ""


def streams_of(graph: Graph, weights: Weights) -> Graph:
    """Give a simplified network the weights of a point, and lower it to operators on streams."""
    chosen = redrawn(graph, weights) if isinstance(weights, Drawn) else graph
    return to_streams(split_planes(sort_columns(chosen)))


def figures(streams: Graph, point: Point) -> Figures:
    """Fold a network on streams as a point says, and estimate it.

    Raises
    ------
    FoldingError
        If no folding reaches the point's rate, or none fits its device.
    """
    graph, budget = _folded(streams, point), Budget.of(point.target.device)
    result = estimate(graph, point.target)
    layers = [(op.weights, op.work(source)) for _, op, source in weighted_nodes(graph)]
    entries = sum(weights.rows * weights.columns for weights, _ in layers)
    stored = sum(round(w.stored_average_bits() * w.rows * w.columns) for w, _ in layers)
    area = result.area
    return Figures(
        average_bits=stored / entries,
        weight_bits=stored,
        map_bits=sum(work.map_bits for _, work in layers),
        luts=area.luts,
        lut_sites=area.lut_sites,
        flip_flops=area.flip_flops,
        bram36=area.bram36,
        dsps=area.dsps,
        occupancy=budget.fullest(resources(area)),
        interval_cycles=result.interval_cycles,
        latency_cycles=result.latency_cycles,
        bottleneck=result.bottleneck,
        frames_per_second=result.frames_per_second,
        interval_ns=result.interval_cycles * point.clock_ns,
        operation_energy_pj=result.energy.total_pj,
        fpga_energy_pj=result.fpga_energy_pj,
        fpga_power_w=result.fpga_power_w,
    )


def _folded(streams: Graph, point: Point) -> Graph:
    goal = point.folding.goal(point.clock_ns)
    if goal is None:
        return schedule(streams, point.folding.request)
    return goal.search(FoldingSearch(streams, Budget.of(point.target.device))).graph


def evaluate(content: bytes, point: Point) -> Outcome:
    """Compute a point of a network that came as an IR file; what a worker process does.

    Parameters
    ----------
    content
        :attr:`hbnn_hw.explore.models.Model.content`.
    point
        What to compute.
    """
    try:
        return Outcome(figures(_kept_streams(content, point.weights), point))
    except HbnnError as error:
        return Outcome(None, str(error))


@lru_cache(maxsize=KEPT)
def _kept_graph(content: bytes) -> Graph:
    return ir_file.from_bytes(content)


@lru_cache(maxsize=KEPT)
def _kept_streams(content: bytes, weights: Weights) -> Graph:
    return streams_of(_kept_graph(content), weights)
