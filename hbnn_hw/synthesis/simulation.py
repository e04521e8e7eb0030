"""Simulation of a mapped 7-series netlist, many test vectors at once.

What is counted is what is simulated: the primitives behind technology mapping, not the Verilog in front of
it. Every net holds one bit for each *lane* (test vector or independent stream).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.synthesis.block_ram import BLOCK_RAMS, BlockRam
from hbnn_hw.synthesis.flat_netlist import ONE, ZERO, Cell, FlatNetlist, flat_netlist
from hbnn_hw.synthesis.lanes import ALL_LANES, Bits, Words, masks, n_words, pack, select, unpack
from hbnn_hw.synthesis.levels import levels
from hbnn_hw.synthesis.lookups import LOOKUPS, Lookup
from hbnn_hw.synthesis.storage import (
    FLIP_FLOPS,
    MEMORIES,
    FlipFlops,
    LutMemory,
    MemoryState,
    ReadPort,
    flip_flop,
)

_GROUP = 512
"""Lookups evaluated together: more do not stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class _LookupGroup:
    """Lookups of one level and number of inputs: outputs (n,), inputs (k, n), tables (n, 2**k, 1)."""

    outputs: NDArray[np.intp]
    inputs: NDArray[np.intp]
    tables: Words

    def evaluate(self, values: Words) -> None:
        """Set the outputs."""
        values[self.outputs] = select(self.tables, values[self.inputs])


@dataclass(frozen=True, slots=True)
class _MemoryRead:
    """An asynchronous read of the memory with that index."""

    memory: int
    port: ReadPort


_Step = _LookupGroup | _MemoryRead


class Simulation:
    """A netlist with the state of ``lanes`` independent simulations.

    Parameters
    ----------
    netlist
        A flat netlist; see :meth:`load`.
    lanes
        Simulations side by side.

    Raises
    ------
    ToolFailedError
        If the netlist holds a primitive that is not modelled, more than one clock, or a combinational loop.
    """

    def __init__(self, netlist: FlatNetlist, lanes: int) -> None:
        self.netlist, self.lanes = netlist, lanes
        _check_kinds(netlist.cells)
        clocks = netlist.clocks
        if len(clocks - {cell.pin("I") for cell in netlist.cells if cell.kind == "BUFG"}) > 1:
            raise ToolFailedError(f"the netlist must have one clock, not {len(clocks)}")
        memories = [MEMORIES[cell.kind](cell) for cell in netlist.cells if cell.kind in MEMORIES]
        lookups = [
            found
            for cell in netlist.cells
            if cell.kind in LOOKUPS
            for found in LOOKUPS[cell.kind](cell, netlist.new_nets)
        ]
        self._steps = _steps(lookups, memories, clocks)
        words = n_words(lanes)
        self._flip_flops = FlipFlops([flip_flop(cell) for cell in netlist.cells if cell.kind in FLIP_FLOPS])
        self._memories = [MemoryState(memory, words) for memory in memories]
        self._block_rams = [BlockRam(cell, words) for cell in netlist.cells if cell.kind in BLOCK_RAMS]
        self._values = np.zeros((next(netlist.new_nets), words), np.uint64)
        self._values[ONE] = ALL_LANES
        self._flip_flops.start(self._values)
        self._settled = False

    @classmethod
    def load(cls, modules: Mapping[str, Any], top: str, lanes: int) -> Simulation:
        """Simulate the module ``top`` of the ``modules`` of a JSON netlist."""
        return cls(flat_netlist(modules, top), lanes)

    def set(self, port: str, bits: Bits) -> None:
        """Set an input port to bits (lanes, width), least significant first."""
        nets = self.netlist.inputs.get(port)
        if nets is None or bits.shape != (self.lanes, len(nets)):
            known = {name: (self.lanes, len(found)) for name, found in self.netlist.inputs.items()}
            raise ToolFailedError(f"an input must be one of {known}, not '{port}' with {bits.shape}")
        self._values[list(nets)] = pack(bits)
        self._settled = False

    def get(self, port: str) -> Bits:
        """Return an output port's bits (lanes, width), least significant first."""
        nets = self.netlist.outputs.get(port)
        if nets is None:
            raise ToolFailedError(f"an output must be one of {sorted(self.netlist.outputs)}, not '{port}'")
        self._settle()
        return unpack(self._values[list(nets)], self.lanes)

    def clock(self) -> None:
        """Let one rising clock edge pass."""
        self._settle()
        contents = [memory.next(self._values) for memory in self._memories]
        read = [word for block in self._block_rams for word in block.next(self._values)]
        self._flip_flops.update(self._values, self._flip_flops.next(self._values))
        for nets, bits in read:
            self._values[list(nets)] = bits
        self._values[ZERO] = 0  # outputs that are not connected are read as the constant
        for memory, content in zip(self._memories, contents, strict=True):
            memory.content = content
        self._settled = False

    def _settle(self) -> None:
        """Evaluate all logic, level by level."""
        if self._settled:
            return
        for step in self._steps:
            if isinstance(step, _MemoryRead):
                self._values[step.port.output] = self._memories[step.memory].read(step.port, self._values)
            else:
                step.evaluate(self._values)
        self._settled = True


def _check_kinds(cells: Iterable[Cell]) -> None:
    known = {*LOOKUPS, *MEMORIES, *FLIP_FLOPS, *BLOCK_RAMS}
    for cell in cells:
        if cell.kind not in known:
            raise ToolFailedError(f"the netlist's cell '{cell.name}' must be a modelled one, not {cell.kind}")
        for pin in ("CLR", "PRE"):
            if cell.pin(pin) != ZERO:
                raise ToolFailedError(f"the flip-flop '{cell.name}' must have no asynchronous {pin}")
        if any(cell.number(name) for name in cell.parameters if name.startswith("IS_")):
            raise ToolFailedError(f"the cell '{cell.name}' must have no inverted pins: {cell.parameters}")


def _steps(lookups: list[Lookup], memories: list[LutMemory], clocks: frozenset[int]) -> list[_Step]:
    """Order all logic by levels, and group what can be evaluated together."""
    reads = [_MemoryRead(index, port) for index, memory in enumerate(memories) for port in memory.reads]
    lookups = [lookup for lookup in lookups if lookup.output not in clocks]
    needs = {lookup.output: lookup.inputs for lookup in lookups}
    needs |= {read.port.output: read.port.address for read in reads}
    level = levels(needs)
    groups: dict[tuple[int, int], list[Lookup]] = defaultdict(list)
    for lookup in lookups:
        groups[level[lookup.output], len(lookup.inputs)].append(lookup)
    steps: list[tuple[int, _Step]] = [(level[read.port.output], read) for read in reads]
    for (depth, _), members in groups.items():
        for start in range(0, len(members), _GROUP):
            steps.append((depth, _group(members[start : start + _GROUP])))
    return [step for _, step in sorted(steps, key=lambda item: item[0])]


def _group(lookups: list[Lookup]) -> _LookupGroup:
    return _LookupGroup(
        np.array([lookup.output for lookup in lookups], np.intp),
        np.array([lookup.inputs for lookup in lookups], np.intp).T,
        masks(np.array([lookup.table for lookup in lookups], np.uint8))[:, :, np.newaxis],
    )
