"""Quantized convolutions: exact against a plain sum over windows, padding told apart, maps per channel."""

import functools

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
    FlattenOrder,
    FlexorConv2d,
    Granularity,
    HbnnConv2d,
    HbnnLinear,
    Padding,
    Sharing,
    SignActivation,
    SlbConv2d,
    SlbLinear,
    decode_weights,
    deploy,
    dist_from_avg,
    load,
    save,
    value_set,
)

BORDER = {Padding.MASKED: 0.0, Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}


def windows(x, weight, stride, frame, border, dilation, groups):
    """Cross-correlation as its definition, in float64 numpy."""
    (sv, sh), (dv, dh), (top, bottom, left, right) = stride, dilation, frame
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=border)
    outputs, inputs, *kernel = weight.shape
    height, width = ((size - 1) * distance + 1 for size, distance in zip(kernel, dilation, strict=True))
    rows, columns = (x.shape[2] - height) // sv + 1, (x.shape[3] - width) // sh + 1
    y = np.zeros((x.shape[0], outputs, rows, columns))
    for o in range(outputs):
        first = o // (outputs // groups) * inputs
        for i in range(rows):
            for j in range(columns):
                image = x[:, first : first + inputs, i * sv : i * sv + height, j * sh : j * sh + width]
                patch = image[:, :, ::dv, ::dh]
                y[:, o, i, j] = (patch * weight[o]).sum((1, 2, 3))
    return y


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        [BinaryConv2d, HbnnConv2d, SlbConv2d, functools.partial(SlbConv2d, bits=3), FlexorConv2d]
    ),
    st.sampled_from(list(Padding)),
    st.sampled_from([(1, 1, 1), (2, 3, 1), (4, 2, 2), (3, 3, 3), (3, 6, 3)]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.tuples(*[st.integers(0, 2)] * 2) | st.tuples(*[st.integers(0, 3)] * 4),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
    st.integers(0, 2**31),
)
def test_a_convolution_is_its_definition(make, mode, channels, kernel, stride, padding, dilation, seed):
    inputs, outputs, groups = channels
    torch.manual_seed(seed)
    shape = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    layer = make(inputs, outputs, kernel, padding_value=mode, **shape)
    layer.eval()
    x = torch.randint(0, 2, (2, inputs, 6, 5)) * 2.0 - 1.0
    weight = layer.planes().values().double().numpy()
    frame = padding if len(padding) == 4 else np.repeat(padding, 2)
    expected = windows(x.double().numpy(), weight, stride, frame, BORDER[mode], dilation, groups)
    # Integers for BNN; float32 sums of few terms for the others.
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


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_search_is_the_linear_layers(bits):
    """Soft weights, hard weights and the gradients of both factors do not depend on the shape."""
    torch.manual_seed(0)
    conv, linear = SlbConv2d(3, 4, (1, 2), bits=bits), SlbLinear(6, 4, bits=bits)
    with torch.no_grad():
        linear.logits.copy_(conv.logits.flatten(2))
    conv.set_temperature(2.5)
    linear.set_temperature(2.5)
    x = torch.randn(5, 3, 1, 2)
    for y in (conv(x).flatten(1), linear(x.flatten(1))):
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
    assert torch.equal(conv.quantized_weight().flatten(1), linear.quantized_weight())
    torch.testing.assert_close(conv.logits.grad.flatten(2), linear.logits.grad)
    assert torch.equal(conv.eval().quantized_weight().flatten(1), linear.eval().quantized_weight())


ORDERS = [(FlattenOrder.PAPER, 1, 1), (FlattenOrder.ROW_MAJOR, 1, 1), (FlattenOrder.WORD, 2, 3)]


def column_of(order, channels, height, width, c, i, j):
    """Which column of the matrix the weight of channel c at pixel (i, j) is."""
    if order is FlattenOrder.ROW_MAJOR:
        return (c * height + i) * width + j
    return (i * width + j) * channels + c


