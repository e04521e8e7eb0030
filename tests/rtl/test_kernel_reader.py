"""Printed kernels, read back from their text, are their layers; faults in the text are found or refused."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from hbnn_hw.backends.rtl.lut import Fabric, with_models
from hbnn_hw.backends.rtl.mvtu_kernel_text import kernel_text
from hbnn_hw.backends.rtl.unrolled.netlist import Bit, Function, NetlistBuilder, Output
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.errors import KernelTextError
from hbnn_hw.types import Integers, Planes, TensorType
from hbnn_hw.verify.evaluated_kernels import replace_kernels
from hbnn_hw.verify.kernel_reader import ReadKernel, find_kernels, read_kernel
from tests.rtl.test_unrolled import PLACES, check, random_layer


def read(text: str) -> ReadKernel:
    """Read the one kernel of a text."""
    (kernel,) = find_kernels(text)
    return read_kernel(text, kernel)


@dataclass
class AsPrinted:
    """A kernel's text, executed like the netlist that it prints: a clock for every rank, then the logic."""

    text: str

    def evaluate(self, lanes):
        kernel = read(self.text)
        bits = sum(kernel.registers.values())
        held = np.random.default_rng(1).integers(0, 2, (len(lanes), bits), dtype=np.uint8)
        for _ in range(len(kernel.registers) + 1):
            left = kernel.program.evaluate(np.hstack([lanes, held]))
            held, results = left[:, :bits], left[:, bits:]
        return results


def all_words(n):
    """All words of n bits."""
    return (np.arange(1 << n)[:, np.newaxis] >> np.arange(n) & 1).astype(np.uint8)


BIT = Planes((1,))


def planned(columns=12, rows=4, planes=1, element=BIT, levels=1):
    op = random_layer(np.random.default_rng(0), rows, columns, planes, levels, density=0.8, spread=4)
    source = TensorType((PLACES, columns), element)
    return op, plan_layer(op, source, (Structure(group_size=2),)).netlist


@pytest.mark.parametrize("fabric", Fabric)
@pytest.mark.parametrize("stages", [1, 3])
@pytest.mark.parametrize(
    ("columns", "planes", "element", "levels"),
    [(40, 1, BIT, 1), (12, 3, Planes((1, 2)), 3), (9, 1, Integers(-4, 3), 0)],
    ids=["signs", "planes", "sums"],
)
def test_what_is_read_computes_the_layer(fabric, stages, columns, planes, element, levels):
    op, netlist = planned(columns, 5, planes, element, levels=levels)
    text = with_models(kernel_text("kernel", netlist, stages, fabric))
    assert len(read(text).registers) == stages - 1
    check(op, element, AsPrinted(text), np.random.default_rng(2))


@pytest.mark.parametrize("fabric", Fabric)
@pytest.mark.parametrize("stages", [1, 3])
def test_what_is_read_is_the_netlist_for_all_inputs(fabric, stages):
    _, netlist = planned()
    text = kernel_text("kernel", netlist, stages, fabric)
    words = all_words(netlist.n_inputs)
    np.testing.assert_array_equal(AsPrinted(text).evaluate(words), netlist.evaluate(words))


def test_constant_results_need_no_cells():
    builder = NetlistBuilder(3)
    text = kernel_text("kernel", builder.finish([-1, -2, 1]))
    np.testing.assert_array_equal(AsPrinted(text).evaluate(all_words(3))[:, :2], [[0, 1]] * 8)


@pytest.mark.parametrize("fabric", Fabric)
def test_a_wrong_digit_is_wrong_at_its_four_addresses(fabric):
    builder = NetlistBuilder(6)
    count = [(Bit(net), 1) for net in range(6)]
    netlist = builder.finish([builder.lut(count, Function(Output.BIT, 1))])
    text, words = kernel_text("kernel", netlist, 1, fabric), all_words(6)
    first = text.index("'h") + 2
    for digit in range(16):
        faulty = text[: first + digit] + f"{int(text[first + digit], 16) ^ 15:x}" + text[first + digit + 1 :]
        is_wrong = AsPrinted(faulty).evaluate(words) != netlist.evaluate(words)
        np.testing.assert_array_equal(np.flatnonzero(is_wrong), 4 * (15 - digit) + np.arange(4))


@pytest.mark.parametrize(
    ("fabric", "pattern"),
    [
        (Fabric.XC7, r"(\.I0\()(\S+)(\), \.I1\()([^)]+)"),
        (Fabric.XC7, r"(\.S\(\{\S+, \S+, )(\S+)(, )(\S+)(?=\}\), \.DI)"),
        (Fabric.GENERIC, r"(table6\(\S+ \{)(\S+)(, )(\S+)(?=, )"),
        (Fabric.GENERIC, r"(= )(\S+)( \? )(\S+)"),
        (Fabric.XC7, r"(assign results = \{\s+)(\S+)(, )(\S+)(?=,)"),
    ],
    ids=["pins", "slots", "address", "carry", "results"],
)
def test_two_exchanged_nets_are_found(fabric, pattern):
    _, netlist = planned()
    text, words = kernel_text("kernel", netlist, 1, fabric), all_words(12)
    right = netlist.evaluate(words)
    faulty = [
        text[: m.start()] + m[1] + m[4] + m[3] + m[2] + text[m.end() :] for m in re.finditer(pattern, text)
    ]
    assert faulty
    assert any((AsPrinted(one).evaluate(words) != right).any() for one in faulty)


