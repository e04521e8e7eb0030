"""An interrupted and resumed run ends as if it had never stopped; any other file is refused by name."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from hbnn_hw.data import load
from hbnn_hw.errors import HbnnError, TrainStateError
from hbnn_hw.nn import (
    AdamSpec,
    ExponentialRate,
    GlorotScale,
    HbnnActivation,
    Method,
    Norm,
    SgdSpec,
    SharpnessSchedule,
    ShiftAdaMaxSpec,
    StepRate,
    StochasticSign,
    TrainConfig,
    mlp,
    train,
)

METHODS = (Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR)
EPOCHS = 6
CONFIG = TrainConfig(epochs=EPOCHS, batch_size=64, seed=3, warm_up=0.1, calibration_images=128)


class InterruptedRunError(Exception):
    """Stands for Ctrl-C."""


@pytest.fixture(scope="module")
def digits():
    whole = load("digits")
    return dataclasses.replace(
        whole,
        x_train=whole.x_train[:192],
        y_train=whole.y_train[:192],
        x_test=whole.x_test[:50],
        y_test=whole.y_test[:50],
    )


def network(method, *, norm=Norm.BATCH, seed=5):
    """Dropout draws from torch's generator, stochastic signs from their own."""
    torch.manual_seed(seed)
    plain = mlp(method, 5, (64, 24, 24, 10), norm=norm)
    layers = {}
    for name, layer in plain.named_children():
        layers[name] = StochasticSign(seed=7) if name == "act1" else layer
        if name == "act2" and method is Method.HBNN:
            layers[name] = HbnnActivation((24,))
        if name.startswith("act"):
            layers[f"drop{name}"] = nn.Dropout(0.2)
    model = nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model


def interrupt_after(epoch):
    def report(told):
        if told.epoch > epoch:
            raise InterruptedRunError

    return report


def final(model):
    """Every bit of the result: tensors, flags, and the randomness that would come next."""
    flags = {
        (name, flag): getattr(module, flag)
        for name, module in model.named_modules()
        for flag in ("frozen", "hard", "map_is_due")
        if hasattr(module, flag)
    }
    tensors = {name: value.numpy().tobytes() for name, value in model.state_dict().items()}
    return tensors, flags, model.act1.generator.get_state().tolist(), torch.get_rng_state().tolist()


def interrupted_and_resumed(digits, config, path, epoch, **kwargs):
    with pytest.raises(InterruptedRunError):
        train(network(**kwargs), digits, config, interrupt_after(epoch), state_file=path)
    model = network(**kwargs, seed=99)
    # Whatever another program draws in between.
    torch.manual_seed(1234)
    torch.rand(100)
    epochs = []
    train(model, digits, config, lambda told: epochs.append(told.epoch), state_file=path, resume=True)
    assert epochs == list(range(epoch + 1, EPOCHS + 1))
    return model


@pytest.mark.parametrize("epoch", [1, 5])
@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_ends_byte_for_byte_like_an_uninterrupted_one(digits, tmp_path, method, epoch):
    """After 1 of 6 epochs maps still move; after 5 they stay, and SLB's weights are hard from 0.8 on."""
    temperature = dataclasses.replace(CONFIG.temperature, end=0.8)
    config = dataclasses.replace(CONFIG, temperature=temperature)
    whole = network(method)
    train(whole, digits, config, lambda told: None)
    expected = final(whole)
    resumed = interrupted_and_resumed(digits, config, tmp_path / "run.state", epoch, method=method)
    assert final(resumed) == expected


