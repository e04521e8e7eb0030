"""Tracing: what PyTorch calls by many names becomes one network that computes the same, or a list why not."""

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import CaptureError, CheckpointError
from hbnn_hw.nn import (
    BinaryConv2d,
    BinaryLinear,
    BitPlaneInput,
    OutputScale,
    Padding,
    SignActivation,
    load,
    save,
)
from hbnn_hw.nn.network import Network, Step
from hbnn_hw.nn.structure import Scale
from hbnn_hw.nn.tracing import trace
from hbnn_hw.nn.whole_layer import whole_layer
from tests.nn.test_torch_features import COMPILER, LAYERS, made

IMAGE = (4, 8, 8)
SEQUENCE = (4, 8)


class Lambda(nn.Module):
    """A function of its input and of named layers, as the forward pass of a user's module."""

    def __init__(self, function, **layers):
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.function(self, x)


def numbers(*shape, seed=0):
    """Multiples of 1/8, so that sums and means are exact in any order."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-16, 17, shape, generator=generator) / 8


def traced(function, shape=IMAGE, **layers):
    """The network of a forward pass, found to compute the same with other batches than the example's."""
    torch.manual_seed(0)
    model = Lambda(function, **layers).eval()
    network = trace(model, numbers(1, *shape))
    for batch in (1, 3):
        x = numbers(batch, *shape, seed=batch)
        assert torch.equal(network(x), model(x))
    return network


def kinds(network):
    return [type(network.layers[step.layer]).__name__ for step in network.steps]


