"""Convolutional networks of every method equal deployed PyTorch at every layer, bit for bit."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hbnn_hw.nn as hnn
from hbnn_hw import data, ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture import capture, compare_with_torch
from hbnn_hw.errors import CaptureError, MismatchError, RangeError, ShapeError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.lowering.stages import Integers
from hbnn_hw.nn import Method, Padding
from hbnn_hw.nn.deploy.weights import _border
from hbnn_hw.ops import Affine, Convolution, Dense, MaxPool
from hbnn_hw.passes import lower
from models.networks import Plan, Scope, cnv, lenet5, paper_spec, vgg8, vgg_small
from models.small_cnn import quantized
from tests.capture.networks import lived_in, random_codes

METHODS = (Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR)
NETWORKS = {
    "lenet5": lambda: lenet5(image_shape=(1, 16, 16), width=1 / 8, padding=2),
    "cnv": lambda: cnv(image_shape=(3, 32, 32), width=1 / 16),
    "vgg8": lambda: vgg8(image_shape=(3, 8, 8), width=1 / 32),
    "vgg_small": lambda: vgg_small(image_shape=(3, 9, 8), width=1 / 32),
}
SPECS = {
    Method.BNN: hnn.BnnSpec(padding=Padding.MINUS_ONE),
    Method.HBNN: hnn.HbnnSpec(padding=Padding.PLUS_ONE),
    Method.SLB: hnn.SlbSpec(bits=2, padding=Padding.MASKED),
    Method.FLEXOR: hnn.FlexorSpec(padding=Padding.MINUS_ONE),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def assert_exact(model, codes, name="network"):
    """Hold PyTorch, golden, the plain meaning, the lowered graph and its file against each other."""
    deployed = hnn.deploy(model)
    graph = capture(deployed, name)
    assert compare_with_torch(deployed, graph, codes).layers == len(graph.nodes)
    expected = GoldenModel(graph).value(codes)
    lowered = lower(ir_file.from_bytes(ir_file.to_bytes(graph)))
    assert np.array_equal(GoldenModel(lowered).value(codes), expected)
    assert np.array_equal(graph.run(codes[:2]).data, expected[:2])
    assert np.array_equal(lowered.run(codes[:2]).data, expected[:2])
    assert len(np.unique(expected, axis=0)) > 1, "a network that answers everything alike proves nothing"
    return deployed, graph


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_papers_networks_are_exact_at_every_layer(name, method):
    torch.manual_seed(len(name))
    network = NETWORKS[name]()
    codes = random_codes(24, int(np.prod(network.unflatten.unflattened_size)))
    plan = Plan(method=method, padding=Padding.MINUS_ONE, scope=Scope.ALL)
    model = hnn.convert(network, paper_spec(network, torch.from_numpy(codes[:2]), plan))
    assert_exact(lived_in(model, codes), codes, name)


@pytest.mark.parametrize("method", METHODS)
def test_the_small_network_is_exact_on_real_digits(method):
    digits = data.load("digits")
    torch.manual_seed(1)
    model = quantized(SPECS[method])(digits)
    codes = digits.x_test[:300].astype(np.int64)
    lived_in(model, codes[:200])
    extremes = random_codes(8, codes.shape[1], digits.input_bits)
    deployed, _ = assert_exact(model, np.concatenate([extremes, codes]))
    assert type(deployed.conv1) is hnn.DeployedConv2d


def test_the_binary_twin_answers_as_the_trained_network():
    """A BNN has no scales to round: only float32 noise at a tie could tell the two apart."""
    digits = data.load("digits")
    torch.manual_seed(2)
    model = quantized(hnn.BnnSpec(padding=Padding.MINUS_ONE))(digits)
    codes = torch.from_numpy(digits.x_test[:200].astype(np.int64))
    lived_in(model, codes.numpy())
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.bias.data += 0.0137  # off the ties, where float32 may round either way
    with torch.no_grad():
        np.testing.assert_allclose(
            hnn.deploy(model)(codes).numpy(), model(codes).numpy(), rtol=1e-4, atol=1e-4
        )


def network_of(*modules, image=(2, 7, 6), bits=3):
    layers = [("image", nn.Unflatten(1, image)), ("input", hnn.BitPlaneInput(bits))]
    return nn.Sequential(OrderedDict(layers + [(f"layer{i}", module) for i, module in enumerate(modules)]))


def conv_of(method, before, after, kernel=3, **options):
    kinds = {
        Method.BNN: hnn.BinaryConv2d,
        Method.HBNN: hnn.HbnnConv2d,
        Method.SLB: hnn.SlbConv2d,
        Method.FLEXOR: hnn.FlexorConv2d,
    }
    return kinds[method](before, after, kernel, **options)


POOL = nn.MaxPool2d(2)
NORMS = (nn.BatchNorm2d, hnn.StateBatchNorm2d, hnn.ShiftBatchNorm2d)


@settings(max_examples=40, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    padding_value=st.sampled_from(list(Padding)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.sampled_from([1, 2, 4]),
    norm=st.sampled_from(NORMS),
    order=st.permutations(["norm", "pool", "sign"]).filter(lambda o: o.index("norm") < o.index("sign")),
    scaled=st.booleans(),
    seed=st.integers(0, 999),
)
def test_every_shape_of_convolution_is_exact(
    method, padding_value, padding, stride, kernel, groups, norm, order, scaled, seed
):
    torch.manual_seed(seed)
    behind = {"norm": norm(4), "pool": nn.MaxPool2d((2, 1), stride=1), "sign": hnn.SignActivation(zero=-1)}
    model = network_of(
        conv_of(method, 2, 4, 3, padding=1, padding_value=padding_value),
        nn.BatchNorm2d(4),
        hnn.SignActivation(),
        nn.Dropout(0.3),
        conv_of(
            method, 4, 4, kernel, padding=padding, padding_value=padding_value, stride=stride, groups=groups
        ),
        *(behind[name] for name in order),
        nn.Flatten(),
    )
    model.input.scaled = scaled
    codes = random_codes(12, 84, 3, seed)
    with torch.no_grad():
        features = model.eval()(torch.from_numpy(codes)).shape[1]
    model.append(hnn.BinaryLinear(features, 5))
    assert_exact(lived_in(model, codes, seed), codes)


@pytest.mark.parametrize(
    ("padding_value", "scaled", "border"),
    [
        (Padding.MASKED, True, 0),
        (Padding.MINUS_ONE, True, -8),
        (Padding.PLUS_ONE, True, 8),
        (Padding.MINUS_ONE, False, -1),
        (Padding.PLUS_ONE, False, 1),
    ],
)
def test_the_border_of_the_first_layer_is_what_training_padded_with(padding_value, scaled, border):
    """Codes of 3 bits are odd eighths; -1 is minus eight eighths, one step beyond the darkest pixel."""
    torch.manual_seed(0)
    conv = hnn.BinaryConv2d(2, 4, 3, padding=1, padding_value=padding_value)
    model = network_of(conv, nn.Flatten(), hnn.OutputScale())
    model.input.scaled = scaled
    deployed, graph = assert_exact(model, random_codes(5, 84, 3))
    assert next(n.op.border for n in graph.nodes if isinstance(n.op, Convolution)) == border
    codes = torch.from_numpy(random_codes(5, 84, 3))
    with torch.no_grad():
        assert torch.equal(deployed(codes).float(), model.eval()(codes))


def test_a_border_between_the_steps_of_the_inputs_is_refused():
    conv = hnn.BinaryConv2d(1, 1, 3, padding=1, padding_value=Padding.MINUS_ONE)
    with pytest.raises(
        CaptureError, match=r"the border of 'c' \(BinaryConv2d\) must be .* use Padding\.MASKED"
    ):
        _border("c", conv, Integers(scale=0.3, low=-5, high=5, spread=1.0))


def test_negative_row_scales_take_the_largest_real_sum_when_pooled():
    """With one scale below 0, the largest real sum is the smallest integer: the twin turns those weights."""
    torch.manual_seed(0)
    conv = hnn.FlexorConv2d(1, 2, 2)
    with torch.no_grad():
        conv.alpha.copy_(torch.tensor([[1.0, -1.0]]))
    model = network_of(conv, nn.MaxPool2d(2), nn.Flatten(), hnn.OutputScale(), image=(1, 3, 3), bits=1)
    codes = np.array([[(n >> i) & 1 for i in range(9)] for n in range(512)])
    deployed, _ = assert_exact(model, codes)
    assert (deployed[-1].alpha > 0).all()
    with torch.no_grad():
        assert torch.equal(deployed(torch.from_numpy(codes)).float(), model.eval()(torch.from_numpy(codes)))


@pytest.mark.parametrize("first", ["image", "input"])
def test_images_may_be_made_before_or_behind_the_planes(first):
    torch.manual_seed(0)
    layers = {"image": nn.Unflatten(1, (3, 4, 5)), "input": hnn.BitPlaneInput(4)}
    second = "input" if first == "image" else "image"
    model = nn.Sequential(
        OrderedDict(
            [
                (first, layers[first]),
                (second, layers[second]),
                ("conv", hnn.BinaryConv2d(3, 4, 2)),
                ("flatten", nn.Flatten()),
                ("norm", nn.BatchNorm1d(48)),
                ("sign", hnn.SignActivation()),
                ("fc", hnn.HbnnLinear(48, 3)),
            ]
        )
    )
    codes = random_codes(20, 60, 4)
    _, graph = assert_exact(lived_in(model, codes), codes)
    assert [node.name for node in graph.nodes][:2] == [first, second]
    assert graph.types["image"].shape == (4, 5, 3)


def test_depthwise_and_pointwise_layers_are_exact():
    torch.manual_seed(0)
    model = network_of(
        hnn.BinaryConv2d(2, 6, 3, padding=1, padding_value=Padding.MASKED),
        nn.BatchNorm2d(6),
        hnn.SignActivation(),
        hnn.SlbConv2d(6, 6, 3, groups=6, stride=2, padding=1, padding_value=Padding.PLUS_ONE, bits=2),
        nn.BatchNorm2d(6),
        hnn.SignActivation(),
        hnn.HbnnConv2d(6, 4, 1),
        nn.BatchNorm2d(4),
        hnn.SignActivation(),
        nn.Flatten(),
        hnn.BinaryLinear(48, 4),
    )
    codes = random_codes(30, 84, 3)
    assert_exact(lived_in(model, codes), codes)


# --- the comparison would notice ---


def small():
    torch.manual_seed(4)
    model = network_of(
        hnn.BinaryConv2d(2, 3, 3),
        POOL,
        nn.BatchNorm2d(3),
        hnn.SignActivation(),
        nn.Flatten(),
        hnn.BinaryLinear(12, 4),
    )
    codes = random_codes(40, 84, 3)
    deployed = hnn.deploy(lived_in(model, codes))
    return deployed, capture(deployed, "small"), codes


def with_op(graph, name, op):
    nodes = tuple(Node(n.name, op if n.name == name else n.op, n.inputs) for n in graph.nodes)
    return Graph(graph.name, graph.input_name, graph.input_type, nodes)


def test_a_mismatch_in_an_image_names_row_column_and_channel():
    deployed, graph, codes = small()
    beta = np.array([0, 0, 1], dtype=np.float32)
    norm = next(n for n in graph.nodes if isinstance(n.op, Affine))
    broken = with_op(graph, norm.name, Affine(alpha=norm.op.alpha, beta=norm.op.beta + beta))
    with pytest.raises(
        MismatchError, match=rf"'{norm.name}'.* first at image 0, row 0, column 0, channel 2: golden"
    ):
        compare_with_torch(deployed, broken, codes)


def test_unpermuted_columns_behind_the_flattening_are_noticed():
    deployed, graph, codes = small()
    dense = next(n for n in graph.nodes if isinstance(n.op, Dense))
    planes = dense.op.weights
    torch_order = type(planes).from_bits(
        deployed[-2].bits.numpy(), deployed[-2].mask.numpy(), planes.coefficients
    )
    assert not np.array_equal(torch_order.bits, planes.bits)
    with pytest.raises(MismatchError, match=f"layer '{dense.name}'"):
        compare_with_torch(deployed, with_op(graph, dense.name, Dense(weights=torch_order)), codes)


def test_a_layer_of_another_shape_is_named():
    deployed, graph, codes = small()
    pool = next(n for n in graph.nodes if isinstance(n.op, MaxPool))
    cut = Graph(graph.name, "x", graph.input_type, graph.nodes[: graph.nodes.index(pool) + 1])
    wide = with_op(cut, pool.name, MaxPool(kernel=(2, 2), stride=(1, 1)))
    with pytest.raises(MismatchError, match=r"golden has the shape \(4, 3, 3\), PyTorch \(2, 2, 3\)"):
        compare_with_torch(deployed, wide, codes)


# --- refusals ---


@pytest.mark.parametrize(
    ("modules", "error", "complaint"),
    [
        ((hnn.BinaryLinear(84, 2),), CaptureError, r"must read vectors; put nn\.Flatten\(\) before it"),
        ((hnn.BinaryConv2d(3, 4, 3),), ShapeError, r"'layer0' .* must have 2 channels, not 3"),
        ((hnn.BinaryConv2d(2, 4, 8),), ShapeError, r"'layer0' .* a window of 8 pixels must fit"),
        (
            (hnn.BinaryConv2d(2, 4, 3), nn.MaxPool2d(6)),
            ShapeError,
            r"'layer1' .* a window of 6 pixels must fit into the image, which has 5",
        ),
        ((hnn.BinaryConv2d(2, 4, 3), hnn.BinaryConv2d(4, 4, 3)), CaptureError, "must read ±1"),
        ((hnn.BinaryConv2d(2, 4, 3), nn.BatchNorm1d(4)), CaptureError, "must be a BatchNorm2d"),
        (
            (hnn.BinaryConv2d(2, 4, 3), nn.Flatten(), nn.BatchNorm2d(80)),
            CaptureError,
            "must be a BatchNorm1d",
        ),
        ((hnn.BinaryConv2d(2, 4, 3), nn.BatchNorm2d(5)), ShapeError, "must have 4 features, not 5"),
        (
            (hnn.BinaryConv2d(2, 4, 3), nn.MaxPool2d(2, return_indices=True)),
            CaptureError,
            "not return_indices",
        ),
        ((hnn.BinaryConv2d(2, 4, 3), nn.MaxPool2d(2, dilation=2)), CaptureError, "dilation of .* must be 1"),
        ((hnn.BinaryConv2d(2, 4, 3), nn.Flatten(2)), CaptureError, r"must be nn\.Flatten\(\), which keeps"),
        ((hnn.BinaryConv2d(2, 4, 3), nn.Unflatten(1, (2, 2, 5))), CaptureError, "before the first layer"),
        ((hnn.BinaryConv2d(2, 4, 3),), CaptureError, "must end with a linear layer"),
        ((nn.AvgPool2d(2, ceil_mode=True),), CaptureError, "must have no ceil_mode"),
        ((nn.AvgPool3d(2),), CaptureError, r"not 'layer0' \(AvgPool3d\)"),
        ((nn.Conv2d(2, 4, 3),), CaptureError, r"'layer0' \(Conv2d\).*not deployable"),
    ],
)
def test_layers_in_the_wrong_place_are_refused_by_name(modules, error, complaint):
    with pytest.raises(error, match=complaint):
        hnn.deploy(network_of(*modules))


def test_an_image_of_unknown_shape_is_refused():
    with pytest.raises(CaptureError, match=r"must be nn\.Unflatten\(1, \(channels, rows, columns\)\), not"):
        hnn.deploy(nn.Sequential(nn.Unflatten(1, (-1, 4)), hnn.BitPlaneInput(1)))


def test_sums_beyond_24_bits_are_exact():
    conv = hnn.BinaryConv2d(2, 1, 16, padding=8, padding_value="plus_one")
    nn.init.ones_(conv.weight)
    deployed = hnn.deploy(network_of(conv, nn.Flatten(), nn.BatchNorm1d(56), bits=16))
    assert deployed.layer0.wide
    values = dict(deployed.trace(torch.full((1, 84), 65535)))
    # 65535 in every pixel and, one step beyond, 65536 in the border: the whole image is seen at (4, 4) only.
    inside = 2 * 7 * 6
    assert values["layer0"][0, 0, 4, 3] == 65535 * inside + 65536 * (512 - inside)


def test_sums_beyond_29_bits_are_refused():
    model = network_of(hnn.BinaryConv2d(2, 1, 64, padding=32, padding_value="plus_one"), bits=16)
    with pytest.raises(RangeError, match=r"'layer0' must stay below 536870912 .* but can reach 536870912"):
        hnn.deploy(model)
