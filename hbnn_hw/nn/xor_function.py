"""The XOR network of FleXOR as a differentiable function, and the decoded bits as weights.

Equation numbers are those of arXiv 2009.04126.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import torch
from torch import Tensor

from hbnn_hw.nn.binary import hard_sign
from hbnn_hw.nn.xor_matrix import FlattenLayout, FlattenOrder


class XorGradient(Enum):
    """What stands for the derivative of the XOR network; forward it is always the sign form.

    With n taps in a row and s = sign(x), t = tanh(S x):

    PUBLISHED (eq. 6) ``S (1 - t_i²) (-1)^(n-1) prod_{j≠i} s_j``;
    EXACT, the derivative of the analog form (eq. 3), ``S (1 - t_i²) (-1)^(n-1) prod_{j≠i} t_j``;
    IDENTITY, the plain straight-through estimator, ``(-1)^(n-1) prod_{j≠i} s_j``.
    """

    PUBLISHED = "published"
    EXACT = "exact"
    IDENTITY = "identity"


def xor_signs(
    encrypted: Tensor, matrix: Tensor, s_tanh: Tensor, gradient: XorGradient = XorGradient.PUBLISHED
) -> Tensor:
    """Decode signs: ``y_r = (-1)^(n_r - 1) prod_{j in taps(r)} sign(x_j)``, sign(0) = +1.

    Parameters
    ----------
    encrypted
        Float (planes, slices, n_in), x.
    matrix
        uint8 (planes, n_out, n_in): row r holds the n_r taps of output r.
    s_tanh
        S_tanh, a tensor of one element.
    gradient
        Stand-in for the derivative.

    Returns
    -------
    Tensor
        ±1, (planes, slices, n_out). A row without taps gives -1.

    Notes
    -----
    Source: eqs. 2, 4 and 6.
    """
    result: Tensor = _XorSigns.apply(encrypted, matrix, s_tanh, gradient)  # type: ignore[no-untyped-call]
    return result


def xor_weights(
    encrypted: Tensor,
    alpha: Tensor,
    matrix: Tensor,
    s_tanh: Tensor,
    gradient: XorGradient,
    layout: FlattenLayout,
    shape: tuple[int, ...],
) -> Tensor:
    """Return ``alpha[q, r] · b[q, r]``, the scaled planes b of :func:`xor_signs`, (planes, *shape).

    It is one function, because its gradient goes over the weights fewer times than those of the parts.

    Parameters
    ----------
    encrypted, matrix, s_tanh, gradient
        See :func:`xor_signs`.
    alpha
        Float (planes, rows).
    layout, shape
        See :func:`arranged`.
    """
    result: Tensor = _XorWeights.apply(  # type: ignore[no-untyped-call]
        encrypted, alpha, matrix, s_tanh, gradient, layout, shape
    )
    return result


def arranged(stream: Tensor, layout: FlattenLayout, shape: tuple[int, ...]) -> Tensor:
    """Bring streams of decoded bits into the weights' shape.

    Parameters
    ----------
    stream
        (planes, slices, n_out).
    layout
        Place of each weight in the stream.
    shape
        (out, in), or (out, in / groups, height, width).

    Returns
    -------
    Tensor
        (planes, *shape), a view of the stream unless its order is WORD.
    """
    words = _words(stream, layout)
    planes, (out, channels, *kernel) = len(stream), shape
    if layout.order is FlattenOrder.ROW_MAJOR:
        return words.view(planes, *shape)
    if layout.order is FlattenOrder.PAPER:
        matrix = words.view(planes, layout.columns, layout.rows).mT
    else:
        tiles = words.view(planes, *_tiles(layout), layout.pe, layout.simd)
        matrix = tiles.transpose(2, 3).reshape(planes, layout.rows, layout.columns)
    return matrix.view(planes, out, *kernel, channels).movedim(-1, 2) if kernel else matrix


def _flattened(weights: Tensor, layout: FlattenLayout) -> Tensor:
    """Bring weights (planes, *shape) back into words (planes, words, word_bits) of order WORD."""
    rows, columns = _tiles(layout)
    tiles = weights.movedim(2, -1).reshape(len(weights), rows, layout.pe, columns, layout.simd)
    return tiles.transpose(2, 3).reshape(len(weights), layout.n_words, -1)


def _tiles(layout: FlattenLayout) -> tuple[int, int]:
    """Return the number of words down and across."""
    return layout.rows // layout.pe, layout.columns // layout.simd


def _words(stream: Tensor, layout: FlattenLayout) -> Tensor:
    """View slices (planes, slices, n_out) as words (planes, words, word_bits), without what is dropped."""
    return _whole_words(stream, layout)[..., : layout.word_bits]


def _whole_words(stream: Tensor, layout: FlattenLayout) -> Tensor:
    """View slices (planes, slices, n_out) as words (planes, words, bits of whole slices)."""
    return stream.view(len(stream), layout.n_words, -1)


class _XorSigns(torch.autograd.Function):
    """See :func:`xor_signs`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch gives no type
        encrypted: Tensor,
        matrix: Tensor,
        s_tanh: Tensor,
        gradient: XorGradient,
    ) -> Tensor:
        signs = _decode(encrypted, matrix)
        ctx.gradient = gradient
        ctx.save_for_backward(encrypted, matrix, s_tanh, signs)
        return signs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        encrypted, matrix, s_tanh, signs = ctx.saved_tensors
        products = gradients[0] * signs
        return _to_encrypted(products, signs, encrypted, matrix, s_tanh, ctx.gradient), None, None, None


