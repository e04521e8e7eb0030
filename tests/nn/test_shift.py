"""Powers of two: AP2 against its definition, normalization and AdaMax made of shifts, learning rates."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.nn import (
    BinaryLinear,
    BitPlaneInput,
    GlorotScale,
    ShiftAdaMax,
    ShiftBatchNorm1d,
    ShiftBatchNorm2d,
    SignActivation,
    ap2,
    deploy,
    glorot_coefficient,
    glorot_groups,
)

# sqrt(2) = 1.41421356: the neighbouring floats are 1.41421354 and 1.41421366.
TABLE = [
    (0.0, 0.0), (1.0, 1.0), (-1.0, -1.0), (1.41421354, 1.0), (1.41421366, 2.0), (1.5, 2.0), (2.8, 2.0),
    (2.9, 4.0), (-3.0, -4.0), (5.0, 4.0), (6.0, 8.0), (0.7, 0.5), (0.71, 1.0), (-0.3, -0.25), (100.0, 128.0),
    (1e-5, 2.0**-17), (1e30, 2.0**100), (math.inf, math.inf),
]  # fmt: skip


@pytest.mark.parametrize(("x", "power"), TABLE)
def test_ap2_table(x, power):
    assert ap2(torch.tensor([x])).item() == power


def test_ap2_is_exact_at_every_power_of_two():
    powers = torch.tensor([2.0**e for e in range(-126, 128)])
    assert torch.equal(ap2(powers), powers)
    assert torch.equal(ap2(-powers), -powers)


@given(st.floats(2.0**-126, 2.0**127, width=32), st.sampled_from([1, -1]))
def test_ap2_is_its_definition(x, sign):
    # Python's log2 is wrong by far less than the distance of a float32 from an odd power of sqrt(2).
    assert ap2(torch.tensor(sign * x)).item() == sign * 2.0 ** round(math.log2(x))


def test_ap2_keeps_shape_and_dtype_and_has_no_gradient():
    for dtype in (torch.float64, torch.bfloat16):
        x = torch.full((2, 3), 3.0, dtype=dtype, requires_grad=True)
        y = ap2(x)
        assert (y.shape, y.dtype, y.requires_grad) == (x.shape, dtype, False)
    assert ap2(torch.arange(1.0, 9.0).view(2, 4).t()).tolist() == [[1, 4], [2, 8], [4, 8], [4, 8]]


def power(x):
    return np.sign(x) * 2.0 ** np.round(np.log2(np.maximum(np.abs(x), 1e-30)))


def reference(x, gamma, beta, gradient, eps=1e-5):
    """The authors' code, line by line in float64, (batch, features)."""
    centered = x - x.mean(0)
    rounded = power(centered)
    inverse = 1 / np.sqrt((rounded * centered).mean(0) + eps)
    std = power(inverse)
    normalized = power(centered * std)
    y = centered * std * power(gamma) + beta
    to_x = -(rounded * gradient).mean(0) * rounded * std * std + gradient - gradient.mean(0)
    return y, inverse, to_x * std * power(gamma), (normalized * gradient).sum(0), gradient.sum(0)


@pytest.mark.parametrize("spatial", [(), (3, 5)])
def test_shift_normalization_is_the_authors_code(spatial):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, size=(40, 6, *spatial)).astype(np.float32)
    gradient = rng.normal(size=x.shape).astype(np.float32)
    gamma, beta = rng.normal(size=6), rng.normal(size=6)

    def rows(a):
        return np.moveaxis(a, 1, -1).reshape(-1, 6).astype(np.float64)

    norm = ShiftBatchNorm2d(6) if spatial else ShiftBatchNorm1d(6)
    with torch.no_grad():
        norm.weight.copy_(torch.from_numpy(gamma))
        norm.bias.copy_(torch.from_numpy(beta))
    inputs = torch.from_numpy(x).requires_grad_()
    y = norm(inputs)
    y.backward(torch.from_numpy(gradient))
    expected, inverse, to_x, to_gamma, to_beta = reference(rows(x), gamma, beta, rows(gradient))
    # The layer computes in float32, the reference in float64.
    np.testing.assert_allclose(rows(y.detach().numpy()), expected, atol=1e-4)
    np.testing.assert_allclose(rows(inputs.grad.numpy()), to_x, atol=1e-4)
    np.testing.assert_allclose(norm.weight.grad.numpy(), to_gamma, atol=1e-2)
    np.testing.assert_allclose(norm.bias.grad.numpy(), to_beta, atol=1e-3)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.125 * rows(x).mean(0), atol=1e-4)
    np.testing.assert_allclose(norm.running_inverse_std.numpy(), 0.875 + 0.125 * inverse, atol=1e-4)


def test_evaluation_is_an_affine_with_power_of_two_slopes():
    norm = ShiftBatchNorm1d(2).eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([3.0, -0.8]))
        norm.bias.copy_(torch.tensor([1.0, 2.0]))
        norm.running_mean.copy_(torch.tensor([10.0, 0.0]))
        norm.running_inverse_std.copy_(torch.tensor([0.24, 6.0]))
    slope, offset = norm.affine()
    assert (slope.tolist(), offset.tolist()) == ([1.0, -8.0], [-9.0, 2.0])
    assert norm(torch.tensor([[5.0, 1.0]])).tolist() == [[-4.0, -6.0]]


