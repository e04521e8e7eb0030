"""What the command line prints with: results on standard output, progress on standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Report progress on standard error, so that standard output stays machine-readable."""
    err.print(f"· {text}", markup=False)


def print_json(document: Any) -> None:  # noqa: ANN401 - plain JSON data has no other type
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
