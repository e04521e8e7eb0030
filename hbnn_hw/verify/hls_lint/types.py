"""Questions to libclang's types: array sizes, members, streams, widths."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang.cindex import Cursor, Type, TypeKind

_ARRAYS = frozenset(
    {TypeKind.CONSTANTARRAY, TypeKind.INCOMPLETEARRAY, TypeKind.VARIABLEARRAY, TypeKind.DEPENDENTSIZEDARRAY}
)
_REFERENCES = frozenset({TypeKind.LVALUEREFERENCE, TypeKind.RVALUEREFERENCE})

FLOATS = frozenset({TypeKind.FLOAT, TypeKind.DOUBLE, TypeKind.LONGDOUBLE, TypeKind.HALF, TypeKind.FLOAT128})

_STREAM = re.compile(r"(?:const )?(?:class |struct )?hls::stream<")
_WORD = re.compile(r"\bap_u?int(?:_base)?<(\d+)")
_STD = re.compile(r"(?:const )?(?:class |struct )?std::(?:__\w+::)?(\w+)")


def is_reference(kind: Type) -> bool:
    """Whether a type is a reference."""
    return kind.get_canonical().kind in _REFERENCES


def referred(kind: Type) -> Type:
    """Return the canonical type, behind the reference if it is one."""
    kind = kind.get_canonical()
    return kind.get_pointee().get_canonical() if kind.kind in _REFERENCES else kind


def dimensions(kind: Type) -> tuple[int, ...] | None:
    """Return the extents of an array, () for what is none, None if an extent is not a known constant."""
    kind, extents = referred(kind), []
    while kind.kind in _ARRAYS:
        if kind.kind is not TypeKind.CONSTANTARRAY:
            return None
        extents.append(int(kind.element_count))
        kind = kind.element_type.get_canonical()
    return tuple(extents)


def element(kind: Type) -> Type:
    """Return the type of an array's elements, or the type itself, without reference."""
    kind = referred(kind)
    while kind.kind in _ARRAYS:
        kind = kind.element_type.get_canonical()
    return kind


def spelling(kind: Type) -> str:
    """Return the canonical spelling of a type."""
    text: str = kind.get_canonical().spelling
    return text


def is_constant(kind: Type) -> bool:
    """Whether a value, or an array's elements, cannot be written."""
    # An array's element type has lost its qualifier in libclang; its spelling has not.
    return bool(kind.is_const_qualified()) or spelling(kind).startswith("const ")


def is_stream(kind: Type) -> bool:
    """Whether a type is an hls::stream, a reference to one, or an array of them."""
    return _STREAM.match(spelling(element(kind))) is not None


def beat_type(kind: Type) -> Type:
    """Return the canonical type of a stream's beats."""
    return element(kind).get_template_argument_type(0).get_canonical()


def members(kind: Type) -> dict[str, Cursor]:
    """Return the data members of a class by name."""
    return {member.spelling: member for member in element(kind).get_fields()}


def word_bits(kind: Type) -> Iterator[int]:
    """Find the widths of all arbitrary-precision integers in a type."""
    for match in _WORD.finditer(spelling(kind)):
        yield int(match[1])


def std_class(kind: Type) -> str | None:
    """Return the name of a standard library class, None for any other type."""
    match = _STD.match(spelling(element(kind)))
    return match[1] if match else None


def is_dependent(kind: Type) -> bool:
    """Whether a type is not known before its template is instantiated."""
    kind = element(kind)
    return kind.kind in (TypeKind.UNEXPOSED, TypeKind.DEPENDENT, TypeKind.INVALID)
