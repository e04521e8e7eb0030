"""The golden model: exact integer inference, fast.

The operators' own ``compute`` is the meaning of the IR; this module gives the same numbers quickly. Dot
products run either on packed words (XNOR and popcount) or as float32 matrix products, which are exact as
long as no partial sum can reach 2**24.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden_convolution import EXACT_IN_FLOAT32, convolve
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Convolution, Dense, Mvtu, Op, Tensor
from hbnn_hw.ops.dense import check_planes
from hbnn_hw.planes import decode, pack, popcount
from hbnn_hw.types import Element, Planes, TensorType
from hbnn_hw.weights import WeightPlanes

DEFAULT_CHUNK = 1024
"""Most images per chunk."""

LARGEST_CHUNK = 1 << 30
"""Bytes that all values of a chunk may have together: bounds the memory of a run whatever the batch."""


class DotKernel(Enum):
    """How dot products are computed; both are exact."""

    PACKED = "xnor and popcount on 64-bit words"
    FLOAT32 = "float32 matrix product"


def dot_packed(weights: WeightPlanes, source: Planes, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compute ``W x`` from packed words.

    Per weight plane p and input plane q: ``c_p a_q (2 popcount(~(W_p ^ X_q) & m_p) - popcount(m_p))``.

    Parameters
    ----------
    weights
        (rows, columns) planes.
    source
        Input planes with their scales.
    bits
        uint8 (batch, input planes, columns).

    Returns
    -------
    NDArray
        int64 (batch, rows).
    """
    words = pack(bits)
    agreement = np.zeros((len(bits), weights.rows), dtype=np.int64)
    for p, coefficient in enumerate(weights.coefficients):
        for q, scale in enumerate(source.scales):
            for row in range(weights.rows):
                equal = ~(words[:, q] ^ weights.bits[p, row]) & weights.masks[p, row]
                agreement[:, row] += coefficient * scale * popcount(equal)
    return 2 * agreement - weights.row_offsets(source.scales)


def dot_float32(weights: WeightPlanes, source: Planes, bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Compute ``W x`` as one float32 matrix product; exact while sums stay below 2**24."""
    inputs = decode(bits, source.scales).astype(np.float32)
    product = inputs @ weights.values().T.astype(np.float32)
    return product.astype(np.int64)


def choose_kernel(weights: WeightPlanes, source: Planes) -> DotKernel:
    """Take the float32 product where it is exact, packed words elsewhere."""
    bound = int(weights.row_magnitudes().max()) * source.largest
    return DotKernel.FLOAT32 if bound < EXACT_IN_FLOAT32 else DotKernel.PACKED


def _dot(weights: WeightPlanes, tensor: Tensor, kernel: DotKernel | None) -> NDArray[np.int64]:
    source = check_planes(tensor.type, weights)
    chosen = kernel or choose_kernel(weights, source)
    function = dot_packed if chosen is DotKernel.PACKED else dot_float32
    return function(weights, source, tensor.data)


def _bytes(value: TensorType) -> int:
    """Memory of one sample's value at run time: a byte for each bit of planes, 8 for each number."""
    per_element = value.element.n_planes if isinstance(value.element, Planes) else 8
    return per_element * value.n_elements


def _is_plain(element: Element) -> bool:
    return isinstance(element, Planes) and element.mask is None


def _compute(op: Op, inputs: tuple[Tensor, ...], kernel: DotKernel | None) -> Tensor:
    if isinstance(op, Convolution):
        return Tensor(op.infer(inputs[0].type), convolve(op, inputs[0].type, inputs[0].data))
    if isinstance(op, Dense) and _is_plain(inputs[0].type.element):
        return Tensor(op.infer(inputs[0].type), _dot(op.weights, inputs[0], kernel))
    if isinstance(op, Mvtu) and _is_plain(inputs[0].type.element):
        sums = _dot(op.weights, inputs[0], kernel)
        data = sums if op.thresholds is None else op.thresholds.apply(sums)
        return Tensor(op.infer(inputs[0].type), data)
    return op.run(*inputs)


@dataclass(frozen=True, slots=True)
class GoldenModel:
    """A graph's exact, fast interpreter.

    Attributes
    ----------
    graph
        Any stage of a network: captured, or lowered.
    kernel
        Dot product kernel of dense layers; None chooses per layer.
    chunk
        Most images computed at a time; see :attr:`images_at_a_time`.
    """

    graph: Graph
    kernel: DotKernel | None = None
    chunk: int = DEFAULT_CHUNK

    @property
    def images_at_a_time(self) -> int:
        """Images computed at a time: ``chunk``, or fewer where their values would take more than 1 GiB."""
        per_image = sum(_bytes(value) for value in self.graph.types.values())
        return max(1, min(self.chunk, LARGEST_CHUNK // per_image))

    def trace(self, data: NDArray[np.int64]) -> Iterator[tuple[str, Tensor]]:
        """Yield every value of one chunk by name, in graph order."""
        values = {self.graph.input_name: Tensor(self.graph.input_type, data)}
        yield self.graph.input_name, values[self.graph.input_name]
        for node in self.graph.nodes:
            values[node.name] = _compute(node.op, tuple(values[name] for name in node.inputs), self.kernel)
            yield node.name, values[node.name]

    def value(
        self, data: NDArray[np.int64], name: str | None = None, progress: Callable[[int], None] | None = None
    ) -> NDArray[np.generic]:
        """Compute one value for a batch of any size.

        Parameters
        ----------
        data
            Input codes, integers (batch, *input shape).
        name
            The value wanted; the graph's output by default.
        progress
            Called with the number of images after every chunk.

        Returns
        -------
        NDArray
            Run-time data of the value, (batch, ...); see :mod:`hbnn_hw.types`.
        """
        wanted = name or self.graph.output_name
        parts = []
        step = self.images_at_a_time
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            parts.append(next(tensor.data for key, tensor in self.trace(piece) if key == wanted))
            if progress:
                progress(len(piece))
        return np.concatenate(parts)

    def classes(self, data: NDArray[np.int64]) -> NDArray[np.int64]:
        """Arg-max of the output, int64 (batch,); the first of equal scores wins."""
        return np.asarray(np.argmax(self.value(data), axis=1), dtype=np.int64)
