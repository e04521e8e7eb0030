"""The roofline counts what a unit computes and moves."""

import pytest

from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.report.roofline import (
    LUTS_PER_PRODUCT,
    Mark,
    _joined,
    roofline,
    roofline_picture,
    weight_bits_read,
)
from hbnn_hw.target import Target
from tests.graphs import random_mlp

TARGET = Target(clock_ns=4.0)


def lowered(coefficients=(1,), shared=False, unroll=False):
    network = random_mlp(5, (32, 16, 8), n_bits=3, coefficients=coefficients, shared_columns=shared)
    return lower(network, FoldingRequest(pe=4, simd=8, unroll=unroll))


def test_roofs_are_the_device_s():
    roofs = roofline(lowered(), TARGET)
    assert roofs.peak == pytest.approx(2 * 218_600 / LUTS_PER_PRODUCT * 250e6)
    assert roofs.bandwidth == pytest.approx(545 * 9 * 250e6)
    assert roofs.ridge * roofs.bandwidth == pytest.approx(roofs.peak)


def test_a_folded_layer_by_hand():
    """32 × 16 weights of a bit on 3 planes: 16 steps of 4 × 8 weights, 96 bits in and a bit per row out."""
    first = roofline(lowered(), TARGET).layers[0]
    assert first.operations == 2 * 32 * 16 * 3
    assert first.traffic_bytes == (16 * 32 + 32 * 3 + 16) / 8
    assert first.rate == first.operations * 250e6 / 16
    assert first.roof == pytest.approx(first.intensity * 545 * 9 * 250e6)


def test_masks_are_read_where_they_differ():
    def bits(coefficients, shared=False):
        graph = lowered(coefficients, shared)
        node = next(node for node in graph.hardware_nodes if node.name == "fc1")
        return weight_bits_read(node.op, 1)

    assert bits((1,)) == 32
    assert bits((2, 1)) == 64
    assert bits((2, 1), shared=True) == 32 + 8


def test_unrolled_layers_move_streams_alone():
    folded, unrolled = roofline(lowered(), TARGET), roofline(lowered(unroll=True), TARGET)
    assert unrolled.layers[0].traffic_bytes == (32 * 3 + 16) / 8
    assert unrolled.layers[0].operations == folded.layers[0].operations


def test_the_network_is_all_layers_at_the_slowest_pace():
    roofs = roofline(lowered(), TARGET)
    assert roofs.network.operations == sum(layer.operations for layer in roofs.layers)
    assert roofs.network.rate == roofs.network.operations * 250e6 / 16
    assert roofs.document()["network"]["operations_per_second"] == roofs.network.rate


@pytest.mark.parametrize("unroll", [False, True])
def test_everything_is_drawn_inside_the_frame_and_below_the_roof(unroll):
    roofs = roofline(lowered(unroll=unroll), TARGET)
    picture = roofline_picture(roofs)
    left, top, right, bottom = picture.frame
    for mark in (*picture.marks, picture.network):
        assert left <= mark.x <= right
        assert top <= mark.y <= bottom
    for layer in roofs.layers:
        assert layer.rate <= layer.roof
    assert "fc1: " in picture.marks[0].text


def test_numbers_of_marks_that_lie_together_are_printed_once():
    marks = [Mark(10.0, 10.0, "1", ""), Mark(12.0, 11.0, "2", ""), Mark(90.0, 10.0, "3", "")]
    assert [mark.label for mark in _joined(marks)] == ["1, 2", "", "3"]
