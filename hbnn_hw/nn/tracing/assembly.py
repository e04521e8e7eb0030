"""The end of a walk: layers get their paths and their tensors, and steps their names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.network import INPUT, Network, Step
from hbnn_hw.nn.registry import build_layer
from hbnn_hw.nn.tracing.walk import LayerKey, LayerUse, Walk

COUNTER = "num_batches_tracked"
"""Buffer of batch normalization that evaluation does not read, so that no traced program names it."""


def assemble(walk: Walk, output: str) -> Network:
    """Build the network of all layers that ``output`` depends on, in evaluation mode.

    Parameters
    ----------
    walk
        All calls are done.
    output
        Name of a value.

    Raises
    ------
    CaptureError
        If a layer's tensors do not fit it.
    """
    uses = _needed(walk.uses, output)
    paths = _paths([use.layer for use in uses])
    layers = {path: _layer(walk, key, path) for key, path in paths.items()}
    names, taken = {INPUT: INPUT}, {INPUT}
    steps = []
    for use in uses:
        name = _unused(paths[use.layer], taken)
        taken.add(name)
        names[use.output] = name
        steps.append(Step(name, paths[use.layer], tuple(names[value] for value in use.inputs)))
    return Network(layers, steps).eval()


def _needed(uses: list[LayerUse], output: str) -> list[LayerUse]:
    needed, kept = {output}, []
    for use in reversed(uses):
        if use.output in needed:
            needed.update(use.inputs)
            kept.append(use)
    if not kept:
        raise CaptureError("the network must compute its output from its input, with at least one layer")
    # What follows the output in the program is none of its business.
    return kept[::-1]


def _paths(keys: list[LayerKey]) -> dict[LayerKey, str]:
    """Return a path for every layer: layers with tensors come first, whose paths their names decide."""
    paths: dict[LayerKey, str] = {}
    taken = _Paths()
    for key in [key for key in keys if key.state] + [key for key in keys if not key.state]:
        if key not in paths:
            paths[key] = taken.take(_own_path(key), key.state[0][1] if key.state else "")
    return {key: paths[key] for key in keys}


def _own_path(key: LayerKey) -> str:
    """Return the path under which a layer's tensors have the names that they have in the network."""
    if not key.state:
        return key.path
    first, name = key.state[0]
    prefix = name.removesuffix(f".{first}")
    keeps = prefix != name and all(full == f"{prefix}.{own}" for own, full in key.state)
    return prefix if keeps else name


class _Paths:
    """Paths of layers, none of which lies inside another."""

    def __init__(self) -> None:
        self._layers: set[str] = set()
        self._folders: set[str] = set()

    def take(self, wanted: str, otherwise: str) -> str:
        """Reserve a path, the wanted one if it is free."""
        for path in (wanted, otherwise):
            if path and self._is_free(path):
                break
        else:
            # Beside the layer that is in the way, not inside it.
            path = _unused(self._beside(wanted or otherwise), self._layers | self._folders)
        names = path.split(".")
        self._folders.update(".".join(names[:depth]) for depth in range(1, len(names)))
        self._layers.add(path)
        return path

    def _is_free(self, path: str) -> bool:
        return path not in self._layers and path not in self._folders and not self._outer(path)

    def _outer(self, path: str) -> str:
        """Return the layer that ``path`` lies inside, or nothing."""
        names = path.split(".")
        outer = (".".join(names[:depth]) for depth in range(1, len(names)))
        return next((folder for folder in outer if folder in self._layers), "")

    def _beside(self, path: str) -> str:
        outer = self._outer(path)
        return outer + path[len(outer) :].replace(".", "_") if outer else path


def _unused(name: str, taken: set[str]) -> str:
    count, candidate = 1, name
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    return candidate


def _layer(walk: Walk, key: LayerKey, path: str) -> nn.Module:
    """Build a layer around its tensors, which are the network's own."""
    layer = build_layer(path, key.kind, key.fields)
    tensors = {own: walk.program.tensors[name] for own, name in key.state}
    expected = layer.state_dict()
    if COUNTER in expected and COUNTER not in tensors:
        tensors[COUNTER] = walk.program.tensors.get(f"{path}.{COUNTER}", torch.zeros((), dtype=torch.int64))
    for own, wanted in expected.items():
        _check(path, own, wanted, tensors.get(own))
    layer.load_state_dict(tensors, assign=True)
    return layer


def _check(path: str, own: str, wanted: Tensor, found: Tensor | None) -> None:
    if found is None or (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
        form = "missing" if found is None else f"{found.dtype} {tuple(found.shape)}"
        raise CaptureError(
            f"tensor {own!r} of layer {path!r} must be {wanted.dtype} {tuple(wanted.shape)}, not {form}"
        )
