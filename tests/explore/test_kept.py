"""Explorations are read back for a report: all points of one model file, and only of that."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from hbnn_hw.errors import OutputError
from hbnn_hw.explore import FoldingTarget, LocalRunner, Method, Objective, ResultsFile, Space, explore
from hbnn_hw.explore.kept import exploration_document, kept_rows, read_point
from tests.explore.networks import small_model, small_space

FILE, OTHER = "a" * 64, "b" * 64
FOLDINGS = (FoldingTarget(pe=4, simd=4), FoldingTarget(pe=2, simd=2))


def named(model, digest):
    return replace(model, file_sha256=digest)


def explored(path, model, *checkpoints, averages=(1.0, 2.0)):
    points = Space(averages=averages, foldings=FOLDINGS).points(model, checkpoints)
    with ResultsFile(path) as results:
        return explore([model, *checkpoints], points, results, LocalRunner(1))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One file with the explorations of two networks; what came of the first, which has a checkpoint."""
    path = tmp_path_factory.mktemp("kept") / "r #1.sqlite"
    checkpoint = small_model(coefficients=(1,), accuracy=0.75, method="bnn", seed=3)
    rows = explored(path, named(small_model(accuracy=0.5), FILE), checkpoint)
    explored(path, named(small_model(seed=2), OTHER), averages=(2.0,))
    return path, rows


def test_all_points_of_the_model_file_are_read_back_and_no_others(results):
    path, rows = results
    kept = kept_rows(path, FILE)
    assert {row.point: row for row in kept} == {row.point: row for row in rows}
    assert {row.accuracy for row in kept} == {None, 0.5, 0.75}
    assert len(kept_rows(path, OTHER)) == len(FOLDINGS) * 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # reading leaves nothing behind


def test_points_stand_in_the_order_of_bits_and_are_compared_as_asked(results):
    path, _ = results
    bits = [row.point.weights.average_bits for row in kept_rows(path, FILE)]
    assert bits == sorted(bits)
    (best,) = {row.outcome.figures.luts for row in kept_rows(path, FILE, [Objective.LUTS]) if row.on_front}
    assert best == min(row.outcome.figures.luts for row in kept_rows(path, FILE))


def test_a_drawn_network_with_a_trained_example_is_left_out(tmp_path):
    model, path = named(small_model(), FILE), tmp_path / "r.sqlite"
    explored(path, model)
    explored(path, model, small_model(coefficients=(1,), accuracy=0.75, method="bnn", seed=3))
    one_bit = [row for row in kept_rows(path, FILE) if row.point.weights.average_bits == 1]
    assert [row.accuracy for row in one_bit] == [0.75] * len(FOLDINGS)


def test_every_kind_of_point_survives_json():
    space = replace(
        small_space(),
        averages=(0.8, 1.0, 1.4, 2.0),
        methods=tuple(Method),
        foldings=(*small_space().foldings, FoldingTarget(fps=1234.5), FoldingTarget(fit=True)),
        clocks_ns=(5.0, 10 / 3),
    )
    points = space.points(small_model(), [small_model(seed=5)])
    assert [read_point(json.loads(json.dumps(point.document()))) for point in points] == list(points)


def test_the_document_has_the_records_of_the_csv_file_and_the_map(results):
    path, _ = results
    rows = kept_rows(path, FILE)
    document = json.loads(json.dumps(exploration_document(rows, [Objective.LUTS])))
    assert document["objectives"] == ["luts"]
    assert [record["map"] for record in document["points"]] == [row.point.weights.map_text for row in rows]
    assert [record["luts"] for record in document["points"]] == [row.outcome.figures.luts for row in rows]


def test_other_files_are_refused_and_left_alone(tmp_path, results):
    path, _ = results
    missing, text, database, empty = (tmp_path / name for name in ("none", "text", "database", "empty"))
    text.write_text("not a database, and long enough to be taken for one" * 30)
    with closing(sqlite3.connect(database)) as other:
        other.execute("CREATE TABLE points (key TEXT)")
    empty.touch()
    for file, law in (
        (missing, "must be a results file of 'hbnn-hw explore', but there is none"),
        (text, "must be a results file of 'hbnn-hw explore', not what it is"),
        (database, "is a database of something else"),
        (empty, "it is empty or was written before"),
    ):
        with pytest.raises(OutputError, match=law):
            kept_rows(file, FILE)
    assert not missing.exists()
    assert empty.stat().st_size == 0
    with pytest.raises(OutputError, match="the model file that was exported, not of small1, small2 alone"):
        kept_rows(path, "c" * 64)


def test_points_of_other_versions_are_not_shown(tmp_path):
    path = tmp_path / "r.sqlite"
    explored(path, named(small_model(), FILE), averages=(2.0,))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE points SET version = 'old'")
    with pytest.raises(OutputError, match="not of older ones alone; run its exploration again"):
        kept_rows(path, FILE)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE networks")
    with pytest.raises(OutputError, match="was written before that was noted"):
        kept_rows(path, FILE)


def test_a_file_that_may_not_be_written_is_read(results, monkeypatch):
    path, rows = results
    monkeypatch.setattr("os.access", lambda *_: False)
    assert len(kept_rows(path, FILE)) == len(rows)
