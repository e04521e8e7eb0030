"""Uniform activations: codes by their definition, PACT's gradient, DoReFa's values, learning, files."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn import UniformActivation, load, save
from hbnn_hw.nn.uniform_activation import SMALLEST_ALPHA

FLOATS = st.floats(-40, 40, width=32)


@st.composite
def activations(draw):
    signed = draw(st.booleans())
    return UniformActivation(
        draw(st.integers(1 + signed, 8)),
        signed=signed,
        narrow=signed and draw(st.booleans()),
        step=draw(st.floats(0.0078125, 4, width=32)),
        learn_step=draw(st.booleans()),
    )


@given(activations(), st.lists(FLOATS, min_size=1, max_size=20))
def test_values_are_codes_times_the_step(layer, values):
    """Against numpy in float32, whose rint rounds halves to even as torch does."""
    x = np.array(values, np.float32)
    step = np.float32(layer.step_size)
    codes = np.clip(np.rint(x / step), layer.low, layer.high)
    assert np.array_equal(layer(torch.from_numpy(x)).detach().numpy(), codes * step)


@pytest.mark.parametrize(
    ("bits", "options", "low", "high"),
    [
        (1, {}, 0, 1),
        (8, {}, 0, 255),
        (2, {"signed": True}, -2, 1),
        (2, {"signed": True, "narrow": True}, -1, 1),
        (8, {"signed": True}, -128, 127),
        (8, {"signed": True, "narrow": True}, -127, 127),
    ],
)
def test_the_range_of_the_codes(bits, options, low, high):
    layer = UniformActivation(bits, step=0.5, **options)
    assert (layer.low, layer.high, layer.step_size) == (low, high, 0.5)
    assert layer.alpha.item() == 0.5 * high
    ends = torch.tensor([-float("inf"), -1e30, 1e30, float("inf")])
    assert layer(ends).tolist() == [low * 0.5, low * 0.5, high * 0.5, high * 0.5]


def test_halves_round_to_the_even_code():
    layer = UniformActivation(4, signed=True, step=0.5)
    halves = torch.tensor([-1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 1.75])
    assert (layer(halves) / 0.5).tolist() == [-2, -2, 0, 0, 2, 2, 4]


@pytest.mark.parametrize("bits", range(1, 9))
def test_dorefa_is_its_definition(bits):
    """quantize_k(clip(x, 0, 1)) = round((2^k - 1) clip(x, 0, 1)) / (2^k - 1), and nothing to learn."""
    layer, levels = UniformActivation.dorefa(bits), 2**bits - 1
    assert layer.alpha.item() == 1.0
    assert list(layer.parameters()) == []
    # Thirds of a step are no ties.
    x = torch.arange(-levels, 6 * levels + 1).double() / (3 * levels)
    expected = torch.round(levels * x.clamp(0, 1)) / levels
    torch.testing.assert_close(layer(x.float()), expected.float(), rtol=0, atol=1e-6)


def step(layer, x, weights):
    """Gradients of the input and of alpha under the loss ``sum(weights · y)``."""
    inputs = torch.tensor(x, requires_grad=True)
    (layer(inputs) * torch.tensor(weights)).sum().backward()
    return inputs.grad.tolist(), layer.alpha.grad.item()


def test_the_gradient_is_pacts():
    """Equation 3: alpha has those at or above it, x those in [0, alpha)."""
    layer = UniformActivation(2, step=0.5)
    x = [-0.1, 0.0, 0.2, 1.4, 1.5, 7.0]
    assert step(layer, x, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]) == ([0, 2, 4, 8, 0, 0], 48)


def test_a_signed_range_moves_at_both_ends():
    """The lower end is alpha · low / high: -2 to 1 steps for two bits, -1 to 1 if narrow."""
    x, weights = [-1.2, -1.0, -0.5, 0.2, 0.5], [1.0, 2.0, 4.0, 8.0, 16.0]
    wide = UniformActivation(2, signed=True, step=0.5)
    assert step(wide, x, weights) == ([0, 2, 4, 8, 0], 16 - 2 * 1)
    narrow = UniformActivation(2, signed=True, narrow=True, step=0.5)
    assert step(narrow, x, weights) == ([0, 0, 4, 8, 0], 16 - (1 + 2))


@given(activations(), st.lists(FLOATS, min_size=1, max_size=20), st.integers(0, 2**31))
def test_the_gradient_is_that_of_clipping(layer, values, seed):
    """Off the range's ends, autograd of ``min(max(x, alpha · low / high), alpha)`` agrees."""
    alpha = layer.alpha.detach().double().requires_grad_()
    lowest = alpha * layer.low / layer.high
    x = np.array(values)
    for end in (alpha.item(), lowest.item()):
        x = x[abs(x - end) > 1e-3 * (1 + abs(end))]
    x = torch.tensor(x, requires_grad=True)
    weights = torch.randn(len(x), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    (torch.minimum(torch.maximum(x, lowest), alpha) * weights).sum().backward()
    expected, x.grad = x.grad, None
    (layer.double()(x) * weights).sum().backward()
    assert torch.equal(x.grad, expected)
    if layer.learn_step:
        torch.testing.assert_close(layer.alpha.grad, alpha.grad)


def test_alpha_finds_the_range_of_its_target():
    """From 0.3 to the largest value, 2, that the input has; and the error falls to that of rounding."""
    layer = UniformActivation(4, step=0.02)
    x = torch.linspace(0, 2, 401)
    optimizer = torch.optim.SGD(layer.parameters(), 0.5)
    for _ in range(200):
        loss = (layer(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert abs(layer.alpha.item() - 2) < 0.1
    assert loss < (2 / 15) ** 2 / 12 * 1.5


def test_a_clipping_level_below_zero_comes_back():
    """It counts as the smallest, so that no sign turns, and goes on learning."""
    layer = UniformActivation(1, step=1.0)
    with torch.no_grad():
        layer.alpha.fill_(-0.5)
    assert layer.step_size == SMALLEST_ALPHA
    assert layer(torch.tensor([-1.0, 1.0])).tolist() == [0, SMALLEST_ALPHA]
    assert step(layer, [-1.0, 1.0], [1.0, -2.0]) == ([0, 0], -2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_the_inputs_dtype_is_kept_and_the_codes_are_exact(dtype):
    layer = UniformActivation(8, step=0.25)
    x = torch.arange(-4, 1100).to(dtype) / 16
    codes = torch.round(x.float() * 4).clamp(0, 255)
    assert layer(x).dtype is dtype
    assert torch.equal(layer(x).float(), (codes / 4).to(dtype).float())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"bits": 0}, r"unsigned codes must have 1\.\.8 bits, not 0"),
        ({"bits": 9}, r"unsigned codes must have 1\.\.8 bits, not 9"),
        ({"bits": 1, "signed": True}, r"signed codes must have 2\.\.8 bits, not 1.*SignActivation"),
        ({"bits": 2, "narrow": True}, "only signed codes can be narrow"),
        ({"bits": 2, "step": 0.0}, "the step must be finite and positive, not 0.0"),
        ({"bits": 2, "step": float("nan")}, "the step must be finite and positive, not nan"),
    ],
)
def test_impossible_activations_are_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        UniformActivation(**arguments)
    with pytest.raises(ValueError, match="unsigned codes must have"):
        UniformActivation.dorefa(0)


@pytest.mark.parametrize(
    "layer",
    [
        UniformActivation(3, step=0.3),
        UniformActivation(4, signed=True, narrow=True, step=0.1),
        UniformActivation.dorefa(2),
    ],
    ids=str,
)
def test_an_activation_comes_back_from_its_file(layer, tmp_path):
    path, x = tmp_path / "model.pt", torch.randn(7, 5)
    save(nn.Sequential(layer), x, path)
    found = load(path).model
    assert str(found[0]) == str(layer)
    assert found[0].step_size == layer.step_size
    assert [*found[0]._parameters] == [*layer._parameters]
    assert torch.equal(found(x), layer(x))


def test_a_step_that_is_none_is_not_believed(tmp_path):
    path = tmp_path / "model.pt"
    save(nn.Sequential(UniformActivation(3)), torch.zeros(1, 2), path)
    content = torch.load(path, weights_only=True)
    content["state"]["0.alpha"].fill_(-1.0)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"layer '0': alpha must be finite and positive, not -1\.0"):
        load(path)
