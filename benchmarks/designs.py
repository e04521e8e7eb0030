"""Random layers and small networks for the area benchmarks: reproducible by seed, described by plain data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hbnn_hw.estimate.synthesis import synthesize_graph
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Dense, EncodeBitPlanes, Sign, SignOfZero
from hbnn_hw.passes import FoldingRequest, LayerFolding, schedule, simplify, split_planes, to_streams
from hbnn_hw.target import Target
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes

RESULTS = Path(__file__).parent / "results"
COEFFICIENTS = {1: (1,), 2: (2, 1), 3: (4, 2, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """One dense layer.

    Attributes
    ----------
    columns, rows
        Shape.
    fractions
        Share of entries (or columns) that have 1, 2, 3 bits; sums to 1.
    map_kind
        "element": the map is drawn entry by entry; "column": all rows share it; "tile": as "column", and
        columns of equal bitwidth lie side by side, which a permutation of the previous layer's rows gives
        for nothing.
    thresholds
        Whether batch norm and sign follow; otherwise raw dot products.
    pe, simd
        Folding; 0 unrolls.
    """

    columns: int
    rows: int
    fractions: tuple[float, ...] = (1.0,)
    map_kind: str = "element"
    thresholds: bool = True
    pe: int = 0
    simd: int = 0

    @property
    def average_bits(self) -> float:
        """Mean bitwidth that the fractions ask for."""
        return sum(bits * share for bits, share in enumerate(self.fractions, start=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignSpec:
    """A network of layers behind an input encoder of ``input_bits`` bits."""

    name: str
    layers: tuple[LayerSpec, ...]
    input_bits: int = 1
    seed: int = 0


def bit_map(spec: LayerSpec, rng: np.random.Generator) -> np.ndarray:
    """Draw a bit map (rows, columns) with exactly the asked shares, up to rounding."""
    cells = spec.rows * spec.columns if spec.map_kind == "element" else spec.columns
    edges = np.rint(np.cumsum(spec.fractions) * cells).astype(int)
    flat = 1 + np.searchsorted(edges, np.arange(cells), side="right")
    if spec.map_kind != "tile":
        flat = rng.permutation(flat)
    return np.broadcast_to(flat.reshape(-1, spec.columns), (spec.rows, spec.columns))


def layer_weights(spec: LayerSpec, rng: np.random.Generator) -> WeightPlanes:
    """Draw random signs under a random map."""
    planes = len(spec.fractions)
    masks = (bit_map(spec, rng)[np.newaxis] > np.arange(planes)[:, np.newaxis, np.newaxis]).astype(np.uint8)
    return WeightPlanes.from_bits(
        rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks, masks, COEFFICIENTS[planes]
    )


def batch_norm(rows: int, spread: float, rng: np.random.Generator) -> Affine:
    """Slopes of both signs, thresholds spread like the dot products themselves."""
    alpha = rng.choice([-0.5, 0.5, 1.0], rows).astype(np.float32)
    return Affine(alpha=alpha, beta=np.round(rng.normal(0, spread, rows)).astype(np.float32))


def build(spec: DesignSpec) -> Graph:
    """Build and lower a design."""
    rng = np.random.default_rng(spec.seed)
    nodes = [Node("encode", EncodeBitPlanes(n_bits=spec.input_bits), ("x",))]
    for index, layer in enumerate(spec.layers, start=1):
        weights = layer_weights(layer, rng)
        nodes.append(Node(f"fc{index}", Dense(weights=weights), (nodes[-1].name,)))
        nodes.append(Node(f"bn{index}", batch_norm(layer.rows, layer.columns**0.5, rng), (nodes[-1].name,)))
        if layer.thresholds:
            nodes.append(Node(f"sign{index}", Sign(zero=SignOfZero.PLUS), (nodes[-1].name,)))
    kind = TensorType((spec.layers[0].columns,), Integers(0, 2**spec.input_bits - 1))
    folds = {
        f"fc{index}": LayerFolding(pe=layer.pe, simd=layer.simd) if layer.pe else LayerFolding(unroll=True)
        for index, layer in enumerate(spec.layers, start=1)
    }
    # The columns as they are in the recorded designs: lowering would sort them.
    streams = to_streams(split_planes(simplify(Graph("net", "x", kind, tuple(nodes)))))
    return schedule(streams, FoldingRequest(layers=folds))


def synthesized(spec: DesignSpec) -> dict[str, Any]:
    """Emit and synthesize a design; return its description and counts."""
    print(f"  synthesizing {spec.name}", file=sys.stderr, flush=True)
    result = synthesize_graph(build(spec), Target())
    return {"spec": asdict(spec), "tool": result.tool, "counts": result.counts.document()}


def synthesize_all(
    specs: Sequence[DesignSpec], jobs: int, save: Callable[[list[dict[str, Any]]], None]
) -> None:
    """Synthesize every design, saving after each."""
    done: list[dict[str, Any]] = []
    with ThreadPoolExecutor(jobs) as pool:
        for entry in pool.map(synthesized, specs):
            done.append(entry)
            save(done)


def parse_spec(document: dict[str, Any]) -> DesignSpec:
    """Undo ``asdict``."""
    layers = tuple(
        LayerSpec(**{**layer, "fractions": tuple(layer["fractions"])}) for layer in document["layers"]
    )
    return DesignSpec(**{**document, "layers": layers})


def save_results(name: str, entries: Iterable[dict[str, Any]]) -> None:
    """Write results, one design a line, the same bytes for the same results."""
    lines = ",\n".join(json.dumps(entry, sort_keys=True) for entry in entries)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def load_results(name: str) -> list[dict[str, Any]]:
    """Read results that :func:`save_results` wrote."""
    entries: list[dict[str, Any]] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return entries
