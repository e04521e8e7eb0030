"""The papers' networks: sizes as published, layers as specified, and every method trains them."""

import itertools
import math
import re
import runpy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import fx, nn

from hbnn_hw.errors import ConversionError
from hbnn_hw.nn import (
    BinaryConv2d,
    BinaryLinear,
    BitPlaneInput,
    BnnSpec,
    FlexorSpec,
    FloatSpec,
    HbnnActivation,
    HbnnActivationSpec,
    HbnnSpec,
    Method,
    OutputScale,
    Padding,
    QuantizedLayer,
    SignActivation,
    SignSpec,
    SlbSpec,
    convert,
    load,
    save,
    summary,
)
from hbnn_hw.nn.tracing import trace as capture
from models.networks import (
    Activations,
    PaddedShortcut,
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
    vgg_small,
)
from models.networks.blocks import scaled
from models.networks.catalogue import NETWORKS, table
from models.networks.trace import trace
from tests.tables import rows

PAGE = Path(__file__).parent.parent / "docs" / "networks.md"
METHODS = (Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR)
BATCH = 4

NARROW = {
    "sfc": ((1, 28, 28), lambda **flat: sfc(width=1 / 16)),
    "lfc": ((1, 28, 28), lambda **flat: lfc(width=1 / 64, input_bits=8)),
    "lenet5": ((1, 28, 28), lambda **flat: lenet5(width=1 / 8, **flat)),
    "cnv": ((3, 32, 32), lambda **flat: cnv(width=1 / 8, **flat)),
    "vgg8": ((3, 8, 8), lambda **flat: vgg8(width=1 / 16, image_shape=(3, 8, 8), **flat)),
    "vgg_small": ((3, 16, 16), lambda **flat: vgg_small(width=1 / 16, image_shape=(3, 16, 16), **flat)),
    "mobilenet": ((3, 64, 64), lambda **flat: mobilenet(width=1 / 8, image_shape=(3, 64, 64), **flat)),
    "alexnet_bn": ((3, 67, 67), lambda **flat: alexnet_bn(width=1 / 32, image_shape=(3, 67, 67), **flat)),
    "resnet20": ((3, 16, 16), lambda **flat: resnet20(width=1 / 4, image_shape=(3, 16, 16), **flat)),
    "resnet20_prelu": (
        (3, 16, 16),
        lambda **flat: resnet20(width=1 / 4, image_shape=(3, 16, 16), convs_per_block=1, prelu=True, **flat),
    ),
    "resnet18": ((3, 64, 64), lambda **flat: resnet18(width=1 / 16, image_shape=(3, 64, 64), **flat)),
    "resnet18_cifar": (
        (3, 16, 16),
        lambda **flat: resnet18(width=1 / 16, image_shape=(3, 16, 16), cifar_stem=True, **flat),
    ),
}
"""Image shape, and the builder of a version that trains in a moment."""
RESIDUAL = [name for name in NARROW if name.startswith("resnet")]
FLAT = [name for name in NARROW if name not in RESIDUAL]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def narrow(name, seed=0, **flat):
    torch.manual_seed(seed)
    return NARROW[name][1](**flat)


def images_for(name, seed=0):
    generator = torch.Generator().manual_seed(seed)
    size = (BATCH, math.prod(NARROW[name][0]))
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)


def plan(method=Method.BNN, **options):
    return Plan(method=method, padding=Padding.MINUS_ONE, **options)


def spec_of(name, a_plan, layers=None):
    return paper_spec(narrow(name), images_for(name), a_plan, layers or {}).layers


def full_size(name):
    """Weights and multiply-accumulates of every layer of a network in the table."""
    (network,) = [network for network in NETWORKS if network.name == name]
    layers = [step for step in network.steps() if step.n_weights]
    return [layer.n_weights for layer in layers], [layer.n_macs for layer in layers]


# --- sizes ---


