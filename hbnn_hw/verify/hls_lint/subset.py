"""The synthesizable subset of C++: what the HLS tools refuse or cannot turn into hardware.

Source: UG902 and UG1399, "Unsupported C/C++ Constructs".
"""

from __future__ import annotations

from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind, Type, TypeKind, conf

from hbnn_hw.verify.hls_lint.ast import FUNCTIONS, RECORDS, Function, Node, Unit
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.sources import Source
from hbnn_hw.verify.hls_lint.types import FLOATS, dimensions, element, is_reference, is_stream, std_class

Fault = tuple[Rule, str, str]
"""Rule, what is wrong, remedy."""

_CONSTRUCTS: dict[CursorKind, Fault] = {
    CursorKind.CXX_NEW_EXPR: (
        Rule.DYNAMIC_MEMORY,
        "memory must have a size fixed at compile time, not come from 'new'",
        "declare an array",
    ),
    CursorKind.CXX_DELETE_EXPR: (
        Rule.DYNAMIC_MEMORY,
        "memory must have a size fixed at compile time, not be freed by 'delete'",
        "declare an array",
    ),
    CursorKind.CXX_THROW_EXPR: (Rule.EXCEPTION, "hardware must not throw", "return a status"),
    CursorKind.CXX_TRY_STMT: (Rule.EXCEPTION, "hardware must not catch", "return a status"),
    CursorKind.GOTO_STMT: (Rule.GOTO, "control flow must be structured, not 'goto'", "write a loop or an if"),
    CursorKind.INDIRECT_GOTO_STMT: (Rule.GOTO, "control flow must be structured, not 'goto'", "write a loop"),
    CursorKind.CXX_DYNAMIC_CAST_EXPR: (
        Rule.VIRTUAL,
        "types must be known at compile time, not found by 'dynamic_cast'",
        "use a template",
    ),
    CursorKind.CXX_TYPEID_EXPR: (
        Rule.VIRTUAL,
        "types must be known at compile time, not found by 'typeid'",
        "use a template",
    ),
    CursorKind.FLOATING_LITERAL: (
        Rule.FLOATING_POINT,
        "numbers must be integers, not floating point",
        "fold the factor into integer thresholds",
    ),
}

_TYPED = frozenset(
    {CursorKind.VAR_DECL, CursorKind.PARM_DECL, CursorKind.FIELD_DECL, CursorKind.TYPEDEF_DECL}
)

_CASTS = frozenset(
    {
        CursorKind.CSTYLE_CAST_EXPR,
        CursorKind.CXX_FUNCTIONAL_CAST_EXPR,
        CursorKind.CXX_STATIC_CAST_EXPR,
        CursorKind.CXX_REINTERPRET_CAST_EXPR,
    }
)

STD_CLASSES = frozenset({"array", "pair", "complex", "initializer_list", "integral_constant"})
"""Classes of the standard library with a fixed size, which the tools accept in practice."""

_MEMORY_FUNCTIONS = frozenset(
    {"malloc", "calloc", "realloc", "free", "alloca", "__builtin_alloca", "aligned_alloc"}
)

HOST_FUNCTIONS = frozenset(
    {"memcpy", "memset", "abs", "min", "max", "swap", "move", "forward", "__assert_fail"}
)
"""Functions of the host's headers that the tools know; an assertion is dropped in synthesis."""

_VENDOR_OUTPUT = frozenset({"to_string", "print"})


def _type_faults(kind: Type) -> Iterator[Fault]:
    inner = element(kind)
    if inner.kind in FLOATS:
        what = f"numbers must be integers, not '{inner.spelling}'"
        yield Rule.FLOATING_POINT, what, "fold the factor into integer thresholds"
    if inner.kind is TypeKind.MEMBERPOINTER:
        yield Rule.FUNCTION_POINTER, "calls must be direct, not through a member pointer", "use a template"
    if inner.kind is TypeKind.POINTER:
        behind = element(inner.get_pointee())
        if behind.kind is TypeKind.POINTER:
            what = f"a pointer must point to data, not to a pointer, as '{inner.spelling}' does"
            yield Rule.POINTER_TO_POINTER, what, "pass arrays by reference"
        elif behind.kind in (TypeKind.FUNCTIONPROTO, TypeKind.FUNCTIONNOPROTO):
            yield Rule.FUNCTION_POINTER, "calls must be direct, not through a pointer", "use a template"
    name = std_class(kind)
    if name is not None and name not in STD_CLASSES:
        what = f"storage must have a size fixed at compile time, not be a std::{name}"
        yield Rule.STD_CLASS, what, "use an array"


def _declaration_faults(cursor: Cursor) -> Iterator[Fault]:
    """Faults of one declaration, without what is inside."""
    if cursor.kind in _TYPED:
        yield from _type_faults(
            cursor.underlying_typedef_type if cursor.kind is CursorKind.TYPEDEF_DECL else cursor.type
        )
    if cursor.kind in FUNCTIONS:
        yield from _type_faults(cursor.result_type)
    if cursor.kind in (CursorKind.CXX_METHOD, CursorKind.DESTRUCTOR) and cursor.is_virtual_method():
        yield Rule.VIRTUAL, f"'{cursor.spelling}' must not be virtual", "choose the method by a template"
    if cursor.kind is CursorKind.CXX_BASE_SPECIFIER and conf.lib.clang_isVirtualBase(cursor):
        yield Rule.VIRTUAL, f"the base '{cursor.spelling}' must not be virtual", "inherit directly"
    yield from _stream_faults(cursor)