def settings_of(network):
    return [str(network.layers[step.layer]) for step in network.steps]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: F.relu(x), ["ReLU()"]),
        (lambda m, x: x.relu(), ["ReLU()"]),
        (lambda m, x: torch.relu(x.clone().contiguous().detach()), ["ReLU()"]),
        (lambda m, x: F.relu6(x), ["ReLU6()"]),
        (lambda m, x: F.hardtanh(x), ["Hardtanh(min_val=-1.0, max_val=1.0)"]),
        (lambda m, x: F.hardtanh(x, -0.5, 2), ["Hardtanh(min_val=-0.5, max_val=2.0)"]),
        (lambda m, x: x.clamp(-1, 1), ["Hardtanh(min_val=-1.0, max_val=1.0)"]),
        (lambda m, x: x.clamp(min=0), ["ReLU()"]),
        (lambda m, x: x.clamp_min(0), ["ReLU()"]),
        (lambda m, x: F.leaky_relu(x, 0.125), ["LeakyReLU(negative_slope=0.125)"]),
        (lambda m, x: x + x, ["Add()"]),
        (lambda m, x: torch.add(x, x.relu(), alpha=2), ["ReLU()", "Scale(factor=2, offset=0)", "Add()"]),
        (lambda m, x: x - x.relu(), ["ReLU()", "Scale(factor=-1, offset=0)", "Add()"]),
        (lambda m, x: x + 0.5, ["Scale(factor=1, offset=0.5)"]),
        (lambda m, x: 2 + x, ["Scale(factor=1, offset=2)"]),
        (lambda m, x: x - 0.5, ["Scale(factor=1, offset=-0.5)"]),
        (lambda m, x: 2 - x, ["Scale(factor=-1, offset=2)"]),
        (lambda m, x: 3 * x, ["Scale(factor=3, offset=0)"]),
        (lambda m, x: x * 3, ["Scale(factor=3, offset=0)"]),
        (lambda m, x: x / 4, ["Scale(factor=0.25, offset=0)"]),
        (lambda m, x: -x, ["Scale(factor=-1, offset=0)"]),
        (lambda m, x: torch.cat([x, x.relu()], 1), ["ReLU()", "Concat()"]),
        (lambda m, x: torch.cat([x, x.relu()], -3), ["ReLU()", "Concat()"]),
        (lambda m, x: torch.cat([x], 1).relu(), ["ReLU()"]),
        (lambda m, x: x.flatten(1), ["Flatten(start_dim=1, end_dim=-1)"]),
        (lambda m, x: torch.flatten(x, 1), ["Flatten(start_dim=1, end_dim=-1)"]),
        (lambda m, x: x.view(x.shape[0], -1), ["Flatten(start_dim=1, end_dim=-1)"]),
        (lambda m, x: x.reshape(-1, 4 * 8 * 8), ["Flatten(start_dim=1, end_dim=-1)"]),
        (lambda m, x: x.flatten(2), ["Flatten(start_dim=2, end_dim=3)"]),
        (lambda m, x: x.unflatten(1, (2, 2)), ["Unflatten(dim=1, unflattened_size=(2, 2))"]),
        (lambda m, x: x.flatten(1).view(-1, 8, 4, 8),
         ["Flatten(start_dim=1, end_dim=-1)", "Unflatten(dim=1, unflattened_size=(8, 4, 8))"]),
        (lambda m, x: x.view(x.shape[0], 8, 2, 16),
         ["Flatten(start_dim=1, end_dim=-1)", "Unflatten(dim=1, unflattened_size=(8, 2, 16))"]),
        (lambda m, x: x.unsqueeze(2).squeeze(2).relu(),
         ["Unflatten(dim=2, unflattened_size=(1, 8))", "Flatten(start_dim=2, end_dim=3)", "ReLU()"]),
        (lambda m, x: F.max_pool2d(x, 2), [
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"]),
        (lambda m, x: F.max_pool2d(x, (3, 2), (2, 1), (1, 0), (1, 2)), [
            "MaxPool2d(kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), ceil_mode=False)",
        ]),
        (lambda m, x: F.max_pool2d(x, 3, 2, ceil_mode=True), [
            "MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=True)"]),
        (lambda m, x: F.max_pool2d(x, 2, ceil_mode=True), [
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"]),
        (lambda m, x: F.avg_pool2d(x, 4, 2, 1), ["AvgPool2d(kernel_size=4, stride=2, padding=1)"]),
        (lambda m, x: F.avg_pool2d(x, 2, count_include_pad=False), [
            "AvgPool2d(kernel_size=2, stride=2, padding=0)"]),
        (lambda m, x: F.adaptive_avg_pool2d(x, 2), ["AvgPool2d(kernel_size=4, stride=4, padding=0)"]),
        (lambda m, x: F.adaptive_avg_pool2d(x, (1, 2)), [
            "AvgPool2d(kernel_size=(8, 4), stride=(8, 4), padding=0)"]),
        (lambda m, x: F.adaptive_avg_pool2d(x, 8).relu(), ["ReLU()"]),
        (lambda m, x: F.adaptive_max_pool2d(x, 1), [
            "MaxPool2d(kernel_size=8, stride=8, padding=0, dilation=1, ceil_mode=False)"]),
        (lambda m, x: x.amax((2, 3), keepdim=True), [
            "MaxPool2d(kernel_size=8, stride=8, padding=0, dilation=1, ceil_mode=False)"]),
        (lambda m, x: x.mean((-1, -2)), [
            "AvgPool2d(kernel_size=8, stride=8, padding=0)", "Flatten(start_dim=1, end_dim=-1)"]),
        (lambda m, x: x.mean((2, 3), keepdim=True), ["AvgPool2d(kernel_size=8, stride=8, padding=0)"]),
        (lambda m, x: F.pad(x, (1, 2, 3, 0, 0, 4), value=-1), [
            "Pad(padding=(3, 0, 1, 2), channels=(0, 4), value=-1)"]),
        (lambda m, x: F.pad(x, (0, 1)), ["Pad(padding=(0, 0, 0, 1), channels=(0, 0), value=0)"]),
        (lambda m, x: torch.constant_pad_nd(x, (1, 0, 0, 1), 0.5), [
            "Pad(padding=(0, 1, 1, 0), channels=(0, 0), value=0.5)"]),
        (lambda m, x: nn.ZeroPad2d((1, 0, 2, 0))(x), ["Pad(padding=(2, 0, 1, 0), channels=(0, 0), value=0)"]),
        (lambda m, x: x[:, :, ::2, ::3], ["Subsample(stride=(2, 3))"]),
        (lambda m, x: x[..., ::2], ["Subsample(stride=(1, 2))"]),
        (lambda m, x: x[:, :, 0:8:2].relu(), ["Subsample(stride=(2, 1))", "ReLU()"]),
        (lambda m, x: F.dropout(x, training=False).relu(), ["ReLU()"]),
        (lambda m, x: x.to(torch.float32).float().relu(), ["ReLU()"]),
    ],
)  # fmt: skip
def test_functions_become_layers(function, expected):
    assert settings_of(traced(function)) == expected


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda m, x: F.max_pool1d(x, 2), [
            "MaxPool1d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)"]),
        (lambda m, x: F.avg_pool1d(x, 2), ["AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"]),
        (lambda m, x: F.adaptive_avg_pool1d(x, 2), [
            "AvgPool1d(kernel_size=(4,), stride=(4,), padding=(0,))"]),
        (lambda m, x: x.mean(2), [
            "AvgPool1d(kernel_size=(8,), stride=(8,), padding=(0,))", "Flatten(start_dim=1, end_dim=-1)"]),
        (lambda m, x: F.pad(x, (1, 2, 0, 1)), ["Pad(padding=(0, 0, 1, 2), channels=(0, 1), value=0)"]),
        (lambda m, x: x[:, :, ::2], ["Subsample(stride=(1, 2))"]),
        (lambda m, x: x.unsqueeze(2), ["Unflatten(dim=2, unflattened_size=(1, 8))"]),
    ],
)  # fmt: skip
def test_functions_of_sequences_become_layers(function, expected):
    assert settings_of(traced(function, SEQUENCE)) == expected


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(4, 3), (4,)),
        (nn.Linear(8, 3, bias=False), SEQUENCE),
        (nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2), IMAGE),
        (nn.Conv2d(4, 6, 3, padding="same", bias=False), IMAGE),
        (nn.Conv2d(4, 6, 3, padding="valid"), IMAGE),
        (nn.Conv1d(4, 6, 3, padding=1, dilation=2), SEQUENCE),
        (nn.BatchNorm1d(4), (4,)),
        (nn.BatchNorm1d(4, eps=1e-3, momentum=0.25), SEQUENCE),
        (nn.BatchNorm2d(4, affine=False), IMAGE),
        (nn.PReLU(4), IMAGE),
        (nn.PReLU(), IMAGE),
        (nn.Hardtanh(-2.0, 2.0), IMAGE),
        (nn.ReLU(inplace=True), IMAGE),
        (nn.MaxPool2d(3, 2, 1), IMAGE),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    ],
)
def test_modules_come_back_as_they_are(layer, shape):
    """With their settings, their tensors' names and their path."""
    network = traced(lambda m, x: m.layer(x), shape, layer=layer)
    (step,) = network.steps
    assert step == Step("layer", "layer", ("x",))
    wanted = str(layer).replace("padding=same", "padding=(1, 1)").replace(", padding=valid", "")
    assert str(network.layer) == wanted.replace("inplace=True", "")
    assert list(network.state_dict()) == [f"layer.{key}" for key in layer.state_dict()]


