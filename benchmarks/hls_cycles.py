"""Cycles of HLS accelerators: FINN's own foldings, what the search finds, and what heterogeneous bits pay.

1. At the foldings that FINN published for CNV and LFC, and at one of SFC for FINN's rate, the schedule's
   cycles of every matrix unit and sliding window are held against FINN's published formulas.
2. The search looks for the smallest CNV (full width, binary, 8-bit input) with FINN CNV-max's 21.9 k frames/s
   at 200 MHz within an XC7Z045 (70 % of the LUTs and flip-flops), and for the fastest that fits.
3. A column-mapped layer of 1.4 bits (70 / 20 / 10 % of the columns with 1 / 2 / 3 bits), its 1-bit twin and a
   homogeneous 2-bit layer at the same PE and SIMD are exported, compiled and run in C simulation, which
   counts the iterations of the unit's loop. Columns of equal bitwidth stand side by side, so that whole SIMD
   words are left out: a permutation of the columns, which costs nothing where the layer before has its rows
   permuted alike. The same map with its columns scattered is counted as well, to show what that order is
   worth, and again behind another layer, where lowering sorts the columns by itself
   (:func:`hbnn_hw.passes.sort_columns`).

Cycles are counts and have no noise; CPU time has, so the search is timed three times. The last line printed
is a JSON object.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from finn_networks import CNV_FOLDING, LFC_FOLDING, SFC_FOLDING, cnv, lfc, published, sfc

from hbnn_hw.artifacts import npy_bytes, write_folder
from hbnn_hw.backends import hls
from hbnn_hw.errors import ToolMissingError
from hbnn_hw.estimate import estimate
from hbnn_hw.estimate.finn_r import Mvau, sliding_window_cycles
from hbnn_hw.export import golden_vectors
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Dense, EncodeBitPlanes, Mvtu, Sign, SignOfZero, SlidingWindow
from hbnn_hw.passes import FoldingRequest, LayerFolding, lower, schedule
from hbnn_hw.search import Budget, FoldingSearch, SearchResult, search_text
from hbnn_hw.streams import node_cycles
from hbnn_hw.target import XC7Z045, Target
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.verify.csim import run_csim
from hbnn_hw.verify.vectors import vector_files
from hbnn_hw.weights import WeightPlanes

CLOCK_MHZ = 200.0
CNV_FPS = 21_900
FINN_CNV_LUTS, FINN_CNV_BRAM36 = 46_253, 186
"""FINN's CNV-max on the ZC706, synthesized, as later papers quote it; the BRAM count is not confirmed."""

ROWS, COLUMNS, PE, SIMD = 16, 640, 4, 8
FRONT_COLUMNS, FRONT_PE = 64, 16
"""The layer in front of another one reads all columns at once, so that it is never the bottleneck."""

SHARES = (0.7, 0.2, 0.1)
"""Shares of the columns with 1, 2 and 3 bits: HBNN's 1.4 bits on average."""

TIMES = 3


@dataclass(frozen=True, slots=True)
class Compared:
    """Cycles of one operator by the schedule and by FINN's formula."""

    network: str
    name: str
    scheduled: int
    formula: int


def formula_cycles(graph: Graph, node: Node) -> int | None:
    """Return what FINN's published formula gives for an operator; None where there is no formula."""
    op, source = node.op, graph.source_type(node)
    if isinstance(op, Mvtu):
        return unit_of(op, source).cycles
    if isinstance(op, SlidingWindow):
        rows, columns, channels = source.shape
        kernel, stride = (op.kernel[0], op.kernel[1]), (op.stride[0], op.stride[1])
        # FINN's window has the SIMD of the unit that reads it.
        (reader,) = graph.consumers(node.name)
        return sliding_window_cycles((rows, columns, channels), kernel, stride, reader.hardware.lanes_in)
    return None


def unit_of(op: Mvtu, source: TensorType) -> Mvau:
    """Describe a scheduled matrix unit as FINN's."""
    weights, fold = op.weights, op.scheduled_folding
    return Mvau(
        columns=weights.columns,
        rows=weights.rows,
        simd=fold.simd,
        pe=fold.pe,
        vectors=int(np.prod(source.shape[:-1])),
    )


