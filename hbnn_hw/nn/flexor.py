"""FleXOR: weights decoded from fewer stored bits by XOR gates (Lee et al., NeurIPS 2020).

Equation and section numbers are those of arXiv 2009.04126.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.binary import hard_sign
from hbnn_hw.nn.latent import Plain, QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.nn.xor_matrix import FlattenLayout, FlattenOrder, XorScheme, minimum_row_distance, rank

ENCRYPTED_DEVIATION = 1e-3
"""Standard deviation of the initial encrypted weights."""
DEFAULT_S_TANH = 10.0
SHARED_RATIO_ERROR = 1e-6
"""Largest relative deviation of alphas that still count as one ratio: a few roundings of float32."""


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


class AlphaInit(Enum):
    """Initial scale of a plane: the paper's 0.2, or sqrt(2 / fan_in) for networks without normalization."""

    PAPER = "paper"
    FAN_IN = "fan_in"


class _XorSigns(torch.autograd.Function):
    """Sign form of the XOR network with one of the three gradients; see :func:`xor_signs`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch gives no type
        encrypted: Tensor,
        matrix: Tensor,
        s_tanh: Tensor,
        gradient: XorGradient,
        word_bits: int,
    ) -> Tensor:
        # n taps of which m are +1 add up to 2m - n. A quarter of that and n/4 is m/2, and the parity of m is
        # twice the fraction of m/2: exact, and faster than a remainder.
        quarters = matrix.to(encrypted.dtype).mul_(0.25)
        # Sums of up to n_in terms, which a half-precision product could round.
        with torch.autocast(encrypted.device.type, enabled=False):
            halves = hard_sign(encrypted, zero=1) @ quarters.mT.contiguous()
        signs = halves.add_(quarters.sum(-1).unsqueeze(-2)).frac_().mul_(4.0).sub_(1.0)
        ctx.gradient, ctx.word_bits = gradient, word_bits
        ctx.save_for_backward(encrypted, matrix, s_tanh, signs)
        return _words(signs, word_bits).contiguous()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:  # noqa: ANN401
        encrypted, matrix, s_tanh, signs = ctx.saved_tensors
        taps = matrix.to(encrypted.dtype)
        # The parity times the product of all taps is the output y, and 1 / s_i = s_i: the factor of the
        # other taps is y s_i, so that the sum over the outputs is one matrix product.
        products = signs.clone()
        _words(products, ctx.word_bits).mul_(gradients[0])
        _dropped(products, ctx.word_bits).zero_()
        if ctx.gradient is XorGradient.EXACT:
            result = _exact_gradient(products.mul_(signs), encrypted, taps, s_tanh)
        else:
            result = (products @ taps).mul_(hard_sign(encrypted, zero=1))
        if ctx.gradient is XorGradient.PUBLISHED:
            result.mul_(_window(encrypted, s_tanh))
        return result, None, None, None, None


def _words(stream: Tensor, word_bits: int) -> Tensor:
    """View slices (planes, slices, n_out) as words (planes, words, word_bits), each of whole slices."""
    return _whole_words(stream, word_bits)[..., :word_bits]


def _dropped(stream: Tensor, word_bits: int) -> Tensor:
    """View what :func:`_words` leaves out."""
    return _whole_words(stream, word_bits)[..., word_bits:]


def _whole_words(stream: Tensor, word_bits: int) -> Tensor:
    planes, slices, n_out = stream.shape
    slices_per_word = -(-word_bits // n_out)
    return stream.view(planes, slices // slices_per_word, slices_per_word * n_out)


class _ScaledPlanes(torch.autograd.Function):
    """``alpha[q, r] · b[q, r]``; alpha's gradient is summed along whole rows, one after the other.

    The order of the stream, which is that of the memory, then changes no rounding of it.
    """

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, signs: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(alpha, signs)
        return alpha.view(*alpha.shape, *[1] * (signs.dim() - 2)) * signs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        alpha, signs = ctx.saved_tensors
        # Plane by plane, because transposing a matrix is several times as fast as transposing a stack.
        rows = [plane.flatten(1).contiguous().sum(1) for plane in gradients[0] * signs]
        return torch.stack(rows), gradients[0] * alpha.view(*alpha.shape, *[1] * (signs.dim() - 2))


def _window(encrypted: Tensor, s_tanh: Tensor) -> Tensor:
    return torch.mul(encrypted, s_tanh).tanh_().square_().neg_().add_(1).mul_(s_tanh)


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


def xor_signs(
    encrypted: Tensor,
    matrix: Tensor,
    s_tanh: Tensor,
    gradient: XorGradient = XorGradient.PUBLISHED,
    word_bits: int | None = None,
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
    word_bits
        Outputs that are kept of as many whole slices as hold so many; the others are dropped. n_out unless
        given: all are kept.

    Returns
    -------
    Tensor
        ±1, (planes, words, word_bits): unless words are given, (planes, slices, n_out). A row without taps
        gives -1.

    Notes
    -----
    Source: eqs. 2, 4 and 6.
    """
    kept = matrix.shape[1] if word_bits is None else word_bits
    result: Tensor = _XorSigns.apply(encrypted, matrix, s_tanh, gradient, kept)  # type: ignore[no-untyped-call]
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpnessSchedule:
    """S_tanh over the progress of training, 0 .. 1: a linear warm-up, then steps up.

    Attributes
    ----------
    initial, final
        S_tanh at the start and at the end of the warm-up (paper: 5 and 10).
    warm_up
        Share of the training that the warm-up takes; 0 for none (paper: 0.2, and the learning rate with it).
    doublings
        Progress at each of which S_tanh doubles, as the paper does where it halves the learning rate.
    """

    initial: float = 5.0
    final: float = DEFAULT_S_TANH
    warm_up: float = 0.2
    doublings: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (0.0 < self.initial < math.inf and 0.0 < self.final < math.inf):
            raise ValueError(f"S_tanh must be finite and positive, not {self.initial!r} to {self.final!r}")
        if not all(0.0 <= at <= 1.0 for at in (self.warm_up, *self.doublings)):
            raise ValueError(
                f"warm-up and doublings must lie in 0..1, not {self.warm_up!r}, {self.doublings!r}"
            )

    def s_tanh(self, progress: float) -> float:
        """Return S_tanh at ``progress`` in 0 .. 1."""
        if progress < self.warm_up:
            return self.initial + (self.final - self.initial) * progress / self.warm_up
        return self.final * 2.0 ** sum(progress >= at for at in self.doublings)


