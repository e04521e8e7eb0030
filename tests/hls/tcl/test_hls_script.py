"""hls.tcl in every release of both tools: commands on record, stages, errors that name their cause."""

import pytest

from hbnn_hw.backends.hls import HlsTool
from tests.hls.tcl.harness import GOLDEN, HLS_RELEASES, Installation, execute

RELEASES = [(tool, release) for tool, releases in HLS_RELEASES.items() for release in releases]
OVERFLOW = "ERROR: '2211010930' is an invalid argument. Please specify an integer value."


@pytest.mark.parametrize(("tool", "release"), RELEASES)
def test_commands_are_those_on_record(make_project, tool, release):
    run = execute(make_project(tool), "hls.tcl", tool, Installation(release=release))
    assert (run.code, run.err) == (0, "")
    assert run.commands == (GOLDEN / f"{tool.value}.txt").read_text(encoding="utf-8").splitlines()


def test_the_part_is_checked_before_anything_takes_time(make_project):
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, Installation("2019.2", parts=()))
    assert run.code == 1
    assert "the part xc7z045ffg900-2 is not in this installation" in run.out
    assert "add Zynq-7000 devices" in run.out
    assert run.names == ["open_project", "set_top", "open_solution", "set_part", "exit"]


@pytest.mark.parametrize("tool", HlsTool)
def test_the_other_tool_is_refused(make_project, tool):
    other = next(t for t in HlsTool if t is not tool)
    release = HLS_RELEASES[other][0]
    run = execute(make_project(tool), "hls.tcl", tool, Installation(release), program=other.value)
    assert run.code == 1
    assert f"export the network again with --tool {other.value}" in run.out
    assert run.names == ["exit"]


def test_stages_run_in_the_order_of_the_flow(make_project):
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, Installation("2019.2"), STAGES="csynth csim")
    assert run.code == 0
    assert [name for name in run.names if name.endswith("_design")] == ["csim_design", "csynth_design"]


def test_later_stages_go_on_with_the_project_that_is_there(make_project):
    project, tool, installation = make_project(), HlsTool.VIVADO_HLS, Installation("2019.2")
    assert execute(project, "hls.tcl", tool, installation, STAGES="csynth").code == 0
    run = execute(project, "hls.tcl", tool, installation, STAGES="cosim export")
    assert run.code == 0
    assert [name for name in run.names if name != "exit"] == [
        *("open_project", "open_solution"),
        *("cosim_design", "export_design"),
    ]
    assert "-reset" not in " ".join(run.commands)


@pytest.mark.parametrize("stage", ["cosim", "export"])
def test_stages_that_need_synthesis_say_so(make_project, stage):
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, Installation("2019.2"), STAGES=stage)
    assert run.code == 1
    assert f"{stage} needs csynth: add it to STAGES" in run.out


def test_unknown_stages_are_refused(make_project):
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, Installation("2019.2"), STAGES="synth")
    assert run.code == 1
    assert "STAGES must be a list of csim, csynth, cosim and export, not 'synth'" in run.out


@pytest.mark.parametrize(
    "log",
    [
        OVERFLOW,
        "bad lexical cast: source type value could not be interpreted as target",
        "    while executing set_property core_revision 2212312359",
    ],
)
def test_the_overflow_of_2022_is_explained(make_project, log):
    installation = Installation("2019.2", fail={"export_design": log})
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, installation)
    assert run.code == 1
    assert "AR 76960" in run.out
    assert "scripts/package_ip.tcl" in run.out


def test_the_first_error_of_the_log_is_shown(make_project):
    log = (
        "INFO: [SIM 211-2] CSIM start\n"
        "../../../../src/random_mlp.cpp:12:3: error: 'x' was not declared in this scope\n"
        "ERROR: [SIM 211-100] CSim failed with errors.\n"
    )
    installation = Installation("2019.2", fail={"csim_design": log})
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, installation)
    assert run.code == 1
    assert "csim failed: command 'ap_source' returned error code" in run.out
    assert (
        "first error of the log: ../../../../src/random_mlp.cpp:12:3: error: 'x' was not declared" in run.out
    )
    assert "AR 76960" not in run.out


def test_errors_of_earlier_runs_are_not_shown_again(make_project):
    project, tool = make_project(), HlsTool.VIVADO_HLS
    for message in ("ERROR: the old one", "ERROR: the new one"):
        run = execute(project, "hls.tcl", tool, Installation("2019.2", fail={"csynth_design": message}))
    assert "first error of the log: ERROR: the new one" in run.out


def test_a_stage_that_leaves_nothing_has_failed(make_project):
    missing = ("syn/report/random_mlp_csynth.xml",)
    run = execute(make_project(), "hls.tcl", HlsTool.VIVADO_HLS, Installation("2019.2", missing=missing))
    assert run.code == 1
    assert "csynth failed: it ended without an error, but left no syn/report/random_mlp_csynth.xml" in run.out


def test_a_missing_vector_file_is_named(make_project):
    project = make_project()
    (project / "tb" / "output.dat").unlink()
    run = execute(project, "hls.tcl", HlsTool.VIVADO_HLS, Installation("2019.2"))
    assert run.code == 1
    assert "there is no file 'tb/output.dat'; export the network again" in run.out


def test_without_a_script_name_the_current_folder_counts(make_project):
    project = make_project(HlsTool.VITIS_HLS)
    run = execute(project, "hls.tcl", HlsTool.VITIS_HLS, Installation("2024.1"), named=False)
    assert run.code == 0
    assert run.commands == (GOLDEN / "vitis_hls.txt").read_text(encoding="utf-8").splitlines()
