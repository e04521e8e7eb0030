"""Where pragmas stand: in which function and block, and which names they can mean there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from clang.cindex import Cursor, CursorKind

from hbnn_hw.verify.hls_lint.ast import LOOPS, RECORDS, Function, Node, Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.grammar import Place, Value
from hbnn_hw.verify.hls_lint.pragmas import Pragma
from hbnn_hw.verify.hls_lint.types import element, is_dependent, members

_DECLARED = frozenset({CursorKind.VAR_DECL, CursorKind.PARM_DECL})


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPragma:
    """A pragma in one function or instance.

    Attributes
    ----------
    pragma
        What it says.
    function
        The function around it.
    block
        The innermost block around it.
    """

    pragma: Pragma
    function: Function
    block: Node

    @property
    def loop(self) -> Node | None:
        """The loop whose body the block is, None for other blocks."""
        parent = self.block.parent
        return parent if parent is not None and parent.kind in LOOPS else None

    @property
    def at_start(self) -> bool:
        """Whether no statement of its block stands before it."""
        first = next(iter(self.block.children), None)
        return first is None or first.first_line > self.pragma.line


def place(function: Function, pragmas: Sequence[Pragma]) -> list[PlacedPragma]:
    """Find the block of every pragma that stands in a function."""
    body = function.body
    first, last = body.first_line, body.last_line
    inside = [p for p in pragmas if p.file == function.source.name and first <= p.line <= last]
    if not inside:
        return []
    blocks = [node for node in function.nodes if node.kind is CursorKind.COMPOUND_STMT] or [body]
    spans = [(block.first_line, block.last_line, block) for block in blocks]
    placed = []
    for pragma in inside:
        # In the order of the source the innermost block comes last.
        around = [block for low, high, block in spans if low <= pragma.line <= high]
        placed.append(PlacedPragma(pragma, function, around[-1]))
    return placed


def _wrong_place(placed: PlacedPragma) -> str | None:
    places = placed.pragma.directive.places
    outermost = placed.block is placed.function.body
    in_loop = placed.loop is not None
    if Place.BODY in places:
        return None
    if Place.LOOP in places and in_loop and placed.at_start:
        return None
    if Place.FUNCTION in places and outermost and placed.at_start:
        return None
    return " or ".join(place.value for place in Place if place in places)


def check_place(placed: PlacedPragma) -> Iterator[Finding]:
    """Check that a pragma stands where its directive has an effect."""
    expected = _wrong_place(placed)
    if expected is not None:
        what = f"{placed.pragma.directive.name} must stand {expected}"
        yield placed.pragma.finding(Rule.PRAGMA_POSITION, what, "move it there")


def outside_functions(
    pragmas: Sequence[Pragma], functions: Sequence[Function], inactive: Mapping[str, list[range]]
) -> Iterator[Finding]:
    """Find pragmas that stand in no function; those that synthesis does not see have no place at all."""
    spans = [(f.source.name, range(f.body.first_line, f.body.last_line + 1)) for f in functions]
    for pragma in pragmas:
        if any(name == pragma.file and pragma.line in span for name, span in spans):
            continue
        if not any(pragma.line in span for span in inactive.get(pragma.file, ())):
            what = f"{pragma.directive.name} must stand inside a function body, not outside"
            yield pragma.finding(Rule.PRAGMA_POSITION, what, "move it into the function")


@dataclass(frozen=True, slots=True)
class Named:
    """What a pragma's ``variable=`` means.

    Attributes
    ----------
    cursor
        The declaration; None if it depends on a template's parameters.
    """

    cursor: Cursor | None


def _visible(unit: Unit, placed: PlacedPragma, name: str) -> Cursor | None:
    """Find the declaration that a name means at a pragma."""
    line, around = placed.pragma.line, [placed.block, *placed.block.ancestors()]
    found = None
    for node in placed.function.nodes:
        if node.kind is not CursorKind.VAR_DECL or node.cursor.spelling != name or node.parent is None:
            continue
        # Declared before the pragma, in a block, or a loop header, around it.
        if node.first_line < line and _scope(node.parent) in around:
            found = node.cursor
    if found is not None:
        return found
    for parameter in placed.function.parameters:
        if parameter.spelling == name:
            return parameter
    parent = placed.function.cursor.semantic_parent
    if parent is not None and parent.kind in RECORDS:
        for child in parent.get_children():
            if child.spelling == name and child.kind in (CursorKind.FIELD_DECL, CursorKind.VAR_DECL):
                return child
    return unit.globals.get(name)


def _scope(node: Node) -> Node | None:
    """Return the block, or the loop, in which a declaration statement is visible."""
    return node.parent if node.kind is CursorKind.DECL_STMT else node


def resolve(unit: Unit, placed: PlacedPragma, path: str) -> Named | str:
    """Find the declaration of ``a`` or ``a.b.c``; return what is wrong with the path if there is none."""
    first, *rest = path.replace("->", ".").split(".")
    if first == "this" and rest:
        first, *rest = rest
    cursor = _visible(unit, placed, first)
    if cursor is None:
        return f"'{first}' must be declared before the pragma, in a scope around it"
    for name in rest:
        kind = element(cursor.type)
        if is_dependent(kind):
            return Named(None)
        member = members(kind).get(name)
        if member is None:
            if placed.function.dependent:
                return Named(None)
            return f"'{name}' must be a member of '{kind.spelling}'"
        cursor = member
    return Named(cursor)


def check_names(unit: Unit, placed: PlacedPragma) -> Iterator[Finding]:
    """Check that ``variable=`` and ``port=`` name something in scope."""
    for setting in placed.pragma.settings:
        if setting.option.value is Value.VARIABLE:
            named = resolve(unit, placed, setting.text)
            if isinstance(named, str):
                yield placed.pragma.finding(
                    Rule.PRAGMA_VARIABLE, named, "correct the name or move the pragma"
                )
        elif setting.option.value is Value.PORT:
            ports = ["return", *(p.spelling for p in placed.function.parameters)]
            if setting.text not in ports:
                what = f"the port must be one of {', '.join(ports)}, not '{setting.text}'"
                yield placed.pragma.finding(Rule.PRAGMA_VARIABLE, what, "correct the name")
