"""Kernel of an unrolled layer as Verilog text.

Amaranth needs about 0.7 ms per synapse for bit-level logic, text a microsecond, so large layers are printed.
A proof holds the text equal to :class:`~hbnn_hw.backends.rtl.mvtu_unrolled.UnrolledKernel` at small sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hbnn_hw.backends.rtl.popcount import count_bits
from hbnn_hw.planes import to_hex, unpack
from hbnn_hw.templating import render
from hbnn_hw.weights import WeightPlanes


def adder_levels(n: int) -> list[list[str]]:
    """Name the nodes of a balanced adder tree over ``n`` bits, level by level, as Verilog lines.

    Every addition is printed with both operands extended to the width of its sum, so that no tool has to
    extend them.
    """
    level = [(f"bits[{at}]", 1, 1) for at in range(n)]
    levels: list[list[str]] = []
    while len(level) > 1:
        depth, lines, sums = len(levels), [], []
        for at in range(0, len(level) - 1, 2):
            (left, left_bits, left_max), (right, right_bits, right_max) = level[at : at + 2]
            largest = left_max + right_max
            name, bits = f"s{depth}_{at // 2}", count_bits(largest)
            operands = f"{_extend(left, left_bits, bits)} + {_extend(right, right_bits, bits)}"
            lines.append(f"wire [{bits - 1}:0] {name} = {operands};")
            sums.append((name, bits, largest))
        levels.append(lines)
        level = sums + level[2 * len(sums) :]
    return [*levels, [f"assign count = {level[0][0]};"]]


def _extend(name: str, bits: int, width: int) -> str:
    return name if bits == width else f"{{{width - bits}'d0, {name}}}"


def _fit(name: str, bits: int, width: int) -> str:
    """Bring a count to the width of the sums; it fits, since no sum exceeds its largest value."""
    return f"{name}[{width - 1}:0]" if bits > width else _extend(name, bits, width)


@dataclass(frozen=True, slots=True)
class _Count:
    """One popcount of a row: its input plane, constants and place in the sum.

    The constants are hexadecimal: ``x ^ flip`` is 1 where the bits agree, ``mask`` keeps the entries that
    exist (None: all).
    """

    name: str
    source: int
    flip: str
    mask: str | None
    term: str


def _times(term: str, factor: int) -> str:
    """Multiply by a constant with shifts, which synthesis never turns into a DSP slice."""
    shifts = [bit for bit in range(factor.bit_length()) if factor >> bit & 1]
    return " + ".join(f"({term} << {bit})" if bit else term for bit in shifts)


def _counts(row: int, weights: WeightPlanes, scales: Sequence[int], agreement_bits: int) -> Iterator[_Count]:
    width = count_bits(weights.columns)
    bits, masks = weights.bits[:, row], weights.masks[:, row]
    for plane, coefficient in enumerate(weights.coefficients):
        mask, sign = unpack(masks[plane], weights.columns), unpack(bits[plane], weights.columns)
        if not mask.any():
            continue
        for source, scale in enumerate(scales):
            name = f"r{row}_w{plane}_x{source}"
            term, factor = _fit(f"{name}_count", width, agreement_bits), coefficient * scale
            yield _Count(
                name=name,
                source=source,
                flip=to_hex((1 - sign) & mask),
                mask=None if mask.all() else to_hex(mask),
                term=_times(term, factor),
            )


def kernel_text(name: str, weights: WeightPlanes, scales: Sequence[int], agreement_bits: int) -> str:
    """Print the combinational module ``name(lanes, agreement)`` with all agreement sums of a layer.

    Parameters
    ----------
    name
        Module name; a popcount module ``<name>_popcount`` comes with it.
    weights
        The matrix.
    scales
        a_q, one per input plane.
    agreement_bits
        Width of a sum.

    Returns
    -------
    str
        Verilog-2001 text.
    """
    values = {
        "name": name,
        "columns": weights.columns,
        "n_planes": len(scales),
        "rows": [list(_counts(row, weights, scales, agreement_bits)) for row in range(weights.rows)],
        "agreement_bits": agreement_bits,
        "count_bits": count_bits(weights.columns),
        "levels": adder_levels(weights.columns),
    }
    return render("rtl/unrolled_kernel.v.j2", values)
