"""Reports found where the scripts leave them, the estimate beside them, and causes of what is missing."""

import json

import pytest

from hbnn_hw.errors import OutputError, VendorReportError
from hbnn_hw.estimate import estimate
from hbnn_hw.vendor_reports import Stage, compare, comparison_text, read_reports
from tests.hls.networks import TARGET
from tests.vendor_reports.conftest import SOLUTION, VITIS, VIVADO, graph


def compared(project):
    return compare(project, graph(), estimate(graph(), TARGET))


def test_every_level_stands_beside_the_estimate(complete):
    result = compared(complete(VIVADO))
    rows = {row.quantity: row for row in result.rows}
    expected = estimate(graph(), TARGET)
    luts = rows["LUT"]
    assert luts.estimate == expected.area.luts
    # The accelerator's own instance, not the whole design.
    assert (luts.csynth, luts.out_of_context, luts.bitstream) == (1466, 1033, 1051)
    bram = rows["BRAM36"]
    assert (bram.csynth, bram.out_of_context, bram.bitstream) == (1.5, 1.5, 1.5)
    clock = rows["clock [ns]"]
    assert (clock.estimate, clock.csynth, clock.out_of_context) == (5.0, 4.375, 4.188)
    assert (rows["slack [ns]"].out_of_context, rows["power [W]"].bitstream) == (0.812, 0.268)
    assert result.reports.missing == ()


def test_layers_stand_beside_their_functions(complete):
    layers = {layer.name: layer for layer in compared(complete(VIVADO)).layers}
    fc1 = layers["fc1"]
    assert fc1.synthesized.luts == 1466
    assert fc1.synthesized_cycles == 44
    assert fc1.estimated_cycles == next(n.cycles for n in estimate(graph(), TARGET).nodes if n.name == "fc1")
    assert all(layer.synthesized is None for name, layer in layers.items() if name != "fc1")


def test_calls_of_cosimulation_stand_beside_the_schedule(complete):
    expected = estimate(graph(), TARGET)
    one, two = compared(complete(VIVADO)).calls
    assert (one.images, one.estimated, one.measured) == (1, expected.latency_cycles, 58)
    assert (two.images, two.measured) == (2, 66)
    assert two.estimated == expected.latency_cycles + expected.interval_cycles


@pytest.mark.parametrize("source", [VIVADO, VITIS], ids=lambda path: path.name)
def test_text_and_json_say_the_same(complete, source):
    result = compared(complete(source))
    text = comparison_text(result)
    document = json.loads(json.dumps(result.document()))
    assert document["rows"][0]["csynth"] == result.reports.csynth.used.luts
    assert document["reports"]["cosim"]["passed"] is True
    assert f"{result.reports.csynth.used.luts:.0f}" in text
    assert "cosim: passed" in text
    assert text.endswith("\n")
    assert "None" not in text


def test_text_of_vivado_is_as_on_record(complete):
    lines = comparison_text(compared(complete(VIVADO))).splitlines()
    assert lines[1].split() == ["estimate", "csynth", "out", "of", "context", "in", "the", "design"]
    luts = estimate(graph(), TARGET).area.luts
    assert lines[2].split()[:4] == ["LUT", f"{round(luts, 2):g}", "1466", f"({100 * (luts / 1466 - 1):+.0f}"]
    assert "csynth: xc7z045-ffg900-2, release 2019.2; interval of a call 16 to - clocks" in lines


def test_nothing_run_yet_lists_what_to_run(project):
    result = compared(project)
    assert [missing.stage for missing in result.reports.missing] == list(Stage)
    text = comparison_text(result)
    assert (
        "csynth: no random_mlp_hls/solution1/syn/report/random_mlp_csynth.xml; to make it: STAGES=csynth"
        in text
    )
    assert "bitstream: no reports/bitstream/utilization.rpt" in text


@pytest.mark.parametrize(
    ("log", "stage"),
    [
        ("vivado_hls.log", Stage.CSYNTH),
        (f"{SOLUTION}/solution1.log", Stage.CSYNTH),
        (f"{SOLUTION}/csim/report/random_mlp_csim.log", Stage.CSYNTH),
        ("ooc_synth.log", Stage.OUT_OF_CONTEXT),
        ("vivado/random_mlp.runs/synth_1/runme.log", Stage.BITSTREAM),
        ("zc706_bd.log", Stage.BITSTREAM),
    ],
)
def test_the_first_error_says_why_a_report_is_missing(project, log, stage):
    path = project / log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "INFO: fine\nERROR: [HLS 200-70] Compilation errors found\nERROR: later\n", encoding="utf-8"
    )
    missing = next(m for m in compared(project).reports.missing if m.stage is stage)
    assert missing.text.startswith(f"{stage.value} produced no ")
    assert f"in {path.name}:2: ERROR: [HLS 200-70] Compilation errors found" in missing.text


def test_compiler_errors_count_and_warnings_do_not(project):
    log = "WARNING: x\nsrc/a.cpp:3:1: warning: y\nsrc/a.cpp:4:2: error: no 'z'\nERROR: [SIM 211-100] failed\n"
    (project / "vitis_hls.log").write_text(log, encoding="utf-8")
    missing = compared(project).reports.missing[0]
    assert missing.error.text == "src/a.cpp:4:2: error: no 'z'"


def test_a_single_missing_file_is_named(complete):
    project = complete(VITIS)
    (project / "reports" / "bitstream" / "power.rpt").unlink()
    result = compared(project)
    assert [missing.report for missing in result.reports.missing] == ["reports/bitstream/power.rpt"]
    assert result.reports.bitstream.timing is not None
    assert result.reports.bitstream.power is None


def test_a_damaged_report_is_named(complete):
    project = complete(VITIS)
    path = project / "reports" / "out_of_context" / "utilization.rpt"
    path.write_text("| Site Type | Used |\n", encoding="utf-8")
    with pytest.raises(
        VendorReportError, match=r"out_of_context/utilization.rpt': a table by Site Type breaks off"
    ):
        compared(project)


def test_folders_without_a_project_are_refused(tmp_path):
    with pytest.raises(OutputError, match="is no HLS project; export the network with --backend hls"):
        read_reports(tmp_path, "random_mlp")


def test_a_damaged_layout_is_named(project):
    (project / "tb" / "layout.json").write_text("{}", encoding="utf-8")
    with pytest.raises(OutputError, match=r"layout.json' is damaged"):
        compared(project)
