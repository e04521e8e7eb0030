"""Windows of every shape: dilation, four sides of their own, and one dimension, for all four methods."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.nn import (
    BinaryConv1d,
    BinaryConv2d,
    FlattenOrder,
    FlexorConv1d,
    FlexorConv2d,
    Granularity,
    HbnnConv1d,
    HbnnConv2d,
    Padding,
    ShiftBatchNorm1d,
    ShiftBatchNorm2d,
    SlbConv1d,
    SlbConv2d,
    StateBatchNorm1d,
    UniformActivation,
    Window,
    hard_state,
    load,
    save,
)
from hbnn_hw.nn.registry import build, describe

BORDER = {Padding.MASKED: 0.0, Padding.MINUS_ONE: -1.0, Padding.PLUS_ONE: 1.0}
TWINS = {
    "binary": (BinaryConv1d, BinaryConv2d, {}),
    "hbnn": (HbnnConv1d, HbnnConv2d, {}),
    "hbnn_tiles": (HbnnConv1d, HbnnConv2d, {"granularity": Granularity.tile(2, 2)}),
    "slb": (SlbConv1d, SlbConv2d, {}),
    "slb_bits": (SlbConv1d, SlbConv2d, {"bits": 3}),
    "flexor": (FlexorConv1d, FlexorConv2d, {"n_planes": 2}),
    "flexor_rows": (FlexorConv1d, FlexorConv2d, {"order": FlattenOrder.ROW_MAJOR}),
    "flexor_words": (FlexorConv1d, FlexorConv2d, {"order": FlattenOrder.WORD, "pe": 2, "simd": 2}),
}
"""A method's convolution of either dimension, and options of both."""


@pytest.fixture(params=TWINS)
def twins(request):
    return TWINS[request.param]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([BinaryConv1d, HbnnConv1d, SlbConv1d, FlexorConv1d]),
    st.sampled_from(list(Padding)),
    st.sampled_from([(1, 1, 1), (4, 2, 2), (3, 6, 3)]),
    st.integers(1, 4),
    st.integers(1, 3),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
def test_a_line_is_padded_and_correlated(make, mode, channels, kernel, stride, sides, dilation, seed):
    inputs, outputs, groups = channels
    torch.manual_seed(seed)
    options = {"stride": stride, "dilation": dilation, "groups": groups}
    layer = make(inputs, outputs, kernel, padding=sides, padding_value=mode, bias=True, **options).eval()
    nn.init.normal_(layer.bias)
    x = torch.randint(0, 2, (2, inputs, 12)) * 2.0 - 1.0
    padded = F.pad(x, sides, value=BORDER[mode])
    expected = F.conv1d(padded, layer.planes().values(), layer.bias, **options)
    torch.testing.assert_close(layer(x), expected)


def test_a_line_is_an_image_of_one_row(twins):
    """Weights, maps, decoding and gradients are those of a kernel (1, k) with the same parameters."""
    line_class, image_class, method = twins
    torch.manual_seed(0)
    options = {"stride": 2, "dilation": 3, "groups": 2, "bias": True, "padding_value": Padding.MINUS_ONE}
    line = line_class(4, 6, 4, padding=(3, 1), **options, **method)
    image = image_class(4, 6, (1, 4), padding=(0, 0, 3, 1), **options, **method)
    state = {key: value.view(image.state_dict()[key].shape) for key, value in line.state_dict().items()}
    image.load_state_dict(state)
    assert line.weight_shape == (6, 2, 4)
    assert (line.fan_in, line.fan_out) == (image.fan_in, image.fan_out) == (8, 12)
    assert torch.equal(line.bitwidths(), image.bitwidths().squeeze(2))
    for layer in (line, image):
        if isinstance(layer, HbnnConv1d | HbnnConv2d):
            layer.refresh_bit_map()
    assert torch.equal(line.quantized_weight(), image.quantized_weight().squeeze(2))
    x = torch.randn(3, 4, 17)
    for training in (True, False):
        found, expected = line.train(training)(x), image.train(training)(x.unsqueeze(2)).squeeze(2)
        torch.testing.assert_close(found, expected)
    scale = torch.linspace(-1, 1, found.numel()).view(found.shape)
    (line.train()(x) * scale).sum().backward()
    (image.train()(x.unsqueeze(2)).squeeze(2) * scale).sum().backward()
    for mine, other in zip(line.parameters(), image.parameters(), strict=True):
        assert mine.grad.abs().sum() > 0
        torch.testing.assert_close(mine.grad, other.grad.view(mine.shape))


