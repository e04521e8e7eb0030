"""Quantized convolutions: exact against a plain sum over windows, padding told apart, maps per channel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn import (
    BinaryConv2d,
    BinaryLinear,
    BitPlaneInput,
    Granularity,
    HbnnConv2d,
    HbnnLinear,
    Padding,
    Sharing,
    SignActivation,
    deploy,
    dist_from_avg,
    load,
    save,
)

BORDER = {Padding.MASKED: 0.0, Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}


def windows(x, weight, stride, padding, border, groups):
    """Cross-correlation as its definition, in float64 numpy."""
    (sv, sh), (pv, ph) = stride, padding
    x = np.pad(x, ((0, 0), (0, 0), (pv, pv), (ph, ph)), constant_values=border)
    outputs, inputs, height, width = weight.shape
    rows, columns = (x.shape[2] - height) // sv + 1, (x.shape[3] - width) // sh + 1
    y = np.zeros((x.shape[0], outputs, rows, columns))
    for o in range(outputs):
        first = o // (outputs // groups) * inputs
        for i in range(rows):
            for j in range(columns):
                patch = x[:, first : first + inputs, i * sv : i * sv + height, j * sh : j * sh + width]
                y[:, o, i, j] = (patch * weight[o]).sum((1, 2, 3))
    return y


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([BinaryConv2d, HbnnConv2d]),
    st.sampled_from(list(Padding)),
    st.sampled_from([(1, 1, 1), (2, 3, 1), (4, 2, 2), (3, 3, 3), (3, 6, 3)]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.integers(0, 2**31),
)
def test_a_convolution_is_its_definition(make, mode, channels, kernel, stride, padding, seed):
    inputs, outputs, groups = channels
    torch.manual_seed(seed)
    layer = make(inputs, outputs, kernel, stride=stride, padding=padding, padding_value=mode, groups=groups)
    x = torch.randint(0, 2, (2, inputs, 5, 4)) * 2.0 - 1.0
    weight = layer.planes().values().double().numpy()
    expected = windows(x.double().numpy(), weight, stride, padding, BORDER[mode], groups)
    # Integers for BNN; float32 sums of few terms for HBNN.
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=0 if make is BinaryConv2d else 1e-4)


def test_weights_and_inputs_get_their_gradients():
    layer = BinaryConv2d(1, 1, 2, bias=True)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[0.5, -0.2], [1.5, 0.0]]]]))
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    y = layer(x)
    assert y.item() == 1 - 2 + 3 + 4
    y.backward()
    assert layer.weight.grad.flatten().tolist() == [1, 2, 0, 4]
    assert x.grad.flatten().tolist() == [1, -1, 1, 1]
    assert layer.bias.grad.tolist() == [1]


def test_the_quantizer_is_the_linear_layers():
    torch.manual_seed(0)
    for conv, linear in (
        (BinaryConv2d(3, 4, 2), BinaryLinear(12, 4)),
        (HbnnConv2d(3, 4, 2), HbnnLinear(12, 4)),
    ):
        with torch.no_grad():
            linear.weight.copy_(conv.weight.flatten(1))
        if isinstance(linear, HbnnLinear):
            linear.refresh_bit_map()
            assert torch.equal(conv.bit_map.flatten(1), linear.bit_map)
        assert torch.equal(conv.quantized_weight().flatten(1), linear.quantized_weight())


def test_maps_are_shared_per_filter_tap_or_tile():
    torch.manual_seed(0)
    rows = HbnnConv2d(4, 10, 3, granularity=Granularity(Sharing.ROW)).bit_map
    assert bool((rows == rows[:, :1, :1, :1]).all())
    columns = HbnnConv2d(4, 10, 3, granularity=Granularity(Sharing.COLUMN)).bit_map
    assert bool((columns == columns[:1]).all())
    # A tile of one row and as many columns as input channels: a filter's pixel.
    tiles = HbnnConv2d(4, 10, 3, granularity=Granularity.tile(1, 4)).bit_map
    assert bool((tiles == tiles[:, :1]).all())
    assert tiles.unique().tolist() == [1, 2, 3]


def test_sizes_and_fans():
    layer = BinaryConv2d(8, 12, (3, 2), groups=4)
    assert layer.weight.shape == (12, 2, 3, 2)
    assert (layer.fan_in, layer.fan_out, layer.n_weights) == (12, 18, 144)
    assert layer.weight.abs().max() <= (6 / 30) ** 0.5
    assert "padding_value=, groups=4" in str(layer)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"padding": 1}, "must say what it pads with: padding_value=Padding.MASKED"),
        ({"padding": (0, 1)}, "must say what it pads with"),
        ({"padding": 1, "padding_value": "zero"}, "is not a valid Padding"),
        ({"groups": 3}, "in multiples of its groups, not 4, 6 with 3 groups"),
        ({"groups": 0}, "in multiples of its groups"),
        ({"stride": 0}, "stride must be a whole number from 1, or two of them, not 0"),
        ({"stride": (1, 2, 3)}, "stride must be a whole number from 1"),
        ({"padding": -1}, "padding must be a whole number from 0"),
    ],
)
def test_impossible_convolutions_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        BinaryConv2d(4, 6, 3, **arguments)


def test_a_convolutional_network_comes_back_from_its_file(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        BitPlaneInput(2),
        HbnnConv2d(1, 4, 3, padding=1, padding_value=Padding.MINUS_ONE, distribution=dist_from_avg(1.2)),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(4),
        SignActivation(),
        BinaryConv2d(4, 4, 3, groups=4),
        nn.Flatten(),
        BinaryLinear(16, 3),
    )
    x = torch.randint(0, 4, (2, 1, 8, 8)).float()
    model(x)
    save(model, x, tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert torch.equal(found(x), model.eval()(x))
    assert str(found) == str(model)


def test_deploy_asks_for_the_images_of_a_convolution_by_name():
    model = nn.Sequential(BitPlaneInput(1), HbnnConv2d(1, 2, 3), SignActivation(), BinaryLinear(4, 2))
    with pytest.raises(CaptureError, match=r"'1' \(HbnnConv2d\) must read images; put nn\.Unflatten\(1,"):
        deploy(model)
