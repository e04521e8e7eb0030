"""A network's IR for people: as text and as a picture."""

from __future__ import annotations

from pathlib import Path

from hbnn_hw import ir_file
from hbnn_hw.exported import open_export
from hbnn_hw.extras import require
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Convolution, Dense, Mvtu
from hbnn_hw.ops.convolution import MASKED
from hbnn_hw.types import Integers
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import XorEncoding


def read_graph(path: Path) -> Graph:
    """Return the graph in a checkpoint, an IR file, a QONNX file or an export folder.

    Raises
    ------
    HbnnError
        If the file holds no network.
    """
    if path.is_dir():
        return open_export(path).graph
    if path.suffix == ".hbnn":
        return ir_file.load(path)
    if path.suffix == ".onnx":
        from hbnn_hw.capture import qonnx

        return qonnx.load(path)
    require("torch", "train", "reading a model file")
    from hbnn_hw.capture import capture_file

    return capture_file(path).graph


def weights_of(node: Node) -> WeightPlanes | None:
    """Return the weights of a node; None if it has none."""
    weights = getattr(node.op, "weights", None)
    return weights if isinstance(weights, WeightPlanes) else None


def sums_of(graph: Graph, node: Node) -> Integers | None:
    """Return the proven range of a node's sums, in front of its thresholds if there are any; else None."""
    op = Dense(weights=node.op.weights) if isinstance(node.op, Mvtu) else node.op
    element = op.infer(*(graph.types[name] for name in node.inputs)).element
    return element if weights_of(node) is not None and isinstance(element, Integers) else None


def graph_text(graph: Graph) -> str:
    """Print the graph, a line a node, then a line for each layer with weights, and the total of several."""
    layers = [(node, weights) for node in graph.nodes if (weights := weights_of(node)) is not None]
    lines = [_weights_text(graph, node, weights) for node, weights in layers]
    return graph.text() + "".join(f"  {line}\n" for line in lines) + _total_text([w for _, w in layers])


def _weights_text(graph: Graph, node: Node, weights: WeightPlanes) -> str:
    n_entries = weights.rows * weights.columns
    shares = [
        f"{100 * count / n_entries:.1f} % {bits}-bit" for bits, count in enumerate(weights.bitwidth_counts())
    ]
    parts = [
        f"{node.name}: {weights.rows} × {weights.columns}",
        f"{weights.average_bits():.3f} bits a weight "
        f"({', '.join(share for share in shares if not share.startswith('0.0'))})",
        f"plane coefficients {_coefficients_text(weights)}",
    ]
    if weights.encoding is not None:
        parts.append(_encoding_text(weights.encoding))
    if (sums := sums_of(graph, node)) is not None:
        parts.append(f"sums {sums.low}…{sums.high}")
    if isinstance(node.op, Convolution):
        parts.append(window_text(node.op))
    folding = node.op.folding if isinstance(node.op, Mvtu) else None
    if folding:
        parts.append("unrolled" if folding.unrolled else f"PE {folding.pe}, SIMD {folding.simd}")
    return ", ".join(parts)


def _coefficients_text(weights: WeightPlanes) -> str:
    if weights.row_coefficients is None:
        return ", ".join(map(str, weights.coefficients))
    ranges = (f"{row.min()}…{row.max()}" for row in weights.row_coefficients)
    return f"{', '.join(ranges)} by row"


def _encoding_text(encoding: XorEncoding) -> str:
    return (
        f"{encoding.average_bits:.3f} stored bits a weight (XOR of {encoding.n_in} to {encoding.n_out}, "
        f"order {encoding.layout.order.value})"
    )


def window_text(op: Convolution) -> str:
    """Print the shape of a convolution: ``3×3 kernel, padding 1 1 1 1 masked``."""
    text = f"{op.kernel[0]}×{op.kernel[1]} kernel"
    if op.stride != (1, 1):
        text += f", stride {op.stride[0]}×{op.stride[1]}"
    if any(op.padding):
        sides = " ".join(map(str, op.padding))
        text += f", padding {sides} {'masked' if op.border == MASKED else f'of {op.border}'}"
    if op.dilation != (1, 1):
        text += f", dilation {op.dilation[0]}×{op.dilation[1]}"
    return text + (f", {op.groups} groups" if op.groups > 1 else "")


def _total_text(layers: list[WeightPlanes]) -> str:
    entries = [weights.rows * weights.columns for weights in layers]
    if len(layers) < 2:
        return ""
    bits = sum(n * w.average_bits() for n, w in zip(entries, layers, strict=True)) / sum(entries)
    stored = sum(n * w.stored_average_bits() for n, w in zip(entries, layers, strict=True)) / sum(entries)
    encoded = f", {stored:.3f} stored" if stored != bits else ""
    return f"  {len(layers)} layers with {sum(entries)} weights, {bits:.3f} bits a weight{encoded}\n"
