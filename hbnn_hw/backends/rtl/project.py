"""The texts of an RTL project: the network's Verilog file and a page for its user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from hbnn_hw.backends.rtl.accelerator import CONTROL_PORT, Accelerator
from hbnn_hw.backends.rtl.control_registers import ADDRESS_BITS, REGISTERS
from hbnn_hw.backends.rtl.identifiers import identifier
from hbnn_hw.backends.rtl.lut import Fabric, with_models
from hbnn_hw.backends.rtl.queues import queue_words
from hbnn_hw.backends.rtl.top import check_network, text_kernels, unrolled_plans
from hbnn_hw.backends.rtl.unrolled.plan import LayerPlan
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.graph import Graph, Node, type_text
from hbnn_hw.latency import latency
from hbnn_hw.ops import Mvtu
from hbnn_hw.streams import StreamEdge, input_edge, node_cycles, output_edge
from hbnn_hw.target import Target
from hbnn_hw.templating import render
from hbnn_hw.timing import interval_cycles


def _parallelism(node: Node) -> str:
    op = node.op
    if not isinstance(op, Mvtu):
        return f"{node.hardware.lanes_in} to {node.hardware.lanes_out} lanes"
    if op.scheduled_folding.unrolled:
        return "unrolled"
    return f"PE {op.lanes_out}, SIMD {op.lanes_in}"


def _weights(node: Node) -> str:
    op = node.op
    if not isinstance(op, Mvtu):
        return ""
    weights = op.weights
    planes = "1 plane" if weights.n_planes == 1 else f"{weights.n_planes} planes"
    return f"{weights.rows}x{weights.columns} weights, {planes}, {weights.average_bits():.3g} bits on average"


def layer_rows(graph: Graph) -> Iterator[dict[str, object]]:
    """Describe every unit: name, type of its output, parallelism, weights, cycles, words of its queues."""
    cycles, words = node_cycles(graph), queue_words(graph)
    for node in graph.hardware_nodes:
        yield {
            "name": node.name,
            "op": type(node.op).__name__,
            "output": type_text(graph.types[node.name]).replace("×", "x").replace("…", " to "),
            "parallelism": _parallelism(node),
            "weights": _weights(node),
            "cycles": cycles[node.name],
            "fifo_words": _listed([words[node.name, place] for place in range(len(node.inputs))]),
        }


def _listed(words: list[int]) -> str:
    """Print the words of a unit's queues, nothing if it has none."""
    return ", ".join(str(count) for count in words) if any(words) else ""


def _edge(edge: StreamEdge) -> dict[str, object]:
    kind = "signed" if edge.signed else "unsigned"
    return {
        "bits": edge.data_bits,
        "beats": edge.beats,
        "lanes": edge.lanes,
        "elements": edge.elements,
        "element": f"{edge.element_bits}-bit {kind}",
        "lane_bits": edge.lane_bits,
        "dtype": edge.dtype.str,
        "extension": "sign" if edge.signed else "zero",
    }


_PRIMITIVES = {
    Fabric.GENERIC: "It instantiates no vendor primitives.",
    Fabric.XC7: (
        "Popcounts, comparisons and XOR decoders instantiate 7-series primitives (LUT1 to LUT6, LUT6_2, "
        "CARRY4). Models of those in use are at the end of the file for simulators; synthesis tools define "
        "`SYNTHESIS`, skip the models and take their own cells."
    ),
}
"""What the page says about instantiated primitives."""


def facts(graph: Graph, target: Target) -> dict[str, object]:
    """Collect everything that header and page print."""
    interval, time = interval_cycles(graph), latency(graph)
    return {
        "name": graph.name,
        "top": identifier(graph.name),
        "layers": list(layer_rows(graph)),
        "input": _edge(input_edge(graph)),
        "output": _edge(output_edge(graph)),
        "interval": interval,
        "latency": f"{'' if time.is_exact else 'about '}{time.cycles}",
        "clock_ns": f"{target.clock_ns:g}",
        "clock_mhz": f"{target.clock_mhz:g}",
        "latency_us": f"{time.cycles * target.clock_ns / 1000:.4g}",
        "images_per_second": f"{1e9 / (interval * target.clock_ns):.4g}",
        "part": target.device.part,
        "primitives": _PRIMITIVES[Fabric.of_target(target)],
        "control_port": CONTROL_PORT,
        "address_bits": ADDRESS_BITS,
        "registers": [
            {"name": r.name, "offset": f"0x{r.offset:02x}", "access": r.access.value, "meaning": r.meaning}
            for r in REGISTERS
        ],
    }


STRUCTURES = "structures.json"
"""How unrolled layers are built, and why; written where there are any."""


def structures_text(plans: Mapping[str, LayerPlan]) -> str:
    """Print a JSON list: name, LUTs, levels and explanation of every unrolled layer, in order."""
    layers = [
        {
            "name": name,
            "luts": plan.netlist.luts,
            "levels": round(max(plan.netlist.levels(), default=0.0), 2),
            "explanation": plan.explanation,
        }
        for name, plan in plans.items()
    ]
    return json.dumps(layers, indent=1, ensure_ascii=False) + "\n"


def emit(graph: Graph, target: Target) -> dict[str, str]:
    """Return the project's files; see :func:`hbnn_hw.backends.rtl.emit`."""
    check_network(graph)
    values = facts(graph, target)
    top = identifier(graph.name)
    plans = unrolled_plans(graph)
    parts = [
        render("rtl/header.v.j2", values),
        to_verilog(Accelerator(graph), top, fabric=Fabric.of_target(target)),
        *text_kernels(graph, plans, Fabric.of_target(target)),
    ]
    structures = {STRUCTURES: structures_text(plans)} if plans else {}
    return structures | {
        f"{top}.v": with_models("\n".join(parts)),
        "README.md": render("rtl/README.md.j2", values),
        "sim/Makefile": render("rtl/sim/Makefile.j2", values),
        "sim/test_network.py": render("rtl/sim/test_network.py.j2", values),
    }
