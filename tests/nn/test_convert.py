"""Float networks become quantized ones layer by layer, with every problem told at once."""

import copy

import pytest
import torch
from torch import nn

from hbnn_hw.errors import ConversionError
from hbnn_hw.nn import (
    BinaryConv1d,
    BinaryConv2d,
    BinaryLinear,
    BnnSpec,
    ConvertSpec,
    FlattenOrder,
    FlexorConv1d,
    FlexorConv2d,
    FlexorLinear,
    FlexorSpec,
    FloatSpec,
    Granularity,
    HbnnActivation,
    HbnnActivationSpec,
    HbnnConv1d,
    HbnnConv2d,
    HbnnLinear,
    HbnnSpec,
    Padding,
    SignActivation,
    SignSpec,
    SlbConv1d,
    SlbConv2d,
    SlbLinear,
    SlbSpec,
    StochasticSign,
    UniformActivation,
    UniformSpec,
    XorScheme,
    convert,
    dist_from_avg,
    generate_bit_map,
)


class Block(nn.Module):
    """A residual block: not a Sequential, and with a path through it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.act = nn.ReLU()

    def forward(self, x):
        return x + self.act(self.conv(x))


def network():
    torch.manual_seed(0)
    head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 36, 16), nn.Hardtanh(), nn.Linear(16, 3, bias=False))
    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=(1, 1)), nn.BatchNorm2d(4), Block(), head)


X = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_every_layer_gets_its_own_method():
    model = network().eval()
    before = copy.deepcopy(model.state_dict())
    spec = ConvertSpec(
        weights=HbnnSpec(
            distribution=dist_from_avg(1.2), granularity=Granularity.tile(2, 4), padding=Padding.MASKED
        ),
        activation=SignSpec(zero=-1),
        layers={
            "0": FloatSpec(),
            "2.act": HbnnActivationSpec(shape=(4,)),
            "3.1": SlbSpec(bits=2),
            "3.3": BnnSpec(),
        },
    )
    new = convert(model, spec)
    assert type(new[0]) is nn.Conv2d
    assert type(new[2].conv) is HbnnConv2d
    assert (new[2].conv.groups, new[2].conv.padding_value) == (2, Padding.MASKED)
    assert type(new[2].act) is HbnnActivation
    assert (type(new[3][1]), new[3][1].bits) == (SlbLinear, 2)
    assert (type(new[3][2]), new[3][2].zero) == (SignActivation, -1)
    assert type(new[3][3]) is BinaryLinear
    assert new(X).shape == (2, 3)
    assert not any(module.training for module in new.modules())
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not {id(p) for p in model.parameters()} & {id(p) for p in new.parameters()}


def test_weights_and_biases_are_carried_over():
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(3, 4))
    with torch.no_grad():
        model[0].weight.mul_(5)
    for spec, kinds in ((BnnSpec(), (BinaryConv2d, BinaryLinear)), (HbnnSpec(), (HbnnConv2d, HbnnLinear))):
        new = convert(model, ConvertSpec(weights=spec))
        assert (type(new[0]), type(new[2])) == kinds
        for source, layer in ((model[0], new[0]), (model[2], new[2])):
            assert torch.equal(layer.weight, source.weight.clamp(-1, 1))
            assert torch.equal(layer.bias, source.bias)
            if isinstance(spec, HbnnSpec):
                assert torch.equal(layer.bit_map, generate_bit_map(layer.weight, spec.distribution))
    biased = convert(nn.Linear(20, 4), ConvertSpec(weights=FlexorSpec(n_planes=2)))
    assert isinstance(biased, FlexorLinear)
    assert biased.n_planes == 2


def test_searched_and_decoded_convolutions_keep_shape_and_bias():
    source = nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2)
    searched = convert(source, ConvertSpec(weights=SlbSpec(bits=2, padding=Padding.MASKED)))
    scheme = XorScheme(n_in=4, n_out=7, n_taps=3, seed=5)
    decoded = convert(
        source,
        ConvertSpec(
            weights=FlexorSpec(
                n_planes=2, scheme=scheme, order=FlattenOrder.WORD, pe=3, simd=4, padding=Padding.PLUS_ONE
            )
        ),
    )
    assert (type(searched), searched.bits, searched.padding_value) == (SlbConv2d, 2, Padding.MASKED)
    assert (type(decoded), decoded.n_planes, decoded.scheme) == (FlexorConv2d, 2, scheme)
    assert (decoded.layout.pe, decoded.layout.simd, decoded.padding_value) == (3, 4, Padding.PLUS_ONE)
    x = torch.randn(2, 4, 7, 6)
    for layer in (searched, decoded):
        assert torch.equal(layer.bias, source.bias)
        assert (layer.groups, layer.stride, layer.padding) == (2, (2, 2), (1, 0))
        assert layer(x).shape == source(x).shape


def test_without_instructions_nothing_changes():
    model = network()
    new = convert(model, ConvertSpec())
    assert str(new) == str(model)
    assert torch.equal(new(X), model(X))


def test_stochastic_activations_and_single_layers():
    new = convert(nn.Sequential(nn.ReLU()), ConvertSpec(activation=SignSpec(seed=3)))
    assert (type(new[0]), new[0].seed) == (StochasticSign, 3)
    # Layers of one specification draw numbers of their own, a layer that occurs twice once.
    shared = nn.ReLU()
    several = nn.Sequential(shared, nn.ReLU(), shared, nn.Tanh(), nn.ReLU())
    new = convert(several, ConvertSpec(activation=SignSpec(seed=3), layers={"3": SignSpec(seed=8)}))
    assert [layer.seed for layer in new] == [3, 4, 3, 8, 5]
    assert type(convert(nn.Linear(3, 2), ConvertSpec(weights=BnnSpec()))) is BinaryLinear


def test_a_layer_that_occurs_twice_stays_one():
    shared = nn.Linear(4, 4)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)})
    new = convert(model, ConvertSpec(weights=BnnSpec()))
    assert new["a"] is new["b"][0]
    with pytest.raises(ConversionError, match=r"'b\.0' \(Linear\): occurs twice with different"):
        convert(model, ConvertSpec(weights=BnnSpec(), layers={"a": HbnnSpec()}))


def test_all_problems_are_listed_at_once():
    model = nn.ModuleDict(
        {
            "padded": nn.Conv2d(1, 1, 3, padding=1),
            "same": nn.Conv1d(1, 1, 3, padding="same"),
            "circular": nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular"),
            "volume": nn.Conv3d(1, 1, 3),
            "norm": nn.BatchNorm1d(3),
            "searched": nn.Conv2d(1, 1, 3, padding=1),
            "folded": nn.Conv2d(3, 6, 3),
            "bits": nn.Linear(2, 2),
            "attention": nn.MultiheadAttention(4, 2),
        }
    )
    layers = {"nowhere": BnnSpec(), "norm": SignSpec(), "searched": SlbSpec(), "bits": SlbSpec(bits=9)}
    layers["folded"] = FlexorSpec(order=FlattenOrder.WORD, pe=2, simd=5)
    with pytest.raises(ConversionError) as caught:
        convert(model, ConvertSpec(weights=BnnSpec(), layers=layers))
    text = str(caught.value)
    for part in (
        "'nowhere' is no module of the network",
        "'padded' (Conv2d): has padding, so its specification must say with what",
        "'same' (Conv1d): has padding, so its specification must say with what",
        "'circular' (Conv1d): padding_mode must be 'zeros', not 'circular'",
        "'volume' (Conv3d): must be an nn.Linear, nn.Conv1d or nn.Conv2d; name it with FloatSpec() to keep",
        "'norm' (BatchNorm1d): only ReLU, ReLU6, Hardtanh, Tanh can become a quantized activation",
        "'searched' (Conv2d): has padding, so its specification must say with what",
        "'folded' (Conv2d): PE must divide 6 rows and SIMD 27 columns, not 2, 5",
        "'bits' (Linear): SLB weights must have 1..",
        "'attention' (MultiheadAttention): must be",
        "'attention.out_proj'",
    ):
        assert part in text
    assert text.count(";") >= 9


def test_a_named_module_covers_what_is_inside():
    model = nn.ModuleDict({"attention": nn.MultiheadAttention(4, 2), "fc": nn.Linear(4, 2)})
    new = convert(model, ConvertSpec(weights=BnnSpec(), layers={"attention": FloatSpec()}))
    assert type(new["attention"]) is nn.MultiheadAttention
    assert type(new["fc"]) is BinaryLinear


MASKED = {
    BnnSpec(padding=Padding.MASKED): (BinaryConv1d, BinaryConv2d),
    HbnnSpec(padding=Padding.MASKED): (HbnnConv1d, HbnnConv2d),
    SlbSpec(padding=Padding.MASKED): (SlbConv1d, SlbConv2d),
    FlexorSpec(padding=Padding.MASKED): (FlexorConv1d, FlexorConv2d),
}
"""Specification to the classes of its convolutions."""


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("spec", MASKED, ids=lambda spec: type(spec).__name__)
@pytest.mark.parametrize("padding", [0, 2, "valid", "same"])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_convolutions_of_either_dimension_keep_their_windows(spec, padding, kernel):
    """With the float weights put back, the quantized layer's window computes what the source computes."""
    options = {"padding": padding, "dilation": 3, "groups": 2}
    line, image = nn.Conv1d(4, 6, kernel, **options), nn.Conv2d(4, 6, (kernel, 2), **options)
    for source, cls, sizes in zip((line, image), MASKED[spec], ((11,), (11, 9)), strict=True):
        layer = convert(source, ConvertSpec(weights=spec))
        assert type(layer) is cls
        x = torch.randn(2, 4, *sizes)
        layer.quantized_weight = lambda source=source: source.weight
        torch.testing.assert_close(layer(x), source(x))


