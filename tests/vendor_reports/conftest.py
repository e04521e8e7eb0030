"""An export whose HLS project carries the vendor reports of a release."""

import shutil
from pathlib import Path

import pytest

from hbnn_hw.backends.hls import emit
from tests.hls.networks import TARGET, golden, mlp, write_texts

FIXTURES = Path(__file__).parent / "fixtures"
VIVADO, VITIS = FIXTURES / "vivado_2019", FIXTURES / "vitis_2022"
IMPLEMENTATION = ("utilization.rpt", "utilization_hierarchical.rpt", "timing_summary.rpt", "power.rpt")
SOLUTION = "random_mlp_hls/solution1"


def graph():
    return mlp(60, [4, 3, 2], (1, 2), (1, 1))


def place(project: Path, source: Path, name: str, target: str) -> None:
    (project / target).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / name, project / target)


@pytest.fixture
def project(tmp_path):
    """An HLS project of three images, without any report."""
    write_texts(tmp_path / "hls", emit(graph(), golden(graph(), 3), TARGET))
    return tmp_path / "hls"


@pytest.fixture
def complete(project):
    """complete(source): the project with every report of a fixture folder."""

    def fill(source: Path) -> Path:
        place(project, source, "csynth.xml", f"{SOLUTION}/syn/report/random_mlp_csynth.xml")
        place(project, source, "csynth.xml", f"{SOLUTION}/syn/report/fc1_csynth.xml")
        place(project, source, "cosim.rpt", f"{SOLUTION}/sim/report/random_mlp_cosim.rpt")
        for folder in ("out_of_context", "bitstream"):
            for name in IMPLEMENTATION:
                place(project, source, name, f"reports/{folder}/{name}")
        return project

    return fill
