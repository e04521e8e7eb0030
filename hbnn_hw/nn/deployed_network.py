"""The deployed twin of a network: layers in order, each reading what earlier ones made."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from hbnn_hw.nn.network import INPUT


class DeployedNetwork(nn.Sequential):
    """Layers of constants, in an order in which every value is made before it is read.

    Children have flat names, which are also the names of their values. A chain behaves as any
    ``nn.Sequential``.

    Parameters
    ----------
    layers
        By name, in order; the last one makes the output.
    sources
        Name to the names of the values that the layer reads; :data:`INPUT` is the network's input. By
        default each layer reads the one before it.
    """

    def __init__(
        self, layers: OrderedDict[str, nn.Module], sources: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(layers)
        chain = zip(layers, [INPUT, *layers], strict=False)
        self.sources = {name: (source,) for name, source in chain} if sources is None else dict(sources)

    def trace(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield the value of every layer by name, in order; values that nobody reads any more are freed."""
        last_reader = {source: name for name, sources in self.sources.items() for source in sources}
        values = {INPUT: x}
        for name, layer in self.named_children():
            sources = self.sources[name]
            values[name] = layer(*(values[source] for source in sources))
            yield name, values[name]
            for source in set(sources):
                if last_reader[source] == name:
                    del values[source]

    def forward(self, x: Tensor) -> Tensor:
        """Map codes (batch, features) to logits (batch, classes) float64."""
        y = x
        for _, value in self.trace(x):
            y = value
        return y
