"""Gate-level area: a library of a few cells, in which designs can be counted by hand."""

from pathlib import Path

import pytest

from hbnn_hw.errors import OutputError
from hbnn_hw.synthesis.standard_cells import CellLibrary, cells_text, synthesize_cells

LIBRARY = Path(__file__).parent / "fixtures" / "few_cells.lib"

DESIGN = """
module held(input clk, input a, input b, output reg y);
  always @(posedge clk) y <= ~(a & b);
endmodule
module top(input clk, input a, input b, output y, output z);
  held one(.clk(clk), .a(a), .b(b), .y(y));
  held two(.clk(clk), .a(y), .b(b), .y(z));
endmodule
"""


def test_areas_of_a_liberty_file():
    library = CellLibrary.read(LIBRARY)
    assert library.areas == {"INV": 1.5, "BUF": 2.5, "NAND2": 2.0, "NOR2": 2.25, "DFF": 10.0}
    assert library.gate_area == 2.0


@pytest.mark.parametrize("content", [None, "library (none) { }"])
def test_what_is_no_library_is_refused(tmp_path, content):
    path = tmp_path / "cells.lib"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match="must be a Liberty file"):
        CellLibrary.read(path)


def test_units_are_counted_by_hand():
    result = synthesize_cells(DESIGN, "top", CellLibrary.read(LIBRARY))
    assert set(result.units) == {"one", "two", ""}
    for name in ("one", "two"):
        unit = result.units[name]
        assert (unit.area, unit.sequential, unit.cells, unit.gate_equivalents) == (12.0, 10.0, 2, 6.0)
    assert (result.total.area, result.total.sequential) == (24.0, 20.0)
    assert result.units[""].area == 0
    text = cells_text(result)
    assert "top in few_cells.lib" in text
    assert text.splitlines()[-1].split() == ["total", "24", "83", "%", "12"]
    assert result.document()["total"]["gate_equivalents"] == 12.0
