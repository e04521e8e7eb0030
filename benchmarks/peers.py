"""Others' hardware for a thresholded layer of constant integer weights, as Verilog of one form.

Peers: plain behavioural Verilog (sums and compares, left to the synthesis tool), da4ml (Sun et al. 2025) and
alkaid (its successor), both with their own optimizers of constant matrices. Each is given what suits it best:
inputs as unsigned codes (of ±1 weights and inputs nothing but the thresholds changes), thresholds as its own
comparisons, and every setting below of which one has been found to win somewhere; the benchmark takes the
smallest. Where a row has several thresholds, the code that counts them is made behind all peers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from area_flow import Design, Measured, computes
from numpy.typing import NDArray

from hbnn_hw.extras import require
from hbnn_hw.synthesis import Function, Values, to_integers

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThresholdedLayer:
    """``y[r] = sum_t [sum_j weights[r, j] * code_j >= thresholds[r, t]]``.

    Attributes
    ----------
    weights
        Integers (rows, columns).
    thresholds
        Integers (rows, n), ascending, on the sums of unsigned codes; n is one less than a power of two.
    code_bits
        Bits of an input code, 0 … 2**code_bits - 1.
    """

    weights: Integers
    thresholds: Integers
    code_bits: int = 1

    @classmethod
    def of_steps(cls, weights: Integers, thresholds: Integers, code_bits: int = 1) -> ThresholdedLayer:
        """Layer whose inputs are odd steps ``2 * code - (2**code_bits - 1)``, of ±1 for one bit.

        ``2 * sum(w * code) - (2**bits - 1) * sum(w) >= t`` where the sum of codes reaches its half.
        """
        offset = ((1 << code_bits) - 1) * weights.sum(axis=1, keepdims=True)
        return cls(weights=weights, thresholds=-((-thresholds - offset) // 2), code_bits=code_bits)

    @property
    def rows(self) -> int:
        """Rows."""
        return int(self.weights.shape[0])

    @property
    def columns(self) -> int:
        """Columns."""
        return int(self.weights.shape[1])

    @property
    def input_bits(self) -> int:
        """Width of the input port: column j's code in bits [j * code_bits, (j + 1) * code_bits)."""
        return self.columns * self.code_bits

    @property
    def n_thresholds(self) -> int:
        """Thresholds of a row."""
        return int(self.thresholds.shape[1])

    @property
    def n_passed(self) -> int:
        """Width of a peer's own output port: threshold t of row r is bit r * n + t."""
        return int(self.thresholds.size)

    @property
    def result_bits(self) -> int:
        """Bits of an output code."""
        return self.n_thresholds.bit_length()

    @property
    def sum_bits(self) -> int:
        """Bits of a signed sum, and of the thresholds beside it."""
        largest = max(self.largest_sum, int(np.abs(self.thresholds).max(initial=0)))
        return largest.bit_length() + 1

    @property
    def largest_sum(self) -> int:
        """Largest absolute sum."""
        return int(np.abs(self.weights).sum(axis=1).max()) * ((1 << self.code_bits) - 1)

    def evaluate(self, codes: Integers) -> NDArray[np.uint8]:
        """Bits (samples, rows * result_bits) of the output codes for input codes (samples, columns)."""
        sums = codes @ self.weights.T
        counts = (sums[:, :, np.newaxis] >= self.thresholds).sum(axis=2)
        bits: NDArray[np.uint8] = (counts[:, :, np.newaxis] >> np.arange(self.result_bits) & 1).astype(
            np.uint8
        )
        return bits.reshape(len(codes), -1)

    def function(self, source: str, result: str) -> Function:
        """Its meaning as bits of an input and an output port, for the check of a netlist."""

        def compute(inputs: Values) -> Values:
            bits = inputs[source].reshape(-1, self.columns, self.code_bits)
            return {result: self.evaluate(to_integers(bits))}

        return compute


def coded(layer: ThresholdedLayer, verilog: str, top: str, source: str, passed: str) -> str:
    """Put the count of a row's thresholds behind the module ``top``; they ascend, so parities make its bits.

    ``source`` and ``passed`` are the module's ports; those of the result, ``coded``, are x and y.
    """
    n, width = layer.n_thresholds, layer.result_bits
    lines = [
        verilog,
        f"module coded(input [{layer.input_bits - 1}:0] x, output [{layer.rows * width - 1}:0] y);",
        f"  wire [{layer.n_passed - 1}:0] passed;",
        f"  {top} rows(.{source}(x), .{passed}(passed));",
    ]
    for row in range(layer.rows):
        for place in range(width):
            step = 1 << place
            bits = " ^ ".join(f"passed[{row * n + at}]" for at in range(step - 1, n, step))
            lines.append(f"  assign y[{row * width + place}] = {bits};")
    return "\n".join([*lines, "endmodule", ""])


