"""Constant tables as C++ text: packed hexadecimal words, wrapped to a readable width."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.planes import Bits

LINE_WIDTH = 110
"""Columns of a line of generated text."""

PART_BYTES = 8 << 20
"""Most text of a table that stands in its layer's header; a longer one is cut into files so long [byte]."""

_INDENT = "    "

_PART_DIGITS = 16
"""Digits of a 64-bit part of a wide word."""

_PER_LINE = 5
"""Parts of a wide word in a line."""

_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)

Chars = NDArray[np.uint8]
"""ASCII text in an array."""


def _digits(bits: Bits) -> Chars:
    """Print words (words, width) as hexadecimal digits (words, digits), the lowest bit in the last digit."""
    width = bits.shape[-1]
    n_digits = -(-width // 4)
    n_bytes = -(-width // 8)
    # Packed from the lowest bit on, so that no bit has to be moved; the bytes are turned around instead.
    octets = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    digits = np.empty((len(bits), 2 * n_bytes), dtype=np.uint8)
    digits[:, ::2], digits[:, 1::2] = _DIGITS[octets >> 4], _DIGITS[octets & 15]
    return digits[:, 2 * n_bytes - n_digits :]


def wide_macro(width: int) -> str:
    """Name the macro that makes a word of more than 64 bits of its parts, highest first."""
    return f"HBNN_WORD_{width}"


def _part_digits(width: int) -> list[int]:
    """Digits of the 64-bit parts of a word, highest first."""
    n_digits = -(-width // 4)
    top = n_digits % _PART_DIGITS or _PART_DIGITS
    return [top] + [_PART_DIGITS] * ((n_digits - top) // _PART_DIGITS)


def _macro(width: int) -> str:
    """Define the macro of a wide word: its parts in C simulation, a string of all digits in synthesis."""
    names = [f"p{index}" for index in reversed(range(len(_part_digits(width))))]
    parts = [f"0x##{name}##ULL" for name in reversed(names)]
    head = f"#define {wide_macro(width)}({_continued(names, ', ')})"
    digits = _continued([f"#{name}" for name in names], " ")
    native, synthesized = f"{{ {{ {_continued(parts, ', ')} }} }}", f'ap_uint<{width}>("0x" {digits}, 16)'
    return f"#if HBNN_NATIVE_WORDS\n{head} {native}\n#else\n{head} {synthesized}\n#endif\n"


def _continued(tokens: Sequence[str], between: str) -> str:
    """Join tokens of a macro, a few a line."""
    lines = [between.join(tokens[at : at + _PER_LINE]) for at in range(0, len(tokens), _PER_LINE)]
    return f"{between.rstrip()} \\\n{_INDENT}".join(lines)


def _with_macro(text: str, width: int) -> str:
    """Put the macro around a table that needs it, so that the table stands for itself."""
    return text if width <= 64 else f"{_macro(width)}{text}\n#undef {wide_macro(width)}"


def _template(width: int) -> tuple[str, list[slice]]:
    """Return the text of a word, with zeros for digits, and where the digits are."""
    if width <= 64:
        n_digits = -(-width // 4)
        return "0x" + "0" * n_digits + ("ULL" if width > 32 else ""), [slice(2, 2 + n_digits)]
    text, places = f"{wide_macro(width)}(", []
    for index, n_digits in enumerate(_part_digits(width)):
        # The first line has room for one part less, beside the macro's name.
        text += "" if index == 0 else ", " if (index + 1) % _PER_LINE else f",\n{_INDENT * 2}"
        places.append(slice(len(text), len(text) + n_digits))
        text += "0" * n_digits
    return text + ")", places


def _words(bits: Bits) -> Chars:
    """Print words (words, width) as C++ literals of the same length, (words, characters)."""
    text, places = _template(bits.shape[-1])
    words = np.empty((len(bits), len(text)), dtype=np.uint8)
    words[:] = np.frombuffer(text.encode(), dtype=np.uint8)
    digits, at = _digits(bits), 0
    for place in places:
        n_digits = place.stop - place.start
        words[:, place] = digits[:, at : at + n_digits]
        at += n_digits
    return words


def _joined(words: Chars, between: str) -> str:
    """Join the rows of an array (words, characters) by a text."""
    joined = np.empty((len(words), words.shape[1] + len(between)), dtype=np.uint8)
    joined[:, : words.shape[1]] = words
    joined[:, words.shape[1] :] = np.frombuffer(between.encode(), dtype=np.uint8)
    return joined.tobytes()[: -len(between)].decode("ascii")


def _wrapped(words: Chars, indent: str) -> str:
    """Join literals by commas into lines of at most :data:`LINE_WIDTH` columns."""
    length = words.shape[1]
    per_line = max(1, (LINE_WIDTH - len(indent)) // (length + 2))
    whole = len(words) // per_line * per_line
    lines = []
    if whole:
        parts = np.empty((whole, length + 2), dtype=np.uint8)
        parts[:, :length] = words[:whole]
        parts[:, length:] = np.frombuffer(b", ", dtype=np.uint8)
        lines.append(_joined(parts.reshape(whole // per_line, -1)[:, :-2], f",\n{indent}"))
    if whole < len(words):
        lines.append(_joined(words[whole:], ", "))
    return f",\n{indent}".join(lines)


def word_rom(bits: Bits) -> str:
    """Print words (lanes, depth, width) as the nested initializer of an array ``[lanes][depth]``."""
    lanes = (f"{_INDENT}{{ {_wrapped(_words(lane), _INDENT + '  ')} }}" for lane in bits)
    return _with_macro(",\n".join(lanes), bits.shape[-1])


def vector_rom(bits: Bits) -> str:
    """Print words (depth, width) as the initializer of an array ``[depth]``."""
    return _with_macro(f"{_INDENT}{_wrapped(_words(bits), _INDENT)}", bits.shape[-1])


def number_rom(numbers: NDArray[np.int64], width: int) -> str:
    """Print numbers (lanes, ...) as nested initializers of words of ``width`` bits, at most 64."""
    return ",\n".join(f"{_INDENT}{{ {_nested(lane, width)} }}" for lane in numbers)


def _nested(numbers: NDArray[np.int64], width: int) -> str:
    """Print the words of one lane, with inner braces for every axis but the first."""
    if numbers.ndim == 1:
        return _wrapped(_words(number_bits(numbers, width)), _INDENT + "  ")
    words = [f"{{ {_nested(inner, width)} }}" for inner in numbers]
    per_line = max(1, (LINE_WIDTH - len(_INDENT) - 2) // (len(words[0]) + 2))
    lines = [", ".join(words[at : at + per_line]) for at in range(0, len(words), per_line)]
    return f",\n{_INDENT}  ".join(lines)


def number_bits(numbers: NDArray[np.int64], width: int) -> Bits:
    """Split unsigned numbers (...) into bits uint8 (..., width), least significant first."""
    return ((numbers[..., np.newaxis] >> np.arange(width)) & 1).astype(np.uint8)


def constants(numbers: Sequence[int]) -> str:
    """Print a short list of decimal constants."""
    return ", ".join(f"{number}u" for number in numbers)


def in_parts(text: str, limit: int = PART_BYTES) -> list[str]:
    """Cut the lines of a long table into texts of at most ``limit`` characters.

    More than one text go to files of their own, which the header includes where the table stands.
    """
    parts, at = [], 0
    while len(text) - at > limit:
        stop = text.rindex("\n", at, at + limit) + 1
        parts.append(text[at:stop])
        at = stop
    return [*parts, text[at:]]


def part_files(table: str, parts: list[str]) -> dict[str, str]:
    """Return the files of a table, by name without the layer's; none where it stands in the header."""
    if len(parts) == 1:
        return {}
    return {f"{table}_{index}.inc": f"{part.rstrip()}\n" for index, part in enumerate(parts)}
