"""Others' hardware for a thresholded layer of constant integer weights, as Verilog of one form.

Peers: plain behavioural Verilog (sums and compares, left to the synthesis tool), da4ml (Sun et al. 2025) and
alkaid (its successor), both with their own optimizers of constant matrices. Each is given what suits it best:
inputs as unsigned codes (of ±1 weights and inputs nothing but the thresholds changes), thresholds as its own
comparisons, and every setting below of which one has been found to win somewhere; the benchmark takes the
smallest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    """``y[r, t] = sum_j weights[r, j] * code_j >= thresholds[r, t]``.

    Attributes
    ----------
    weights
        Integers (rows, columns).
    thresholds
        Integers (rows, n), on the sums of unsigned codes.
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
    def output_bits(self) -> int:
        """Width of the output port: threshold t of row r is bit r * n + t."""
        return int(self.thresholds.size)

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
        """Threshold bits (samples, rows * n) of codes (samples, columns)."""
        sums = codes @ self.weights.T
        return (sums[:, :, np.newaxis] >= self.thresholds).reshape(len(codes), -1).astype(np.uint8)

    def function(self, source: str, result: str) -> Function:
        """Its meaning as bits of an input and an output port, for the check of a netlist."""

        def compute(inputs: Values) -> Values:
            bits = inputs[source].reshape(-1, self.columns, self.code_bits)
            return {result: self.evaluate(to_integers(bits))}

        return compute


def behavioural(layer: ThresholdedLayer) -> str:
    """Verilog as one writes it: a signed sum a row, and compares."""
    lines = [f"module behavioural(input [{layer.input_bits - 1}:0] x, output [{layer.output_bits - 1}:0] y);"]
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
        f"module agreements(input [{layer.columns - 1}:0] x, output reg [{layer.output_bits - 1}:0] y);",
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


def _library(package: str) -> str:
    """Modules that a peer's generated Verilog instantiates."""
    spec = find_spec(package)
    folder = Path(spec.origin or "").parent / "codegen" / "rtl" / "verilog" / "source" if spec else Path()
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.v")))


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
    return f"{comb_logic_gen(logic, 'da4ml_layer')}\n{_library('da4ml')}"


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
    parts = (comb_logic_gen(logic, "alkaid_layer"), lookup_source([logic]), _library("alkaid"))
    return "\n".join(parts)


ALKAID_SETTINGS: dict[str, dict[str, Any]] = {"tables": {}, "adders": {"binary_lut": False}}
"""alkaid's ways with one-bit inputs: tables of six inputs each (its default), or adders alone."""

DA4ML_SETTINGS: dict[str, dict[str, Any]] = {"default": {}, "bit costs": {"adder_size": 1, "carry_size": -1}}
"""Costs that da4ml's optimizer minimizes: adders (its default), or their bits."""


def peer_designs(layer: ThresholdedLayer) -> Iterator[Design]:
    """All peers' hardware of a layer; names begin with the peer's.

    Raises
    ------
    ToolMissingError
        If a peer is not installed.
    """
    plain, tools = computes(layer.function("x", "y")), computes(layer.function("model_inp", "model_out"))
    yield Design(name="behavioural sums", verilog=behavioural(layer), top="behavioural", check=plain)
    if layer.code_bits == 1 and bool((np.abs(layer.weights) == 1).all()):
        yield Design(name="behavioural XNOR", verilog=agreements(layer), top="agreements", check=plain)
    for name, options in DA4ML_SETTINGS.items():
        text = da4ml(layer, **options)
        yield Design(name=f"da4ml {name}", verilog=text, top="da4ml_layer", check=tools)
    for name, options in ALKAID_SETTINGS.items():
        if layer.code_bits == 1 or name == "adders":
            text = alkaid(layer, **options)
            yield Design(name=f"alkaid {name}", verilog=text, top="alkaid_layer", check=tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPeer:
    """The smallest peers by either count; not always the same one.

    Attributes
    ----------
    luts, sites
        The design of fewest LUT primitives, and that of fewest LUT6 sites.
    """

    luts: Measured
    sites: Measured


def best_peer(measured: Iterable[Measured]) -> BestPeer:
    """Pick the smallest of several designs."""
    listed = list(measured)
    return BestPeer(
        luts=min(listed, key=lambda found: found.luts), sites=min(listed, key=lambda found: found.sites)
    )
