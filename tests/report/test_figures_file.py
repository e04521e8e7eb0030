"""The files inside the page hold every figure, the same that commands print."""

import base64
import csv
import io
import json
import re

import pytest

from hbnn_hw.estimate import CellCounts, SynthesisResult, estimate
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.report import ReportInput, UnrolledStructure, render_report
from hbnn_hw.report.figures_file import downloads, figures_document
from hbnn_hw.target import Target
from tests.graphs import random_mlp

STRUCTURE = UnrolledStructure(name="fc1", luts=123, levels=4.5, explanation="up to 3 rows share sub-sums")


@pytest.fixture(scope="module")
def source():
    graph = lower(random_mlp(4, (32, 16, 8), coefficients=(4, 2, 1)), FoldingRequest(pe=4, simd=8))
    return ReportInput(
        graph=graph,
        estimate=estimate(graph, Target()),
        target=Target(),
        metadata={"dataset": 'a "quoted", µ name', "accuracy": 0.5},
        synthesis=SynthesisResult(top="net", tool="Yosys 0.70", counts=CellCounts(lut6=1234)),
        structures=(STRUCTURE,),
    )


def content(address: str) -> str:
    return base64.b64decode(address.partition(";base64,")[2]).decode()


def test_the_page_delivers_json_and_csv(source):
    files = re.findall(r'<a href="(data:[^"]*)" download="([^"]*)"', render_report(source))
    assert [name for _, name in files] == ["random_mlp.json", "random_mlp.csv", "random_mlp_layers.csv"]
    assert files == [(file.address, file.name) for file in downloads(source)]


def test_json_holds_what_estimate_prints_and_all_else(source):
    document = json.loads(content(downloads(source)[0].address))
    assert document == json.loads(json.dumps(figures_document(source)))
    assert document["estimate"] == json.loads(json.dumps(source.estimate.document()))
    assert document["synthesis"]["counts"]["lut6"] == 1234
    assert document["training"]["dataset"] == 'a "quoted", µ name'
    assert document["structures"][0]["explanation"] == STRUCTURE.explanation
    assert [layer["name"] for layer in document["bit_maps"]] == ["fc1", "fc2"]
    assert document["roofline"]["layers"][0]["operations"] > 0


def test_csv_holds_every_leaf_of_the_json(source):
    header, *rows = csv.reader(io.StringIO(content(downloads(source)[1].address)))
    assert header == ["path", "value"]
    values = dict(rows)
    assert values["estimate.totals.interval_cycles"] == str(source.estimate.interval_cycles)
    assert values["estimate.nodes[1].name"] == source.estimate.nodes[1].name
    assert values["training.dataset"] == 'a "quoted", µ name'
    assert values["synthesis.counts.lut6"] == "1234"
    assert len(values) == len(rows)


def test_the_csv_of_layers_has_a_line_a_node(source):
    rows = list(csv.DictReader(io.StringIO(content(downloads(source)[2].address))))
    assert [row["name"] for row in rows] == [node.name for node in source.estimate.nodes]
    for row, node in zip(rows, source.estimate.nodes, strict=True):
        assert int(row["cycles"]) == node.cycles
        assert float(row["luts"]) == node.area.luts
        assert row["rows"] == (str(node.layer.rows) if node.layer else "")
