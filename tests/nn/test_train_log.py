"""Logs of real runs on digits: what they hold is what the run told, and a resumed run repeats no row."""

import csv
import dataclasses

import pytest
import torch

from hbnn_hw import extras
from hbnn_hw.data import load
from hbnn_hw.errors import HbnnError, OutputError, ToolMissingError
from hbnn_hw.nn import (
    CsvLog,
    EpochReport,
    Method,
    SharpnessSchedule,
    Split,
    StepRate,
    TensorBoardLog,
    TrainConfig,
    mlp,
    train,
)

HEADER = "epoch,loss,validation_accuracy,test_accuracy,learning_rate,temperature,s_tanh,seconds"
CONFIG = TrainConfig(epochs=4, batch_size=64, learning_rate=0.01, schedule=StepRate(at=(0.5,), decay=0.5))


@pytest.fixture(scope="module")
def digits():
    whole = load("digits")
    return dataclasses.replace(whole, x_train=whole.x_train[:256], y_train=whole.y_train[:256])


def run(digits, method, config=CONFIG, *logs, **kwargs):
    torch.manual_seed(0)
    reports = []

    def on_epoch(report):
        for log in logs:
            log(report)
        reports.append(report)

    train(mlp(method, 5, (64, 16, 10)), digits, config, on_epoch, **kwargs)
    return reports


def rows_of(path):
    lines = path.read_text().splitlines()
    assert lines[0] == HEADER
    return list(csv.DictReader(lines))


def report(epoch, **values):
    plain = EpochReport(
        epoch=epoch,
        epochs=9,
        loss=0.1 + epoch,
        accuracy=0.5,
        split=Split.TEST,
        learning_rate=0.1,
        temperature=None,
        s_tanh=None,
        seconds=1.5,
    )
    return dataclasses.replace(plain, **values)


def test_a_row_reads_back_as_exactly_what_the_run_told(digits, tmp_path):
    reports = run(digits, Method.BNN, CONFIG, CsvLog(tmp_path / "run.csv"))
    rows = rows_of(tmp_path / "run.csv")
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    for row, told in zip(rows, reports, strict=True):
        assert (float(row["loss"]), float(row["test_accuracy"])) == (told.loss, told.accuracy)
        assert float(row["seconds"]) == told.seconds > 0
        assert (row["validation_accuracy"], row["temperature"], row["s_tanh"]) == ("", "", "")
    assert [float(row["learning_rate"]) for row in rows] == [0.01, 0.01, 0.005, 0.005]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_slb_and_flexor_tell_what_their_last_step_had(digits, tmp_path):
    """4 steps an epoch, 16 in all: the last steps of the epochs are at 3, 7, 11 and 15 sixteenths."""
    config = dataclasses.replace(CONFIG, sharpness=SharpnessSchedule(warm_up=0.25, doublings=(0.5,)))
    run(digits, Method.FLEXOR, config, CsvLog(tmp_path / "flexor.csv"))
    flexor = rows_of(tmp_path / "flexor.csv")
    assert [float(row["s_tanh"]) for row in flexor] == [5.0 + 5.0 * 0.75, 10.0, 20.0, 20.0]
    run(digits, Method.SLB, config, CsvLog(tmp_path / "slb.csv"))
    slb = rows_of(tmp_path / "slb.csv")
    expected = [0.04 ** (k / 16 / 0.95) for k in (3, 7, 11, 15)]
    assert [float(row["temperature"]) for row in slb] == pytest.approx(expected, rel=1e-12)
    assert {row["temperature"] for row in flexor} == {row["s_tanh"] for row in slb} == {""}


def test_a_validation_split_has_its_own_column(digits, tmp_path):
    config = dataclasses.replace(CONFIG, validation_images=64)
    reports = run(digits, Method.BNN, config, CsvLog(tmp_path / "run.csv"))
    rows = rows_of(tmp_path / "run.csv")
    assert [float(row["validation_accuracy"]) for row in rows] == [told.accuracy for told in reports]
    assert {row["test_accuracy"] for row in rows} == {""}


def test_a_resumed_run_goes_on_in_its_log_without_a_row_twice(digits, tmp_path):
    """The state is from epoch 2, the log reached 3: epoch 3 is repeated and its row replaced."""

    def stop(told):
        if told.epoch == 3:
            raise KeyboardInterrupt

    path, state = tmp_path / "run.csv", tmp_path / "run.state"
    with pytest.raises(KeyboardInterrupt):
        run(digits, Method.SLB, CONFIG, CsvLog(path), stop, state_file=state, save_every=2)
    assert [row["epoch"] for row in rows_of(path)] == ["1", "2", "3"]
    run(digits, Method.SLB, CONFIG, CsvLog(path), state_file=state, resume=True)
    whole = tmp_path / "whole.csv"
    run(digits, Method.SLB, CONFIG, CsvLog(whole))

    def without_time(rows):
        return [{**row, "seconds": ""} for row in rows]

    assert without_time(rows_of(path)) == without_time(rows_of(whole))


def test_rows_that_a_crash_cut_off_are_dropped(tmp_path):
    path = tmp_path / "run.csv"
    for epoch in (1, 2, 3):
        CsvLog(path)(report(epoch))
    path.write_text(path.read_text() + "4,0.2")
    CsvLog(path)(report(5))
    assert [row["epoch"] for row in rows_of(path)] == ["1", "2", "3", "5"]
    CsvLog(path)(report(2, loss=9.0))
    assert [(row["epoch"], row["loss"]) for row in rows_of(path)] == [("1", "1.1"), ("2", "9.0")]


def test_another_file_is_never_taken_for_a_log(tmp_path):
    for content in (b"a,b\n1,2\n", b"", b"\xff\xfe"):
        path = tmp_path / "other.csv"
        path.write_bytes(content)
        with pytest.raises(HbnnError, match="must be a table of columns epoch,loss,"):
            CsvLog(path)(report(1))
        assert path.read_bytes() == content
    with pytest.raises(OutputError, match="cannot write"):
        CsvLog(path / "deeper.csv")(report(1))


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_tensorboard_reads_what_the_run_told(digits, tmp_path):
    board = TensorBoardLog(tmp_path / "board")
    reports = run(digits, Method.FLEXOR, CONFIG, board)
    board.close()
    found = scalars(tmp_path / "board")
    assert found.keys() == {"loss", "test_accuracy", "learning_rate", "s_tanh", "seconds"}
    single = torch.tensor([told.loss for told in reports]).tolist()
    assert found["loss"] == list(zip((1, 2, 3, 4), single, strict=True))
    assert [step for step, _ in found["s_tanh"]] == [1, 2, 3, 4]


def test_tensorboard_hides_epochs_that_a_resumed_run_repeats(tmp_path):
    for first, last in ((1, 3), (3, 5)):
        board = TensorBoardLog(tmp_path)
        for epoch in range(first, last + 1):
            board(report(epoch, loss=float(10 * first + epoch)))
        board.close()
    assert scalars(tmp_path)["loss"] == [(1, 11.0), (2, 12.0), (3, 33.0), (4, 34.0), (5, 35.0)]


def test_a_missing_tensorboard_is_named_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    with pytest.raises(ToolMissingError, match=r"needs the package 'tensorboard'.*hbnn-hw\[logs\]"):
        TensorBoardLog(tmp_path)
