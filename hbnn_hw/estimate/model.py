"""Estimate of a whole network: area, time and energy, node by node and in total."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import GraphError
from hbnn_hw.estimate.activity import RANDOM_TOGGLE, Activity, activities
from hbnn_hw.estimate.area import QUEUES, Area, ErrorBand, area, graph_features, load_constants
from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.energy import OperationEnergy, operation_energy
from hbnn_hw.estimate.occupancy import occupancy
from hbnn_hw.estimate.power import FpgaPower, fpga_power
from hbnn_hw.graph import Graph, Node
from hbnn_hw.latency import latency
from hbnn_hw.ops import Mvtu
from hbnn_hw.step_counts import full_steps
from hbnn_hw.target import Device, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """What a matrix unit computes and how it is folded.

    Attributes
    ----------
    rows, columns
        Shape of the weights.
    weight_planes, input_planes
        Bit-planes of weights and input.
    average_bits
        Mean bitwidth of the weights.
    map_granularity
        "uniform", "column" (all rows share a map) or "element".
    pe, simd, unrolled
        Folding.
    full_cycles
        Clock cycles per sample if no word of the bit map were left out.
    """

    rows: int
    columns: int
    weight_planes: int
    input_planes: int
    average_bits: float
    map_granularity: str
    pe: int
    simd: int
    unrolled: bool
    full_cycles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEstimate:
    """Estimate of one hardware node.

    Attributes
    ----------
    name, kind
        The node's name and its operator's.
    cycles
        Clock cycles per sample; exact.
    area
        Estimated resources, the queues in front of it included.
    energy
        45 nm operation energy per sample.
    activity
        How often its bits toggle on the FPGA.
    is_calibrated
        Whether the area's constants were fitted on synthesis, or it is counted from first principles.
    layer
        Shape and folding of a matrix unit; None for the other operators.
    """

    name: str
    kind: str
    cycles: int
    area: Area
    energy: OperationEnergy
    activity: Activity
    is_calibrated: bool = True
    layer: LayerShape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimate of a network on a target.

    Attributes
    ----------
    network, board, part
        What and where.
    device
        What the part has.
    clock_ns
        Clock period that is assumed, not verified [ns].
    nodes
        Hardware nodes in order.
    edges
        Area of the accelerator's AXI4-Stream edges.
    latency_cycles
        From the first input beat to the last output beat of one sample.
    latency_is_exact
        Whether the RTL is held to that latency, or it is an estimate.
    errors
        Measured error band by quantity: ``luts``, ``lut_sites``, ``flip_flops``. It holds for calibrated
        nodes.
    source
        What the area constants were fitted on.
    """

    network: str
    board: str
    part: str
    device: Device
    clock_ns: float
    nodes: tuple[NodeEstimate, ...]
    edges: Area
    latency_cycles: int
    latency_is_exact: bool
    errors: dict[str, ErrorBand]
    source: str

    @property
    def area(self) -> Area:
        """Resources of the whole accelerator."""
        return sum((node.area for node in self.nodes), self.edges)

    @property
    def uncalibrated_luts(self) -> float:
        """LUTs of nodes whose area is counted from first principles."""
        return sum(node.area.luts for node in self.nodes if not node.is_calibrated)

    @property
    def interval_cycles(self) -> int:
        """Clock cycles between samples: the slowest node's."""
        return max(node.cycles for node in self.nodes)

    @property
    def bottleneck(self) -> str:
        """Name of the (first) slowest node."""
        return max(self.nodes, key=lambda node: node.cycles).name

    @property
    def frames_per_second(self) -> float:
        """Throughput at the assumed clock [1/s]."""
        return 1e9 / (self.clock_ns * self.interval_cycles)

    @property
    def latency_ns(self) -> float:
        """Latency at the assumed clock [ns]."""
        return self.latency_cycles * self.clock_ns

    @property
    def energy(self) -> OperationEnergy:
        """45 nm operation energy per sample."""
        return OperationEnergy(
            sum(node.energy.compute_pj for node in self.nodes),
            sum(node.energy.memory_pj for node in self.nodes),
        )

    @property
    def fpga_power(self) -> FpgaPower:
        """Chip power with its range; the edges toggle at every clock."""
        units = [(node.area.luts, node.activity.rate) for node in self.nodes]
        units.append((self.edges.luts, RANDOM_TOGGLE))
        return fpga_power(units, self.area.bram36, 1000.0 / self.clock_ns)

    @property
    def fpga_power_w(self) -> float:
        """Chip power, the middle of its range [W]."""
        return self.fpga_power.total_w

    @property
    def fpga_energy_pj(self) -> float:
        """FPGA energy per sample [pJ]."""
        return 1e12 * self.fpga_power_w / self.frames_per_second

    @property
    def is_activity_measured(self) -> bool:
        """Whether activities come from data, and not from the schedule and random bits alone."""
        return all(node.activity.measured for node in self.nodes)

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON, with the totals."""
        return {
            **asdict(self),
            "nodes": [asdict(node) for node in self.nodes],
            "totals": {
                "area": asdict(self.area),
                "uncalibrated_luts": self.uncalibrated_luts,
                "interval_cycles": self.interval_cycles,
                "bottleneck": self.bottleneck,
                "frames_per_second": self.frames_per_second,
                "latency_ns": self.latency_ns,
                "operation_energy_45nm_pj": self.energy.total_pj,
                "fpga_power_w": self.fpga_power_w,
                "fpga_power": asdict(self.fpga_power),
                "fpga_energy_pj": self.fpga_energy_pj,
                "occupancy_pct": {
                    share.resource: share.percent for share in occupancy(self.area, self.device)
                },
            },
        }


def map_granularity(op: Mvtu) -> str:
    """Name the coarsest sharing that a layer's bit map has."""
    weights = op.weights
    if not (weights.masks == weights.masks[:, :1]).all():
        return "element"
    first_row = weights.plane_populations()[:, 0]
    return "uniform" if set(first_row.tolist()) <= {0, weights.columns} else "column"


