"""Unrolled matrix-vector-threshold unit: all rows, columns and planes at once, weights as constants."""

from __future__ import annotations

import numpy as np
from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hbnn_hw.backends.rtl.input_words import InputWords
from hbnn_hw.backends.rtl.popcount import PopcountStyle
from hbnn_hw.backends.rtl.rom import register, split
from hbnn_hw.backends.rtl.row_decision import RowDecision
from hbnn_hw.backends.rtl.stream_buffers import SkidBuffer
from hbnn_hw.backends.rtl.xnor_popcount_pe import agreement_counts, weighted_sum
from hbnn_hw.ops import Mvtu
from hbnn_hw.planes import Bits
from hbnn_hw.timing import UNROLLED_DEPTH
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes


def _constant(bits: Bits) -> Value:
    """Return a bit vector (n,) as a constant, element 0 in the least significant place."""
    return Const(int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little"), len(bits))


class UnrolledKernel(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """All agreement sums of a layer, combinational: the Amaranth form of :func:`kernel_text`.

    Area: one popcount per row, weight plane and input plane, with constant weights.

    Parameters
    ----------
    weights
        The matrix.
    scales
        a_q, one per input plane.
    agreement_bits
        Width of a sum.
    style
        Structure of the popcounts.

    Attributes
    ----------
    lanes
        Input elements; plane q of element j is bit ``j * planes + q``.
    agreement
        The sums, row 0 in the least significant bits.
    """

    def __init__(
        self,
        weights: WeightPlanes,
        scales: tuple[int, ...],
        agreement_bits: int,
        style: PopcountStyle = PopcountStyle.TREE,
    ) -> None:
        self.weights = weights
        self.scales = scales
        self.agreement_bits = agreement_bits
        self.style = style
        super().__init__(
            {
                "lanes": In(unsigned(weights.columns * len(scales))),
                "agreement": Out(unsigned(weights.rows * agreement_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build one module per row."""
        m = Module()
        sums = []
        for row in range(self.weights.rows):
            m.submodules[f"row{row}"] = part = Module()
            total = Signal(self.agreement_bits, name=f"agreement{row}")
            part.d.comb += total.eq(self._row(part, row))
            sums.append(total)
        m.d.comb += self.agreement.eq(Cat(*sums))
        return m

    def _row(self, m: Module, row: int) -> Value:
        bits, masks = self.weights.unpacked_bits()[:, row], self.weights.unpacked_masks()[:, row]
        planes = []
        for plane in range(self.weights.n_planes):
            m.submodules[f"plane{plane}"] = part = Module()
            mask = None if masks[plane].all() else _constant(masks[plane])
            weights = _constant(bits[plane])
            counts = agreement_counts(part, weights, mask, self.lanes, len(self.scales), self.style)
            planes.append(weighted_sum(counts, self.scales))
        return weighted_sum(planes, self.weights.coefficients)


class UnrolledMvtu(wiring.Component):  # type: ignore[misc]  # Amaranth ships no types
    """``thresholds(W x)`` or ``W x`` of a whole vector per clock, place by place.

    Latency ``timing.UNROLLED_DEPTH`` clocks: input register, agreement sums, output register. Throughput: one
    place per clock. Area grows with the average bitwidth: a masked-out entry costs nothing.

    Parameters
    ----------
    op
        The scheduled, unrolled operator.
    source
        Type of its input: planes, planes in a frame of nothing, or integers.
    style
        Structure of the popcounts.
    kernel_name
        Name of a Verilog module that takes the place of :class:`UnrolledKernel`; its text is
        ``mvtu_kernel_text.kernel_text``. None builds the kernel here, for simulation and proof of small
        layers.

    Attributes
    ----------
    i
        Stream of whole vectors, :class:`~hbnn_hw.backends.rtl.input_words.InputWords`.
    o
        Stream of whole results.
    """

    def __init__(
        self,
        op: Mvtu,
        source: TensorType,
        style: PopcountStyle = PopcountStyle.TREE,
        kernel_name: str | None = None,
    ) -> None:
        self.op = op
        self.style = style
        self.kernel_name = kernel_name
        self.inputs = InputWords.of(op, source)
        self.offsets = op.row_offsets(source)
        self.decision = RowDecision.of(op, source)
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(self.inputs.bits))),
                "o": Out(stream.Signature(unsigned(op.lanes_out * self.decision.output_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the three stages."""
        m = Module()
        m.submodules.skid = output = SkidBuffer(len(self.o.payload))
        advance = output.i.ready
        m.d.comb += self.i.ready.eq(advance)
        valid = self.i.valid
        for stage in range(1, UNROLLED_DEPTH + 1):
            valid = register(m, valid, advance, f"valid{stage}")
        word = register(m, self.inputs.planes(self.i.payload), advance, "word")
        sums = register(m, self._sums(m, word), advance, "sums")
        results = [
            self.decision.build(m, f"row{row}", part, word)
            for row, (part, word) in enumerate(
                zip(split(sums, self.decision.agreement_bits), self.decision.words, strict=True)
            )
        ]
        m.d.comb += [
            output.i.payload.eq(register(m, Cat(*results), advance, "result")),
            output.i.valid.eq(valid),
        ]
        wiring.connect(m, output.o, wiring.flipped(self.o))
        return m

    def _sums(self, m: Module, word: Value) -> Value:
        """Sums of all rows; next to a frame of nothing they are in halves, and constant in it."""
        sums = self._kernel(m, self.inputs.elements(word))
        if not self.inputs.bordered:
            return sums
        width = self.decision.agreement_bits
        doubled = [Cat(Const(0, 1), part[: width - 1]) for part in split(sums, width)]
        nothing = [Const(offset, width) for offset in self.offsets.tolist()]
        return Mux(self.inputs.outside(word), Cat(*nothing), Cat(*doubled))

    def _kernel(self, m: Module, lanes: Value) -> Value:
        """Add the kernel in either form; return its sums."""
        agreement = Signal(self.op.weights.rows * self.decision.agreement_bits)
        if self.kernel_name is not None:
            m.submodules.kernel = Instance(self.kernel_name, i_lanes=lanes, o_agreement=agreement)
            return agreement
        kernel = UnrolledKernel(self.op.weights, self.inputs.scales, self.decision.agreement_bits, self.style)
        m.submodules.kernel = kernel
        m.d.comb += [kernel.lanes.eq(lanes), agreement.eq(kernel.agreement)]
        return agreement
