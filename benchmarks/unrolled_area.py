"""Area of unrolled layers with thresholds, beside plain Verilog, da4ml and alkaid.

Fixed random layers: ±1 weights on one-bit inputs (64 to 32, 256 to 64, 144 to 16), and HBNN weights on
two-bit inputs with three thresholds (64 to 32; 70/20/10 % of the entries with 1/2/3 bits, plane weights 4,
2, 1). All designs go through one flow (``area_flow``): every netlist is simulated before it is counted, and
all of them give the same outputs, the two-bit code of an HBNN row included.

Prints a table, then one line of JSON: per layer our counts, the best peer's, and ours / the best of the peers
as ``lut_ratio``, ``site_ratio`` (sites that slices can hold, *packed* in the table) and ``site_floor_ratio``
(pairs through O5 and O6 alone, *sites* in the table). ``--ours`` leaves the peers out, layer names as
arguments choose; all of it takes about an hour. Of the largest layer only the peers' ways that came first or
second on the others are tried (``peers.CAPPED``).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from area_flow import Design, Measured, computes, measure, measure_all, table
from peers import ThresholdedLayer, best_peer, peer_designs

from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.mvtu_kernel_text import kernel_text
from hbnn_hw.backends.rtl.unrolled.plan import LayerPlan, plan_layer
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.base import Tensor
from hbnn_hw.ops.threshold import Thresholds
from hbnn_hw.synthesis import Function, Values
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes

VECTORS = 2048
SEED = 2018


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A random layer.

    Attributes
    ----------
    columns, rows
        Shape.
    shares
        Share of entries with 1, 2, 3 … bits.
    input_bits
        Bits of an input code; its thresholds are ``2**input_bits - 1`` per row.
    """

    columns: int
    rows: int
    shares: tuple[float, ...] = (1.0,)
    input_bits: int = 1

    @property
    def source(self) -> TensorType:
        """Type of the input: odd steps."""
        return TensorType((self.columns,), Planes(tuple(1 << bit for bit in range(self.input_bits))))

    def operator(self) -> Mvtu:
        """Draw weights, bits per entry, and thresholds within a standard deviation of the sums."""
        rng = np.random.default_rng(SEED)
        cells, planes = self.rows * self.columns, len(self.shares)
        edges = np.rint(np.cumsum(self.shares) * cells)
        bits = 1 + np.searchsorted(edges, rng.permutation(cells), side="right")
        masks = bits.reshape(1, self.rows, self.columns) > np.arange(planes).reshape(-1, 1, 1)
        signs = rng.integers(0, 2, masks.shape, dtype=np.uint8) & masks
        weights = WeightPlanes.from_bits(signs, masks, [1 << plane for plane in reversed(range(planes))])
        codes = np.arange(1 << self.input_bits)
        power = float(np.mean((2 * codes - codes[-1]) ** 2))
        deviation = float(np.sqrt(power * np.mean(weights.values() ** 2) * self.columns))
        levels = rng.uniform(-deviation, deviation, (self.rows, len(codes) - 1))
        tables = np.sort(np.rint(levels).astype(np.int64), axis=1)
        return Mvtu(
            weights=weights,
            thresholds=Thresholds(table=tables, inverted=np.zeros(self.rows, dtype=np.bool_)),
            folding=Folding(self.rows, self.columns, unrolled=True),
        )


LAYERS: dict[str, Layer] = {
    "pm1_64x32": Layer(columns=64, rows=32),
    "pm1_256x64": Layer(columns=256, rows=64),
    "pm1_144x16": Layer(columns=144, rows=16),
    "hbnn_64x32": Layer(columns=64, rows=32, shares=(0.7, 0.2, 0.1), input_bits=2),
}


def meaning(op: Mvtu, source: TensorType) -> Function:
    """What a kernel computes, bit by bit, by the operator's own definition."""

    def compute(inputs: Values) -> Values:
        lanes = inputs["lanes"].reshape(-1, *source.shape, source.element.bits)
        codes = op.compute(Tensor(source, np.moveaxis(lanes, -1, 1).astype(np.uint8)))
        return {"results": np.moveaxis(codes, 1, -1).reshape(len(lanes), -1).astype(np.uint8)}

    return compute


def our_design(name: str, op: Mvtu, source: TensorType, plan: LayerPlan) -> Design:
    """Print a planned layer in primitives, as it is delivered but for the pipeline's registers."""
    return Design(
        name=name,
        verilog=kernel_text("kernel", plan.netlist, fabric=Fabric.XC7),
        top="kernel",
        check=computes(meaning(op, source), vectors=VECTORS),
    )


def compare(layer: Layer, with_peers: bool) -> tuple[list[Measured], dict[str, Any]]:
    """Measure a layer in all forms; return what was measured, and its figures."""
    op = layer.operator()
    plan = plan_layer(op, layer.source)
    ours = measure(our_design("ours", op, layer.source, plan))
    figures: dict[str, Any] = {
        "luts": ours.luts,
        "sites": ours.packed_sites,
        "site_floor": ours.sites,
        "planned_luts": plan.netlist.luts,
        "carry_slots": plan.netlist.carry_slots,
        "structure": str(plan.candidates[0].structure),
    }
    if not with_peers:
        return [ours], figures
    assert op.thresholds is not None
    same = ThresholdedLayer.of_steps(op.weights.values(), op.thresholds.table, layer.input_bits)
    measured = measure_all(peer_designs(same))
    best = best_peer(measured.values())
    return [ours, *measured.values()], {
        **figures,
        "lut_ratio": round(ours.luts / best.luts.luts, 4),
        "site_ratio": round(ours.packed_sites / best.sites.packed_sites, 4),
        "site_floor_ratio": round(ours.sites / best.floor.sites, 4),
        "best_luts": {best.luts.name: best.luts.luts},
        "best_sites": {best.sites.name: best.sites.packed_sites},
        "best_site_floor": {best.floor.name: best.floor.sites},
    }


def run(layers: Mapping[str, Layer], with_peers: bool) -> dict[str, Any]:
    """Measure layers, printing the table of each; return their figures."""
    figures = {}
    for name, layer in layers.items():
        measured, figures[name] = compare(layer, with_peers)
        print(f"{name}\n{table(measured)}\n", flush=True)
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the layers asked for and print tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layers", nargs="*", metavar="LAYER", help=f"of {', '.join(LAYERS)}; all unless told")
    parser.add_argument("--ours", action="store_true", help="leave the peers out")
    options = parser.parse_args(arguments)
    unknown = set(options.layers) - set(LAYERS)
    if unknown:
        parser.error(f"layers must be among {', '.join(LAYERS)}, not {', '.join(sorted(unknown))}")
    chosen = {name: layer for name, layer in LAYERS.items() if not options.layers or name in options.layers}
    print(json.dumps(run(chosen, not options.ours)))


if __name__ == "__main__":
    main()