@pytest.mark.parametrize(("order", "pe", "simd"), ORDERS)
@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "groups"),
    [(3, 4, (3, 1), 1), (6, 2, (2, 5), 2), (9, 6, (3, 3), 3), (5, 8, (3, 3), 1), (6, 6, (1, 3), 6)],
)
@pytest.mark.parametrize("n_planes", [1, 2])
def test_a_convolution_decodes_what_numpy_decodes(order, pe, simd, inputs, outputs, kernel, groups, n_planes):
    torch.manual_seed(1)
    channels = inputs // groups
    simd = simd if channels * kernel[0] * kernel[1] % simd == 0 else 1
    layer = FlexorConv2d(
        inputs,
        outputs,
        kernel,
        groups=groups,
        n_planes=n_planes,
        order=order,
        pe=pe,
        simd=simd,
        n_in=5,
        n_out=7,
    )
    bits = decode_weights(layer.encoded_bits(), layer.matrix.numpy(), layer.layout)
    signs = layer.signs().detach().numpy()
    assert signs.shape == (n_planes, outputs, channels, *kernel)
    assert np.array_equal(2.0 * bits[:, :, order.columns(channels, *kernel)] - 1, signs)
    for c, i, j in np.ndindex(channels, *kernel):
        column = column_of(order, channels, *kernel, c, i, j)
        assert np.array_equal(2.0 * bits[:, :, column] - 1, signs[:, :, c, i, j])


def test_the_papers_stream_runs_through_its_own_shape():
    """Section 4.3: [k, k, C_in, C_out], last index fastest; the re-implementation: [C_out, C_in, k, k]."""
    torch.manual_seed(2)
    for order, axes in ((FlattenOrder.PAPER, (2, 3, 1, 0)), (FlattenOrder.ROW_MAJOR, (0, 1, 2, 3))):
        layer = FlexorConv2d(3, 5, (2, 3), order=order, n_in=1, n_out=1, n_taps=1)
        stream = np.where(layer.encrypted.detach().numpy().ravel() >= 0, 1.0, -1.0)
        assert np.array_equal(layer.signs()[0].detach().numpy().transpose(axes).ravel(), stream)


def test_words_are_what_a_sliding_window_needs_next():
    """With as many SIMD lanes as channels, word after word is pixel after pixel of PE filters."""
    torch.manual_seed(3)
    layer = FlexorConv2d(4, 6, (3, 2), order=FlattenOrder.WORD, pe=3, simd=4, n_in=1, n_out=1, n_taps=1)
    words = np.where(layer.encrypted.detach().numpy() >= 0, 1.0, -1.0).reshape(2, 3, 2, 3, 4)
    signs = layer.signs()[0].detach().numpy().reshape(2, 3, 4, 3, 2)
    for group, i, j, filter_, c in np.ndindex(2, 3, 2, 3, 4):
        assert signs[group, filter_, c, i, j] == words[group, i, j, filter_, c]


