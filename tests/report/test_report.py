import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hbnn_hw.errors import OutputError
from hbnn_hw.estimate import CellCounts, SynthesisResult, estimate
from hbnn_hw.exported import load_structures
from hbnn_hw.graph import Graph, Node
from hbnn_hw.passes import FoldingRequest, lower, schedule
from hbnn_hw.report import ReportInput, UnrolledStructure, render_report
from hbnn_hw.report.bitmaps import bit_histograms, network_average
from hbnn_hw.report.chart import Series, line_chart
from hbnn_hw.report.dataflow import dataflow
from hbnn_hw.report.figures import percent, significant, whole, with_unit
from hbnn_hw.report.page import headlines, layer_row, total_rows
from hbnn_hw.target import Target
from hbnn_hw.verify.result import VerificationResult
from tests.graphs import random_mlp
from tests.search.networks import residual

VOID = {"meta", "link", "br", "img", "hr", "input"}
FACTS = {
    "dataset": "digits",
    "method": "hbnn",
    "accuracy": 0.9712,
    "test_images": 597,
    "seed": 3,
    "command": "train x",
}
VERIFIED = VerificationResult(
    level="RTL simulation",
    tool="Verilator 5",
    images=4,
    bits=1024,
    interval_cycles=32,
    predicted_interval_cycles=32,
    latency_cycles=70,
    predicted_latency_cycles=71,
)


