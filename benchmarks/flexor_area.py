"""Area of FleXOR's decoder: LUTs and sites per decoded bit, and the memory that an encoded unit saves.

Decoders of 8 to 20 and 8 to 10 bits, 16 slices side by side, with 2, 4 and 6 taps per output, are planned for
LUTs or written as plain XOR expressions. Every design goes through :mod:`area_flow`: its netlist is
simulated, then counted. Then the weight memories of folded matrix units (64 x 640, PE 16, SIMD 40), encoded
and plain, are read from the emitted Verilog. The last line printed is a JSON object; its figures are the
largest over both sizes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import combinations

import numpy as np
from area_flow import Design, Measured, computes, measure_all, table

from hbnn_hw.backends.rtl.lut import Fabric
from hbnn_hw.backends.rtl.mvtu import FoldedMvtu
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.backends.rtl.xor_decoder import XorParameters
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.synthesis import Values
from hbnn_hw.types import Planes, TensorType
from hbnn_hw.weights import WeightPlanes
from hbnn_hw.xor_encoding import FlattenLayout, FlattenOrder, XorEncoding

N_IN, SLICES = 8, 16
N_OUT, N_TAP = (20, 10), (2, 4, 6)
ROWS, COLUMNS, FOLDING = 64, 640, Folding(16, 40)


def random_matrix(n_out: int, n_tap: int) -> Bits:
    """Draw different rows of ``n_tap`` taps; uint8 (n_out, n_in)."""
    rng = np.random.default_rng(100 * n_out + n_tap)
    taps = rng.permutation(list(combinations(range(N_IN), n_tap)))[:n_out]
    matrix = np.zeros((n_out, N_IN), dtype=np.uint8)
    np.put_along_axis(matrix, taps, 1, axis=1)
    return matrix


def _name(n_out: int, n_tap: int, fabric: Fabric) -> str:
    return f"{N_IN}->{n_out}, {n_tap} taps, {'planned' if fabric is Fabric.XC7 else 'expressions'}"


def design(n_out: int, n_tap: int, fabric: Fabric) -> Design:
    """Describe one decoder for the flow."""
    parameters = XorParameters(random_matrix(n_out, n_tap))

    def function(inputs: Values) -> Values:
        encoded = inputs["encoded"]
        return {"decoded": parameters.decode(encoded.reshape(-1, SLICES, N_IN)).reshape(len(encoded), -1)}

    return Design(
        name=_name(n_out, n_tap, fabric),
        verilog=to_verilog(parameters.create(SLICES), "decoder", fabric=fabric),
        top="decoder",
        check=computes(function),
    )


def encoded_weights(n_out: int) -> WeightPlanes:
    """Draw the stored bits of a layer."""
    layout = FlattenLayout(order=FlattenOrder.ROW_MAJOR, rows=ROWS, columns=COLUMNS, n_out=n_out)
    stored = np.random.default_rng(0).integers(0, 2, (1, layout.n_slices, N_IN), dtype=np.uint8)
    return WeightPlanes.from_encoding(XorEncoding.from_bits(stored, random_matrix(n_out, 2)[None], layout))


_MEMORY = re.compile(r"^\s*reg \[(\d+):0\] \w+ \[(\d+):0\];", re.MULTILINE)


def weight_memory_bits(weights: WeightPlanes) -> int:
    """Bits of the largest memory of a folded unit's Verilog."""
    source = TensorType((COLUMNS,), Planes((1,)))
    verilog = to_verilog(FoldedMvtu(Mvtu(weights=weights, folding=FOLDING), source), "unit")
    sizes = [(int(high) + 1) * (int(last) + 1) for high, last in _MEMORY.findall(verilog)]
    return max(sizes)


def rom_ratio(n_out: int) -> float:
    """Bits of an encoded unit's weight memory for each bit of the plain one."""
    weights = encoded_weights(n_out)
    plain = WeightPlanes.from_bits(
        weights.unpacked_bits(), weights.unpacked_masks(), coefficients=weights.coefficients
    )
    return weight_memory_bits(weights) / weight_memory_bits(plain)


def _largest(
    measured: dict[str, Measured], n_taps: tuple[int, ...], count: Callable[[Measured], int]
) -> float:
    """LUTs or sites per decoded bit of the planned decoders, the largest of both sizes."""
    return max(
        round(count(measured[_name(n_out, n_tap, Fabric.XC7)]) / (SLICES * n_out), 4)
        for n_out in N_OUT
        for n_tap in n_taps
    )


def _luts(found: Measured) -> int:
    return found.luts


def _sites(found: Measured) -> int:
    return found.sites


def main() -> None:
    """Measure, print the table, then one line of JSON."""
    measured = measure_all(
        design(n_out, n_tap, fabric) for n_out in N_OUT for n_tap in N_TAP for fabric in reversed(Fabric)
    )
    print(table(measured.values()))
    document = {
        "lut_per_bit": _largest(measured, N_TAP, _luts),
        "site_per_bit": _largest(measured, N_TAP, _sites),
        "lut_per_bit_ntap2": _largest(measured, (2,), _luts),
        "site_per_bit_ntap2": _largest(measured, (2,), _sites),
        "rom_ratio_8_10": rom_ratio(10),
        "rom_ratio_8_20": rom_ratio(20),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main()
