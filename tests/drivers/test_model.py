"""The register model itself behaves as PG021 describes the AXI DMA: the drivers' tests rest on it."""

import pytest

from tests.drivers.model import (
    AP_IDLE,
    DECODE,
    DONE,
    ERROR_IRQ,
    HALTED,
    IDLE,
    INTERNAL,
    IOC,
    MEMORY,
    MOST_TICKS,
    RESET,
    RUN,
    START,
    Fault,
    HangError,
    System,
)

MM2S, S2MM = 0x00, 0x30
CR, SR, ADDRESS, LENGTH = 0x00, 0x04, 0x18, 0x28


def system(**options):
    """Images of 4 bytes in, 2 beats of 2 bytes out."""
    return System(lambda octets: octets[::-1], 4, 2, **options)


def run(fabric, channel, address=MEMORY, length=4):
    fabric.write_dma(channel + CR, RUN)
    fabric.write_dma(channel + ADDRESS, address)
    fabric.write_dma(channel + LENGTH, length)


def settle(fabric, ticks=40):
    for _ in range(ticks):
        fabric.tick()


def start(fabric, images):
    fabric.write_control(0x10, images)
    fabric.write_control(0x00, START)


def test_channels_are_halted_and_not_idle_until_run():
    fabric = system()
    assert fabric.read_dma(MM2S + SR) == fabric.read_dma(S2MM + SR) == HALTED
    fabric.write_dma(MM2S + CR, RUN)
    assert fabric.read_dma(MM2S + SR) == 0  # idle only after a transfer
    assert fabric.read_dma(S2MM + SR) == HALTED


def test_length_starts_nothing_while_halted():
    fabric = system()
    fabric.write_dma(MM2S + LENGTH, 4)
    settle(fabric)
    assert fabric.read_dma(MM2S + SR) == HALTED
    assert not fabric.queue


def test_transfers_end_idle_with_ioc_which_clears_by_writing_one():
    fabric = system()
    fabric.memory[:4] = [1, 2, 3, 4]
    run(fabric, S2MM, MEMORY + 128, 64)
    start(fabric, 1)
    run(fabric, MM2S)
    settle(fabric)
    assert fabric.read_dma(MM2S + SR) == fabric.read_dma(S2MM + SR) == IDLE | IOC
    assert fabric.memory[128:132].tolist() == [4, 3, 2, 1]
    assert fabric.read_dma(S2MM + LENGTH) == 4  # what arrived, not what was allowed
    fabric.write_dma(S2MM + SR, IOC)
    assert fabric.read_dma(S2MM + SR) == IDLE


def test_s2mm_ends_at_tlast_alone():
    fabric = system(fault=Fault.MISSING_TLAST)
    run(fabric, S2MM, MEMORY + 128, 64)
    start(fabric, 1)
    run(fabric, MM2S)
    settle(fabric, 200)
    assert fabric.read_dma(S2MM + SR) == 0
    assert fabric.s2mm.count == 4


def test_packet_beyond_length_halts_with_an_internal_error_until_a_reset():
    fabric = system()
    run(fabric, S2MM, MEMORY + 128, 2)
    start(fabric, 1)
    run(fabric, MM2S)
    settle(fabric)
    assert fabric.read_dma(S2MM + SR) == HALTED | INTERNAL | ERROR_IRQ
    assert fabric.read_dma(S2MM + CR) == 0
    fabric.write_dma(MM2S + CR, RESET)  # of one channel, which is one of both
    assert fabric.read_dma(MM2S + CR) == RESET
    settle(fabric)
    assert fabric.read_dma(MM2S + CR) == 0
    assert fabric.read_dma(S2MM + SR) == fabric.read_dma(MM2S + SR) == HALTED


def test_address_without_memory_is_a_decode_error():
    fabric = system()
    run(fabric, MM2S, MEMORY - 128)
    settle(fabric)
    assert fabric.read_dma(MM2S + SR) & DECODE


def test_done_clears_on_read_and_a_start_while_busy_is_remembered():
    fabric = system()
    assert fabric.read_control(0) == AP_IDLE
    start(fabric, 1)
    assert fabric.read_control(0) == 0
    start(fabric, 1)
    assert fabric.read_control(0) == START
    run(fabric, S2MM, MEMORY + 128, 64)
    run(fabric, MM2S)
    settle(fabric)
    assert fabric.starts == 2
    run(fabric, S2MM, MEMORY + 128, 64)
    run(fabric, MM2S)
    settle(fabric)
    assert fabric.read_control(0) == DONE | AP_IDLE
    assert fabric.read_control(0) == AP_IDLE


def test_accelerator_waits_while_nobody_takes_its_output():
    fabric = system()
    start(fabric, 3)
    run(fabric, MM2S, length=12)
    settle(fabric, 200)
    assert fabric.image == 1
    assert not fabric.read_dma(MM2S + SR) & IDLE


def test_endless_polling_is_caught():
    fabric = system()
    with pytest.raises(HangError, match=f"after {MOST_TICKS} register accesses"):
        settle(fabric, MOST_TICKS + 1)
