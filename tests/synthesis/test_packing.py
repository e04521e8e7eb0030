"""Sites as slices hold them, on netlists of a few cells: every rule of the packing by itself."""

from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.estimate.pairing import paired_sites
from hbnn_hw.synthesis import flat_netlist, packed_sites

SUMS, CARRIES = [20, 21, 22, 23], [90, 91, 92, 93]
MAJORITY = "11101000"


def lut(output, *inputs):
    """A parity: it depends on all of its inputs."""
    table = "".join(str(address.bit_count() & 1) for address in reversed(range(1 << len(inputs))))
    pins = {f"I{at}": [net] for at, net in enumerate(inputs)}
    return {
        "type": f"LUT{len(inputs)}",
        "connections": pins | {"O": [output]},
        "parameters": {"INIT": table},
    }


def double(upper, lower, *inputs):
    """Parity of up to five inputs and the majority of the first three, in one LUT."""
    nets = [*inputs, *["0"] * (5 - len(inputs)), "1"]
    size = 1 << len(inputs)
    parity = "".join(str((at % size).bit_count() & 1) for at in reversed(range(32)))
    pins = {f"I{at}": [net] for at, net in enumerate(nets)}
    return {
        "type": "LUT6_2",
        "connections": pins | {"O6": [upper], "O5": [lower]},
        "parameters": {"INIT": parity + MAJORITY * 4},
    }


def carry(selects, data=("0",) * 4, enters="0", sums=SUMS, carries=CARRIES, below="0"):
    pins = {"S": selects, "DI": list(data), "CI": [below], "CYINIT": [enters], "O": sums, "CO": carries}
    return {"type": "CARRY4", "connections": pins}


def sites(*cells, outputs):
    ports = {"o": {"direction": "output", "bits": outputs}}
    module = {"ports": ports, "cells": {f"u{at}": cell for at, cell in enumerate(cells)}}
    return packed_sites(flat_netlist({"top": module}, "top"))


def test_without_chains_functions_share_sites():
    assert sites(lut(10, 2, 3), lut(11, 2, 4), lut(12, 2, 3, 4, 5, 6, 7), outputs=[10, 11, 12]) == 2


@given(st.lists(st.sets(st.integers(2, 9), min_size=1, max_size=6), max_size=12))
def test_without_chains_it_is_the_count_by_pairing(reads):
    cells = [lut(100 + at, *sorted(nets)) for at, nets in enumerate(reads)]
    found = sites(*cells, outputs=[100 + at for at in range(len(reads))])
    assert found == paired_sites(map(frozenset, reads))


def test_functions_in_front_of_a_chain_never_share():
    front = [lut(10, 2, 3), lut(11, 2, 3)]
    assert sites(*front, carry([10, 11, "0", "0"]), outputs=[91]) == 2
    assert sites(*front, outputs=[10, 11]) == 1


def test_a_second_function_leaves_by_the_multiplexer_if_no_sum_does():
    front, chain = [lut(10, 2, 3), lut(11, 2, 3)], carry([10, 11, "0", "0"])
    # The carry takes the upper slot's multiplexer, the lower one is free; of two sums, none is.
    assert sites(*front, chain, lut(12, 2, 3), outputs=[91, 12]) == 2
    assert sites(*front, chain, lut(12, 2, 3), lut(13, 2, 3), outputs=[91, 12, 13]) == 3
    assert sites(*front, chain, lut(12, 2, 3), outputs=[20, 21, 12]) == 3
    # Six inputs leave no room.
    assert sites(*front, chain, lut(12, 4, 5, 6, 7), outputs=[91, 12]) == 3


def test_what_feeds_the_di_of_its_own_slot_needs_no_multiplexer():
    front, second = lut(10, 2, 3), lut(12, 2, 3, 4)
    chain = carry([10, "0", "0", "0"], [12, "0", "0", "0"])
    assert sites(front, second, chain, outputs=[20]) == 1
    assert sites(front, second, chain, outputs=[20, 12]) == 2
    wide = lut(12, 4, 5, 6, 7)
    assert sites(front, wide, chain, outputs=[20]) == 2


