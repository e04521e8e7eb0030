"""Every figure of a report as plain data: one JSON document, and two CSV tables made of it."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hbnn_hw import __version__
from hbnn_hw.artifacts import json_bytes
from hbnn_hw.estimate import NodeEstimate
from hbnn_hw.report.bitmaps import bit_histograms, network_average
from hbnn_hw.report.bitwidth import bitwidth_results
from hbnn_hw.report.document import ReportInput
from hbnn_hw.report.exploration import Exploration
from hbnn_hw.report.roofline import roofline

FORMAT = "hbnn_hw.report"
VERSION = 1

LAYER_COLUMNS = (
    "rows",
    "columns",
    "weight_planes",
    "input_planes",
    "average_bits",
    "map_granularity",
    "pe",
    "simd",
    "unrolled",
    "full_cycles",
)
AREA_COLUMNS = ("luts", "lut_sites", "flip_flops", "bram36", "dsps")


@dataclass(frozen=True, slots=True)
class Download:
    """A file inside the page: the text of its link, its name, and its content as a ``data:`` address."""

    label: str
    name: str
    address: str


def figures_document(source: ReportInput) -> dict[str, Any]:
    """Return all figures of a report as plain data for JSON.

    ``estimate`` is what ``hbnn-hw estimate --json`` prints. Units are in the names, as there.
    """
    average = network_average(source.graph)
    return {
        "format": FORMAT,
        "version": VERSION,
        "toolkit": __version__,
        "network": source.graph.name,
        "device": asdict(source.target.device),
        "clock_ns": source.target.clock_ns,
        "average_bits": average,
        "training": dict(source.metadata),
        "estimate": source.estimate.document(),
        "synthesis": source.synthesis.document() if source.synthesis else None,
        "verifications": [result.document() for result in source.verifications],
        "bit_maps": [asdict(histogram) for histogram in bit_histograms(source.graph)],
        "roofline": roofline(source.graph, source.target).document(),
        "structures": [asdict(structure) for structure in source.structures],
        "exploration": source.exploration.document if source.exploration else None,
        "area_vs_bitwidth": bitwidth_results(),
    }


def _flat(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Walk a document: the path of every leaf, with its value."""
    if isinstance(document, Mapping):
        for name in sorted(document):
            yield from _flat(document[name], f"{path}.{name}" if path else str(name))
    elif isinstance(document, Sequence) and not isinstance(document, str):
        for at, entry in enumerate(document):
            yield from _flat(entry, f"{path}[{at}]")
    else:
        yield path, document


def _csv(rows: Sequence[Sequence[object]]) -> str:
    """Print rows as RFC 4180 has them; nothing stands where a value is None."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def figures_csv(source: ReportInput) -> str:
    """Print :func:`figures_document` as two columns, path and value."""
    return _csv([("path", "value"), *_flat(figures_document(source))])


def _node_row(node: NodeEstimate) -> list[object]:
    layer = node.layer
    shape = [getattr(layer, name) if layer else None for name in LAYER_COLUMNS]
    area = [getattr(node.area, name) for name in AREA_COLUMNS]
    energy = [node.energy.compute_pj, node.energy.memory_pj]
    return [node.name, node.kind, *shape, node.cycles, *area, node.is_calibrated, *energy]


def layers_csv(source: ReportInput) -> str:
    """Print a line a hardware node: shape, folding, cycles, estimated area and 45 nm energy a frame."""
    header = ["name", "kind", *LAYER_COLUMNS, "cycles", *AREA_COLUMNS, "is_calibrated"]
    rows = [_node_row(node) for node in source.estimate.nodes]
    return _csv([[*header, "compute_pj", "memory_pj"], *rows])


def explored_csv(exploration: Exploration) -> str:
    """Print a line an explored point, as ``hbnn-hw explore --csv`` does."""
    points = exploration.document["points"]
    columns = list(dict.fromkeys(name for record in points for name in record))
    return _csv([columns, *([record.get(name) for name in columns] for record in points)])


def _address(media_type: str, content: bytes) -> str:
    return f"data:{media_type};charset=utf-8;base64,{base64.b64encode(content).decode()}"


def _explored(name: str, exploration: Exploration) -> Download:
    content = explored_csv(exploration).encode()
    return Download("explored designs, CSV", f"{name}_explored.csv", _address("text/csv", content))


def downloads(source: ReportInput) -> tuple[Download, ...]:
    """Return the files that the page carries."""
    name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in source.graph.name)
    explored = source.exploration
    return (
        Download(
            "all figures, JSON",
            f"{name}.json",
            _address("application/json", json_bytes(figures_document(source))),
        ),
        Download("all figures, CSV", f"{name}.csv", _address("text/csv", figures_csv(source).encode())),
        Download("layers, CSV", f"{name}_layers.csv", _address("text/csv", layers_csv(source).encode())),
        *([_explored(name, explored)] if explored else []),
    )
