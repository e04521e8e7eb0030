"""Training layers: forward values and straight-through gradients against hand values and the papers."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import RangeError
from hbnn_hw.nn import (
    BinaryLinear,
    BitPlaneInput,
    Granularity,
    HbnnLinear,
    Method,
    Output,
    OutputScale,
    PlaneScales,
    Sharing,
    SignActivation,
    StochasticSign,
    binarize,
    binarize_stochastic,
    deploy,
    dist_from_avg,
    hard_sigmoid,
    mlp,
    residual_planes,
)
from hbnn_hw.scales import DEFAULT_SCALE_ERROR, ScaleForm, fit_scales

# Around both edges of the estimator's window, and both zeros.
POINTS = [-2.0, -1.0, -0.5, -0.0, 0.0, 1e-30, 0.5, 1.0, 1.0000001, 2.0]


def test_binarize_is_the_sign_with_the_chosen_zero():
    x = torch.tensor(POINTS)
    assert binarize(x).tolist() == [-1, -1, -1, 1, 1, 1, 1, 1, 1, 1]
    assert binarize(x, zero=-1).tolist() == [-1, -1, -1, -1, -1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("zero", [1, -1])
def test_the_estimator_passes_gradients_inside_and_cancels_them_outside(zero):
    x = torch.tensor(POINTS, requires_grad=True)
    (binarize(x, zero=zero) * torch.arange(1.0, 11.0)).sum().backward()
    assert x.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 8, 0, 0]


@pytest.mark.parametrize("zero", [0, 2, 0.5, -3])
def test_a_zero_sign_that_is_no_sign_is_refused(zero):
    with pytest.raises(ValueError, match=r"the sign of 0 must be \+1 or -1, not"):
        SignActivation(zero=zero)


def test_sign_activation_keeps_shape_and_dtype():
    x = torch.tensor([[-0.5, 0.0]], dtype=torch.float64)
    for zero in (1, -1):
        y = SignActivation(zero)(x)
        assert (y.dtype, y.tolist()) == (torch.float64, [[-1.0, float(zero)]])


def test_the_hard_sigmoid_is_the_clipped_line():
    x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    assert hard_sigmoid(x).tolist() == [0, 0, 0.25, 0.5, 0.75, 1, 1]


def test_stochastic_binarization_has_its_probability_and_repeats():
    points = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    x = points.expand(40_000, 7)
    y = binarize_stochastic(x, torch.Generator().manual_seed(0))
    assert y.abs().eq(1).all()
    # Four standard deviations of the mean of 40 000 coins; the certain outcomes are certain.
    assert (y + 1).div(2).mean(0).tolist() == pytest.approx(hard_sigmoid(points).tolist(), abs=0.01)
    assert y[:, :2].eq(-1).all()
    assert y[:, 5:].eq(1).all()
    assert torch.equal(y, binarize_stochastic(x, torch.Generator().manual_seed(0)))


def test_stochastic_binarization_has_the_saturated_gradient():
    x = torch.tensor(POINTS, requires_grad=True)
    binarize_stochastic(x, torch.Generator().manual_seed(0)).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_the_stochastic_sign_draws_in_training_only_and_deploys_as_the_sign():
    layer, x = StochasticSign(zero=-1, seed=3), torch.zeros(1000)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    assert abs(first.mean().item()) < 0.2
    twin = copy.deepcopy(layer)
    assert torch.equal(twin(x), layer(x))
    assert not torch.equal(StochasticSign(seed=4)(x), first)
    assert layer.eval()(x).eq(-1).all()
    model = nn.Sequential(BitPlaneInput(2), BinaryLinear(4, 3), layer, BinaryLinear(3, 2)).eval()
    assert type(deploy(model)[3]) is SignActivation


def test_binary_linear_computes_with_signs_and_trains_latent_weights():
    layer = BinaryLinear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, -0.2, 1.5], [0.3, 0.9, -1.0]]))
    x = torch.tensor([[1.0, 2.0, 3.0]])
    y = layer(x)
    assert y.tolist() == [[1 - 2 + 3, 1 + 2 - 3]]
    y.sum().backward()
    # dL/dW_b = x for both rows; the entry 1.5 lies outside the window.
    assert layer.weight.grad.tolist() == [[1, 2, 0], [1, 2, 3]]
    assert layer.planes().mu.tolist() == [1.0]
    # Hardware's sign of 0 is that of training.
    assert layer.planes().signs.tolist() == [[[1, -1, 1], [1, 1, -1]]]


def test_clipping_keeps_latent_weights_in_the_window():
    layer = BinaryLinear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.5, -3.0]]))
    layer.clip_weights_()
    assert layer.weight.tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize("make", [BinaryLinear, HbnnLinear])
def test_a_layer_without_features_is_refused(make):
    with pytest.raises(ValueError, match="at least 1 input and output, not 0, 3"):
        make(0, 3)


def reference_planes(weights, bit_map, n_planes):
    """The authors' op, element by element in Python (papers: HBNN section 3, reference algorithm)."""
    carry, out, scales = weights.astype(np.float64), np.zeros(weights.shape), []
    for b in range(n_planes):
        members = [j for j in np.ndindex(*weights.shape) if bit_map[j] > b]
        mu = float(np.mean([abs(carry[j]) for j in members])) if members else 0.0
        for j in members:
            step = mu if carry[j] > 0 else -mu
            out[j] += step
            carry[j] -= step
        scales.append(mu)
    return out, scales


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_residual_planes_are_the_authors_algorithm(rows, columns, seed):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(rows, columns)).astype(np.float32)
    bit_map = rng.integers(0, 4, size=(rows, columns)).astype(np.uint8)
    expected, scales = reference_planes(weights, bit_map, 3)
    planes = residual_planes(torch.from_numpy(weights), torch.from_numpy(bit_map), 3)
    # The reference sums in float64, the layer in float32.
    np.testing.assert_allclose(planes.values().numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(planes.mu.numpy(), scales, atol=1e-5)
    assert np.array_equal((planes.signs != 0).sum(0).numpy(), bit_map)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_scales_as_powers_of_two_are_the_nearest_to_the_means(rows, columns, seed):
    rng = np.random.default_rng(seed)
    weights = torch.from_numpy(rng.normal(size=(rows, columns)).astype(np.float32))
    bit_map = torch.from_numpy(rng.integers(0, 4, size=(rows, columns)).astype(np.uint8))
    planes = residual_planes(weights, bit_map, 3, form=PlaneScales.POWERS_OF_TWO)
    residual = weights.double()
    for plane, mu in enumerate(planes.mu.double()):
        present = bit_map > plane
        if plane and present.any() and mu:
            mean = residual.abs()[present].mean()
            assert 0.5**0.5 - 1e-4 < mean / mu < 2**0.5 + 1e-4
        residual = residual - mu * planes.signs[plane].double()
    first, *others = [mu for mu in planes.mu.tolist() if mu] or [1.0]
    assert all(math.frexp(mu / first)[0] == 0.5 for mu in others)
    given_again = residual_planes(weights, bit_map, 3, planes.mu)
    assert torch.equal(planes.values(), given_again.values())


def test_deployment_rounds_nothing_of_scales_that_are_powers_of_two():
    torch.manual_seed(1)
    layer = HbnnLinear(60, 20, plane_scales=PlaneScales.POWERS_OF_TWO)
    assert torch.equal(layer.quantized_weight(), layer.planes().values())
    scales = fit_scales(layer.planes().mu.tolist(), DEFAULT_SCALE_ERROR, ScaleForm.INTEGERS)
    assert scales.relative_error == 0.0
    assert all(c & (c - 1) == 0 for c in scales.coefficients)
    again = HbnnLinear(**layer.config())
    assert again.plane_scales is PlaneScales.POWERS_OF_TWO
    assert "plane_scales" not in HbnnLinear(8, 8).config()
    with pytest.raises(ValueError, match="halves"):
        HbnnLinear(8, 8, plane_scales="halves")


def test_a_layer_of_zeros_has_scales_of_zero():
    zeros, bit_map = torch.zeros(3, 4), torch.full((3, 4), 2, dtype=torch.uint8)
    planes = residual_planes(zeros, bit_map, 2, form=PlaneScales.POWERS_OF_TWO)
    assert planes.mu.tolist() == [0.0, 0.0]


def test_the_sign_of_a_zero_residual_is_minus_one():
    planes = residual_planes(torch.tensor([0.0, 2.0]), torch.tensor([2, 2], dtype=torch.uint8), 2)
    # T = (0, 2): mu1 = 1, signs (-, +); E = (1, 1): mu2 = 1, signs (+, +).
    assert planes.mu.tolist() == [1.0, 1.0]
    assert planes.signs.tolist() == [[-1.0, 1.0], [1.0, 1.0]]
    assert planes.values().tolist() == [0.0, 2.0]


def test_homogeneous_residual_errors_are_the_papers():
    """Normalized error and scales of 1 to 4 bits on N(0, 1), 400 000 samples; ±0.003 covers the sampling."""
    weights = torch.randn(400_000, generator=torch.Generator().manual_seed(0))
    for bits, error in ((1, 0.602), (2, 0.361), (3, 0.242), (4, 0.182)):
        planes = residual_planes(weights, torch.full(weights.shape, bits, dtype=torch.uint8), bits)
        assert float((weights - planes.values()).norm() / weights.norm()) == pytest.approx(error, abs=0.003)
        assert planes.mu.tolist() == pytest.approx([0.799, 0.483, 0.269, 0.160][:bits], abs=0.003)


def test_the_whole_multi_bit_quantizer_has_one_saturated_gradient():
    torch.manual_seed(0)
    layer = HbnnLinear(4, 1, distribution=((1, 0.5), (2, 0.5)))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.2, -1.5, 1.0, -0.9]]))
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [[1, 0, 3, 4]]


