"""libclang's view of the sources: parsed once, functions found, template instances followed.

Template bodies are seen twice: as written, where names that depend on parameters have no meaning yet, and as
instantiated from the top function, where every type and size is concrete.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from clang import cindex
from clang.cindex import Cursor, CursorKind

from hbnn_hw.errors import ToolFailedError, ToolMissingError
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.shims import WORD_LIMIT_NAME, clang_arguments
from hbnn_hw.verify.hls_lint.sources import HlsProject, Source

FUNCTIONS = frozenset(
    {
        CursorKind.FUNCTION_DECL,
        CursorKind.CXX_METHOD,
        CursorKind.CONSTRUCTOR,
        CursorKind.DESTRUCTOR,
        CursorKind.CONVERSION_FUNCTION,
        CursorKind.FUNCTION_TEMPLATE,
    }
)

RECORDS = frozenset(
    {
        CursorKind.STRUCT_DECL,
        CursorKind.CLASS_DECL,
        CursorKind.UNION_DECL,
        CursorKind.CLASS_TEMPLATE,
        CursorKind.CLASS_TEMPLATE_PARTIAL_SPECIALIZATION,
    }
)

_SPACES = frozenset({CursorKind.NAMESPACE, CursorKind.LINKAGE_SPEC, CursorKind.UNEXPOSED_DECL})

LOOPS = frozenset(
    {CursorKind.FOR_STMT, CursorKind.WHILE_STMT, CursorKind.DO_STMT, CursorKind.CXX_FOR_RANGE_STMT}
)

_TEMPLATES = frozenset({CursorKind.CLASS_TEMPLATE, CursorKind.CLASS_TEMPLATE_PARTIAL_SPECIALIZATION})


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One cursor of a function body, with the way back to its parents.

    Attributes
    ----------
    cursor, kind
        libclang's cursor.
    parent
        The node around it; None for the body itself.
    children
        What is inside, in order.
    """

    cursor: Cursor
    kind: CursorKind
    parent: Node | None
    children: list[Node] = field(default_factory=list)

    @property
    def first_line(self) -> int:
        """Line of its first character."""
        line: int = self.cursor.extent.start.line
        return line

    @property
    def last_line(self) -> int:
        """Line of its last character."""
        line: int = self.cursor.extent.end.line
        return line

    def walk(self) -> Iterator[Node]:
        """Go through this node and all below it, in the order of the source."""
        # A stack of our own: a sum of hundreds of terms is nested hundreds of times.
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))

    def ancestors(self) -> Iterator[Node]:
        """Go through the nodes around this one, from the inside out."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def _tree(cursor: Cursor) -> Node:
    root = Node(cursor, cursor.kind, None)
    stack = [root]
    while stack:
        node = stack.pop()
        node.children.extend(Node(child, child.kind, node) for child in node.cursor.get_children())
        stack.extend(node.children)
    return root


@dataclass(frozen=True, eq=False)
class Function:
    """One function with a body: as written, or one instance of a template.

    Attributes
    ----------
    cursor
        Its definition.
    source
        The file that holds it.
    dependent
        Whether it is a template as written, in which sizes are unknown.
    """

    cursor: Cursor
    source: Source
    dependent: bool

    @cached_property
    def key(self) -> str:
        """What tells it from every other function and instance."""
        return f"{self.cursor.get_usr()} {self.cursor.location.line}"

    @property
    def name(self) -> str:
        """Its name, without arguments."""
        name: str = self.cursor.spelling
        return name

    @property
    def line(self) -> int:
        """Line of its name."""
        line: int = self.cursor.location.line
        return line

    @cached_property
    def parameters(self) -> list[Cursor]:
        """Its parameters in order."""
        return [c for c in self.cursor.get_children() if c.kind is CursorKind.PARM_DECL]

    @cached_property
    def body(self) -> Node:
        """Its outermost block."""
        children = list(self.cursor.get_children())
        block = next(c for c in reversed(children) if c.kind in _BODIES)
        return _tree(block)

    @cached_property
    def nodes(self) -> list[Node]:
        """Everything in the body, in the order of the source."""
        return list(self.body.walk())

    @cached_property
    def initializers(self) -> list[Node]:
        """What a constructor initializes its members with."""
        kinds = (*_BODIES, CursorKind.PARM_DECL)
        return [_tree(c) for c in self.cursor.get_children() if c.kind not in kinds]

    def finding(self, node: Node | Cursor, rule: Rule, what: str, remedy: str) -> Finding:
        """Return a finding at a node of this function."""
        cursor = node.cursor if isinstance(node, Node) else node
        return Finding(self.source.name, cursor.extent.start.line, rule, what, remedy)


_BODIES = (CursorKind.COMPOUND_STMT, CursorKind.CXX_TRY_STMT)


class _Ranges(ctypes.Structure):
    _fields_ = (("count", ctypes.c_uint), ("ranges", ctypes.POINTER(cindex.SourceRange)))


def _index() -> Any:  # noqa: ANN401 - libclang's binding has no types
    try:
        return cindex.Index.create()
    except cindex.LibclangError as error:
        raise ToolMissingError(
            f"libclang does not load: {error}; type: pip install 'hbnn-hw[csim]'"
        ) from error


@dataclass(frozen=True, eq=False)
class Unit:
    """One parsed file with all that it includes."""

    project: HlsProject
    unit: Any
    vendor_folders: tuple[Path, ...]
    _found: dict[str, Source | None] = field(default_factory=dict)

    def source_of(self, cursor: Cursor) -> Source | None:
        """Return the project's file that holds a cursor, None for the tools' and the system's headers."""
        file = cursor.location.file
        if file is None:
            return None
        name: str = file.name
        if name not in self._found:
            self._found[name] = self.project.sources.get(os.path.realpath(name))
        return self._found[name]

    def is_vendor(self, cursor: Cursor) -> bool:
        """Whether a cursor is declared in the HLS headers or our stand-ins for them."""
        file = cursor.location.file
        return file is not None and str(file.name).startswith(tuple(map(str, self.vendor_folders)))

    def is_host(self, cursor: Cursor) -> bool:
        """Whether a cursor is declared in headers of the host: the C or C++ library, the system."""
        known = self.source_of(cursor) is not None or self.is_vendor(cursor)
        return cursor.location.file is not None and not known

    def errors(self) -> Iterator[Finding]:
        """Find what does not compile.

        Raises
        ------
        ToolFailedError
            If the error is not in the sources but in the headers.
        """
        for diagnostic in self.unit.diagnostics:
            if diagnostic.severity < cindex.Diagnostic.Error:
                continue
            source = self.source_of(diagnostic)
            if source is None:
                raise ToolFailedError(f"libclang cannot read the HLS headers: {diagnostic}")
            notes = [note.spelling for note in diagnostic.children if "in file included" not in note.spelling]
            what = "; ".join([f"the code must compile: {diagnostic.spelling}", *notes[:1]])
            yield Finding(source.name, diagnostic.location.line, Rule.COMPILE_ERROR, what, "correct it")

    def inactive_lines(self) -> dict[str, list[range]]:
        """Lines that synthesis does not see, by the name of their file."""
        ask = cindex.conf.lib.clang_getSkippedRanges
        ask.restype = ctypes.POINTER(_Ranges)
        ask.argtypes = [cindex.TranslationUnit, cindex.File]
        release = cindex.conf.lib.clang_disposeSourceRangeList
        release.argtypes = [ctypes.POINTER(_Ranges)]
        lines: dict[str, list[range]] = {}
        names = {self.unit.spelling, *(include.include.name for include in self.unit.get_includes())}
        for name in names:
            source = self.project.sources.get(os.path.realpath(name))
            if source is None:
                continue
            found = ask(self.unit, cindex.File.from_name(self.unit, name))
            spans = [found.contents.ranges[i] for i in range(found.contents.count)]
            lines[source.name] = [range(s.start.line, s.end.line + 1) for s in spans]
            release(found)
        return lines

    @cached_property
    def word_limit(self) -> int | None:
        """The AP_INT_MAX_W of this unit; None if it reads no ap_int.h."""
        for cursor in self.unit.cursor.get_children():
            for child in cursor.get_children() if cursor.kind is CursorKind.ENUM_DECL else ():
                if child.spelling == WORD_LIMIT_NAME:
                    return int(child.enum_value)
        return None

    @cached_property
    def declarations(self) -> list[tuple[Source, Cursor, bool]]:
        """Every declaration of the project outside functions, and whether it lies in a template."""
        return list(self._declarations(self.unit.cursor, dependent=False))

    def _declarations(self, parent: Cursor, *, dependent: bool) -> Iterator[tuple[Source, Cursor, bool]]:
        for cursor in parent.get_children():
            source = self.source_of(cursor)
            if source is None or not cursor.kind.is_declaration():
                continue
            yield source, cursor, dependent
            if cursor.kind in _SPACES or cursor.kind in RECORDS:
                inside = dependent or cursor.kind in _TEMPLATES
                yield from self._declarations(cursor, dependent=inside)

    @cached_property
    def globals(self) -> dict[str, Cursor]:
        """Variables of the project at file or namespace scope, by name."""
        outside = (c for _, c, _ in self.declarations if c.kind is CursorKind.VAR_DECL)
        return {c.spelling: c for c in outside if c.semantic_parent.kind not in RECORDS}

    @cached_property
    def written(self) -> list[Function]:
        """Every function of the project that has a body, as written."""
        return [
            Function(cursor, source, dependent or cursor.kind is CursorKind.FUNCTION_TEMPLATE)
            for source, cursor, dependent in self.declarations
            if cursor.kind in FUNCTIONS and cursor.is_definition() and has_body(cursor)
        ]

    @cached_property
    def concrete(self) -> dict[str, Function]:
        """Every function whose types are known, by key: no templates but their instances in use."""
        functions = {f.key: f for f in self.written if not f.dependent}
        open_ends = list(functions.values())
        while open_ends:
            for callee in self.callees(open_ends.pop()):
                if callee.key not in functions:
                    functions[callee.key] = callee
                    open_ends.append(callee)
        return functions

    def is_top(self, function: Function) -> bool:
        """Whether a function is the project's top function, which lies in no namespace."""
        parent = function.cursor.semantic_parent
        outside = parent is not None and parent.kind is CursorKind.TRANSLATION_UNIT
        return outside and function.name == self.project.network

    def callees(self, function: Function) -> Iterator[Function]:
        """Functions of the project, with bodies, that a function calls."""
        roots = (*function.initializers, function.body)
        for node in (node for root in roots for node in root.walk()):
            if node.kind is CursorKind.CALL_EXPR:
                callee = self.callee(node)
                if callee is not None:
                    yield callee

    def callee(self, call: Node) -> Function | None:
        """Return the function of the project that a call goes to; None if it has no body or is not ours."""
        target = call.cursor.referenced
        if target is None or target.kind not in FUNCTIONS or self.source_of(target) is None:
            return None
        definition = target.get_definition()
        if definition is None or definition.kind is CursorKind.FUNCTION_TEMPLATE or not has_body(definition):
            return None
        source = self.source_of(definition)
        return None if source is None else Function(definition, source, dependent=False)


def has_body(cursor: Cursor) -> bool:
    """Whether a function's definition has a block; defaulted and implicit members have none."""
    return any(child.kind in _BODIES for child in cursor.get_children())


def parse(project: HlsProject, unit: Source, headers: Path, shims: Path) -> Unit:
    """Parse one file as synthesis sees it.

    Parameters
    ----------
    project
        All sources; long tables are parsed empty.
    unit
        The file to compile.
    headers, shims
        Vendor headers, and the folder written by :func:`.shims.write_shims`.
    """
    unsaved = [(str(s.path), s.text) for s in project.sources.values()]
    options = cindex.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD
    arguments = clang_arguments(shims, headers, project.tool)
    try:
        parsed = _index().parse(str(unit.path), args=arguments, unsaved_files=unsaved, options=options)
    except cindex.TranslationUnitLoadError as error:
        raise ToolFailedError(f"libclang cannot read '{unit.path}'") from error
    return Unit(project, parsed, (headers, shims))