def test_a_two_output_lut_keeps_both_functions_where_both_can_leave():
    assert sites(double(10, 11, 2, 3, 4), outputs=[10, 11]) == 1
    chain = carry([10, "0", "0", "0"])
    assert sites(double(10, 11, 2, 3, 4), chain, outputs=[20]) == 1
    assert sites(double(10, 11, 2, 3, 4), chain, outputs=[20, 11]) == 2
    own = carry([10, "0", "0", "0"], [11, "0", "0", "0"])
    assert sites(double(10, 11, 2, 3, 4), own, outputs=[20]) == 1
    # Its carry goes on by the chain's own wire, and the majority leaves.
    above = carry([2, 2, 2, 2], sums=[30, 31, 32, 33], carries=[80, 81, 82, 83], below=93)
    full = carry([10, 3, 3, 3])
    assert sites(double(10, 11, 2, 3, 4), full, above, outputs=[30, 11]) == 5


def test_every_used_bit_has_a_site_even_if_no_lut_drives_it():
    assert sites(carry([2, 2, "0", 3]), outputs=[23]) == 4
    assert sites(carry([2, 2, 4, 3]), outputs=[22]) == 3
    assert sites(carry([2, 2, "0", 3]), outputs=[93]) == 4
    assert sites(carry([2, 2, "0", 3]), outputs=[2]) == 0


def test_a_function_read_by_two_slots_has_its_home_in_one_and_passes_through_the_other():
    assert sites(lut(10, 2, 3), carry([10, 10, "0", "0"]), outputs=[20, 21]) == 2
    # The one input of the route-through leaves room for four others.
    rest = lut(12, 4, 5, 6, 7)
    assert sites(lut(10, 2, 3), carry([10, 10, "1", "0"]), rest, outputs=[92, 12]) == 3


def test_sum_and_carry_of_one_slot_take_a_slot_more():
    front = [lut(10, 2, 3), lut(11, 2, 3)]
    assert sites(*front, carry([10, 11, "0", "0"]), outputs=[21, 91]) == 3
    assert sites(*front, carry([10, 11, "0", "0"]), outputs=[20, 91]) == 2


def test_a_carry_written_as_the_next_sum_is_the_carry():
    front = [lut(10, 2, 3), lut(11, 2, 3)]
    assert sites(*front, carry([10, 11, "0", "0"]), outputs=[22]) == 2
    assert sites(*front, carry([10, 11, "0", "0"]), outputs=[21, 22]) == 3


def test_a_net_that_enters_takes_the_bypass_of_the_first_slot():
    five, six = lut(10, 2, 3, 4, 5, 6), lut(10, 2, 3, 4, 5, 6, 7)
    # DI passes through O5 where the LUT has room for it; it may be one of its inputs.
    assert sites(five, carry([10, "0", "0", "0"], [6, "0", "0", "0"], enters=8), outputs=[20]) == 1
    assert sites(five, carry([10, "0", "0", "0"], [9, "0", "0", "0"], enters=8), outputs=[20]) == 2
    assert sites(six, carry([10, "0", "0", "0"], [7, "0", "0", "0"], enters=8), outputs=[20]) == 2
    assert sites(six, carry([10, "0", "0", "0"], [7, "0", "0", "0"], enters="1"), outputs=[20]) == 1
    # The slot below lets a function of five inputs out.
    other = lut(12, 2, 3, 4, 5, 6)
    assert sites(six, carry([10, "0", "0", "0"], [7, "0", "0", "0"], enters=8), other, outputs=[20, 12]) == 2


def test_registers_take_sums_within_the_site():
    register = {"type": "FDRE", "connections": {"C": [50], "D": [20], "Q": [51], "CE": ["1"], "R": ["0"]}}
    front, chain = lut(10, 2, 3), carry([10, "0", "0", "0"])
    assert sites(front, chain, register, lut(12, 2, 3), outputs=[51, 12]) == 1
    assert sites(front, chain, register, lut(12, 2, 3), outputs=[51, 12, 20]) == 2