def _stream_faults(cursor: Cursor) -> Iterator[Fault]:
    if cursor.kind not in _TYPED or not is_stream(cursor.type) or is_reference(cursor.type):
        return
    if cursor.kind is CursorKind.PARM_DECL and not dimensions(cursor.type):
        what = f"the stream '{cursor.spelling}' must be passed by reference, not by value"
        yield Rule.STREAM_STORAGE, what, "add '&'"
    elif cursor.kind is CursorKind.VAR_DECL:
        outside = cursor.semantic_parent is not None and cursor.semantic_parent.kind not in FUNCTIONS
        if outside or cursor.storage_class.name == "STATIC":
            what = f"the stream '{cursor.spelling}' must be local to its dataflow function, not static"
            yield Rule.STREAM_STORAGE, what, "declare it in the function that joins its two processes"


def _base_faults(cursor: Cursor) -> Iterator[tuple[Cursor, Fault]]:
    if cursor.kind in RECORDS:
        for child in cursor.get_children():
            if child.kind is CursorKind.CXX_BASE_SPECIFIER:
                yield from ((child, fault) for fault in _declaration_faults(child))


def check_declarations(unit: Unit) -> Iterator[Finding]:
    """Check every declaration outside function bodies."""
    for source, cursor, _ in unit.declarations:
        parameters = [c for c in cursor.get_children() if c.kind is CursorKind.PARM_DECL]
        for item in (cursor, *parameters):
            for fault in _declaration_faults(item):
                yield Finding(source.name, item.extent.start.line, *fault)
        for item, fault in _base_faults(cursor):
            yield Finding(source.name, item.extent.start.line, *fault)
        if cursor.kind is CursorKind.VAR_DECL:
            yield from _check_initializer(source, cursor)


def _check_initializer(source: Source, cursor: Cursor) -> Iterator[Finding]:
    for child in cursor.walk_preorder():
        if child.kind in _CONSTRUCTS:
            yield Finding(source.name, child.extent.start.line, *_CONSTRUCTS[child.kind])


def _call_faults(unit: Unit, node: Node) -> Iterator[Fault]:
    target = node.cursor.referenced
    if target is None or target.kind not in FUNCTIONS:
        # The arguments depend on a template's parameters: the callee is a set of overloads by name.
        names = {n.cursor.spelling for callee in node.children[:1] for n in callee.walk()}
        yield from (_memory_fault(name) for name in sorted(names & _MEMORY_FUNCTIONS))
        return
    name: str = target.spelling
    if name in _MEMORY_FUNCTIONS:
        yield _memory_fault(name)
    elif _is_host_function(unit, target):
        what = f"a call must go to synthesized code, not to '{name}' of the host"
        yield Rule.HOST_CALL, what, "put it between '#ifndef __SYNTHESIS__' and '#endif'"
    elif unit.is_vendor(target) and name in _VENDOR_OUTPUT:
        yield Rule.HOST_CALL, f"'{name}' is for simulation only", "put it inside '#ifndef __SYNTHESIS__'"
    elif unit.source_of(target) is not None and _lacks_body(target):
        what = f"'{name}' must have a body in the sources of the project"
        yield Rule.UNDEFINED_FUNCTION, what, "define it in a header"


def _is_host_function(unit: Unit, target: Cursor) -> bool:
    """Whether a call leaves for the host; its classes and objects are reported where they are named."""
    name: str = target.spelling
    if target.kind in (CursorKind.CONSTRUCTOR, CursorKind.DESTRUCTOR, CursorKind.CONVERSION_FUNCTION):
        return False
    if name in HOST_FUNCTIONS or name.startswith(("operator", "__builtin_")):
        return False
    return unit.is_host(target)


def _lacks_body(target: Cursor) -> bool:
    if target.is_default_method() or target.kind in (CursorKind.CONSTRUCTOR, CursorKind.DESTRUCTOR):
        return False
    # Assignment is implicit where it is not written; builtins are declared where they are first used.
    if target.spelling == "operator=" or target.spelling.startswith("__builtin_"):
        return False
    return target.get_definition() is None


def _memory_fault(name: str) -> Fault:
    what = f"memory must have a size fixed at compile time, not come from '{name}'"
    return Rule.DYNAMIC_MEMORY, what, "declare an array"


def _host_object(unit: Unit, node: Node) -> Iterator[Fault]:
    target = node.cursor.referenced
    if target is not None and target.kind is CursorKind.VAR_DECL and unit.is_host(target):
        what = f"synthesized code must not use '{target.spelling}' of the host"
        yield Rule.HOST_CALL, what, "put it between '#ifndef __SYNTHESIS__' and '#endif'"


def _node_faults(unit: Unit, node: Node) -> Iterator[Fault]:
    kind = node.kind
    if kind in _CONSTRUCTS:
        yield _CONSTRUCTS[kind]
    elif kind in _TYPED:
        yield from _declaration_faults(node.cursor)
    elif kind in _CASTS:
        yield from _type_faults(node.cursor.type)
    elif kind is CursorKind.CALL_EXPR:
        yield from _call_faults(unit, node)
    elif kind is CursorKind.DECL_REF_EXPR:
        yield from _host_object(unit, node)


def check_function(unit: Unit, function: Function) -> Iterator[Finding]:
    """Check one function or instance: its signature and its body."""
    for cursor in (function.cursor, *function.parameters):
        for fault in _declaration_faults(cursor):
            yield function.finding(cursor, *fault)
    for root in (*function.initializers, function.body):
        for node in root.walk():
            for fault in _node_faults(unit, node):
                yield function.finding(node, *fault)
