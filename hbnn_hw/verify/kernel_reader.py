"""Reads the printed kernel of an unrolled layer: Verilog text to a table program.

What is read is the text that a user synthesizes, not the plan behind it, so that a wrong digit or pin in it
is found. Simulators need gigabytes for half a million cells; here they are read in seconds. The reader knows
the statements that ``mvtu_kernel_text`` prints, in either fabric and in any order, and refuses all others.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hbnn_hw.errors import KernelTextError
from hbnn_hw.verify.cell_order import Cells, table_program
from hbnn_hw.verify.table_program import ONE, TABLE_INPUTS, ZERO, TableProgram

_HEADER = re.compile(
    r"^module (?P<name>\w+) \(\n(?P<clocked>  input  clk,\n  input  enable,\n)?"
    r"  input  \[(?P<lanes>\d+):0\] lanes,\n  output \[(?P<results>\d+):0\] results\n\);\n",
    re.MULTILINE,
)
_LUT = re.compile(r"^  (?:LUT|assign \w+ = table)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KernelText:
    """A printed kernel within a Verilog text.

    Attributes
    ----------
    name
        The module's name.
    is_clocked
        Whether it has the ports ``clk`` and ``enable``.
    n_lanes, n_results
        Bits of its other two ports.
    start, body, end
        Where in the text the module starts, its header ends, and it ends.
    luts
        Its look-up tables; where no primitives are instantiated, one with two outputs counts twice.
    """

    name: str
    is_clocked: bool
    n_lanes: int
    n_results: int
    start: int
    body: int
    end: int
    luts: int


@dataclass(frozen=True, slots=True, eq=False)
class ReadKernel:
    """What a kernel's text says: ranks of registers, which take what all logic computes from all they hold.

    Attributes
    ----------
    registers
        Bits of every rank, ``stage<number>``.
    program
        Enters: lanes, then the ranks in order. Leaves: what the ranks take, in order, then the results.
    """

    registers: dict[str, int]
    program: TableProgram


def find_kernels(verilog: str) -> Iterator[KernelText]:
    """Find the kernels in a network's Verilog text, by the form of their headers."""
    for header in _HEADER.finditer(verilog):
        end = verilog.find("endmodule", header.end())
        if end < 0:
            raise KernelTextError(
                f"kernel '{header['name']}': 'endmodule' must follow, the text ends before it"
            )
        yield KernelText(
            name=header["name"],
            is_clocked=header["clocked"] is not None,
            n_lanes=int(header["lanes"]) + 1,
            n_results=int(header["results"]) + 1,
            start=header.start(),
            body=header.end(),
            end=end + len("endmodule"),
            luts=sum(1 for _ in _LUT.finditer(verilog, header.end(), end)),
        )


def read_kernel(verilog: str, kernel: KernelText) -> ReadKernel:
    """Read a kernel's text.

    Raises
    ------
    KernelTextError
        If a statement is none of those that are printed, a net is not declared, driven twice or not at all,
        logic is a loop, or a vector has the wrong width.
    """
    reader = _Reader(kernel)
    for at, statement in _statements(verilog, kernel):
        try:
            reader.read(statement)
        except KernelTextError as fault:
            line = verilog.count("\n", 0, at) + 1
            raise KernelTextError(f"kernel '{kernel.name}', line {line}: {fault}") from None
    try:
        return reader.finish()
    except KernelTextError as fault:
        raise KernelTextError(f"kernel '{kernel.name}': {fault}") from None


def _statements(verilog: str, kernel: KernelText) -> Iterator[tuple[int, str]]:
    """Cut a body into statements, none left out; with each comes its place in the text."""
    at = kernel.body
    while match := _STATEMENT.match(verilog, at, kernel.end):
        yield match.start(1), match[1]
        at = match.end()


# What lacks its semicolon is a statement with all that follows, up to the end of the module.
_STATEMENT = re.compile(r"\s*(function\b.*?endfunction|endmodule|[^;]*;|[^;]*\S)", re.DOTALL)

_FUNCTION = re.compile(
    r"function table([1-6])\(input \[(\d+):0\] content, input \[(\d+):0\] address\);\s*"
    r"table\1 = content\[address\];\s*endfunction"
)
_WIRES = re.compile(r"wire (\w+(?:,\s\w+)*);")
_RANK = re.compile(r"reg \[(\d+):0\] (stage\d+);")
_TABLE = re.compile(r"assign (\w+) = table([1-6])\((\d+)'h([0-9a-f]+), \{([^{}]*)\}\);")
_LOGIC = re.compile(r"(assign|wire) (\w+) = ([^ ;]+)(?: ([\^?]) ([^ ;]+)(?: : ([^ ;]+))?)?;")
_CLOCKED = re.compile(r"always @\(posedge clk\) if \(enable\) (\w+) <= \{([^{}]*)\};")
_RESULTS = re.compile(r"assign results = \{([^{}]*)\};")


