"""Networks whose edges differ in every way that a driver sees, and their delivered folders."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from hbnn_hw.backends.hls.driver import driver_files
from hbnn_hw.backends.hls.names import identifier
from hbnn_hw.export import edge_values, entering_values
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, ArgMax, PiecewiseAffine, Sign, SignOfZero, Unflatten
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.streams import input_edge, output_edge
from hbnn_hw.verify.vectors import VectorSet
from tests.drivers.model import System
from tests.graphs import PoolAt, random_cnn, random_inputs, random_mlp
from tests.hls.networks import TARGET, mlp, multi_level, write_texts


def with_pieces(graph: Graph) -> Graph:
    """Put an affine function of three pieces in the place of the last normalization."""
    rng = np.random.default_rng(0)
    last = graph.nodes[-1]
    channels = len(last.op.alpha)
    alpha, beta = rng.normal(size=(2, 3, channels)).astype(np.float32)
    knees = np.sort(rng.integers(-4, 5, (2, channels)), axis=0)
    op = PiecewiseAffine(alpha=alpha, beta=beta, knees=knees)
    return Graph(graph.name, graph.input_name, graph.input_type, (*graph.nodes[:-1], replace(last, op=op)))


def with_more_behind(graph: Graph) -> Graph:
    """Let a sign follow the last normalization."""
    sign = Node("sign_out", Sign(zero=SignOfZero.PLUS), (graph.output_name,))
    return Graph(graph.name, graph.input_name, graph.input_type, (*graph.nodes, sign))


def classifier() -> Graph:
    """A network whose classes have one scale, and offsets that no integers are."""
    graph = random_mlp(69, [12, 9, 6])
    affine = Affine(alpha=np.full(6, 0.3, np.float32), beta=np.linspace(-2, 1, 6, dtype=np.float32))
    nodes = (*graph.nodes[:-1], replace(graph.nodes[-1], op=affine))
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


def classes_of(graph: Graph, whole: np.ndarray) -> np.ndarray:
    """Classes int64 (batch,) of a network's outputs (batch, elements), which may be the classes."""
    return whole[:, 0] if isinstance(graph.nodes[-1].op, ArgMax) else np.argmax(whole, axis=1)


NETWORKS: dict[str, Callable[[], Graph]] = {
    # Lanes in, lanes out: 8 and 8 signed, several beats on both sides, one beat of three bytes.
    "bytes": lambda: mlp(60, [12, 9, 6], (3, 4), (3, 3)),
    # 16-bit signed scores: more than 127 columns reach beyond a byte.
    "halves": lambda: mlp(61, [20, 200, 10], (20, 5), (5, 20)),
    # 32-bit signed scores through large coefficients.
    "words": lambda: mlp(62, [16, 40, 4], (8, 4), (2, 8), coefficients=(900, 30, 1)),
    # Unsigned codes leave the accelerator; the host decodes them.
    "codes": lambda: multi_level(64, [10, 8, 6], (2, 3), (4, 5), (3, 2)),
    # The host's layer is PReLU with its normalization: three pieces.
    "pieces": lambda: with_pieces(mlp(66, [12, 9, 6], (3, 4), (2, 3))),
    # The network ends in what no driver computes.
    "unsupported": lambda: with_more_behind(mlp(67, [12, 9, 6], (3, 4), (2, 3))),
    # Three channels, which the stream has innermost.
    "image": lambda: lower(random_cnn(68, (4, 6, 3), [PoolAt.NOWHERE]), FoldingRequest(pe=2, simd=3)),
    # The class leaves the accelerator: the host has no layer and nothing to compare.
    "class": lambda: lower(classifier(), arg_max=True),
    # One beat in, one beat out: TLAST on every beat.
    "one_beat": lambda: mlp(65, [8, 4, 3], (4, 8), (3, 4)),
}


def outputs_of(graph: Graph, inputs: np.ndarray) -> np.ndarray:
    """Golden outputs at the accelerator's edge, (batch, elements), of inputs in the network's order."""
    return edge_values(graph, inputs)


def from_stream(graph: Graph, codes: np.ndarray) -> np.ndarray:
    """Bring codes (batch, elements) from the stream's order into the network's."""
    op = graph.nodes[0].op
    if not isinstance(op, Unflatten):
        return codes
    return np.moveaxis(codes.reshape(-1, *op.shape), -1, 1).reshape(codes.shape)


def vectors_of(graph: Graph, batch: int = 8, seed: int = 0) -> VectorSet:
    inputs = random_inputs(graph, batch, seed).astype(np.int64)
    return VectorSet(entering_values(graph, inputs), outputs_of(graph, inputs))


def deliver(folder: Path, graph: Graph, batch: int = 8) -> Path:
    """Write the drivers as a user receives them."""
    write_texts(folder, driver_files(graph, vectors_of(graph, batch), TARGET, identifier(graph.name)))
    return folder


def system_of(graph: Graph, **options) -> System:
    """The fabric that computes this network."""
    source, sink = input_edge(graph), output_edge(graph)

    def compute(octets: bytes) -> bytes:
        codes = np.frombuffer(octets, dtype=source.dtype).reshape(1, -1).astype(np.int64)
        return outputs_of(graph, from_stream(graph, codes)).astype(sink.dtype).tobytes()

    return System(compute, source.elements * source.lane_bits // 8, sink.data_bytes, **options)
