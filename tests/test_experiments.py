"""The results page: what it is made of, how runs are done once, and Huffman's code."""

import dataclasses
import heapq
import json
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.nn import BinaryLinear, FlexorLinear, HbnnLinear

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "models"]:
        del sys.modules[name]


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of runs, a page beside it, and recipes of two epochs."""
    from models import results_page, run_log

    monkeypatch.setattr(run_log, "FOLDER", tmp_path / "results")
    monkeypatch.setattr(results_page, "PAGE", tmp_path / "docs" / "results.md")
    monkeypatch.setattr(results_page, "PICTURES", tmp_path / "docs" / "results")
    (tmp_path / "docs").mkdir()
    return tmp_path


def short_study(**changes):
    from models import digits
    from models.study import Study

    recipes = tuple(
        dataclasses.replace(recipe, config=dataclasses.replace(recipe.config, epochs=2))
        for recipe in digits.RECIPES[1:3]
    )
    fields = {"name": "short", "title": "Short", "text": "Two epochs.", "recipes": recipes, "seeds": (0, 1)}
    return Study(**fields | changes)


def mean_of(name):
    from models import run_log

    return statistics.fmean(run.accuracy for run in run_log.read(name))


def test_the_published_bars_are_cleared_by_the_mean_of_three_seeds():
    from models import run_log

    for method in ("float", "bnn", "hbnn", "slb", "flexor"):
        assert [run.seed for run in run_log.read(f"mnist_{method}")] == [0, 1, 2]
    assert mean_of("mnist_float") >= 0.982
    assert mean_of("mnist_bnn") >= 0.977
    assert mean_of("mnist_hbnn") >= mean_of("mnist_bnn") + 0.001
    assert mean_of("mnist_slb") >= 0.975
    assert mean_of("mnist_flexor") >= 0.968


def test_heterogeneous_activations_lie_between_one_and_two_bits():
    assert mean_of("fashion_cnn_hbnn14") >= mean_of("fashion_cnn_hbnn20") - 0.015
    assert mean_of("fashion_cnn_hbnn14") > mean_of("fashion_cnn_hbnn10")


def test_every_planned_run_is_there_and_no_other():
    from models import run_log
    from models.studies import STUDIES

    planned = {recipe.name: set(study.seeds) for study in STUDIES for recipe in study.recipes}
    assert {path.stem for path in run_log.FOLDER.glob("*.json")} == planned.keys()
    for name, seeds in planned.items():
        assert {run.seed for run in run_log.read(name)} == seeds, name


def test_a_name_always_means_the_same_training():
    from models.studies import STUDIES

    known = {}
    for study in STUDIES:
        labels = [recipe.label for recipe in study.recipes]
        assert len(set(labels)) == len(labels), study.name
        for recipe in study.recipes:
            trained = dataclasses.replace(recipe, label="")
            assert known.setdefault(recipe.name, trained) == trained


def test_a_committed_checkpoint_is_the_first_run_of_its_recipe():
    from hbnn_hw.nn import load
    from models import run_log

    for path in sorted((ROOT / "models").glob("*.pt")):
        known, run = load(path).metadata, run_log.read(path.stem)[0]
        assert (known.seed, known.epochs) == (run.seed, run.epochs)
        assert known.accuracy == run.accuracy, path.stem
        assert known.bits_per_weight == pytest.approx(run.bits_per_weight, abs=1e-9)


def test_the_page_is_what_the_runs_say(capsys):
    from models import results_page

    assert results_page.main(["--check"]) == 0
    assert "up to date" in capsys.readouterr().out
    for study in results_page.STUDIES:
        assert (results_page.PICTURES / f"{study.name}.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_runs_are_done_once_and_alike(results, capsys, monkeypatch):
    """Train what is missing, write page and picture; a second call trains nothing, a fresh one the same."""
    from models import experiments, results_page, run_log

    study = short_study()
    monkeypatch.setattr(experiments, "STUDIES", (study,))
    monkeypatch.setattr(results_page, "STUDIES", (study,))
    assert experiments.main(["--seed", "0"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["digits_bnn", "digits_hbnn"]
    first = {path.name: path.read_bytes() for path in (results / "results").iterdir()}
    run = run_log.read("digits_hbnn")[0]
    assert (run.seed, run.epochs, len(run.losses), len(run.accuracies)) == (0, 2, 2, 2)
    assert run.losses[1] < run.losses[0]
    assert run.n_weights == 64 * 64 + 640
    assert run.bits_per_weight == pytest.approx(1.4, abs=1e-3)
    assert run.stored_bits * 0.9 < run.huffman_bits < run.stored_bits * 1.1
    assert run.accuracies[-1] == run.trained_accuracy > 0.7
    page = (results / "docs" / "results.md").read_text(encoding="utf-8")
    assert f"| `digits_hbnn` | HBNN 1.4 | 64-64-10 | {run.accuracy:.2%} |" in page

    picture = (results / "docs" / "results" / "short.svg").read_bytes()
    assert experiments.main(["--seed", "0"]) == 0
    assert capsys.readouterr().out == ""
    assert experiments.main(["--seed", "0", "--fresh"]) == 0
    assert {path.name: path.read_bytes() for path in (results / "results").iterdir()} == first
    assert (results / "docs" / "results" / "short.svg").read_bytes() == picture


def test_the_kept_network_of_the_first_seed_is_the_one_that_was_measured(results, monkeypatch):
    from hbnn_hw.evaluate import evaluate_file
    from models import experiments, results_page, run_log

    study = short_study(recipes=short_study().recipes[1:])
    monkeypatch.setattr(experiments, "STUDIES", (study,))
    monkeypatch.setattr(results_page, "STUDIES", (study,))
    assert experiments.main(["--keep", str(results / "kept")]) == 0
    assert [path.name for path in (results / "kept").iterdir()] == ["digits_hbnn.hbnn"]
    found = evaluate_file(results / "kept" / "digits_hbnn.hbnn", "digits", None)
    assert found.accuracy == run_log.read("digits_hbnn")[0].accuracy > 0.7


def test_only_what_was_asked_for_is_pending(results, monkeypatch):
    from models import experiments

    other = short_study(name="other", recipes=short_study().recipes[:1], seeds=(7,))
    monkeypatch.setattr(experiments, "STUDIES", (short_study(), other))

    def asked(studies=(), names=(), seeds=()):
        found = experiments.pending(studies, names, seeds, fresh=False)
        return [(recipe.name, seed) for recipe, seed in found]

    assert asked(["short"]) == [("digits_bnn", 0), ("digits_hbnn", 0), ("digits_bnn", 1), ("digits_hbnn", 1)]
    assert asked(["other"]) == [("digits_bnn", 7)]
    assert asked(names=["digits_hbnn"], seeds=[3]) == [("digits_hbnn", 3)]
    assert len(asked()) == 5


def test_an_old_page_is_noticed(capsys, monkeypatch):
    from models import results_page

    monkeypatch.setattr(results_page, "_HEAD", "something else")
    assert results_page.main(["--check"]) == 1
    assert "must be written again" in capsys.readouterr().out


def test_a_run_takes_the_place_of_one_with_its_seed(results):
    from models.run_log import Run, path_of, read, write

    def made(seed, accuracy):
        return Run(
            seed=seed, epochs=1, accuracy=accuracy, trained_accuracy=0.5, training_accuracy=0.5, n_weights=10,
            stored_bits=14, huffman_bits=9, losses=(0.25,), accuracies=(0.5,),
        )  # fmt: skip

    for seed, accuracy in ((2, 0.2), (0, 0.0), (2, 0.4)):
        write("some", made(seed, accuracy))
    assert read("some") == (made(0, 0.0), made(2, 0.4))
    assert made(0, 0.0).bits_per_weight == 1.4
    assert json.loads(path_of("some").read_text(encoding="utf-8"))["recipe"] == "some"
    assert read("none") == ()


def test_a_known_code_has_its_known_lengths():
    from models.huffman import code_lengths

    assert code_lengths(np.array([45, 13, 12, 16, 9, 5])).tolist() == [1, 3, 3, 3, 4, 4]
    assert code_lengths(np.array([0, 7, 0])).tolist() == [0, 1, 0]
    assert code_lengths(np.zeros(4, np.int64)).tolist() == [0, 0, 0, 0]


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(lambda counts: sum(map(bool, counts)) > 1)
)
def test_a_code_is_complete_and_optimal(counts):
    """Kraft's sum is 1, and the total is Huffman's: the sum of all merged weights."""
    from models.huffman import code_lengths

    lengths = code_lengths(np.array(counts))
    used = lengths[lengths > 0]
    assert sum(2.0 ** -int(length) for length in used) == 1.0
    assert [length > 0 for length in lengths] == [count > 0 for count in counts]
    heap, total = [count for count in counts if count], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        total += merged
        heapq.heappush(heap, merged)
    assert int((lengths * counts).sum()) == total


def test_a_bit_string_costs_its_codes_its_table_and_what_is_left_over():
    from models.huffman import HuffmanSize, huffman_size, smallest_size

    bits = np.array([1, 1] * 30 + [0, 1] * 2 + [1], np.uint8)
    assert huffman_size(bits, 2) == HuffmanSize(symbol_bits=2, coded_bits=32 + 1, table_bits=20)
    assert smallest_size(bits).total_bits == min(huffman_size(bits, s).total_bits for s in range(1, 17))
    noise = np.random.default_rng(0).integers(0, 2, 40_000).astype(np.uint8)
    assert smallest_size(noise).total_bits >= len(noise)


def test_two_taps_leave_one_stored_bit_in_eight_without_effect():
    """Rows of even weight have at most rank 7: slices take 2^7 values, and Huffman finds it."""
    from models.huffman import huffman_bits

    torch.manual_seed(0)
    layer = FlexorLinear(500, 200)
    assert layer.ranks() == (7,)
    assert layer.stored_bits() == 80_000
    assert 70_000 <= huffman_bits(layer) < 76_000


def test_all_planes_count_and_absent_entries_do_not():
    from models.huffman import weight_bits

    torch.manual_seed(0)
    heterogeneous = HbnnLinear(30, 20)
    rows, columns = weight_bits(heterogeneous)
    assert len(rows) == len(columns) == heterogeneous.stored_bits() == 840
    binary = BinaryLinear(5, 3)
    rows, columns = weight_bits(binary)
    signs = (binary.planes().signs[0].numpy() > 0).astype(np.uint8)
    assert rows.tolist() == signs.ravel().tolist()
    assert columns.tolist() == signs.T.ravel().tolist()
