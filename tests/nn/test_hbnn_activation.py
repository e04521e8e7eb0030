"""HBNN activations: planes per position, scales per sample in training, constants afterwards."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

from hbnn_hw import data
from hbnn_hw.errors import CaptureError
from hbnn_hw.nn import (
    BinaryLinear,
    BitPlaneInput,
    HbnnActivation,
    HbnnLinear,
    Heuristic,
    OutputScale,
    TrainConfig,
    calibrate_activations,
    deploy,
    dist_from_avg,
    evaluate,
    generate_bit_map,
    load,
    residual_planes,
    save,
    train,
)

THREE = ((1, 0.5), (2, 0.25), (3, 0.25))


@pytest.fixture
def x():
    return torch.randn(32, 20, generator=torch.Generator().manual_seed(0))


def test_training_quantizes_every_sample_as_a_tensor_of_its_own(x):
    layer = HbnnActivation((20,), distribution=THREE)
    y = layer(x)
    for row, sample in zip(y, x, strict=True):
        expected = residual_planes(sample, layer.bit_map, 3).values()
        # Sums over one row or over a batch of rows may be rounded in another order.
        torch.testing.assert_close(row, expected, atol=1e-6, rtol=0)


def test_a_position_has_its_bits_in_every_sample(x):
    layer = HbnnActivation((20,), distribution=THREE)
    y = layer(x)
    assert torch.bincount(layer.bit_map).tolist() == [0, 10, 5, 5]
    for sample in y:
        for bits in (1, 2, 3):
            assert sample[layer.bit_map == bits].abs().unique().numel() <= 2 ** (bits - 1)


def test_the_first_batch_fits_the_map_and_later_ones_leave_it(x):
    layer = HbnnActivation((20,), distribution=THREE)
    layer(x)
    scores = (x.abs() - x.abs().mean()).abs().mean(0)
    assert set(scores.argsort()[:10].tolist()) == set((layer.bit_map == 1).nonzero().flatten().tolist())
    before = layer.bit_map.clone()
    layer(x * torch.linspace(0.1, 5, 20))
    assert torch.equal(layer.bit_map, before)
    layer.refresh_bit_map()
    layer(x * torch.linspace(0.1, 5, 20))
    assert not torch.equal(layer.bit_map, before)
    assert int(layer.batches_seen) == 1


def test_channels_share_their_map_over_all_pixels():
    x = torch.randn(4, 8, 5, 3, generator=torch.Generator().manual_seed(1))
    layer = HbnnActivation((8,), distribution=((1, 0.5), (2, 0.5)))
    y = layer(x)
    assert y.shape == x.shape
    counts = [channel.abs().unique().numel() for channel in y[0]]
    assert counts == [1 if bits == 1 else 2 for bits in layer.bit_map.tolist()]
    whole = HbnnActivation((8, 5, 3), distribution=((1, 0.5), (2, 0.5)))
    assert whole(x).shape == x.shape
    assert torch.bincount(whole.bit_map.flatten()).tolist() == [0, 60, 60]


def test_the_gradient_is_saturated(x):
    inputs = (x * 2).requires_grad_()
    HbnnActivation((20,))(inputs).sum().backward()
    assert torch.equal(inputs.grad, (inputs.abs() <= 1).float())


def test_positions_without_bits_are_zero(x):
    layer = HbnnActivation((20,), distribution=dist_from_avg(0.5))
    y = layer(x)
    assert int((layer.bit_map == 0).sum()) == 10
    assert torch.equal(y != 0, (layer.bit_map > 0).expand(32, 20))


def sample_scales(x, layer):
    return torch.stack([residual_planes(sample, layer.bit_map, 3).mu for sample in x])


def test_the_running_mean_starts_plain_and_goes_on_with_its_momentum(x):
    layer = HbnnActivation((20,), distribution=THREE, momentum=0.4)
    scales = []
    for step in range(4):
        layer(x + step)
        scales.append(sample_scales(x + step, layer).mean(0))
    expected = (scales[0] + scales[1]) / 2
    for mean in scales[2:]:
        expected = 0.6 * expected + 0.4 * mean
    torch.testing.assert_close(layer.mu, expected)


def test_evaluation_uses_constants_that_calibration_sets(x):
    layer = HbnnActivation((20,), distribution=THREE)
    model = nn.Sequential(layer, nn.Dropout(0.5))
    layer(x)
    layer.eval()
    model[1].train()
    calibrate_activations(model, [x[:16], x[16:] * 2])
    assert not layer.training
    assert model[1].training
    expected = (sample_scales(x[:16], layer).mean(0) + sample_scales(x[16:] * 2, layer).mean(0)) / 2
    torch.testing.assert_close(layer.mu, expected)
    y = layer(x)
    assert torch.equal(y[:1], layer(x[:1]))
    assert torch.equal(y, torch.stack([residual_planes(s, layer.bit_map, 3, layer.mu).values() for s in x]))


def test_freezing_fixes_everything(x):
    layer = HbnnActivation((20,), distribution=THREE)
    layer(x)
    expected = layer.eval()(x)
    layer.train().freeze()
    state = copy.deepcopy(layer.state_dict())
    layer.refresh_bit_map()
    assert torch.equal(layer(x), expected)
    calibrate_activations(nn.Sequential(layer), [x * 9])
    assert all(torch.equal(state[key], value) for key, value in layer.state_dict().items())


def test_before_any_data_the_map_has_its_distribution_at_random():
    layer = HbnnActivation((20,), distribution=THREE)
    assert torch.bincount(layer.bit_map).tolist() == [0, 10, 5, 5]
    assert torch.equal(layer.bit_map, generate_bit_map(torch.zeros(20), THREE, Heuristic.RANDOM))


def test_a_resumed_layer_keeps_its_map(x, tmp_path):
    layer = HbnnActivation((20,), distribution=THREE)
    layer(x)
    again = HbnnActivation((20,), distribution=THREE)
    again.load_state_dict(layer.state_dict())
    assert not again.map_is_due
    assert torch.equal(again(x), layer(x))
    save(nn.Sequential(layer), x, tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert not found[0].map_is_due
    assert torch.equal(found(x), layer.eval()(x))
    fresh = HbnnActivation((20,))
    fresh.load_state_dict(HbnnActivation((20,)).state_dict())
    assert fresh.map_is_due


def test_what_cannot_be_is_refused(x):
    with pytest.raises(ValueError, match=r"sizes of at least 1, not \[\]"):
        HbnnActivation(())
    with pytest.raises(ValueError, match=r"sizes of at least 1, not \[3, 0\]"):
        HbnnActivation((3, 0))
    with pytest.raises(ValueError, match="momentum must lie in"):
        HbnnActivation((3,), momentum=0.0)
    with pytest.raises(ValueError, match=r"must be \(batch, \(19,\), \.\.\.\), not \(32, 20\)"):
        HbnnActivation((19,))(x)
    layer = HbnnActivation((3,), distribution=((1, 1.0),))
    layer.bit_map.fill_(2)
    with pytest.raises(ValueError, match="bit_map must not exceed 1 bits, not 2"):
        layer.check_buffers()


def test_deploy_refuses_it_untrained_with_a_way_out():
    model = nn.Sequential(
        BitPlaneInput(1), BinaryLinear(3, 4), nn.BatchNorm1d(4), HbnnActivation((4,)), BinaryLinear(4, 2)
    )
    with pytest.raises(
        CaptureError,
        match=r"'3' \(HbnnActivation\) must have .* a scale above 0; train it, or call calibrate",
    ):
        deploy(model)


def test_deployed_it_gives_the_same_planes_with_integer_scales():
    """With mu in the ratio of small integers nothing is rounded; entries keep their own number of bits."""
    act = HbnnActivation((4,))
    act.bit_map.copy_(torch.tensor([1, 2, 3, 2]))
    act.mu.copy_(torch.tensor([1.0, 0.5, 0.25]))
    linear = BinaryLinear(3, 4)
    model = nn.Sequential(BitPlaneInput(2, scaled=False), linear, nn.BatchNorm1d(4), act, BinaryLinear(4, 2))
    model[2].running_var.fill_(9.0)
    model.eval()
    codes = torch.cartesian_prod(*[torch.arange(4)] * 3)
    twin = deploy(model)
    values = dict(twin.trace(codes))
    expected = act(model[2](linear(model[0](codes))))
    assert torch.equal(values["3"], expected * 4)
    for column, magnitudes in enumerate([{4}, {2, 6}, {1, 3, 5, 7}, {2, 6}]):
        assert {abs(value) for value in values["3"][:, column].tolist()} <= magnitudes


def test_the_training_loop_fits_calibrates_and_freezes_it():
    whole = data.load("digits")
    small = dataclasses.replace(whole, x_train=whole.x_train[:640], y_train=whole.y_train[:640])
    torch.manual_seed(0)
    act = HbnnActivation((24,))
    model = nn.Sequential(
        BitPlaneInput(5), HbnnLinear(64, 24), nn.BatchNorm1d(24), act, HbnnLinear(24, 10), OutputScale(0.2)
    )
    train(model, small, TrainConfig(epochs=12, batch_size=64, activation_map_share=0.6))
    assert act.frozen
    assert bool((act.mu > 0).all())
    # Maps are fitted anew in the first 60 % of the epochs; the running mean is younger than that.
    assert int(act.batches_seen) == 5 * 10
    assert evaluate(model, small.x_test, small.y_test) > 0.4