OTHERS = {
    "sgd, steps, state batch normalization": (
        {"norm": Norm.STATE, "method": Method.SLB},
        {
            "optimizer": SgdSpec(momentum=0.9, weight_decay=1e-4),
            "schedule": StepRate(at=(0.4, 0.7), decay=0.5),
        },
    ),
    "shifts, exponential, Glorot": (
        {"method": Method.BNN},
        {
            "optimizer": ShiftAdaMaxSpec(),
            "schedule": ExponentialRate(final=1e-5),
            "glorot": GlorotScale.POWER_OF_TWO,
        },
    ),
    "cosine as torch has it, validation split": (
        {"method": Method.FLEXOR},
        {"warm_up": 0.0, "validation_images": 60, "sharpness": SharpnessSchedule(doublings=(0.5,))},
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_optimizer_and_schedule_resumes_exactly(digits, tmp_path, name):
    made, options = OTHERS[name]
    config = dataclasses.replace(CONFIG, **options)
    whole = network(**made)
    train(whole, digits, config)
    expected = final(whole)
    resumed = interrupted_and_resumed(digits, config, tmp_path / "run.state", 3, **made)
    assert final(resumed) == expected


def test_layers_that_were_frozen_on_the_way_stay_so(digits, tmp_path):
    """A caller that fixes one map after epoch 2; the resumed run knows it from the state alone."""

    def freeze_one(model, then):
        def on_epoch(told):
            if told.epoch == 2:
                model.fc1.freeze()
                model.act2.freeze()
            then(told)

        return on_epoch

    whole = network(Method.HBNN)
    train(whole, digits, CONFIG, freeze_one(whole, lambda told: None))
    expected = final(whole)
    first, path = network(Method.HBNN), tmp_path / "run.state"
    with pytest.raises(InterruptedRunError):
        train(first, digits, CONFIG, freeze_one(first, interrupt_after(3)), state_file=path)
    resumed = network(Method.HBNN, seed=99)
    train(resumed, digits, CONFIG, state_file=path, resume=True)
    assert final(resumed) == expected


def test_keeping_a_state_does_not_change_the_run(digits, tmp_path):
    plain, kept = network(Method.HBNN), network(Method.HBNN)
    torch.manual_seed(1)
    train(plain, digits, CONFIG)
    torch.manual_seed(1)
    train(kept, digits, CONFIG, state_file=tmp_path / "run.state", save_every=4)
    assert final(kept)[:3] == final(plain)[:3]


def test_the_state_is_saved_every_few_epochs_and_after_the_last(digits, tmp_path):
    path, seen = tmp_path / "run.state", []

    def look(told):
        seen.append(torch.load(path, weights_only=True)["epoch"] if path.exists() else 0)

    train(network(Method.BNN), digits, CONFIG, look, state_file=path, save_every=4)
    assert seen == [0, 0, 0, 0, 4, 4]
    assert torch.load(path, weights_only=True)["epoch"] == EPOCHS
    assert [file.name for file in tmp_path.iterdir()] == ["run.state"]


def test_a_finished_run_resumes_to_its_own_end(digits, tmp_path):
    first, again = network(Method.HBNN), network(Method.HBNN, seed=6)
    train(first, digits, CONFIG, state_file=tmp_path / "run.state")
    expected = final(first)
    train(
        again,
        digits,
        CONFIG,
        lambda told: pytest.fail("nothing is left to train"),
        state_file=tmp_path / "run.state",
        resume=True,
    )
    assert final(again) == expected
    assert again.fc1.frozen
    assert not again.training


@pytest.fixture(scope="module")
def saved(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("state") / "run.state"
    train(network(Method.HBNN), digits, CONFIG, state_file=path, save_every=EPOCHS)
    return path


def changed(array):
    copy = array.copy()
    copy.flat[0] ^= 1
    return copy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 0.01}, "option 'learning_rate' is 0.004 in the file, not 0.01"),
        ({"epochs": 7}, "option 'epochs' is 6 in the file, not 7"),
        ({"seed": 4}, "option 'seed' is 3 in the file, not 4"),
        ({"optimizer": SgdSpec()}, "option 'optimizer' is 'AdamSpec' in the file, not 'SgdSpec'"),
        (
            {"optimizer": AdamSpec(weight_decay=0.1)},
            "option 'optimizer.weight_decay' is 0.0 in the file, not 0.1",
        ),
        ({"schedule": StepRate(at=(0.5,))}, "option 'schedule' is 'CosineRate' in the file, not 'StepRate'"),
        ({"validation_images": 64}, "option 'validation_images' is 0 in the file, not 64"),
        ({"glorot": GlorotScale.EXACT}, "option 'glorot' is None in the file, not 'exact'"),
        (
            {"sharpness": SharpnessSchedule(doublings=(0.5,))},
            r"option 'sharpness.doublings' is \[\] in the file, not \[0.5\]",
        ),
    ],
)
def test_other_options_are_refused_by_name(digits, saved, changes, message):
    with pytest.raises(TrainStateError, match=f"must be of the same run, but {message}; resume with what"):
        train(
            network(Method.HBNN),
            digits,
            dataclasses.replace(CONFIG, **changes),
            state_file=saved,
            resume=True,
        )


@pytest.mark.parametrize("part", ["x_train", "y_train", "x_test", "y_test"])
def test_other_images_are_refused_by_name(digits, saved, part):
    other = dataclasses.replace(digits, **{part: changed(getattr(digits, part))})
    with pytest.raises(TrainStateError, match=f"data '{part}' is .* SHA-256 .* in the file, not"):
        train(network(Method.HBNN), other, CONFIG, state_file=saved, resume=True)