def _layer(graph: Graph, node: Node) -> LayerShape | None:
    op, source = node.op, graph.source_type(node)
    if not isinstance(op, Mvtu):
        return None
    fold = op.scheduled_folding
    return LayerShape(
        rows=op.weights.rows,
        columns=op.weights.columns,
        weight_planes=op.weights.n_planes,
        input_planes=op.input_planes(source).n_planes,
        average_bits=op.weights.average_bits(),
        map_granularity=map_granularity(op),
        pe=fold.pe,
        simd=fold.simd,
        unrolled=fold.unrolled,
        full_cycles=op.places(source) * full_steps(op.weights, fold),
    )


def _node(graph: Graph, node: Node, activity: Activity, features: dict[str, Features]) -> NodeEstimate:
    total, queues = area(features[node.name]), features.get(node.name + QUEUES)
    return NodeEstimate(
        name=node.name,
        kind=type(node.op).__name__,
        cycles=graph.cycles[node.name],
        area=total + area(queues) if queues else total,
        energy=operation_energy(node.hardware, *graph.input_types(node)),
        activity=activity,
        is_calibrated=features[node.name].is_calibrated,
        layer=_layer(graph, node),
    )


def estimate(graph: Graph, target: Target, entering: NDArray[np.int64] | None = None) -> Estimate:
    """Estimate area, time and energy of a scheduled network.

    Cycles are exact (simulations are held to them), and so is the latency of networks on vectors
    (:mod:`hbnn_hw.latency`); area comes from cost functions; energy from published constants
    (:mod:`hbnn_hw.estimate.energy`, :mod:`hbnn_hw.estimate.power`).

    Parameters
    ----------
    graph
        The network.
    target
        Device and clock.
    entering
        int64 (images, elements): real data at the accelerator's input, by which the toggling of its bits is
        measured; None for random bits.

    Raises
    ------
    GraphError
        If the graph is not lowered and scheduled.
    """
    if not graph.hardware_nodes or not graph.is_scheduled:
        raise GraphError(f"the graph '{graph.name}' must be lowered and scheduled before it can be estimated")
    features, rates = graph_features(graph), activities(graph, entering)
    nodes = tuple(_node(graph, node, rates[node.name], features) for node in graph.hardware_nodes)
    constants, time = load_constants(), latency(graph)
    return Estimate(
        network=graph.name,
        board=target.board,
        part=target.device.part,
        device=target.device,
        clock_ns=target.clock_ns,
        nodes=nodes,
        edges=area(features[""]),
        latency_cycles=time.cycles,
        latency_is_exact=time.is_exact,
        errors=dict(constants.errors),
        source=constants.source,
    )
