import importlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.stages import cut
from hbnn_hw.errors import GraphError
from hbnn_hw.estimate.area import Area, Block, area, graph_features, load_constants, node_features
from hbnn_hw.estimate.area.memory import (
    bram18_blocks,
    distinct_columns,
    ram_is_block,
    ram_luts,
    rom_bram36,
    rom_is_block,
)
from hbnn_hw.estimate.area.parts import Parts, rom
from hbnn_hw.folding import Folding
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Mvtu, Thresholds
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_mlp, random_weights
from tests.tables import rows

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def layer(weights: WeightPlanes, folding: Folding, input_planes: int = 1) -> Graph:
    """A graph of one unit whose thresholds lie in the middle."""
    thresholds = Thresholds(
        table=np.zeros((weights.rows, 1), dtype=np.int64), inverted=np.zeros(weights.rows, dtype=np.bool_)
    )
    op = Mvtu(weights=weights, thresholds=thresholds, folding=folding)
    source = TensorType((weights.columns,), Planes(tuple(1 << p for p in range(input_planes))))
    return Graph("net", "x", source, (Node("fc", op, ("x",)),))


def unit_area(weights: WeightPlanes, folding: Folding, input_planes: int = 1) -> Area:
    graph = layer(weights, folding, input_planes)
    return area(node_features(graph, graph.nodes[0]))


def full(rows: int, columns: int, planes: int = 1) -> WeightPlanes:
    rng = np.random.default_rng(5)
    shape = (planes, rows, columns)
    return WeightPlanes.from_bits(
        rng.integers(0, 2, shape), np.ones(shape, dtype=np.uint8), [1 << p for p in range(planes)]
    )


@pytest.mark.parametrize("unrolled", [False, True])
def test_area_grows_with_planes_of_weights_and_input(unrolled):
    rows, columns = (4, 8) if unrolled else (16, 32)
    folding = Folding(rows, columns, unrolled=True) if unrolled else Folding(4, 8)
    by_weights = [unit_area(full(rows, columns, planes), folding).luts for planes in (1, 2, 3)]
    by_input = [unit_area(full(rows, columns), folding, planes).luts for planes in (1, 2, 4)]
    assert by_weights == sorted(by_weights)
    assert by_weights[0] < by_weights[-1]
    assert by_input == sorted(by_input)
    assert by_input[0] < by_input[-1]


@pytest.mark.parametrize("axis", ["pe", "simd"])
def test_area_grows_with_parallelism(axis):
    areas = [unit_area(full(32, 32), replace(Folding(4, 4), **{axis: n})) for n in (2, 4, 8, 16)]
    assert [a.luts for a in areas] == sorted(a.luts for a in areas)
    assert [a.flip_flops for a in areas] == sorted(a.flip_flops for a in areas)


def test_a_second_plane_costs_by_its_entries_unrolled():
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2, (2, 8, 16), dtype=np.uint8)
    fold, found = Folding(8, 16, unrolled=True), []
    for share in (0.0, 0.1, 0.3):
        masks = np.stack([np.ones((8, 16), np.uint8), (rng.random((8, 16)) < share).astype(np.uint8)])
        found.append(unit_area(WeightPlanes.from_bits(bits & masks, masks, (2, 1)), fold).luts)
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_a_matrix_unit_takes_no_dsp():
    assert unit_area(full(32, 32, 3), Folding(8, 8), 8).dsps == 0


@pytest.mark.parametrize(
    ("depth", "width", "bram36"),
    [
        (1024, 36, 1.0),
        (256, 36, 0.5),
        (512, 36, 0.5),
        (512, 64, 1.0),
        (256, 64, None),
        (192, 36, None),
        (1024, 8, None),
    ],
)
def test_block_ram_rule_agrees_with_synthesized_tables(depth, width, bram36):
    assert rom_is_block(depth, width) == (bram36 is not None)
    if bram36 is not None:
        assert rom_bram36(depth, width) == bram36


@pytest.mark.parametrize(
    ("depth", "width", "luts"), [(2, 9, 5), (64, 36, 36), (96, 36, 72), (192, 64, 256), (256, 8, 32)]
)
def test_tables_in_logic_cost_what_synthesis_measured(depth, width, luts):
    assert rom(depth, width) == Parts(luts, width)


def test_a_table_of_one_word_is_a_constant():
    assert rom(1, 40) == Parts()


def test_equal_and_constant_columns_are_not_counted_twice():
    column = np.array([0, 1, 1, 0, 1], dtype=np.uint8)
    table = np.stack([column, column, 1 - column, 0 * column, np.roll(column, 1)], axis=1)
    assert distinct_columns(table) == 3


def test_small_memories():
    assert bram18_blocks(512, 37) == 2
    assert ram_luts(1, 100) == 0
    assert ram_luts(8, 6) == 4
    assert ram_luts(33, 7) == 12


@pytest.mark.parametrize(
    ("depth", "width", "is_block"),
    [(512, 6, True), (1024, 2, False), (32, 17, False), (2048, 9, True), (64, 48, False)],
)
def test_memories_go_where_synthesis_puts_them(depth, width, is_block):
    assert ram_is_block(depth, width) == is_block


