"""Builders of multilayer perceptrons: one method throughout, or a specification per layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import nn

from hbnn_hw.data import Dataset
from hbnn_hw.nn import ConvertSpec, LayerSpec, Method, Norm, SignSpec, convert, mlp

Network = Callable[[Dataset], nn.Sequential]
"""Builds the untrained network for a data set with torch's present random state."""


def widths(dataset: Dataset, hidden: Sequence[int]) -> tuple[int, ...]:
    """Return the features of input, hidden layers and output."""
    return (dataset.n_features, *hidden, dataset.n_classes)


def perceptron(method: Method, hidden: Sequence[int], **options: Any) -> Network:  # noqa: ANN401
    """Return a builder of a perceptron with one method; ``options`` are those of :func:`hbnn_hw.nn.mlp`."""

    def build(dataset: Dataset) -> nn.Sequential:
        return mlp(method, dataset.input_bits, widths(dataset, hidden), **options)

    return build


def converted(
    hidden: Sequence[int],
    weights: LayerSpec,
    *,
    activation: LayerSpec | None = None,
    layers: Mapping[str, LayerSpec] = MappingProxyType({}),
    norm: Norm = Norm.BATCH,
) -> Network:
    """Return a builder of a float perceptron that is converted by a specification.

    Parameters
    ----------
    hidden
        Widths of the hidden layers.
    weights
        For every linear layer that is not named in ``layers``.
    activation
        For the activations; signs if None.
    layers
        Specifications of single layers, by path: ``fc1``, ``act1``, ``fc2``, ...
    norm
        What stands behind the hidden layers.
    """

    def build(dataset: Dataset) -> nn.Sequential:
        network = mlp(Method.FLOAT, dataset.input_bits, widths(dataset, hidden), norm=norm)
        spec = ConvertSpec(weights=weights, activation=activation or SignSpec(), layers=layers)
        model = convert(network, spec)
        assert isinstance(model, nn.Sequential)
        return model

    return build
