"""Dataflow regions: processes that run at once, joined by streams with one writer and one reader each.

Source: UG1399, "Limitations of Control-Driven Task-Level Parallelism" and "Canonical Forms".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clang.cindex import Cursor, CursorKind, TypeKind

from hbnn_hw.verify.hls_lint.ast import LOOPS, Node, Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.placement import PlacedPragma
from hbnn_hw.verify.hls_lint.streams import StreamRef, StreamUses, Use, alias_target
from hbnn_hw.verify.hls_lint.types import dimensions, element, is_constant, is_reference, is_stream

_CONDITIONAL = LOOPS | {
    CursorKind.IF_STMT,
    CursorKind.SWITCH_STMT,
    CursorKind.CONDITIONAL_OPERATOR,
    CursorKind.COMPOUND_STMT,
}

_RULES = {Use.WRITE: Rule.STREAM_WRITERS, Use.READ: Rule.STREAM_READERS}
_ROLES = {Use.WRITE: "writer", Use.READ: "reader"}


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """One call in a dataflow region.

    Attributes
    ----------
    name
        The called function.
    call
        Where it is called.
    uses
        The streams that it reads and writes.
    """

    name: str
    call: Node
    uses: tuple[tuple[StreamRef, Use], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """One block with the DATAFLOW pragma.

    Attributes
    ----------
    placed
        Its pragma.
    processes
        Its calls, in order.
    streams
        The streams that it declares.
    """

    placed: PlacedPragma
    processes: tuple[Process, ...]
    streams: tuple[Cursor, ...]


def _without_cleanup(node: Node) -> Node:
    while node.kind is CursorKind.UNEXPOSED_EXPR and len(node.children) == 1:
        node = node.children[0]
    return node


def _read_region(unit: Unit, uses: StreamUses, placed: PlacedPragma) -> Region:
    processes, streams = [], []
    for statement in placed.block.children:
        # A conditional call is a fault of its own; its streams still have their ends.
        for call in _process_calls(unit, statement):
            found = dict.fromkeys(
                (StreamRef(alias_target(placed.function, ref.variable), ref.index), use)
                for ref, use in uses.of_call(call)
            )
            processes.append(Process(call.cursor.spelling, call, tuple(found)))
        streams += [
            child.cursor
            for child in statement.children
            if child.kind is CursorKind.VAR_DECL
            and is_stream(child.cursor.type)
            and not is_reference(child.cursor.type)
        ]
    return Region(placed, tuple(processes), tuple(streams))


def _target(call: Node) -> Cursor:
    return call.cursor.referenced or call.cursor


def _is_declaration(statement: Node) -> bool:
    """Whether a statement declares streams or constants only."""
    variables = [child.cursor for child in statement.children if child.kind is CursorKind.VAR_DECL]
    return all(is_stream(v.type) or is_constant(v.type) for v in variables)


def _process_calls(unit: Unit, statement: Node) -> list[Node]:
    """Calls of the project's functions in a statement."""
    calls = [node for node in statement.walk() if node.kind is CursorKind.CALL_EXPR]
    return [call for call in calls if unit.source_of(_target(call)) is not None]


def _is_nothing(statement: Node) -> bool:
    """Whether a statement does nothing, as an unused macro does."""
    if statement.kind is CursorKind.NULL_STMT:
        return True
    return bool(statement.cursor.type.kind is TypeKind.VOID) and not any(
        node.kind in (CursorKind.CALL_EXPR, CursorKind.DECL_REF_EXPR) for node in statement.walk()
    )


def _check_statement(unit: Unit, region: Region, statement: Node, *, last: bool) -> Iterator[Finding]:
    function = region.placed.function
    returns = [node for node in statement.walk() if node.kind is CursorKind.RETURN_STMT]
    if returns and not (last and statement.kind is CursorKind.RETURN_STMT):
        what = "a dataflow region must be left at its end only, not by an early return"
        yield function.finding(returns[0], Rule.DATAFLOW_RETURN, what, "decide inside a process")
        return
    statement = _without_cleanup(statement)
    if statement.kind in _CONDITIONAL and _process_calls(unit, statement):
        what = "every process of a dataflow region must be called once, without a condition or a loop"
        yield function.finding(statement, Rule.DATAFLOW_CONDITION, what, "decide inside the process")
        return
    is_call = statement.kind is CursorKind.CALL_EXPR and unit.source_of(_target(statement)) is not None
    declares = statement.kind is CursorKind.DECL_STMT and _is_declaration(statement)
    if not (is_call or declares or returns or _is_nothing(statement)):
        what = "a dataflow region must hold declarations of streams and calls of processes, nothing else"
        yield function.finding(statement, Rule.DATAFLOW_STATEMENT, what, "move this into a process")
    elif is_call and statement.cursor.type.kind is not TypeKind.VOID:
        what = f"the process '{statement.cursor.spelling}' must return nothing"
        yield function.finding(statement, Rule.DATAFLOW_STATEMENT, what, "pass its result by a stream")


