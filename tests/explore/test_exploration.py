"""Explorations: nothing finished is lost or computed again, and every way of running gives the same table."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from hbnn_hw.errors import OutputError, ToolFailedError, ToolMissingError
from hbnn_hw.explore import DaskRunner, FoldingTarget, LocalRunner, ResultsFile, explore
from hbnn_hw.explore.table import rows_csv, rows_text
from tests.explore.networks import small_model, small_space

ROOT = Path(__file__).resolve().parents[2]


class Recording:
    """A serial runner that notes what it is asked for and stops after so many points."""

    def __init__(self, stop_after=None):
        self.asked, self.stop_after = [], stop_after

    def run(self, networks, points):
        self.asked = list(points)
        for done, finished in enumerate(LocalRunner(1).run(networks, points)):
            if done == self.stop_after:
                raise KeyboardInterrupt
            yield finished


class Backwards:
    """A runner that finishes the last point first."""

    def run(self, networks, points):
        yield from LocalRunner(1).run(networks, points[::-1])


def explored(path, runner, model=None):
    model = model or small_model()
    points = small_space().points(model)
    with ResultsFile(path) as results:
        return explore([model], points, results, runner)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The rows of a finished exploration, and its file."""
    path = tmp_path_factory.mktemp("explored") / "r.sqlite"
    return explored(path, LocalRunner(1)), path


@pytest.fixture(scope="module")
def rows(finished):
    return finished[0]


def test_an_interrupted_exploration_goes_on_where_it_stopped(tmp_path, rows):
    path, first, second = tmp_path / "r.sqlite", Recording(stop_after=7), Recording()
    with pytest.raises(KeyboardInterrupt):
        explored(path, first)
    assert explored(path, second) == rows
    assert second.asked == first.asked[7:]


def test_a_finished_exploration_computes_nothing(tmp_path, finished):
    (rows, file), again = finished, Recording()
    path = shutil.copy(file, tmp_path / "r.sqlite")
    assert explored(path, again) == rows
    assert again.asked == []


KILLED = """
import multiprocessing
import sys
from pathlib import Path
from hbnn_hw.explore import LocalRunner
from tests.explore.test_exploration import explored

class Waiting:
    def run(self, networks, points):
        for done, finished in enumerate(LocalRunner(2).run(networks, points)):
            if done == 5:
                print(*(child.pid for child in multiprocessing.active_children()), flush=True)
                sys.stdin.read()
            yield finished

if __name__ == "__main__":
    explored(Path(sys.argv[1]), Waiting())
"""


def is_running(pid):
    """A process that has ended and is not waited for by anybody, a zombie, is not running."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_process_loses_no_finished_point_and_leaves_no_workers(tmp_path, rows):
    """SIGKILL leaves no time to tidy up: what was finished is in the file all the same."""
    path, rest = tmp_path / "r.sqlite", Recording()
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        workers = process.stdout.readline().split()
        process.kill()
    assert len(workers) == 2
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    assert explored(path, rest) == rows
    assert len(rest.asked) == len(rows) - 5


def test_the_table_is_in_the_order_of_the_points(tmp_path, rows):
    backwards = explored(tmp_path / "r.sqlite", Backwards())
    assert backwards == rows
    assert rows_csv(backwards) == rows_csv(rows)
    assert rows_text(backwards) == rows_text(rows)


def test_processes_give_the_same_table(tmp_path, rows):
    assert explored(tmp_path / "r.sqlite", LocalRunner(2)) == rows


def test_a_dask_cluster_gives_the_same_table(tmp_path, rows):
    import distributed

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        runner = DaskRunner(cluster.scheduler_address)
        runner.check()
        assert explored(tmp_path / "r.sqlite", runner) == rows


def test_no_scheduler_is_said_so(monkeypatch):
    monkeypatch.setattr("hbnn_hw.explore.runners.CONNECT_SECONDS", 0.2)
    with pytest.raises(ToolFailedError, match=r"no Dask scheduler answers at 'tcp://127\.0\.0\.1:1'"):
        DaskRunner("tcp://127.0.0.1:1").check()


def test_a_missing_package_is_said_so(monkeypatch):
    monkeypatch.setattr("hbnn_hw.extras.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"hbnn-hw\[explore\]"):
        DaskRunner("tcp://127.0.0.1:1").check()


def test_workers_of_another_version_are_refused(monkeypatch):
    import distributed

    monkeypatch.setattr("hbnn_hw.explore.runners.package_version", lambda: "0.0.9")
    options = {"n_workers": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        pytest.raises(ToolFailedError, match=r"must have hbnn-hw \S+, not 0\.0\.9"),
    ):
        DaskRunner(cluster.scheduler_address).check()


def test_another_network_has_points_of_its_own(tmp_path, finished):
    path, other = shutil.copy(finished[1], tmp_path / "r.sqlite"), Recording(stop_after=0)
    with pytest.raises(KeyboardInterrupt):
        explored(path, other, small_model(seed=2))
    assert len(other.asked) == len(small_space().points(small_model(seed=2)))


def test_points_without_a_design_say_why(tmp_path):
    model = small_model()
    point = small_space().points(model)[-1]  # two planes or more
    impossible = replace(point, folding=FoldingTarget(cycles=1))
    with ResultsFile(tmp_path / "r.sqlite") as results:
        (row,) = explore([model], [impossible], results, LocalRunner(1))
        (again,) = explore([model], [impossible], results, Recording(stop_after=0))
    assert row == again
    assert row.outcome.figures is None
    assert "more than the 1 of the target" in row.outcome.problem
    assert row.outcome.problem in rows_text([row])


def test_a_file_of_something_else_is_left_alone(tmp_path):
    text, database = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("precious " * 100)
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE precious (x)")
    other.close()
    before = [path.read_bytes() for path in (text, database)]
    for path in (text, database):
        with pytest.raises(OutputError, match=path.name):
            ResultsFile(path)
    assert [path.read_bytes() for path in (text, database)] == before


def test_a_folder_that_does_not_exist_is_said_so(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        ResultsFile(tmp_path / "nowhere" / "r.sqlite")
