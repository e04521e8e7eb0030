"""Drivers that a project is delivered with: Python for PYNQ and Linux, C99 for bare metal and Linux."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from math import ceil
from typing import Any

from hbnn_hw.backends.hls.scripts import ACCELERATOR_ADDRESS, DMA_ADDRESS
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, ArgMax, Flatten, PiecewiseAffine, Unflatten
from hbnn_hw.streams import StreamEdge, input_edge, output_edge, sample_interval
from hbnn_hw.target import Target
from hbnn_hw.templating import render, static_text
from hbnn_hw.types import Integers, Planes
from hbnn_hw.verify.vectors import VectorSet

MOST_IMAGES = 8
"""Golden images that travel with the drivers; the test bench has them all."""

MOST_VECTOR_BYTES = 1 << 20
"""Bytes of golden vectors beyond which fewer images travel; in C source a byte is five characters."""

PYTHON_PACKAGE = "driver/python/hbnn_driver"

_PYTHON_FILES = (
    "__init__.py",
    "__main__.py",
    "accelerator.py",
    "control.py",
    "dma.py",
    "errors.py",
    "linux_platform.py",
    "network.py",
    "platform.py",
    "pynq_platform.py",
)

C_FOLDER = "driver/c"

_C_FILES = (
    "accelerator.c",
    "accelerator.h",
    "describe.c",
    "main.c",
    "platform_baremetal.c",
    "platform_linux.c",
    "self_test.c",
)

_C_TEMPLATES = ("Makefile", "network.c", "network.h")

_NUMBERS_PER_LINE = 16
_REALS_PER_LINE = 4

Values = dict[str, Any]


def _host_chain(graph: Graph) -> tuple[list[Node], list[Node]]:
    """Return the host's layers behind the accelerator that a driver computes, and those it does not."""
    computed: list[Node] = []
    others: list[Node] = []
    value = graph.hardware_output
    for node in graph.nodes_behind:
        follows = node.inputs == (value,) and not others
        if follows and isinstance(node.op, Flatten):
            value = node.name  # a change of shape alone: memory keeps the order
        elif follows and isinstance(node.op, Affine | PiecewiseAffine) and not computed:
            computed.append(node)
            value = node.name
        else:
            others.append(node)
    return computed, others


def _constants(node: Node) -> Values:
    """Return the constants of an affine layer as (pieces, channels), flat; float32 is exact in JSON and C."""
    op = node.op
    if isinstance(op, PiecewiseAffine):
        return {
            "pieces": len(op.alpha),
            "alpha": op.alpha.ravel().tolist(),
            "beta": op.beta.ravel().tolist(),
            "knees": op.knees.ravel().tolist(),
        }
    assert isinstance(op, Affine)
    return {"pieces": 1, "alpha": op.alpha.tolist(), "beta": op.beta.tolist(), "knees": []}


def _tail(graph: Graph) -> Values:
    """Return what the host computes from the codes that leave the accelerator."""
    element = graph.types[graph.hardware_output].element
    # Codes of bit-planes count from 0 up; the numbers that they stand for lie symmetric to 0.
    scale, offset = (2, -element.largest) if isinstance(element, Planes) else (1, 0)
    computed, others = _host_chain(graph)
    constants: Values = {"pieces": 1, "alpha": [1.0], "beta": [0.0], "knees": []}
    for node in computed:
        constants = _constants(node)
    unsupported = [f"{node.name} ({type(node.op).__name__})" for node in others]
    return {
        "scale": scale,
        "offset": offset,
        "unsupported": unsupported,
        # An index is not a score: the host must not look for its largest element.
        "is_class": isinstance(graph.hardware_nodes[-1].op, ArgMax),
        **constants,
    }


def _input_range(graph: Graph) -> tuple[int, int]:
    element = graph.input_type.element
    assert isinstance(element, Integers)
    return element.low, element.high


def _image(graph: Graph) -> tuple[int, ...] | None:
    """Return (rows, columns, channels) of images whose channels the stream has innermost, else None."""
    for node in graph.nodes:
        if node.name == graph.hardware_input and isinstance(node.op, Unflatten) and node.op.shape[2] > 1:
            return node.op.shape
    return None


