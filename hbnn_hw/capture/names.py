"""Names of the IR: identifiers of C and Verilog."""

from __future__ import annotations


def identifier(path: str) -> str:
    """Turn a module path into a C and Verilog identifier: ``features.0.conv`` to ``features_0_conv``."""
    text = "".join(c if c.isascii() and c.isalnum() else "_" for c in path)
    return f"layer_{text}" if not text or text[0].isdigit() else text
