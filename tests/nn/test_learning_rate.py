"""Optimizers and learning rates of the training loop, against formulas written down independently."""

import math

import pytest
import torch
from torch import nn

from hbnn_hw.nn import (
    AdamSpec,
    BinaryLinear,
    CosineRate,
    ExponentialRate,
    FlexorLinear,
    GlorotScale,
    SgdSpec,
    SharpnessSchedule,
    ShiftAdaMax,
    ShiftAdaMaxSpec,
    StepRate,
    TrainConfig,
    glorot_coefficient,
)
from hbnn_hw.nn.train import _running

RATE = 0.5


def rates(schedule, n_steps, warm_up=0.0, rate=RATE):
    """The rate that the optimizer has in each step, read as the training loop reads it."""
    optimizer = SgdSpec().make([nn.Parameter(torch.zeros(1))], rate)
    scheduler = schedule.scheduler(optimizer, n_steps, initial=rate, warm_up=warm_up)
    seen = []
    for _ in range(n_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_a_cosine_falls_from_the_largest_rate_to_0():
    expected = [RATE / 2 * (1 + math.cos(math.pi * i / 40)) for i in range(40)]
    assert rates(CosineRate(), 40) == pytest.approx(expected, rel=1e-9)
    direct = [RATE * CosineRate().factor(i, 40, initial=RATE) for i in range(40)]
    assert direct == pytest.approx(expected, rel=1e-12)


def test_a_warm_up_rises_linearly_before_each_schedule():
    """A tenth of 40 steps: 1/5 .. 4/5 of the rate, then the schedule from its start."""
    rise = [RATE * k / 5 for k in (1, 2, 3, 4)]
    cosine = [RATE / 2 * (1 + math.cos(math.pi * i / 36)) for i in range(36)]
    assert rates(CosineRate(), 40, 0.1) == pytest.approx(rise + cosine, rel=1e-12)
    exponential = [RATE * 0.01 ** (i / 36) for i in range(36)]
    assert rates(ExponentialRate(final=RATE / 100), 40, 0.1) == pytest.approx(rise + exponential, rel=1e-12)
    assert rates(StepRate(), 40, 0.1) == pytest.approx(rise + [RATE] * 36, rel=1e-12)


def test_an_exponential_rate_is_that_of_bnns_code_at_the_start_of_each_epoch():
    """``LR_decay = (LR_fin / LR_start) ** (1 / num_epochs)``, multiplied once an epoch."""
    epochs, steps = 10, 7
    decay = (3e-7 / 3e-3) ** (1 / epochs)
    found = rates(ExponentialRate(final=3e-7), epochs * steps, rate=3e-3)[::steps]
    assert found == pytest.approx([3e-3 * decay**epoch for epoch in range(epochs)], rel=1e-9)


def test_steps_multiply_the_rate_at_their_shares():
    """FleXOR's 500 epochs: halved at 350, 400 and 450."""
    found = rates(StepRate(at=(0.7, 0.8, 0.9), decay=0.5), 500)
    assert found == [RATE] * 350 + [RATE / 2] * 50 + [RATE / 4] * 50 + [RATE / 8] * 50


def test_the_rate_halves_in_the_step_in_which_s_tanh_doubles():
    """Rate times S_tanh is constant, whatever the number of steps and however the shares round."""
    at = (0.3, 0.75, 0.875)
    sharpness = SharpnessSchedule(warm_up=0.0, doublings=at)
    for n_steps in (7, 10, 93, 1000):
        found = rates(StepRate(at=at, decay=0.5), n_steps)
        assert {r * sharpness.s_tanh(i / n_steps) for i, r in enumerate(found)} == {RATE * 10.0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ExponentialRate(final=0.0), "final learning rate must be finite and positive, not 0.0"),
        (lambda: StepRate(at=(1.5,)), r"steps of the learning rate must lie in 0..1, not \(1.5,\)"),
        (lambda: StepRate(decay=-1.0), "decay of a step must be finite and positive, not -1.0"),
        (lambda: TrainConfig(epochs=1, warm_up=1.5), "warm_up must lie in 0..1, not 1.5"),
        (
            lambda: TrainConfig(epochs=1, validation_images=-1),
            "validation_images and calibration_images must not be negative, not -1 and 10000",
        ),
        (lambda: TrainConfig(epochs=1, threads=0), "threads must be at least 1, not 0"),
        (
            lambda: TrainConfig(epochs=1, device="cuda"),
            "device must be Device.CPU or Device.CUDA, not 'cuda'",
        ),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def one_step(spec, gradients=(0.5, -0.25), start=1.0, rate=0.1):
    """Where a single weight ends after steps with given gradients."""
    weight = nn.Parameter(torch.tensor([start], dtype=torch.float64))
    optimizer = spec.make([weight], rate)
    for gradient in gradients:
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
    return weight.item()


def test_sgd_by_hand():
    """v = 0.9 v + g + 0.01 w; w -= 0.1 v."""
    v1 = 0.5 + 0.01
    w1 = 1.0 - 0.1 * v1
    v2 = 0.9 * v1 - 0.25 + 0.01 * w1
    assert one_step(SgdSpec(momentum=0.9, weight_decay=0.01)) == pytest.approx(w1 - 0.1 * v2, rel=1e-12)
    nesterov = one_step(SgdSpec(momentum=0.9, nesterov=True), gradients=(0.5,))
    assert nesterov == pytest.approx(1.0 - 0.1 * (0.5 + 0.9 * 0.5), rel=1e-12)


def test_adam_by_hand():
    """Bias-corrected moments; the penalty is part of the gradient."""
    spec = AdamSpec(betas=(0.8, 0.9), eps=1e-3, weight_decay=0.1)
    w, m, v = 1.0, 0.0, 0.0
    for t, gradient in enumerate((0.5, -0.25), start=1):
        g = gradient + 0.1 * w
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
        w -= 0.1 * (m / (1 - 0.8**t)) / (math.sqrt(v / (1 - 0.9**t)) + 1e-3)
    assert one_step(spec) == pytest.approx(w, rel=1e-12)


def test_shift_adamax_by_hand():
    """One step from 0: m = g / 8, v = |g|, and the rate over 1 - beta1 = 1/8 is a power of two."""
    spec = ShiftAdaMaxSpec(betas=(1 - 2.0**-3, 0.5), eps=2.0**-27)
    assert one_step(spec, gradients=(0.5,), rate=2.0**-6) == pytest.approx(1 - 2.0**-3 * (0.5 / 8) / 0.5)
    assert isinstance(spec.make([nn.Parameter(torch.zeros(1))], 0.1), ShiftAdaMax)


def test_the_defaults_are_those_of_torch_and_of_the_paper():
    weight = nn.Parameter(torch.zeros(1))
    assert AdamSpec().make([weight], 0.1).defaults == torch.optim.Adam([weight], lr=0.1).defaults
    assert SgdSpec().make([weight], 0.1).defaults == torch.optim.SGD([weight], lr=0.1).defaults
    assert ShiftAdaMaxSpec().make([weight], 0.1).defaults == ShiftAdaMax([weight], lr=0.1).defaults


@pytest.mark.parametrize("scale", list(GlorotScale))
def test_latent_weights_alone_get_glorots_factor_and_keep_it(scale):
    """Fan 6 + 48 and 48 + 6: gamma = sqrt(54 / 1.5) = 6, to a power of two 8; later the ratio is the same."""
    model = nn.Sequential(BinaryLinear(6, 48), nn.BatchNorm1d(48), FlexorLinear(48, 6))
    gamma = glorot_coefficient(model[0], scale)
    assert gamma == pytest.approx(6.0 if scale is GlorotScale.EXACT else 8.0)
    config = TrainConfig(epochs=1, learning_rate=0.5, glorot=scale, schedule=StepRate(at=(0.5,), decay=0.1))
    running = _running(model, config, 4)

    def rate_of(parameter):
        groups = running.optimizer.param_groups
        return next(group["lr"] for group in groups if any(p is parameter for p in group["params"]))

    for expected in (0.5, 0.5, 0.05, 0.05):
        assert rate_of(model[0].weight) == pytest.approx(expected * gamma)
        others = [parameter for parameter in model.parameters() if parameter is not model[0].weight]
        assert [rate_of(parameter) for parameter in others] == pytest.approx([expected] * 4)
        running.optimizer.step()
        running.schedule.step()
