"""run_hls.sh takes the tool that is installed, and refuses the one that it is not written for."""

import subprocess

import pytest

from hbnn_hw.backends.hls import HlsTool

ALL = ("vivado_hls", "vitis_hls", "vitis-run")


def start(project, *installed):
    """Run the script with nothing but these programs, sh and dirname on the PATH."""
    tools = project.parent / "tools"
    tools.mkdir()
    for name in installed:
        program = tools / name
        program.write_text('#!/bin/sh\necho "${0##*/} $* in $(pwd)"\n')
        program.chmod(0o755)
    dirname = tools / "dirname"
    dirname.write_text('#!/bin/sh\nexec /usr/bin/dirname "$@"\n')
    dirname.chmod(0o755)
    command = ["/bin/sh", project / "scripts" / "run_hls.sh"]
    return subprocess.run(
        command, cwd="/", capture_output=True, text=True, env={"PATH": str(tools)}, check=False
    )


@pytest.mark.parametrize(
    ("tool", "installed", "expected"),
    [
        (HlsTool.VIVADO_HLS, ALL, "vivado_hls -f scripts/hls.tcl"),
        (HlsTool.VITIS_HLS, ALL, "vitis_hls -f scripts/hls.tcl"),
        (HlsTool.VITIS_HLS, ("vitis-run",), "vitis-run --mode hls --tcl scripts/hls.tcl"),
    ],
)
def test_the_installed_tool_is_started_in_the_project(make_project, tool, installed, expected):
    project = make_project(tool)
    run = start(project, *installed)
    assert (run.returncode, run.stdout) == (0, f"{expected} in {project}\n")


@pytest.mark.parametrize(
    ("tool", "installed", "remedy"),
    [
        (HlsTool.VIVADO_HLS, ("vitis_hls",), "--tool vitis_hls"),
        (HlsTool.VIVADO_HLS, ("vitis-run",), "--tool vitis_hls"),
        (HlsTool.VITIS_HLS, ("vivado_hls",), "--tool vivado_hls"),
    ],
)
def test_the_other_tool_is_refused_with_the_remedy(make_project, tool, installed, remedy):
    run = start(make_project(tool), *installed)
    assert run.returncode == 1
    assert "this project is written for" in run.stderr
    assert remedy in run.stderr


@pytest.mark.parametrize("tool", HlsTool)
def test_no_tool_is_said_clearly(make_project, tool):
    run = start(make_project(tool))
    assert run.returncode == 1
    assert "there is no HLS tool on the PATH; source settings64.sh" in run.stderr
