"""Brevitas networks: the golden model has the codes of Brevitas's own forward pass."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings(action="ignore"):
    import brevitas.nn as qnn
    from brevitas.export import export_qonnx
    from brevitas.inject.enum import RestrictValueType, ScalingImplType
    from brevitas.quant import (
        Int8ActPerTensorFixedPoint,
        SignedBinaryActPerTensorConst,
        SignedBinaryWeightPerTensorConst,
    )

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture.brevitas import convert
from hbnn_hw.capture.qonnx import read_bytes
from hbnn_hw.errors import CaptureError
from hbnn_hw.ops import Convolution, Dense
from hbnn_hw.passes import lower
from hbnn_hw.types import Planes

POWER_OF_TWO = {
    "weight_scaling_impl_type": ScalingImplType.STATS,
    "weight_restrict_scaling_type": RestrictValueType.POWER_OF_TWO,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def conv(*args, **options):
    return qnn.QuantConv2d(*args, **POWER_OF_TWO, **options)


def small_cnn():
    """Integer activations and weights of several widths, grouped and strided; a residual branch is below."""
    return nn.Sequential(
        qnn.QuantIdentity(Int8ActPerTensorFixedPoint),
        conv(3, 8, 3, padding=1, weight_bit_width=4, bias=True),
        nn.BatchNorm2d(8),
        qnn.QuantReLU(bit_width=4),
        nn.MaxPool2d(2),
        conv(8, 8, 3, padding=1, stride=2, groups=2, weight_bit_width=2, bias=False),
        nn.BatchNorm2d(8),
        qnn.QuantHardTanh(bit_width=3, min_val=-1.0, max_val=1.0),
        nn.Flatten(),
        qnn.QuantLinear(32, 10, bias=True, weight_bit_width=3, **POWER_OF_TWO),
    )


def binary_cnn():
    binary = {"weight_quant": SignedBinaryWeightPerTensorConst, "bias": False}
    return nn.Sequential(
        qnn.QuantIdentity(Int8ActPerTensorFixedPoint),
        qnn.QuantConv2d(3, 8, 3, **binary),
        nn.BatchNorm2d(8),
        qnn.QuantIdentity(SignedBinaryActPerTensorConst),
        qnn.QuantConv2d(8, 8, 3, **binary),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(8),
        qnn.QuantIdentity(SignedBinaryActPerTensorConst),
        nn.Flatten(),
        qnn.QuantLinear(32, 10, **binary),
        nn.BatchNorm1d(10),
    )


class Residual(nn.Module):
    """Two branches that one quantizer brings to one scale."""

    def __init__(self):
        super().__init__()
        self.first = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.conv = conv(3, 3, 3, padding=1, weight_bit_width=3, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.shared = qnn.QuantIdentity(bit_width=4, return_quant_tensor=True)
        self.act = qnn.QuantReLU(bit_width=4)
        self.fc = qnn.QuantLinear(3, 5, bias=False, weight_bit_width=4)

    def forward(self, x):
        x = self.first(x)
        y = self.act(self.shared(x) + self.shared(self.norm(self.conv(x))))
        return self.fc(y.mean((2, 3)))


def trained(build, shape=(3, 8, 8)):
    """A network with the statistics of random images, and fresh ones."""
    torch.manual_seed(5)
    network = build()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        network.train()(torch.randn(64, *shape))
        images = torch.randn(24, *shape)
        return network.eval(), images, network(images)


def quantizers_of(network, images):
    """What Brevitas's activation quantizers give, by module path."""
    outputs = {}

    def keep(path):
        def hook(module, inputs, output):
            outputs[path] = getattr(output, "value", output).detach().numpy()

        return hook

    kinds = (qnn.QuantIdentity, qnn.QuantReLU, qnn.QuantHardTanh)
    hooks = [m.register_forward_hook(keep(p)) for p, m in network.named_modules() if isinstance(m, kinds)]
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        network(images)
    for hook in hooks:
        hook.remove()
    return outputs


@pytest.mark.parametrize("build", [small_cnn, binary_cnn])
def test_every_quantizer_has_brevitas_codes(build):
    network, images, expected = trained(build)
    found = convert(network, images)
    x = images.numpy()
    codes = found.codes(x)
    golden = GoldenModel(found.graph)
    np.testing.assert_allclose(golden.value(codes), expected.numpy(), rtol=1e-5, atol=1e-5)
    assert len(np.unique(expected)) > 50
    reals = [
        found.tensor(name, tensor.data)
        for name, value in found.tensors.items()
        for node, tensor in golden.trace(codes)
        if node == value.node and isinstance(tensor.type.element, Planes)
    ]
    for path, output in quantizers_of(network, images).items():
        equal = [r.shape == output.shape and np.array_equal(r.astype(np.float32), output) for r in reals]
        assert any(equal), path
    np.testing.assert_array_equal(GoldenModel(lower(found.graph)).value(codes), golden.value(codes))


def test_a_residual_network_of_generic_scales():
    network, images, expected = trained(Residual)
    found = convert(network, images)
    result = GoldenModel(found.graph).value(found.codes(images.numpy()))
    np.testing.assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_files_of_the_older_exporter_are_read_as_well():
    """TorchScript's graphs have other nodes for the same network."""
    for build in (small_cnn, binary_cnn, Residual):
        network, images, expected = trained(build)
        with warnings.catch_warnings(action="ignore"):
            content = export_qonnx(network, args=images[:1], dynamo=False).SerializeToString()
        found = read_bytes(content)
        result = GoldenModel(found.graph).value(found.codes(images.numpy()))
        np.testing.assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-5)


def test_weights_are_what_brevitas_quantized():
    network, images, _ = trained(small_cnn)
    graph = convert(network, images).graph
    first, *_ = (node.op for node in graph.nodes if isinstance(node.op, Convolution))
    with torch.no_grad():
        integers = network[1].quant_weight().int().numpy()
    columns = integers.transpose(0, 2, 3, 1).reshape(8, -1)
    factor = columns.flat[np.abs(columns).argmax()] // first.weights.values().flat[np.abs(columns).argmax()]
    np.testing.assert_array_equal(first.weights.values() * factor, columns)
    (dense,) = (node.op for node in graph.nodes if isinstance(node.op, Dense))
    assert dense.weights.rows == 10


def test_binary_layers_are_one_full_plane():
    network, images, _ = trained(binary_cnn)
    layers = [n.op for n in convert(network, images).graph.nodes if isinstance(n.op, Convolution | Dense)]
    assert len(layers) == 3
    assert all(op.weights.coefficients == (1,) and op.weights.is_homogeneous for op in layers)


def test_the_mode_of_the_network_stays():
    network, images, _ = trained(binary_cnn)
    convert(network.train(), images)
    assert network.training


def test_layers_that_are_not_quantized_are_named():
    network = nn.Sequential(qnn.QuantIdentity(), nn.Conv2d(3, 4, 3))
    with pytest.raises(CaptureError, match=r"the weights of .* must be quantized"):
        convert(trained(lambda: network)[0], torch.randn(1, 3, 8, 8))