def compare(graph: Graph, folding: Sequence[tuple[int, int]]) -> list[Compared]:
    """Schedule a network at a published folding and put every operator's cycles beside the formula's."""
    scheduled = schedule(graph, published(graph, folding))
    cycles = node_cycles(scheduled)
    found = []
    for node in scheduled.hardware_nodes:
        formula = formula_cycles(scheduled, node)
        if formula is not None:
            found.append(Compared(graph.name, node.name, cycles[node.name], formula))
    return found


def compare_all() -> list[Compared]:
    """Compare the three networks, and print the table."""
    rows = [*compare(cnv(), CNV_FOLDING), *compare(lfc(), LFC_FOLDING), *compare(sfc(), SFC_FOLDING)]
    print(f"{'network':8}{'operator':16}{'schedule':>10}{'FINN':>10}")
    for row in rows:
        note = "" if row.scheduled == row.formula else "  DIFFERS"
        print(f"{row.network:8}{row.name:16}{row.scheduled:10d}{row.formula:10d}{note}")
    return rows


def cpu_seconds() -> float:
    """CPU time of this process and the processes that it has waited for [s]."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def searched() -> tuple[SearchResult, SearchResult, list[float]]:
    """Search CNV at FINN's rate (timed several times) and for the fastest design."""
    graph, budget, times = cnv(outputs=10), Budget.of(XC7Z045), []
    for _ in range(TIMES):
        started = time.process_time()
        result = FoldingSearch(graph, budget).smallest(int(CLOCK_MHZ * 1e6 / CNV_FPS))
        times.append(time.process_time() - started)
    return result, FoldingSearch(graph, budget).fastest(), times


def layer_map(
    rng: np.random.Generator,
    shares: Sequence[float],
    scattered: bool,
    shape: tuple[int, int] = (ROWS, COLUMNS),
) -> WeightPlanes:
    """Draw signs under a map that all rows share, its columns sorted by bitwidth or scattered."""
    ends = np.rint(np.cumsum(shares) * shape[1])
    bits = 1 + np.searchsorted(ends, np.arange(shape[1]), side="right")
    bits = rng.permutation(bits) if scattered else bits
    planes = len(shares)
    masks = np.broadcast_to(bits > np.arange(planes)[:, None, None], (planes, *shape)).astype(np.uint8)
    signs = rng.integers(0, 2, masks.shape, dtype=np.uint8)
    return WeightPlanes.from_bits(signs & masks, masks, [1 << p for p in reversed(range(planes))])


def one_layer(shares: Sequence[float], scattered: bool = False) -> Graph:
    """Build a network of one layer on binary inputs."""
    weights = layer_map(np.random.default_rng(1), shares, scattered)
    nodes = (
        Node("input", EncodeBitPlanes(n_bits=1), ("x",)),
        Node("layer", Mvtu(weights=weights), ("input",)),
    )
    graph = Graph("layer_net", "x", TensorType((COLUMNS,), Integers(0, 1)), nodes)
    return schedule(graph, FoldingRequest(layers={"layer": LayerFolding(pe=PE, simd=SIMD)}))


def two_layers(shares: Sequence[float]) -> Graph:
    """Lower a network in which the same layer, its columns scattered, stands behind another like it."""
    rng = np.random.default_rng(2)
    first = layer_map(rng, shares, True, (COLUMNS, FRONT_COLUMNS))
    norm = Affine(
        alpha=rng.choice([-1.0, 1.0], COLUMNS).astype(np.float32),
        beta=rng.integers(-8, 9, COLUMNS).astype(np.float32),
    )
    nodes = (
        Node("input", EncodeBitPlanes(n_bits=1), ("x",)),
        Node("front", Dense(weights=first), ("input",)),
        Node("norm", norm, ("front",)),
        Node("sign", Sign(zero=SignOfZero.PLUS), ("norm",)),
        Node("layer", Dense(weights=layer_map(np.random.default_rng(1), shares, True)), ("sign",)),
    )
    graph = Graph("two_layer_net", "x", TensorType((FRONT_COLUMNS,), Integers(0, 1)), nodes)
    layers = {
        "front": LayerFolding(pe=FRONT_PE, simd=FRONT_COLUMNS),
        "layer": LayerFolding(pe=PE, simd=SIMD),
    }
    return lower(graph, FoldingRequest(layers=layers))


