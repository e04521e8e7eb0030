"""FleXOR: weights decoded from fewer stored bits by XOR gates (Lee et al., NeurIPS 2020).

Equation and section numbers are those of arXiv 2009.04126.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hbnn_hw.nn.binary import hard_sign
from hbnn_hw.nn.latent import Plain, QuantizedLayer, QuantizedLinear, RealPlanes
from hbnn_hw.nn.xor_function import XorGradient, arranged, xor_signs, xor_weights
from hbnn_hw.nn.xor_matrix import FlattenLayout, FlattenOrder, XorScheme, minimum_row_distance, rank

ENCRYPTED_DEVIATION = 1e-3
"""Standard deviation of the initial encrypted weights."""
DEFAULT_S_TANH = 10.0
SHARED_RATIO_ERROR = 1e-6
"""Largest relative deviation of alphas that still count as one ratio: a few roundings of float32."""


class AlphaInit(Enum):
    """Initial scale of a plane: the paper's 0.2, or sqrt(2 / fan_in) for networks without normalization."""

    PAPER = "paper"
    FAN_IN = "fan_in"


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
        stream = xor_signs(self.encrypted, self.matrix, self.s_tanh, self.gradient)
        return arranged(stream, self.layout, self.weight_shape)

    def quantized_weight(self) -> Tensor:
        """Return ``sum_q alpha_q b_q``, float32 (out, ...), with the gradients to both factors."""
        terms = xor_weights(
            self.encrypted,
            self.alpha,
            self.matrix,
            self.s_tanh,
            self.gradient,
            self.layout,
            self.weight_shape,
        )
        # Not terms[0], whose gradient would be a copy into zeros.
        return terms.squeeze(0) if self.n_planes == 1 else terms.sum(0)

    @torch.no_grad()
    def planes(self) -> RealPlanes:
        """Return the decoded planes with the scales of rows and planes; their signs go into several planes.

        Planes whose alphas are in one ratio for all outputs share a coefficient, which hardware has for free.
        """
        signs, ratios = self.signs(), self._shared_ratios()
        if ratios is not None:
            flips = hard_sign(ratios, zero=1).view(-1, *[1] * (signs.dim() - 1))
            return RealPlanes((signs * flips).contiguous(), ratios.abs(), self.alpha[0].clone())
        flips = hard_sign(self.alpha, zero=1)
        flips = flips.view(*flips.shape, *[1] * (signs.dim() - 2))
        ones = torch.ones(self.n_planes, device=self.alpha.device)
        return RealPlanes((signs * flips).contiguous(), ones, plane_row_scale=self.alpha.abs())

    def _shared_ratios(self) -> Tensor | None:
        """Return ``alpha[q] / alpha[0]``, float32 (planes,), if it is the same for all outputs."""
        if self.n_planes == 1:
            return torch.ones(1, device=self.alpha.device)
        alpha = self.alpha.detach().double()
        strongest = alpha[0].abs().argmax()
        if alpha[0, strongest] == 0:
            return None
        ratios = alpha[:, strongest] / alpha[0, strongest]
        deviation = (alpha - ratios.unsqueeze(1) * alpha[0]).abs()
        shared = bool((deviation <= SHARED_RATIO_ERROR * alpha.abs().amax(1, keepdim=True)).all())
        return ratios.float() if shared and bool((ratios != 0).all()) else None

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
