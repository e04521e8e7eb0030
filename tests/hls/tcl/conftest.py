"""HLS projects on disk, fresh for every test."""

import pytest

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.graph import Graph
from tests.hls.networks import TARGET, golden, mlp, write_texts
from tests.hls.tcl.harness import NOTHING_WRONG, Installation, execute


@pytest.fixture
def make_project(tmp_path):
    """make_project(tool, graph): a project in a folder of its own."""

    def make(tool: HlsTool = HlsTool.VIVADO_HLS, graph: Graph | None = None):
        graph = graph or mlp(60, [4, 3, 2], (1, 2), (1, 1))
        write_texts(tmp_path / "hls", emit(graph, golden(graph, 2), TARGET, tool))
        return tmp_path / "hls"

    return make


@pytest.fixture
def exported(make_project):
    """exported(tool): a project whose HLS build is done, so that Vivado's scripts can follow."""

    def make(tool: HlsTool = HlsTool.VIVADO_HLS, graph: Graph | None = None):
        project = make_project(tool, graph)
        assert execute(project, "hls.tcl", tool, Installation(release="2020.1")).code == 0
        return project

    return make


@pytest.fixture
def designed(exported):
    """designed(tool, installation): a project whose block design is made."""

    def make(tool: HlsTool = HlsTool.VIVADO_HLS, installation: Installation = NOTHING_WRONG):
        project = exported(tool)
        assert execute(project, "zc706_bd.tcl", tool, installation).code == 0
        return project

    return make
