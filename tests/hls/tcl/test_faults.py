"""Planted faults: each is caught by the check that is meant for it, so the checks are worth something."""

import pytest

from hbnn_hw.backends.hls import HlsTool
from tests.hls.tcl.harness import OPTIONS, Installation, execute, option_in, table

VIVADO, VITIS = HlsTool.VIVADO_HLS, HlsTool.VITIS_HLS


def plant(project, script, right, wrong):
    """Replace a text of a script, which must be there."""
    path = project / "scripts" / script
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")


HLS_FAULTS = [
    (VIVADO, "csim_design -clean", "csim_design -cleen", "csim_design knows no option -cleen"),
    (
        VIVADO,
        "-reset solution1",
        "-reset solution1 -flow_target vivado",
        "open_solution knows no option -flow_t",
    ),
    (VIVADO, "-name_max_length 80", "-pipeline_style flp", "config_compile knows no option -pipeline_style"),
    (VITIS, "-clean -O", "-clean -O -compiler clang", "csim_design knows no option -compiler"),
    (VITIS, "-format ip_catalog", "-format ip_catalogue", "-format must be one of"),
    (VITIS, "-format ip_catalog", "-evaluate verilog -format ip_catalog", "knows no option -evaluate"),
    (VITIS, "-period 5", "-period", "create_clock takes 0 to 0 arguments"),
    (VIVADO, "    set_clock_uncertainty 12.5%\n", "", None),
    (VIVADO, "    create_clock -period 5 -name default\n", "", "must come after create_clock"),
    (VIVADO, "    open_project -reset random_mlp_hls\n", "", "set_top must come after open_project"),
    (VIVADO, "{csynth_design}", "{csynth_desing}", "csynth failed: invalid command name"),
    (
        VIVADO,
        "add_files -tb tb/output.dat",
        "add_files -tb tb/outputs.dat",
        "there is no file tb/outputs.dat",
    ),
]


@pytest.mark.parametrize(("tool", "right", "wrong", "complaint"), HLS_FAULTS)
def test_hls_faults_are_caught(make_project, tool, right, wrong, complaint):
    project = make_project(tool)
    plant(project, "hls.tcl", right, wrong)
    run = execute(project, "hls.tcl", tool, Installation("2020.1" if tool is VIVADO else "2022.2"))
    if complaint is None:
        # The record is what catches a command that merely got lost.
        assert "set_clock_uncertainty" not in run.names
        return
    assert run.code != 0
    assert complaint in run.out + run.err


def test_synthesis_before_the_top_is_set_is_caught(make_project):
    project = make_project()
    plant(project, "hls.tcl", "    set_top $::NETWORK\n", "")
    run = execute(project, "hls.tcl", VIVADO, Installation("2019.2"))
    assert "csim_design must come after set_top" in run.err


BLOCK_DESIGN_FAULTS = [
    ("    join_streams $source axi_dma_0/S_AXIS_S2MM\n", "", "/axi_dma_0/S_AXIS_S2MM is not connected"),
    ("    join_streams axi_dma_0/M_AXIS_MM2S $sink\n", "", "/axi_dma_0/M_AXIS_MM2S is not connected"),
    ("axi_dma_0/M_AXIS_MM2S $sink", "axi_dma_0/M_AXIS_MMS2 $sink", "an interface pin is missing"),
    (
        "join_streams axi_dma_0/M_AXIS_MM2S $sink",
        "join_streams $sink axi_dma_0/M_AXIS_MM2S",
        "must be a master",
    ),
    ("c_sg_length_width 26", "c_sg_length_width 14", "lengths of 26 bits"),
    ("c_sg_length_width 26", "c_sg_lenght_width 26", "has no property CONFIG.C_SG_LENGHT_WIDTH"),
    ("set DMA_INPUT_BITS 16", "set DMA_INPUT_BITS 24", "must be a power of two from 8 to 1024, not 24"),
    (
        "set DMA_OUTPUT_BITS 8",
        "set DMA_OUTPUT_BITS 16",
        "is 2 bytes wide, but /accelerator/m_axis_out_V is 1",
    ),
    ("CONFIG.c_m_axi_mm2s_data_width 64", "CONFIG.c_m_axi_mm2s_data_width 8", "must be at least 16"),
    ("CONFIG.PCW_USE_S_AXI_HP0 1", "CONFIG.PCW_USE_S_AXI_HP0 0", "an interface pin is missing"),
    ("set ACCELERATOR_ADDRESS 0x43C00000", "set ACCELERATOR_ADDRESS 0x40400000", "addresses overlap"),
    ("axi_dma 7.1", "axi_dma 7.2", "has no xilinx.com:ip:axi_dma:7.2"),
    ("CONFIG.NUM_PORTS 3", "CONFIG.NUM_PORTS 2", "a pin is missing"),
    ("    connect_interrupts\n", "", "/ps7/IRQ_F2P is open"),
    ("    validate_bd_design\n", "", "save_bd_design must come after validate_bd_design"),
    (
        "make_wrapper -files [get_files system.bd]",
        "make_wrapper -files [get_files systm.bd]",
        "no such block design",
    ),
    ("NUM_SI 2 CONFIG.NUM_MI 1", "NUM_SI 3 CONFIG.NUM_MI 2", "/memory/M01_AXI is not connected"),
]


