"""Area of a whole folded matrix unit: 64 x 576 weights of +-1, PE 16, SIMD 64, with thresholds.

Counted are control, input buffer, weights, popcounts, accumulators, thresholds and the output's skid buffer.
Weights lie in LUT ROM, which is one LUT per lane at 36 words, or in block RAM; popcounts are planned
compressors or adder trees. Every netlist runs two images on many independent lanes with random stalls on both
sides, and every output bit is compared with the operator's own result, before it is counted. A lane of the
figures is one of the PE x SIMD products of a clock. The last line printed is a JSON object.
"""

from __future__ import annotations

import json

import numpy as np
from area_flow import Design, Measured, measure_all, table

from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.mvtu import FoldedMvtu
from hbnn_hw.backends.rtl.popcount import PopcountStyle
from hbnn_hw.backends.rtl.rom import RomStyle
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.errors import MismatchError
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu, Tensor, Thresholds
from hbnn_hw.planes import Bits
from hbnn_hw.synthesis import FlatNetlist, Simulation
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes

ROWS, COLUMNS, FOLDING = 64, 576, Folding(16, 64)
SOURCE = TensorType((COLUMNS,), Planes((1,)))
ROMS = {"lut_rom": RomStyle.LUT, "bram": RomStyle.BLOCK}
IMAGES, STREAMS, MOST_CLOCKS = 2, 32, 2000


def layer() -> Mvtu:
    """Draw weights and thresholds."""
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 2, (1, ROWS, COLUMNS), dtype=np.uint8)
    thresholds = Thresholds(
        table=np.rint(rng.normal(0, COLUMNS**0.5, (ROWS, 1))).astype(np.int64),
        inverted=rng.random(ROWS) < 0.5,
    )
    weights = WeightPlanes.from_bits(signs, np.ones_like(signs), (1,))
    return Mvtu(weights=weights, thresholds=thresholds, folding=FOLDING)


def check_stream(netlist: FlatNetlist) -> int:
    """Stream images through the netlist, with stalls; return the output bits compared.

    Raises
    ------
    MismatchError
        If a word is wrong, or does not come.
    """
    rng = np.random.default_rng(1)
    images = rng.integers(0, 2, (STREAMS * IMAGES, 1, COLUMNS), dtype=np.uint8)
    expected = np.asarray(layer().compute(Tensor(SOURCE, images)).data).reshape(STREAMS, -1, FOLDING.pe)
    words = images.reshape(STREAMS, -1, FOLDING.simd)
    simulation = Simulation(netlist, STREAMS)
    reset(simulation)
    sent, taken = np.zeros((2, STREAMS), dtype=np.int64)
    offering = np.zeros(STREAMS, dtype=bool)
    streams = np.arange(STREAMS)
    for _ in range(MOST_CLOCKS):
        offering = (offering | (rng.random(STREAMS) < 0.7)) & (sent < words.shape[1])
        taking = rng.random(STREAMS) < 0.7
        simulation.set("i__valid", _bit(offering))
        simulation.set("i__payload", words[streams, np.minimum(sent, words.shape[1] - 1)])
        simulation.set("o__ready", _bit(taking))
        passes = offering & (simulation.get("i__ready")[:, 0] == 1)
        comes = taking & (simulation.get("o__valid")[:, 0] == 1)
        if (comes & (taken == expected.shape[1])).any():
            raise MismatchError("the unit gives more words than it must")
        right = expected[streams, np.minimum(taken, expected.shape[1] - 1)]
        if (simulation.get("o__payload")[comes] != right[comes]).any():
            raise MismatchError(f"a result of the mapped unit differs from golden, after {taken.sum()} words")
        simulation.clock()
        sent, taken, offering = sent + passes, taken + comes, offering & ~passes
        if (taken == expected.shape[1]).all():
            return int(expected.size)
    raise MismatchError(f"the mapped unit must give {expected.shape[1]} words in {MOST_CLOCKS} clocks")


def reset(simulation: Simulation) -> None:
    """Hold the reset for a clock."""
    off = np.zeros((STREAMS, 1), dtype=np.uint8)
    for port in ("i__valid", "o__ready"):
        simulation.set(port, off)
    simulation.set("i__payload", np.zeros((STREAMS, FOLDING.simd), dtype=np.uint8))
    simulation.set("rst", off + 1)
    simulation.clock()
    simulation.set("rst", off)


def _bit(flags: np.ndarray) -> Bits:
    return np.asarray(flags, dtype=np.uint8)[:, np.newaxis]


def design(name: str, rom: RomStyle, style: PopcountStyle) -> Design:
    """Describe one unit for the flow."""
    unit = FoldedMvtu(layer(), SOURCE, style=style, rom_style=rom)
    fabric = Fabric.XC7 if style is PopcountStyle.COMPRESSED else Fabric.GENERIC
    verilog = to_verilog(unit, "unit", fabric=fabric)
    return Design(name=f"{name} {style.value}", verilog=verilog, top="unit", check=check_stream)


def figures(name: str, measured: dict[str, Measured]) -> dict[str, float]:
    """LUTs and sites per lane beside those of adder trees."""
    lanes = FOLDING.pe * FOLDING.simd
    tree, ours = (
        measured[f"{name} {style.value}"] for style in (PopcountStyle.TREE, PopcountStyle.COMPRESSED)
    )
    return {
        "lut_per_lane": round(ours.luts / lanes, 4),
        "site_per_lane": round(ours.sites / lanes, 4),
        "bram36": ours.counts.bram36_equivalent,
        "levels": ours.path.depth,
        "tree_lut_per_lane": round(tree.luts / lanes, 4),
        "tree_site_per_lane": round(tree.sites / lanes, 4),
        "tree_levels": tree.path.depth,
    }


def main() -> None:
    """Measure, print the table, then one line of JSON."""
    measured = measure_all(
        design(name, rom, style) for name, rom in ROMS.items() for style in reversed(PopcountStyle)
    )
    print(table(measured.values()))
    print(json.dumps({name: figures(name, measured) for name in ROMS}))


if __name__ == "__main__":
    main()