def test_the_map_follows_the_weights_until_frozen():
    torch.manual_seed(1)
    layer = HbnnLinear(20, 10)
    before = layer.bit_map.clone()
    nn.init.normal_(layer.weight)
    assert torch.equal(layer.bit_map, before)
    layer.refresh_bit_map()
    assert not torch.equal(layer.bit_map, before)
    assert layer.bit_map.dtype is torch.uint8
    assert torch.bincount(layer.bit_map.flatten()).tolist() == [0, 140, 40, 20]


def test_freezing_changes_no_output_and_fixes_map_and_scales():
    torch.manual_seed(2)
    layer, x = HbnnLinear(30, 5), torch.randn(7, 30)
    before = layer(x)
    layer.freeze()
    assert torch.equal(layer(x), before)
    mu, bit_map = layer.mu.clone(), layer.bit_map.clone()
    nn.init.normal_(layer.weight)
    layer.refresh_bit_map()
    assert torch.equal(layer.planes().mu, mu)
    assert torch.equal(layer.bit_map, bit_map)


@given(st.integers(1, 16), st.data())
def test_the_input_is_a_sum_of_bipolar_bit_planes(bits, data):
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1, max_size=20))
    planes = sum((2.0**k) * (2.0 * ((np.array(codes) >> k) & 1) - 1.0) for k in range(bits))
    for dtype in (torch.int32, torch.float32, torch.float64):
        x = torch.tensor(codes, dtype=dtype)
        assert BitPlaneInput(bits, scaled=False)(x).tolist() == planes.tolist()
        assert BitPlaneInput(bits)(x).tolist() == (planes / 2**bits).tolist()


