"""SLB: soft weights against the published softmax, hard planes exact, states, norms, deployment."""

import copy
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture import capture
from hbnn_hw.nn import (
    BitPlaneInput,
    Method,
    Norm,
    SignActivation,
    SlbLinear,
    StateBatchNorm1d,
    StateBatchNorm2d,
    WeightState,
    deploy,
    hard_state,
    load,
    mlp,
    recalibrate,
    save,
    value_set,
)
from hbnn_hw.nn.slb import soft_weight
from hbnn_hw.passes import lower

BITS = (1, 2, 3, 4)


def published(logits, inverse, bits):
    """Softmax over the last axis of all 2^k logits, and the expectation: the authors' code."""
    values = torch.tensor(value_set(bits), dtype=logits.dtype)
    return (torch.softmax(logits * inverse, dim=-1) * values).sum(-1)


def layer_of(bits, seed=0, shape=(7, 5)):
    torch.manual_seed(seed)
    return SlbLinear(*shape, bits=bits)


def test_the_value_set_runs_from_minus_one_to_one_in_equal_steps():
    assert value_set(1) == (-1.0, 1.0)
    assert value_set(2) == (-1.0, -1 / 3, 1 / 3, 1.0)
    np.testing.assert_allclose(value_set(4), np.linspace(-1, 1, 16), atol=1e-15)


@pytest.mark.parametrize("bits", BITS)
@given(inverse=st.floats(0.1, 50.0), seed=st.integers(0, 2**31))
def test_soft_weights_and_gradients_are_those_of_the_published_softmax(bits, inverse, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(1 << bits, 4, 3, generator=generator, dtype=torch.float64)
    weights = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    scale = torch.tensor(inverse, dtype=torch.float64)
    reference = logits.movedim(0, -1).clone().requires_grad_()
    expected = published(reference, scale, bits)
    (expected * weights).sum().backward()

    own = (logits[1:] - logits[:1]) / 2 if bits == 1 else logits
    own.requires_grad_()
    found = soft_weight(own, scale, bits)
    (found * weights).sum().backward()
    torch.testing.assert_close(found, expected)
    slope = reference.grad.movedim(-1, 0)
    # Half the difference of the logits: dL/dh = dL/dA_1 - dL/dA_0.
    torch.testing.assert_close(own.grad, slope[1:] - slope[:1] if bits == 1 else slope)


@pytest.mark.parametrize("bits", BITS)
def test_the_gradient_is_numerically_right(bits):
    torch.manual_seed(1)
    logits = torch.randn(1 if bits == 1 else 1 << bits, 3, 2, dtype=torch.float64, requires_grad=True)
    inverse = torch.tensor(1.7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda a: soft_weight(a, inverse, bits), (logits,))


def test_large_inverse_temperatures_do_not_overflow():
    logits = torch.tensor([-3.0, 1.0, 0.5, 2.0]).view(4, 1, 1).requires_grad_()
    weight = soft_weight(logits, torch.tensor(1e6), 2)
    weight.sum().backward()
    assert weight.item() == 1.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_one_plane_of_half_differences_learns_as_two_logits_under_adam():
    torch.manual_seed(2)
    pair = torch.randn(6, 2, dtype=torch.float64)
    half = ((pair[:, 1] - pair[:, 0]) / 2).view(1, 6, 1).clone().requires_grad_()
    pair.requires_grad_()
    target = torch.linspace(-1, 1, 6, dtype=torch.float64)
    inverse = torch.tensor(2.0, dtype=torch.float64)
    ours, theirs = (torch.optim.Adam([p], lr=0.01, eps=0.0) for p in (half, pair))
    for _ in range(25):
        for optimizer, weight in (
            (ours, lambda: soft_weight(half, inverse, 1).flatten()),
            (theirs, lambda: published(pair, inverse, 1)),
        ):
            optimizer.zero_grad()
            (weight() - target).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(half.flatten(), (pair[:, 1] - pair[:, 0]) / 2)


@pytest.mark.parametrize("bits", BITS)
def test_planes_with_powers_of_two_are_exactly_the_chosen_values(bits):
    layer = layer_of(bits, shape=(40, 30))
    planes, top = layer.planes(), (1 << bits) - 1
    assert planes.signs.shape == (bits, 30, 40)
    assert set(planes.signs.unique().tolist()) == {-1.0, 1.0}
    # In integers: sum_j 2^j s_j = 2c - (2^k - 1), and the scales are 2^j times one float.
    whole = sum(2**j * sign for j, sign in enumerate(planes.signs.long()))
    assert torch.equal(whole, 2 * layer.choice() - top)
    assert [float(mu) for mu in planes.mu] == [2**j * float(torch.tensor(1.0) / top) for j in range(bits)]
    values = torch.tensor(value_set(bits))
    torch.testing.assert_close(planes.values(), values[layer.choice()], rtol=0, atol=2e-7)


@pytest.mark.parametrize("bits", BITS)
def test_the_hard_choice_is_the_arg_max(bits):
    layer = layer_of(bits, shape=(40, 30))
    full = torch.cat([-layer.logits, layer.logits]) if bits == 1 else layer.logits
    assert torch.equal(layer.choice(), full.argmax(0))


@pytest.mark.parametrize("bits", BITS)
def test_equal_logits_choose_the_lowest_value(bits):
    layer = layer_of(bits)
    nn.init.zeros_(layer.logits)
    assert torch.equal(layer.planes().values(), torch.full((5, 7), -1.0))


def test_soft_weights_become_the_hard_ones_as_the_temperature_falls():
    for bits in BITS:
        layer = layer_of(bits, shape=(40, 30))
        hard = layer.eval().quantized_weight()
        layer.train().set_temperature(1e8)
        torch.testing.assert_close(layer.quantized_weight(), hard, rtol=0, atol=1e-4)


def test_evaluation_the_hard_state_and_hardening_use_hard_weights():
    layer = layer_of(2)
    hard = layer.planes().values()
    assert torch.equal(layer.eval().quantized_weight(), hard)
    assert not torch.equal(layer.train().quantized_weight(), hard)
    with hard_state(nn.Sequential(layer)):
        assert torch.equal(layer.quantized_weight(), hard)
    assert layer.state is WeightState.SOFT
    layer.harden()
    assert torch.equal(layer.quantized_weight(), hard)
    assert not layer.quantized_weight().requires_grad


def test_the_states_are_restored_after_an_error():
    model = nn.Sequential(layer_of(1), StateBatchNorm1d(5))

    def fail():
        with hard_state(model):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.state for module in model] == [WeightState.SOFT] * 2


