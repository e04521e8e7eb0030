"""``hbnn-hw reports`` on an export, before and after the vendor tools ran."""

import json
import shutil

from tests.cli.conftest import MODELS
from tests.vendor_reports.conftest import VIVADO


def test_reports_of_an_export(hbnn, tmp_path):
    folder = tmp_path / "out"
    assert hbnn("export", MODELS / "digits_bnn.pt", "-o", folder, "--backend", "hls").code == 0
    before = hbnn("reports", folder)
    assert before.code == 0
    assert "to make it: STAGES=csynth sh scripts/run_hls.sh" in before.out

    network = json.loads((folder / "hls" / "tb" / "layout.json").read_bytes())["network"]
    report = folder / "hls" / f"{network}_hls" / "solution1" / "syn" / "report" / f"{network}_csynth.xml"
    report.parent.mkdir(parents=True)
    shutil.copy(VIVADO / "csynth.xml", report)
    document = json.loads(hbnn("reports", folder, "--json").out)
    rows = {row["quantity"]: row for row in document["rows"]}
    assert rows["FF"]["csynth"] == 812
    assert rows["FF"]["estimate"] == document["estimate"]["totals"]["area"]["flip_flops"]

    report.write_text("<profile>", encoding="utf-8")
    damaged = hbnn("reports", folder)
    assert damaged.code == 2
    assert f"{network}_csynth.xml' is damaged" in damaged.err


def test_reports_needs_an_hls_project(hbnn, tmp_path):
    folder = tmp_path / "out"
    assert hbnn("export", MODELS / "digits_bnn.pt", "-o", folder, "--backend", "rtl").code == 0
    refused = hbnn("reports", folder)
    assert refused.code == 2
    assert "is no HLS project; export the network with --backend hls" in refused.err
