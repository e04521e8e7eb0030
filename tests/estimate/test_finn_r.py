"""FINN's published formulas give FINN's own figures."""

import pytest

from hbnn_hw.estimate.finn_r import Mvau, bottleneck_cycles, memory_bram18, sliding_window_cycles

CNV = [
    # columns, rows, SIMD, PE, output pixels
    (27, 64, 3, 16, 900),
    (576, 64, 32, 32, 784),
    (576, 128, 32, 16, 144),
    (1152, 128, 32, 16, 100),
    (1152, 256, 32, 4, 9),
    (2304, 256, 32, 1, 1),
    (256, 512, 4, 1, 1),
    (512, 512, 8, 1, 1),
    (512, 64, 1, 4, 1),
]


@pytest.fixture(scope="module")
def units():
    return [
        Mvau(
            columns=columns,
            rows=rows,
            simd=simd,
            pe=pe,
            vectors=vectors,
            input_bits=8 if index == 0 else 1,
            output_bits=0 if index == 8 else 1,
        )
        for index, (columns, rows, simd, pe, vectors) in enumerate(CNV)
    ]


def test_cycles_of_cnv_w1a1_are_the_published_ones(units):
    cycles = [32400, 28224, 20736, 28800, 20736, 18432, 32768, 32768, 8192]
    assert [unit.cycles for unit in units] == cycles
    assert bottleneck_cycles(units) == 32768


def test_area_of_cnv_w1a1_is_what_finn_s_own_model_prints(units):
    assert sum(unit.luts for unit in units) == 24_395
    assert sum(unit.bram18 for unit in units) == 116


def test_a_rom_for_every_pe_never_takes_fewer_blocks(units):
    assert all(unit.bram18_by_pe >= unit.bram18 for unit in units)


@pytest.mark.parametrize(
    ("depth", "width", "blocks"),
    [
        (16384, 1, 1),
        (16385, 1, 2),
        (8193, 2, 2),
        (4096, 3, 1),
        (2049, 9, 2),
        (1024, 18, 1),
        (513, 36, 2),
        (512, 36, 1),
        (512, 37, 2),
    ],
)
def test_the_ladder_of_block_shapes(depth, width, blocks):
    assert memory_bram18(depth, width) == blocks


def test_a_sliding_window_fills_and_then_takes_the_slower_side():
    assert sliding_window_cycles((32, 32, 3), (3, 3), (1, 1), 3) == 96 + 30 * 270
    # Every place row is 4 places of one element, and 8 rows of 8 beats are taken meanwhile.
    assert sliding_window_cycles((8, 8, 2), (1, 1), (2, 2), 2) == 8 + 4 * 16
