"""Summaries: counted by hand."""

import pytest
import torch
from torch import nn

from hbnn_hw.nn import (
    BinaryConv2d,
    BinaryLinear,
    BitPlaneInput,
    FlexorConv2d,
    FlexorLinear,
    Granularity,
    HbnnActivation,
    HbnnConv1d,
    HbnnLinear,
    Method,
    Padding,
    Sharing,
    SignActivation,
    SlbConv1d,
    SlbConv2d,
    SlbLinear,
    UniformActivation,
    mlp,
    summary,
)


def test_a_perceptron_by_hand():
    torch.manual_seed(0)
    found = summary(mlp(Method.HBNN, 8, (100, 20, 10)))
    first, second = found.layers
    assert (first.name, first.kind, first.weight_shape) == ("fc1", "HbnnLinear", (20, 100))
    assert first.map_counts == ((1, 1400), (2, 400), (3, 200))
    assert (first.effective_bits, first.stored_bits) == (2800, 2800)
    assert (first.sharing, first.map_bits, first.n_constants) == (Sharing.ELEMENT, 4000, 3)
    assert first.storage_bytes == (2800 + 4000) // 8 + 12
    assert (first.input_bits, first.binary_operations) == (8.0, 2800 * 8)
    assert (second.input_bits, second.binary_operations) == (1.0, 280)
    assert found.n_weights == 2200
    assert found.effective_bits_per_weight == found.stored_bits_per_weight == pytest.approx(1.4)
    assert found.binary_operations == 2800 * 8 + 280
    assert found.storage_bytes == sum(layer.storage_bytes for layer in found.layers)


def test_the_text_is_a_table_with_a_total():
    torch.manual_seed(0)
    lines = str(summary(mlp(Method.HBNN, 8, (100, 20, 10)))).splitlines()
    assert len(lines) == 4
    assert lines[0].split()[:3] == ["layer", "kind", "weight"]
    assert lines[1].split() == [
        "fc1", "HbnnLinear", "20x100", "2000", "1.400", "1.400", "1:70%", "2:20%", "3:10%", "per", "element",
        "862", "8", "22400",
    ]  # fmt: skip
    assert lines[3].split() == ["total", "2200", "1.400", "1.400", "959", "22680"]


def test_convolutions_need_an_example_for_their_operations():
    torch.manual_seed(0)
    model = nn.Sequential(
        BitPlaneInput(2),
        BinaryConv2d(1, 4, 3, padding=1, padding_value=Padding.MASKED),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        HbnnActivation((4,), distribution=((1, 0.5), (3, 0.5))),
        BinaryConv2d(4, 8, 3, groups=2),
        nn.Flatten(),
        nn.BatchNorm1d(32),
        nn.Linear(32, 2),
    ).train()
    x = torch.zeros(3, 1, 8, 8)
    first, second, last = summary(model, x).layers
    assert first.binary_operations == 36 * 64 * 2
    assert (second.input_bits, second.binary_operations) == (2.0, 144 * 4 * 2)
    assert second.n_constants == 0
    assert (last.kind, last.stored_bits, last.input_bits, last.binary_operations) == (
        "Linear", 64 * 32, None, None,
    )  # fmt: skip
    assert model.training
    assert model[4].map_is_due
    assert not model[1]._forward_hooks
    assert [layer.binary_operations for layer in summary(model).layers] == [None, None, None]


def test_shared_maps_cost_one_number_per_group():
    columns = HbnnLinear(40, 10, granularity=Granularity(Sharing.COLUMN))
    assert summary(columns).layers[0].map_bits == 40 * 2
    tiles = HbnnLinear(40, 10, granularity=Granularity.tile(5, 8), distribution=((1, 0.5), (2, 0.5)))
    assert summary(tiles).layers[0].map_bits == 10
    homogeneous = HbnnLinear(40, 10, distribution=((2, 1.0),))
    assert (summary(homogeneous).layers[0].sharing, summary(homogeneous).layers[0].map_bits) == (None, 0)


