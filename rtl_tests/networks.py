"""Emit a random network with its golden vectors, for a simulator."""

from pathlib import Path

import numpy as np

from hbnn_hw.backends.rtl import emit
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target
from hbnn_hw.verify.vectors import VectorSet
from tests.graphs import random_inputs
from tests.rtl.harness import edge_values


def vectors(graph: Graph, n_images: int, seed: int = 0) -> VectorSet:
    """Random inputs, the extreme ones first, with the outputs by the operators' plain meaning."""
    return VectorSet(*edge_values(graph, random_inputs(graph, n_images, seed).astype(np.int64)))


def write_verilog(graph: Graph, folder: Path) -> Path:
    """Emit the network to a file."""
    (name, text), *_ = ((name, text) for name, text in emit(graph, Target()).items() if name.endswith(".v"))
    (folder / name).write_text(text)
    return folder / name
