"""What the methods do around the steps: each hook alone, and a loop of one's own against `train`."""

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hbnn_hw.data import load
from hbnn_hw.nn import (
    BinaryLinear,
    BnnSpec,
    ConvertSpec,
    FlexorLinear,
    FlexorSpec,
    HbnnActivation,
    HbnnActivationSpec,
    HbnnLinear,
    HbnnSpec,
    LinearTemperature,
    Method,
    MethodSteps,
    SharpnessSchedule,
    SlbLinear,
    SlbSpec,
    StateBatchNorm1d,
    TrainConfig,
    convert,
    mlp,
    train,
)
from hbnn_hw.nn.train import EVALUATION_BATCH, deterministic

TEMPERATURE = LinearTemperature(initial=1.0, final=0.25, start=0.25, end=0.75)
EPOCHS, BATCH, RATE = 4, 64, 4e-3


@pytest.fixture(scope="module")
def digits():
    whole = load("digits")
    return dataclasses.replace(
        whole,
        x_train=whole.x_train[:320],
        y_train=whole.y_train[:320],
        x_test=whole.x_test[:100],
        y_test=whole.y_test[:100],
    )


def mixed():
    """All four methods and a heterogeneous activation in one network."""
    torch.manual_seed(0)
    layers = {
        "fc1": BnnSpec(),
        "fc2": HbnnSpec(),
        "fc3": FlexorSpec(),
        "fc4": SlbSpec(bits=2),
        "act2": HbnnActivationSpec(shape=(20,)),
    }
    return convert(mlp(Method.FLOAT, 5, (64, 24, 20, 16, 10)), ConvertSpec(layers=layers))


def own_loop(model, digits):
    """What a user writes; the order of the images is that of `train`."""
    images, labels = torch.tensor(digits.x_train), torch.tensor(digits.y_train, dtype=torch.int64)
    n_batches = len(images) // BATCH
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * n_batches)
    order = torch.Generator().manual_seed(0)
    steps = MethodSteps(model, temperature=TEMPERATURE)
    for epoch in range(EPOCHS):
        steps.begin_epoch(epoch / EPOCHS)
        rows = torch.randperm(len(images), generator=order)[: n_batches * BATCH].split(BATCH)
        for i, batch in enumerate(rows):
            steps.before_step((epoch * n_batches + i) / (EPOCHS * n_batches))
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            steps.after_step(images[batch])
        steps.end_epoch((epoch + 1) / EPOCHS, images.split(EVALUATION_BATCH))
    steps.finish()


@pytest.mark.parametrize("norm", ["batch", "state"])
def test_a_loop_of_ones_own_gives_the_weights_of_train(digits, norm):
    model = mixed()
    if norm == "state":
        for i, width in ((1, 24), (2, 20), (3, 16)):
            setattr(model, f"norm{i}", StateBatchNorm1d(width))
    twin = copy.deepcopy(model)
    config = TrainConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=RATE, temperature=TEMPERATURE)
    train(model, digits, config)
    with deterministic():
        own_loop(twin, digits)
    assert not twin.training
    for (name, mine), theirs in zip(twin.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    assert (twin.fc2.frozen, twin.act2.frozen, twin.fc4.hard) == (True, True, True)


def test_maps_follow_until_their_share_of_the_training():
    layer, activation = HbnnLinear(10, 10), HbnnActivation((10,))
    model = nn.Sequential(layer, activation).eval()
    steps = MethodSteps(model, map_share=0.5, activation_map_share=0.25)
    model(torch.randn(8, 10))
    for progress, follows, activation_follows in (
        (0.0, True, True),
        (0.24, True, True),
        (0.25, True, False),
        (0.49, True, False),
        (0.5, False, False),
        (1.0, False, False),
    ):
        layer.bit_map.zero_()
        activation.map_is_due = False
        steps.begin_epoch(progress)
        assert bool(layer.bit_map.any()) == follows
        assert activation.map_is_due == activation_follows
    assert model.training


def test_the_schedules_reach_the_layers():
    """T = 1/τ rises; from the end of the decay the choice is final."""
    searched, decoded = SlbLinear(4, 4), FlexorLinear(8, 10)
    sharpness = SharpnessSchedule(initial=2.0, final=4.0, warm_up=0.5, doublings=(0.75,))
    steps = MethodSteps(nn.Sequential(searched, decoded), temperature=TEMPERATURE, sharpness=sharpness)
    for progress, inverse, s_tanh, hard in (
        (0.0, 1.0, 2.0, False),
        (0.5, 1.6, 4.0, False),
        (0.625, 1 / 0.4375, 4.0, False),
        (0.75, 4.0, 8.0, True),
    ):
        steps.before_step(progress)
        assert float(searched.inverse_temperature) == pytest.approx(inverse)
        assert float(decoded.s_tanh) == pytest.approx(s_tanh)
        assert searched.hard == hard


def test_latent_weights_alone_are_clipped():
    model = nn.Sequential(BinaryLinear(4, 4), HbnnLinear(4, 4), SlbLinear(4, 4), nn.Linear(4, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(-3.0)
    MethodSteps(model).after_step(torch.zeros(2, 4))
    for layer, value in zip(model, (-1.0, -1.0, None, -3.0), strict=True):
        if value is not None:
            assert bool((layer.weight == value).all())
    assert bool((model[2].logits == -3.0).all())


def test_a_state_norm_sees_the_hard_weights_of_the_step():
    torch.manual_seed(0)
    model = nn.Sequential(SlbLinear(4, 3), StateBatchNorm1d(3, momentum=1.0)).train()
    x = torch.randn(16, 4)
    MethodSteps(model).after_step(x)
    torch.testing.assert_close(model[1].running_mean, (x @ model[0].planes().values().T).mean(0))
    before = model[1].running_mean.clone()
    MethodSteps(model).end_epoch(1.0, [2 * x])
    assert torch.equal(model[1].running_mean, before)


def test_recalibration_begins_when_the_temperature_moves():
    torch.manual_seed(0)
    model = nn.Sequential(SlbLinear(4, 3), nn.BatchNorm1d(3))
    x = torch.randn(16, 4)
    steps = MethodSteps(model, temperature=TEMPERATURE)
    steps.end_epoch(TEMPERATURE.start, [x])
    assert not model[1].running_mean.any()
    steps.end_epoch(0.3, [x])
    torch.testing.assert_close(model[1].running_mean, (x @ model[0].planes().values().T).mean(0))
    assert not model.training


def test_the_end_makes_every_choice_final():
    """Also where the temperature has not ended."""
    model = nn.Sequential(SlbLinear(4, 4), HbnnLinear(4, 4), HbnnActivation((4,)))
    planes = model[1].planes()
    MethodSteps(model).finish()
    assert (model[0].hard, model[1].frozen, model[2].frozen, model.training) == (True, True, True, False)
    assert torch.equal(model[1].mu, planes.mu)


def test_a_float_network_is_left_alone():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    before = copy.deepcopy(model.state_dict())
    steps = MethodSteps(model)
    steps.begin_epoch(0.0)
    steps.before_step(0.5)
    steps.after_step(torch.randn(5, 4))
    steps.end_epoch(1.0, [torch.randn(5, 4)])
    steps.finish()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
