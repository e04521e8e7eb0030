"""A frame of three pins around a design for place and route, so that wide ports need no pins of the package.

Inputs come from a shift register, outputs run into a register that folds them into one bit; every path of the
design starts and ends at a register, as it would inside of a larger one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HARNESS = "harness"


@dataclass(frozen=True, slots=True)
class Harness:
    """The frame.

    Attributes
    ----------
    verilog
        Its module, named :data:`HARNESS`.
    registers
        Flip-flops in it.
    """

    verilog: str
    registers: int


def harness(top: str, ports: Mapping[str, Mapping[str, Any]], clock: str) -> Harness:
    """Frame a module.

    Parameters
    ----------
    top
        The module.
    ports
        Its ports as in a JSON netlist of Yosys: direction and bits by name.
    clock
        Its clock input.
    """
    widths = {name: len(port["bits"]) for name, port in ports.items() if name != clock}
    inputs = {name: width for name, width in widths.items() if ports[name]["direction"] == "input"}
    outputs = {name: width for name, width in widths.items() if name not in inputs}
    n_inputs, n_outputs = sum(inputs.values()), sum(outputs.values())
    pins = [f".{clock}({clock})", *_slices(inputs, "source"), *_slices(outputs, "results")]
    lines = [
        f"module {HARNESS}(input {clock}, input serial_in, output serial_out);",
        f"  reg [{n_inputs}:0] source;",
        f"  reg [{n_outputs}:0] sink;",
        f"  wire [{n_outputs}:0] results;",
        f"  assign results[{n_outputs}] = 1'b0;",
        f"  always @(posedge {clock}) begin",
        "    source <= {source, serial_in};",
        "    sink <= {sink, serial_in} ^ results;",
        "  end",
        f"  assign serial_out = sink[{n_outputs}];",
        f"  {top} design_({', '.join(pins)});",
        "endmodule",
        "",
    ]
    return Harness("\n".join(lines), n_inputs + n_outputs + 2)


def _slices(widths: Mapping[str, int], vector: str) -> list[str]:
    """Pins connected to slices of a vector, one behind the other."""
    pins, start = [], 0
    for name, width in widths.items():
        pins.append(f".{name}({vector}[{start}+:{width}])")
        start += width
    return pins
