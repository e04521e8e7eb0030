"""The picture of a graph: every node and every edge is there, nothing overlaps, names cannot break out."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest

from hbnn_hw.graph import Graph, Node
from hbnn_hw.inspection import graph_text
from hbnn_hw.ops import Affine, Dense, Op
from hbnn_hw.passes import lower
from hbnn_hw.report.graph_picture import BOX_WIDTH, graph_picture, graph_svg
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes
from tests.graphs import PoolAt, random_cnn, random_mlp
from tests.ir.test_xor_encoding import encoded_graph, paper_encoding


@dataclass(frozen=True)
class Sum(Op):
    """The sum of any number of integers, for pictures of graphs with branches."""

    def infer(self, *inputs):
        elements = [source.element for source in inputs]
        low, high = sum(e.low for e in elements), sum(e.high for e in elements)
        return TensorType(inputs[0].shape, Integers(low, high))

    def compute(self, *inputs):
        return sum(source.data for source in inputs)


def branching():
    """Two branches of different length, a residual edge past them, and a node that reads its input twice."""
    edges = {
        "a": ("x",),
        "left": ("a",),
        "left_2": ("left",),
        "right": ("a",),
        "join": ("left_2", "right", "x"),
        "twice": ("join", "join"),
    }
    nodes = tuple(Node(name, Sum(), inputs) for name, inputs in edges.items())
    return Graph("branching", "x", TensorType((3,), Integers(0, 7)), nodes)


GRAPHS = {
    "captured": random_cnn(5, (6, 5, 3), (PoolAt.ACCUMULATORS, PoolAt.SIGNS), coefficients=(3, 1)),
    "lowered": lower(random_mlp(7, (70, 6, 3), coefficients=(2, 1))),
    "branching": branching(),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_node_has_a_box_and_every_input_an_arrow(name):
    graph = GRAPHS[name]
    picture = graph_picture(graph)
    assert [box.title for box in picture.boxes] == [graph.input_name, *(node.name for node in graph.nodes)]
    assert len(picture.arrows) == sum(len(node.inputs) for node in graph.nodes)


@pytest.mark.parametrize("name", GRAPHS)
def test_boxes_neither_overlap_nor_leave_the_picture(name):
    picture = graph_picture(GRAPHS[name])
    for box in picture.boxes:
        assert box.x >= 0
        assert box.x + BOX_WIDTH <= picture.width
        assert box.y >= 0
        assert box.bottom <= picture.height
    for one, other in combinations(picture.boxes, 2):
        apart = abs(one.x - other.x) >= BOX_WIDTH or one.bottom <= other.y or other.bottom <= one.y
        assert apart, (one.title, other.title)


def test_arrows_point_down_and_edges_past_a_row_run_beside_all_boxes():
    graph = branching()
    picture = graph_picture(graph)
    boxes = {box.title: box for box in picture.boxes}
    for node in graph.nodes:
        assert all(boxes[name].bottom < boxes[node.name].y for name in node.inputs)
    right = max(box.x for box in picture.boxes) + BOX_WIDTH
    beside = [
        path for path in picture.arrows if any(int(x.split("V")[0]) > right for x in path.split("H")[1:])
    ]
    # x to join, and right to join, whose row is one below that of left_2.
    assert len(beside) == 2


def test_branches_stand_side_by_side():
    boxes = {box.title: box for box in graph_picture(branching()).boxes}
    assert boxes["left"].y == boxes["right"].y
    assert boxes["a"].x == boxes["left"].x == boxes["join"].x < boxes["right"].x


@pytest.mark.parametrize("name", GRAPHS)
def test_the_drawing_is_well_formed_and_always_the_same(name):
    text = graph_svg(GRAPHS[name])
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert graph_svg(GRAPHS[name]) == text


def test_a_node_that_reads_a_value_twice_has_two_arrows_side_by_side():
    *_, one, other = graph_picture(branching()).arrows
    assert one != other


def test_names_are_text_whatever_they_hold():
    graph = branching()
    hostile = "</text><script>alert(1)</script>"
    node = replace(graph.nodes[-1], name=hostile)
    text = graph_svg(replace(graph, name='"><x', nodes=(*graph.nodes[:-1], node)))
    assert "<script" not in text
    ElementTree.fromstring(text)


def test_boxes_tell_shapes_bits_and_sums():
    graph = lower(random_mlp(7, (70, 6, 3), coefficients=(2, 1)))
    box = next(box for box in graph_picture(graph).boxes if box.title == "fc1")
    weights = next(node for node in graph.nodes if node.name == "fc1").op.weights
    largest = int(weights.row_magnitudes().max()) * 7
    assert box.lines == (
        "Mvtu",
        "1 plane [6]",
        f"6 × 70 weights of {weights.average_bits():.2f} bits",
        f"sums {-largest}…{largest}",
    )


def test_the_text_tells_encoding_row_coefficients_sums_and_the_total():
    encoding, _ = paper_encoding(4, 20, n_planes=2)
    rows = np.array([[1, 2, 3, 4], [4, 3, 2, 9]])
    graph = encoded_graph(WeightPlanes.from_encoding(encoding, row_coefficients=rows))
    text = graph_text(graph)
    largest = int(graph.nodes[1].op.weights.row_magnitudes().max())
    assert (
        "  fc: 4 × 20, 2.000 bits a weight (100.0 % 2-bit), plane coefficients 1…4, 2…9 by row, "
        "1.600 stored bits a weight (XOR of 8 to 10, order paper), "
        f"sums {-largest}…{largest}\n" in text
    )


def test_the_text_ends_with_the_total_of_several_layers():
    """280 weights of 0.8 stored bits each, and 12 of one bit."""
    encoding, _ = paper_encoding(4, 70)
    graph = random_mlp(3, (70, 4, 3))
    nodes = [
        replace(node, op=Dense(weights=WeightPlanes.from_encoding(encoding))) if node.name == "fc1" else node
        for node in graph.nodes
    ]
    text = graph_text(replace(graph, nodes=tuple(nodes)))
    stored = (280 * 0.8 + 12) / 292
    assert text.endswith(f"  2 layers with 292 weights, 1.000 bits a weight, {stored:.3f} stored\n")


def test_a_graph_without_weights_has_no_total():
    affine = Affine(alpha=np.ones(3, np.float32), beta=np.zeros(3, np.float32))
    graph = Graph("g", "x", TensorType((3,), Integers(0, 7)), (Node("a", affine, ("x",)),))
    assert graph_text(graph) == "graph g\n  x : integer 0…7 [3]\n  a : real [3] = Affine(x)\n"