def behavioural(layer: ThresholdedLayer) -> str:
    """Verilog as one writes it: a signed sum a row, and compares."""
    lines = [f"module behavioural(input [{layer.input_bits - 1}:0] x, output [{layer.n_passed - 1}:0] y);"]
    width, n_thresholds = layer.sum_bits, layer.thresholds.shape[1]
    codes = [f"x[{layer.code_bits * at}+:{layer.code_bits}]" for at in range(layer.columns)]
    lines += [
        f"  wire signed [{layer.code_bits}:0] c{at} = {{1'b0, {code}}};" for at, code in enumerate(codes)
    ]
    for row, (weights, thresholds) in enumerate(zip(layer.weights, layer.thresholds, strict=True)):
        lines.append(f"  wire signed [{width - 1}:0] s{row} ={_sum(weights)};")
        lines += [
            f"  assign y[{row * n_thresholds + at}] = s{row} >= {_signed(int(threshold), width)};"
            for at, threshold in enumerate(thresholds)
        ]
    return "\n".join([*lines, "endmodule", ""])


def _sum(weights: Integers) -> str:
    terms = []
    for column, weight in enumerate(weights.tolist()):
        if weight:
            factor = "" if abs(weight) == 1 else f"{abs(weight)} * "
            terms.append(f" {'-' if weight < 0 else '+'} {factor}c{column}")
    return "".join(terms) or " 0"


def _signed(value: int, width: int) -> str:
    return f"-{width}'sd{-value}" if value < 0 else f"{width}'sd{value}"


def agreements(layer: ThresholdedLayer) -> str:
    """Verilog as one writes it for ±1 weights and inputs: XNOR, count in a loop, compare with a constant.

    The sum of ±1 products over codes is ``agreements - (weights of -1)``.
    """
    width = layer.columns.bit_length() + 1
    lines = [
        f"module agreements(input [{layer.columns - 1}:0] x, output reg [{layer.n_passed - 1}:0] y);",
        "  integer k;",
        f"  reg [{layer.columns - 1}:0] same;",
        f"  reg signed [{width - 1}:0] count;",
        "  always @* begin",
    ]
    negative = (layer.weights < 0).sum(axis=1)
    for row, thresholds in enumerate(layer.thresholds + negative[:, np.newaxis]):
        word = "".join(str(int(weight > 0)) for weight in layer.weights[row, ::-1])
        lines.append(f"    same = ~(x ^ {layer.columns}'b{word});")
        lines.append("    count = 0;")
        lines.append(f"    for (k = 0; k < {layer.columns}; k = k + 1) count = count + same[k];")
        for at, threshold in enumerate(np.clip(thresholds, 0, layer.columns + 1).tolist()):
            lines.append(f"    y[{row * len(thresholds) + at}] = count >= {_signed(threshold, width)};")
    return "\n".join([*lines, "  end", "endmodule", ""])


def _library(package: str, verilog: str) -> str:
    """Modules of a peer that its generated Verilog instantiates; each lies in a file of its name."""
    spec = find_spec(package)
    folder = Path(spec.origin or "").parent / "codegen" / "rtl" / "verilog" / "source" if spec else Path()
    named = {path.stem: path for path in sorted(folder.glob("*.v"))}
    # Adders negate and shift by modules of their own.
    paths = [path for name, path in named.items() if name in {"negative", "shift_adder"} or name in verilog]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _inputs(layer: ThresholdedLayer) -> tuple[NDArray[np.bool_], Integers, Integers]:
    """Sign, integer bits and fraction bits of every input."""
    zeros = np.zeros(layer.columns, np.int64)
    return zeros.astype(bool), zeros + layer.code_bits, zeros


def da4ml(layer: ThresholdedLayer, **options: Any) -> str:  # noqa: ANN401 - the tool's own options
    """Verilog of da4ml with options of its solver; the thresholds are its comparisons.

    Raises
    ------
    ToolMissingError
        If da4ml is not installed.
    """
    require("da4ml", "benchmarks", "a benchmark against da4ml")
    from da4ml.codegen.rtl.verilog.comb import comb_logic_gen
    from da4ml.trace import FixedVariableArray, comb_trace

    inputs = FixedVariableArray.from_kif(*_inputs(layer), solver_options=options)
    sums = inputs @ layer.weights.T.astype(np.float32)
    bits = [
        total >= float(threshold)
        for total, thresholds in zip(sums._vars, layer.thresholds, strict=True)
        for threshold in thresholds
    ]
    logic = comb_trace(inputs, FixedVariableArray(np.array(bits, dtype=object)))
    text = str(comb_logic_gen(logic, "da4ml_layer"))
    return f"{text}\n{_library('da4ml', text)}"


