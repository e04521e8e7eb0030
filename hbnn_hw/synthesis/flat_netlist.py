"""A mapped netlist as one flat list of cells: the JSON that Yosys writes, its hierarchy resolved.

Nets are numbers; the nets 0 and 1 are the constants. An undefined bit is a net of its own that nothing
drives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from hbnn_hw.errors import ToolFailedError
from hbnn_hw.estimate.netlist import is_module

ZERO, ONE = 0, 1
"""The nets of the constants."""

REMARK = "$scopeinfo"
"""Where flattening says which module a part came from; no hardware."""

CLOCK_PINS = ("C", "CLK", "WCLK", "CLKARDCLK", "CLKBWRCLK")
"""Clock inputs of the 7-series primitives; no combinational one has a pin of such a name."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One primitive.

    Attributes
    ----------
    name
        Instance path, dots between levels.
    kind
        Type of the primitive.
    pins
        Nets of every port, least significant bit first.
    parameters
        As in the JSON: bits most significant first, or text.
    """

    name: str
    kind: str
    pins: Mapping[str, tuple[int, ...]]
    parameters: Mapping[str, str]

    def pin(self, port: str, default: int = ZERO) -> int:
        """Net of a one-bit port; the default where it is not connected."""
        return self.pins.get(port, (default,))[0]

    def bits(self, parameter: str, size: int) -> tuple[int, ...]:
        """Bits of a parameter, least significant first, filled up with zeros; undefined bits are 0."""
        text = str(self.parameters.get(parameter, ""))
        found = [int(digit == "1") for digit in reversed(text)]
        return tuple((found + [0] * size)[:size])

    def number(self, parameter: str, default: int = 0) -> int:
        """Value of an unsigned parameter."""
        text = self.parameters.get(parameter)
        return default if text is None else int(str(text).replace("x", "0"), 2)


@dataclass(frozen=True, slots=True)
class FlatNetlist:
    """All cells of a design.

    Attributes
    ----------
    inputs, outputs
        Nets of every port, least significant bit first.
    cells
        Primitives in the order of the JSON.
    new_nets
        Numbers that no net has.
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    cells: tuple[Cell, ...]
    new_nets: Iterator[int]

    @property
    def clocks(self) -> frozenset[int]:
        """Nets of the clocks, in front of their buffers and behind them."""
        clocks = {cell.pins[pin][0] for cell in self.cells for pin in CLOCK_PINS if pin in cell.pins} - {
            ZERO,
            ONE,
        }
        buffers = {cell.pin("I") for cell in self.cells if cell.kind == "BUFG" and cell.pin("O") in clocks}
        return frozenset(clocks | buffers)


class _Nets:
    """Numbers for the nets of one instance: those of its ports are given, the others new."""

    def __init__(self, fresh: Iterator[int], bound: Mapping[int, int]) -> None:
        self._fresh, self._numbers = fresh, dict(bound)

    def __call__(self, bits: Sequence[int | str]) -> tuple[int, ...]:
        return tuple(self._number(bit) for bit in bits)

    def _number(self, bit: int | str) -> int:
        if isinstance(bit, str):
            return int(bit) if bit in "01" else next(self._fresh)
        if bit not in self._numbers:
            self._numbers[bit] = next(self._fresh)
        return self._numbers[bit]


def flat_netlist(modules: Mapping[str, Any], top: str) -> FlatNetlist:
    """Resolve the hierarchy below ``top`` of the ``modules`` of a JSON netlist.

    Raises
    ------
    ToolFailedError
        If there is no such module, or a module wires ports of its own together.
    """
    if top not in modules:
        raise ToolFailedError(f"the netlist must hold the module '{top}', not only {sorted(modules)}")
    fresh = count(ONE + 1)
    nets = _Nets(fresh, {})
    ports: dict[str, dict[str, tuple[int, ...]]] = {"input": {}, "output": {}}
    for name, port in modules[top]["ports"].items():
        ports[port["direction"]][name] = nets(port["bits"])
    cells = tuple(_cells(modules, top, "", nets, fresh))
    return FlatNetlist(ports["input"], ports["output"], cells, fresh)


def _cells(
    modules: Mapping[str, Any], module: str, prefix: str, nets: _Nets, fresh: Iterator[int]
) -> Iterator[Cell]:
    """Primitives of an instance and of all below it."""
    for name, cell in modules[module]["cells"].items():
        if cell["type"] == REMARK:
            continue
        pins = {port: nets(bits) for port, bits in cell["connections"].items()}
        if is_module(modules, cell):
            inner = _Nets(fresh, _bound(modules[cell["type"]]["ports"], pins, f"{prefix}{name}"))
            yield from _cells(modules, str(cell["type"]), f"{prefix}{name}.", inner, fresh)
        else:
            yield Cell(f"{prefix}{name}", str(cell["type"]), pins, cell.get("parameters", {}))


def _bound(ports: Mapping[str, Any], pins: Mapping[str, tuple[int, ...]], instance: str) -> dict[int, int]:
    """Match the nets inside an instance's ports with those outside."""
    bound: dict[int, int] = {}
    for name, port in ports.items():
        for inside, outside in zip(port["bits"], pins.get(name, ()), strict=False):
            if isinstance(inside, str) or bound.get(inside, outside) != outside:
                raise ToolFailedError(
                    f"the ports of '{instance}' must be driven by cells, not by constants or by each other; "
                    "flatten the design"
                )
            bound[inside] = outside
    return bound