def test_byte_codes_give_float32():
    y = BitPlaneInput(8)(torch.tensor([[0, 128, 255]], dtype=torch.uint8))
    assert (y.dtype, y.tolist()) == (torch.float32, [[-255 / 256, 1 / 256, 255 / 256]])
    assert BitPlaneInput(8)(torch.zeros((0, 4), dtype=torch.uint8)).shape == (0, 4)


@pytest.mark.parametrize("codes", [[0.0, 32.0], [-1.0], [0.5], [float("nan")], [float("inf")]])
def test_codes_that_are_none_are_refused(codes):
    with pytest.raises(
        RangeError, match=r"input codes must be whole numbers 0\.\.31 \(5 bits\), not values in"
    ):
        BitPlaneInput(5)(torch.tensor(codes))


@pytest.mark.parametrize("bits", [0, 17])
def test_input_widths_that_float32_cannot_hold_are_refused(bits):
    with pytest.raises(ValueError, match=r"input bits must lie in 1\.\.16"):
        BitPlaneInput(bits)


def test_output_scale_is_positive_and_learns():
    scale = OutputScale(0.25)
    x = torch.tensor([[2.0, -4.0]])
    assert scale(x).tolist() == [[0.5, -1.0]]
    scale(x).sum().backward()
    assert scale.log_scale.grad.item() == pytest.approx(-0.5)
    with pytest.raises(ValueError, match=r"initial scale must be finite and positive, not -1\.0"):
        OutputScale(-1.0)


