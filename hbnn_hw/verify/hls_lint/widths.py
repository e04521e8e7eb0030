"""Widths of arbitrary-precision integers against the limit that the sources set for themselves."""

from __future__ import annotations

from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind

from hbnn_hw.backends.hls.limits import WORD_LIMIT_BITS
from hbnn_hw.verify.hls_lint.ast import RECORDS, Function, Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.sources import Source
from hbnn_hw.verify.hls_lint.types import word_bits

_TYPED = frozenset({CursorKind.VAR_DECL, CursorKind.PARM_DECL, CursorKind.FIELD_DECL, CursorKind.CALL_EXPR})


def _check(limit: int, source: Source, cursor: Cursor) -> Iterator[Finding]:
    widest = max(word_bits(cursor.type), default=0)
    if widest > limit:
        what = f"a word must be at most {limit} bits wide, not {widest}"
        if widest <= WORD_LIMIT_BITS:
            remedy = f"define AP_INT_MAX_W as {WORD_LIMIT_BITS} before the first vendor header"
        else:
            remedy = "choose a smaller PE or SIMD"
        yield Finding(source.name, cursor.extent.start.line, Rule.WORD_WIDTH, what, remedy)


def check_widths(unit: Unit) -> Iterator[Finding]:
    """Check declarations and results of calls, in instances where templates are used."""
    limit = min(unit.word_limit or WORD_LIMIT_BITS, WORD_LIMIT_BITS)
    for source, cursor, dependent in unit.declarations:
        if not dependent and cursor.kind in _TYPED:
            yield from _check(limit, source, cursor)
    for function in unit.concrete.values():
        yield from _check_function(limit, function)


def _check_function(limit: int, function: Function) -> Iterator[Finding]:
    record = function.cursor.semantic_parent
    fields = record.type.get_fields() if record is not None and record.kind in RECORDS else ()
    for cursor in (*function.parameters, *fields):
        yield from _check(limit, function.source, cursor)
    for node in function.nodes:
        if node.kind in _TYPED:
            yield from _check(limit, function.source, node.cursor)
