"""Every kind of report, in the shapes of both tools; and damaged ones, which name themselves."""

import pytest

from hbnn_hw.errors import VendorReportError
from hbnn_hw.vendor_reports import (
    Cycles,
    Resources,
    read_cosim,
    read_csynth,
    read_hierarchy,
    read_power,
    read_timing,
    read_utilization,
)
from tests.vendor_reports.conftest import VITIS, VIVADO

READERS = {
    "csynth.xml": read_csynth,
    "cosim.rpt": read_cosim,
    "utilization.rpt": read_utilization,
    "utilization_hierarchical.rpt": read_hierarchy,
    "timing_summary.rpt": read_timing,
    "power.rpt": read_power,
}


def resources(luts, flip_flops, bram36, dsps):
    return Resources(luts=luts, flip_flops=flip_flops, bram36=bram36, dsps=dsps)


def test_synthesis_by_vivado_hls():
    report = read_csynth(VIVADO / "csynth.xml")
    assert (report.release, report.part, report.top) == ("2019.2", "xc7z045-ffg900-2", "random_mlp")
    assert (report.target_ns, report.uncertainty_ns, report.estimated_ns) == (5.0, 0.62, 4.375)
    assert report.latency == Cycles(minimum=44, maximum=None)
    assert report.interval == Cycles(minimum=16, maximum=None)
    assert report.used == resources(1466, 812, 1.5, 0)
    assert report.available == resources(218600, 437200, 545, 900)
    outer, inner = report.loops
    assert (outer.name, outer.trips, outer.interval) == ("images", Cycles(minimum=1, maximum=1000), None)
    assert outer.latency == Cycles(minimum=12, maximum=12000)
    assert (inner.name, inner.trips, inner.interval) == ("images.steps", Cycles(minimum=6, maximum=6), 1)
    assert inner.depth == 6


def test_synthesis_by_vitis_hls():
    report = read_csynth(VITIS / "csynth.xml")
    assert report.release == "2022.2"
    assert report.latency == Cycles(minimum=51, maximum=16034)
    assert report.used == resources(2011, 1204, 2, 2)
    (loop,) = report.loops
    assert loop.name == "VITIS_LOOP_40_1_VITIS_LOOP_42_2"
    assert (loop.trips, loop.interval) == (Cycles(minimum=6, maximum=6000), 1)


def test_cosimulation():
    report = read_cosim(VIVADO / "cosim.rpt")
    assert report.passed
    assert report.latency == Cycles(minimum=58, average=62, maximum=66)
    assert report.interval == Cycles(minimum=60, average=60, maximum=60)
    single = read_cosim(VITIS / "cosim.rpt")
    assert single.latency == Cycles(minimum=71, average=71, maximum=71)
    assert single.interval == Cycles(minimum=None, average=None, maximum=None)


def test_failed_cosimulation_is_read_as_such(tmp_path):
    text = (VIVADO / "cosim.rpt").read_text(encoding="utf-8").replace("Pass", "Fail")
    (tmp_path / "cosim.rpt").write_text(text, encoding="utf-8")
    assert not read_cosim(tmp_path / "cosim.rpt").passed


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (VIVADO / "utilization.rpt", resources(1033, 790, 1.5, 0)),
        (VIVADO / "utilization_synth.rpt", resources(1120, 790, 1.5, 0)),
        (VITIS / "utilization.rpt", resources(1498, 1190, 2, 2)),
        (VITIS / "utilization_ultrascale.rpt", resources(1498, 1190, 2, 2)),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_utilization_by_name_of_column_and_row(path, expected):
    assert read_utilization(path) == expected


def test_utilization_of_instances():
    found = read_hierarchy(VIVADO / "utilization_hierarchical.rpt")
    assert found["accelerator"] == resources(1051, 801, 1.5, 0)
    assert found["system_wrapper"] == resources(4102, 5410, 3.5, 0)
    assert read_hierarchy(VITIS / "utilization_hierarchical.rpt")["accelerator"] == resources(
        1502, 1195, 2, 2
    )


def test_timing():
    met = read_timing(VIVADO / "timing_summary.rpt")
    assert (met.setup_slack_ns, met.hold_slack_ns, met.failing_endpoints, met.met) == (0.812, 0.047, 0, True)
    missed = read_timing(VITIS / "timing_summary.rpt")
    assert (missed.setup_slack_ns, missed.failing_endpoints, missed.met) == (-0.333, 57, False)


def test_power():
    report = read_power(VIVADO / "power.rpt")
    assert (report.total_w, report.dynamic_w, report.static_w) == (0.268, 0.050, 0.218)
    assert report.confidence == "Low"
    assert read_power(VITIS / "power.rpt").total_w == 1.901


@pytest.mark.parametrize("source", [VIVADO, VITIS], ids=lambda path: path.name)
@pytest.mark.parametrize("name", READERS)
def test_truncated_reports_name_themselves(tmp_path, source, name):
    """Cut at every tenth of its length, a report is refused with its path, or complete in what counts."""
    content = (source / name).read_bytes()
    whole = READERS[name](source / name)
    path = tmp_path / name
    refused = []
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        try:
            assert READERS[name](path) == whole
        except VendorReportError as error:
            refused.append(str(error))
    assert len(refused) >= 2
    assert all(str(path) in message for message in refused)


@pytest.mark.parametrize("name", READERS)
def test_other_files_are_refused(tmp_path, name):
    path = tmp_path / name
    for content in (b"", b"\x00\xff\xfe" * 100, b"hello\n", b"<html></html>"):
        path.write_bytes(content)
        with pytest.raises(VendorReportError, match=name):
            READERS[name](path)


def test_values_that_are_no_numbers_are_named(tmp_path):
    path = tmp_path / "csynth.xml"
    text = (VIVADO / "csynth.xml").read_text(encoding="utf-8")
    path.write_text(text.replace("<LUT>1466", "<LUT>many"), encoding="utf-8")
    with pytest.raises(
        VendorReportError, match=r"csynth.xml': AreaEstimates/Resources/LUT must be a number, not 'many'"
    ):
        read_csynth(path)


ENTITIES = [
    '<!DOCTYPE profile [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE profile SYSTEM "http://localhost/x.dtd">',
    '<!DOCTYPE profile [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
]


@pytest.mark.parametrize("doctype", ENTITIES)
def test_no_entity_is_expanded_or_fetched(tmp_path, doctype):
    path = tmp_path / "csynth.xml"
    text = (VIVADO / "csynth.xml").read_text(encoding="utf-8")
    path.write_text(doctype + text.replace("2019.2", "&x;"), encoding="utf-8")
    with pytest.raises(VendorReportError, match="declares a document type"):
        read_csynth(path)