@pytest.mark.parametrize(
    ("padding", "short", "frame"),
    [
        (0, (0, 0), (0, 0, 0, 0)),
        (2, (2, 2), (2, 2, 2, 2)),
        ((1, 2), (1, 2), (1, 1, 2, 2)),
        ((1, 1, 2, 2), (1, 2), (1, 1, 2, 2)),
        ([1, 1, 2, 3], (1, 1, 2, 3), (1, 1, 2, 3)),
        ((0, 1, 2, 2), (0, 1, 2, 2), (0, 1, 2, 2)),
    ],
)
def test_padding_is_short_where_it_can_be_and_a_frame_always(padding, short, frame):
    layer = BinaryConv2d(1, 1, 3, padding=padding, padding_value=Padding.MASKED, dilation=(1, 2), stride=2)
    assert (layer.padding, layer.frame, layer.dilation) == (short, frame, (1, 2))
    assert layer.window == Window(kernel=(3, 3), stride=(2, 2), dilation=(1, 2), frame=frame)


@pytest.mark.parametrize(
    ("padding", "short", "sides"),
    [(0, (0,), (0, 0)), (2, (2,), (2, 2)), ((2,), (2,), (2, 2)), ((2, 2), (2,), (2, 2)), ((0, 3),) * 3],
)
def test_a_lines_window_has_one_row(padding, short, sides):
    layer = BinaryConv1d(1, 1, 5, padding=padding, padding_value=Padding.MASKED, dilation=3, stride=2)
    assert (layer.kernel_size, layer.stride, layer.dilation) == ((5,), (2,), (3,))
    assert (layer.padding, layer.frame) == (short, (0, 0, *sides))
    assert layer.window == Window(kernel=(1, 5), stride=(1, 2), dilation=(1, 3), frame=(0, 0, *sides))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"kernel_size": (3, 3)}, r"kernel_size must be a whole number from 1, not \(3, 3\)"),
        ({"stride": 0}, "stride must be a whole number from 1, not 0"),
        ({"stride": ()}, r"stride must be a whole number from 1, not \(\)"),
        ({"dilation": True}, "dilation must be a whole number from 1, not True"),
        ({"padding": (1, 2, 3)}, "padding must be a whole number from 0, or two of them, not"),
        ({"padding": (0, 1)}, "must say what it pads with"),
        ({"groups": 3}, "in multiples of its groups, not 4, 6 with 3 groups"),
    ],
)
def test_impossible_lines_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        BinaryConv1d(4, 6, **({"kernel_size": 3} | arguments))


def test_the_border_gets_no_gradient_and_the_rest_does():
    layer = BinaryConv2d(1, 1, 2, padding=(1, 0, 0, 2), padding_value=Padding.PLUS_ONE, dilation=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[0.5, -0.5], [0.25, -0.25]]]]))
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], requires_grad=True)
    y = layer(x)
    # Rows 1 1 1 1 | 1 2 1 1 | 3 4 1 1, and the taps two apart.
    assert y.tolist() == [[[[1 - 1 + 3 - 1, 1 - 1 + 4 - 1]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[0, 0], [1, 1]]]]
    assert layer.weight.grad.tolist() == [[[[2, 2], [7, 2]]]]