def alkaid(layer: ThresholdedLayer, **options: Any) -> str:  # noqa: ANN401 - the tool's own options
    """Verilog of alkaid with options of its solver; the thresholds are its comparisons.

    Raises
    ------
    ToolMissingError
        If alkaid is not installed.
    """
    require("alkaid", "benchmarks", "a benchmark against alkaid")
    from alkaid.codegen.rtl.verilog.comb import comb_logic_gen
    from alkaid.codegen.rtl.verilog.lookup import lookup_source
    from alkaid.trace import FVArray, trace

    inputs = FVArray.from_kif(*_inputs(layer), solver_options=options)
    sums = inputs @ layer.weights.T.astype(np.float32)
    bits = sums.reshape(-1, 1) >= layer.thresholds.astype(np.float64)
    logic = trace(inputs, bits.ravel())
    text = f"{comb_logic_gen(logic, 'alkaid_layer')}\n{lookup_source([logic])}"
    return f"{text}\n{_library('alkaid', text)}"


ALKAID_SETTINGS: dict[str, dict[str, Any]] = {"tables": {}, "adders": {"binary_lut": False}}
"""alkaid's ways with one-bit inputs: tables of six inputs each (its default), or adders alone."""

DA4ML_SETTINGS: dict[str, dict[str, Any]] = {"default": {}, "bit costs": {"adder_size": 1, "carry_size": -1}}
"""Costs that da4ml's optimizer minimizes: adders (its default), or their bits."""


BEHAVIOURAL_STYLES: dict[str, Callable[[ThresholdedLayer], str]] = {"sums": behavioural, "XNOR": agreements}
"""Ways of writing plain Verilog."""

CAPPED = ("behavioural XNOR", "alkaid adders", "da4ml default")
"""The ways that came first or second somewhere; the only ones tried on layers above :data:`CAP` weights."""

CAP = 10_000


def _ways(layer: ThresholdedLayer) -> Iterator[tuple[str, Callable[[], str]]]:
    """All ways to a peer's hardware that a layer allows: name, and what writes the Verilog."""
    is_binary = layer.code_bits == 1 and bool((np.abs(layer.weights) == 1).all())
    for name, write in BEHAVIOURAL_STYLES.items():
        if is_binary or write is not agreements:
            yield f"behavioural {name}", partial(write, layer)
    for name, options in DA4ML_SETTINGS.items():
        yield f"da4ml {name}", partial(da4ml, layer, **options)
    for name, options in ALKAID_SETTINGS.items():
        if layer.code_bits == 1 or name == "adders":
            yield f"alkaid {name}", partial(alkaid, layer, **options)


PORTS = {
    "behavioural sums": ("behavioural", "x", "y"),
    "behavioural XNOR": ("agreements", "x", "y"),
    "da4ml": ("da4ml_layer", "model_inp", "model_out"),
    "alkaid": ("alkaid_layer", "model_inp", "model_out"),
}
"""Module, input and output port by name, or by its first word."""


def peer_designs(layer: ThresholdedLayer) -> Iterator[Design]:
    """All peers' hardware of a layer; names begin with the peer's.

    Raises
    ------
    ToolMissingError
        If a peer is not installed.
    """
    check = computes(layer.function("x", "y"))
    is_capped = layer.weights.size > CAP
    for name, write in _ways(layer):
        if not is_capped or name in CAPPED:
            top, source, passed = PORTS.get(name) or PORTS[name.split()[0]]
            text = coded(layer, write(), top, source, passed)
            yield Design(name=name, verilog=text, top="coded", check=check)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPeer:
    """The smallest peers by each count; not always the same one.

    Attributes
    ----------
    luts, sites, floor
        The design of fewest LUT primitives, that of fewest packed sites, and that of fewest LUT6 sites by
        pairing alone.
    """

    luts: Measured
    sites: Measured
    floor: Measured


def best_peer(measured: Iterable[Measured]) -> BestPeer:
    """Pick the smallest of several designs."""
    listed = list(measured)
    return BestPeer(
        luts=min(listed, key=lambda found: found.luts),
        sites=min(listed, key=lambda found: found.packed_sites),
        floor=min(listed, key=lambda found: found.sites),
    )
