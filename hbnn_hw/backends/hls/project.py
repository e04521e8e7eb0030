"""A scheduled graph as a complete HLS project: relative path to text, nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hbnn_hw.backends.hls.dialect import AXIS_HEADER, TCL, HlsTool, translate
from hbnn_hw.backends.hls.driver import driver_files
from hbnn_hw.backends.hls.layers import layer_values, op_name
from hbnn_hw.backends.hls.limits import check_word
from hbnn_hw.backends.hls.names import identifiers
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph
from hbnn_hw.streams import (
    StreamEdge,
    input_buffer_words,
    input_edge,
    node_cycles,
    output_edge,
    sample_interval,
)
from hbnn_hw.target import Target
from hbnn_hw.templating import render, static_text
from hbnn_hw.verify.vectors import VectorSet

LIBRARY = ("bits.h", "edges.h", "mvtu.h", "roms.h", "width_converter.h")
"""Static headers that every project carries, beside the tool's own ``axis.h``."""

SHALLOW_FIFO = 2
"""Depth of a stream whose two ends run at the same pace, the tools' own default."""

LAYOUT_FILE = "tb/layout.json"
"""What the C simulation needs to know of a project: edges, layers, cycles."""

Values = dict[str, Any]


def _check_chain(graph: Graph) -> None:
    """Raise GraphError unless the hardware nodes are scheduled and form one chain of streams."""
    graph.check_emittable()
    nodes = graph.hardware_nodes
    if not nodes or not graph.is_scheduled:
        raise GraphError(f"the graph '{graph.name}' must be lowered and scheduled before it is emitted")
    previous = graph.input_name
    for node in nodes:
        if node.inputs != (previous,):
            raise GraphError(
                f"'{node.name}' must read '{previous}' and nothing else, not {', '.join(node.inputs)}"
            )
        previous = node.name


def _edge_values(name: str, edge: StreamEdge) -> Values:
    check_word(name, "AXI4-Stream beat", edge.data_bits, "choose a smaller SIMD or PE at this edge")
    return {"data_bits": edge.data_bits, "beats": edge.beats, **asdict(edge)}


def _fifo_depth(graph: Graph, index: int) -> int:
    """Depth of the stream in front of a layer."""
    return max(SHALLOW_FIFO, input_buffer_words(graph, graph.hardware_nodes[index]))


def _layers(graph: Graph, names: list[str]) -> list[Values]:
    named = zip(graph.hardware_nodes, names, strict=True)
    layers = [layer_values(graph, node, index, name) for index, (node, name) in enumerate(named)]
    # Only now, so that a complaint names the layer that asks for a word, not the converter that makes it.
    for index, (node, values) in enumerate(zip(graph.hardware_nodes, layers, strict=True)):
        for side in ("input", "output"):
            check_word(node.name, f"{side} word", values[f"{side}_bits"], "choose a smaller SIMD or PE")
        values |= {"op": op_name(node.hardware), "fifo_depth": _fifo_depth(graph, index)}
    return layers


def _network_values(graph: Graph, target: Target, tool: HlsTool, n_images: int) -> Values:
    network, *names = identifiers([graph.name, *(node.name for node in graph.hardware_nodes)])
    interval = sample_interval(graph)
    return {
        "network": network,
        "graph_name": graph.name,
        "input": _edge_values("input", input_edge(graph)),
        "output": _edge_values("output", output_edge(graph)),
        "layers": _layers(graph, names),
        "interval": interval,
        "images_per_second": f"{1e9 / (interval * target.clock_ns):,.0f}",
        "clock_ns": f"{target.clock_ns:g}",
        "clock_mhz": f"{target.clock_mhz:g}",
        "part": target.device.part,
        "n_images": n_images,
        "tool": tool.value,
        "tcl": TCL[tool],
        "host_nodes": [node.name for node in graph.host_nodes],
    }


def _layout(graph: Graph, values: Values) -> str:
    layout = {
        "network": values["network"],
        "tool": values["tool"],
        "images": values["n_images"],
        "input": asdict(input_edge(graph)),
        "output": asdict(output_edge(graph)),
        # In the order of the layers, which is that of the step counters.
        "cycles": node_cycles(graph),
    }
    return json.dumps(layout, indent=2) + "\n"


def _beats(edge: StreamEdge, beats: list[int]) -> str:
    return "".join(f"{beat:0{edge.data_bits // 4}x}\n" for beat in beats)


def _library(tool: HlsTool) -> dict[str, str]:
    files = {f"src/lib/{name}": static_text(f"hls/lib/{name}") for name in LIBRARY}
    return files | {"src/lib/axis.h": static_text(f"hls/lib/{AXIS_HEADER[tool]}")}


def _sources(values: Values) -> dict[str, str]:
    files = {
        f"src/layers/{layer['function']}.h": render(f"hls/{layer['op']}.h.j2", layer)
        for layer in values["layers"]
    }
    files[f"src/{values['network']}.h"] = render("hls/project/network.h.j2", values)
    files[f"src/{values['network']}.cpp"] = render("hls/project/network.cpp.j2", values)
    files["tb/testbench.cpp"] = render("hls/project/testbench.cpp.j2", values)
    return files


def emit(
    graph: Graph, vectors: VectorSet, target: Target, tool: HlsTool = HlsTool.VIVADO_HLS
) -> dict[str, str]:
    """Write the HLS project of a network.

    Parameters
    ----------
    graph
        A lowered and scheduled graph.
    vectors
        Golden vectors for the test bench.
    target
        Part and clock period of the build script.
    tool
        Whose dialect the sources and the script use.

    Returns
    -------
    dict
        Text by relative path: ``src/`` (synthesized), ``tb/`` (test bench and vectors), ``scripts/``,
        ``driver/``, ``README.md``. The same arguments give the same bytes.

    Raises
    ------
    GraphError
        If the graph is not scheduled or not a chain.
    FoldingError
        Naming the layer, if its parallelism is beyond what the HLS tools accept.
    """
    _check_chain(graph)
    values = _network_values(graph, target, tool, vectors.n_images)
    sources = {path: translate(text, tool) for path, text in (_library(tool) | _sources(values)).items()}
    files = sources | {
        "tb/input.dat": _beats(input_edge(graph), input_edge(graph).to_beats(vectors.inputs)),
        "tb/output.dat": _beats(output_edge(graph), output_edge(graph).to_beats(vectors.outputs)),
        LAYOUT_FILE: _layout(graph, values),
        "scripts/hls.tcl": render("vivado/hls.tcl.j2", values),
        "README.md": render("hls/project/README.md.j2", values),
    }
    files |= driver_files(graph, vectors, target, values["network"])
    return dict(sorted(files.items()))