def test_a_plain_window_is_described_as_ever():
    """Files are byte for byte the same as before there was dilation, in the order of their fields, too."""
    layer = BinaryConv2d(4, 2, (3, 1), stride=(1, 2), padding=(1, 1, 0, 0), padding_value=Padding.MASKED)
    assert list(describe(nn.Sequential(layer))[0].items()) == [
        ("name", "0"),
        ("kind", "binary_conv2d"),
        ("in_channels", 4),
        ("out_channels", 2),
        ("kernel_size", [3, 1]),
        ("stride", [1, 2]),
        ("padding", [1, 0]),
        ("padding_value", "masked"),
        ("groups", 1),
        ("bias", False),
    ]


@pytest.mark.parametrize("image_class", [BinaryConv2d, HbnnConv2d, SlbConv2d, FlexorConv2d])
def test_descriptions_without_dilation_are_read(image_class):
    layer = image_class(2, 4, 3, padding=1, padding_value=Padding.PLUS_ONE)
    description = describe(nn.Sequential(layer))
    assert "dilation" not in description[0]
    (found,) = build(description)
    assert (found.dilation, found.frame) == ((1, 1), (1, 1, 1, 1))


def network(line_class, **method):
    """A network over lines: one-dimensional convolutions, norms, pooling, both kinds of activation."""
    torch.manual_seed(0)
    shape = {"padding": (2, 0), "padding_value": Padding.MASKED, "dilation": 2}
    return nn.Sequential(
        nn.Unflatten(1, (2, 12)),
        line_class(2, 8, 3, **shape, **method),
        nn.BatchNorm1d(8),
        UniformActivation(2, step=0.5),
        line_class(8, 8, 3, groups=4, **method),
        StateBatchNorm1d(8),
        UniformActivation(3, signed=True, step=0.5, learn_step=False),
        nn.Flatten(),
        nn.Linear(64, 2),
    )


def test_lines_come_back_from_their_file(twins, tmp_path):
    line_class, _, method = twins
    model = network(line_class, **method)
    x = torch.randn(4, 24)
    model(x)
    with torch.no_grad(), hard_state(model):
        model(x)
    save(model, x, tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert str(found) == str(model)
    assert torch.equal(found(x), model.eval()(x))


def test_windows_of_all_shapes_come_back_from_their_file(twins, tmp_path):
    _, image_class, method = twins
    torch.manual_seed(0)
    wide = {"padding": (2, 1, 0, 3), "padding_value": Padding.PLUS_ONE, "dilation": (1, 3)}
    model = nn.Sequential(image_class(2, 4, 3, **wide, **method))
    x = torch.randn(2, 2, 6, 7)
    save(model, x, tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert found[0].window == model[0].window
    assert str(found) == str(model)
    assert torch.equal(found(x), model.eval()(x))


def signs_of(layer):
    return layer.quantized_weight().detach().sign()


def test_lines_train(twins):
    """Which half of a line has the larger sum is learned, with other quantized weights than at the start."""
    line_class, _, method = twins
    model = network(line_class, **method)
    x = torch.randn(64, 24)
    label = (x.view(-1, 2, 2, 6).sum((1, 3)).diff(dim=1) > 0).long().flatten()
    before = [signs_of(model[i]) for i in (1, 4)]
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(40):
        loss = F.cross_entropy(model(x), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not any(torch.equal(signs_of(model[i]), old) for i, old in zip((1, 4), before, strict=True))
    assert sum(losses[-10:]) / 10 < 0.7 * losses[0]


def test_norms_of_lines_are_those_of_images_of_one_row():
    torch.manual_seed(0)
    x = torch.randn(5, 4, 9) * 3 + 1
    line, image = ShiftBatchNorm1d(4), ShiftBatchNorm2d(4)
    state, plain = StateBatchNorm1d(4), nn.BatchNorm1d(4)
    for training in (True, False):
        with hard_state(state):
            assert torch.equal(state.train(training)(x), plain.train(training)(x))
        torch.testing.assert_close(
            line.train(training)(x), image.train(training)(x.unsqueeze(2)).squeeze(2), rtol=1e-6, atol=1e-6
        )
    assert torch.equal(state.running_var, plain.running_var)