def test_finns_perceptrons_have_its_weights():
    """FINN: 334,336 and 2,910,208 weights, each used once a frame."""
    assert sum(full_size("sfc()")[0]) == 784 * 256 + 2 * 256 * 256 + 256 * 10 == 334_336
    assert sum(full_size("lfc()")[0]) == 784 * 1024 + 2 * 1024 * 1024 + 1024 * 10 == 2_910_208
    for name in ("sfc()", "lfc()"):
        weights, macs = full_size(name)
        assert weights == macs


def test_cnv_is_finns_layer_by_layer():
    """Cycles, SIMD and PE that BNN-PYNQ publishes for cnvW1A1: their product is a layer's operations.

    The last layer is padded there from 10 to 64 outputs.
    """
    cycles = (32400, 28224, 20736, 28800, 20736, 18432, 32768, 32768, 8192)
    lanes = ((3, 16), (32, 32), (32, 16), (32, 16), (32, 4), (32, 1), (4, 1), (8, 1), (1, 4))
    weights, macs = full_size("cnv()")
    published = [n * simd * pe for n, (simd, pe) in zip(cycles, lanes, strict=True)]
    assert macs[:-1] == published[:-1]
    assert macs[-1] * 64 == published[-1] * 10
    assert sum(weights) == 1_542_848
    assert 2 * sum(macs) == 118_922_752


def test_lenet5_sizes():
    """28 -> 24 -> 12 -> 8 -> 4 unpadded; with padding 2 it is 28 -> 14 -> 7."""
    weights, macs = full_size("lenet5()")
    assert weights == [32 * 25, 64 * 32 * 25, 64 * 4 * 4 * 512, 512 * 10]
    assert macs == [32 * 25 * 24**2, 64 * 32 * 25 * 8**2, 64 * 4 * 4 * 512, 512 * 10]
    assert lenet5(padding=2).fc3.in_features == 64 * 7 * 7


def test_vgg_sizes():
    """BNN's network for CIFAR-10: 3x3 convolutions at 32, 16 and 8 pixels, then 8192-1024-1024-10."""
    channels = (3, 128, 128, 256, 256, 512, 512)
    convolutions = [9 * m * n for m, n in itertools.pairwise(channels)]
    pixels = (32**2, 32**2, 16**2, 16**2, 8**2, 8**2)
    weights, macs = full_size("vgg8()")
    assert weights == [*convolutions, 8192 * 1024, 1024 * 1024, 1024 * 10]
    assert macs[:6] == [n * p for n, p in zip(convolutions, pixels, strict=True)]
    assert sum(weights) == 14_022_016
    assert full_size("vgg_small()")[0] == [*convolutions, 8192 * 10]


def test_resnet20_has_its_published_parameters():
    """He et al. 2015: 0.27 M. Exactly 268,336 weights; norms 2·(7·16 + 6·32 + 6·64), one scale."""
    stages = [5 * 9 * n * n + 9 * n * m for n, m in ((16, 16), (32, 16), (64, 32))]
    weights, macs = full_size("resnet20()")
    assert sum(weights) == 3 * 16 * 9 + sum(stages) + 64 * 10 == 268_336
    assert sum(parameter.numel() for parameter in resnet20().parameters()) == 268_336 + 1_376 + 1
    pixels = (32**2, 16**2, 8**2)
    inner = sum(n * p for n, p in zip(stages, pixels, strict=True))
    assert sum(macs) == 3 * 16 * 9 * 32**2 + inner + 640 == 40_551_040


def test_resnet18_has_its_published_parameters():
    """PyTorch's has 11,689,512: these weights, norms of 4,800 channels, a bias of 1000."""
    stages = [3 * 9 * n * n + 9 * n * m for n, m in ((64, 64), (128, 64), (256, 128), (512, 256))]
    projections = 64 * 128 + 128 * 256 + 256 * 512
    weights, macs = full_size("resnet18()")
    assert sum(weights) == 3 * 64 * 49 + sum(stages) + projections + 512_000 == 11_689_512 - 9_600 - 1_000
    assert sum(macs) == 1_814_073_344
    small, _ = full_size("resnet18(cifar_stem=True)")
    assert sum(small) == 3 * 64 * 9 + sum(stages) + projections + 5_120


