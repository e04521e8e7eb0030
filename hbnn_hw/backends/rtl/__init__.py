"""RTL back end: Amaranth components, one file per operator and part, and Verilog out of them.

Every component is documented with its latency, throughput and area. The rooms named after operators
(``mvtu``, ``width_converter``, ``add`` and so on) have a ``build(op, *sources)`` that makes the operator's
unit.
"""

from __future__ import annotations

from hbnn_hw.extras import require
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target


def emit(graph: Graph, target: Target) -> dict[str, str]:
    """Emit the accelerator of a graph as Verilog with AXI4-Stream ports.

    Parameters
    ----------
    graph
        A lowered, scheduled graph.
    target
        Device and clock. The device chooses the primitives that the Verilog instantiates
        (:mod:`hbnn_hw.backends.rtl.lut`); the clock enters the printed figures only.

    Returns
    -------
    dict
        Relative path to text: ``<network>.v``, whose top module has the network's name, ``README.md``,
        a cocotb bench below ``sim``, and ``structures.json`` where layers are unrolled. The same graph and
        target give the same texts.

    Raises
    ------
    ToolMissingError
        If Amaranth or pyosys is not installed.
    GraphError
        If the graph is not lowered and scheduled.
    """
    for package in ("amaranth", "pyosys"):
        require(package, "rtl", "the RTL back end")
    # Amaranth costs 0.4 s to import: only who emits pays for it.
    from hbnn_hw.backends.rtl import project

    return project.emit(graph, target)


def check_emittable(graph: Graph) -> None:
    """Raise GraphError, naming all such nodes, if operators have no RTL yet."""
    require("amaranth", "rtl", "the RTL back end")
    from hbnn_hw.backends.rtl import top

    top.check_known(graph)


__all__ = ["check_emittable", "emit"]
