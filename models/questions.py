"""What the reviewers of the four papers asked: the rows of each answer, a perceptron for Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hbnn_hw.data import DatasetName
from hbnn_hw.nn import (
    BnnSpec,
    CosineTemperature,
    FlattenOrder,
    FlexorSpec,
    FloatSpec,
    Granularity,
    HbnnSpec,
    Heuristic,
    LayerSpec,
    LinearTemperature,
    Loss,
    Method,
    Norm,
    Sharing,
    SlbSpec,
    TrainConfig,
    WarmRestartTemperature,
    XorGradient,
    XorScheme,
)
from hbnn_hw.nn.bit_map import Distribution
from models.bitwidths import with_rate
from models.perceptron import Network, converted, perceptron
from models.recipe import Recipe

HIDDEN = (256, 256, 256)
SHAPE = "784-256-256-256-10"
CONFIG = TrainConfig(epochs=6, loss=Loss.SQUARED_HINGE)
NARROW = (222, 222, 222)
"""Hidden layers of a BNN whose Huffman-coded weights take the room of the wide FleXOR network at 8/10."""

_Row = tuple[str, str, Network]


def _recipes(
    method: Method,
    rows: Iterable[_Row],
    config: TrainConfig = CONFIG,
    **changes: Any,  # noqa: ANN401
) -> tuple[Recipe, ...]:
    """Return recipes that differ in their networks only; ``changes`` are the recipes' other fields."""
    fields: dict[str, Any] = {"shape": SHAPE} | changes
    own = with_rate(config, method)
    return tuple(
        Recipe(
            name=f"question_{name}",
            label=label,
            dataset=DatasetName.FASHION,
            method=method,
            network=network,
            config=own,
            **fields,
        )
        for name, label, network in rows
    )


def _as(recipe: Recipe, label: str) -> Recipe:
    """Return the same recipe, and so the same runs, under the name that it has in another answer."""
    return replace(recipe, label=label)


def _hbnn(**options: Any) -> Network:  # noqa: ANN401
    return converted(HIDDEN, HbnnSpec(**options))


_SPLITS: Mapping[str, tuple[str, Distribution]] = MappingProxyType(
    {
        "p_70_20_10": ("70 % 1, 20 % 2, 10 % 3 bits (paper's default)", ((1, 0.7), (2, 0.2), (3, 0.1))),
        "p_80_0_20": ("80 % 1, 20 % 3 bits (paper's other)", ((1, 0.8), (3, 0.2))),
        "p_60_40": ("60 % 1, 40 % 2 bits", ((1, 0.6), (2, 0.4))),
        "p_zero": ("20 % 0, 40 % 1, 20 % 2, 20 % 3 bits", ((0, 0.2), (1, 0.4), (2, 0.2), (3, 0.2))),
    }
)
SPLITS = _recipes(
    Method.HBNN, ((name, label, _hbnn(distribution=split)) for name, (label, split) in _SPLITS.items())
)

HEURISTICS = (
    _as(SPLITS[0], "middle-out"),
    *_recipes(
        Method.HBNN,
        (
            (f"order_{heuristic.value}", heuristic.value.replace("_", "-"), _hbnn(heuristic=heuristic))
            for heuristic in Heuristic
            if heuristic is not Heuristic.MIDDLE_OUT
        ),
    ),
)

_GRANULARITIES: Mapping[str, Granularity] = MappingProxyType(
    {
        "column": Granularity(Sharing.COLUMN),
        "row": Granularity(Sharing.ROW),
        "tile of 2 x 16": Granularity.tile(2, 16),
    }
)
GRANULARITIES = (
    _as(SPLITS[0], "element"),
    *_recipes(
        Method.HBNN,
        (
            (f"map_{granularity.sharing.value}", label, _hbnn(granularity=granularity))
            for label, granularity in _GRANULARITIES.items()
        ),
    ),
)


def _slb(norm: Norm = Norm.BATCH) -> Network:
    return perceptron(Method.SLB, HIDDEN, norm=norm)


SLB_NORMS = (
    *_recipes(Method.SLB, [("slb_recalibrated", "plain, recalibrated (authors' code)", _slb())]),
    *_recipes(Method.SLB, [("slb_state", "state batch normalization (paper)", _slb(Norm.STATE))]),
    *_recipes(Method.SLB, [("slb_plain", "plain, neither", _slb())], replace(CONFIG, calibration_images=0)),
)

_SCHEDULES = (
    ("cosine", CosineTemperature()),
    ("linear", LinearTemperature()),
    ("warm restarts", WarmRestartTemperature()),
)
SLB_SCHEDULES = (
    _as(SLB_NORMS[0], "exponential"),
    *(
        recipe
        for label, schedule in _SCHEDULES
        for recipe in _recipes(
            Method.SLB,
            [(f"slb_{label.replace(' ', '_')}", label, _slb())],
            replace(CONFIG, temperature=schedule),
        )
    ),
)


