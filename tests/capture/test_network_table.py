"""Every network of the papers under every method: model file = deployed PyTorch = golden, at every layer.

The images are real: handwritten digits, enlarged to what a network reads, in three colours where it wants
three. Weights are random, statistics are those of the images, and slopes have both signs.
"""

import math

import numpy as np
import pytest
import torch

import hbnn_hw
import hbnn_hw.nn as hnn
from hbnn_hw import data, ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture import capture_file, compare_with_torch
from hbnn_hw.nn import Method, Padding
from hbnn_hw.ops import Add, Convolution, Rescale, SumPool
from hbnn_hw.passes import simplify
from models.networks import (
    Activations,
    Plan,
    Scope,
    alexnet_bn,
    cnv,
    lenet5,
    lfc,
    mobilenet,
    paper_spec,
    resnet18,
    resnet20,
    sfc,
    vgg8,
)
from tests.capture.networks import lived_in
from tests.tables import rows

METHODS = (Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR)
MNIST, CIFAR = (1, 28, 28), (3, 32, 32)
NETWORKS = {
    "sfc": (MNIST, sfc),
    "lfc": (MNIST, lambda: lfc(input_bits=8)),
    "lenet5": (MNIST, lenet5),
    "cnv": (CIFAR, lambda: cnv(width=1 / 2)),
    "vgg8": (CIFAR, lambda: vgg8(width=1 / 8)),
    "resnet20": (CIFAR, lambda: resnet20(width=1 / 2)),
    "resnet20_prelu": ((3, 16, 16), lambda: resnet20(image_shape=(3, 16, 16), convs_per_block=1, prelu=True)),
    "resnet18": ((3, 64, 64), lambda: resnet18(image_shape=(3, 64, 64), width=1 / 8, n_classes=10)),
    "resnet18_wide": ((3, 64, 64), lambda: resnet18(image_shape=(3, 64, 64), n_classes=10)),
    "mobilenet": ((3, 64, 64), lambda: mobilenet(image_shape=(3, 64, 64), width=1 / 4, n_classes=10)),
    "alexnet_bn": ((3, 67, 67), lambda: alexnet_bn(image_shape=(3, 67, 67), width=1 / 8, n_classes=10)),
}
"""Image shape, and the network: at full width where that takes seconds."""
N_IMAGES = 6


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def images_of(shape):
    """Digits, 16 levels stretched to 8 bits, each pixel repeated; the colours have different contrast."""
    channels, rows, columns = shape
    digits = data.load("digits").x_test[:N_IMAGES].reshape(-1, 8, 8).astype(np.int64) * 17
    at = np.ix_(range(N_IMAGES), np.arange(rows) * 8 // rows, np.arange(columns) * 8 // columns)
    contrast = np.array([1.0, 0.7, 0.4])[:channels, np.newaxis, np.newaxis]
    return np.minimum(digits[at][:, np.newaxis] * contrast, 255).astype(np.int64).reshape(N_IMAGES, -1)


def quantized(name, method, activations):
    shape, build = NETWORKS[name]
    torch.manual_seed(len(name))
    network, codes = build(), images_of(shape)
    padding = Padding.MINUS_ONE if activations is Activations.SIGN else Padding.MASKED
    plan = Plan(method=method, padding=padding, scope=Scope.ALL, activations=activations)
    model = hnn.convert(network, paper_spec(network, torch.from_numpy(codes[:2]), plan))
    model = lived_in(model, codes)
    if activations is not Activations.SIGN:
        hnn.calibrate_activations(model, [torch.from_numpy(codes)])
    return model, codes


WIDE = ("resnet18_wide",)
"""At full width only sums of sums of sums are as large as they get; one method shows it."""

CASES = [(name, method, Activations.SIGN) for name in NETWORKS if name not in WIDE for method in METHODS]
CASES += [(name, Method.BNN, Activations.SIGN) for name in WIDE]
CASES += [
    (name, Method.HBNN, activations)
    for name in ("lenet5", "resnet20", "mobilenet")
    for activations in (Activations.CHANNEL, Activations.POSITION)
]
USUAL = (
    *((name, method, Activations.SIGN) for name in ("sfc", "lenet5") for method in METHODS),
    ("resnet20_prelu", Method.FLEXOR, Activations.SIGN),
    ("cnv", Method.SLB, Activations.SIGN),
    ("vgg8", Method.FLEXOR, Activations.SIGN),
    ("resnet20", Method.HBNN, Activations.POSITION),
    ("resnet18", Method.BNN, Activations.SIGN),
    ("mobilenet", Method.HBNN, Activations.CHANNEL),
    ("alexnet_bn", Method.SLB, Activations.SIGN),
)
"""Every network, method and kind of activation once at least; the whole table takes three minutes."""


@pytest.mark.parametrize(
    ("name", "method", "activations"),
    rows(CASES, usual=lambda *row: row in USUAL),
    ids=lambda value: getattr(value, "value", value),
)
def test_the_network_is_exact_from_its_file_to_the_golden_model(name, method, activations, tmp_path):
    model, codes = quantized(name, method, activations)
    path = tmp_path / "model.pt"
    hbnn_hw.save(model, torch.from_numpy(codes[:1].astype(np.uint8)), path)
    captured = capture_file(path)
    equal = compare_with_torch(captured.deployed, captured.graph, codes)
    assert equal.layers == len(captured.graph.nodes)
    lowered = simplify(ir_file.from_bytes(ir_file.to_bytes(captured.graph)))
    outputs = GoldenModel(captured.graph).value(codes)
    assert np.array_equal(GoldenModel(lowered).value(codes), outputs)
    assert len(np.unique(outputs, axis=0)) > 1, "a network that answers everything alike proves nothing"
    _check_that_it_is_the_network(name, model, captured.graph)


def _check_that_it_is_the_network(name, model, graph):
    """No layer went missing on the way: weights by weights, and sums where the network has them."""
    weights = sum(
        node.op.weights.rows * node.op.weights.columns for node in graph.nodes if hasattr(node.op, "weights")
    )
    assert weights == sum(
        math.prod(m.weight_shape) for m in model.modules() if isinstance(m, hnn.QuantizedLayer)
    )
    kinds = [type(node.op) for node in graph.nodes]
    if name.startswith("resnet"):
        assert kinds.count(Add) == {"resnet20": 9, "resnet20_prelu": 18}.get(name, 8)
        assert SumPool in kinds
        assert Rescale in kinds
    if name == "mobilenet":
        assert any(isinstance(node.op, Convolution) and node.op.groups > 1 for node in graph.nodes)