def test_the_encoder_and_equal_widths_are_wires():
    from hbnn_hw.passes import FoldingRequest, lower

    graph = lower(random_mlp(2, (16, 8, 4)), FoldingRequest(pe=4, simd=4))
    features = graph_features(graph)
    assert area(features["encode"]) == Area(0, 0, 0)
    assert set(features) == {node.name for node in graph.hardware_nodes} | {""}


def test_an_operator_without_an_area_is_refused():
    op = Affine(alpha=np.ones(4, np.float32), beta=np.zeros(4, np.float32))
    raw = Node("fc", Mvtu(weights=full(4, 4), folding=Folding(2, 2)), ("x",))
    base = replace(layer(full(4, 4), Folding(2, 2)), nodes=(raw,))
    graph = replace(base, nodes=(*base.nodes, Node("bn", op, ("fc",))))
    with pytest.raises(GraphError, match="'bn' must be a hardware operator"):
        node_features(graph, graph.nodes[1])


def test_constants_are_complete_and_not_negative():
    constants = load_constants()
    assert set(constants.luts) == set(Block) - {Block.ENCODE_BIT_PLANES, Block.FIRST_PRINCIPLES}
    assert all(value >= 0 for terms in constants.luts.values() for value in terms.values())
    assert {terms["exact"] for terms in constants.luts.values() if "exact" in terms} == {1.0}
    assert all(band.n >= 70 for band in constants.errors.values())


def committed(name):
    """Names of the kinds and the seeds of committed results, with their places."""
    entries = json.loads((BENCHMARKS / "results" / name).read_text(encoding="utf-8"))
    return [(entry["kind"], entry["seed"], at) for at, entry in enumerate(entries)]


def is_usual(kind: str, seed: int, at: int) -> bool:
    """Rows that take no time: no plan of an unrolled layer, and of networks one."""
    return seed == 1000 and "unrolled" not in kind and (not kind.startswith("net-") or kind == "net-cnn")


@pytest.mark.parametrize(("kind", "seed", "at"), rows(committed("estimator_error.json"), usual=is_usual))
def test_designs_that_the_fit_has_not_seen_come_out_as_synthesized(kind, seed, at, benchmark):
    """Flip-flops, block RAM and DSP slices are counts and exact but for what synthesis simplifies."""
    error, designs = benchmark("estimator_error"), benchmark("designs")
    entry = designs.load_results(error.RAW)[at]
    assert (entry["kind"], entry["seed"]) == (kind, seed)
    found = error.compared(entry)
    assert abs(found.error_pct("luts")) < 25
    assert abs(found.error_pct("flip_flops")) < 8
    assert found.model.dsps == found.counts.dsp


def test_the_fit_has_no_design_of_the_held_out_set_and_no_network():
    fitted, held_out = committed("area_calibration.json"), committed("estimator_error.json")
    assert not {row[:2] for row in fitted} & {row[:2] for row in held_out}
    assert not [kind for kind, *_ in fitted if kind.startswith("net-")]
    networks = sum(kind.startswith("net-") for kind, *_ in held_out)
    assert networks >= 10
    assert len(held_out) - networks >= 60


@pytest.mark.table
def test_the_committed_constants_are_the_fit_of_the_committed_results(benchmark):
    calibrate, designs = benchmark("calibrate_area"), benchmark("designs")
    committed_constants = load_constants()
    refitted = calibrate.fit(designs.load_results(calibrate.RAW), committed_constants)
    for block, terms in refitted.luts.items():
        assert committed_constants.luts[block] == pytest.approx(dict(terms), rel=0.02, abs=0.02)


@pytest.mark.table
def test_the_printed_error_band_is_the_held_out_set_s(benchmark):
    """Every figure of the band is measured again from the committed synthesis results."""
    error, designs = benchmark("estimator_error"), benchmark("designs")
    compared = [error.compared(entry) for entry in designs.load_results(error.RAW)]
    for quantity in error.QUANTITIES:
        band = error.band(row.error_pct(quantity) for row in compared)
        assert band == load_constants().errors[quantity]
    figures = error.summary(compared)
    assert figures["lut_median_pct"] <= 5
    assert figures["lut_p90_pct"] <= 12
    assert figures["rank"] >= 0.99
    assert figures["ff_p90_pct"] <= 3
    assert figures["bram_p90_pct"] <= 3


def test_flip_flops_of_an_unrolled_layer_follow_its_stages():
    """One stage has no registers within; others have those that the back end's cut puts there."""
    weights = random_weights(np.random.default_rng(3), 5, 40)
    flip_flops = {}
    for stages in (1, 2, 4):
        graph = layer(weights, Folding(5, 40, unrolled=True, stages=stages))
        node = graph.nodes[0]
        netlist = plan_layer(node.op, graph.source_type(node)).netlist
        within = sum(map(len, cut(netlist, stages).registers))
        flip_flops[stages] = node_features(graph, node).flip_flops - within
    assert len(set(flip_flops.values())) == 1