def _delivered(vectors: VectorSet, image_bytes: int) -> VectorSet:
    return vectors.first(max(1, min(MOST_IMAGES, MOST_VECTOR_BYTES // image_bytes)))


def _beats(edge: StreamEdge, beats: list[int]) -> str:
    return "".join(f"{beat:0{edge.data_bits // 4}x}\n" for beat in beats)


def _network(graph: Graph, target: Target, network: str) -> Values:
    low, high = _input_range(graph)
    return {
        "name": network,
        "input": asdict(input_edge(graph)),
        "output": asdict(output_edge(graph)),
        "input_low": low,
        "input_high": high,
        "interval_cycles": sample_interval(graph),
        "clock_ns": target.clock_ns,
        "image": _image(graph),
        "dma_address": DMA_ADDRESS,
        "control_address": ACCELERATOR_ADDRESS,
        "tail": _tail(graph),
    }


def _python_files(document: Values, inputs: str, outputs: str) -> dict[str, str]:
    files = {
        f"{PYTHON_PACKAGE}/{name}": static_text(f"driver/python/hbnn_driver/{name}") for name in _PYTHON_FILES
    }
    return files | {
        f"{PYTHON_PACKAGE}/network.json": json.dumps(document, indent=1) + "\n",
        f"{PYTHON_PACKAGE}/vectors/input.dat": inputs,
        f"{PYTHON_PACKAGE}/vectors/output.dat": outputs,
    }


def _c_type(edge: StreamEdge) -> str:
    return f"{'' if edge.signed else 'u'}int{edge.lane_bits}_t"


def _c_lines(numbers: Iterable[str], per_line: int) -> list[str]:
    """Lay numbers out in lines; C knows no empty array, so one 0 stands for none."""
    texts = list(numbers) or ["0"]
    return [", ".join(texts[at : at + per_line]) + "," for at in range(0, len(texts), per_line)]


def _c_arrays(
    document: Values, vectors: VectorSet, types: tuple[str, str]
) -> list[tuple[str, str, list[str]]]:
    """Return type, name and lines of every array; real numbers in hexadecimal, which is exact."""
    tail = document["tail"]
    reals = [
        ("double", f"hbnn_{name}", _c_lines((number.hex() for number in tail[name]), _REALS_PER_LINE))
        for name in ("alpha", "beta")
    ]
    knees = ("int64_t", "hbnn_knees", _c_lines((f"{knee}LL" for knee in tail["knees"]), _NUMBERS_PER_LINE))
    golden = zip(
        types,
        ("hbnn_golden_inputs", "hbnn_golden_outputs"),
        (vectors.inputs, vectors.outputs),
        strict=True,
    )
    return [
        *reals,
        knees,
        *(
            (kind, name, _c_lines(map(str, array.ravel().tolist()), _NUMBERS_PER_LINE))
            for kind, name, array in golden
        ),
    ]


def _c_files(graph: Graph, document: Values, vectors: VectorSet) -> dict[str, str]:
    types = _c_type(input_edge(graph)), _c_type(output_edge(graph))
    values = document | {
        "input_type": types[0],
        "output_type": types[1],
        "tail_channels": len(document["tail"]["alpha"]) // document["tail"]["pieces"],
        "ten_images_us": ceil(10 * document["interval_cycles"] * document["clock_ns"] / 1000),
        "n_images": vectors.n_images,
        "arrays": _c_arrays(document, vectors, types),
    }
    files = {f"{C_FOLDER}/{name}": static_text(f"driver/c/{name}") for name in _C_FILES}
    return files | {f"{C_FOLDER}/{name}": render(f"driver/c/{name}.j2", values) for name in _C_TEMPLATES}


def driver_files(graph: Graph, vectors: VectorSet, target: Target, network: str) -> dict[str, str]:
    """Write the drivers of a network.

    Parameters
    ----------
    graph
        A lowered and scheduled graph.
    vectors
        Golden vectors; the first few travel with the drivers.
    target
        Device and clock.
    network
        The top function's name, which is the IP's as well.

    Returns
    -------
    dict
        Text by relative path below ``driver/``. The same arguments give the same bytes.
    """
    source, sink = input_edge(graph), output_edge(graph)
    few = _delivered(vectors, source.beats * source.data_bytes + sink.beats * sink.data_bytes)
    document = _network(graph, target, network)
    inputs, outputs = _beats(source, source.to_beats(few.inputs)), _beats(sink, sink.to_beats(few.outputs))
    files = _python_files(document, inputs, outputs) | _c_files(graph, document, few)
    return files | {"driver/README.md": render("driver/README.md.j2", document)}
