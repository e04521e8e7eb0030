"""Foldings as a JSON file: what an export chose, and what a user overrides, layer by layer.

``{"format": "hbnn_hw.folding", "version": 1, "layers": {"conv1": {"pe": 16, "simd": 3}, "fc2": {"unroll":
true}, "fc3": {"unroll": true, "stages": 4}}}``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hbnn_hw.errors import FoldingError
from hbnn_hw.folding import KERNEL_STAGES, Folding
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.passes import FoldingRequest, LayerFolding

FORMAT, VERSION = "hbnn_hw.folding", 1
_FIELDS = ("pe", "simd", "unroll", "stages")


def folding_document(graph: Graph) -> dict[str, Any]:
    """Return the foldings of a scheduled graph as plain data for JSON."""
    layers: dict[str, dict[str, int | bool]] = {}
    for node in graph.hardware_nodes:
        if isinstance(node.op, Mvtu):
            layers[node.name] = _fields(node.op.scheduled_folding)
    return {"format": FORMAT, "version": VERSION, "layers": layers}


def _fields(folding: Folding) -> dict[str, int | bool]:
    """Say how a layer is folded; the usual number of stages goes without saying."""
    if not folding.unrolled:
        return {"pe": folding.pe, "simd": folding.simd}
    stages = {} if folding.stages == KERNEL_STAGES else {"stages": folding.stages}
    return {"unroll": True, **stages}


def load_foldings(path: Path) -> dict[str, LayerFolding]:
    """Read a folding file.

    Raises
    ------
    FoldingError
        Naming file, layer and field, if it cannot be read or is not of that form.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FoldingError(f"cannot read the foldings in '{path}': {error}") from error
    try:
        return parse_foldings(text)
    except FoldingError as error:
        raise FoldingError(f"'{path}': {error}") from error


def parse_foldings(text: str) -> dict[str, LayerFolding]:
    """Read the text of a folding file; raise FoldingError, naming layer and field, if it is not one."""
    try:
        document = json.loads(text, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise FoldingError(f"foldings must be JSON: {error}") from error
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (
        FORMAT,
        VERSION,
    ):
        raise FoldingError(
            f'foldings must be an object with "format": "{FORMAT}" and "version": {VERSION}, as the '
            "folding.json of an export has it"
        )
    layers = document.get("layers")
    unknown = sorted(document.keys() - {"format", "version", "layers"})
    if unknown or not isinstance(layers, dict):
        what = f"not the field '{unknown[0]}'" if unknown else f"which must be an object, not {layers!r:.40}"
        raise FoldingError(f"besides format and version, foldings must have 'layers', {what}")
    return {name: _layer(name, fields) for name, fields in layers.items()}


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice}' stands twice in one object")
    return found


def _layer(name: str, fields: object) -> LayerFolding:
    if not isinstance(fields, Mapping):
        raise FoldingError(
            f"layer '{name}' must be an object like {{'pe': 16, 'simd': 3}}, not {fields!r:.40}"
        )
    for field in fields:
        if field not in _FIELDS:
            raise FoldingError(f"layer '{name}': the fields are {', '.join(_FIELDS)}, not '{field}'")
    for field in ("pe", "simd", "stages"):
        value = fields.get(field)
        if value is not None and (type(value) is not int or value < 1):
            raise FoldingError(f"layer '{name}': '{field}' must be a whole number from 1, not {value!r:.40}")
    unroll = fields.get("unroll", False)
    if type(unroll) is not bool:
        raise FoldingError(f"layer '{name}': 'unroll' must be true or false, not {unroll!r:.40}")
    if unroll and (fields.get("pe") or fields.get("simd")):
        raise FoldingError(f"layer '{name}' cannot be unrolled and have 'pe' or 'simd'; drop one of them")
    return LayerFolding(fields.get("pe"), fields.get("simd"), unroll, fields.get("stages"))


def with_foldings(request: FoldingRequest, layers: Mapping[str, LayerFolding]) -> FoldingRequest:
    """Add the layers of a file to a request; raise FoldingError if both name a layer."""
    both = sorted(layers.keys() & request.layers.keys())
    if both:
        raise FoldingError(
            f"layer '{both[0]}' has a folding in the file and one on the command line; drop one of them"
        )
    return replace(request, layers={**request.layers, **layers})
