from hbnn_hw.estimate.netlist import CellCounts, add_counts, count_instances, count_module


def cell(kind: str, *nets: int) -> dict[str, object]:
    return {"type": kind, "connections": {f"I{at}": [net] for at, net in enumerate(nets)} | {"O": [99]}}


MODULES = {
    "leaf": {"attributes": {}, "cells": {"a": cell("LUT2", 1, 2), "b": cell("FDRE", 3), "c": cell("RAM32M")}},
    "top": {
        "attributes": {},
        "cells": {
            "u": cell("leaf"),
            "v": cell("leaf"),
            "d": cell("LUT6", 1, 2, 3, 4, 5, 6),
            "e": cell("LUT6_2", 1, 2, 3, 4, 5),
            "f": cell("RAMB18E1"),
        },
    },
    "LUT2": {"attributes": {"blackbox": "1"}, "cells": {}},
}


def test_a_module_is_counted_with_all_instances_below_it():
    counts = count_module(MODULES, "top")
    assert (counts.lut2, counts.lut6, counts.lutram, counts.flip_flops, counts.bram18) == (2, 2, 8, 2, 1)
    assert (counts.logic_luts, counts.luts, counts.sites, counts.bram36_equivalent) == (4, 12, 12, 0.5)
    assert CellCounts(**counts.document()) == counts


def test_instances_and_own_cells_add_up_to_the_whole():
    instances = count_instances(MODULES, "top")
    assert set(instances) == {"", "u", "v"}
    assert add_counts(instances.values()) == count_module(MODULES, "top")
