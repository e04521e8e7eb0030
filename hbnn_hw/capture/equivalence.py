"""Hold the golden model against deployed PyTorch, at every layer, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture.names import identifier
from hbnn_hw.capture.order import flat_orders, to_ir_order
from hbnn_hw.errors import MismatchError
from hbnn_hw.graph import Graph
from hbnn_hw.nn.deployed_network import DeployedNetwork
from hbnn_hw.ops import Tensor
from hbnn_hw.types import Planes


@dataclass(frozen=True, slots=True)
class Equivalence:
    """What was compared, all of it equal.

    Attributes
    ----------
    images
        Samples.
    layers
        Layer outputs compared per sample.
    values
        Numbers compared in all.
    """

    images: int
    layers: int
    values: int


def _numbers(tensor: Tensor) -> NDArray[np.generic]:
    """Plain numbers of a golden value: planes are decoded."""
    if isinstance(tensor.type.element, Planes):
        return tensor.type.element.values(tensor.data)
    return tensor.data


def _compare(name: str, found: NDArray[np.generic], expected: NDArray[np.generic], first_image: int) -> None:
    if found.shape != expected.shape:
        raise MismatchError(
            f"layer '{name}': golden has the shape {found.shape[1:]}, PyTorch {expected.shape[1:]}"
        )
    differing = np.argwhere(found != expected)
    if len(differing):
        image, *element = at = tuple(int(i) for i in differing[0])
        raise MismatchError(
            f"layer '{name}': golden and PyTorch differ in {len(differing)} values; first at image "
            f"{first_image + image}, {_place(element)}: golden {found[at]}, PyTorch {expected[at]}"
        )


def _place(element: Sequence[int]) -> str:
    """Name an element of a vector or an image."""
    if len(element) == 1:
        return f"element {element[0]}"
    return ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column", "channel"), element, strict=True))


def compare_with_torch(
    deployed: DeployedNetwork,
    graph: Graph,
    images: NDArray[np.int64],
    progress: Callable[[int], None] | None = None,
    chunk: int = 1000,
) -> Equivalence:
    """Compare every layer's output of a captured graph with the deployed network's.

    Parameters
    ----------
    deployed
        The PyTorch network.
    graph
        The captured graph (one node per module).
    images
        Input codes, integers (images, features).
    progress
        Called with the number of images after every chunk.
    chunk
        Most images at a time; fewer where the layers' values would take much memory.

    Raises
    ------
    MismatchError
        At the first value that is not equal, exactly.
    """
    golden = GoldenModel(graph, chunk=chunk)
    orders = flat_orders(graph)
    values = layers = 0
    for start in range(0, len(images), golden.images_at_a_time):
        codes = images[start : start + golden.images_at_a_time]
        expected = {
            name: to_ir_order(outputs, orders.get(name))
            for name, outputs in _torch_layers(deployed, codes).items()
        }
        found = {name: tensor for name, tensor in golden.trace(codes) if name in expected}
        for name, tensor in found.items():
            _compare(name, _numbers(tensor), expected[name], start)
        values += sum(array.size for array in expected.values())
        layers = len(found)
        if progress:
            progress(len(codes))
    return Equivalence(len(images), layers, values)


def _torch_layers(deployed: DeployedNetwork, codes: NDArray[np.int64]) -> dict[str, NDArray[np.generic]]:
    """Outputs of every module, by node name, in PyTorch's order."""
    x = torch.from_numpy(codes.astype(np.float32))
    with torch.no_grad():
        return {identifier(path): value.numpy() for path, value in deployed.trace(x)}
