"""What PyTorch users expect of any layer: state dictionaries, copies, autocast, the compiler, gradients."""

import copy
import inspect

import pytest
import torch
from torch import nn

import hbnn_hw.nn
from hbnn_hw.nn import (
    Add,
    BinaryConv1d,
    BinaryConv2d,
    BinaryLinear,
    BitPlaneInput,
    Concat,
    DeployedAffine,
    DeployedConv2d,
    DeployedLinear,
    DeployedNetwork,
    FlattenOrder,
    FlexorConv1d,
    FlexorConv2d,
    FlexorLinear,
    Granularity,
    HbnnActivation,
    HbnnConv1d,
    HbnnConv2d,
    HbnnLinear,
    Network,
    OutputScale,
    Pad,
    Padding,
    Scale,
    ShiftBatchNorm1d,
    ShiftBatchNorm2d,
    SignActivation,
    SlbConv1d,
    SlbConv2d,
    SlbLinear,
    StateBatchNorm1d,
    StateBatchNorm2d,
    StateNorm,
    StochasticSign,
    Subsample,
    ThermometerInput,
    ThresholdInput,
    UniformActivation,
    XorGradient,
    dist_from_avg,
)
from tests.tables import rows

CONV = {"padding": 1, "padding_value": Padding.MINUS_ONE}
IMAGES = (5, 4, 6, 6)
WIDE = {"padding": (2, 0, 1, 3), "padding_value": Padding.MASKED, "dilation": (2, 1)}
LINE = {"padding": (2, 1), "padding_value": Padding.PLUS_ONE, "dilation": 2}
LINES = (5, 4, 9)
FOLDS = (
    (FlattenOrder.PAPER, {}),
    (FlattenOrder.ROW_MAJOR, {}),
    (FlattenOrder.WORD, {"pe": 4, "simd": 3}),
)
LAYERS = {
    "binary_linear": (lambda: BinaryLinear(6, 8, bias=True), (5, 6)),
    "hbnn_linear": (lambda: HbnnLinear(6, 8), (5, 6)),
    "hbnn_linear_pruned": (lambda: HbnnLinear(6, 8, distribution=dist_from_avg(0.7)), (5, 6)),
    "hbnn_linear_tiles": (lambda: HbnnLinear(6, 8, granularity=Granularity.tile(2, 3)), (5, 6)),
    "binary_conv": (lambda: BinaryConv2d(4, 8, 3, bias=True, **CONV), IMAGES),
    "binary_depthwise": (lambda: BinaryConv2d(4, 8, 3, groups=4), IMAGES),
    "hbnn_conv": (lambda: HbnnConv2d(4, 8, 3, **CONV), IMAGES),
    "hbnn_grouped": (lambda: HbnnConv2d(4, 8, 3, groups=2, **CONV), IMAGES),
    "binary_dilated": (lambda: BinaryConv2d(4, 8, 3, **WIDE), IMAGES),
    "hbnn_dilated": (lambda: HbnnConv2d(4, 8, 3, **WIDE), IMAGES),
    "slb_dilated": (lambda: SlbConv2d(4, 8, 3, bits=2, **WIDE), IMAGES),
    "flexor_dilated": (lambda: FlexorConv2d(4, 8, 3, **WIDE), IMAGES),
    "binary_line": (lambda: BinaryConv1d(4, 8, 3, bias=True, **LINE), LINES),
    "hbnn_line": (lambda: HbnnConv1d(4, 8, 3, groups=2, **LINE), LINES),
    "slb_line": (lambda: SlbConv1d(4, 8, 3, bits=2, **LINE), LINES),
    "flexor_line": (lambda: FlexorConv1d(4, 8, 3, n_planes=2, **LINE), LINES),
    **{f"slb_linear_{k}": (lambda k=k: SlbLinear(6, 8, bits=k, bias=True), (5, 6)) for k in (1, 2, 4)},
    **{
        f"slb_conv_{k}": (lambda k=k: SlbConv2d(4, 8, 3, bits=k, groups=2, **CONV), IMAGES) for k in (1, 2, 4)
    },
    **{f"flexor_linear_{g.value}": (lambda g=g: FlexorLinear(6, 8, gradient=g), (5, 6)) for g in XorGradient},
    **{
        f"flexor_conv_{g.value}": (lambda g=g: FlexorConv2d(4, 8, 3, gradient=g, **CONV), IMAGES)
        for g in XorGradient
    },
    **{
        f"flexor_linear_{order.value}": (
            lambda order=order, fold=fold: FlexorLinear(6, 8, n_planes=2, bias=True, order=order, **fold),
            (5, 6),
        )
        for order, fold in FOLDS
    },
    **{
        f"flexor_conv_{order.value}": (
            lambda order=order, fold=fold: FlexorConv2d(
                4, 8, (3, 2), n_planes=2, bias=True, groups=2, order=order, **fold
            ),
            IMAGES,
        )
        for order, fold in FOLDS
    },
    "sign": (SignActivation, (5, 6)),
    "stochastic_sign": (lambda: StochasticSign(seed=1), (5, 6)),
    "hbnn_activation": (lambda: HbnnActivation((6,)), (5, 6)),
    "hbnn_activation_channels": (lambda: HbnnActivation((4,)), IMAGES),
    "shift_batchnorm1d": (lambda: ShiftBatchNorm1d(6), (5, 6)),
    "shift_batchnorm2d": (lambda: ShiftBatchNorm2d(4), IMAGES),
    "state_batchnorm1d": (lambda: StateBatchNorm1d(6), (5, 6)),
    "state_batchnorm2d": (lambda: StateBatchNorm2d(4), IMAGES),
    "shift_batchnorm1d_lines": (lambda: ShiftBatchNorm1d(4), LINES),
    "state_batchnorm1d_lines": (lambda: StateBatchNorm1d(4), LINES),
    "uniform_activation": (lambda: UniformActivation(3, step=0.2), (5, 6)),
    "uniform_activation_signed": (lambda: UniformActivation(2, signed=True, step=0.4), IMAGES),
    "uniform_activation_fixed": (lambda: UniformActivation.dorefa(2), (5, 6)),
    "output_scale": (lambda: OutputScale(0.5), (5, 6)),
    "pad": (lambda: Pad((1, 0, 2, 1), (0, 2), 0.5), IMAGES),
    "scale": (lambda: Scale(-0.5, 0.25), (5, 6)),
    "subsample": (lambda: Subsample((2, 1)), IMAGES),
    "bit_plane_input": (lambda: BitPlaneInput(4), (5, 6)),
    "threshold_input": (lambda: ThresholdInput(0.3), (5, 6)),
    "thermometer_input": (lambda: ThermometerInput(6, 3).fit_uniform(-1, 1), (5, 6)),
}
ENCODERS = {"bit_plane_input", "threshold_input", "thermometer_input"}
COMPILER = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
"""PyTorch's compiler imports what PyTorch has deprecated."""
DRAWN = {"stochastic_sign"}
"""Their generator is called from Python, in an order that the compiler need not keep."""


