"""Devices are data files; each part has a name, and an unknown one is told what there is."""

import pytest

from hbnn_hw.errors import HbnnError
from hbnn_hw.estimate.area import Area
from hbnn_hw.estimate.occupancy import occupancy, occupancy_text
from hbnn_hw.target import DEVICES, XC7Z045, Target, find_device


def test_the_default_device_is_the_zc706_s():
    assert Target().device is XC7Z045
    figures = (XC7Z045.luts, XC7Z045.flip_flops, XC7Z045.bram36, XC7Z045.bram18, XC7Z045.dsps)
    assert figures == (218_600, 437_200, 545, 1_090, 900)


@pytest.mark.parametrize(
    ("name", "luts", "bram36"),
    [
        ("xc7z045", 218_600, 545),
        ("ZedBoard", 53_200, 140),
        ("xc7a35tcsg324-1", 20_800, 50),
        ("zcu102", 274_080, 912),
        ("kv260", 117_120, 144),
        ("LFE5U-45F", 43_848, 54),
    ],
)
def test_boards_and_parts_are_found_by_name_in_any_case(name, luts, bram36):
    device = find_device(name)
    assert (device.luts, device.bram36) == (luts, bram36)


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES.keys())
def test_every_device_has_resources_and_a_source(device):
    assert min(device.luts, device.flip_flops, device.bram36, device.dsps) > 0
    assert device.source.partition(",")[0].startswith(("DS", "FPGA-DS"))
    # 7-series and UltraScale have two flip-flops for each LUT, ECP5 has one.
    assert device.flip_flops == (1 if device.family == "ECP5" else 2) * device.luts
    assert device.board == device.board.lower()


def test_an_unknown_device_is_told_all_names():
    with pytest.raises(HbnnError, match=r"must be one of arty-a7-100, .*xc7z045.*, not 'zynq'"):
        find_device("zynq")


def test_shares_of_a_device():
    area = Area(luts=2186.0, lut_sites=2000.0, flip_flops=4372.0, bram36=5.5, dsps=9)
    shares = {share.resource: share.percent for share in occupancy(area, XC7Z045)}
    assert shares == pytest.approx(
        {"LUT": 1.0, "FF": 1.0, "BRAM36": 100 * 5.5 / 545, "BRAM18": 100 * 11 / 1090, "DSP": 1.0}
    )
    assert occupancy_text(area, XC7Z045).startswith("xc7z045ffg900-2: 1.0 % LUT, 1.0 % FF, 1.0 % BRAM36")


def test_smaller_luts_give_a_range_and_a_device_that_is_too_small_says_so():
    area = Area(luts=20_000.0, lut_sites=20_000.0, flip_flops=100.0, bram36=30.0)
    luts = occupancy(area, find_device("lfe5u-25f"))[0]
    assert (luts.used, luts.most, luts.fits) == (20_000, 80_000, False)
    text = occupancy_text(area, find_device("lfe5u-25f"))
    assert "whose LUTs have 4 inputs: 82.3 to 329.4 % LUT" in text
    assert text.endswith("too small: LUT, BRAM36, BRAM18")
