"""Verilog identifiers: names of the modules that are made for a graph."""

from __future__ import annotations

import re

from hbnn_hw.graph import Graph, Node


def identifier(name: str) -> str:
    """Turn a name into a plain Verilog identifier: letters, digits and underscores, no leading digit."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if re.match(r"[A-Za-z_]", plain) else f"n{plain}"


def kernel_name(graph: Graph, node: Node) -> str:
    """Name of the module that holds an unrolled layer's kernel as text."""
    return identifier(f"{graph.name}_{node.name}_kernel")