def made(name, seed=0):
    """A layer and an input that it accepts."""
    torch.manual_seed(seed)
    make, shape = LAYERS[name]
    layer = make()
    x = torch.randn(shape)
    if name == "bit_plane_input":
        x = torch.randint(0, 16, shape).float()
    return layer, x


@pytest.fixture(params=LAYERS)
def name(request):
    return request.param


def test_every_layer_class_is_here():
    """Whoever adds a layer adds it to these tests.

    Layers that only deployment makes do not train; networks are made of layers; joins read several values and
    have nothing of their own.
    """
    public = (getattr(hbnn_hw.nn, name) for name in hbnn_hw.nn.__all__)
    layers = {cls for cls in public if isinstance(cls, type) and issubclass(cls, nn.Module)}
    bases = {cls for cls in layers if inspect.isabstract(cls)} | {StateNorm}
    made_here = {type(make()) for make, _ in LAYERS.values()}
    deployed = {DeployedAffine, DeployedConv2d, DeployedLinear}
    assert layers - bases - made_here == deployed | {DeployedNetwork, Network, Add, Concat}


def step(layer, x):
    """Output, input gradient and parameter gradients of one training step."""
    inputs = x.clone().requires_grad_(x.is_floating_point())
    y = layer(inputs)
    if y.requires_grad:
        (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum().backward()
    gradients = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    return [y.detach(), inputs.grad, *gradients]


def assert_alike(first, second, **tolerance):
    for a, b in zip(first, second, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, **tolerance)


def test_the_state_travels_to_another_layer(name):
    layer, x = made(name)
    layer(x)
    other, _ = made(name, seed=1)
    assert other.load_state_dict(layer.state_dict()).missing_keys == []
    assert_alike(step(layer.eval(), x), step(other.eval(), x), rtol=0, atol=0)


def test_a_copy_goes_on_alike_and_apart(name):
    layer, x = made(name)
    layer(x)
    twin = copy.deepcopy(layer)
    assert str(twin) == str(layer)
    assert_alike(step(layer, x), step(twin, x), rtol=0, atol=0)
    mine = {t.data_ptr() for t in (*layer.parameters(), *layer.buffers())}
    assert not mine & {t.data_ptr() for t in (*twin.parameters(), *twin.buffers())}


@pytest.mark.parametrize("training", [True, False])
def test_autocast_trains_in_half_precision(name, training):
    layer, x = made(name)
    layer.train(training)
    if isinstance(layer, HbnnActivation):
        layer.train()(x)
        layer.train(training)
    half = x if name in ENCODERS else x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        y, *gradients = step(layer, half)
    assert bool(torch.isfinite(y).all())
    assert all(parameter.dtype is torch.float32 for parameter in layer.parameters())
    assert all(bool(torch.isfinite(g).all()) for g in gradients if g is not None)
    if name not in ENCODERS:
        assert gradients[0] is not None
    if isinstance(layer, nn.Module) and hasattr(layer, "quantized_weight"):
        assert y.dtype is torch.bfloat16


@COMPILER
@pytest.mark.parametrize("training", rows([True, False], usual=lambda training: training))
def test_the_compiled_layer_computes_and_learns_the_same(name, training):
    """The whole tracer and its own differentiation, without the code generator, which takes long."""
    layer, x = made(name)
    layer(x)
    layer.train(training and name not in DRAWN)
    twin = copy.deepcopy(layer)
    torch._dynamo.reset()
    assert_alike(step(layer, x), step(torch.compile(twin, backend="aot_eager"), x), atol=1e-5, rtol=1e-5)


@COMPILER
@pytest.mark.slow
@pytest.mark.table
@pytest.mark.parametrize(
    ("linear", "conv"),
    [
        (BinaryLinear, BinaryConv2d),
        (HbnnLinear, HbnnConv2d),
        (SlbLinear, SlbConv2d),
        (FlexorLinear, FlexorConv2d),
    ],
)
def test_a_network_compiles_to_machine_code(linear, conv):
    torch.manual_seed(0)
    model = nn.Sequential(
        conv(1, 4, 3, padding=1, padding_value=Padding.MASKED),
        nn.BatchNorm2d(4),
        SignActivation(),
        nn.Flatten(),
        linear(4 * 36, 8),
        ShiftBatchNorm1d(8),
        SignActivation(),
        linear(8, 3),
        OutputScale(0.5),
    )
    x = torch.randn(16, 1, 6, 6)
    twin = copy.deepcopy(model)
    torch._dynamo.reset()
    assert_alike(step(model, x), step(torch.compile(twin), x), atol=1e-4, rtol=1e-4)
    assert_alike(step(model.eval(), x), step(torch.compile(twin.eval()), x), atol=1e-4, rtol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_every_layer_works_on_a_gpu(name):
    layer, x = made(name)
    layer(x)
    twin = copy.deepcopy(layer).cuda()
    if name in DRAWN:
        layer.eval()
        twin.eval()
    found = [None if t is None else t.cpu() for t in step(twin, x.cuda())]
    assert_alike(step(layer, x), found, atol=1e-3, rtol=1e-3)
