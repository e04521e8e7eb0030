"""Optional packages: one message for all that are missing."""

from __future__ import annotations

from importlib.util import find_spec

from hbnn_hw.errors import ToolMissingError


def require(package: str, extra: str, purpose: str) -> None:
    """Check that an optional package is installed, without importing it.

    Parameters
    ----------
    package
        Import name.
    extra
        The extra of this project that brings it.
    purpose
        What it is needed for, as a short phrase.

    Raises
    ------
    ToolMissingError
        With the command that installs it.
    """
    if find_spec(package) is None:
        raise ToolMissingError(
            f"{purpose} needs the package '{package}', which is not installed; "
            f"type: pip install 'hbnn-hw[{extra}]'"
        )