class FlexorOptions(TypedDict, total=False):
    """What a FleXOR layer may be told besides its shape.

    Attributes
    ----------
    n_planes
        q, planes per weight; 1 unless told.
    n_in, n_out, n_taps, seed
        See :class:`~hbnn_hw.nn.xor_matrix.XorScheme`.
    order, pe, simd
        See :class:`~hbnn_hw.nn.xor_matrix.FlattenLayout`; the paper's order unless told.
    gradient
        Stand-in for the derivative; the published one unless told.
    alpha_init
        Initial alpha; the paper's unless told.
    """

    n_planes: int
    n_in: int
    n_out: int
    n_taps: int
    seed: int
    order: FlattenOrder | str
    pe: int
    simd: int
    gradient: XorGradient | str
    alpha_init: AlphaInit


class FlexorWeights(QuantizedLayer):
    """Weights that are XORs of fewer stored bits: ``W = sum_q alpha_q[out] · b_q``.

    Each plane b_q of ±1 is decoded from signs of its own encrypted weights, slice by slice, by a fixed
    matrix: ``planes · n_in / n_out`` stored bits per weight, plus what the layout drops.

    Attributes
    ----------
    n_planes, scheme, layout, gradient, alpha_init
        See :class:`FlexorOptions`; rows of the layout are outputs, columns as
        :meth:`~hbnn_hw.nn.xor_matrix.FlattenOrder.columns` says.
    encrypted
        float32 (planes, slices, n_in): real weights whose signs are stored.
    alpha
        float32 (planes, out): trained scales, of any sign.
    matrix
        Buffer, uint8 (planes, n_out, n_in): M⊕.
    s_tanh
        Buffer, float32 (): S_tanh of the gradient.

    Notes
    -----
    Source: Algorithm 1, with the initial values N(0, 0.001²) and 0.2 of the re-implementation.
    """

    encrypted: nn.Parameter
    alpha: nn.Parameter
    matrix: Tensor
    s_tanh: Tensor

    def _make_encrypted(
        self,
        *,
        bias: bool,
        n_planes: int = 1,
        n_in: int = 8,
        n_out: int = 10,
        n_taps: int = 2,
        seed: int = 0,
        order: FlattenOrder | str = FlattenOrder.PAPER,
        pe: int = 1,
        simd: int = 1,
        gradient: XorGradient | str = XorGradient.PUBLISHED,
        alpha_init: AlphaInit = AlphaInit.PAPER,
    ) -> None:
        if n_planes < 1:
            raise ValueError(f"FleXOR weights must have at least 1 plane, not {n_planes!r}")
        self.n_planes = n_planes
        self.scheme = XorScheme(n_in=n_in, n_out=n_out, n_taps=n_taps, seed=seed)
        self.layout = FlattenLayout(
            order=FlattenOrder(order),
            rows=self.weight_shape[0],
            columns=self.fan_in,
            n_out=n_out,
            pe=pe,
            simd=simd,
        )
        self.gradient = XorGradient(gradient)
        self.alpha_init = alpha_init
        self.encrypted = nn.Parameter(torch.empty(n_planes, self.layout.n_slices, n_in))
        self.alpha = nn.Parameter(torch.empty(n_planes, self.weight_shape[0]))
        self._make_bias(bias=bias)
        self.register_buffer("matrix", torch.zeros(n_planes, n_out, n_in, dtype=torch.uint8))
        self.register_buffer("s_tanh", torch.full((), DEFAULT_S_TANH))
        # A layer described without values (device "meta") gets its matrix from the checkpoint.
        if not self.matrix.is_meta:
            self.matrix.copy_(torch.from_numpy(self.scheme.draw(n_planes)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the encrypted weights from N(0, 0.001²) and set alpha to its initial value."""
        nn.init.normal_(self.encrypted, std=ENCRYPTED_DEVIATION)
        paper = self.alpha_init is AlphaInit.PAPER
        nn.init.constant_(self.alpha, 0.2 if paper else math.sqrt(2.0 / self.fan_in))

    def set_s_tanh(self, value: float) -> None:
        """Set S_tanh, finite and positive."""
        if not 0.0 < value < math.inf:
            raise ValueError(f"S_tanh must be finite and positive, not {value!r}")
        self.s_tanh.fill_(value)

    def signs(self) -> Tensor:
        """Return the decoded planes, ±1 (planes, *weight shape), with the gradient to the encrypted ones."""
        layout = self.layout
        words = xor_signs(self.encrypted, self.matrix, self.s_tanh, self.gradient, layout.word_bits)
        matrix = self._arranged(words)
        out, channels, *kernel = self.weight_shape
        if layout.order is FlattenOrder.ROW_MAJOR:
            return matrix.view(self.n_planes, out, channels, *kernel)
        return matrix.view(self.n_planes, out, *kernel, channels).movedim(-1, 2)

    def _arranged(self, words: Tensor) -> Tensor:
        """Bring words (planes, words, word_bits) into matrices (planes, rows, columns) of the layout."""
        layout, out, columns = self.layout, self.layout.rows, self.layout.columns
        if layout.order is FlattenOrder.PAPER:
            return words.view(self.n_planes, columns, out).mT
        if layout.order is FlattenOrder.ROW_MAJOR:
            return words.view(self.n_planes, out, columns)
        pe, simd = layout.pe, layout.simd
        tiles = words.view(self.n_planes, out // pe, columns // simd, pe, simd)
        return tiles.transpose(2, 3).reshape(self.n_planes, out, columns)

    def quantized_weight(self) -> Tensor:
        """Return ``sum_q alpha_q b_q``, float32 (out, ...), with the gradients to both factors."""
        terms: Tensor = _ScaledPlanes.apply(self.alpha, self.signs())  # type: ignore[no-untyped-call]
        # Not terms[0], whose gradient would be a copy into zeros.
        return terms.squeeze(0) if self.n_planes == 1 else terms.sum(0)

    @torch.no_grad()
    def planes(self) -> RealPlanes:
        """Return the decoded planes; the first plane's alpha is the scale of each row.

        Raises
        ------
        CaptureError
            If there are several planes whose alphas are not in one ratio for all outputs: hardware has one
            coefficient for each plane.
        """
        signs, ratios = self.signs(), self._shared_ratios()
        flips = hard_sign(ratios, zero=1)
        flips = flips.view(-1, *[1] * (signs.dim() - 1))
        return RealPlanes((signs * flips).contiguous(), ratios.abs(), self.alpha[0].clone())

    def _shared_ratios(self) -> Tensor:
        """Return ``alpha[q] / alpha[0]``, the same for all outputs, float32 (planes,)."""
        if self.n_planes == 1:
            return torch.ones(1, device=self.alpha.device)
        alpha = self.alpha.detach().double()
        strongest = alpha[0].abs().argmax()
        ratios = alpha[:, strongest] / alpha[0, strongest]
        deviation = (alpha - ratios.unsqueeze(1) * alpha[0]).abs()
        if not bool((deviation <= SHARED_RATIO_ERROR * alpha.abs().amax(1, keepdim=True)).all()):
            raise CaptureError(
                f"the alphas of {self.n_planes} FleXOR planes must be in one ratio for all outputs, because "
                "hardware has one coefficient for each plane; train with n_planes=1"
            )
        return ratios.float()

    @torch.no_grad()
    def encoded_bits(self) -> NDArray[np.uint8]:
        """Return the stored bits, uint8 (planes, slices, n_in); 1 where the encrypted weight is >= 0."""
        return (self.encrypted >= 0).to(torch.uint8).cpu().numpy()

    def bitwidths(self) -> Tensor:
        """Return the number of planes for each weight, int64 of the weight's shape [bit]."""
        return torch.full(self.weight_shape, self.n_planes, device=self.alpha.device)

    def n_scales(self) -> int:
        """Count alpha."""
        return self.alpha.numel()

    def stored_bits(self) -> int:
        """Count the stored bits of the encrypted weights [bit], those of dropped outputs included."""
        return self.encrypted.numel()

    def ranks(self) -> tuple[int, ...]:
        """Return each plane's rank of M⊕ over GF(2)."""
        return tuple(rank(matrix) for matrix in self.matrix.cpu().numpy())

    def minimum_row_distances(self) -> tuple[int, ...]:
        """Return each plane's smallest Hamming distance of two rows of M⊕."""
        return tuple(minimum_row_distance(matrix) for matrix in self.matrix.cpu().numpy())

    def _encoding_config(self) -> dict[str, Plain]:
        scheme, layout = self.scheme, self.layout
        return {
            "n_planes": self.n_planes,
            "n_in": scheme.n_in,
            "n_out": scheme.n_out,
            "n_taps": scheme.n_taps,
            "seed": scheme.seed,
            "order": layout.order.value,
            "pe": layout.pe,
            "simd": layout.simd,
            "gradient": self.gradient.value,
        }

    def check_buffers(self) -> None:
        """Raise ValueError if the matrix holds other values than 0 and 1, or S_tanh is not positive."""
        if int(self.matrix.max()) > 1:
            raise ValueError(f"matrix must hold 0 and 1 only, not {int(self.matrix.max())}")
        if not float(self.s_tanh) > 0:
            raise ValueError(f"s_tanh must be positive, not {float(self.s_tanh)}")


class FlexorLinear(FlexorWeights, QuantizedLinear):
    """Linear layer whose weights are XORs of fewer stored bits; see :class:`FlexorWeights`.

    Parameters
    ----------
    in_features, out_features
        See :class:`~hbnn_hw.nn.latent.QuantizedLinear`.
    bias
        Whether a float bias (out,) is added.
    **encoding
        See :class:`FlexorOptions`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = False,
        **encoding: Unpack[FlexorOptions],
    ) -> None:
        super().__init__(in_features, out_features)
        self._make_encrypted(bias=bias, **encoding)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return super().config() | self._encoding_config()
