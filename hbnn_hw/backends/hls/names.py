"""C++ identifiers of layers: readable, unique, and legal in what the tools make of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Function and stream names travel into Verilog and VHDL, so the words of all three languages are taken.
_RESERVED_TEXT = """
alignas alignof and asm auto bitand bitor bool break case catch char class compl const constexpr continue
decltype default delete do double else enum explicit export extern false float for friend goto if inline int
long mutable namespace new noexcept not nullptr operator or private protected public register return short
signed sizeof static struct switch template this throw true try typedef typeid typename union unsigned using
virtual void volatile wchar_t while xor main std hls hbnn abs access after alias all always architecture array
assert assign attribute begin block body buf buffer bus cell component config configuration constant
disconnect downto edge elsif end endcase endfunction endmodule entity event exit file force fork function
generate generic group guarded impure in inertial initial inout input integer is join label library linkage
literal loop map mod module nand negedge nor null of on open others out output package parameter port posedge
postponed procedure process pure range real record reg reject rem repeat report rol ror select severity shared
signal sla sll specify sra srl subtype supply table task then time to transport tri type unaffected units
until use variable wait wand when wire with wor xnor
"""

_RESERVED = frozenset(_RESERVED_TEXT.split())

_PROJECT_NAMES = frozenset(
    {
        *("images", "s_axis_in", "m_axis_out", "to_output", "read_input", "write_output"),
        *("input_beat", "output_beat", "input_edge", "output_edge"),
    }
)


def identifier(name: str) -> str:
    """Make one name a legal identifier: other characters become ``_``, reserved words get a trailing ``_x``.

    Double underscores and a leading underscore belong to the C++ implementation and are avoided.
    """
    cleaned = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9]", "_", name)).strip("_") or "layer"
    if cleaned[0].isdigit():
        cleaned = f"n{cleaned}"
    return f"{cleaned}_x" if cleaned.lower() in _RESERVED else cleaned


_TABLES = ("thresholds", "multipliers", "offsets", "knees", "scales")
"""What constants of operators on single elements are called, behind the layer's name."""


def _derived(candidate: str) -> set[str]:
    """All names that a project makes from one identifier, in lower case."""
    suffixes = ("shape", "coefficients", "input_scales", "weights", "masks", "steps", "activation", *_TABLES)
    return {name.lower() for name in (candidate, f"to_{candidate}", *(f"{candidate}_{s}" for s in suffixes))}


def identifiers(names: Iterable[str]) -> list[str]:
    """Return an identifier per name, in order; all differ even without regard to case, as in VHDL."""
    taken: set[str] = set(_PROJECT_NAMES)
    found: list[str] = []
    for name in names:
        base = candidate = identifier(name)
        count = 2
        while _derived(candidate) & taken:
            candidate, count = f"{base}_{count}", count + 1
        taken |= _derived(candidate)
        found.append(candidate)
    return found