class _XorWeights(torch.autograd.Function):
    """See :func:`xor_weights`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        encrypted: Tensor,
        alpha: Tensor,
        matrix: Tensor,
        s_tanh: Tensor,
        gradient: XorGradient,
        layout: FlattenLayout,
        shape: tuple[int, ...],
    ) -> Tensor:
        signs = _decode(encrypted, matrix)
        ctx.gradient, ctx.layout, ctx.shape = gradient, layout, shape
        ctx.save_for_backward(encrypted, alpha, matrix, s_tanh, signs)
        return _per_row(alpha, shape) * arranged(signs, layout, shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        encrypted, alpha, matrix, s_tanh, signs = ctx.saved_tensors
        layout, shape = ctx.layout, ctx.shape
        products = signs.clone()
        # In place where that is possible, because fresh memory costs more than the arithmetic.
        weights = arranged(products, layout, shape).mul_(gradients[0])
        # Row after row in memory whatever the order, so that the order changes no rounding of the sums.
        to_alpha = torch.stack([plane.flatten(1).contiguous().sum(1) for plane in weights])
        weights.mul_(_per_row(alpha, shape))
        if layout.order is FlattenOrder.WORD:
            _words(products, layout).copy_(_flattened(weights, layout))
        _whole_words(products, layout)[..., layout.word_bits :].zero_()
        result = _to_encrypted(products, signs, encrypted, matrix, s_tanh, ctx.gradient)
        return result, to_alpha, None, None, None, None, None


def _per_row(alpha: Tensor, shape: tuple[int, ...]) -> Tensor:
    """View (planes, rows) so that it multiplies (planes, *shape)."""
    return alpha.view(*alpha.shape, *[1] * (len(shape) - 1))


def _decode(encrypted: Tensor, matrix: Tensor) -> Tensor:
    """Return the sign form of the XOR network, ±1 (planes, slices, n_out)."""
    # n taps of which m are +1 add up to 2m - n. A quarter of that and n/4 is m/2, and the parity of m is
    # twice the fraction of m/2: exact, and faster than a remainder.
    quarters = matrix.to(encrypted.dtype).mul_(0.25)
    halves = _narrow_product(hard_sign(encrypted, zero=1), quarters.mT)
    return halves.add_(quarters.sum(-1).unsqueeze(-2)).frac_().mul_(4.0).sub_(1.0)


def _to_encrypted(
    products: Tensor, signs: Tensor, encrypted: Tensor, matrix: Tensor, s_tanh: Tensor, gradient: XorGradient
) -> Tensor:
    """Return the gradient of the encrypted weights from ``products``, that of the signs times the signs."""
    taps = matrix.to(encrypted.dtype)
    if gradient is XorGradient.EXACT:
        return _exact_gradient(products * signs, encrypted, taps, s_tanh)
    # The parity times the product of all taps is the output y, and 1 / s_i = s_i: the factor of the other
    # taps is y s_i, so that the sum over the outputs is one matrix product.
    factor = hard_sign(encrypted, zero=1)
    result = _narrow_product(products, taps).mul_(factor)
    if gradient is XorGradient.PUBLISHED:
        result.mul_(_window(encrypted, s_tanh, out=factor))
    return result


def _narrow_product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Return ``rows @ matrix``, (planes, n, a) with (planes, a, b), in the precision of both.

    Two rows at a time: BLAS takes several times as long for a matrix as narrow as one slice as for two of
    them on a diagonal. And into memory that is there: so autocast leaves it alone, whose half precision
    could not count taps.
    """
    (planes, n, a), b = rows.shape, matrix.shape[-1]
    result, pairs = rows.new_empty(planes, n, b), n // 2
    diagonal = matrix.new_zeros(planes, 2, a, 2, b)
    diagonal[:, 0, :, 0] = diagonal[:, 1, :, 1] = matrix
    for plane in range(planes):
        source, target = rows[plane, : 2 * pairs], result[plane, : 2 * pairs]
        torch.mm(source.view(pairs, 2 * a), diagonal[plane].view(2 * a, 2 * b), out=target.view(pairs, 2 * b))
        if n % 2:
            torch.mm(rows[plane, -1:], matrix[plane], out=result[plane, -1:])
    return result


def _window(encrypted: Tensor, s_tanh: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.mul(encrypted, s_tanh, out=out).tanh_().square_().neg_().add_(1).mul_(s_tanh)


def _exact_gradient(gradient: Tensor, encrypted: Tensor, taps: Tensor, s_tanh: Tensor) -> Tensor:
    """Differentiate ``(-1)^(n-1) prod_taps tanh(S x_j)``; holds n_in values for each output."""
    analog = torch.tanh(s_tanh * encrypted).unsqueeze(-2)
    tapped = taps.unsqueeze(-3)
    factors = torch.where(tapped > 0, analog, torch.ones_like(analog))
    parity = 1 - 2 * torch.remainder(taps.sum(-1) - 1, 2.0)
    others = _products_of_the_others(factors) * tapped
    return ((gradient * parity.unsqueeze(-2)).unsqueeze(-1) * others).sum(-2) * _window(encrypted, s_tanh)


def _products_of_the_others(factors: Tensor) -> Tensor:
    """Return for each entry of the last axis the product of all other entries, zeros included."""
    one = torch.ones_like(factors[..., :1])
    before = torch.cat([one, factors[..., :-1]], -1).cumprod(-1)
    after = torch.cat([one, factors.flip(-1)[..., :-1]], -1).cumprod(-1).flip(-1)
    return before * after
