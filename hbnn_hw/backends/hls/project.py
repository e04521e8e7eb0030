"""A scheduled graph as a complete HLS project: relative path to text, nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from hbnn_hw.backends.hls.dialect import AXIS_HEADER, TCL, HlsTool, translate
from hbnn_hw.backends.hls.driver import driver_files
from hbnn_hw.backends.hls.layers import layer_values, op_name
from hbnn_hw.backends.hls.limits import check_word
from hbnn_hw.backends.hls.names import identifiers
from hbnn_hw.backends.hls.scripts import script_files
from hbnn_hw.buffering import SHALLOW, stream_depths
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Fork
from hbnn_hw.streams import (
    StreamEdge,
    input_edge,
    node_cycles,
    output_edge,
    sample_interval,
)
from hbnn_hw.target import Target
from hbnn_hw.templating import render, static_text
from hbnn_hw.verify.vectors import VectorSet

LIBRARY = (
    "arg_max.h",
    "bits.h",
    "edges.h",
    "elements.h",
    "lanes.h",
    "mvtu.h",
    "numbers.h",
    "pad.h",
    "pool.h",
    "roms.h",
    "sliding_window.h",
    "width_converter.h",
)
"""Static headers that every project carries, beside the tool's own ``axis.h``."""

LAYOUT_FILE = "tb/layout.json"
"""What the C simulation needs to know of a project: edges, layers, cycles."""

Values = dict[str, Any]


def _check_streams(graph: Graph) -> None:
    """Raise GraphError unless the graph is scheduled and every stream has one reader."""
    nodes = graph.hardware_nodes
    if not nodes or not graph.is_scheduled:
        raise GraphError(f"the graph '{graph.name}' must be lowered and scheduled before it is emitted")
    for node in nodes[:-1]:
        found = len(graph.readers(node))
        if found != 1 and not (found and isinstance(node.op, Fork)):
            raise GraphError(
                f"the stream of '{node.name}' must have one reader, not {found}; lower the graph"
            )
    entering = [node.name for node in nodes if graph.hardware_input in map(graph.producer, node.inputs)]
    if entering != [nodes[0].name]:
        raise GraphError(f"the input must enter at '{nodes[0].name}' alone, not at {', '.join(entering)}")


def _edge_values(name: str, edge: StreamEdge) -> Values:
    check_word(name, "AXI4-Stream beat", edge.data_bits, "choose a smaller SIMD or PE at this edge")
    return {"data_bits": edge.data_bits, "beats": edge.beats, **asdict(edge)}


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream between two functions: its name, the width of a word, and how many it holds."""

    name: str
    bits: int
    depth: int


def _stream_names(graph: Graph, names: dict[str, str]) -> dict[tuple[str, int], str]:
    """Name every stream by its reader, and by the position of the input where that has several."""
    return {
        (node.name, position): f"to_{names[node.name]}" + (f"_{position + 1}" if len(node.inputs) > 1 else "")
        for node in graph.hardware_nodes
        for position in range(len(node.inputs))
    }


def _layers(graph: Graph, names: dict[str, str]) -> list[Values]:
    streams = _stream_names(graph, names)
    layers = []
    for index, node in enumerate(graph.hardware_nodes):
        values = layer_values(graph, node, index, names[node.name])
        sinks = [streams[reader.name, position] for reader, position in graph.readers(node)] or ["to_output"]
        sources = [streams[node.name, position] for position in range(len(node.inputs))]
        layers.append(values | {"op": op_name(node.hardware), "arguments": [*sources, *sinks, "images"]})
    # Only now, so that a complaint names the layer that asks for a word, not the converter that makes it.
    for node, values in zip(graph.hardware_nodes, layers, strict=True):
        for side in ("input", "output"):
            check_word(node.name, f"{side} word", values[f"{side}_bits"], "choose a smaller SIMD or PE")
    return layers


def _streams(graph: Graph, names: dict[str, str], layers: list[Values]) -> list[Stream]:
    """All streams inside, in the order of their readers."""
    named, depths = _stream_names(graph, names), stream_depths(graph)
    inner = [
        Stream(named[node.name, position], source.bits, depths[node.name, position])
        for node, layer in zip(graph.hardware_nodes, layers, strict=True)
        for position, source in enumerate(layer["sources"])
    ]
    return [*inner, Stream("to_output", layers[-1]["output_bits"], SHALLOW)]


def _network_values(graph: Graph, target: Target, tool: HlsTool, n_images: int) -> Values:
    network, *found = identifiers([graph.name, *(node.name for node in graph.hardware_nodes)])
    names = dict(zip((node.name for node in graph.hardware_nodes), found, strict=True))
    layers = _layers(graph, names)
    interval = sample_interval(graph)
    return {
        "network": network,
        "graph_name": graph.name,
        "input": _edge_values("input", input_edge(graph)),
        "output": _edge_values("output", output_edge(graph)),
        "layers": layers,
        "streams": _streams(graph, names, layers),
        "interval": interval,
        "images_per_second": f"{1e9 / (interval * target.clock_ns):,.0f}",
        "clock_ns": f"{target.clock_ns:g}",
        "clock_mhz": f"{target.clock_mhz:g}",
        "part": target.device.part,
        "n_images": n_images,
        "tool": tool.value,
        "tcl": TCL[tool],
        "host_nodes": [node.name for node in graph.nodes_behind],
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
    for layer in values["layers"]:
        tables = layer.get("rom_files", {})
        files |= {f"src/layers/{layer['function']}_{name}": text for name, text in tables.items()}
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
        If the graph is not scheduled, or a stream has no reader or several.
    FoldingError
        Naming the layer, if its parallelism is beyond what the HLS tools accept.
    """
    _check_streams(graph)
    values = _network_values(graph, target, tool, vectors.n_images)
    sources = {path: translate(text, tool) for path, text in (_library(tool) | _sources(values)).items()}
    files = sources | {
        "tb/input.dat": _beats(input_edge(graph), input_edge(graph).to_beats(vectors.inputs)),
        "tb/output.dat": _beats(output_edge(graph), output_edge(graph).to_beats(vectors.outputs)),
        LAYOUT_FILE: _layout(graph, values),
        **script_files(values),
        "README.md": render("hls/project/README.md.j2", values),
    }
    files |= driver_files(graph, vectors, target, values["network"])
    return dict(sorted(files.items()))