def test_another_network_is_refused_by_name(digits, saved):
    with pytest.raises(TrainStateError, match=r"layer 'fc1' is 'HbnnLinear\(.*not 'BinaryLinear\("):
        train(network(Method.BNN), digits, CONFIG, state_file=saved, resume=True)
    dropped = network(Method.HBNN)
    dropped.dropact1.p = 0.5
    with pytest.raises(TrainStateError, match=r"layer 'dropact1' is 'Dropout\(p=0.2.*not 'Dropout\(p=0.5"):
        train(dropped, digits, CONFIG, state_file=saved, resume=True)
    longer = network(Method.HBNN)
    longer.add_module("more", nn.Identity())
    with pytest.raises(TrainStateError, match="layer 'more' is missing in the file"):
        train(longer, digits, CONFIG, state_file=saved, resume=True)
    del longer.more, longer.scale
    with pytest.raises(TrainStateError, match="layer 'scale' of the file is missing here"):
        train(longer, digits, CONFIG, state_file=saved, resume=True)


def refused(digits, path):
    with pytest.raises(TrainStateError) as caught:
        train(network(Method.HBNN), digits, CONFIG, state_file=path, resume=True)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_and_other_files_are_refused(digits, tmp_path):
    assert "must be readable: No such file" in refused(digits, tmp_path / "none.state")
    other = tmp_path / "other.state"
    other.write_bytes(b"epoch,loss\n")
    assert "is damaged or no state file" in refused(digits, other)
    torch.save({"weight": torch.zeros(2)}, other)
    assert "must be a state file of a training run, not something else" in refused(digits, other)
    torch.save({"format": "hbnn_hw.train_state", "version": 2}, other)
    assert "must be of version 1, not 2" in refused(digits, other)
    torch.save(network(Method.BNN), other)
    assert "is damaged or no state file" in refused(digits, other)


def test_a_damaged_file_is_refused_wherever_the_damage_is(digits, saved, tmp_path):
    """Check sums of the archive notice every flipped byte of a tensor."""
    raw, path = saved.read_bytes(), tmp_path / "damaged.state"
    generator = np.random.default_rng(0)
    path.write_bytes(raw[: len(raw) // 2])
    refused(digits, path)
    for position in generator.choice(len(raw), 25, replace=False):
        path.write_bytes(raw[:position] + bytes([raw[position] ^ 0xFF]) + raw[position + 1 :])
        # A byte that says nothing, such as a time stamp or padding, may be refused or not.
        try:
            train(network(Method.HBNN), digits, CONFIG, state_file=path, resume=True)
        except TrainStateError:
            continue
        content, good = (torch.load(file, weights_only=True)["model"] for file in (path, saved))
        assert all(torch.equal(content[name], good[name]) for name in good)


@pytest.mark.parametrize(
    "entry", ["model", "optimizer", "schedule", "order", "torch_random", "generators", "flags"]
)
def test_a_file_without_an_entry_or_with_a_wrong_one_is_refused(digits, saved, tmp_path, entry):
    content, path = torch.load(saved, weights_only=True), tmp_path / "wrong.state"
    for wrong in ({key: value for key, value in content.items() if key != entry}, content | {entry: 3}):
        torch.save(wrong, path)
        assert "is damaged or no state file" in refused(digits, path)


@pytest.mark.parametrize("epoch", [-1, "2", None])
def test_a_wrong_epoch_is_refused(digits, saved, tmp_path, epoch):
    torch.save(torch.load(saved, weights_only=True) | {"epoch": epoch}, tmp_path / "wrong.state")
    assert "the epoch in state file" in refused(digits, tmp_path / "wrong.state")


def test_wrong_calls_are_refused_before_anything_is_trained(digits, tmp_path):
    model = network(Method.BNN)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(HbnnError, match="must have a state file"):
        train(model, digits, CONFIG, resume=True)
    with pytest.raises(ValueError, match="save_every must be at least 1 epoch, not 0"):
        train(model, digits, CONFIG, state_file=tmp_path / "a.state", save_every=0)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_every_option_is_part_of_the_identity():
    """Two runs that differ in one field only are never taken for the same."""
    from hbnn_hw.nn.train_identity import difference, identify

    data = load("digits")
    model = nn.Identity()
    other = {
        "epochs": 9, "batch_size": 9, "learning_rate": 9.0, "seed": 9, "map_share": 0.9, "warm_up": 0.9,
        "activation_map_share": 0.9, "calibration_images": 9, "validation_images": 9, "threads": 9,
        "glorot": GlorotScale.EXACT,
    }  # fmt: skip
    base = identify(TrainConfig(epochs=1), data, model)
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    assert names <= {name.partition(".")[0] for name in base["option"]}
    for name, value in other.items():
        found = difference(
            base, identify(dataclasses.replace(TrainConfig(epochs=1), **{name: value}), data, model)
        )
        assert found is not None
        assert found.startswith(f"option '{name}' is")
    assert difference(base, base) is None
    assert difference({}, base) == "the file does not say what its options are"
    pairs = itertools.permutations((1, 1.0, True), 2)
    assert all(difference({"option": {"x": a}}, {"option": {"x": b}}) is not None for a, b in pairs)
