"""Loop rules: a bound that is a compile-time constant, or a trip count that the tool is told.

Source: UG1399, "Working with Variable Loop Bounds".
"""

from __future__ import annotations

from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind

from hbnn_hw.verify.hls_lint.ast import FUNCTIONS, LOOPS, Function, Node, Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.placement import PlacedPragma
from hbnn_hw.verify.hls_lint.types import dimensions

_LITERALS = frozenset({CursorKind.INTEGER_LITERAL, CursorKind.CXX_BOOL_LITERAL_EXPR})


def header_parts(text: str) -> list[str]:
    """Split the header of a for loop, which starts with ``for``, at its semicolons; empty parts are ''."""
    depth, parts = 0, [""]
    for character in text[text.index("(") :]:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        if depth == 0:
            break
        if character == ";" and depth == 1:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip(" \n\t(") for part in parts]


def _parts(function: Function, loop: Node) -> tuple[Node | None, Node | None]:
    """Initialization and condition of a for loop; libclang leaves out what is empty."""
    encoded = function.source.text.encode()
    text = encoded[loop.cursor.extent.start.offset : loop.cursor.extent.end.offset].decode(errors="replace")
    written = header_parts(text)
    nodes = iter(loop.children)
    found = [next(nodes) if part else None for part in written[:2]]
    return found[0], found[1]


def _induction_variables(start: Node | None) -> list[Cursor]:
    if start is None:
        return []
    declared = [n.cursor for n in start.walk() if n.kind is CursorKind.VAR_DECL]
    used = [n.cursor.referenced for n in start.walk() if n.kind is CursorKind.DECL_REF_EXPR]
    return declared or [target for target in used[:1] if target is not None]


def _is_local(variable: Cursor) -> bool:
    parent = variable.semantic_parent
    return parent is not None and parent.kind in FUNCTIONS


def _is_constant(variable: Cursor) -> bool:
    """Whether a variable has its value at compile time: const, from constants only."""
    if not variable.type.is_const_qualified():
        return False
    if not _is_local(variable):
        return True
    references = [c for c in variable.walk_preorder() if c.kind is CursorKind.DECL_REF_EXPR]
    calls = any(c.kind is CursorKind.CALL_EXPR for c in variable.walk_preorder())
    return not calls and all(_is_constant_reference(c.referenced) for c in references)


def _is_constant_reference(target: Cursor | None) -> bool:
    # A name that depends on a template's parameters can only be a constant of the parameter.
    if target is None or target.kind in FUNCTIONS or target.kind is CursorKind.OVERLOADED_DECL_REF:
        return True
    if target.kind in (CursorKind.ENUM_CONSTANT_DECL, CursorKind.TEMPLATE_NON_TYPE_PARAMETER):
        return True
    return target.kind is CursorKind.VAR_DECL and _is_constant(target)


def _is_own_function(unit: Unit, target: Cursor | None) -> bool:
    """Whether a call goes to a named function of the project; operators are looked at by their operands."""
    if target is None or unit.source_of(target) is None:
        return False
    return not target.spelling.startswith("operator")


def _variable_in(unit: Unit, condition: Node, induction: list[Cursor]) -> str | None:
    """Return the name of something variable in a condition, None if all is constant."""
    for node in condition.walk():
        target = node.cursor.referenced
        if node.kind is CursorKind.DECL_REF_EXPR:
            if target is not None and target not in induction and not _is_constant_reference(target):
                return str(target.spelling)
        elif node.kind is CursorKind.MEMBER_REF_EXPR:
            if target is not None and target.kind is CursorKind.FIELD_DECL:
                return str(target.spelling)
        elif node.kind is CursorKind.CALL_EXPR and _is_own_function(unit, target):
            return str(node.cursor.spelling)
    return None


def _check_for(unit: Unit, function: Function, loop: Node, *, counted: bool) -> Iterator[Finding]:
    start, condition = _parts(function, loop)
    if condition is None:
        yield function.finding(
            loop, Rule.LOOP_UNBOUNDED, "a loop must end, not run forever", "write a condition"
        )
        return
    variable = _variable_in(unit, condition, _induction_variables(start))
    if variable is not None and not counted:
        what = (
            f"the bound of a loop must be constant or have a LOOP_TRIPCOUNT, not be the variable '{variable}'"
        )
        remedy = "add '#pragma HLS LOOP_TRIPCOUNT min=.. max=..' at the start of its body"
        yield function.finding(loop, Rule.LOOP_BOUND, what, remedy)


def _runs_once(loop: Node) -> bool:
    """Whether a loop is the ``do { } while (0)`` of a macro."""
    if loop.kind is not CursorKind.DO_STMT or not loop.children:
        return False
    leaves = [node for node in loop.children[-1].walk() if not node.children]
    tokens = [token.spelling for token in loop.children[-1].cursor.get_tokens()]
    return all(leaf.kind in _LITERALS for leaf in leaves) and tokens[:1] in (["0"], ["false"])


def _check_range(function: Function, loop: Node) -> Iterator[Finding]:
    ranges = [n for n in loop.children if n.kind is not CursorKind.VAR_DECL][:-1]
    if not any(dimensions(node.cursor.type) for node in ranges):
        what = "a range of a loop must be an array of constant size"
        yield function.finding(loop, Rule.LOOP_BOUND, what, "count with an index")


def check_loops(unit: Unit, function: Function, pragmas: list[PlacedPragma]) -> Iterator[Finding]:
    """Check every loop of one function or instance, whose pragmas are given."""
    counted = {p.block for p in pragmas if p.pragma.directive.name == "LOOP_TRIPCOUNT"}
    for loop in (node for node in function.nodes if node.kind in LOOPS):
        has_count = any(child in counted for child in loop.children)
        if loop.kind is CursorKind.FOR_STMT:
            yield from _check_for(unit, function, loop, counted=has_count)
        elif loop.kind is CursorKind.CXX_FOR_RANGE_STMT:
            if not function.dependent:
                yield from _check_range(function, loop)
        elif not has_count and not _runs_once(loop):
            what = "a loop must have a bound that the tool sees, not only a condition"
            remedy = "write a 'for' loop, or add '#pragma HLS LOOP_TRIPCOUNT' if the condition ends it"
            yield function.finding(loop, Rule.LOOP_UNBOUNDED, what, remedy)
