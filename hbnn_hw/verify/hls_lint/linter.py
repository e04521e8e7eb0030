"""All rules over one project, each finding once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from hbnn_hw.verify.hls_lint.arrays import check_arrays
from hbnn_hw.verify.hls_lint.ast import Function, Unit, parse
from hbnn_hw.verify.hls_lint.calls import check_recursion
from hbnn_hw.verify.hls_lint.dataflow import check_dataflow
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.loops import check_loops
from hbnn_hw.verify.hls_lint.placement import PlacedPragma, check_names, check_place, outside_functions, place
from hbnn_hw.verify.hls_lint.ports import check_inner, check_ports
from hbnn_hw.verify.hls_lint.pragmas import Pragma, read_pragmas
from hbnn_hw.verify.hls_lint.shims import require_headers, write_shims
from hbnn_hw.verify.hls_lint.sources import HlsProject, open_project
from hbnn_hw.verify.hls_lint.streams import StreamUses
from hbnn_hw.verify.hls_lint.subset import check_declarations, check_function
from hbnn_hw.verify.hls_lint.widths import check_widths


def _check_pragmas(unit: Unit, placed: list[PlacedPragma]) -> Iterator[Finding]:
    for pragma in placed:
        yield from check_place(pragma)
        yield from check_names(unit, pragma)
    yield from check_arrays(unit, placed)


def _functions(unit: Unit) -> list[Function]:
    """Templates as written, then everything concrete."""
    return [f for f in unit.written if f.dependent] + list(unit.concrete.values())


def _check_unit(unit: Unit, pragmas: list[Pragma]) -> Iterator[Finding]:
    uses = StreamUses(unit)
    for function in _functions(unit):
        placed = place(function, pragmas)
        yield from _check_pragmas(unit, placed)
        yield from check_function(unit, function)
        yield from check_loops(unit, function, placed)
        if function.dependent:
            continue
        yield from check_dataflow(unit, uses, placed)
        if unit.is_top(function):
            yield from check_ports(function, placed, unit.project.tool)
        else:
            yield from check_inner(function, placed)
    yield from check_declarations(unit)
    yield from check_recursion(unit)
    yield from check_widths(unit)


def _check_project(project: HlsProject, headers: Path, shims: Path) -> Iterator[Finding]:
    yield from project.oversized()
    read = [read_pragmas(source.name, source.text, project.tool) for source in project.sources.values()]
    pragmas = [pragma for found, _ in read for pragma in found]
    for _, wrong in read:
        yield from wrong
    has_top = False
    for source in project.units:
        unit = parse(project, source, headers, shims)
        errors = list(unit.errors())
        if errors:
            # What does not compile has no meaning that the other rules could go by.
            yield from errors
            return
        has_top = has_top or any(map(unit.is_top, unit.written))
        yield from _check_unit(unit, pragmas)
        inactive = unit.inactive_lines()
        seen = [p for p in pragmas if p.file in inactive]
        yield from outside_functions(seen, unit.written, inactive)
    if not has_top:
        what = f"the sources must have a top function '{project.network}'"
        name = f"src/{project.network}.cpp"
        yield Finding(name, 1, Rule.UNDEFINED_FUNCTION, what, "define it there")


def lint_project(folder: Path, headers: Path | None) -> tuple[Finding, ...]:
    """Lint one project; see :func:`hbnn_hw.verify.hls_lint.lint`."""
    project = open_project(folder)
    found_headers = require_headers(headers)
    with tempfile.TemporaryDirectory(prefix="hbnn_lint_") as name:
        shims = Path(name)
        write_shims(shims, found_headers)
        findings = set(_check_project(project, found_headers, shims))
    rules = list(Rule)
    return tuple(sorted(findings, key=lambda f: (f.file, f.line, rules.index(f.rule), f.what)))