def _flexor(activation: LayerSpec | None = None, **options: Any) -> Network:  # noqa: ANN401
    return converted(HIDDEN, FlexorSpec(**options), activation=activation)


_FLEXOR = _recipes(Method.FLEXOR, [("flexor", "FleXOR 8/10", _flexor())])[0]

FLEXOR_ACTIVATIONS = (
    *_recipes(
        Method.FLEXOR,
        [("flexor_float_activations", "float (Hardtanh), as published", _flexor(FloatSpec()))],
        deployable=False,
    ),
    _as(_FLEXOR, "binary"),
)

WORD_SCHEME = XorScheme(n_in=13, n_out=16)
"""16 outputs a slice: a word of PE = 2, SIMD = 8, which divide all layers."""
FLEXOR_ORDERS = _recipes(
    Method.FLEXOR,
    (
        ("flexor_paper_order", "paper's order", _flexor(scheme=WORD_SCHEME)),
        ("flexor_row_order", "row-major", _flexor(scheme=WORD_SCHEME, order=FlattenOrder.ROW_MAJOR)),
        (
            "flexor_word_order",
            "words of PE = 2, SIMD = 8",
            _flexor(scheme=WORD_SCHEME, order=FlattenOrder.WORD, pe=2, simd=8),
        ),
    ),
)


def _by_layer(*inputs: int) -> Network:
    layers: dict[str, LayerSpec] = {
        f"fc{i}": FlexorSpec(scheme=XorScheme(n_in=n_in, n_out=20)) for i, n_in in enumerate(inputs, start=1)
    }
    return converted(HIDDEN, FloatSpec(), layers=layers)


FLEXOR_MIXED = _recipes(
    Method.FLEXOR,
    (
        ("flexor_uniform", "12/20 everywhere", _by_layer(12, 12, 12, 12)),
        ("flexor_thin_first", "10/20, then 15/20, 15/20, 20/20", _by_layer(10, 15, 15, 20)),
        ("flexor_rich_first", "14/20, then 9/20, 9/20, 20/20", _by_layer(14, 9, 9, 20)),
    ),
)

FLEXOR_TAPS = (
    _as(_FLEXOR, "2 taps"),
    *_recipes(
        Method.FLEXOR,
        (
            ("flexor_taps3", "3 taps", _flexor(scheme=XorScheme(n_taps=3))),
            ("flexor_fair", "fair bits", _flexor(scheme=XorScheme(n_taps=0))),
        ),
    ),
)

FLEXOR_GRADIENTS = (
    _as(_FLEXOR, "equation 6"),
    *_recipes(
        Method.FLEXOR,
        (
            ("flexor_exact", "exact derivative of the analog form", _flexor(gradient=XorGradient.EXACT)),
            ("flexor_identity", "identity", _flexor(gradient=XorGradient.IDENTITY)),
        ),
    ),
)

_BNN = _recipes(Method.BNN, [("bnn", "BNN", converted(HIDDEN, BnnSpec()))])[0]

HUFFMAN = (
    _FLEXOR,
    *_recipes(
        Method.BNN,
        [("huffman_narrow", "BNN, narrower", converted(NARROW, BnnSpec()))],
        shape="-".join(map(str, (784, *NARROW, 10))),
    ),
    _as(_BNN, "BNN, as wide"),
)

BNN_ACTIVATIONS = (
    _as(_BNN, "weights and activations"),
    *_recipes(
        Method.BNN,
        [
            ("bnn_weights", "weights only", converted(HIDDEN, BnnSpec(), activation=FloatSpec())),
            ("bnn_activations", "activations only", converted(HIDDEN, FloatSpec())),
            ("bnn_neither", "neither (float)", converted(HIDDEN, FloatSpec(), activation=FloatSpec())),
        ],
        deployable=False,
    ),
)

_MIXED = _recipes(
    Method.OTHER,
    [
        (
            "mixed_methods",
            "BNN, HBNN, FleXOR and SLB by layer",
            converted(
                HIDDEN, BnnSpec(), layers={"fc2": HbnnSpec(), "fc3": FlexorSpec(), "fc4": SlbSpec(bits=2)}
            ),
        )
    ],
)

MIXED_METHODS = (
    _as(_BNN, "BNN throughout"),
    _as(SPLITS[0], "HBNN 1.4 throughout"),
    _as(_FLEXOR, "FleXOR 8/10 throughout"),
    _as(SLB_NORMS[0], "SLB k = 1 throughout"),
    *_MIXED,
)