def _users(region: Region, ref: StreamRef, use: Use) -> list[Process]:
    return [
        process
        for process in region.processes
        if any(
            u is use and r.variable == ref.variable and (ref.index is None or r.index in (ref.index, None))
            for r, u in process.uses
        )
    ]


def _references(stream: Cursor) -> Sequence[StreamRef]:
    """One reference per stream: an array of streams has as many as elements."""
    extents = dimensions(stream.type)
    if extents and len(extents) == 1:
        return [StreamRef(stream, index) for index in range(extents[0])]
    return [StreamRef(stream)]


def _name(ref: StreamRef) -> str:
    return f"{ref.variable.spelling}" + ("" if ref.index is None else f"[{ref.index}]")


def _check_ends(region: Region, ref: StreamRef) -> Iterator[Finding]:
    """Check that a stream joins one writer to one later reader."""
    function = region.placed.function
    users = {use: _users(region, ref, use) for use in Use}
    for use, found in users.items():
        if len(found) != 1:
            names = ", ".join(process.name for process in found) or "none"
            what = f"the stream '{_name(ref)}' must have exactly one {_ROLES[use]}, not {len(found)}: {names}"
            # A surplus user is at fault itself, a missing one is missed at the declaration.
            place = found[1].call if len(found) > 1 else ref.variable
            yield function.finding(
                place, _RULES[use], what, "join each pair of processes by a stream of its own"
            )
    if len(users[Use.READ]) == len(users[Use.WRITE]) == 1:
        reader, writer = users[Use.READ][0], users[Use.WRITE][0]
        order = region.processes.index
        if order(reader) <= order(writer):
            what = f"the stream '{_name(ref)}' must flow forward, not from '{writer.name}' to '{reader.name}'"
            remedy = "call processes in the order of the data; keep loops inside a process"
            yield function.finding(reader.call, Rule.STREAM_FEEDBACK, what, remedy)


def _check_outer(region: Region, parameter: Cursor) -> Iterator[Finding]:
    """Check that a stream parameter is used by one process in one direction."""
    users = [(process, use) for use in Use for process in _users(region, StreamRef(parameter), use)]
    if len(users) == 1 or _has_elements(parameter):
        return
    names = ", ".join(f"{process.name} ({use.value})" for process, use in users) or "none"
    what = f"the stream '{parameter.spelling}' must be used by exactly one process, not {len(users)}: {names}"
    writes = sum(use is Use.WRITE for _, use in users)
    rule = Rule.STREAM_WRITERS if writes > 1 else Rule.STREAM_READERS
    place = users[1][0].call if len(users) > 1 else parameter
    yield region.placed.function.finding(place, rule, what, "add a process that copies or joins")


def _has_elements(parameter: Cursor) -> bool:
    """Whether a parameter is an array of streams, whose elements may go to several processes."""
    return bool(dimensions(parameter.type)) or element(parameter.type).kind is TypeKind.POINTER


def _check_depths(region: Region, pragmas: Sequence[PlacedPragma]) -> Iterator[Finding]:
    deep = {
        placed.pragma.get("variable")
        for placed in pragmas
        if placed.pragma.directive.name == "STREAM" and placed.pragma.get("depth") is not None
    }
    for stream in region.streams:
        if stream.spelling not in deep:
            what = f"the stream '{stream.spelling}' must have a depth, not the tool's default"
            remedy = f"add '#pragma HLS STREAM variable={stream.spelling} depth=..' behind its declaration"
            yield region.placed.function.finding(stream, Rule.STREAM_DEPTH, what, remedy)


def check_dataflow(unit: Unit, uses: StreamUses, pragmas: list[PlacedPragma]) -> Iterator[Finding]:
    """Check every dataflow region of one function or instance, whose pragmas are given."""
    for placed in (p for p in pragmas if p.pragma.directive.name == "DATAFLOW"):
        region = _read_region(unit, uses, placed)
        statements = placed.block.children
        for statement in statements:
            yield from _check_statement(unit, region, statement, last=statement is statements[-1])
        for stream in region.streams:
            for ref in _references(stream):
                yield from _check_ends(region, ref)
        for parameter in placed.function.parameters:
            if is_stream(parameter.type):
                yield from _check_outer(region, parameter)
        yield from _check_depths(region, pragmas)
