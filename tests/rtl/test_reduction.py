"""Proofs for all inputs: a step of a pooling compares or adds the numbers that its lanes stand for."""

import pytest

from hbnn_hw.backends.rtl.reduction import Reduction
from hbnn_hw.ops import PoolKind
from hbnn_hw.types import Bordered, Integers, Planes
from hbnn_hw.verify.proof import component_verilog, prove_equal


def value_function(element) -> str:
    """The number of a lane, straight from the definition of its element type."""
    bits = element.bits
    if isinstance(element, Integers):
        extended = f"$signed(lane[{bits - 1}:0])" if element.signed else "lane"
        text = f"value = {extended};"
    else:
        planes = element.planes if isinstance(element, Bordered) else element
        terms = (f"(lane[{p}] ? {scale} : -{scale})" for p, scale in enumerate(planes.scales))
        text = f"value = {' + '.join(terms)};"
    return f"function signed [31:0] value(input [{bits - 1}:0] lane); {text} endfunction"


def specification(kind, element, result, lanes, turned=None, skips=False, ties="") -> str:
    """One step, lane by lane; with ``ties="="`` the last of equals stays."""
    seen, kept = element.bits, result.bits
    skip = "skip" if skips else "1'b0"
    lines = []
    for lane in range(lanes):
        old, new = f"kept[{lane * kept} +: {kept}]", f"seen[{lane * seen} +: {seen}]"
        if kind is PoolKind.SUM:
            text = f"(begins ? {kept}'d0 : {old}) + ({skip} ? 32'sd0 : value({new}))"
        else:
            least = f"smallest[{lane}]" if turned is None else f"1'b{int(turned[lane])}"
            better = f"({least} ? value({new}) <{ties} value({old}) : value({new}) >{ties} value({old}))"
            text = f"(begins || (!{skip} && {better})) ? {new} : {old}"
        lines.append(f"assign result[{lane * kept} +: {kept}] = {text};")
    ports = [f"input [{lanes * kept - 1}:0] kept", f"input [{lanes * seen - 1}:0] seen", "input begins"]
    ports += ["input skip"] if skips else []
    ports += [f"input [{lanes - 1}:0] smallest"] if turned is None else []
    ports.append(f"output [{lanes * kept - 1}:0] result")
    body = "\n".join([value_function(element), *lines])
    return f"module gold({', '.join(ports)});\n{body}\nendmodule"


def unit(kind, element, result, lanes, turned=None, skips=False) -> str:
    return component_verilog(Reduction(kind, element, result, lanes, turned=turned, skips=skips), "gate")


@pytest.mark.parametrize(
    ("element", "lanes", "turned", "skips"),
    [
        (Planes((1,)), 3, None, False),
        (Planes((1, 2)), 2, (False, True), False),
        (Planes((1, 1)), 2, None, True),
        (Planes((3, 2, 1)), 1, None, True),
        (Planes((5, 1, 1, 2)), 1, (True,), False),
        (Planes((1,) * 7), 1, (False,), False),
        (Bordered(Planes((2, 1))), 2, (False, True), True),
        (Integers(-4, 3), 2, None, False),
        (Integers(0, 700), 1, (False,), False),
        (Integers(-300, 2), 1, None, True),
        (Integers(0, 0), 1, None, False),
    ],
)
def test_the_greater_stays_and_of_equals_the_first(element, lanes, turned, skips):
    result = element.planes if isinstance(element, Bordered) else element
    gold = specification(PoolKind.MAX, element, result, lanes, turned, skips)
    assert prove_equal(gold, unit(PoolKind.MAX, element, result, lanes, turned, skips)).equal


@pytest.mark.parametrize(
    ("element", "n", "skips"),
    [
        (Integers(-4, 3), 9, False),
        (Integers(0, 5), 4, False),
        (Integers(-9, -2), 2, False),
        (Planes((1,)), 4, False),
        (Bordered(Planes((3, 2, 1))), 4, True),
        (Planes((1,) * 7), 2, False),
    ],
)
def test_sums_are_those_of_the_numbers(element, n, skips):
    planes = element.planes if isinstance(element, Bordered) else element
    ends = (element.low, element.high) if isinstance(element, Integers) else (-planes.largest, planes.largest)
    result = Integers(n * ends[0], n * ends[1])
    gold = specification(PoolKind.SUM, element, result, 2, (False,) * 2, skips)
    assert prove_equal(gold, unit(PoolKind.SUM, element, result, 2, (False,) * 2, skips)).equal


def test_taking_the_last_of_equals_is_refuted():
    element = Planes((1, 1))
    gold = specification(PoolKind.MAX, element, element, 1, ties="=")
    proof = prove_equal(gold, unit(PoolKind.MAX, element, element, 1))
    assert not proof.equal
    assert {proof.counterexample["kept"], proof.counterexample["seen"]} == {1, 2}