def test_uneven_padding_becomes_a_frame():
    network = traced(lambda m, x: m.conv(x), conv=nn.Conv2d(4, 2, (2, 4), padding="same", dilation=(1, 3)))
    assert settings_of(network)[0] == "Pad(padding=(0, 1, 0, 1), channels=(0, 0), value=0)"
    assert network.conv.padding == (0, 4)
    assert [step.layer for step in network.steps] == ["conv_pad", "conv"]


PLAIN = {"pad", "scale", "subsample"}
"""What they compute is one operation of PyTorch's, and is read as such."""


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in PLAIN | {"stochastic_sign"}])
def test_our_layers_are_one_call_each(name):
    """Exported by the user's own call, the program holds one call, and computes what the layer does."""
    layer, x = made(name)
    layer(x)
    model = nn.Sequential(layer.eval())
    exported = torch.export.export(model, (x,))
    calls = [node for node in exported.graph.nodes if node.op == "call_function"]
    assert [str(node.target) for node in calls] == ["hbnn_hw.layer.default"]
    assert torch.equal(exported.module()(x), model(x))
    network = trace(model, x)
    assert type(network.layers["0"]) is type(layer)
    assert str(network.layers["0"]) == str(layer)
    assert torch.equal(network(x), model(x))
    assert network.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_what_frames_and_cuts_is_found_in_the_arithmetic(name):
    layer, x = made(name)
    network = trace(nn.Sequential(layer.eval()), x)
    assert {type(found) for found in network.layers.values()} == {type(layer)}
    assert torch.equal(network(x), layer(x))