def test_mlp_names_and_order():
    model = mlp(Method.HBNN, 5, (64, 32, 16, 10))
    assert [name for name, _ in model.named_children()] == [
        "input", "fc1", "norm1", "act1", "fc2", "norm2", "act2", "fc3", "scale",
    ]  # fmt: skip
    assert model.act1.zero == -1
    assert mlp(Method.BNN, 5, (64, 32, 10)).act1.zero == 1
    assert isinstance(mlp(Method.BNN, 5, (64, 10), output=Output.BATCHNORM).norm1, nn.BatchNorm1d)
    assert isinstance(mlp(Method.FLOAT, 5, (64, 32, 10)).act1, nn.Hardtanh)


def test_mlp_refuses_what_it_cannot_build():
    with pytest.raises(ValueError, match="at least 2 widths"):
        mlp(Method.BNN, 5, (64,))
    with pytest.raises(ValueError, match="BNN, HBNN, SLB, FLEXOR or FLOAT"):
        mlp(Method.OTHER, 5, (64, 10))


def test_layers_print_their_configuration():
    text = str(mlp(Method.HBNN, 5, (64, 32, 10)))
    assert "BitPlaneInput(bits=5, scaled=True)" in text
    assert "SignActivation(zero=-1)" in text
    assert "in_features=64, out_features=32, bias=False" in text


@pytest.mark.parametrize("zero", [1, -1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_window_is_closed_in_every_dtype(zero, dtype):
    above = 1 + torch.finfo(dtype).eps
    x = torch.tensor([-above, -1.0, 1.0, above], dtype=dtype, requires_grad=True)
    binarize(x, zero=zero).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]


def test_a_map_may_prune_and_share():
    torch.manual_seed(0)
    layer = HbnnLinear(40, 8, distribution=dist_from_avg(0.5), granularity=Granularity(Sharing.COLUMN))
    assert layer.bit_map.float().mean() == 0.5
    assert bool((layer.bit_map == layer.bit_map[:1]).all())
    assert torch.equal(layer.quantized_weight() != 0, layer.bit_map > 0)
    again = HbnnLinear(**layer.config())
    assert again.granularity == layer.granularity
    tiles = HbnnLinear(8, 8, granularity=["tile", 2, 4])
    assert tiles.config()["granularity"] == ["tile", 2, 4]
    assert "granularity" not in HbnnLinear(8, 8).config()


def test_training_computes_with_exactly_the_planes():
    torch.manual_seed(0)
    for average in (0.7, 1.4, 2.5):
        layer = HbnnLinear(33, 21, distribution=dist_from_avg(average))
        assert torch.equal(layer.quantized_weight(), layer.planes().values())
        layer.freeze()
        assert torch.equal(layer.quantized_weight(), layer.planes().values())