def test_mobilenet_has_its_published_size():
    """MobileNet's paper: 4.2 M parameters, 569 M multiply-adds, 95 % of them in 1x1 convolutions."""
    widths = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    spatial = [9 * n for n in widths[:-1]]
    pointwise = [m * n for m, n in itertools.pairwise(widths)]
    weights, macs = full_size("mobilenet()")
    assert weights[1:-1:2] == spatial
    assert weights[2:-1:2] == pointwise
    assert sum(weights) == 864 + sum(spatial) + sum(pointwise) + 1_024_000 == 4_209_088
    assert round(sum(macs) / 1e6) == 569
    assert round(100 * sum(macs[2:-1:2]) / sum(macs)) == 95


def test_alexnet_has_61_million_weights():
    """PyTorch's has 61,100,840 parameters, of which 10,344 are biases."""
    weights, macs = full_size("alexnet_bn()")
    assert weights == [
        3 * 64 * 121, 64 * 192 * 25, 192 * 384 * 9, 384 * 256 * 9, 256 * 256 * 9,
        256 * 6 * 6 * 4096, 4096 * 4096, 4096 * 1000,
    ]  # fmt: skip
    assert sum(weights) == 61_100_840 - 10_344
    assert macs[:5] == [n * p**2 for n, p in zip(weights, (55, 27, 13, 13, 13), strict=False)]


@pytest.mark.parametrize(
    ("name", "sides"),
    [
        ("cnv()", (30, 28, 12, 10, 3, 1)),
        ("vgg8()", (32, 32, 16, 16, 8, 8)),
        ("resnet20()", (32, *[32] * 6, *[16] * 6, *[8] * 6)),
        ("mobilenet()", (112, 112, 112, 56, 56, 56, 56, 28, 28, 28, 28, *[14] * 12, *[7] * 4)),
    ],
)
def test_images_have_the_published_sides(name, sides):
    (network,) = [network for network in NETWORKS if network.name == name]
    steps = [step for step in network.steps() if isinstance(step.module, nn.Conv2d)]
    assert tuple(step.shape[1] for step in steps) == sides


def test_one_bit_pixels_give_finns_operations():
    """SFC, 668,672 operations a frame of two each, with every layer binary and pixels of one bit."""
    network = sfc(input_bits=1)
    pixels = torch.zeros(2, 784, dtype=torch.uint8)
    quantized = convert(network, paper_spec(network, pixels, plan()))
    assert 2 * summary(quantized, pixels).binary_operations == 668_672


def test_eight_bit_pixels_count_eight_times():
    """CNV: 8 planes in the first layer's 1,555,200 products, one in all others'."""
    network = cnv()
    pixels = torch.zeros(1, 3 * 32 * 32, dtype=torch.uint8)
    quantized = convert(network, paper_spec(network, pixels, plan()))
    report = summary(quantized, pixels)
    assert report.binary_operations == 118_922_752 // 2 + 7 * 1_555_200
    assert report.effective_bits_per_weight == 1.0


# --- structure ---


def test_a_block_is_convolution_pooling_norm_activation():
    names = [name for name, _ in lenet5().named_children()]
    assert names == [
        "unflatten", "input", "conv1", "pool1", "norm1", "act1", "conv2", "pool2", "norm2", "act2",
        "flatten", "fc3", "norm3", "act3", "fc4", "scale",
    ]  # fmt: skip


