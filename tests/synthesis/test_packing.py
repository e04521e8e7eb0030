"""Sites of carry chains: one for every bit that is used, and no two of them together."""

from hbnn_hw.synthesis import flat_netlist, packed_sites


def lut(output, *inputs, kind="LUT"):
    pins = {f"I{at}": [net] for at, net in enumerate(inputs)}
    return {"type": f"{kind}{len(inputs)}", "connections": pins | {"O": [output]}}


def carry(selects, sums, carries=(90, 91, 92, 93)):
    pins = {"S": selects, "DI": ["0"] * 4, "CI": ["0"], "O": sums, "CO": list(carries)}
    return {"type": "CARRY4", "connections": pins}


def sites(*cells, outputs):
    ports = {"o": {"direction": "output", "bits": outputs}}
    module = {"ports": ports, "cells": {f"u{at}": cell for at, cell in enumerate(cells)}}
    return packed_sites(flat_netlist({"top": module}, "top"))


def test_without_chains_functions_share_sites():
    assert sites(lut(10, 2, 3), lut(11, 2, 4), lut(12, 2, 3, 4, 5, 6, 7), outputs=[10, 11, 12]) == 2


def test_functions_in_front_of_a_chain_stay_apart_and_share_with_others():
    front = [lut(10, 2, 3), lut(11, 2, 3)]
    chain = carry([10, 11, "0", "0"], [20, 21, 22, 23])
    assert sites(*front, chain, outputs=[20, 21]) == 2
    assert sites(*front, chain, lut(12, 2, 3), outputs=[20, 21, 12]) == 2
    assert sites(*front, chain, lut(12, 4, 5, 6, 7), outputs=[20, 21, 12]) == 3


def test_every_used_bit_has_a_site_even_if_no_lut_drives_it():
    assert sites(carry([2, 2, "0", 3], [20, 21, 22, 23]), outputs=[22]) == 3
    assert sites(carry([2, 2, "0", 3], [20, 21, 22, 23]), outputs=[93]) == 4
    assert sites(carry([2, 2, "0", 3], [20, 21, 22, 23]), outputs=[2]) == 0


def test_a_two_output_lut_has_the_site_of_its_bit():
    pins = {f"I{at}": [2 + at] for at in range(6)} | {"O6": [10], "O5": [11]}
    double = {"type": "LUT6_2", "connections": pins}
    assert sites(double, carry([10, "0", "0", "0"], [20, 21, 22, 23]), outputs=[20, 11]) == 1
    assert sites(double, carry([10, 10, "0", "0"], [20, 21, 22, 23]), outputs=[21, 11]) == 2
