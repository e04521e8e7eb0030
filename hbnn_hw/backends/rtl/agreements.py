"""Agreements of weights and input bits as addends of a sum, and how deep their compressors may be."""

from __future__ import annotations

from collections.abc import Sequence

from hbnn_hw.backends.rtl.compressors import Addend

IDENTITY, COMPLEMENT, XNOR = 0b10, 0b01, 0b1001
"""Tables of an addend: a bit, its complement, the agreement of two bits."""

MASKED_XNOR = 0b10010000
"""Agreement of the first two bits where the third is 1."""


def allowed_levels(addends: Sequence[Addend]) -> int:
    """Logic levels that compressors may take, fewer than an adder tree over the same addends.

    Synthesis (Yosys 0.70, 7-series) maps trees over 64, 256 and 1024 agreements to 7, 12 and 13 levels on the
    slowest path, and 10, 15 and 18 on the deepest one. More levels than are allowed here would save a tenth
    of the area at most.
    """
    return (len(addends) - 1).bit_length() + 3


def agreement_addends(simd: int, scales: Sequence[int], masked: bool) -> tuple[Addend, ...]:
    """List the addends of ``sum_q a_q popcount(~(w ^ x_q) & m)``.

    The nets are the weights of all lanes, then the input elements with plane q of lane i at
    ``i * len(scales) + q``, then the mask if there is one.

    Parameters
    ----------
    simd
        Lanes.
    scales
        a_q, one per input plane; every bit of a_q puts the plane's lanes into the sum once.
    masked
        Whether lanes may be masked.
    """
    n_planes = len(scales)

    def product(lane: int, plane: int, place: int) -> Addend:
        pair = (lane, simd + lane * n_planes + plane)
        if not masked:
            return Addend(nets=pair, table=XNOR, place=place)
        return Addend(nets=(*pair, simd + simd * n_planes + lane), table=MASKED_XNOR, place=place)

    return tuple(
        product(lane, plane, place)
        for plane, scale in enumerate(scales)
        for place in range(scale.bit_length())
        if scale >> place & 1
        for lane in range(simd)
    )