@COMPILER
def test_a_strict_export_holds_arithmetic_as_before():
    """And an input layer no longer stands in its way."""
    torch.manual_seed(0)
    model = nn.Sequential(BitPlaneInput(4), BinaryLinear(6, 5), nn.BatchNorm1d(5), SignActivation()).eval()
    x = torch.randint(0, 16, (3, 6))
    exported = torch.export.export(model, (x,), strict=True)
    targets = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    assert "hbnn_hw.layer.default" not in targets
    assert torch.equal(exported.module()(x), model(x))


def test_a_model_in_training_is_exported_as_before():
    """Only evaluation has layers as calls: whoever exports to train gets the arithmetic."""
    model = BinaryLinear(6, 5)
    exported = torch.export.export(model, (torch.randn(3, 6),))
    assert "hbnn_hw.layer.default" not in {str(node.target) for node in exported.graph.nodes}


def test_what_is_decorated_keeps_its_name_and_text():
    assert BinaryLinear.forward.__name__ == "forward"
    assert BinaryLinear.forward.__doc__
    assert whole_layer(nn.Identity.forward).__wrapped__ is nn.Identity.forward


# --- names ---


class Block(nn.Module):
    """As in torchvision: one activation module for several places, sums in place, a shortcut by function."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.new = stride, after - before

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
        return self.relu(out)


def test_a_torchvision_block_becomes_named_steps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), Block(4, 6, 2)).eval()
    x = numbers(2, 3, 8, 8)
    network = trace(model, x)
    assert torch.equal(network(x), model(x))
    assert network.state_dict().keys() == model.state_dict().keys()
    assert [(step.name, step.layer, step.inputs) for step in network.steps] == [
        ("0", "0", ("x",)),
        ("1.conv1", "1.conv1", ("0",)),
        ("1.bn1", "1.bn1", ("1.conv1",)),
        ("1.relu", "1.relu", ("1.bn1",)),
        ("1.conv2", "1.conv2", ("1.relu",)),
        ("1.bn2", "1.bn2", ("1.conv2",)),
        ("1.subsample", "1.subsample", ("0",)),
        ("1.pad", "1.pad", ("1.subsample",)),
        ("1.add", "1.add", ("1.bn2", "1.pad")),
        ("1.relu_2", "1.relu", ("1.add",)),
    ]


def test_a_shared_layer_is_one_layer_with_two_steps():
    network = traced(lambda m, x: m.fc(m.act(m.fc(x)) + x), (4,), fc=nn.Linear(4, 4), act=nn.ReLU())
    assert [(step.name, step.layer) for step in network.steps] == [
        ("fc", "fc"), ("act", "act"), ("add", "add"), ("fc_2", "fc"),
    ]  # fmt: skip
    assert list(network.state_dict()) == ["fc.weight", "fc.bias"]


def test_functions_in_one_module_are_layers_of_their_own():
    network = traced(lambda m, x: F.relu(F.relu(x) + x) + x)
    assert [step.layer for step in network.steps] == ["relu", "add", "relu_2", "add_2"]


def test_children_may_be_called_as_attributes_of_the_network():
    """``self.layers`` is what most people call their layers."""
    model = Lambda(
        lambda m, x: m.x(m.trace(m.steps(m.layers(x)))),
        layers=nn.Sequential(nn.Linear(4, 4), nn.ReLU()), steps=nn.Linear(4, 4), trace=nn.Linear(4, 3),
        x=nn.Hardtanh(),
    ).eval()  # fmt: skip
    x = numbers(2, 4)
    network = trace(model, x)
    assert torch.equal(network(x), model(x))
    assert network.state_dict().keys() == model.state_dict().keys()
    assert list(network.layers) == ["layers.0", "layers.1", "steps", "trace", "x"]
    assert network.steps[-1] == Step("x_2", "x", ("trace",))


class Functional(nn.Module):
    """Its own parameters, by functions: none has the name that a layer would give it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, 1, 1))
        self.kernel = nn.Parameter(torch.randn(4, 4, 3, 3))
        self.inner = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return F.relu(F.conv2d(self.inner(x), self.weight)) + F.conv2d(x, self.kernel, padding=1)