@pytest.mark.parametrize(("order", "pe", "simd"), ORDERS)
def test_every_weight_of_a_convolution_learns_through_its_own_taps(order, pe, simd):
    torch.manual_seed(4)
    layer = FlexorConv2d(3, 4, (2, 3), order=order, pe=pe, simd=simd)
    for o, c, i, j in ((0, 0, 0, 0), (3, 2, 1, 2), (2, 1, 0, 1)):
        layer.zero_grad()
        layer.signs()[0, o, c, i, j].backward()
        position = int(layer.layout.positions()[o, column_of(order, 3, 2, 3, c, i, j)])
        taps = layer.matrix[0, position % 10].nonzero().flatten().tolist()
        assert layer.encrypted.grad[0].nonzero().tolist() == [[position // 10, tap] for tap in taps]


@pytest.mark.parametrize(("order", "pe", "simd"), ORDERS)
@pytest.mark.parametrize("n_planes", [1, 2])
def test_a_convolution_learns_as_equation_6_says(order, pe, simd, n_planes):
    """Against the derivative of explicit products of signs, sharpened by the window S (1 - tanh²)."""
    torch.manual_seed(5)
    layer = FlexorConv2d(3, 4, (1, 3), n_planes=n_planes, order=order, pe=pe, simd=simd, bias=True).double()
    nn.init.normal_(layer.alpha)
    layer.set_s_tanh(3.0)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    scale = torch.linspace(-1, 1, 2 * 4 * 4 * 3, dtype=torch.float64).view(2, 4, 4, 3)
    (layer(x) * scale).sum().backward()

    encrypted = layer.encrypted.detach()
    signs = torch.where(encrypted >= 0, 1.0, -1.0).double().requires_grad_()
    alpha = layer.alpha.detach().clone().requires_grad_()
    planes = []
    for plane, matrix in zip(signs, layer.matrix, strict=True):
        # Products of pairs: n = 2 taps, so the parity is -1.
        stream = torch.stack([-plane[:, row.bool()].prod(-1) for row in matrix], -1).flatten()
        planes.append(stream[torch.from_numpy(layer.layout.positions())[:, order.columns(3, 1, 3)]])
    weight = (alpha.view(n_planes, 4, 1, 1, 1) * torch.stack(planes)).sum(0)
    y = nn.functional.conv2d(x, weight, layer.bias.detach())
    torch.testing.assert_close(layer(x), y)
    (y * scale).sum().backward()
    window = 3 * (1 - torch.tanh(3 * encrypted) ** 2)
    torch.testing.assert_close(layer.encrypted.grad, signs.grad * window)
    torch.testing.assert_close(layer.alpha.grad, alpha.grad)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_searched_convolution_learns_the_gradient_of_its_expectation(bits):
    """Against autograd of softmax and expectation over all values, and numerically, in float64."""
    torch.manual_seed(6)
    layer = SlbConv2d(4, 2, (2, 3), groups=2, bits=bits, stride=(1, 2)).double()
    layer.set_temperature(1.7)
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    logits = layer.logits.detach().clone().requires_grad_()
    full = torch.cat([-logits, logits]) if bits == 1 else logits
    values = torch.tensor(value_set(bits), dtype=torch.float64).view(-1, 1, 1, 1, 1)
    weight = (torch.softmax(1.7 * full, 0) * values).sum(0)
    expected = nn.functional.conv2d(x, weight, stride=(1, 2), groups=2)
    scale = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view(expected.shape)
    (expected * scale).sum().backward()
    found = layer(x)
    (found * scale).sum().backward()
    # T is a float32 buffer made double: as exact as 1.7 in float32.
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(layer.logits.grad, logits.grad, rtol=1e-6, atol=1e-6)

    def output(logits):
        return torch.func.functional_call(layer, {"logits": logits}, (x,))

    assert torch.autograd.gradcheck(output, (layer.logits.detach().clone().requires_grad_(),))


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
        ({"padding": -1}, "padding must be a whole number from 0, or two or four of them, not -1"),
        ({"padding": (1, 2, 3)}, "padding must be a whole number from 0, or two or four of them"),
        ({"padding": (0, 0, 0, 1)}, "must say what it pads with"),
        ({"dilation": 0}, "dilation must be a whole number from 1, or two of them, not 0"),
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


@pytest.mark.parametrize("make", [BinaryConv2d, HbnnConv2d, SlbConv2d, FlexorConv2d])
def test_deploy_asks_for_the_images_of_a_convolution_by_name(make):
    model = nn.Sequential(BitPlaneInput(1), make(1, 2, 3), SignActivation(), BinaryLinear(4, 2))
    complaint = rf"'1' \({make.__name__}\) must read images; put nn\.Unflatten\(1,"
    with pytest.raises(CaptureError, match=complaint):
        deploy(model)
