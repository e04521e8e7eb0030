"""Constant tables as C++ text: packed hexadecimal words, wrapped to a readable width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.planes import Bits

LINE_WIDTH = 110
"""Columns of a line of generated text."""

_INDENT = "    "


def word_digits(bits: Bits) -> list[str]:
    """Print words (words, width) as hexadecimal digits, element 0 of a word in its least significant bit."""
    width = bits.shape[-1]
    n_digits = max(1, -(-width // 4))
    padded = np.zeros((len(bits), -(-width // 8) * 8), dtype=np.uint8)
    padded[:, padded.shape[1] - width :] = bits[:, ::-1]
    text = np.packbits(padded, axis=1).tobytes().hex()
    stride = padded.shape[1] // 4
    return [text[at + stride - n_digits : at + stride] for at in range(0, len(text), stride)]


def literal(digits: str, width: int) -> str:
    """Write one word of ``width`` bits as a C++ literal; words above 64 bits are strings for ap_uint."""
    if width <= 32:
        return f"0x{digits}"
    if width <= 64:
        return f"0x{digits}ULL"
    per_line = LINE_WIDTH - 4 * len(_INDENT)
    parts = [digits[at : at + per_line] for at in range(0, len(digits), per_line)]
    text = f"\n{_INDENT * 3}".join(f'"{part}"' for part in parts)
    return f'ap_uint<{width}>("0x" {text}, 16)'


def _wrapped(words: Sequence[str], indent: str) -> str:
    """Join words by commas into lines of at most :data:`LINE_WIDTH` columns."""
    per_line = max(1, (LINE_WIDTH - len(indent)) // (len(words[0]) + 2))
    lines = [", ".join(words[at : at + per_line]) for at in range(0, len(words), per_line)]
    return f",\n{indent}".join(lines)


def word_rom(bits: Bits) -> str:
    """Print words (lanes, depth, width) as the nested initializer of an array ``[lanes][depth]``."""
    width = bits.shape[-1]
    rows = []
    for lane in bits:
        words = _wrapped([literal(digits, width) for digits in word_digits(lane)], _INDENT + "  ")
        rows.append(f"{_INDENT}{{ {words} }}")
    return ",\n".join(rows)


def vector_rom(bits: Bits) -> str:
    """Print words (depth, width) as the initializer of an array ``[depth]``."""
    words = [literal(digits, bits.shape[-1]) for digits in word_digits(bits)]
    return f"{_INDENT}{_wrapped(words, _INDENT)}"


def number_rom(numbers: NDArray[np.int64], width: int) -> str:
    """Print numbers (lanes, ...) as nested initializers of words of ``width`` bits."""
    n_digits = max(1, -(-width // 4))
    rows = [f"{_INDENT}{{ {_nested(lane, n_digits, width)} }}" for lane in numbers]
    return ",\n".join(rows)


def _nested(numbers: NDArray[np.int64], n_digits: int, width: int) -> str:
    """Print the words of one lane, with inner braces for every axis but the first."""
    if numbers.ndim == 1:
        words = [literal(f"{int(number):0{n_digits}x}", width) for number in numbers]
    else:
        words = [f"{{ {_nested(inner, n_digits, width)} }}" for inner in numbers]
    return _wrapped(words, _INDENT + "  ")


def number_bits(numbers: NDArray[np.int64], width: int) -> Bits:
    """Split unsigned numbers (...) into bits uint8 (..., width), least significant first."""
    return ((numbers[..., np.newaxis] >> np.arange(width)) & 1).astype(np.uint8)


def constants(numbers: Sequence[int]) -> str:
    """Print a short list of decimal constants."""
    return ", ".join(f"{number}u" for number in numbers)
