"""The interpreter of whole graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.backends.golden.kernels import DotKernel, check_kernel, choose_kernel, numba_is_installed
from hbnn_hw.backends.golden.plan import Plan, bytes_alive
from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph
from hbnn_hw.ops import ArgMax, Convolution, Dense, Mvtu, Op, Tensor
from hbnn_hw.types import Planes, TensorType

DEFAULT_CHUNK = 1024
"""Most images per chunk."""

LARGEST_CHUNK = 1 << 30
"""Bytes that all values of a chunk may have together: bounds the memory of a run whatever the batch."""

WORKING_SET = 32 << 20
"""Bytes of the values that a chunk needs at the same time, unless the weights are larger [byte]: they stay in
a cache, and there are enough images for the time of reading the weights to vanish."""

WORTH_COMPILING = 4 * 10**11
"""One-bit multiply-accumulates that take matrix products longer than numba takes to compile."""


def _bytes(value: TensorType) -> int:
    """Memory of one sample's value at run time: a byte for each bit of planes, 8 for each number."""
    per_element = value.element.n_planes if isinstance(value.element, Planes) else 8
    return per_element * value.n_elements


@dataclass(frozen=True)
class GoldenModel:
    """A graph's exact, fast interpreter.

    Attributes
    ----------
    graph
        Any stage of a network: captured, or lowered.
    kernel
        Kernel of the dot products, in the layers that it can compute; None chooses by layer and by the
        number of images.
    chunk
        Most images computed at a time; see :attr:`images_at_a_time`.

    Raises
    ------
    ToolMissingError
        If the kernel needs a package that is not installed.
    """

    graph: Graph
    kernel: DotKernel | None = None
    chunk: int = DEFAULT_CHUNK

    def __post_init__(self) -> None:
        check_kernel(self.kernel)

    @cached_property
    def images_at_a_time(self) -> int:
        """Most images to trace at a time: ``chunk``, or fewer where all values would take over 1 GiB."""
        per_image = sum(_bytes(value) for value in self.graph.types.values())
        return max(1, min(self.chunk, LARGEST_CHUNK // per_image))

    @cached_property
    def images_in_cache(self) -> int:
        """Images that :meth:`value` computes at a time: ``chunk``, or fewer; see :data:`WORKING_SET`."""
        weights = sum(4 * _weights_of(node.op) for node in self.graph.nodes)
        room = max(WORKING_SET, min(weights, LARGEST_CHUNK))
        return max(1, min(self.chunk, room // bytes_alive(self.graph)))

    @cached_property
    def _plan(self) -> Plan:
        kernel = self.kernel or DotKernel.FLOAT32
        return Plan.of(self.graph, lambda weights, source, run: kernel)

    @cached_property
    def _compiled_plan(self) -> Plan:
        return Plan.of(self.graph, choose_kernel)

    def _plan_for(self, n_images: int) -> Plan:
        if self.kernel is None and numba_is_installed() and n_images * self._work >= WORTH_COMPILING:
            return self._compiled_plan
        return self._plan

    @cached_property
    def _work(self) -> int:
        """One-bit multiply-accumulates of an image."""
        types = self.graph.types
        return sum(
            node.op.work(*(types[name] for name in node.inputs)).binary_macs for node in self.graph.nodes
        )

    def trace(self, data: NDArray[np.int64]) -> Iterator[tuple[str, Tensor]]:
        """Yield every value of one chunk by name, in graph order."""
        for name, value in self._plan_for(len(data)).run(data):
            yield name, value.tensor()

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

        Raises
        ------
        GraphError
            If the graph has no value of that name.
        """
        wanted = name or self.graph.output_name
        if wanted not in self.graph.types:
            raise GraphError(f"the graph '{self.graph.name}' has no value '{wanted}'")
        plan, step = self._plan_for(len(data)), self.images_in_cache
        first = plan.value(data[:step], wanted)
        result = np.empty((len(data), *first.shape[1:]), dtype=first.dtype)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            result[start : start + step] = first if start == 0 else plan.value(piece, wanted)
            if progress:
                progress(len(piece))
        return result

    def classes(self, data: NDArray[np.int64]) -> NDArray[np.int64]:
        """Arg-max of the output, int64 (batch,); the first of equal scores wins."""
        if isinstance(self.graph.nodes[-1].op, ArgMax):
            return self.value(data)[:, 0].astype(np.int64)
        return np.asarray(np.argmax(self.value(data), axis=1), dtype=np.int64)


def _weights_of(op: Op) -> int:
    """Count the weights of a layer, 0 for other operators."""
    weights = op.weights if isinstance(op, Convolution | Dense | Mvtu) else None
    return weights.rows * weights.columns if weights else 0
