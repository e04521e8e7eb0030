"""Linter of HLS C++: stands in for the vendor's front end where none is installed.

It checks pragmas against the grammar of the project's tool, the synthesizable subset, dataflow rules and the
tools' limits. What it says about templates holds for the instances that the network uses. docs/hls_lint.md
lists the rules, their sources, and what the linter cannot promise.
"""

from __future__ import annotations

from pathlib import Path

from hbnn_hw.extras import require
from hbnn_hw.verify.hls_lint.finding import Finding, Rule

__all__ = ["Finding", "Rule", "lint"]


def lint(folder: Path, *, headers: Path | None = None) -> tuple[Finding, ...]:
    """Check the delivered sources of an HLS project.

    Parameters
    ----------
    folder
        An export folder, or the HLS project in it.
    headers
        Folder with ``ap_int.h``; None searches for one as the C simulation does.

    Returns
    -------
    tuple
        What is wrong, by file and line; empty if nothing is.

    Raises
    ------
    OutputError
        If the folder holds no HLS project.
    ToolMissingError
        If libclang, the HLS headers or a C++ compiler are missing.
    ToolFailedError
        If libclang cannot read the HLS headers.
    """
    require("clang", "csim", "the HLS linter")
    # Imports libclang, which is optional.
    from hbnn_hw.verify.hls_lint.linter import lint_project

    return lint_project(folder, headers)
