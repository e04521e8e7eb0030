"""A network's IR as text for people."""

from __future__ import annotations

from pathlib import Path

from hbnn_hw import ir_file
from hbnn_hw.exported import open_export
from hbnn_hw.extras import require
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution, Dense, Mvtu
from hbnn_hw.ops.convolution import MASKED


def inspect_file(path: Path) -> str:
    """Print the graph in a checkpoint, an IR file or an export folder.

    Raises
    ------
    HbnnError
        If the file holds no network.
    """
    return graph_text(_graph_of(path))


def _graph_of(path: Path) -> Graph:
    if path.is_dir():
        return open_export(path).graph
    if path.suffix == ".hbnn":
        return ir_file.load(path)
    require("torch", "train", "reading a model file")
    from hbnn_hw.capture import capture_file

    return capture_file(path).graph


def graph_text(graph: Graph) -> str:
    """Print the graph and, for each layer with weights, its bit map."""
    return graph.text() + "".join(
        _weights_text(node.name, node.op)
        for node in graph.nodes
        if isinstance(node.op, Dense | Convolution | Mvtu)
    )


def _weights_text(name: str, op: Dense | Convolution | Mvtu) -> str:
    weights = op.weights
    shares = [
        f"{100 * float((weights.bit_map() == bits).mean()):.1f} % {bits}-bit"
        for bits in range(weights.n_planes + 1)
    ]
    folding = op.folding if isinstance(op, Mvtu) else None
    text = (
        f"  {name}: {weights.rows} × {weights.columns}, {weights.average_bits():.3f} bits a weight "
        f"({', '.join(share for share in shares if not share.startswith('0.0'))}), "
        f"plane coefficients {', '.join(map(str, weights.coefficients))}"
    )
    if isinstance(op, Convolution):
        text += _window_text(op)
    if folding:
        text += ", unrolled" if folding.unrolled else f", PE {folding.pe}, SIMD {folding.simd}"
    return text + "\n"


def _window_text(op: Convolution) -> str:
    """Print the shape of a convolution: ``, 3×3 kernel, padding 1 1 1 1 masked``."""
    text = f", {op.kernel[0]}×{op.kernel[1]} kernel"
    if op.stride != (1, 1):
        text += f", stride {op.stride[0]}×{op.stride[1]}"
    if any(op.padding):
        sides = " ".join(map(str, op.padding))
        text += f", padding {sides} {'masked' if op.border == MASKED else f'of {op.border}'}"
    return text + (f", {op.groups} groups" if op.groups > 1 else "")
