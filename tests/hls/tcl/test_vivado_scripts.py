"""The Vivado scripts in every release: the commands on record, the block design, timing, artefacts."""

import pytest

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.backends.hls.scripts import ACCELERATOR_ADDRESS, DMA_ADDRESS, DmaStream
from tests.hls.networks import mlp
from tests.hls.tcl.harness import BOARDS, GOLDEN, VIVADO_RELEASES, Installation, execute

SCRIPTS = ("package_ip.tcl", "ooc_synth.tcl", "zc706_bd.tcl", "bitstream.tcl")


@pytest.mark.parametrize("tool", HlsTool)
def test_commands_are_those_on_record(exported, tool):
    project, found = exported(tool), []
    for script in SCRIPTS:
        run = execute(project, script, tool, Installation("2020.2"))
        assert (run.code, run.err) == (0, ""), script
        found += [f"# {script}", *run.commands]
    assert found == (GOLDEN / f"vivado_{tool.value}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("release", VIVADO_RELEASES)
def test_every_release_runs_every_script(exported, release):
    project = exported()
    for script in SCRIPTS:
        run = execute(project, script, HlsTool.VIVADO_HLS, Installation(release))
        assert (run.code, run.err) == (0, ""), script
    handoff = "hdf" if release < "2019.2" else "xsa"
    names = {path.name for path in (project / "bitstream").iterdir()}
    assert {"random_mlp.bit", "random_mlp.hwh", f"random_mlp.{handoff}"} <= names
    for folder in ("out_of_context", "bitstream"):
        reports = {path.name for path in (project / "reports" / folder).iterdir()}
        assert {
            *("utilization.rpt", "utilization_hierarchical.rpt", "timing_summary.rpt", "power.rpt")
        } <= reports


@pytest.mark.parametrize(
    ("edge_bits", "dma_bits", "memory_bits"),
    [
        (8, 8, 64),
        (16, 16, 64),
        (24, 8, 64),
        (96, 32, 64),
        (128, 128, 128),
        (392, 8, 64),
        (1024, 1024, 1024),
        (1536, 512, 512),
        (2048, 1024, 1024),
        (4096, 1024, 1024),
    ],
)
def test_dma_streams_are_legal_and_divide_the_edge(edge_bits, dma_bits, memory_bits):
    stream = DmaStream(edge_bits)
    assert (stream.dma_bits, stream.memory_bits) == (dma_bits, memory_bits)
    assert stream.converted == (edge_bits != dma_bits)


def test_edges_of_other_widths_get_a_converter(exported):
    # 6 inputs of 8 bits in beats of 3, and 3 outputs of 8 or 16 bits at once.
    project = exported(graph=mlp(61, [6, 4, 3], (2, 3), (3, 2), n_bits=8))
    run = execute(project, "zc706_bd.tcl", HlsTool.VIVADO_HLS)
    assert (run.code, run.err) == (0, "")
    text = "\n".join(run.commands)
    assert "create_bd_cell -type ip -vlnv xilinx.com:ip:axis_dwidth_converter:1.1 input_converter" in text
    assert "set_property -dict {CONFIG.M_TDATA_NUM_BYTES 3} /input_converter" in text
    assert "connect_bd_intf_net /axi_dma_0/M_AXIS_MM2S /input_converter/S_AXIS" in text
    assert "connect_bd_intf_net /input_converter/M_AXIS /accelerator/s_axis_in_V" in text
    assert "connect_bd_intf_net /output_converter/M_AXIS /axi_dma_0/S_AXIS_S2MM" in text


def test_registers_lie_where_the_drivers_expect_them(exported):
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS)
    assert f"set_property offset 0x{DMA_ADDRESS:08X} /ps7/Data/SEG_axi_dma_0_Reg" in run.commands
    assert f"set_property offset 0x{ACCELERATOR_ADDRESS:08X} /ps7/Data/SEG_accelerator_Reg" in run.commands


def test_the_newest_board_files_are_taken(exported):
    boards = ("xilinx.com:zc706:part0:1.10", *BOARDS)
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, Installation(boards=boards))
    assert "set_property board_part xilinx.com:zc706:part0:1.10 /project" in run.commands


def test_without_board_files_the_preset_of_the_ip_serves(exported):
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, Installation(boards=()))
    assert run.code == 0
    assert "set_property CONFIG.preset ZC706 /ps7" in run.commands
    assert "apply_board_preset 0" in "\n".join(run.commands)


def test_without_board_files_and_preset_it_stops(exported):
    installation = Installation(boards=(), preset=False)
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, installation)
    assert run.code == 1
    assert "there are neither board files of the ZC706 nor a preset" in run.out


def test_the_realised_clock_is_reported(exported):
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, Installation(fclk_mhz="222.222"))
    assert "clock: 200 MHz asked for, 222.222 MHz realised" in run.out
    assert "WARNING: the clock is faster than the 5 ns" in run.out
    slower = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, Installation(fclk_mhz="187.5"))
    assert "WARNING" not in slower.out