def test_every_method_counts_its_own_bits():
    model = nn.Sequential(BinaryLinear(40, 10, bias=True), SlbLinear(10, 20, bits=2), FlexorLinear(20, 20))
    binary, searched, encoded = summary(model).layers
    assert (binary.stored_bits, binary.n_constants, binary.storage_bytes) == (400, 10, 90)
    assert (searched.effective_bits, searched.map_counts) == (400, ((2, 200),))
    assert encoded.effective_bits == 400
    assert encoded.stored_bits == model[2].stored_bits() < 400


def test_searched_and_decoded_convolutions_by_hand():
    model = nn.Sequential(
        BitPlaneInput(2),
        SlbConv2d(1, 4, 3, bits=2, padding=1, padding_value=Padding.MASKED),
        nn.BatchNorm2d(4),
        SignActivation(),
        FlexorConv2d(4, 6, 3, n_planes=2, groups=2, n_in=4, n_out=10, bias=True),
    )
    # Trained alphas have no common ratio; they count all the same.
    nn.init.normal_(model[4].alpha)
    searched, decoded = summary(model, torch.zeros(1, 1, 8, 8)).layers
    assert (searched.weight_shape, searched.n_weights, searched.map_counts) == ((4, 1, 3, 3), 36, ((2, 36),))
    assert (searched.effective_bits, searched.stored_bits, searched.n_constants) == (72, 72, 2)
    assert searched.binary_operations == 72 * 2 * 64
    assert (decoded.weight_shape, decoded.map_counts) == ((6, 2, 3, 3), ((2, 108),))
    # 108 weights are 11 slices of 4 stored bits in each of two planes.
    assert (decoded.effective_bits, decoded.stored_bits) == (216, 2 * 11 * 4)
    assert (decoded.n_constants, decoded.storage_bytes) == (12 + 6, 11 + 4 * 18)
    assert (decoded.input_bits, decoded.binary_operations) == (1.0, 216 * 36)
    assert (searched.sharing, decoded.sharing, decoded.map_bits) == (None, None, 0)


def test_dilated_and_one_dimensional_convolutions_by_hand():
    """Dilation changes the places of the window, not the products at each; a line's places are its length."""
    images = nn.Sequential(
        BitPlaneInput(2),
        BinaryConv2d(
            1, 4, 3, padding=(2, 0, 1, 1), dilation=(2, 1), stride=(1, 2), padding_value=Padding.MASKED
        ),
    )
    (found,) = summary(images, torch.zeros(1, 1, 9, 8)).layers
    # 9 + 2 - 5 + 1 rows; (8 + 2 - 3) // 2 + 1 columns.
    assert found.binary_operations == 36 * 7 * 4 * 2
    lines = nn.Sequential(
        nn.Conv1d(2, 4, 3),
        UniformActivation(3),
        HbnnConv1d(4, 6, 5, dilation=2, groups=2, distribution=((1, 0.5), (2, 0.5))),
        nn.BatchNorm1d(6),
        SignActivation(),
        nn.MaxPool1d(2),
        SlbConv1d(6, 3, 2, bits=2),
    )
    first, second, third = summary(lines, torch.zeros(1, 2, 30)).layers
    assert (first.kind, first.effective_bits, first.binary_operations) == ("Conv1d", 32 * 24, None)
    assert (second.weight_shape, second.effective_bits, second.input_bits) == ((6, 2, 5), 90, 3.0)
    assert second.binary_operations == 90 * 3 * (28 - 8)
    assert (third.input_bits, third.binary_operations) == (1.0, 72 * 9)
    assert [layer.binary_operations for layer in summary(lines).layers] == [None] * 3


def test_a_layer_that_runs_twice_counts_its_operations_twice():
    layer = BinaryLinear(6, 6)
    model = nn.Sequential(SignActivation(), layer, SignActivation(), layer)
    (found,) = summary(model, torch.zeros(2, 6)).layers
    assert (found.n_weights, found.binary_operations) == (36, 72)


def test_an_empty_network_has_an_empty_summary():
    found = summary(nn.ReLU())
    assert (found.layers, found.n_weights, found.effective_bits_per_weight) == ((), 0, 0.0)
    assert "total" in found.text()