def test_mobilenets_layers_are_numbered_as_the_paper_counts_them():
    names = [step.path for step in trace(narrow("mobilenet"), images_for("mobilenet")) if step.n_weights]
    assert names[:3] == ["conv1", "spatial2", "pointwise3"]
    assert names[-2:] == ["pointwise27", "fc28"]


@pytest.mark.parametrize("name", [name for name in NARROW if name not in ("sfc", "lfc")])
def test_flat_codes_are_the_channels_one_after_the_other(name):
    images = images_for(name)
    flat, shaped = narrow(name).eval(), narrow(name, flat=False).eval()
    assert torch.equal(flat(images), shaped(images.view(BATCH, *NARROW[name][0])))


@pytest.mark.parametrize("name", NARROW)
def test_logits_have_the_classes_asked_for(name):
    n_classes = 1000 if name in ("mobilenet", "alexnet_bn", "resnet18", "resnet18_cifar") else 10
    assert narrow(name).eval()(images_for(name)).shape == (BATCH, n_classes)


def test_a_padded_shortcut_leaves_pixels_out_and_adds_no_channel():
    x = torch.arange(2 * 2 * 4 * 4, dtype=torch.float32).view(2, 2, 4, 4)
    y = PaddedShortcut(3, 2)(x)
    assert y.shape == (2, 5, 2, 2)
    assert torch.equal(y[:, :2], x[:, :, ::2, ::2])
    assert not y[:, 2:].any()


def test_a_residual_block_adds_its_input():
    """With a body of zeros, the norm's slope, a block is its shortcut."""
    block = narrow("resnet20").eval().stages.stage2.block1
    nn.init.zeros_(block.body.norm2.weight)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(block(x), F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4)))


def test_every_convolution_may_have_its_own_shortcut():
    stage = resnet20(convs_per_block=1).stages.stage1
    assert len(stage) == 6
    assert [name for name, _ in stage.block1.body.named_children()] == ["act1", "conv1", "norm1"]


def test_prelu_stands_between_convolution_and_norm():
    body = resnet20(prelu=True).stages.stage1.block1.body
    assert [name for name, _ in body.named_children()][:4] == ["act1", "conv1", "prelu1", "norm1"]