def test_the_newer_packaged_ip_is_taken(exported):
    project = exported()
    run = execute(project, "zc706_bd.tcl", HlsTool.VIVADO_HLS)
    assert "<project>/random_mlp_hls/solution1/impl/ip" in "\n".join(run.commands)
    assert execute(project, "package_ip.tcl", HlsTool.VIVADO_HLS).code == 0
    run = execute(project, "zc706_bd.tcl", HlsTool.VIVADO_HLS)
    assert "set_property ip_repo_paths <project>/ip /project" in run.commands


@pytest.mark.parametrize("script", SCRIPTS[:3])
def test_the_part_is_checked_first(exported, script):
    run = execute(exported(), script, HlsTool.VIVADO_HLS, Installation(parts=()))
    assert run.code == 1
    assert "the part xc7z045ffg900-2 is not in this installation" in run.out
    assert run.names == ["exit"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_releases_too_old_are_refused(exported, script):
    run = execute(exported(), script, HlsTool.VIVADO_HLS, Installation("2017.4"))
    assert run.code == 1
    assert "Vivado must be 2018.3 or later, not 2017.4" in run.out


@pytest.mark.parametrize(
    ("script", "remedy"),
    [
        ("package_ip.tcl", "synthesize first"),
        ("ooc_synth.tcl", "synthesize first"),
        ("zc706_bd.tcl", "the accelerator is not packaged"),
        ("bitstream.tcl", "make it first: scripts/zc706_bd.tcl"),
    ],
)
def test_scripts_out_of_order_say_what_comes_first(make_project, script, remedy):
    run = execute(make_project(), script, HlsTool.VIVADO_HLS)
    assert run.code == 1
    assert remedy in run.out


@pytest.mark.parametrize(("wns", "whs", "what"), [("-0.250", "0.1", "setup"), ("0.1", "-0.010", "hold")])
def test_no_bitstream_without_timing(designed, wns, whs, what):
    project = designed()
    run = execute(project, "bitstream.tcl", HlsTool.VIVADO_HLS, Installation(wns=wns, whs=whs))
    assert run.code == 1
    assert f"timing is not met: the worst {what} slack is {min(wns, whs)} ns" in run.out
    assert not (project / "bitstream").exists()
    assert (project / "reports" / "bitstream" / "timing_summary.rpt").exists()


def test_out_of_context_timing_is_checked_after_its_reports(exported):
    project = exported()
    run = execute(project, "ooc_synth.tcl", HlsTool.VIVADO_HLS, Installation(wns="-1.5"))
    assert run.code == 1
    assert "the worst setup slack is -1.5 ns" in run.out
    assert (project / "reports" / "out_of_context" / "utilization.rpt").exists()


def test_slack_that_is_no_number_is_refused(designed):
    run = execute(designed(), "bitstream.tcl", HlsTool.VIVADO_HLS, Installation(wns=""))
    assert run.code == 1
    assert "the worst setup slack must be a number, not ''" in run.out


@pytest.mark.parametrize("failing", ["synth_1", "impl_1"])
def test_a_failed_run_shows_its_first_error(designed, failing):
    installation = Installation(fail={failing: "INFO: x\nERROR: [Place 30-640] too many LUTs\nERROR: later"})
    project = designed()
    run = execute(project, "bitstream.tcl", HlsTool.VIVADO_HLS, installation)
    assert run.code == 1
    assert (
        f"{failing} ended with '{failing} ERROR'; first error: ERROR: [Place 30-640] too many LUTs" in run.out
    )
    assert not (project / "bitstream").exists()


def test_the_number_of_jobs_is_a_choice(designed):
    project = designed()
    run = execute(project, "bitstream.tcl", HlsTool.VIVADO_HLS, JOBS="12")
    assert "launch_runs impl_1 -to_step write_bitstream -jobs 12" in run.commands
    refused = execute(project, "bitstream.tcl", HlsTool.VIVADO_HLS, JOBS="many")
    assert "JOBS must be a number from 1 on, not 'many'" in refused.out


def test_an_accelerator_without_tlast_is_refused(exported):
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, Installation(tlast=False))
    assert run.code == 1
    assert "/accelerator/m_axis_out_V has no TLAST" in run.out


def test_an_accelerator_of_another_export_is_refused(exported):
    run = execute(exported(), "zc706_bd.tcl", HlsTool.VIVADO_HLS, Installation(widths=(16, 64)))
    assert run.code == 1
    assert "/accelerator/m_axis_out_V must be 8 bits wide, not 64" in run.out


def test_vendor_ip_in_the_verilog_is_not_packaged(exported):
    project = exported()
    (project / "random_mlp_hls/solution1/syn/verilog/fmul_ip.tcl").write_text("create_ip\n")
    run = execute(project, "package_ip.tcl", HlsTool.VIVADO_HLS)
    assert run.code == 1
    assert "holds scripts of vendor IP" in run.out
