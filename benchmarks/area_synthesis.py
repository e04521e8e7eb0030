"""Synthesis of the sample: many designs in one run of Yosys, each a module that stays one.

Reading its libraries takes Yosys longer than most blocks of the sample. A design is mapped by itself in
either way; names may differ, and with them a LUT or two where the mapper finds structures equally good.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from area_sample import Kind, SampleSpec, build
from designs import load_results, save_results

from hbnn_hw.backends import rtl
from hbnn_hw.estimate.netlist import CellCounts, count_module
from hbnn_hw.estimate.synthesis import KEEP_TABLES, SYNTH, TRUST_MAPPER, top_module
from hbnn_hw.target import Target
from hbnn_hw.yosys import run_yosys, yosys_version

BATCH = 13
"""Designs of a run."""

TIMEOUT_S = 3600.0

_ALL = "sample"


def parse_spec(entry: dict[str, Any]) -> SampleSpec:
    """Read which design a result is of."""
    return SampleSpec(Kind(entry["kind"]), entry["seed"])


def entry_of(spec: SampleSpec, counts: CellCounts) -> dict[str, Any]:
    """Return a result as plain data."""
    return {
        "kind": spec.kind.value,
        "seed": spec.seed,
        "tool": yosys_version(),
        "counts": counts.document(),
    }


def _verilog(spec: SampleSpec) -> tuple[str, str]:
    """Emit a design whose modules have its own name; return text and top module."""
    graph = replace(build(spec), name="design_" + spec.name.replace("-", "_"))
    texts = rtl.emit(graph, Target())
    verilog = "\n".join(text for name, text in sorted(texts.items()) if name.endswith(".v"))
    return verilog, top_module(verilog)


def _instance(verilog: str, top: str, index: int) -> tuple[list[str], str]:
    """Instantiate a top module with ports of its own; return their declarations, and the instance."""
    head = re.search(rf"^module\s+{top}\s*\(([^)]*)\);(.*?)^endmodule", verilog, re.MULTILINE | re.DOTALL)
    assert head is not None
    names = [name.strip() for name in head[1].split(",")]
    declared = {
        port: (direction, width or "")
        for direction, width, port in re.findall(
            r"^\s*(input|output)\s+(?:wire\s+)?(\[[^\]]*\])?\s*(\w+)\s*;", head[2], re.MULTILINE
        )
    }
    ports = [f"{declared[name][0]} {declared[name][1]} d{index}_{name}" for name in names]
    connections = ", ".join(f".{name}(d{index}_{name})" for name in names)
    return ports, f"(* keep *) {top} d{index} ({connections});"


def synthesize_batch(specs: Sequence[SampleSpec]) -> list[CellCounts]:
    """Map several designs in one run; return their counts."""
    texts, tops = zip(*map(_verilog, specs), strict=True)
    pairs = [_instance(text, top, at) for at, (text, top) in enumerate(zip(texts, tops, strict=True))]
    ports = ", ".join(port for ports, _ in pairs for port in ports)
    joined = "\n".join([*texts, f"module {_ALL}({ports});", *(line for _, line in pairs), "endmodule\n"])
    keep = [f"setattr -mod -set keep_hierarchy 1 {top}" for top in tops]
    passes = [
        "read_verilog sample.v",
        TRUST_MAPPER,
        KEEP_TABLES,
        *keep,
        f"{SYNTH} -top {_ALL} -flatten",
        "setattr -mod -unset keep_hierarchy *",
        *keep,
        "flatten",
        "write_json netlist.json",
    ]
    with tempfile.TemporaryDirectory(prefix="hbnn-sample-") as name:
        folder = Path(name)
        (folder / "sample.v").write_text(joined, encoding="utf-8")
        run_yosys(passes, folder, TIMEOUT_S)
        modules = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
    return [count_module(modules, top) for top in tops]


def missing(specs: Sequence[SampleSpec], entries: Sequence[dict[str, Any]]) -> Iterator[SampleSpec]:
    """Yield the designs that have no result yet."""
    done = set(map(parse_spec, entries))
    return (spec for spec in specs if spec not in done)


def synthesize_sample(specs: Sequence[SampleSpec], name: str, *, resume: bool) -> None:
    """Synthesize a sample into a file of results, which grows by a batch at a time.

    Parameters
    ----------
    specs
        The designs.
    name
        File below ``results``.
    resume
        Keep the results that the file has, and add those that it lacks.
    """
    entries = load_results(name) if resume else []
    waiting = list(missing(specs, entries))
    for at in range(0, len(waiting), BATCH):
        batch = waiting[at : at + BATCH]
        print(f"  synthesizing {batch[0].name} to {batch[-1].name}", file=sys.stderr, flush=True)
        entries += map(entry_of, batch, synthesize_batch(batch))
        save_results(name, entries)