def test_parameters_used_by_functions_become_layers_under_their_names():
    torch.manual_seed(0)
    model = nn.Sequential(Functional()).eval()
    x = numbers(2, *IMAGE)
    network = trace(model, x)
    assert torch.equal(network(x), model(x))
    assert list(network.layers) == ["0.inner", "0.weight", "0.relu", "0.kernel", "0.add"]
    again = trace(
        nn.Sequential(Lambda(lambda m, x: F.linear(x, m.weight).relu(), weight=nn.Parameter(torch.eye(4)))),
        numbers(2, 4),
    )
    assert [(step.layer, list(again.layers[step.layer].state_dict())) for step in again.steps] == [
        ("0", ["weight"]), ("0_relu", []),
    ]  # fmt: skip


def test_the_trace_has_the_models_own_tensors_and_leaves_it_alone():
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train()
    network = trace(model, numbers(2, 4))
    assert network.get_parameter("0.weight") is model[0].weight
    assert model.training
    assert model[1].training
    assert not network.training
    assert kinds(network) == ["Linear"]


def test_codes_may_be_converted_before_the_input_layer():
    model = Lambda(lambda m, x: m.input(x.float()), input=BitPlaneInput(4)).eval()
    x = torch.randint(0, 16, (2, 6), dtype=torch.uint8)
    assert kinds(trace(model, x)) == ["BitPlaneInput"]
    elsewhere = trace(Lambda(lambda m, x: x.float()), x)
    assert kinds(elsewhere) == ["Scale"]
    assert torch.equal(elsewhere(x), x.float())


# --- refusals ---


class Wrong(nn.Module):
    def __init__(self):
        super().__init__()
        self.gelu = nn.GELU()
        self.norm = nn.GroupNorm(2, 4)
        self.gain = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        y = self.norm(self.gelu(x)) * self.gain
        return (y.softmax(1) * x)[:, 1:3].transpose(2, 3)


def test_everything_that_cannot_be_captured_is_listed_at_once():
    model = nn.Sequential(nn.ReLU(), Wrong(), nn.Sigmoid())
    with pytest.raises(CaptureError) as error:
        trace(model, numbers(2, *IMAGE))
    activation = "use SignActivation, HbnnActivation, nn.Hardtanh or nn.ReLU"
    assert str(error.value).split("\n") == [
        "the network cannot be captured; 8 of its operations must be changed:",
        f"- '1.gelu' (GELU), aten.gelu: it is not supported; {activation}",
        "- '1.norm' (GroupNorm), aten.group_norm: it is not supported; use nn.BatchNorm2d: statistics of "
        "each sample need arithmetic that hardware does not have",
        "- '1' (Wrong), aten.mul: it computes with a parameter or a constant tensor; use a layer that has "
        "it, such as nn.BatchNorm2d or OutputScale, or a Python number",
        "- '1' (Wrong), aten.softmax: it is not supported; leave it out: the largest logit stays the largest",
        "- '1' (Wrong), aten.mul: it multiplies two values, which no layer does; scale by a number or a "
        "normalization",
        "- '1' (Wrong), aten.slice: it cuts out a part of dimension 1; only a step over whole rows and "
        "columns is known",
        "- '1' (Wrong), aten.transpose: it is not supported; keep channels in dimension 1 and samples apart",
        f"- '2' (Sigmoid), aten.sigmoid: it is not supported; {activation}",
    ]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda m, x: x.view(-1, 2, 8, 8), "must keep the batch"),
        (lambda m, x: x.flatten(0, 1), "must keep the batch"),
        (lambda m, x: x.mean(1), r"it reduces the dimensions \[1\] of 4"),
        (lambda m, x: x.mean((0, 2, 3)), r"it reduces the dimensions \[0, 2, 3\] of 4"),
        (lambda m, x: x / x.shape[0], "'other' must be a number, not known only when the network runs"),
        (lambda m, x: x * x, "it multiplies two values"),
        (lambda m, x: x / 0, "it divides by 0"),
        (lambda m, x: x / x, "it divides by a tensor"),
        (lambda m, x: x + x[:, :1], "cuts out a part of dimension 1"),
        (lambda m, x: x + F.max_pool2d(x, 8), "values to add must have one shape"),
        (lambda m, x: x[:, :, 1:], "cuts out a part of dimension 2"),
        (lambda m, x: x[:, ::2], "it leaves out every other of dimension 1"),
        (lambda m, x: x[::2], "it leaves out every other of dimension 0"),
        (lambda m, x: torch.cat([x, x], 2), "along dimension 2; only channels"),
        (lambda m, x: torch.cat([x, x], 0), "along dimension 0; only channels"),
        (lambda m, x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "it must pad with a constant"),
        (lambda m, x: F.pad(x, (-1, 0)), "it must add to rows, columns or channels"),
        (lambda m, x: x.clamp(max=1), "clamp must have both bounds"),
        (lambda m, x: x.clamp(1, -1), "its bounds must ascend"),
        (
            lambda m, x: F.adaptive_avg_pool2d(x, 3),
            r"sides \(8, 8\) must be multiples of the output's \[3, 3\]",
        ),
        (lambda m, x: F.avg_pool2d(x, 2, divisor_override=3), "divisor_override must be None"),
        (lambda m, x: F.batch_norm(x, None, None, training=True), "it normalizes by the batch"),
        (lambda m, x: F.dropout(x), "it drops values; call model.eval"),
        (lambda m, x: F.conv2d(x, x[:1]), "its weights must be parameters or buffers"),
        (lambda m, x: F.conv2d(x, torch.ones(1, 4, 1, 1)), "its weights must be parameters or buffers"),
        (lambda m, x: x.double(), r"converts torch\.float32 to torch\.float64"),
        (lambda m, x: x + torch.ones(8), "aten.ones: it is not supported; it makes a constant tensor"),
        (lambda m, x: x + torch.tensor(0.5), "it computes with a parameter or a constant tensor"),
        (lambda m, x: x.view(len(x), -1), r"write x\.shape\[0\] or -1 for its size"),
        (lambda m, x: x.long(), r"it converts torch\.float32 to torch\.int64"),
    ],
)
def test_a_refusal_says_why(function, reason):
    with pytest.raises(CaptureError, match=reason):
        trace(Lambda(function), numbers(2, *IMAGE))