def test_initial_logits_are_he_normal_by_fan_out():
    torch.manual_seed(0)
    assert float(SlbLinear(900, 200, bits=2).logits.detach().std()) == pytest.approx(0.1, rel=0.01)
    # The difference of two independent such logits has standard deviation sqrt(2) 0.1; h is half of it.
    assert float(SlbLinear(900, 200).logits.detach().std()) == pytest.approx(0.1 / 2**0.5, rel=0.01)


@pytest.mark.parametrize("bits", [0, 9])
def test_bitwidths_that_cannot_be_are_refused(bits):
    with pytest.raises(ValueError, match=r"SLB weights must have 1\.\.8 bits"):
        SlbLinear(2, 2, bits=bits)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_temperatures_that_cannot_be_are_refused(value):
    with pytest.raises(ValueError, match="an inverse temperature must be finite and positive"):
        SlbLinear(2, 2).set_temperature(value)


class Elements(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the largest tensor that any operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in self.known:
                self.largest = max(self.largest, tensor.numel())
        return result


def test_the_forward_pass_never_holds_all_probabilities():
    """No operation makes a tensor larger than the weights; two of their size are kept for the gradient."""
    layer = layer_of(4, shape=(30, 20))
    with Elements() as watch:
        watch.known = {layer.logits.untyped_storage().data_ptr()}
        weight = layer.quantized_weight()
        assert watch.largest == 600
    saved = weight.grad_fn.saved_tensors
    assert sum(t.numel() for t in saved if t.data_ptr() != layer.logits.data_ptr()) == 2 * 600 + 1


def test_state_norm_normalizes_by_the_batch_and_keeps_hard_statistics_apart():
    torch.manual_seed(3)
    norm, plain = StateBatchNorm1d(4, momentum=0.5), nn.BatchNorm1d(4)
    soft, hard = torch.randn(50, 4) + 3, 2 * torch.randn(50, 4)
    torch.testing.assert_close(norm(soft), plain(soft))
    assert torch.equal(norm.running_mean, torch.zeros(4))
    with hard_state(norm):
        norm(hard)
    torch.testing.assert_close(norm.running_mean, 0.5 * hard.mean(0))
    torch.testing.assert_close(norm.running_var, 0.5 + 0.5 * hard.var(0))
    norm.eval()
    expected = (hard - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(norm(hard), expected)


def test_state_norm_of_images_has_one_statistic_for_each_channel():
    torch.manual_seed(3)
    norm, plain = StateBatchNorm2d(2, momentum=0.5), nn.BatchNorm2d(2)
    soft, hard = torch.randn(4, 2, 3, 5) + 3, 2 * torch.randn(4, 2, 3, 5)
    torch.testing.assert_close(norm(soft), plain(soft))
    assert torch.equal(norm.running_mean, torch.zeros(2))
    with hard_state(norm):
        norm(hard)
    torch.testing.assert_close(norm.running_mean, 0.5 * hard.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, 0.5 + 0.5 * hard.transpose(0, 1).flatten(1).var(1))
    norm.eval()
    expected = F.batch_norm(hard, norm.running_mean, norm.running_var, eps=norm.eps)
    torch.testing.assert_close(norm(hard), expected)


@pytest.mark.parametrize(("norm", "shape"), [(StateBatchNorm1d, (4, 2, 3, 5)), (StateBatchNorm2d, (4, 2))])
def test_state_norms_refuse_other_shapes_in_every_state(norm, shape):
    layer = norm(2)
    with pytest.raises(ValueError, match=r"expected .* input"):
        layer(torch.zeros(shape))
    with hard_state(layer), pytest.raises(ValueError, match=r"expected .* input"):
        layer(torch.zeros(shape))


@pytest.mark.parametrize("norm", list(Norm))
def test_recalibration_finds_the_statistics_of_the_hard_weights(norm):
    torch.manual_seed(4)
    model = mlp(Method.SLB, 4, (12, 8, 3), norm=norm).train()
    codes = torch.randint(0, 16, (60, 12))
    model(codes)
    recalibrate(model, codes.split(30))
    assert not model.training
    assert model.norm1.momentum == 0.1
    sums = model.fc1(model.input(codes))
    torch.testing.assert_close(model.norm1.running_mean, sums.mean(0))
    halves = torch.stack([half.var(0) for half in sums.split(30)])
    torch.testing.assert_close(model.norm1.running_var, halves.mean(0))


def scrambled(bits, norm=Norm.BATCH, seed=0):
    """Random logits, negative slopes, shifted statistics."""
    torch.manual_seed(seed)
    model = mlp(Method.SLB, 5, (30, 20, 16, 10), slb_bits=bits, norm=norm)
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.BatchNorm1d):
                for values in (module.weight, module.bias, module.running_mean):
                    values.normal_()
                module.running_var.uniform_(0.1, 3)
    return model.eval()


def codes(n=200, seed=0):
    return torch.randint(0, 32, (n, 30), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", list(Norm))
@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_deployed_twin_has_exact_coefficients_and_equals_the_network_and_golden(bits, norm):
    model = scrambled(bits, norm)
    twin = deploy(model)
    assert twin.fc1.coefficients == tuple(2**j for j in range(bits))
    assert torch.equal(twin.fc1.weight.long(), 2 * model.fc1.choice() - (2**bits - 1))
    np.testing.assert_allclose(twin(codes()).numpy(), model(codes()).detach().numpy(), rtol=1e-4, atol=1e-4)
    golden = GoldenModel(lower(capture(twin, "slb")))
    assert np.array_equal(
        golden.value(codes().numpy()), GoldenModel(capture(twin, "slb")).value(codes().numpy())
    )
    assert np.array_equal(golden.classes(codes().numpy()), twin(codes()).argmax(1).numpy())


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_network_comes_back_from_its_file(tmp_path, bits):
    model = scrambled(bits, Norm.STATE)
    model.fc1.set_temperature(37.5)
    model.fc2.harden()
    save(model, codes(1).byte(), tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert str(found) == str(model)
    assert float(found.fc1.inverse_temperature) == 37.5
    assert (found.fc1.hard, found.fc2.hard) == (False, True)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in model.state_dict().items())
    assert torch.equal(found(codes()), model(codes()))
    assert torch.equal(found.train()(codes()), model.train()(codes()))


def test_a_copy_and_a_state_dictionary_carry_everything():
    layer, other = layer_of(2), layer_of(2, seed=5)
    layer.set_temperature(3.0)
    other.load_state_dict(layer.state_dict())
    for twin in (copy.deepcopy(layer), other):
        assert torch.equal(twin.quantized_weight(), layer.quantized_weight())
    copied = copy.deepcopy(layer)
    nn.init.zeros_(copied.logits)
    assert not torch.equal(copied.logits, layer.logits)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_autocast_computes_in_half_precision_and_trains_float_logits(bits):
    layer, x = layer_of(bits), torch.randn(3, 7)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype is torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.1)
    y.float().square().sum().backward()
    assert layer.logits.grad.dtype is torch.float32
    assert float(layer.logits.grad.abs().sum()) > 0


# Torch's own tracer instantiates an autograd function, of which torch warns.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("bits", [1, 2])
def test_the_compiled_layer_computes_and_learns_the_same(bits):
    """Through the whole tracer and its own differentiation, without the code generator, which takes long."""
    layer, x = layer_of(bits), torch.randn(3, 7)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for inverse in (1.0, 5.0):
        layer.set_temperature(inverse)
        layer.zero_grad()
        expected = layer(x)
        expected.square().sum().backward()
        gradient = layer.logits.grad.clone()
        layer.zero_grad()
        found = compiled(x)
        found.square().sum().backward()
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(layer.logits.grad, gradient)
    torch.testing.assert_close(torch.compile(layer.eval(), backend="aot_eager")(x), layer(x))


def test_it_mixes_with_other_layers_in_one_network():
    torch.manual_seed(6)
    layers = [
        BitPlaneInput(5),
        SlbLinear(30, 8, bits=2, bias=True),
        nn.BatchNorm1d(8),
        SignActivation(),
        SlbLinear(8, 4),
    ]
    model = nn.Sequential(OrderedDict((f"m{i}", layer) for i, layer in enumerate(layers))).eval()
    # Off the accumulators' lattice: at a tie float32 would decide by its rounding.
    nn.init.normal_(model.m2.running_mean)
    np.testing.assert_allclose(deploy(model)(codes()).numpy(), model(codes()).detach().numpy(), atol=1e-4)