def test_shift_normalization_deploys_as_its_affine():
    torch.manual_seed(0)
    model = nn.Sequential(
        BitPlaneInput(4), BinaryLinear(12, 8), ShiftBatchNorm1d(8), SignActivation(), BinaryLinear(8, 3)
    )
    codes = torch.randint(0, 16, (50, 12))
    for _ in range(5):
        model.train()(codes)
    with torch.no_grad():
        model[2].weight.copy_(torch.randn(8))
        model[2].bias.copy_(torch.randn(8))
    twin = deploy(model.eval())
    assert torch.equal(twin(codes).float(), model(codes))
    scaled = twin[2].alpha.abs() * 16
    assert torch.equal(ap2(scaled), scaled)


def test_shift_normalization_keeps_the_input_dtype():
    norm = ShiftBatchNorm2d(3)
    x = torch.randn(4, 3, 2, 2, dtype=torch.bfloat16, requires_grad=True)
    for module in (norm, copy.deepcopy(norm).eval()):
        y = module(x)
        y.sum().backward()
        assert (y.dtype, x.grad.dtype) == (torch.bfloat16, torch.bfloat16)


def test_shift_normalization_refuses_what_it_cannot_normalize():
    with pytest.raises(ValueError, match="at least 1 feature, not 0"):
        ShiftBatchNorm1d(0)
    with pytest.raises(ValueError, match=r"eps must be positive and momentum in 0\.\.1"):
        ShiftBatchNorm1d(3, momentum=0.0)
    with pytest.raises(ValueError, match=r"must get 3 features in one of \(4,\) dimensions, not the shape"):
        ShiftBatchNorm2d(3)(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="more than one value per feature"):
        ShiftBatchNorm1d(3)(torch.zeros(1, 3))


def test_adamax_is_algorithm_2_by_hand():
    w = nn.Parameter(torch.tensor([1.0, 1.0]))
    optimizer = ShiftAdaMax([w])
    m, v, theta = np.zeros(2), np.zeros(2), np.ones(2)
    for t, gradient in enumerate(([0.3, -3.0], [0.1, 0.0], [-0.7, 1.0]), start=1):
        w.grad = torch.tensor(gradient)
        optimizer.step()
        m = m * (1 - 2**-3) + 2**-3 * np.array(gradient)
        v = np.maximum(v * (1 - 2**-10), np.abs(gradient))
        theta -= power(np.array(2**-10 / (1 - (1 - 2**-3) ** t))) * m / (power(v) + 2**-27)
        np.testing.assert_allclose(w.detach().numpy(), theta, rtol=1e-6)
        np.testing.assert_allclose(optimizer.state[w]["v"].numpy(), v, rtol=1e-6)


def test_adamax_decays_its_maximum_learns_and_takes_a_schedule_to_zero():
    torch.manual_seed(0)
    layer, target = nn.Linear(3, 1), torch.tensor([[1.0, -2.0, 0.5]])
    optimizer = ShiftAdaMax(layer.parameters(), lr=2**-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400)
    losses = []
    for _ in range(401):
        x = torch.randn(32, 3)
        loss = (layer(x) - x @ target.t()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        schedule.step()
    assert losses[-1] < 0.01 * losses[0]
    state = optimizer.state[layer.weight]
    assert state["step"] == 401
    layer.weight.grad.zero_()
    before = state["v"].clone()
    optimizer.step()
    assert torch.equal(state["v"], before * (1 - 2**-10))


def test_adamax_takes_a_closure_skips_missing_gradients_and_saves_its_state():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = ShiftAdaMax([used, unused])

    def closure():
        loss = used.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert unused.tolist() == [1, 1]
    again = ShiftAdaMax([used, unused])
    again.load_state_dict(optimizer.state_dict())
    assert again.state[used]["step"] == 1
    for arguments in ({"lr": 0.0}, {"eps": 0.0}, {"betas": (1.0, 0.5)}):
        with pytest.raises(ValueError, match="lr and eps must be positive, betas in"):
            ShiftAdaMax([used], **arguments)


def test_learning_rates_follow_glorot():
    small, large = BinaryLinear(20, 10, bias=True), BinaryLinear(400, 112)
    assert glorot_coefficient(small) == pytest.approx(1 / math.sqrt(1.5 / 30))
    assert glorot_coefficient(large, GlorotScale.POWER_OF_TWO) == 16.0
    model = nn.Sequential(small, nn.BatchNorm1d(10), BinaryLinear(20, 10), large)
    groups = glorot_groups(model, 0.01)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert rates[id(small.weight)] == rates[id(model[2].weight)] == pytest.approx(0.01 * math.sqrt(20))
    assert rates[id(small.bias)] == rates[id(model[1].weight)] == 0.01
    assert len(groups) == 3
    torch.optim.Adam(groups)
