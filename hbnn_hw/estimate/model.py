"""Estimate of a whole network: area, time and energy, node by node and in total."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hbnn_hw.errors import GraphError
from hbnn_hw.estimate.area import QUEUES, Area, ErrorBand, area, graph_features, load_constants
from hbnn_hw.estimate.area.features import Features
from hbnn_hw.estimate.energy import OperationEnergy, fpga_energy_pj, fpga_power_w, operation_energy
from hbnn_hw.graph import Graph, Node
from hbnn_hw.latency import latency
from hbnn_hw.ops import Mvtu
from hbnn_hw.step_counts import full_steps
from hbnn_hw.streams import node_cycles
from hbnn_hw.target import Target


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
    is_calibrated: bool = True
    layer: LayerShape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Estimate of a network on a target.

    Attributes
    ----------
    network, board, part
        What and where.
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
    def fpga_power_w(self) -> float:
        """Chip power at FINN's watts per LUT [W]."""
        return fpga_power_w(self.area.luts, 1000.0 / self.clock_ns)

    @property
    def fpga_energy_pj(self) -> float:
        """FPGA energy per sample [pJ]."""
        return fpga_energy_pj(self.area.luts, self.interval_cycles)

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
                "fpga_energy_pj": self.fpga_energy_pj,
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


def _node(graph: Graph, node: Node, cycles: int, features: dict[str, Features]) -> NodeEstimate:
    total, queues = area(features[node.name]), features.get(node.name + QUEUES)
    return NodeEstimate(
        name=node.name,
        kind=type(node.op).__name__,
        cycles=cycles,
        area=total + area(queues) if queues else total,
        energy=operation_energy(node.hardware, *graph.input_types(node)),
        is_calibrated=features[node.name].is_calibrated,
        layer=_layer(graph, node),
    )


def estimate(graph: Graph, target: Target) -> Estimate:
    """Estimate area, time and energy of a scheduled network.

    Cycles are exact (simulations are held to them), and so is the latency of networks on vectors
    (:mod:`hbnn_hw.latency`); area comes from cost functions; energy from published constants
    (:mod:`hbnn_hw.estimate.energy`).

    Raises
    ------
    GraphError
        If the graph is not lowered and scheduled.
    """
    if not graph.hardware_nodes or not graph.is_scheduled:
        raise GraphError(f"the graph '{graph.name}' must be lowered and scheduled before it can be estimated")
    features, cycles = graph_features(graph), node_cycles(graph)
    nodes = tuple(_node(graph, node, cycles[node.name], features) for node in graph.hardware_nodes)
    constants, time = load_constants(), latency(graph)
    return Estimate(
        network=graph.name,
        board=target.board,
        part=target.device.part,
        clock_ns=target.clock_ns,
        nodes=nodes,
        edges=area(features[""]),
        latency_cycles=time.cycles,
        latency_is_exact=time.is_exact,
        errors=dict(constants.errors),
        source=constants.source,
    )
