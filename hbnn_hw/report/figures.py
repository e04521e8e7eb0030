"""Numbers as text: units, thousands, unknown values."""

from __future__ import annotations

from math import isclose

UNKNOWN = "–"
THIN = "\u202f"
"""Narrow no-break space, which groups thousands and joins a number with its unit."""

_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
)


def whole(value: float) -> str:
    """Print a rounded count with grouped thousands."""
    return f"{round(value):,}".replace(",", THIN)


def plural(count: int, word: str) -> str:
    """Print a count with what is counted."""
    return f"{whole(count)} {word}{'' if count == 1 else 's'}"


def significant(value: float, digits: int = 3) -> str:
    """Print about ``digits`` significant digits without an exponent; a rounded one keeps its zeros."""
    if value == 0:
        return "0"
    text = f"{value:.{digits}g}"
    if "e" in text:
        return whole(value)
    return text if isclose(float(text), value, rel_tol=1e-9) else f"{value:#.{digits}g}".rstrip(".")


def with_unit(value: float, unit: str) -> str:
    """Print a value with the SI prefix that leaves 1 to 999 before the point."""
    if value == 0:
        return f"0{THIN}{unit}"
    scale, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= s), _PREFIXES[-1])
    return f"{significant(value / scale)}{THIN}{prefix}{unit}"


def percent(share: float, digits: int = 1) -> str:
    """Print a share (0 … 1) as a percentage; a nonzero one never shows as zero."""
    value = 100 * share
    if 0 < value < 10**-digits:
        return f"<{THIN}{10**-digits:g}{THIN}%"
    return f"{value:.{digits}f}{THIN}%"


def signed_percent(ratio: float) -> str:
    """Print how far a ratio is from 1, with its sign."""
    return f"{100 * (ratio - 1):+.1f}{THIN}%".replace("-", "\u2212")


def accuracy(value: object) -> str:
    """Print a share of right answers; unknown where it is absent or zero."""
    return percent(value, 2) if isinstance(value, float) and value > 0 else UNKNOWN


def fact(value: object) -> str:
    """Print a fact of the checkpoint; empty text and zero mean unknown."""
    return str(value) if value else UNKNOWN
