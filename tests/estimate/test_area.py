import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw.errors import GraphError
from hbnn_hw.estimate.area import Area, Block, area, graph_features, load_constants, node_features
from hbnn_hw.estimate.area.memory import (
    bram18_blocks,
    distinct_columns,
    distributed_ram_luts,
    rom_bram36,
    rom_is_block,
    rom_luts,
)
from hbnn_hw.folding import Folding
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Mvtu, Thresholds
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import random_mlp, random_weights

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
    folding = Folding(16, 32, unrolled=True) if unrolled else Folding(4, 8)
    by_weights = [unit_area(full(16, 32, planes), folding).luts for planes in (1, 2, 3)]
    by_input = [unit_area(full(16, 32), folding, planes).luts for planes in (1, 2, 4, 8)]
    assert by_weights == sorted(by_weights)
    assert by_weights[0] < by_weights[-1]
    assert by_input == sorted(by_input)
    assert by_input[0] < by_input[-1]


@pytest.mark.parametrize("axis", ["pe", "simd"])
def test_area_grows_with_parallelism(axis):
    areas = [unit_area(full(32, 32), replace(Folding(4, 4), **{axis: n})) for n in (2, 4, 8, 16)]
    assert [a.luts for a in areas] == sorted(a.luts for a in areas)
    assert [a.flip_flops for a in areas] == sorted(a.flip_flops for a in areas)


def test_masked_out_entries_cost_nothing_unrolled():
    rng = np.random.default_rng(1)
    sparse = random_weights(rng, 16, 32, (2, 1))
    fold = Folding(16, 32, unrolled=True)
    assert (
        unit_area(full(16, 32), fold).luts
        < unit_area(sparse, fold).luts
        < unit_area(full(16, 32, 2), fold).luts
    )


def test_nothing_ever_takes_a_dsp(benchmark):
    designs = benchmark("designs")
    for entry in designs.load_results("area_calibration.json"):
        assert entry["counts"]["dsp"] == 0
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
    ("depth", "width", "luts"), [(2, 8, 0), (64, 36, 36), (96, 36, 72), (192, 64, 256), (256, 8, 32)]
)
def test_tables_in_logic_cost_what_synthesis_measured(depth, width, luts):
    table = np.random.default_rng(depth).integers(0, 2, (depth, width), dtype=np.uint8)
    assert rom_luts(table) == luts


def test_equal_inverted_and_constant_columns_are_not_counted_twice():
    column = np.array([0, 1, 1, 0, 1], dtype=np.uint8)
    table = np.stack([column, column, 1 - column, 0 * column, np.roll(column, 1)], axis=1)
    assert distinct_columns(table) == 3
    assert distinct_columns(table, up_to_complement=True) == 2


def test_small_memories():
    assert bram18_blocks(512, 37) == 2
    assert distributed_ram_luts(1, 100) == 0
    assert distributed_ram_luts(8, 6) == 4
    assert distributed_ram_luts(33, 7) == 16


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
    assert {Block.FOLDED_MVTU, Block.UNROLLED_MVTU, Block.WIDTH_CONVERTER, Block.EDGES} <= set(constants.luts)
    assert all(value >= 0 for terms in constants.luts.values() for value in terms.values())
    assert all(band.n >= 10 for band in constants.errors.values())


def test_the_committed_constants_are_the_fit_of_the_committed_results(benchmark):
    calibrate, designs = benchmark("calibrate_area"), benchmark("designs")
    committed = load_constants()
    refitted = calibrate.fit(designs.load_results(calibrate.RAW), committed)
    for block, terms in refitted.luts.items():
        assert committed.luts[block] == pytest.approx(dict(terms), rel=0.02, abs=0.02)


def test_the_printed_error_band_is_the_held_out_set_s(benchmark):
    """Every figure of the band is measured again from the committed synthesis results."""
    error, designs = benchmark("estimator_error"), benchmark("designs")
    entries = designs.load_results(error.RAW)
    fitted = {entry["spec"]["name"] for entry in designs.load_results("area_calibration.json")}
    assert not fitted & {entry["spec"]["name"] for entry in entries}
    for quantity in error.QUANTITIES:
        errors = []
        for entry in entries:
            found = error.synthesized_value(error.CellCounts(**entry["counts"]), quantity)
            errors.append(
                100 * (getattr(error.estimated(error.parse_spec(entry["spec"])), quantity) / found - 1)
            )
        band = error.band(errors)
        assert band == load_constants().errors[quantity]
        assert band.median_pct < 25