class Page(HTMLParser):
    """Checks nesting and collects text and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module", params=[False, True], ids=["folded", "unrolled"])
def source(request):
    graph = lower(
        random_mlp(4, (32, 16, 8), coefficients=(4, 2, 1), shared_columns=True),
        FoldingRequest(pe=4, simd=8, unroll=request.param),
    )
    return ReportInput(graph=graph, estimate=estimate(graph, Target()), target=Target(), metadata=FACTS)


def spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_every_estimated_value_is_on_the_page(source):
    text = Page(render_report(source)).text
    for node in source.estimate.nodes:
        values = (node.name, whole(node.cycles), whole(node.area.luts), whole(node.area.flip_flops))
        assert all(spaced(value) in text for value in values)
    total = source.estimate.area
    for value in (total.luts, total.lut_sites, total.flip_flops, source.target.device.luts):
        assert spaced(whole(value)) in text
    assert spaced(with_unit(source.estimate.energy.compute_pj * 1e-12, "J")) in text
    assert "97.12 %" in text
    assert "xc7z045ffg900-2" in text


def test_the_page_stands_alone(source):
    text = render_report(source)
    page = Page(text)
    assert all(link.startswith("data:") for link in page.links)
    without_files = re.sub(r'="data:[^"]*"', "", text)
    assert "http" not in without_files.replace("http-equiv", "")
    assert "url(" not in without_files.replace("url(#head)", "")
    assert "default-src 'none'; img-src data:;" in text  # browsers hold the page to it
    assert page.tags.count("script") == 1


def test_the_same_input_gives_the_same_page(source):
    assert render_report(source) == render_report(source)


def test_what_did_not_run_is_said(source):
    text = Page(render_report(source)).text
    assert "type hbnn-hw simulate DIR" in text
    assert "type hbnn-hw synth DIR" in text


def test_synthesis_is_shown_beside_the_estimate_with_its_error(source):
    counts = CellCounts(lut6=1234, lut_sites=1001, flip_flops=777, bram36=4)
    result = SynthesisResult(top="net", tool="Yosys 0.70", counts=counts)
    text = Page(render_report(replace(source, synthesis=result))).text
    assert spaced(whole(1234)) in text
    assert "synth DIR" not in text
    for estimated, found in ((source.estimate.area.luts, 1234), (source.estimate.area.bram36, 4)):
        error = 100 * (estimated / found - 1)
        assert f"{error:+.1f}".replace("-", "\u2212") in text


def test_verification_is_listed_with_its_prediction(source):
    text = Page(render_report(replace(source, verifications=(VERIFIED,)))).text
    assert "32, as predicted" in text
    assert "70, predicted 71" in text
    assert "simulate DIR" not in text


def test_a_figure_is_called_simulated_only_where_a_run_measured_it(source):
    counted = replace(VERIFIED, level="C simulation", latency_cycles=None)
    for runs, expected in (
        ((), ["cycles scheduled", "cycles scheduled"]),
        ((counted,), ["cycles simulated", "cycles scheduled"]),
        ((counted, VERIFIED), ["cycles simulated", "cycles simulated"]),
    ):
        _, interval, latency, *_ = headlines(replace(source, verifications=runs))
        assert [interval.origin, latency.origin] == expected


def test_unknown_facts_are_dashes(source):
    text = Page(render_report(replace(source, metadata={}))).text
    assert "Data set –" in text
    assert "unknown" in text


def test_structures_of_unrolled_layers_are_explained(source):
    structure = UnrolledStructure(name="fc1", luts=1234, levels=6.25, explanation="rows share their total")
    page = Page(render_report(replace(source, structures=(structure,)))).text
    for text in ("Unrolled layers", "fc1", whole(1234), "6.2", "rows share their total"):
        assert spaced(text) in page
    assert "Unrolled layers" not in Page(render_report(source)).text


def test_structures_of_an_export_are_read_or_refused(tmp_path):
    assert load_structures(tmp_path) == ()
    path = tmp_path / "rtl" / "structures.json"
    path.parent.mkdir()
    path.write_text('[{"name": "fc1", "luts": 3, "levels": 1.0, "explanation": "so"}]')
    assert load_structures(tmp_path) == (UnrolledStructure(name="fc1", luts=3, levels=1.0, explanation="so"),)
    for damaged in ("[", '[{"name": "fc1"}]', "3"):
        path.write_text(damaged)
        with pytest.raises(OutputError, match=r"structures\.json' is damaged .*; export the model again"):
            load_structures(tmp_path)


def test_layers_add_up_to_the_network(source):
    rows = dict(total_rows(source.estimate))
    luts = [row.cells[9].value for row in (layer_row(n, source.estimate) for n in source.estimate.nodes)]
    assert sum(luts) + rows["AXI4-Stream edges"][2].value == pytest.approx(rows["network"][2].value)
    assert rows["network"][0].value == source.estimate.interval_cycles


def test_every_sortable_cell_holds_its_number(source):
    page = render_report(source)
    for node in source.estimate.nodes:
        assert f'<td data-value="{node.area.luts}">' in page
        assert f'<td data-value="{node.cycles}">{whole(node.cycles)}</td>' in page


HOSTILE = "<script>alert('x')</script>&\"]]>"


def test_names_are_escaped(source):
    last = source.graph.hardware_nodes[-1]
    nodes = tuple(
        Node(HOSTILE, n.op, n.inputs) if n is last else n for n in source.graph.nodes if n.name != "bn2"
    )
    graph = Graph(HOSTILE, source.graph.input_name, source.graph.input_type, nodes)
    hostile = ReportInput(
        graph=graph,
        estimate=estimate(graph, Target()),
        target=Target(),
        metadata={"dataset": HOSTILE, "command": HOSTILE},
        verifications=(replace(VERIFIED, level=HOSTILE, tool=HOSTILE),),
    )
    page = Page(render_report(hostile))
    assert page.tags.count("script") == 1
    assert HOSTILE in page.text


def test_many_layers_wrap_without_overlap():
    sizes = (16, *[8] * 11, 4)
    graph = lower(random_mlp(4, sizes), FoldingRequest(pe=2, simd=4))
    picture = dataflow(graph, estimate(graph, Target()))
    assert len({box.y for box in picture.boxes}) > 1
    for first, second in zip(picture.boxes, picture.boxes[1:], strict=False):
        assert second.x >= first.x + first.width or second.y >= first.y + first.height
    assert all(
        box.x + box.width <= picture.width and box.y + box.height <= picture.height for box in picture.boxes
    )


@pytest.fixture(scope="module")
def branching():
    graph = schedule(residual(), FoldingRequest(pe=4, simd=4))
    return ReportInput(graph=graph, estimate=estimate(graph, Target()), target=Target())


def test_streams_that_pass_other_boxes_go_from_circle_to_circle(branching):
    graph = branching.graph
    picture = dataflow(graph, branching.estimate)
    nodes = graph.hardware_nodes
    places = {node.name: at for at, node in enumerate(nodes)}
    streams = [
        (places.get(graph.producer(name), -1), at) for at, node in enumerate(nodes) for name in node.inputs
    ]
    straight = [pair for pair in streams if pair[0] + 1 == pair[1]]
    assert len(picture.arrows) == len(straight) + 1  # one more leaves the last box
    jumps = [pair for pair in streams if pair[0] + 1 != pair[1]]
    assert jumps
    numbers = [str(number) for number in range(1, len(jumps) + 1) for _ in range(2)]
    assert [circle.label for circle in picture.circles] == numbers
    for (writer, reader), out, into in zip(jumps, picture.circles[::2], picture.circles[1::2], strict=True):
        assert picture.boxes[writer].x < out.x < picture.boxes[writer].x + picture.boxes[writer].width
        assert out.y > picture.boxes[writer].y + picture.boxes[writer].height
        assert into.y < picture.boxes[reader].y
    places_of = {(circle.x, circle.y) for circle in picture.circles}
    assert len(places_of) == len(picture.circles)


def test_a_residual_network_s_page_says_what_is_only_estimated(branching):
    text = Page(render_report(branching)).text
    assert all(node.name in text for node in branching.graph.hardware_nodes)
    assert "not calibrated" not in text
    assert "comes out of the circle of the same number" in text
    latency = next(line for line in headlines(branching) if line.name == "Latency")
    assert latency.origin == "estimated"


def test_a_chain_has_no_circles_and_an_exact_latency(source):
    assert dataflow(source.graph, source.estimate).circles == ()
    text = Page(render_report(source)).text
    assert "circle" not in text
    assert "not calibrated" not in text


def test_histograms_count_every_weight(source):
    for histogram, node in zip(
        bit_histograms(source.graph), [n for n in source.estimate.nodes if n.layer], strict=True
    ):
        assert sum(histogram.counts) == node.layer.rows * node.layer.columns
        assert sum(histogram.shares) == pytest.approx(1.0)
        assert histogram.average == pytest.approx(node.layer.average_bits)
    assert 1.0 <= network_average(source.graph) <= 3.0


def test_chart_points_lie_inside_the_frame():
    chart = line_chart("t", "x", [Series("s", [(1.0, 1.0), (3.0, 3.2)], "a")], here=5.0)
    left, top, right, bottom = chart.frame
    assert all(left <= x <= right and top <= y <= bottom for x, y in chart.curves[0].marks)
    assert chart.here is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (whole(1234567.4), "1 234 567"),
        (significant(0.012345), "0.0123"),
        (significant(123456.0), "123 456"),
        (significant(18.96, 2), "19"),
        (significant(18.96), "19.0"),
        (significant(4.496), "4.50"),
        (significant(4.5), "4.5"),
        (with_unit(2.5e-7, "s"), "250 ns"),
        (with_unit(0, "J"), "0 J"),
        (percent(0.00001), "< 0.1 %"),
        (percent(0), "0.0 %"),
    ],
)
def test_numbers_as_text(text, expected):
    assert text.replace("\u202f", " ") == expected