@pytest.mark.parametrize("build", [resnet20, resnet18, mobilenet])
@pytest.mark.parametrize("sides", [(64, 64), (70, 101)])
def test_the_mean_is_over_the_whole_image(build, sides):
    """Whatever the sides of the image: one mean is left, and it has read every pixel."""
    network = build(width=1 / 8, image_shape=(1, *sides)).eval()
    seen = []
    network.average.register_forward_hook(lambda module, x, y: seen.append((x[0], y)))
    network(torch.zeros(1, math.prod(sides), dtype=torch.uint8))
    ((image, mean),) = seen
    assert torch.allclose(mean, image.mean((2, 3), keepdim=True))


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: sfc(width=0), "width multiplier must be finite and positive, not 0"),
        (lambda: cnv(width=math.nan), "width multiplier must be finite and positive, not nan"),
        (lambda: cnv(image_shape=(3, 16, 16)), "a window of 3 must fit in 1 pixels with padding 0"),
        (lambda: resnet20(convs_per_block=4), "must divide the 6 convolutions of a stage, not be 4"),
    ],
)
def test_impossible_networks_are_refused(build, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        build()


def test_no_width_is_zero():
    assert [scaled(64, width) for width in (1e-3, 0.5, 1.0, 1.5)] == [1, 32, 64, 96]


class _Tracer(fx.Tracer):
    """As a converter traces: the project's own layers are leaves."""

    def is_leaf_module(self, module, path):
        own = isinstance(module, BitPlaneInput | OutputScale | SignActivation | QuantizedLayer)
        return own or super().is_leaf_module(module, path)


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_networks_can_be_traced(name):
    """Float and quantized; the traced graph gives the same logits."""
    network, images = narrow(name).eval(), images_for(name)
    for model in (network, convert(network, paper_spec(network, images, plan()))):
        traced = fx.GraphModule(model, _Tracer().trace(model))
        assert torch.equal(traced(images), model(images))


@pytest.mark.parametrize("name", ["resnet20", "resnet18"])
def test_residual_networks_can_be_exported(name):
    """From the stem on: the input stage looks at values, to refuse what is no code."""
    network = narrow(name, flat=False).eval()
    images = network.input(images_for(name).view(BATCH, *NARROW[name][0]))
    network.input = nn.Identity()
    exported = torch.export.export(network, (images,)).module()
    assert torch.equal(exported(images), network(images))


# --- quantization ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NARROW)
def test_one_step_moves_every_parameter(name, method):
    network, images = narrow(name), images_for(name)
    model = convert(network, paper_spec(network, images, plan(method))).train()
    assert any(isinstance(module, QuantizedLayer) for module in model.modules())
    before = {path: parameter.clone() for path, parameter in model.named_parameters()}
    F.cross_entropy(model(images), torch.arange(BATCH)).backward()
    assert [path for path, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters())
    torch.optim.Adam(model.parameters(), lr=1e-2).step()
    assert [path for path, p in model.named_parameters() if torch.equal(p, before[path])] == []


@pytest.mark.parametrize("activations", [Activations.POSITION, Activations.CHANNEL])
@pytest.mark.parametrize("name", ["sfc", "lenet5", "mobilenet", "resnet20"])
def test_heterogeneous_activations_train(name, activations):
    network, images = narrow(name), images_for(name)
    a_plan = plan(Method.HBNN, activations=activations)
    model = convert(network, paper_spec(network, images, a_plan)).train()
    F.cross_entropy(model(images), torch.arange(BATCH)).backward()
    assert [path for path, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert all(int(m.batches_seen) == 1 for m in model.modules() if isinstance(m, HbnnActivation))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", FLAT)
def test_flat_networks_are_saved_and_loaded(name, method, tmp_path):
    network, images = narrow(name), images_for(name)
    model = convert(network, paper_spec(network, images, plan(method))).eval()
    save(model, images[:1], tmp_path / "model.pt")
    assert torch.equal(load(tmp_path / "model.pt").model(images), model(images))


DEEP = {
    "resnet18": Method.FLEXOR,
    "resnet18_cifar": Method.SLB,
    "resnet20": Method.HBNN,
    "resnet20_prelu": Method.BNN,
}
"""Tracing these takes long, and the methods meet the same layers in the other networks."""

LIGHT = [name for name in NARROW if name not in DEEP]

USUAL = {name: METHODS[at % len(METHODS)] for at, name in enumerate(LIGHT)} | {"resnet20": DEEP["resnet20"]}
"""The method of each network in the usual run."""


@pytest.mark.parametrize(
    ("name", "method"),
    rows(
        [
            (name, method)
            for name in NARROW
            for method in (None, *METHODS)
            if name not in DEEP or method in (None, DEEP[name])
        ],
        usual=lambda name, method: name in USUAL and method is USUAL[name],
    ),
)
def test_every_network_is_traced_and_archived(name, method, tmp_path):
    """Float and quantized: file and archive give back the same logits, and tensors by the same names."""
    network, images = narrow(name).eval(), images_for(name)
    model = network if method is None else convert(network, paper_spec(network, images, plan(method))).eval()
    logits, state = model(images), model.state_dict()
    assert torch.equal(capture(model, images)(images), logits)
    save(model, images, tmp_path / "model.pt")
    torch.export.save(torch.export.export(model, (images,)), tmp_path / "model.pt2")
    for file in ("model.pt", "model.pt2"):
        found = load(tmp_path / file).model
        assert torch.equal(found(images), logits)
        assert found.state_dict().keys() == state.keys()
        assert all(torch.equal(tensor, state[key]) for key, tensor in found.state_dict().items())


def test_bnn_quantizes_every_layer_and_every_activation():
    specs = spec_of("vgg8", plan())
    assert {type(spec) for path, spec in specs.items() if "act" not in path} == {BnnSpec}
    assert {spec for path, spec in specs.items() if "act" in path} == {SignSpec(zero=1)}
    model = convert(narrow("vgg8"), paper_spec(narrow("vgg8"), images_for("vgg8"), plan()))
    assert isinstance(model.conv1, BinaryConv2d)
    assert isinstance(model.fc9, BinaryLinear)


def test_pixels_are_padded_with_nothing_and_signs_as_asked():
    specs = spec_of("vgg8", Plan(method=Method.BNN, padding=Padding.PLUS_ONE))
    assert specs["conv1"].padding is Padding.MASKED
    assert {specs[f"conv{i}"].padding for i in range(2, 7)} == {Padding.PLUS_ONE}
    assert specs["fc7"].padding is None


def test_hbnn_with_float_activations_quantizes_every_layer():
    specs = spec_of("lenet5", plan(Method.HBNN, activations=Activations.FLOAT))
    assert {type(specs[path]) for path in ("conv1", "conv2", "fc3", "fc4")} == {HbnnSpec}
    assert {specs[f"act{i}"] for i in (1, 2, 3)} == {FloatSpec()}


@pytest.mark.parametrize(
    ("method", "expected"), [(Method.HBNN, HbnnSpec), (Method.SLB, SlbSpec), (Method.FLEXOR, FlexorSpec)]
)
def test_other_methods_leave_the_ends_float(method, expected):
    """And with the output layer the activation that it reads."""
    specs = spec_of("lenet5", plan(method))
    assert [type(specs[path]) for path in ("conv1", "conv2", "fc3", "fc4")] == [
        FloatSpec, expected, expected, FloatSpec,
    ]  # fmt: skip
    zero = -1 if method is Method.HBNN else 1
    assert [specs[f"act{i}"] for i in (1, 2, 3)] == [SignSpec(zero=zero), SignSpec(zero=zero), FloatSpec()]


def test_bits_reach_the_layers():
    assert spec_of("lenet5", plan(Method.HBNN, bits=1.2))["conv2"].distribution == ((1, 0.9), (3, 0.1))
    assert spec_of("lenet5", plan(Method.SLB, bits=2))["conv2"].bits == 2
    scheme = spec_of("lenet5", plan(Method.FLEXOR, bits=0.4))["conv2"].scheme
    assert (scheme.n_in, scheme.n_out, scheme.n_taps) == (8, 20, 2)


@pytest.mark.parametrize("method", METHODS)
def test_mobilenet_quantizes_its_pointwise_convolutions_only(method):
    specs = spec_of("mobilenet", plan(method))
    quantized = {path for path, spec in specs.items() if not isinstance(spec, FloatSpec)}
    pointwise = {f"pointwise{i}" for i in range(3, 28, 2)}
    assert quantized == pointwise | {f"act{i - 1}" for i in range(3, 28, 2)}


def test_shortcuts_stay_float_unless_all_is_asked_for():
    shortcuts = [f"stages.stage{i}.block1.shortcut.conv" for i in (2, 3, 4)]
    inner, every = (
        spec_of("resnet18", plan(Method.SLB)),
        spec_of("resnet18", plan(Method.SLB, scope=Scope.ALL)),
    )
    assert {inner[path] for path in (*shortcuts, "stem.conv", "fc", "act")} == {FloatSpec()}
    assert {type(every[path]) for path in (*shortcuts, "stem.conv", "fc")} == {SlbSpec}
    assert every["act"] == SignSpec(zero=1)
    blocks = [path for path in inner if ".body." in path]
    assert len(blocks) == 32
    assert not any(isinstance(inner[path], FloatSpec) for path in blocks)


def test_heterogeneous_activations_know_their_shapes():
    options = {"scope": Scope.ALL, "activation_bits": 1.2}
    shapes = {
        kind: [
            spec.shape
            for path, spec in spec_of("lenet5", plan(Method.HBNN, activations=kind, **options)).items()
            if isinstance(spec, HbnnActivationSpec)
        ]
        for kind in (Activations.POSITION, Activations.CHANNEL)
    }
    assert shapes[Activations.POSITION] == [(4, 12, 12), (8, 4, 4), (64,)]
    assert shapes[Activations.CHANNEL] == [(4,), (8,), (64,)]
    specs = spec_of("lenet5", plan(Method.HBNN, activations=Activations.CHANNEL, **options))
    assert specs["act1"].distribution == ((1, 0.9), (3, 0.1))


def test_heterogeneous_activations_are_padded_with_nothing():
    specs = spec_of("vgg8", plan(Method.HBNN, activations=Activations.CHANNEL))
    assert {specs[f"conv{i}"].padding for i in range(2, 7)} == {Padding.MASKED}


def test_exceptions_may_be_of_another_method_and_activations_follow():
    flexor = plan(Method.FLEXOR).weights()
    specs = spec_of("lenet5", plan(Method.HBNN), {"fc3": FloatSpec(), "fc4": flexor})
    assert specs["fc3"] == FloatSpec()
    assert specs["act2"] == FloatSpec()
    assert specs["fc4"] == flexor
    assert specs["act3"] == SignSpec(zero=-1)
    assert spec_of("lenet5", plan(), {"act1": FloatSpec()})["act1"] == FloatSpec()


def test_an_exception_for_an_activation_decides_the_border_behind_it():
    specs = spec_of("vgg8", plan(), {"act1": FloatSpec()})
    assert specs["conv2"].padding is Padding.MASKED
    assert specs["conv3"].padding is Padding.MINUS_ONE


def test_an_exception_for_no_layer_is_noticed():
    network = narrow("lenet5")
    with pytest.raises(ConversionError, match="'conv9' is no module"):
        convert(network, paper_spec(network, images_for("lenet5"), plan(), {"conv9": FloatSpec()}))


def test_looking_at_a_network_changes_nothing():
    network = narrow("resnet20").train()
    network.fc.eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    paper_spec(network, images_for("resnet20"), plan())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network.training
    assert not network.fc.training
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": Method.FLOAT}, "must be one of BNN, HBNN, SLB, FLEXOR, not"),
        ({"method": Method.BNN, "bits": 2}, "a BNN must have 1 bit per weight, not 2"),
        ({"method": Method.SLB, "bits": 1.4}, "bits per weight of SLB must be a whole number, not 1.4"),
        ({"method": Method.FLEXOR, "bits": 0.33}, "times 20, must be a whole number, not 6.6"),
        ({"method": Method.FLEXOR, "bits": 1.5}, "an XOR matrix must have 1 <= n_in <= n_out, not 30, 20"),
        ({"method": Method.HBNN, "bits": 0}, "average bits must be above 0"),
    ],
)
def test_impossible_plans_are_refused(options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        Plan(padding=Padding.MINUS_ONE, **options)


# --- the page ---


def test_the_page_has_the_table(capsys):
    runpy.run_module("models.networks", run_name="__main__")
    printed = capsys.readouterr().out
    assert printed == table()
    assert printed in PAGE.read_text(encoding="utf-8")


def test_the_pages_code_runs(capsys):
    """Its blocks one after the other; the last one stores 0.4 bits for the weights of three layers."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "HbnnConv2d" in capsys.readouterr().out
    stored = {layer.name: layer.stored_bits / layer.n_weights for layer in summary(names["mixed"]).layers}
    assert stored["stages.stage3.block1.body.conv2"] == pytest.approx(0.4, abs=0.01)
    assert stored["stages.stage3.block1.body.conv1"] == pytest.approx(1.4, abs=0.01)
