"""The training loop: it learns, repeats exactly, clips, settles its maps, and restores torch's settings."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from hbnn_hw.data import load
from hbnn_hw.nn import (
    BinaryLinear,
    BitPlaneInput,
    EpochReport,
    HbnnActivation,
    HbnnLinear,
    Loss,
    Method,
    TrainConfig,
    evaluate,
    mlp,
    train,
)
from hbnn_hw.nn.train import deterministic, squared_hinge


@pytest.fixture(scope="module")
def digits():
    """The first 640 training and 200 test images: enough to learn from in a second."""
    whole = load("digits")
    return dataclasses.replace(
        whole,
        x_train=whole.x_train[:640],
        y_train=whole.y_train[:640],
        x_test=whole.x_test[:200],
        y_test=whole.y_test[:200],
    )


def trained(digits, method=Method.BNN, *, epochs=3, seed=0, loss=Loss.CROSS_ENTROPY, on_epoch=None):
    torch.manual_seed(seed)
    model = mlp(method, 5, (64, 24, 10))
    train(model, digits, TrainConfig(epochs=epochs, batch_size=64, seed=seed, loss=loss), on_epoch)
    return model


@pytest.mark.parametrize("loss", list(Loss))
@pytest.mark.parametrize("method", [Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR, Method.FLOAT])
def test_every_method_learns(digits, method, loss):
    """Chance is 10 %; twenty passes over 640 images with 24 hidden units reach far more."""
    model = trained(digits, method, epochs=20, loss=loss)
    assert evaluate(model, digits.x_test, digits.y_test) > 0.4
    assert not model.training


def test_the_same_seed_gives_the_same_weights_and_another_does_not(digits):
    first, again, other = (trained(digits, Method.HBNN, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["fc1.weight"], other["fc1.weight"])


def test_latent_weights_stay_in_the_window(digits):
    """With steps this large they would leave it at once."""
    torch.manual_seed(0)
    model = mlp(Method.BNN, 5, (64, 24, 10))
    train(model, digits, TrainConfig(epochs=1, batch_size=64, learning_rate=1.0))
    for layer in model:
        if isinstance(layer, BinaryLinear):
            assert float(layer.weight.abs().max().detach()) == 1.0


def test_maps_follow_the_weights_early_and_stay_late(digits):
    seen = []
    torch.manual_seed(0)
    model = mlp(Method.HBNN, 5, (64, 24, 10))

    def keep(report):
        seen.append((model.fc1.bit_map.clone(), model.fc1.frozen))

    train(model, digits, TrainConfig(epochs=10, batch_size=64, map_share=0.5), keep)
    changed = [not torch.equal(a, b) for (a, _), (b, _) in itertools.pairwise(seen)]
    assert changed == [True] * 4 + [False] * 5
    assert not any(frozen for _, frozen in seen)
    assert all(layer.frozen for layer in model if isinstance(layer, HbnnLinear))


@pytest.mark.parametrize(("share", "changes"), [(0.0, [False] * 3), (0.5, [True, False, False])])
def test_maps_of_activations_stay_unless_asked_for(digits, share, changes):
    seen = []
    torch.manual_seed(0)
    model = nn.Sequential(
        BitPlaneInput(5), nn.Linear(64, 24), nn.BatchNorm1d(24), HbnnActivation((24,)), nn.Linear(24, 10)
    )
    config = TrainConfig(epochs=4, batch_size=64, map_share=1.0, activation_map_share=share)
    train(model, digits, config, lambda _: seen.append(model[3].bit_map.clone()))
    assert [not torch.equal(a, b) for a, b in itertools.pairwise(seen)] == changes
    assert int(seen[0].max()) == 3
    assert model[3].frozen


def test_progress_is_told_after_each_epoch(digits):
    reports = []
    model = trained(digits, on_epoch=reports.append)
    assert [(r.epoch, r.epochs) for r in reports] == [(1, 3), (2, 3), (3, 3)]
    assert all(isinstance(r, EpochReport) and r.loss > 0 for r in reports)
    assert reports[-1].test_accuracy == evaluate(model, digits.x_test, digits.y_test)


def test_squared_hinge_by_hand():
    logits = torch.tensor([[2.0, 0.5], [0.0, -1.0]])
    # Targets (+, -) and (-, +): margins 2, -0.5, 0, -1, so max(0, 1 - m)² = 0, 2.25, 1, 4.
    assert squared_hinge(logits, torch.tensor([0, 1])).item() == pytest.approx((0 + 2.25 + 1 + 4) / 4)


def test_accuracy_counts_every_image_and_ties_go_to_the_lower_class():
    images = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.uint8)
    assert evaluate(torch.nn.Identity(), images, np.array([0, 1, 0, 1], dtype=np.uint8)) == 0.75


def test_torchs_settings_are_restored(digits):
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    trained(digits, epochs=1)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, strict)

    def fail():
        with deterministic():
            assert torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, strict)
