"""How often kernels and rows repeat: what has to be computed only once.

Source: BNN (Hubara et al. 2016): there are at most 2**9 binary 3x3 kernels, so in a large layer most 2-D
kernels on one feature map are repetitions; on their CIFAR-10 network 42 % are unique. Here the inverse of a
kernel counts as its repetition, because its result is the same with the other sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.analysis.weighted_nodes import Weighted, weighted_nodes
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True)
class KernelSharing:
    """How much of a layer's popcounts repeats, up to the sign.

    Attributes
    ----------
    layer
        Name of the node.
    kernels, unique
        2-D kernels that have bits, over all planes, outputs and input channels; and those that differ, up to
        the sign, from all others on the same input channel. 0 for dense layers and windows of one pixel,
        where a kernel is no more than one weight.
    rows, unique_rows
        Whole rows that have bits, with all planes; and those that differ, up to the sign, from all others
        that read the same inputs.
    """

    layer: str
    kernels: int
    unique: int
    rows: int
    unique_rows: int

    @property
    def saved(self) -> float:
        """Share of the 2-D kernels that need not be computed again; summing their results remains."""
        return 1 - self.unique / self.kernels if self.kernels else 0.0

    def text(self) -> str:
        """Print the facts, or nothing if nothing repeats."""
        parts = []
        if self.unique < self.kernels:
            parts.append(
                f"{self.unique} of {self.kernels} 2-D kernels are unique up to the sign "
                f"({100 * self.saved:.1f} % of the popcounts are repetitions)"
            )
        if self.unique_rows < self.rows:
            parts.append(f"{self.unique_rows} of {self.rows} rows are unique up to the sign")
        return f"{self.layer}: {', '.join(parts)}" if parts else ""


def kernel_sharing(graph: Graph) -> tuple[KernelSharing, ...]:
    """Count repeated kernels and rows, layer by layer."""
    return tuple(_sharing(name, op) for name, op, _ in weighted_nodes(graph))


def _sharing(layer: str, op: Weighted) -> KernelSharing:
    has_kernels = isinstance(op, Convolution) and op.kernel != (1, 1)
    kernels = _kernel_keys(op) if has_kernels and isinstance(op, Convolution) else _no_keys()
    rows = _row_keys(op.weights, op.groups if isinstance(op, Convolution) else 1)
    return KernelSharing(layer, len(kernels), _distinct(kernels), len(rows), _distinct(rows))


def _no_keys() -> NDArray[np.uint8]:
    return np.empty((0, 1), dtype=np.uint8)


def _kernel_keys(op: Convolution) -> NDArray[np.uint8]:
    """Return one row of octets for each 2-D kernel with bits: equal where one result serves both."""
    shape = (op.weights.n_planes, op.weights.rows, -1, op.group_inputs)
    masks, bits = (
        np.moveaxis(planes.reshape(shape), 3, 2)  # (planes, outputs, inputs, kernel elements)
        for planes in (op.weights.unpacked_masks(), op.weights.unpacked_bits())
    )
    first = np.take_along_axis(bits, masks.argmax(axis=3)[..., np.newaxis], axis=3)
    turned = (bits ^ first ^ 1) & masks
    group = np.arange(op.weights.rows) // op.group_outputs
    channel = group[:, np.newaxis] * op.group_inputs + np.arange(op.group_inputs)
    channels = np.broadcast_to(channel.astype(np.int32), masks.shape[:3])
    keys = [_octets(channels[..., np.newaxis]), np.packbits(masks, axis=3), np.packbits(turned, axis=3)]
    return np.concatenate(keys, axis=3)[masks.any(axis=3)]


def _row_keys(weights: WeightPlanes, groups: int) -> NDArray[np.uint8]:
    """Return one row of octets for each row with bits: equal where one result serves both."""
    masks, bits = (
        np.moveaxis(words, 0, 1).reshape(weights.rows, -1) for words in (weights.masks, weights.bits)
    )
    at = (masks != 0).argmax(axis=1)[:, np.newaxis]
    word = np.take_along_axis(masks, at, axis=1)
    lowest = word & (~word + np.uint64(1))
    is_positive = (np.take_along_axis(bits, at, axis=1) & lowest) != 0
    turned = np.where(is_positive, bits, ~bits & masks)
    group = (np.arange(weights.rows) // (weights.rows // groups)).astype(np.int32)
    table = weights.coefficient_table().T
    keys = np.concatenate([_octets(part) for part in (group[:, np.newaxis], table, masks, turned)], axis=1)
    return keys[masks.any(axis=1)]


def _octets(array: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).view(np.uint8)


def _distinct(keys: NDArray[np.uint8]) -> int:
    """Count the different rows."""
    whole = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.shape[1])))
    return len(np.unique(whole))