def test_what_has_no_weights_stays_with_its_settings():
    """Asymmetric padding and windows of two numbers in modules of their own."""
    model = nn.Sequential(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(1, 2, 3), nn.MaxPool2d((2, 1), (1, 2)))
    new = convert(model, ConvertSpec(weights=BnnSpec()))
    assert (str(new[0]), str(new[2])) == (str(model[0]), str(model[2]))
    assert new(X).shape == model(X).shape


def test_activations_become_uniform():
    model = nn.Sequential(nn.ReLU(), nn.Hardtanh(), nn.Tanh())
    dorefa = UniformSpec(bits=2, step=1 / 3, learn_step=False)
    layers = {"1": UniformSpec(bits=3, signed=True, narrow=True, step=0.25), "2": dorefa}
    new = convert(model, ConvertSpec(activation=UniformSpec(bits=4), layers=layers))
    assert [type(layer) for layer in new] == [UniformActivation] * 3
    assert [(layer.low, layer.high, layer.alpha.item()) for layer in new] == [
        (0, 15, 10.0), (-3, 3, 0.75), (0, 3, 1.0),
    ]  # fmt: skip
    assert [layer.learn_step for layer in new] == [True, True, False]
    with pytest.raises(ConversionError, match=r"only ReLU, ReLU6, Hardtanh, Tanh can become"):
        convert(nn.GELU(), ConvertSpec(layers={"": UniformSpec(bits=2)}))
    with pytest.raises(ConversionError, match=r"'' \(ReLU\): signed codes must have 2\.\.8 bits, not 1"):
        convert(nn.ReLU(), ConvertSpec(activation=UniformSpec(bits=1, signed=True)))
