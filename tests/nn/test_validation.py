"""The validation split: the last training images, never trained on, measured instead of the test set."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from hbnn_hw.data import load
from hbnn_hw.errors import HbnnError
from hbnn_hw.nn import Device, Method, Split, TrainConfig, evaluate, mlp, train
from hbnn_hw.nn.train_data import prepare

CONFIG = TrainConfig(epochs=2, batch_size=32, validation_images=50)


@pytest.fixture(scope="module")
def digits():
    whole = load("digits")
    return dataclasses.replace(
        whole,
        x_train=whole.x_train[:178],
        y_train=whole.y_train[:178],
        x_test=whole.x_test[:40],
        y_test=whole.y_test[:40],
    )


def test_the_last_training_images_are_held_out(digits):
    data = prepare(digits, CONFIG)
    assert data.split is Split.VALIDATION
    assert np.array_equal(data.images, digits.x_train[:128])
    assert np.array_equal(data.labels, digits.y_train[:128])
    assert np.array_equal(data.measured_images, digits.x_train[128:])
    assert np.array_equal(data.measured_labels, digits.y_train[128:])


def test_without_a_split_the_test_images_are_measured(digits):
    data = prepare(digits, dataclasses.replace(CONFIG, validation_images=0))
    assert data.split is Split.TEST
    assert np.array_equal(data.images, digits.x_train)
    assert np.array_equal(data.measured_images, digits.x_test)
    assert np.array_equal(data.measured_labels, digits.y_test)


class Watcher(nn.Module):
    """Notes every image that passes, and in which mode."""

    def __init__(self):
        super().__init__()
        self.seen = {True: set(), False: set()}

    def forward(self, x):
        self.seen[self.training] |= {bytes(image.tolist()) for image in x}
        return x


def images_of(array):
    return {bytes(image) for image in array}


@pytest.mark.parametrize("method", [Method.BNN, Method.SLB])
def test_training_never_sees_held_out_images_and_nothing_sees_test_images(digits, method):
    """Distinct images, so that seeing one is no accident; SLB's recalibration is watched, too."""
    parts = images_of(digits.x_train[:128]), images_of(digits.x_train[128:]), images_of(digits.x_test)
    assert sum(map(len, parts)) == 128 + 50 + 40 == len(set.union(*parts))
    torch.manual_seed(0)
    watcher, reports = Watcher(), []
    model = nn.Sequential(watcher, *mlp(method, 5, (64, 16, 10)))
    train(model, digits, CONFIG, reports.append)
    trained, measured = watcher.seen[True], watcher.seen[False]
    assert trained == parts[0]
    assert parts[1] <= measured <= parts[0] | parts[1]
    assert (measured == parts[1]) is (method is Method.BNN)
    held_out = evaluate(model, digits.x_train[128:], digits.y_train[128:])
    assert reports[-1].accuracy == reports[-1].validation_accuracy == held_out
    assert [told.test_accuracy for told in reports] == [None, None]


def test_training_with_a_split_is_training_on_the_rest(digits):
    weights = []
    for dataset, held_out in (
        (digits, 50),
        (dataclasses.replace(digits, x_train=digits.x_train[:128], y_train=digits.y_train[:128]), 0),
    ):
        torch.manual_seed(0)
        model = mlp(Method.HBNN, 5, (64, 16, 10))
        train(model, dataset, dataclasses.replace(CONFIG, validation_images=held_out))
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("held_out", [147, 178, 1000])
def test_too_few_images_to_train_on_are_an_error(digits, held_out):
    config = dataclasses.replace(CONFIG, validation_images=held_out)
    with pytest.raises(HbnnError, match=f"fill a batch of 32, but of 178 images {held_out} are held out"):
        train(mlp(Method.BNN, 5, (64, 16, 10)), digits, config)


def test_a_missing_gpu_is_named_before_anything_is_trained(digits, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(HbnnError, match=r"device must be 'cpu', not 'cuda': torch .* finds no GPU"):
        train(nn.Identity(), digits, dataclasses.replace(CONFIG, device=Device.CUDA))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("method", [Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR])
def test_a_gpu_trains_the_same_weights_each_time(digits, method):
    weights = []
    for _ in range(2):
        torch.manual_seed(0)
        model = mlp(method, 5, (64, 16, 10))
        reports = []
        train(model, digits, dataclasses.replace(CONFIG, device=Device.CUDA), reports.append)
        assert next(model.parameters()).is_cuda
        assert evaluate(model, digits.x_train[128:], digits.y_train[128:]) == reports[-1].accuracy
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_more_threads_are_used_where_asked_for_and_given_back(digits):
    before, seen = torch.get_num_threads(), []
    config = dataclasses.replace(CONFIG, epochs=1, threads=2)
    train(mlp(Method.BNN, 5, (64, 16, 10)), digits, config, lambda told: seen.append(torch.get_num_threads()))
    assert seen == [2]
    assert torch.get_num_threads() == before