def counted_cycles(graph: Graph) -> int:
    """Export a network, run its C simulation, and return the counted loop iterations a sample.

    The run raises MismatchError unless outputs equal the golden model's and counts the schedule's cycles.
    """
    vectors = golden_vectors(graph, np.empty((0, *graph.input_type.shape), dtype=np.int64))
    files = {f"hls/{name}": text.encode() for name, text in hls.emit(graph, vectors, Target()).items()}
    files |= {name: npy_bytes(array) for name, array in vector_files(vectors).items()}
    with tempfile.TemporaryDirectory(prefix="hbnn_cycles_") as name:
        write_folder(Path(name) / "export", files)
        interval = run_csim(Path(name) / "export").interval_cycles
    assert interval is not None
    return interval


def main() -> None:
    """Run all three parts and print the figures."""
    started = cpu_seconds()
    rows = compare_all()
    print()
    at_rate, fastest, times = searched()
    print(search_text(at_rate, 1000 / CLOCK_MHZ))
    result = estimate(at_rate.graph, Target(clock_ns=1000 / CLOCK_MHZ))
    print(
        f"CNV at {result.frames_per_second:,.0f} frames/s: {result.area.luts:,.0f} LUT and "
        f"{result.area.bram36:g} BRAM36 estimated here; FINN's CNV-max at 21,906: {FINN_CNV_LUTS:,} LUT and "
        f"{FINN_CNV_BRAM36} BRAM36 synthesized, with DMA and control"
    )
    by_pe = sum(
        unit_of(node.op, at_rate.graph.source_type(node)).bram18_by_pe
        for node in at_rate.graph.hardware_nodes
        if isinstance(node.op, Mvtu)
    )
    print(f"with one weight ROM for every PE, which is what HLS makes of it: {by_pe / 2:g} BRAM36 of weights")
    fit_kfps = CLOCK_MHZ * 1e3 / fastest.interval_cycles
    print(
        f"fastest CNV that fits: {fastest.interval_cycles} cycles a frame ({fastest.bottleneck}), "
        f"{fit_kfps:.1f} k frames/s"
    )
    print(f"CPU time of a search: {', '.join(f'{t:.2f}' for t in sorted(times))} s\n")
    layers = {
        "1 bit": one_layer((1.0,)),
        "1.4 bits, columns side by side": one_layer(SHARES),
        "1.4 bits, columns scattered": one_layer(SHARES, scattered=True),
        "2 bits": one_layer((0.0, 1.0)),
        "1 bit behind a layer": two_layers((1.0,)),
        "1.4 bits behind a layer, sorted": two_layers(SHARES),
    }
    print(f"{ROWS} x {COLUMNS}, PE {PE}, SIMD {SIMD}: cycles a sample, counted in C simulation")
    try:
        counted = {name: counted_cycles(graph) for name, graph in layers.items()}
    except ToolMissingError as error:
        raise SystemExit(str(error)) from error
    one, column, scattered, two, one_behind, column_sorted = counted.values()
    for name, cycles in counted.items():
        print(f"{name:32}{cycles:6d}{cycles / one:8.3f} x")
    bottlenecks = {
        network: max(row.scheduled for row in rows if row.network == network and "window" not in row.name)
        for network in ("cnv", "lfc", "sfc")
    }
    print(f"CPU time of all: {cpu_seconds() - started:.0f} s")
    document = {
        "cnv_w1a1_bottleneck": bottlenecks["cnv"],
        "lfc_w1a1_bottleneck": bottlenecks["lfc"],
        "sfc_bottleneck": bottlenecks["sfc"],
        "finn_formulas_compared": len(rows),
        "finn_formula_mismatches": sum(row.scheduled != row.formula for row in rows),
        "cnv_kfps_200mhz": round(CLOCK_MHZ * 1e3 / at_rate.interval_cycles, 2),
        "cnv_luts": round(result.area.luts),
        "cnv_bram36": result.area.bram36,
        "cnv_fit_kfps_200mhz": round(fit_kfps, 2),
        "column_1p4_over_1": round(column / one, 4),
        "column_scattered_1p4_over_1": round(scattered / one, 4),
        "column_sorted_1p4_over_1": round(column_sorted / one_behind, 4),
        "homogeneous_2bit_over_1": round(two / one, 4),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
