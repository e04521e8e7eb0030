"""The deployed twin: exact integer arithmetic, constants rounded once, clear refusals."""

from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import CaptureError, RangeError, ShapeError
from hbnn_hw.nn import (
    BinaryLinear,
    BitPlaneInput,
    DeployedAffine,
    DeployedLinear,
    HbnnLinear,
    Method,
    Output,
    OutputScale,
    SignActivation,
    deploy,
    mlp,
)
from hbnn_hw.scales import ScaleForm

METHODS = (Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR)


def scrambled(model, seed=0):
    """Give every parameter and statistic a random value: negative slopes, shifted means, odd scales."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, BinaryLinear | HbnnLinear):
                module.weight.uniform_(-1, 1, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(generator=generator)
            if isinstance(module, HbnnLinear):
                module.refresh_bit_map()
            if isinstance(module, nn.BatchNorm1d):
                module.weight.normal_(generator=generator)
                module.bias.normal_(generator=generator)
                module.running_mean.normal_(generator=generator)
                module.running_var.uniform_(0.1, 3, generator=generator)
    return model.eval()


def sequential(*modules, **named):
    return nn.Sequential(OrderedDict({str(i): m for i, m in enumerate(modules)} | named))


def integer_reference(twin, codes):
    """The twin in plain integers and fractions: no float is rounded anywhere before the last affine."""
    values = codes.astype(object)
    for layer in twin:
        if isinstance(layer, BitPlaneInput):
            values = 2 * values - ((1 << layer.bits) - 1)
        elif isinstance(layer, DeployedLinear):
            signs = layer.mask.numpy().astype(object) * (2 * layer.bits.numpy().astype(object) - 1)
            weights = sum(c * s for c, s in zip(layer.coefficients, signs, strict=True))
            values = values @ weights.T
        elif isinstance(layer, DeployedAffine):
            alpha, beta = ([Fraction(float(v)) for v in buffer] for buffer in (layer.alpha, layer.beta))
            values = values * np.array(alpha, object) + np.array(beta, object)
        else:
            assert isinstance(layer, SignActivation)
            positive = values >= 0 if layer.zero == 1 else values > 0
            values = np.where(positive, 1, -1).astype(object)
    return values


def adversarial_codes(twin, bits, features):
    """Inputs that drive the first accumulators to both extremes, and the corner codes."""
    top = (1 << bits) - 1
    weights = next(layer for layer in twin if isinstance(layer, DeployedLinear)).weight.numpy()
    rows = [np.where(weights > 0, top, 0), np.where(weights > 0, 0, top)]
    return np.concatenate([*rows, np.zeros((1, features)), np.full((1, features), top)]).astype(np.int64)


def assert_exact(model, bits, features, seed):
    twin = deploy(model)
    rng = np.random.default_rng(seed)
    codes = np.concatenate(
        [rng.integers(0, 1 << bits, size=(20, features)), adversarial_codes(twin, bits, features)]
    )
    found = twin(torch.from_numpy(codes))
    expected = integer_reference(twin, codes)
    # One rounding of the exact logit to float64 on either side.
    assert found.dtype is torch.float64
    assert np.array_equal(found.numpy(), np.array(expected, dtype=np.float64))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(METHODS),
    st.sampled_from(list(Output)),
    st.integers(1, 8),
    st.lists(st.integers(1, 40), min_size=2, max_size=4),
    st.integers(0, 2**31),
)
def test_the_twin_is_exact_integer_arithmetic(method, output, bits, widths, seed):
    assert_exact(scrambled(mlp(method, bits, widths, output=output), seed), bits, widths[0], seed)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_of_real_size_is_exact(method):
    assert_exact(scrambled(mlp(method, 8, (784, 64, 10))), 8, 784, 0)


@pytest.mark.parametrize("zero", [1, -1])
def test_accumulators_that_meet_the_threshold_take_the_layers_own_sign_of_zero(zero):
    linear = BinaryLinear(2, 1)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -1.0]]))
    model = sequential(BitPlaneInput(3), linear, nn.BatchNorm1d(1), SignActivation(zero), BinaryLinear(1, 1))
    twin = deploy(model.eval())
    hidden = twin[:4](torch.tensor([[5, 5], [6, 5], [5, 6]]))
    assert hidden.flatten().tolist() == [zero, 1, -1]


def test_child_names_classes_and_buffers_are_the_contract():
    layers = dict(mlp(Method.HBNN, 8, (20, 16, 10)).named_children())
    fc2, scale = layers.pop("fc2"), layers.pop("scale")
    model = sequential(**layers, drop=nn.Dropout(0.5), fc2=fc2, scale=scale)
    twin = deploy(scrambled(model))
    assert [(name, type(child)) for name, child in twin.named_children()] == [
        ("input", BitPlaneInput),
        ("fc1", DeployedLinear),
        ("norm1", DeployedAffine),
        ("act1", SignActivation),
        ("fc2", DeployedLinear),
        ("scale", DeployedAffine),
    ]
    assert not twin.training
    assert not list(twin.parameters())
    first = twin[1]
    assert (first.bits.dtype, first.mask.dtype, first.bits.shape) == (torch.uint8, torch.uint8, (3, 16, 20))
    assert not (first.bits & ~first.mask & 1).any()
    assert len(first.coefficients) == 3
    assert all(type(c) is int for c in first.coefficients)
    assert (twin[2].alpha.dtype, twin[2].beta.dtype) == (torch.float32, torch.float32)


def test_constants_are_the_formula_rounded_once():
    """One neuron: r = gamma / sqrt(var + eps), alpha = r · s · 2^-bits, beta = bias + (b - mean) · r."""
    linear, norm = BinaryLinear(2, 1, bias=True), nn.BatchNorm1d(1, eps=0.0)
    with torch.no_grad():
        linear.bias.fill_(0.5)
        norm.weight.fill_(3.0)
        norm.bias.fill_(0.25)
        norm.running_mean.fill_(2.5)
        norm.running_var.fill_(4.0)
    twin = deploy(sequential(BitPlaneInput(8), linear, norm).eval())
    assert twin[2].alpha.tolist() == [1.5 / 256]
    assert twin[2].beta.tolist() == [0.25 + (0.5 - 2.5) * 1.5]


def test_a_norm_without_parameters_is_folded():
    model = sequential(BitPlaneInput(1), BinaryLinear(1, 1), nn.BatchNorm1d(1, affine=False, eps=0.0)).eval()
    assert deploy(model)[2].alpha.tolist() == [0.5]


def test_a_binary_network_deploys_without_any_change():
    """A binary layer has scale 1 exactly, so the twin differs from PyTorch by float32 rounding only."""
    model = scrambled(mlp(Method.BNN, 5, (30, 20, 10), output=Output.BATCHNORM))
    codes = torch.randint(0, 32, (200, 30), generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(
        deploy(model)(codes).numpy(), model(codes).detach().numpy(), rtol=1e-4, atol=1e-4
    )


def test_an_unfrozen_and_a_frozen_network_deploy_alike():
    model = scrambled(mlp(Method.HBNN, 5, (30, 20, 10)))
    before = deploy(model).state_dict()
    for module in model:
        if isinstance(module, HbnnLinear):
            module.freeze()
    after = deploy(model).state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_scales_may_be_powers_of_two():
    model = mlp(Method.HBNN, 5, (30, 20, 10))
    twin = deploy(model, scale_form=ScaleForm.POWERS_OF_TWO)
    layers = [layer for layer in twin if isinstance(layer, DeployedLinear)]
    assert all(c & (c - 1) == 0 for layer in layers for c in layer.coefficients)
    assert all(len(layer.coefficients) == 3 for layer in layers)


def test_the_scale_error_bounds_the_scales():
    model = scrambled(mlp(Method.HBNN, 5, (300, 10)))
    real = model.fc1.planes().mu.double()
    for bound in (0.2, 0.04, 0.001):
        twin = deploy(model, scale_error=bound)
        s = twin.scale.alpha[0].double() * 32 / model.scale.log_scale.detach().double().exp()
        ratios = s * torch.tensor(twin.fc1.coefficients, dtype=torch.float64) / real
        assert float((ratios - 1).abs().max()) <= bound + 1e-6


def test_planes_that_no_weight_has_are_dropped():
    model = sequential(BitPlaneInput(2), HbnnLinear(2, 1, distribution=((1, 0.9), (3, 0.1)))).eval()
    assert deploy(model)[1].coefficients == (1,)


def test_a_linear_layer_without_a_norm_gets_an_affine_of_its_own():
    first, second = BinaryLinear(3, 2, bias=True), BinaryLinear(2, 2)
    model = scrambled(sequential(input=BitPlaneInput(4), a=first, s=SignActivation(), b=second))
    twin = deploy(model)
    assert [name for name, _ in twin.named_children()] == ["input", "a", "a_affine", "s", "b", "b_affine"]
    codes = torch.randint(0, 16, (50, 3), generator=torch.Generator().manual_seed(2))
    np.testing.assert_allclose(twin(codes).numpy(), model(codes).detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("names", [("a_affine", "a"), ("a", "a_affine")])
def test_that_affine_does_not_take_a_name_in_use(names):
    first, second = names
    layers = {first: BinaryLinear(3, 2), f"s{first}": SignActivation(), second: BinaryLinear(2, 2)}
    twin = deploy(sequential(input=BitPlaneInput(4), **layers).eval())
    added = [name for name, layer in twin.named_children() if isinstance(layer, DeployedAffine)]
    assert (
        added
        == {"a": ["a_affine_2", "a_affine_affine"], "a_affine": ["a_affine_affine", "a_affine_2"]}[first]
    )


def test_deploying_leaves_the_network_alone():
    model = mlp(Method.HBNN, 5, (30, 20, 10)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    deploy(model)
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_all_unsupported_modules_are_named_at_once():
    model = sequential(
        input=BitPlaneInput(4), conv=nn.Conv1d(1, 1, 1), fc=BinaryLinear(3, 2), drop=nn.LSTM(2, 2)
    )
    with pytest.raises(CaptureError) as caught:
        deploy(model)
    text = str(caught.value)
    assert "'conv' (Conv1d), 'drop' (LSTM)" in text
    supported = text.partition("supported are ")[2].split(", ")
    assert {"BitPlaneInput", "QuantizedLinear", "BatchNorm1d", "OutputScale", "SignActivation"} <= {
        *supported
    }
    assert "compute in float and are not deployable" in text


def test_a_float_network_is_refused_with_the_way_out():
    with pytest.raises(
        CaptureError, match=r"'fc1' \(Linear\).*not deployable: train with BinaryLinear or HbnnLinear"
    ):
        deploy(mlp(Method.FLOAT, 5, (8, 4, 2)))


def test_a_subclass_that_may_compute_something_else_is_refused():
    class Shifted(SignActivation):
        def forward(self, x):
            return super().forward(x - 1)

    with pytest.raises(CaptureError, match=r"'s' \(Shifted\)"):
        deploy(sequential(input=BitPlaneInput(4), a=BinaryLinear(3, 2), s=Shifted()))


def test_a_model_that_is_not_a_sequence_is_refused():
    with pytest.raises(
        CaptureError,
        match=r"must be an nn\.Sequential of supported layers or a traced Network, not BinaryLinear",
    ):
        deploy(BinaryLinear(2, 2))


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        (
            (BinaryLinear(2, 2),),
            r"'0' \(BinaryLinear\) must read integers; begin the network with BitPlaneInput",
        ),
        ((BitPlaneInput(2), BitPlaneInput(2)), r"'1' \(BitPlaneInput\) must be the first layer"),
        (
            (BitPlaneInput(2), BinaryLinear(2, 2), BinaryLinear(2, 2)),
            "must read ±1; put a SignActivation before it",
        ),
        ((BitPlaneInput(2), nn.BatchNorm1d(2)), r"'1' \(BatchNorm1d\) must follow a layer with weights"),
        ((BitPlaneInput(2), OutputScale()), r"'1' \(OutputScale\) must follow a layer with weights"),
        ((SignActivation(),), r"'0' \(SignActivation\) must follow a linear layer or its norm"),
        ((BitPlaneInput(2), SignActivation()), "must end with a linear layer"),
        ((BitPlaneInput(2),), "must end with a linear layer, OutputScale or BatchNorm1d"),
        ((BitPlaneInput(2), BinaryLinear(2, 2), SignActivation()), "must end with a linear layer"),
        ((), "must end with a linear layer"),
    ],
)
def test_layers_in_the_wrong_place_are_refused(modules, complaint):
    with pytest.raises(CaptureError, match=complaint):
        deploy(sequential(*modules))


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"'3' \(BinaryLinear\) must have 4 inputs, not 5"):
        deploy(sequential(BitPlaneInput(2), BinaryLinear(2, 4), SignActivation(), BinaryLinear(5, 2)))
    with pytest.raises(ShapeError, match=r"'2' \(BatchNorm1d\) must have 4 features, not 3"):
        deploy(sequential(BitPlaneInput(2), BinaryLinear(2, 4), nn.BatchNorm1d(3)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["fc1.weight", "norm1.running_mean", "norm1.weight", "scale.log_scale"])
def test_values_that_are_not_finite_are_named(key, value):
    model = mlp(Method.BNN, 5, (8, 4, 2))
    with torch.no_grad():
        model.state_dict()[key].view(-1)[0] = value
    layer, parameter = key.split(".")
    with pytest.raises(CaptureError, match=rf"{parameter} of '{layer}' .* must be finite"):
        deploy(model)


def test_statistics_that_cannot_be_are_refused():
    model = mlp(Method.BNN, 5, (8, 4, 2))
    model.norm1.running_var.fill_(-1.0)
    with pytest.raises(CaptureError, match=r"running_var \+ eps of 'norm1' .* must be positive"):
        deploy(model)
    model.norm1 = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(CaptureError, match=r"'norm1' .* must track running statistics"):
        deploy(model)


def test_a_scale_that_float32_cannot_hold_is_refused():
    model = mlp(Method.BNN, 5, (8, 4, 2))
    with torch.no_grad():
        model.scale.log_scale.fill_(200.0)
    with pytest.raises(CaptureError, match="the affine of module 'scale' must fit float32"):
        deploy(model)


def test_a_layer_without_information_is_refused():
    model = mlp(Method.HBNN, 5, (8, 4, 2))
    with torch.no_grad():
        model.fc1.weight.zero_()
    with pytest.raises(CaptureError, match=r"'fc1' .* plane scales must be finite and positive"):
        deploy(model)
    model.fc1.bit_map.zero_()
    with pytest.raises(CaptureError, match=r"'fc1' .* at least one weight with a bit"):
        deploy(model)


@pytest.mark.parametrize("features", [256, 257, 8192])
def test_accumulators_are_exact_on_either_side_of_float32(features):
    """2^24 / (2^16 - 1) is just above 256: from 257 inputs on, sums need float64."""
    linear = BinaryLinear(features, 1)
    nn.init.ones_(linear.weight)
    twin = deploy(sequential(BitPlaneInput(16), linear))
    assert twin[1].wide == (features > 256)
    values = dict(twin.trace(torch.full((1, features), 65535)))
    assert values["1"].item() == 65535 * features


def test_accumulators_beyond_the_exact_range_are_refused():
    """2^29 / (2^16 - 1) is just above 8192."""
    with pytest.raises(
        RangeError, match=r"layer '1' must stay below 536870912 \(2\^29\).*can reach 536928255"
    ):
        deploy(sequential(BitPlaneInput(16), BinaryLinear(8193, 1)))
