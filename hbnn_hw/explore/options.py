"""What a user types about a space of points, made into its axes."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeVar

from hbnn_hw.bit_distribution import LARGEST_BITWIDTH, Distribution, Sharing
from hbnn_hw.errors import HbnnError
from hbnn_hw.explore.models import Model, read_model
from hbnn_hw.explore.point import FoldingTarget
from hbnn_hw.explore.space import MapKind

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

DEFAULT_TILE = (16, 16)
"""Rows and columns of a tile unless told."""

AVERAGE_TOLERANCE = 0.05
"""How far a checkpoint's average bitwidth may be from the one that it is given for."""


def each(text: str, parse: Callable[[str], T]) -> tuple[T, ...]:
    """Parse the entries of a list with commas; of equal ones the first stays.

    Raises
    ------
    HbnnError
        If there are none, or one is not of its form.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    if not entries:
        raise HbnnError(f"a list such as a,b must have an entry, not {text!r}")
    return tuple(dict.fromkeys(map(parse, entries)))


def average(text: str) -> float:
    """Read an average bitwidth."""
    bits = _number(text, "an average bitwidth")
    if not 0 < bits <= LARGEST_BITWIDTH:
        raise HbnnError(f"an average bitwidth must be above 0 and at most {LARGEST_BITWIDTH}, not {text!r}")
    return bits


def clock(text: str) -> float:
    """Read a clock period [ns]."""
    return _number(text, "a clock period in ns")


def distribution(text: str) -> Distribution:
    """Read the percentages of the entries with 1, 2, 3 … bits, such as ``85/10/5``."""
    shares = [_number(part, f"a share of {text!r} in percent") for part in text.split("/")]
    if not abs(sum(shares) - 100) < 1e-6 or min(shares) < 0 or len(shares) > LARGEST_BITWIDTH:
        raise HbnnError(
            f"a distribution must be percentages of 1, 2, 3 … bits with the sum 100, such as 85/10/5, "
            f"not {text!r}"
        )
    return tuple((bits, share / 100) for bits, share in enumerate(shares, start=1) if share)


def map_kind(text: str) -> MapKind:
    """Read ``element``, ``column``, ``row``, ``tile`` or a tile's size, ``tile:8x16``."""
    kind, _, size = text.partition(":")
    sharing = choice(kind, Sharing, "a bit map")
    if sharing is not Sharing.TILE:
        if size:
            raise HbnnError(f"only a tile has a size, not {text!r}")
        return MapKind(sharing)
    return MapKind(sharing, _size(size, "a tile") if size else DEFAULT_TILE)


def folding(text: str) -> FoldingTarget:
    """Read ``PExSIMD``, ``unrolled``, ``fps=N``, ``cycles=N`` or ``fit``."""
    name, _, number = text.partition("=")
    match name:
        case "unrolled":
            return FoldingTarget(unroll=True)
        case "fit":
            return FoldingTarget(fit=True)
        case "fps":
            return FoldingTarget(fps=_number(number, "frames a second"))
        case "cycles" if number.isdecimal():
            return FoldingTarget(cycles=int(number))
    pe, simd = _size(text, "a folding (or unrolled, fit, fps=N, cycles=N)")
    return FoldingTarget(pe=pe, simd=simd)


def choice(text: str, kind: type[E], what: str) -> E:
    """Read a member of an enumeration by its value."""
    try:
        return kind(text)
    except ValueError:
        legal = ", ".join(str(member.value) for member in kind)
        raise HbnnError(f"{what} must be one of {legal}, not {text!r}") from None


def checkpoint(text: str) -> Model:
    """Read the model file of ``FILE``, or of ``BITS=FILE``, which says the average that it must have.

    Raises
    ------
    HbnnError
        If the file holds no network, or one of another average bitwidth.
    """
    bits, has_bits, name = text.partition("=")
    if not has_bits or not _is_number(bits):
        return read_model(Path(text))
    model = read_model(Path(name))
    found = model.trained.average_bits
    if abs(found - average(bits)) > AVERAGE_TOLERANCE:
        raise HbnnError(f"'{name}' must have {bits} bits a weight on average, not {found:.2f}")
    return model


def _size(text: str, what: str) -> tuple[int, int]:
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise HbnnError(f"{what} must be rows and columns such as 16x16, not {text!r}")
    return int(rows), int(columns)


def _number(text: str, what: str) -> float:
    if not _is_number(text):
        raise HbnnError(f"{what} must be a number, not {text!r}")
    return float(text)


def _is_number(text: str) -> bool:
    try:
        return float(text) < float("inf")
    except ValueError:
        return False
