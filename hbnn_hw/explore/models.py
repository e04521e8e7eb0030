"""Networks that an exploration starts from: model files, simplified, with what is known of their training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hbnn_hw import ir_file
from hbnn_hw.analysis.weighted_nodes import weighted_nodes
from hbnn_hw.bit_distribution import Distribution, Sharing
from hbnn_hw.errors import GraphError
from hbnn_hw.explore.point import Trained
from hbnn_hw.extras import require
from hbnn_hw.graph import Graph
from hbnn_hw.inspection import read_graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import simplify
from hbnn_hw.weights import WeightPlanes


# Without slots, for the cached properties.
@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """One network.

    Attributes
    ----------
    label
        Name of its file, without the ending.
    graph
        Integer operators without a choice of hardware (:func:`hbnn_hw.passes.simplify`).
    method
        How it was trained, such as "hbnn"; empty if unknown.
    accuracy
        Share of right answers of the deployed network on its test set, 0 to 1; None if unknown.
    file_sha256
        Digest of the file, by which an export of the same file is known; empty if it came from none.
    """

    label: str
    graph: Graph
    method: str = ""
    accuracy: float | None = None
    file_sha256: str = ""

    @cached_property
    def content(self) -> bytes:
        """The network as an IR file, which is how it travels to workers."""
        return ir_file.to_bytes(self.graph)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content: equal networks have equal digests."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def _layers(self) -> tuple[WeightPlanes, ...]:
        return tuple(op.weights for _, op, _ in weighted_nodes(self.graph))

    @property
    def trained(self) -> Trained:
        """The network's own weights, as those of a point."""
        entries = sum(weights.rows * weights.columns for weights in self._layers)
        stored = sum(w.stored_average_bits() * w.rows * w.columns for w in self._layers)
        return Trained(
            network=self.digest,
            label=self.label,
            method=self.method,
            average_bits=stored / entries,
            distribution=self._distribution(entries),
            sharing=self._sharing(),
        )

    def _distribution(self, entries: int) -> Distribution:
        counts = np.zeros(1 + max(weights.n_planes for weights in self._layers), dtype=np.int64)
        for weights in self._layers:
            found = weights.bitwidth_counts()
            counts[: len(found)] += found
        return tuple((bits, int(count) / entries) for bits, count in enumerate(counts) if count)

    def _sharing(self) -> Sharing:
        by_column = [bool((weights.masks == weights.masks[:, :1]).all()) for weights in self._layers]
        by_row = [set(w.plane_populations().ravel().tolist()) <= {0, w.columns} for w in self._layers]
        if all(by_column) == all(by_row):
            return Sharing.ELEMENT
        return Sharing.COLUMN if all(by_column) else Sharing.ROW


def read_model(path: Path) -> Model:
    """Read a checkpoint, an IR file or a QONNX file, and lower it to integer operators.

    Raises
    ------
    HbnnError
        If the file holds no network, or one that is folded already.
    """
    graph, facts = _captured(path)
    if any(isinstance(node.op, Mvtu) and node.op.folding is not None for node in graph.nodes):
        raise GraphError(f"'{path}' must be a network that is not folded yet; take the model file itself")
    simple = simplify(graph)
    if not any(True for _ in weighted_nodes(simple)):
        raise GraphError(f"'{path}' must have layers with weights, not none")
    accuracy, method = facts.get("accuracy"), facts.get("method")
    return Model(
        label=path.stem,
        graph=simple,
        method=str(method or ""),
        accuracy=accuracy if isinstance(accuracy, float) and accuracy > 0 else None,
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
    )


def _captured(path: Path) -> tuple[Graph, Mapping[str, object]]:
    """Return the graph and what is known of its training, nothing of files that are no checkpoints."""
    if path.is_dir() or path.suffix in (".hbnn", ".onnx"):
        return read_graph(path), {}
    require("torch", "train", "reading a model file")
    from hbnn_hw.capture import capture_file  # torch takes seconds to import

    model = capture_file(path)
    return model.graph, model.facts
