"""The longest path: arcs, launches and setups add up, and Yosys' own analysis agrees where it is valid."""

import json
import re

import pytest

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.estimate.synthesis import map_verilog
from hbnn_hw.synthesis import flat_netlist, longest_path
from hbnn_hw.synthesis.cell_delays import CellDelays, parse_delays, xilinx_delays
from hbnn_hw.yosys import run_yosys

LIBRARY = """
module LUT2(output O, input I0, I1);
  specify
    // (I9 => O) = 5;
    (I0 => O) = 100; (I1  =>  O) = 10 + 20 /* and a remark */;
  endspecify
endmodule
module RAM(output [1:0] Q);
  specify
    $setup(A[1], posedge C &&& !IS_C_INVERTED && WE, 50);
    $setup(A[1], negedge C &&& IS_C_INVERTED && WE, 70);
    $setup(CE , posedge C, /*-46*/ 0);
    (A[0] *> Q) = 7;
    if (X) (posedge C => (Q[0] : D)) = 300;
    if (Y) (posedge C => (Q[0] : 1'bx)) = 250;
  endspecify
endmodule
module NOTHING; endmodule
"""


def test_specify_blocks_are_read():
    assert parse_delays(LIBRARY) == {
        "LUT2": CellDelays(arcs={(("I0", None), ("O", None)): 100, (("I1", None), ("O", None)): 30}),
        "RAM": CellDelays(
            arcs={(("A", 0), ("Q", None)): 7},
            launches={("Q", 0): 300},
            setups={("A", 1): 50, ("CE", None): 0},
        ),
    }


def test_the_shipped_delays_are_those_of_the_series():
    delays = xilinx_delays()
    lut6 = {source: time for ((source, _), _), time in delays["LUT6"].arcs.items()}
    assert lut6 == {"I0": 642, "I1": 631, "I2": 472, "I3": 407, "I4": 238, "I5": 127}
    assert len(delays["CARRY4"].arcs) == 52
    assert delays["FDRE"].launches == {("Q", None): 303}
    assert delays["FDRE"].setups == {("D", None): 0, ("CE", None): 109, ("R", None): 404}
    assert len(delays["LUT6_2"].arcs) == 11


def cell(kind, **pins):
    return {"type": kind, "connections": {port: [net] for port, net in pins.items()}}


def test_a_path_from_register_to_register_counts_launch_logic_and_setup():
    cells = {
        "start": cell("FDRE", C=2, D=3, Q=10),
        "first": cell("LUT2", I0=3, I1=10, O=11),
        "second": cell("LUT2", I0=11, I1="0", O=12),
        "end": cell("FDRE", C=2, D=3, CE=12, Q=13),
    }
    ports = {name: {"direction": "input", "bits": [net]} for name, net in (("clk", 2), ("i", 3))}
    ports["o"] = {"direction": "output", "bits": [13]}
    path = longest_path(flat_netlist({"top": {"ports": ports, "cells": cells}}, "top"))
    assert path.delay_ps == 303 + 127 + 238 + 109
    assert path.cells == ("start (FDRE)", "first (LUT2)", "second (LUT2)")
    assert (path.levels, path.depth, path.untimed) == (2, 2, ())


def test_a_loop_and_unknown_cells():
    ports = {"o": {"direction": "output", "bits": [5]}}
    loop = {"a": cell("LUT1", I0=5, O=6), "b": cell("LUT1", I0=6, O=5)}
    with pytest.raises(ToolFailedError, match="loop"):
        longest_path(flat_netlist({"top": {"ports": ports, "cells": loop}}, "top"))
    unknown = {"a": cell("XADC", I=4, O=5)}
    path = longest_path(flat_netlist({"top": {"ports": ports, "cells": unknown}}, "top"))
    assert (path.delay_ps, path.levels, path.cells, path.untimed) == (0, 0, (), ("XADC",))


def test_nothing_arrives_through_cells_with_constant_inputs():
    ports = {"o": {"direction": "output", "bits": [5]}}
    cells = {"a": cell("LUT1", I0="1", O=4), "b": cell("LUT1", I0=4, O=5)}
    path = longest_path(flat_netlist({"top": {"ports": ports, "cells": cells}}, "top"))
    assert path.levels == 1
    assert path.cells == ("b (LUT1)",)


def test_a_slot_that_selects_its_own_input_lets_no_carry_through():
    """S = 0 makes a slot's carry its DI: what comes from below ends there, whatever the cell's arcs are."""
    ports = {"low": {"direction": "input", "bits": [2]}, "o": {"direction": "output", "bits": [9]}}

    def delay(selects):
        pins = {"CI": [2], "CYINIT": ["0"], "DI": ["0"] * 4, "S": list(selects), "O": ["x", "x", 9, "x"]}
        cells = {"chain": {"type": "CARRY4", "connections": pins}}
        return longest_path(flat_netlist({"top": {"ports": ports, "cells": cells}}, "top")).delay_ps

    through = xilinx_delays()["CARRY4"].arcs[("CI", None), ("O", 2)]
    # O[2] is the sum of S[2] and the carry behind slot 1.
    assert [delay(selects) for selects in ("1111", "1101", "1110")] == [through] * 3
    assert [delay(selects) for selects in ("0111", "1011")] == [0, 0]


POPCOUNT = """
module top(input [63:0] a, input [63:0] b, output reg [6:0] y);
  integer i;
  always @* begin y = 0; for (i = 0; i < 64; i = i + 1) y = y + (a[i] ~^ b[i]); end
endmodule
"""


@pytest.mark.synth
def test_yosys_own_timing_of_combinational_logic_is_the_same(tmp_path):
    modules = map_verilog(POPCOUNT, "top").modules
    path = longest_path(flat_netlist(modules, "top"))
    mapped = json.dumps({"modules": {"top": modules["top"]}})
    (tmp_path / "mapped.json").write_text(mapped, encoding="utf-8")
    library = "read_verilog -lib -specify +/xilinx/cells_sim.v"
    log = run_yosys([library, "read_json mapped.json", "hierarchy -top top", "sta"], tmp_path).log
    (latest,) = re.findall(r"Latest arrival time in 'top' is (\d+)", log)
    assert path.delay_ps == int(latest)
    assert path.levels <= path.depth
