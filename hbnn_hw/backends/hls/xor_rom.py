"""Weight memories of FleXOR's stored form, as far as the HLS tools accept them."""

from __future__ import annotations

from hbnn_hw.backends.hls.limits import PARTITION_LIMIT, WORD_LIMIT_BITS
from hbnn_hw.folding import Folding, divisors
from hbnn_hw.xor_encoding import XorEncoding
from hbnn_hw.xor_wiring import XorWiring, xor_wirings


def _is_accepted(encoding: XorEncoding, wiring: XorWiring) -> bool:
    """Whether the stored and the decoded word, and the decoder, are within what the tools accept."""
    stored = wiring.n_slots * encoding.n_in
    fits = stored <= WORD_LIMIT_BITS and stored * encoding.n_planes <= PARTITION_LIMIT
    return fits and len(wiring.slot) <= WORD_LIMIT_BITS


def xor_wiring(encoding: XorEncoding, folding: Folding) -> XorWiring | None:
    """Return the wiring with the narrowest decoders; None where the memory has to hold decoded weights."""
    return next((w for w in xor_wirings(encoding, folding) if _is_accepted(encoding, w)), None)


def fitting_simd(encoding: XorEncoding, pe: int) -> list[int]:
    """Return the SIMD at which a unit with so many PEs can keep its weights encoded, ascending."""
    legal = divisors(encoding.layout.columns)
    return [simd for simd in legal if xor_wiring(encoding, Folding(pe, simd)) is not None]