def _lut_form(kind: str, outputs: Sequence[str], n_inputs: int) -> re.Pattern[str]:
    """Form of an instance: table, name, the outputs' and the inputs' nets."""
    digits = max(1, (1 << n_inputs) // 4)
    pins = ", ".join(rf"\.{pin}\(([^(),]+)\)" for pin in [*outputs, *(f"I{at}" for at in range(n_inputs))])
    return re.compile(rf"{kind} #\(\.INIT\({1 << n_inputs}'h([0-9a-f]{{{digits}}})\)\) (\w+) \({pins}\);")


_LUTS = {f"LUT{n}": _lut_form(f"LUT{n}", ["O"], n) for n in range(1, TABLE_INPUTS + 1)}
_LUT6_2 = _lut_form("LUT6_2", ["O6", "O5"], TABLE_INPUTS)
_CARRY4 = re.compile(
    r"CARRY4 (\w+) \(\.CI\(([^(),]+)\), \.CYINIT\(([^(),]+)\), \.S\(\{([^{}]*)\}\), \.DI\(\{([^{}]*)\}\), "
    r"\.O\(\{([^{}]*)\}\),\s+\.CO\(\{([^{}]*)\}\)\);"
)
_SLOTS = 4
_RESULTS_NAME = "results"


def _tabulated(function: Callable[..., int], n_inputs: int) -> int:
    """Table of a function of bits."""
    addresses = range(1 << n_inputs)
    return sum(function(*(address >> at & 1 for at in range(n_inputs))) << address for address in addresses)


_SAME = _tabulated(lambda a: a, 1)
_SUM = _tabulated(lambda select, carry: select ^ carry, 2)
_CARRY = _tabulated(lambda select, carry, other: carry if select else other, 3)
# CARRY4 takes its first carry from either of two pins.
_FIRST_SUM = _tabulated(lambda select, ci, start: select ^ (ci | start), 3)
_FIRST_CARRY = _tabulated(lambda select, ci, start, other: ci | start if select else other, 4)


def _names(vector: str) -> list[str]:
    """Names of a concatenation, the least significant first."""
    return [name.strip() for name in reversed(vector.split(","))]


class _Reader:
    """Collects the nets and cells of one module, statement by statement."""

    def __init__(self, text: KernelText) -> None:
        self.text = text
        self.nets = {"1'b0": ZERO, "1'b1": ONE}
        for lane in range(text.n_lanes):
            self._declare(f"lanes[{lane}]")
        self.functions: set[int] = set()
        self.instances: set[str] = set()
        self.tables, self.inputs, self.driven = array("Q"), array("I"), array("I")
        self.ranks: dict[str, int] = {}
        self.taken: dict[str, list[int]] = {}
        self.readers: dict[str, Callable[[str], bool]] = {
            "function": self._function,
            "wire": self._wire,
            "reg": self._rank,
            "assign": self._assign,
            "always": self._clocked,
            "CARRY4": self._carry4,
            "LUT6_2": self._lut6_2,
            "endmodule": lambda statement: not statement.removeprefix("endmodule"),
            **dict.fromkeys(_LUTS, self._lut),
        }

    def read(self, statement: str) -> None:
        """Read a statement."""
        read = self.readers.get(statement.partition(" ")[0])
        try:
            is_known = read is not None and read(statement)
        except KeyError as unknown:
            raise KernelTextError(f"net {unknown} must be declared") from None
        if not is_known:
            raise KernelTextError(f"the statement must be one that is printed, not '{statement}'")

    def finish(self) -> ReadKernel:
        """Return what was read, once all is read."""
        missing = [name for name in (*self.ranks, _RESULTS_NAME) if name not in self.taken]
        if missing:
            raise KernelTextError(f"'{missing[0]}' must be assigned")
        entering = [f"lanes[{lane}]" for lane in range(self.text.n_lanes)]
        leaving: list[int] = []
        for name, bits in self.ranks.items():
            entering += (f"{name}[{at}]" for at in range(bits))
            leaving += self.taken[name]
        leaving += self.taken[_RESULTS_NAME]
        cells = Cells(
            names=list(self.nets),
            tables=np.array(self.tables, dtype=np.uint64),
            inputs=np.array(self.inputs, dtype=np.uint32).reshape(-1, TABLE_INPUTS),
            driven=np.array(self.driven, dtype=np.uint32),
        )
        nets = np.array([self.nets[name] for name in entering])
        return ReadKernel(self.ranks, table_program(cells, nets, np.array(leaving)))

    def _declare(self, name: str) -> None:
        if name in self.nets:
            raise KernelTextError(f"net '{name}' must be declared once")
        self.nets[name] = len(self.nets)

    def _drive(self, output: str, table: int, inputs: Sequence[str]) -> None:
        self.driven.append(self.nets[output])
        self.tables.append(table)
        self.inputs.extend([self.nets[name] for name in inputs])
        self.inputs.extend([ZERO] * (TABLE_INPUTS - len(inputs)))

    def _instance(self, name: str) -> None:
        if name in self.instances:
            raise KernelTextError(f"instance '{name}' must have a name of its own")
        self.instances.add(name)

    def _function(self, statement: str) -> bool:
        if not (match := _FUNCTION.fullmatch(statement)):
            return False
        n_inputs = int(match[1])
        self.functions.add(n_inputs)
        return (int(match[2]), int(match[3])) == ((1 << n_inputs) - 1, n_inputs - 1)

    def _wire(self, statement: str) -> bool:
        if not (match := _WIRES.fullmatch(statement)):
            return self._logic(statement)
        for name in match[1].split(","):
            self._declare(name.strip())
        return True

    def _rank(self, statement: str) -> bool:
        if not (match := _RANK.fullmatch(statement)):
            return False
        self.ranks[match[2]] = bits = int(match[1]) + 1
        for at in range(bits):
            self._declare(f"{match[2]}[{at}]")
        return self.text.is_clocked

    def _assign(self, statement: str) -> bool:
        if match := _TABLE.fullmatch(statement):
            names, n_inputs, size = _names(match[5]), int(match[2]), int(match[3])
            self._drive(match[1], int(match[4], 16), names)
            is_whole = len(names) == n_inputs in self.functions and size == 1 << n_inputs
            return is_whole and len(match[4]) == max(1, size // 4)
        if match := _RESULTS.fullmatch(statement):
            return self._take(_RESULTS_NAME, self.text.n_results, match[1])
        return self._logic(statement)

    def _logic(self, statement: str) -> bool:
        """Read the plain logic of carry chains."""
        if not (match := _LOGIC.fullmatch(statement)):
            return False
        kind, output, first, operator, second, third = match.groups()
        if kind == "wire":
            self._declare(output)
        match operator, third:
            case None, None:
                self._drive(output, _SAME, [first])
            case "^", None:
                self._drive(output, _SUM, [first, second])
            case "?", str():
                self._drive(output, _CARRY, [first, second, third])
            case _:
                return False
        return True

    def _clocked(self, statement: str) -> bool:
        if not (match := _CLOCKED.fullmatch(statement)):
            return False
        return self._take(match[1], self.ranks[match[1]], match[2])

    def _take(self, name: str, bits: int, vector: str) -> bool:
        nets = [self.nets[net] for net in _names(vector)]
        if len(nets) != bits or name in self.taken:
            raise KernelTextError(f"'{name}' must be assigned once, {bits} bits, not {len(nets)}")
        self.taken[name] = nets
        return True

    def _lut(self, statement: str) -> bool:
        if not (match := _LUTS[statement[:4]].fullmatch(statement)):
            return False
        table, name, output, *inputs = match.groups()
        self._instance(name)
        self._drive(output, int(table, 16), inputs)
        return True

    def _lut6_2(self, statement: str) -> bool:
        if not (match := _LUT6_2.fullmatch(statement)):
            return False
        table, name, o6, o5, *inputs = match.groups()
        self._instance(name)
        self._drive(o6, int(table, 16), inputs)
        self._drive(o5, int(table, 16) & (1 << 32) - 1, inputs[:5])
        return True

    def _carry4(self, statement: str) -> bool:
        if not (match := _CARRY4.fullmatch(statement)):
            return False
        name, ci, start, *vectors = match.groups()
        self._instance(name)
        selects, others, sums, carries = map(_names, vectors)
        if any(len(vector) != _SLOTS for vector in (selects, others, sums, carries)):
            return False
        self._drive(sums[0], _FIRST_SUM, [selects[0], ci, start])
        self._drive(carries[0], _FIRST_CARRY, [selects[0], ci, start, others[0]])
        for slot in range(1, _SLOTS):
            carry = carries[slot - 1]
            self._drive(sums[slot], _SUM, [selects[slot], carry])
            self._drive(carries[slot], _CARRY, [selects[slot], carry, others[slot]])
        return True
