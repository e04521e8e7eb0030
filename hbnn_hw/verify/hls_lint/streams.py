"""What a function does with its stream parameters, derived from its body and from those of its callees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from clang.cindex import Cursor, CursorKind

from hbnn_hw.verify.hls_lint.ast import Function, Node, Unit
from hbnn_hw.verify.hls_lint.types import is_reference, is_stream


class Use(Enum):
    """What is done with a stream."""

    READ = "read"
    WRITE = "write"


_METHODS = {
    "read": Use.READ,
    "read_nb": Use.READ,
    "empty": Use.READ,
    "operator>>": Use.READ,
    "write": Use.WRITE,
    "write_nb": Use.WRITE,
    "full": Use.WRITE,
    "operator<<": Use.WRITE,
}

_WRAPPERS = frozenset({CursorKind.UNEXPOSED_EXPR, CursorKind.PAREN_EXPR, CursorKind.UNARY_OPERATOR})


@dataclass(frozen=True, slots=True)
class StreamRef:
    """A stream that an expression names.

    Attributes
    ----------
    variable
        Its declaration.
    index
        Which element of an array of streams; None for all of them, or for a single stream.
    """

    variable: Cursor
    index: int | None = None


def _constant(node: Node) -> int | None:
    literals = [n for n in node.walk() if not n.children]
    if len(literals) == 1 and literals[0].kind is CursorKind.INTEGER_LITERAL:
        tokens = [token.spelling for token in literals[0].cursor.get_tokens()]
        return int(tokens[0].rstrip("uUlL"), 0) if tokens else None
    return None


def stream_of(expression: Node) -> StreamRef | None:
    """Return the stream that an expression names, None if it names none."""
    while expression.kind in _WRAPPERS and len(expression.children) == 1:
        expression = expression.children[0]
    if expression.kind is CursorKind.ARRAY_SUBSCRIPT_EXPR:
        array, index = expression.children
        inner = stream_of(array)
        return StreamRef(inner.variable, _constant(index)) if inner is not None else None
    target = expression.cursor.referenced
    if target is None or target.kind not in (CursorKind.VAR_DECL, CursorKind.PARM_DECL):
        return None
    return StreamRef(target) if is_stream(target.type) or _points_to_stream(target) else None


def _points_to_stream(variable: Cursor) -> bool:
    pointee = variable.type.get_canonical().get_pointee()
    return is_stream(pointee)


def alias_target(function: Function, variable: Cursor) -> Cursor:
    """Follow a local reference to the stream that it stands for."""
    for node in function.nodes:
        if node.kind is CursorKind.VAR_DECL and node.cursor == variable and is_reference(variable.type):
            named = [stream_of(child) for child in node.children]
            found = [ref.variable for ref in named if ref is not None]
            return alias_target(function, found[0]) if found else variable
    return variable


def arguments(call: Node) -> list[Node]:
    """Return the argument expressions of a call, in order."""
    wanted = list(call.cursor.get_arguments())
    # libclang lists a call's callee first; the arguments are the last children.
    return call.children[len(call.children) - len(wanted) :] if wanted else []


def _method_use(call: Node) -> tuple[StreamRef, Use] | None:
    """Return the stream and what a call of one of its methods does, None for any other call."""
    use = _METHODS.get(call.cursor.spelling)
    if use is None or not call.children:
        return None
    callee = call.children[0]
    if call.cursor.spelling.startswith("operator"):
        # stream >> word: the stream is the first of what the operator joins.
        ref = next((r for r in map(stream_of, call.children) if r is not None), None)
    elif callee.kind is CursorKind.MEMBER_REF_EXPR and callee.children:
        ref = stream_of(callee.children[0])
    else:
        ref = None
    return (ref, use) if ref is not None else None


def _by_name(name: str) -> set[Use]:
    """What the library's naming convention promises of a function without a body."""
    if name.startswith("source"):
        return {Use.READ}
    return {Use.WRITE} if name.startswith("sink") else set()


@dataclass(frozen=True, eq=False)
class StreamUses:
    """Uses of stream parameters, remembered by function and parameter."""

    unit: Unit
    _known: dict[tuple[str, int], frozenset[Use]] = field(default_factory=dict)

    def of_parameter(self, function: Function, index: int) -> frozenset[Use]:
        """What a function does with one of its parameters."""
        key = (function.key, index)
        if key not in self._known:
            self._known[key] = frozenset()  # ends a recursion, which another rule reports
            parameter = function.parameters[index]
            found = (use for ref, use in self.in_function(function) if ref.variable == parameter)
            self._known[key] = frozenset(found)
        return self._known[key]

    def in_function(self, function: Function) -> Iterator[tuple[StreamRef, Use]]:
        """Everything that a function does with streams."""
        for node in function.nodes:
            if node.kind is CursorKind.CALL_EXPR:
                for ref, use in self.of_call(node):
                    yield StreamRef(alias_target(function, ref.variable), ref.index), use

    def of_call(self, call: Node) -> Iterator[tuple[StreamRef, Use]]:
        """What one call does with the streams that it names."""
        direct = _method_use(call)
        if direct is not None:
            yield direct
            return
        callee = self.unit.callee(call)
        for index, argument in enumerate(arguments(call)):
            ref = stream_of(argument)
            if ref is None:
                continue
            uses = self.of_parameter(callee, index) if callee is not None else self._declared(call, index)
            yield from ((ref, use) for use in sorted(uses, key=lambda use: use.value))

    def _declared(self, call: Node, index: int) -> set[Use]:
        target = call.cursor.referenced
        if target is None or self.unit.source_of(target) is None:
            return set()
        parameters = list(target.get_arguments())
        return _by_name(parameters[index].spelling) if index < len(parameters) else set()
