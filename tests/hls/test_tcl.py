"""The build script, executed in tclsh against commands that know each tool's options."""

import shutil
import subprocess

import pytest

from hbnn_hw.backends.hls import HlsTool, emit
from tests.hls.networks import TARGET, golden, mlp, write_texts

TCLSH = shutil.which("tclsh")

pytestmark = pytest.mark.skipif(TCLSH is None, reason="needs tclsh: apt-get install tcl")

# Options by command: those with a value end in "=". Source: UG902 (2019.2) and UG1399.
COMMON = {
    "open_project": ["-reset"],
    "set_top": [],
    "add_files": ["-tb", "-cflags=", "-csimflags=", "-blackbox="],
    "set_part": [],
    "create_clock": ["-period=", "-name="],
    "set_clock_uncertainty": [],
    "csynth_design": [],
    "exit": [],
}
OPTIONS = {
    HlsTool.VIVADO_HLS: COMMON
    | {
        "open_solution": ["-reset"],
        "config_compile": ["-name_max_length=", "-no_signed_zeros", "-unsafe_math_optimizations"],
        "config_array_partition": ["-maximum_size=", "-throughput_driven"],
        "csim_design": ["-clean", "-O", "-setup", "-argv=", "-ldflags=", "-mflags=", "-compiler="],
        "cosim_design": [
            "-rtl=",
            "-tool=",
            "-O",
            "-trace_level=",
            "-setup",
            "-argv=",
            "-ldflags=",
            "-compiled_library_dir=",
        ],
        "export_design": [
            "-format=",
            "-rtl=",
            "-flow=",
            "-vendor=",
            "-library=",
            "-version=",
            "-description=",
            "-display_name=",
            "-evaluate=",
        ],
    },
    HlsTool.VITIS_HLS: COMMON
    | {
        "open_solution": ["-reset", "-flow_target="],
        "config_compile": [
            "-name_max_length=",
            "-no_signed_zeros",
            "-unsafe_math_optimizations",
            "-pipeline_loops=",
            "-pipeline_style=",
            "-enable_auto_rewind=",
        ],
        "csim_design": ["-clean", "-O", "-setup", "-argv=", "-ldflags=", "-mflags="],
        "cosim_design": [
            "-rtl=",
            "-tool=",
            "-O",
            "-trace_level=",
            "-setup",
            "-argv=",
            "-ldflags=",
            "-compiled_library_dir=",
        ],
        "export_design": [
            "-format=",
            "-rtl=",
            "-flow=",
            "-vendor=",
            "-library=",
            "-version=",
            "-description=",
            "-display_name=",
            "-output=",
        ],
    },
}

MOCK = """
rename exit real_exit
proc mocked {command allowed arguments} {
    puts [linsert $arguments 0 $command]
    for {set i 0} {$i < [llength $arguments]} {incr i} {
        set argument [lindex $arguments $i]
        if {![string match -* $argument]} continue
        if {"$argument=" in $allowed} {
            incr i
        } elseif {$argument ni $allowed} {
            puts stderr "$command knows no option $argument"
            real_exit 3
        }
    }
    if {$command eq "add_files"} {
        set file [lindex $arguments [expr {[lsearch -exact $arguments -cflags] >= 0 ? "end-2" : "end"}]]
        if {![file exists $file]} {
            puts stderr "there is no file $file"
            real_exit 4
        }
    }
    if {$command eq "exit"} {real_exit [lindex $arguments 0]}
}
"""


def script(tool):
    lines = [MOCK]
    for command, allowed in OPTIONS[tool].items():
        lines.append(f"proc {command} args {{ mocked {command} {{{' '.join(allowed)}}} $args }}")
    return "\n".join([*lines, "source [lindex $argv 0]"])


def execute(folder, tool, environment=None, extra=""):
    (folder / "mock.tcl").write_text(script(tool).replace("source [", f"{extra}\nsource ["))
    command = [TCLSH, folder / "mock.tcl", folder / "hls" / "scripts" / "hls.tcl"]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, env=environment or {})


@pytest.fixture
def project(tmp_path, request):
    tool = getattr(request, "param", HlsTool.VIVADO_HLS)
    graph = mlp(60, [4, 3, 2], (1, 2), (1, 1))
    write_texts(tmp_path / "hls", emit(graph, golden(graph, 2), TARGET, tool))
    return tmp_path, tool


@pytest.mark.parametrize("project", HlsTool, indirect=True)
def test_script_uses_only_what_the_tool_knows(project):
    folder, tool = project
    outcome = execute(folder, tool)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    commands = outcome.stdout.splitlines()
    vitis = tool is HlsTool.VITIS_HLS
    assert commands == [
        "open_project -reset random_mlp_hls",
        "set_top random_mlp",
        "add_files src/random_mlp.cpp -cflags -std=c++11",
        "add_files -tb tb/testbench.cpp -cflags {-std=c++11 -Wno-unknown-pragmas}",
        "add_files -tb tb/input.dat",
        "add_files -tb tb/output.dat",
        f"open_solution -reset solution1{' -flow_target vivado' if vitis else ''}",
        "set_part xc7z045ffg900-2",
        "create_clock -period 5 -name default",
        "set_clock_uncertainty 12.5%",
        "config_compile -name_max_length 80",
        *(["config_compile -pipeline_loops 0"] if vitis else []),
        "csim_design -clean -O",
        "csynth_design",
        "cosim_design -rtl verilog -tool xsim",
        "export_design -format ip_catalog -rtl verilog -vendor hbnn -library hls -version 1.0",
        "exit 0",
    ]


def test_stages_can_be_chosen(project):
    outcome = execute(*project, environment={"STAGES": "csynth"})
    assert "csynth_design" in outcome.stdout
    assert not any(word in outcome.stdout for word in ("csim_design", "cosim_design", "export_design"))
    assert "not 'synth'" in execute(*project, environment={"STAGES": "synth"}).stderr


def test_failing_export_is_explained(project):
    extra = 'proc export_design args { error "bad lexical cast: 2212312359" }'
    outcome = execute(*project, extra=extra)
    assert "AR 76960" in outcome.stdout
    assert outcome.returncode == 1


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("csim_design -clean", "csim_design -cleen", "csim_design knows no option -cleen"),
        ("solution1", "solution1 -flow_target vivado", "open_solution knows no option -flow_target"),
        ("tb/output.dat", "tb/outputs.dat", "there is no file tb/outputs.dat"),
        ("csynth_design", "csynth_desing", "invalid command name"),
    ],
)
def test_planted_faults_are_caught(project, right, wrong, complaint):
    folder, tool = project
    path = folder / "hls" / "scripts" / "hls.tcl"
    path.write_text(path.read_text().replace(right, wrong))
    outcome = execute(folder, tool)
    assert outcome.returncode != 0
    assert complaint in outcome.stderr
