import json

import pytest

from hbnn_hw.errors import HbnnError
from hbnn_hw.estimate import estimate, estimate_text, paper_fpga
from hbnn_hw.estimate.energy import FULL_ADDER_PJ, MEMORY_BIT_PJ, operation_energy
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.streams import node_cycles, sample_interval
from hbnn_hw.target import Target
from hbnn_hw.timing import latency_cycles
from tests.graphs import random_mlp


@pytest.fixture(params=[False, True], ids=["folded", "unrolled"])
def graph(request):
    source = random_mlp(4, (32, 16, 8), coefficients=(2, 1), shared_columns=True)
    return lower(source, FoldingRequest(pe=4, simd=8, unroll=request.param))


def test_totals_are_the_sums_of_the_nodes(graph):
    result = estimate(graph, Target())
    assert result.area.luts == pytest.approx(sum(node.area.luts for node in result.nodes) + result.edges.luts)
    assert result.energy.total_pj == pytest.approx(sum(node.energy.total_pj for node in result.nodes))
    assert result.area.dsps == 0


def test_cycles_are_the_schedule_s(graph):
    result = estimate(graph, Target(clock_ns=4.0))
    assert {node.name: node.cycles for node in result.nodes} == node_cycles(graph)
    assert result.interval_cycles == sample_interval(graph)
    assert result.latency_cycles == latency_cycles(graph)
    assert result.frames_per_second == pytest.approx(250e6 / sample_interval(graph))


def test_the_document_is_plain_json(graph):
    document = json.loads(json.dumps(estimate(graph, Target()).document()))
    assert document["totals"]["area"]["luts"] > 0
    assert len(document["nodes"]) == len(graph.hardware_nodes)


def test_the_text_names_every_node_and_says_that_it_estimates(graph):
    text = estimate_text(estimate(graph, Target()))
    assert all(node.name in text for node in graph.hardware_nodes)
    assert "estimated, not synthesized" in text
    assert "%" in text


def test_an_unscheduled_graph_is_refused():
    with pytest.raises(HbnnError):
        estimate(random_mlp(4, (8, 4, 2)), Target())


def test_energy_of_a_small_folded_unit_by_hand():
    graph = lower(random_mlp(1, (8, 4, 2), n_bits=1), FoldingRequest(pe=2, simd=4))
    node = graph.hardware_nodes[1]
    energy = operation_energy(node.hardware, graph.source_type(node))
    # 32 products; 4 steps of 2 accumulations and 4 comparisons of 4-bit sums; 4 steps read 4 x (2 + 1) bits,
    # and 4 thresholds of 4 bits are read.
    assert energy.compute_pj == pytest.approx((32 + 4 * (8 + 4)) * FULL_ADDER_PJ)
    assert energy.memory_pj == pytest.approx((4 * 4 * 3 + 16) * MEMORY_BIT_PJ)


def test_unrolled_units_read_no_memory():
    graph = lower(random_mlp(1, (8, 4, 2), n_bits=1), FoldingRequest(unroll=True))
    assert estimate(graph, Target()).energy.memory_pj == 0


@pytest.mark.parametrize(
    ("bits", "unfolding", "occupancy", "kfps", "power"),
    [
        (1.0, 1, 21.2, 21.9, 3.6),
        (1.0, 4, 84.8, 87.6, 14.4),
        (1.2, 1, 25.4, 18.25, 4.3),
        (1.4, 1, 29.7, 15.6, 5.0),
        (1.2, 4, 100.0, 73.0, 17.0),
    ],
)
def test_the_paper_s_printed_rows(bits, unfolding, occupancy, kfps, power):
    row = paper_fpga(bits, unfolding)
    assert row.occupancy_pct == pytest.approx(occupancy, abs=0.06)
    assert row.kfps == pytest.approx(kfps, abs=0.06)
    assert row.power_w == pytest.approx(power, abs=0.06)