def refused_in_place(m, x):
    y = x.relu()
    z = y.flatten(1)
    y.add_(1.0)
    return z + 1.0


def test_a_value_overwritten_before_its_last_use_is_refused():
    """Also where it is read under another name; and where it is not read again, in place is as good."""
    with pytest.raises(CaptureError, match=r"aten\.add: it overwrites a value that is read again later"):
        trace(Lambda(refused_in_place), numbers(2, *IMAGE))
    assert kinds(traced(lambda m, x: x.relu_() + x)) == ["ReLU", "Add"]
    assert kinds(traced(lambda m, x: x.relu().add_(1.0).mul_(0.5))) == ["ReLU", "Scale", "Scale"]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (
            lambda m, x: x if x.sum() > 0 else -x,
            "cannot be traced by torch.export: .* must not branch on values",
        ),
        (lambda m, x: (x, x), "a network must map one tensor to one tensor.*1 inputs to 2 outputs"),
        (lambda m, x: {"logits": x, "features": x}, "1 inputs to 2 outputs"),
        (lambda m, x: undefined(x), "cannot be traced by torch.export: name 'undefined' is not defined"),  # noqa: F821
        (lambda m, x: x, "must compute its output from its input, with at least one layer"),
        (lambda m, x: torch.ones(2, 3), "it is not supported"),
    ],
)
def test_what_is_no_network_is_refused(function, reason):
    with pytest.raises(CaptureError, match=reason):
        trace(Lambda(function), numbers(2, *IMAGE))


def test_an_example_without_samples_is_refused():
    with pytest.raises(CaptureError, match=r"example_input must be \(batch, ...\) with at least one sample"):
        trace(nn.ReLU(), torch.zeros(0, 4))


# --- structure that has no trace of its own ---


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_scale_must_be_finite(value):
    with pytest.raises(ValueError, match="factor must be finite"):
        Scale(value)


@pytest.mark.parametrize(
    ("layers", "steps", "complaint"),
    [
        (["a", "a.b"], [("a", "a", "x")], "layer 'a.b' must not lie inside the layer 'a'"),
        (["a.b", "a"], [("a", "a", "x")], "layer 'a.b' must not lie inside the layer 'a'"),
        ([""], [("a", "", "x")], "must be 1..64 names with dots between"),
        ([".".join("a" * 65)], [], "must be 1..64 names"),
        (["a"], [], "at least one step"),
        (["a"], [("s", "b", "x")], "applies the layer 'b', which does not exist"),
        (["a"], [("s", "a", "s")], r"must read values made before it, not \['s'\]"),
        (["a"], [("s", "a", "t"), ("t", "a", "s")], r"must read values made before it, not \['t'\]"),
        (["a"], [("s", "a", "x"), ("s", "a", "x")], "two steps have the name 's'"),
        (["a"], [("x", "a", "x")], "two steps have the name 'x'"),
    ],
)
def test_impossible_networks_are_refused(layers, steps, complaint):
    with pytest.raises(CheckpointError, match=re.escape(complaint) if "\\" not in complaint else complaint):
        Network(
            {path: nn.ReLU() for path in layers}, [Step(name, layer, (read,)) for name, layer, read in steps]
        )


