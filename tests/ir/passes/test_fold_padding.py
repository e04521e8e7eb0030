"""Frames become the padding of convolutions, with the same numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Convolution, Flatten, Pad
from hbnn_hw.passes import fold_padding
from hbnn_hw.types import Integers, Planes, TensorType
from tests.graphs import random_convolution
from tests.ir.passes.networks import chain

IMAGE = TensorType((4, 5, 2), Integers(-3, 4))
sides = st.tuples(*[st.integers(0, 2)] * 4)


def conv(**options):
    return random_convolution(np.random.default_rng(1), IMAGE.shape, outputs=3, **options)


def images(shape=IMAGE.shape):
    return np.random.default_rng(0).integers(-3, 5, (10, *shape))


@given(sides, st.integers(-6, 6), sides, st.integers(-2, 2), st.integers(1, 2))
def test_the_outputs_stay_whatever_the_frame_and_the_padding(frame, value, padding, border, dilation):
    op = conv(padding=padding, border=border, dilation=(1, dilation))
    graph = chain(TensorType((5, 5, 2), IMAGE.element), Pad(padding=frame, value=value), op)
    folded = fold_padding(graph)
    data = images((5, 5, 2))
    assert np.array_equal(folded.run(data).data, graph.run(data).data)
    fits = not any(padding) or border == value
    assert [type(node.op) for node in folded.nodes] == ([Convolution] if fits else [Pad, Convolution])


@given(sides, st.integers(-4, 4))
def test_planes_are_read_directly_then(frame, value):
    kind = TensorType((5, 5, 2), Planes((1, 2)))
    graph = chain(kind, Pad(padding=frame, value=value), conv())
    bits = np.random.default_rng(0).integers(0, 2, (10, 2, 5, 5, 2), dtype=np.uint8)
    folded = fold_padding(graph)
    assert folded.nodes[0].inputs == ("x",)
    assert np.array_equal(folded.run(bits).data, graph.run(bits).data)


def test_frames_in_frames_add_up():
    graph = chain(
        IMAGE, Pad(padding=(1, 0, 2, 0), value=3), Pad(padding=(0, 1, 1, 1), value=3), conv(padding=(0,) * 4)
    )
    (node,) = fold_padding(graph).nodes
    assert isinstance(node.op, Convolution)
    assert (node.op.padding, node.op.border) == ((1, 1, 3, 1), 3)
    assert np.array_equal(fold_padding(graph).run(images()).data, graph.run(images()).data)


def test_frames_of_channels_and_frames_that_others_read_stay():
    wide = random_convolution(np.random.default_rng(1), (5, 5, 3), outputs=3)
    graph = chain(IMAGE, Pad(channels=(0, 1)), wide)
    assert fold_padding(graph) is graph
    nodes = (
        Node("pad", Pad(padding=(1, 1, 1, 1)), ("x",)),
        Node("flat", Flatten(), ("pad",)),
        Node("conv", conv(), ("pad",)),
    )
    graph = Graph("g", "x", IMAGE, nodes)
    assert fold_padding(graph) is graph
