"""The one Jinja2 environment, and the one place that knows where templates lie."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2

from hbnn_hw.errors import TemplateError


def template_root() -> Path:
    """Return the templates' folder: inside an installed wheel, or beside the package in a source tree.

    Raises
    ------
    TemplateError
        If neither is there.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "_templates", package.parent / "templates"):
        if candidate.is_dir():
            return candidate
    raise TemplateError(
        "the templates are missing; reinstall hbnn-hw with 'pip install --force-reinstall hbnn-hw'"
    )


@cache
def environment() -> jinja2.Environment:
    """Build the environment: undefined names are errors, blocks leave no blank lines, no escaping of C++."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_root()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
    )


def render(name: str, values: Mapping[str, object]) -> str:
    """Render ``templates/<name>`` with the given values.

    Raises
    ------
    TemplateError
        If the template is missing or uses a value that was not given.
    """
    try:
        return environment().get_template(name).render(values)
    except jinja2.TemplateError as error:
        raise TemplateError(f"template '{name}': {error}") from error


def static_text(name: str) -> str:
    """Return a template folder's file that is delivered as it is.

    Raises
    ------
    TemplateError
        If the file is missing.
    """
    path = template_root() / name
    if not path.is_file():
        raise TemplateError(f"file '{name}' is missing from the templates")
    return path.read_text(encoding="utf-8")
