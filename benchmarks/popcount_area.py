"""Area of popcounts: planned compressors against adder trees, with variable and with constant weights.

- ``xnor_<n>``: agreements of n bits with n weights from a port.
- ``constant_<n>``: the same with random constant weights.

Every design goes through :mod:`area_flow`: its netlist is simulated, then counted. Levels are those of the
slowest path, depth the most on any path. Compressors may take as many of either as the adder tree of the same
run; the script fails where they take more. The last line printed is a JSON object.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from area_flow import Design, Measured, computes, measure_all, table

from hbnn_hw.backends.rtl.agreements import COMPLEMENT, IDENTITY, XNOR
from hbnn_hw.backends.rtl.compressors import Addend
from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.popcount import PopcountStyle, sum_of_products
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.planes import Bits
from hbnn_hw.synthesis import Values, to_bits

VARIABLE, CONSTANT = (64, 256, 1024), (256, 1024)
VECTORS = 2048


class Agreements(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """Count the bits of ``x`` that equal their weight.

    Parameters
    ----------
    n
        Bits.
    weights
        uint8 (n,) of 0 and 1; None makes them a port ``w``.
    style
        Structure of the count.
    """

    def __init__(self, n: int, weights: Bits | None, style: PopcountStyle) -> None:
        self.n, self.weights, self.style = n, weights, style
        ports = {"x": In(n), "count": Out(n.bit_length())}
        super().__init__(ports if weights is not None else {**ports, "w": In(n)})

    def elaborate(self, platform: object) -> Module:
        """Build one sum of products."""
        m = Module()
        if self.weights is None:
            inputs = Cat(self.x, self.w)
            addends = [Addend(nets=(at, self.n + at), table=XNOR) for at in range(self.n)]
        else:
            inputs = self.x
            tables = [IDENTITY if weight else COMPLEMENT for weight in self.weights]
            addends = [Addend(nets=(at,), table=table) for at, table in enumerate(tables)]
        total = sum_of_products(m, inputs, addends, "agreements", self.style, Fabric.of(platform))
        m.d.comb += self.count.eq(total)
        return m


def design(n: int, constant: bool, style: PopcountStyle) -> Design:
    """Describe one popcount for the flow."""
    weights = np.random.default_rng(n).integers(0, 2, n, dtype=np.uint8) if constant else None

    def function(inputs: Values) -> Values:
        agree = inputs["x"] == (inputs["w"] if weights is None else weights)
        return {"count": to_bits(agree.sum(axis=1, dtype=np.int64), n.bit_length())}

    fabric = Fabric.XC7 if style is PopcountStyle.COMPRESSED else Fabric.GENERIC
    return Design(
        name=_name(n, constant, style),
        verilog=to_verilog(Agreements(n, weights, style), "popcount", fabric=fabric),
        top="popcount",
        check=computes(function, vectors=VECTORS),
    )


def _name(n: int, constant: bool, style: PopcountStyle) -> str:
    return f"{'constant' if constant else 'xnor'}_{n} {style.value}"


def figures(n: int, constant: bool, measured: dict[str, Measured]) -> dict[str, float]:
    """LUTs and sites per bit, and levels, beside those of the adder tree."""
    tree, ours = (
        measured[_name(n, constant, style)] for style in (PopcountStyle.TREE, PopcountStyle.COMPRESSED)
    )
    return {
        "lut_per_bit": round(ours.luts / n, 4),
        "site_per_bit": round(ours.sites / n, 4),
        "levels": ours.path.levels,
        "depth": ours.path.depth,
        "tree_lut_per_bit": round(tree.luts / n, 4),
        "tree_site_per_bit": round(tree.sites / n, 4),
        "tree_levels": tree.path.levels,
        "tree_depth": tree.path.depth,
    }


def main() -> None:
    """Measure, print the table, then one line of JSON."""
    sizes = [(n, False) for n in VARIABLE] + [(n, True) for n in CONSTANT]
    measured = measure_all(
        design(n, constant, style) for n, constant in sizes for style in reversed(PopcountStyle)
    )
    print(table(measured.values()))
    document = {
        f"{'constant' if constant else 'xnor'}_{n}": figures(n, constant, measured) for n, constant in sizes
    }
    deeper = [
        name
        for name, found in document.items()
        if found["levels"] > found["tree_levels"] or found["depth"] > found["tree_depth"]
    ]
    print(json.dumps(document))
    if deeper:
        sys.exit(f"compressors must not be deeper than adder trees: {', '.join(deeper)}")


if __name__ == "__main__":
    main()