def test_statements_may_stand_in_any_order():
    _, netlist = planned(columns=24, rows=6)
    lines = kernel_text("kernel", netlist, 1, Fabric.XC7).splitlines()
    cells = [at for at, line in enumerate(lines) if line.startswith("  LUT")]
    for at, line in zip(cells, [lines[at] for at in reversed(cells)], strict=True):
        lines[at] = line
    words = np.random.default_rng(0).integers(0, 2, (64, 24), dtype=np.uint8)
    turned = AsPrinted("\n".join(lines))
    np.testing.assert_array_equal(turned.evaluate(words), netlist.evaluate(words))


FAULTS = {
    "undriven": (Fabric.XC7, r"  LUT\d.*\n", "", r"kernel 'kernel': net 'n\d+' must be driven$"),
    "driven twice": (Fabric.XC7, r"(\.O\()n\d+", r"\1n12", r"net 'n12' must be driven once, not twice"),
    "input driven": (
        Fabric.XC7,
        r"(\.O\()n\d+",
        r"\1lanes[2]",
        r"net '\S+' must be driven",
    ),
    "undeclared": (
        Fabric.GENERIC,
        r"\{lanes\[\d+\]",
        "{lanes[12]",
        r"line \d+: net 'lanes\[12\]' must be declared",
    ),
    "declared twice": (
        Fabric.GENERIC,
        r"wire n12,",
        "wire n13,",
        r"line \d+: net 'n13' must be declared once",
    ),
    "loop": (
        Fabric.GENERIC,
        r"(assign (n\d+) = \S+ \{)[^,}]+",
        r"\1\2",
        r"must not be a loop, .*: (n\d+) -> \1$",
    ),
    "short table": (Fabric.XC7, r"'h[0-9a-f]", "'h", r"must be one that is printed, not 'LUT"),
    "wide table": (Fabric.GENERIC, r"'h", "'h0", r"must be one that is printed, not 'assign"),
    "pins": (Fabric.XC7, r"\.I0\(", ".I9(", r"must be one that is printed, not 'LUT"),
    "three slots": (Fabric.XC7, r"\.S\(\{[^,]+, ", ".S({", r"must be one that is printed, not 'CARRY4"),
    "instance": (Fabric.XC7, r"\) lut\d+ ", ") lut0 ", r"instance 'lut0' must have a name of its own"),
    "short results": (
        Fabric.XC7,
        r"(results = \{\s+)\S+,",
        r"\1",
        r"'results' must be assigned once, 4 bits, not 3",
    ),
    "no results": (Fabric.XC7, r"assign results = [^;]+;", "", r"'results' must be assigned"),
    "no register": (Fabric.XC7, r"always [^;]+;", "", r"'stage1' must be assigned"),
    "other clock": (Fabric.XC7, r"if \(enable\) ", "", r"must be one that is printed, not 'always"),
    "unknown": (Fabric.XC7, r"endmodule", "initial $finish;\nendmodule", r"not 'initial \$finish;'"),
    "no semicolon": (
        Fabric.XC7,
        r"\};\nendmodule",
        "}\nendmodule",
        r"printed, not 'assign results [^;]*endmodule'",
    ),
    "unfinished": (Fabric.XC7, r"endmodule", "", r"'endmodule' must follow"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_malformed_texts_are_refused(fault):
    fabric, pattern, put, message = FAULTS[fault]
    _, netlist = planned()
    text = kernel_text("kernel", netlist, 2, fabric)
    count = 2 if fault in {"driven twice", "instance"} else 1
    faulty = re.sub(pattern, put, text, count=count)
    assert faulty != text
    with pytest.raises(KernelTextError, match=message):
        read(faulty)


def test_the_largest_kernels_give_way_and_nothing_else_changes():
    texts = {rows: kernel_text(f"kernel{rows}", planned(rows=rows)[1], 2, Fabric.XC7) for rows in (9, 2, 5)}
    verilog = with_models("\n".join(["// head", *texts.values()]))
    luts = {kernel.name: kernel.luts for kernel in find_kernels(verilog)}
    for compiled, expected in (
        (sum(luts.values()), ()),
        (sum(luts.values()) - 1, ("kernel9",)),
        (luts["kernel2"], ("kernel9", "kernel5")),
        (0, ("kernel9", "kernel2", "kernel5")),
    ):
        replaced = replace_kernels(verilog, compiled)
        assert replaced.names == expected
        assert sorted(replaced.programs) == sorted(f"{name}.tables" for name in expected)
        assert (replaced.verilog == verilog) == (not expected)
        assert [kernel.name for kernel in find_kernels(replaced.verilog)] == ["kernel9", "kernel2", "kernel5"]
        kept = [line for line in verilog.splitlines() if line.startswith("//") or "INIT[" in line]
        assert set(kept) <= set(replaced.verilog.splitlines())