@pytest.mark.parametrize(("right", "wrong", "complaint"), BLOCK_DESIGN_FAULTS)
def test_block_design_faults_are_caught(exported, right, wrong, complaint):
    project = exported()
    plant(project, "zc706_bd.tcl", right, wrong)
    run = execute(project, "zc706_bd.tcl", VIVADO)
    assert run.code != 0
    assert complaint in run.out + run.err


def test_an_open_clock_is_caught(exported):
    project = exported()
    plant(project, "zc706_bd.tcl", "connect_bd_net [get_bd_pins ps7/FCLK_CLK0] $pin", "continue")
    run = execute(project, "zc706_bd.tcl", VIVADO)
    assert run.code == 1
    assert "the clock /ps7/M_AXI_GP0_ACLK is not connected" in run.out


OTHER_FAULTS = [
    ("ooc_synth.tcl", "file copy $file build/out_of_context", "", "the .dat files of the ROMs must be"),
    ("ooc_synth.tcl", "    read_xdc -mode out_of_context constraints.xdc\n", "", "must come after read_xdc"),
    ("ooc_synth.tcl", "    route_design\n", "", "slack must be asked for behind the routing"),
    ("ooc_synth.tcl", "-mode out_of_context\n    file", "-mode ooc\n    file", "-mode must be one of"),
    ("package_ip.tcl", "*.v *.dat", "*.v", "the .dat files must be packaged"),
    ("package_ip.tcl", "core_revision 1 ", "core_revision 2211010930 ", "the revision 2211010930 overflows"),
    ("package_ip.tcl", "    set_property core_revision 1 $core\n", "", "the revision must be a constant"),
    ("package_ip.tcl", "    ipx::update_checksums $core\n", "", "must come after ipx::update_checksums"),
]


@pytest.mark.parametrize(("script", "right", "wrong", "complaint"), OTHER_FAULTS)
def test_other_faults_are_caught(exported, script, right, wrong, complaint):
    project = exported()
    plant(project, script, right, wrong)
    run = execute(project, script, VIVADO)
    assert run.code != 0
    assert complaint in run.out + run.err


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("    open_run impl_1\n", "", "report_utilization must come after open_run|synth_design"),
        ("    wait_on_run impl_1\n", "", None),
        ("-to_step write_bitstream", "-to_step route_design", "must run to write_bitstream"),
        ("write_hw_platform -fixed", "write_hw_platform -fixd", "knows no option -fixd"),
        (">= 0} {\n        write_hw", "< 0} {\n        write_hw", "invalid command name"),
    ],
)
def test_bitstream_faults_are_caught(designed, right, wrong, complaint):
    project = designed()
    plant(project, "bitstream.tcl", right, wrong)
    run = execute(project, "bitstream.tcl", VIVADO, Installation("2022.2"))
    if complaint is None:
        assert run.names.count("wait_on_run") == 1
        return
    assert run.code != 0
    assert complaint in run.out + run.err


def test_commands_of_newer_tcl_are_caught(make_project):
    project = make_project()
    plant(project, "hls.tcl", "proc main {} {", "proc main {} {\n    lmap x {1 2} {set x}")
    run = execute(project, "hls.tcl", VIVADO, Installation("2018.3"))
    assert run.code == 1
    assert 'invalid command name "lmap"' in run.out
    assert "while executing" in run.out


def test_options_come_and_go_with_releases():
    assert option_in("-a= since 2020.2", "2020.2") == "-a="
    assert option_in("-a= since 2020.2", "2020.1") is None
    assert option_in("-a until 2019.1", "2019.2") is None
    assert "write_hwdef" in table("vivado", "2019.1")
    assert "write_hwdef" not in table("vivado", "2019.2")
    assert "write_hw_platform" not in table("vivado", "2019.1")
    assert sorted(path.stem for path in OPTIONS.glob("*.json")) == ["vitis_hls", "vivado", "vivado_hls"]