# --- random topologies ---


@st.composite
def topologies(draw):
    """Operations on maps of 4 x 4 that keep their size; each reads values made before it."""
    operations = []
    for made_before in range(1, draw(st.integers(2, 8))):
        read = st.integers(0, made_before - 1)
        operation = draw(
            st.sampled_from(
                ["conv", "quantized", "norm", "act", "prelu", "add", "concat", "pool", "pad", "scale"]
            )
        )
        operations.append((operation, draw(read), draw(read), draw(st.booleans()), draw(st.integers(1, 3))))
    return operations


class Random(nn.Module):
    """A network of random topology; every other operation by module or by function, as drawn."""

    def __init__(self, operations):
        super().__init__()
        self.operations = operations
        self.act, self.padding = nn.ReLU(), (0, 1, 2, 0)
        widths = [3]
        for i, (operation, first, second, as_module, size) in enumerate(operations):
            before, width = widths[first], widths[first]
            if operation == "conv":
                width = size
                setattr(self, f"conv{i}", nn.Conv2d(before, width, 3, padding=1, bias=as_module))
            elif operation == "quantized":
                width = size
                setattr(self, f"quantized{i}", BinaryConv2d(
                    before, width, 3, padding=1, padding_value=Padding.MASKED))  # fmt: skip
            elif operation == "norm":
                setattr(self, f"norm{i}", nn.BatchNorm2d(before))
            elif operation == "prelu":
                setattr(self, f"prelu{i}", nn.PReLU())
            elif operation == "concat":
                width = before + widths[second]
            elif operation == "pad":
                width = before + size
            widths.append(width)
        for parameter in self.parameters():
            parameter.data = (parameter.data * 8).round() / 8
        self.widths = widths

    def forward(self, x):
        values = [x]
        for i, (operation, first, second, as_module, size) in enumerate(self.operations):
            y, z = values[first], values[second]
            if operation in ("conv", "quantized", "norm", "prelu"):
                y = getattr(self, f"{operation}{i}")(y)
            elif operation == "act":
                y = self.act(y) if as_module else F.hardtanh(y, -size, size)
            elif operation == "add":
                y = y + z if self.widths[first] == self.widths[second] else y - y.relu()
            elif operation == "concat":
                y = torch.cat((y, z), 1)
            elif operation == "pool":
                y = F.max_pool2d(F.pad(y, self.padding), (3, 2), 1)
            elif operation == "pad":
                y = F.pad(y, (0, 0, 0, 0, 0, size), value=0.5)
            elif operation == "scale":
                y = 0.5 * y - size if as_module else y / 2
            values.append(y)
        return values[-1].flatten(1)


@settings(max_examples=40, deadline=None)
@given(topologies(), st.integers(0, 99))
def test_random_topologies_are_saved_and_come_back(tmp_path_factory, operations, seed):
    torch.manual_seed(seed)
    model = Random(operations).eval()
    x = numbers(2, 3, 4, 4, seed=seed)
    path = tmp_path_factory.getbasetemp() / "random.pt"
    save(model, x, path)
    found = load(path)
    assert torch.equal(found.model(x), model(x))
    state = model.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in found.model.state_dict().items())
    before = path.read_bytes()
    save(found.model, found.example_input, path)
    assert path.read_bytes() == before


def test_a_network_of_ours_in_a_users_module_is_traced():
    """What was loaded can stand inside a larger model."""
    torch.manual_seed(0)
    inner = trace(nn.Sequential(BinaryLinear(4, 4), OutputScale(0.5)), numbers(2, 4))
    network = traced(lambda m, x: m.inner(x) + x, (4,), inner=inner)
    assert list(network.layers) == ["inner.0", "inner.1", "add"]
