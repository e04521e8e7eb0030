"""The same perceptron with every method and bitwidth: the rows of the results tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import BnnSpec, FloatSpec, Method, TrainConfig, XorScheme, dist_from_avg
from models.perceptron import Network, converted, perceptron
from models.recipe import Recipe

RATES: Mapping[Method, float] = MappingProxyType({Method.SLB: 3e-2, Method.FLEXOR: 1e-3})
"""Adam's largest step sizes where they are not the configuration's. SLB's soft weights fit the training
images too well at smaller steps. FleXOR's encrypted weights learn within a window of width 1 / S_tanh,
narrower than a latent weight's."""


def with_rate(config: TrainConfig, method: Method) -> TrainConfig:
    """Return the configuration with the step size of a method."""
    return replace(config, learning_rate=RATES.get(method, config.learning_rate))


def _rows(hidden: tuple[int, ...]) -> tuple[tuple[str, str, Method, Network], ...]:
    """(name, label, method, builder) of every row."""
    return (
        ("float", "float", Method.FLOAT, perceptron(Method.FLOAT, hidden)),
        ("bnn", "BNN", Method.BNN, perceptron(Method.BNN, hidden)),
        ("hbnn", "HBNN 1.4", Method.HBNN, perceptron(Method.HBNN, hidden, distribution=dist_from_avg(1.4))),
        ("slb", "SLB k = 1", Method.SLB, perceptron(Method.SLB, hidden)),
        ("flexor", "FleXOR 8/10", Method.FLEXOR, perceptron(Method.FLEXOR, hidden)),
        ("hbnn12", "HBNN 1.2", Method.HBNN, perceptron(Method.HBNN, hidden, distribution=dist_from_avg(1.2))),
        ("hbnn20", "HBNN 2", Method.HBNN, perceptron(Method.HBNN, hidden, distribution=dist_from_avg(2.0))),
        ("slb2", "SLB k = 2", Method.SLB, perceptron(Method.SLB, hidden, slb_bits=2)),
        ("slb4", "SLB k = 4", Method.SLB, perceptron(Method.SLB, hidden, slb_bits=4)),
        ("flexor06", "FleXOR 12/20", Method.FLEXOR, _flexor(hidden, 12)),
        ("flexor04", "FleXOR 8/20", Method.FLEXOR, _flexor(hidden, 8)),
        (
            "bnn_weights",
            "BNN, weights only",
            Method.BNN,
            converted(hidden, BnnSpec(), activation=FloatSpec()),
        ),
    )


def _flexor(hidden: tuple[int, ...], n_in: int) -> Network:
    return perceptron(Method.FLEXOR, hidden, xor_scheme=XorScheme(n_in=n_in, n_out=20))


def every_bitwidth(
    prefix: str,
    dataset: DatasetName,
    features: int,
    hidden: tuple[int, ...],
    config: TrainConfig,
    without: frozenset[str] = frozenset(),
) -> tuple[Recipe, ...]:
    """Return one recipe per method and bitwidth, alike in everything but the step sizes in :data:`RATES`.

    Rows ``without`` are left out: some cost many times the others' training time.
    """
    shape = "-".join(map(str, (features, *hidden, 10)))
    return tuple(
        Recipe(
            name=f"{prefix}_{name}",
            label=label,
            dataset=dataset,
            method=method,
            shape=shape,
            network=network,
            config=with_rate(config, method),
            deployable=name not in {"float", "bnn_weights"},
        )
        for name, label, method, network in _rows(hidden)
        if name not in without
    )
