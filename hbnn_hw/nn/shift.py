"""Approximate powers of two: multiplications become shifts (BNN section 1.4)."""

from __future__ import annotations

import torch
from torch import Tensor

# A float32 is 1.m · 2^e; adding this to its bits carries into e exactly where 1.m > sqrt(2).
_ROUND_UP_ABOVE_SQRT_2 = 0x00800000 - 0x003504F4
_SIGN_AND_EXPONENT = -0x00800000


@torch.no_grad()
def ap2(x: Tensor) -> Tensor:
    """Return ``sign(x) · 2^round(log2 |x|)``, exact for every normal float32; ap2(0) = 0.

    Parameters
    ----------
    x
        Float tensor of any shape; computed in float32.

    Returns
    -------
    Tensor
        Same shape and dtype, without gradient. Magnitudes below 2^-126 become 0 or 2^-126, those above
        2^127.5 infinity.

    Notes
    -----
    Source: BNN Algorithm 3. The logarithm is rounded, as in the authors' code; the index of the most
    significant bit, which the paper names for hardware, would round it down. There are no ties: no float is
    an odd power of sqrt(2).
    """
    raw = x.detach().to(torch.float32).contiguous().view(torch.int32)
    return ((raw + _ROUND_UP_ABOVE_SQRT_2) & _SIGN_AND_EXPONENT).view(torch.float32).to(x.dtype)
