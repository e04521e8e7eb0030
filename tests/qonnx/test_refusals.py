"""Files that cannot be lowered are refused with every reason at once; damaged ones without a traceback."""

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hbnn_hw.backends.qonnx import export
from hbnn_hw.capture.qonnx import InputCode, load, read_bytes, reading
from hbnn_hw.errors import CaptureError, GraphError, HbnnError, RangeError, ToolMissingError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, Dense, Flatten, MaxPool, Sign, SignOfZero, Unflatten
from hbnn_hw.types import Integers, TensorType
from tests.graphs import random_weights
from tests.qonnx.files import File

RNG = np.random.default_rng(0)


def perceptron():
    file = File((4,), datatype="UINT2")
    file.add("MatMul", file.weights(RNG.normal(0, 1, (4, 3)), 2))
    return file


def image(datatype="UINT2"):
    return File((2, 4, 4), datatype=datatype)


def refused(file, text, input_code=None):
    with pytest.raises(CaptureError, match=text):
        read_bytes(file.content(), input_code=input_code)


def test_all_operators_without_a_form_are_named_at_once():
    file = perceptron()
    file.add("Sigmoid")
    file.add("Erf")
    refused(
        file,
        r"2 nodes cannot be lowered:\n  'sigmoid2' \(Sigmoid\): train with a piecewise linear activation\n"
        r"  'erf3' \(Erf\): replace it by supported operators\nsupported are Add, ",
    )


def test_all_layers_that_do_not_fit_are_named_at_once():
    file = image()
    source = file.add("MaxPool", kernel_shape=[2, 2])
    first = file.add("MaxPool", source=source, kernel_shape=[2, 2], ceil_mode=1)
    second = file.add("Conv", RNG.normal(0, 1, (2, 2, 1, 1)), source=source)
    file.add("Add", first, source=second)
    refused(
        file,
        r"in 2 places:\n  'maxpool1' \(MaxPool\) must have neither ceil_mode nor dilations\n"
        r"  the weights of 'conv2' \(Conv\) must be quantized",
    )


CASES = {
    "float input": (
        lambda f: f.add("MatMul", f.weights(RNG.normal(0, 1, (32, 3)), 2)),
        "the input 'in' must be quantized",
    ),
    "wide activation": (lambda f: f.quant(9) and f.quant(9), r"bit width of .* must lie in 1..8, not 9"),
    "fractional width": (lambda f: f.quant(2) and f.quant(2.5), "must be a whole number, not 2.5"),
    "negative scale": (lambda f: f.quant(2) and f.quant(2, -1.0), r"scale of .* must be positive"),
    "infinite scale": (lambda f: f.quant(2) and f.quant(2, np.inf), "must be finite"),
    "zero point": (lambda f: f.quant(2) and f.quant(2, 1.0, 0.5), "zero point of .* must be a whole number"),
    "rounding": (lambda f: f.quant(2) and f.quant(2, rounding="STOCHASTIC"), "must be one of ROUND, "),
    "per-pixel scale": (
        lambda f: f.quant(2) and f.add("Mul", RNG.uniform(1, 2, (1, 1, 4, 4))),
        r"constant of 'mul1' \(Mul\) of shape \(1, 1, 4, 4\) must have one number for each of 2 channels",
    ),
    "channel scales before weights": (
        lambda f: (
            f.quant(2)
            and f.add("Mul", [[[1.0]], [[2.0]]])
            and f.add("Conv", f.weights(RNG.normal(0, 1, (1, 2, 1, 1)), 2))
        ),
        "must read numbers that are quantized with one scale",
    ),
    "input scales in weights": (
        lambda f: (
            f.quant(2) and f.add("Conv", f.weights(RNG.normal(0, 1, (1, 2, 1, 1)), 2, [[[[1.0]], [[2.0]]]]))
        ),
        "must have one scale, or one per output channel",
    ),
    "border between steps": (
        lambda f: (
            f.quant(2)
            and f.add("Add", 0.25)
            and f.add("Conv", f.weights(np.ones((1, 2, 1, 1)), 2), pads=[1, 1, 1, 1])
        ),
        "0, the border of .* must be a whole number",
    ),
    "product of two": (lambda f: f.quant(2) and f.add("Mul", f.last), "quotient with a constant"),
    "division by zero": (lambda f: f.quant(2) and f.add("Div", 0.0), "not 0 in a quotient"),
    "sum of shapes": (
        lambda f: f.quant(2) and f.add("MaxPool", kernel_shape=[2, 2]) and f.add("Add", "quant0"),
        "must add tensors of one shape",
    ),
    "average with pads": (
        lambda f: f.quant(2) and f.add("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]),
        "must have count_include_pad = 1, or no pads",
    ),
    "reshape": (
        lambda f: f.quant(2) and f.add("Reshape", f.constant([-1, 8, 2, 2], np.int64)),
        "must make vectors of images",
    ),
    "transposed batch": (lambda f: f.quant(2) and f.add("Transpose", perm=[1, 0, 2, 3]), "keep the batch"),
    "behind a rearrangement": (
        lambda f: (
            f.quant(2)
            and f.add("Conv", f.weights(RNG.normal(0, 1, (4, 2, 1, 1)), 2))
            and f.add("DepthToSpace", blocksize=2)
            and f.add("MaxPool", kernel_shape=[2, 2])
        ),
        "must read images",
    ),
    "window": (lambda f: f.quant(2) and f.add("MaxPool", kernel_shape=[5, 5]), "must fit into the image"),
    "floor of reals": (lambda f: f.quant(2) and f.add("Div", 3.0) and f.add("Floor"), "in fixed point"),
    "zero weights": (
        lambda f: f.quant(2) and f.add("Conv", f.weights(np.zeros((1, 2, 1, 1)), 2)),
        "must not all be 0",
    ),
    "no threshold": (
        lambda f: f.quant(2) and f.add("MultiThreshold", np.zeros((2, 256)), out_dtype="UINT8"),
        "the thresholds of .* must be",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_has_no_meaning_in_hardware_is_refused_by_name(name):
    file = File((2, 4, 4)) if name != "float input" else File((32,))
    build, text = CASES[name]
    build(file)
    refused(file, text)


def test_an_output_that_does_not_depend_on_the_input():
    file = perceptron()
    file.last = file.add("Identity", source=file.constant([1.0]))
    refused(file, "must depend on the network's input")


def test_impossible_input_codes():
    with pytest.raises(CaptureError, match="1 to 16 bits and a positive scale"):
        InputCode(bits=17)


def test_tensors_in_other_files_are_never_read(tmp_path):
    model = perceptron().model()
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    with pytest.raises(CaptureError, match="must be in the file itself"):
        read_bytes(model.SerializeToString())


def test_a_cycle_is_refused():
    model = perceptron().model()
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]
    with pytest.raises(CaptureError, match="reads 'matmul1', which is not made before it"):
        read_bytes(model.SerializeToString())


def test_a_tensor_that_is_made_twice_is_refused():
    model = perceptron().model()
    model.graph.node.append(model.graph.node[-1])
    with pytest.raises(CaptureError, match="makes 'matmul1', which is there already"):
        read_bytes(model.SerializeToString())


@pytest.mark.parametrize("dims", [(1 << 40,), (-4, 8), (1 << 20, 1 << 20)])
def test_huge_tensors_are_refused_before_anything_is_allocated(dims):
    model = perceptron().model()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    with pytest.raises(CaptureError, match=r"must not have the shape|damaged"):
        read_bytes(model.SerializeToString())


def test_huge_images_are_refused():
    model = image().model(output="in")
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 1 << 20
    with pytest.raises(CaptureError, match="known extents"):
        read_bytes(model.SerializeToString())


def test_networks_with_several_inputs_or_outputs_are_refused():
    model = perceptron().model()
    model.graph.output.append(helper.make_tensor_value_info("in", TensorProto.FLOAT, None))
    with pytest.raises(CaptureError, match="one input and one output, not 1 and 2"):
        read_bytes(model.SerializeToString())


def test_files_that_are_missing_too_large_or_something_else(tmp_path, monkeypatch):
    with pytest.raises(CaptureError, match="cannot read"):
        load(tmp_path / "none.onnx")
    path = tmp_path / "text.onnx"
    path.write_text("no network")
    with pytest.raises(CaptureError, match="is not an ONNX file, or is damaged"):
        load(path)
    monkeypatch.setattr(reading, "LARGEST_FILE", 4)
    with pytest.raises(CaptureError, match="must not be larger than 4 bytes, not 10"):
        load(path)


def test_the_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("hbnn_hw.extras.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"pip install 'hbnn-hw\[qonnx\]'"):
        load(tmp_path / "net.onnx")


# --- damage ---


def damaged_files():
    """Yield thousands of damaged files of three small networks: truncated, with flipped bits and mixed up."""
    rng = np.random.default_rng(7)
    first, second, third = perceptron(), File((2, 3, 3)), image("INT3")
    first.add("BatchNormalization", *([[1.0, 2, -1]] * 2), [0.0] * 3, [1.0] * 3)
    first.quant(2, 0.5)
    second.quant(3, 0.25)
    second.add("Conv", second.weights(RNG.normal(0, 1, (2, 2, 2, 2)), 3, 0.5), pads=[1, 0, 0, 1])
    second.add("PRelu", 0.25)
    second.add("Add", "quant0")
    second.add("Flatten")
    third.add("MultiThreshold", [[0.0, 1, 2]], out_dtype="INT2", out_bias=-1.0)
    third.add("Reshape", third.constant([-1, 32], np.int64))
    third.add("Gemm", third.weights(RNG.normal(0, 1, (32, 2)), 1), [1.0, 2])
    third.add("TopK", third.constant([1], np.int64))
    for file in (first, second, third):
        content = file.content()
        yield from (content[:n] for n in range(0, len(content), 7))
        for _ in range(900):
            octets = bytearray(content)
            for _ in range(rng.integers(1, 4)):
                octets[rng.integers(len(octets))] ^= 1 << rng.integers(8)
            yield bytes(octets)
        for _ in range(100):
            octets = bytearray(content)
            at, n = rng.integers(len(octets)), rng.integers(1, 20)
            octets[at : at + n] = rng.bytes(int(rng.integers(0, 20)))
            yield bytes(octets)


def test_damaged_files_are_read_or_refused_and_nothing_else():
    """No traceback, no warning (they are errors here); whatever is read passes the graph's own checks."""
    outcomes = {"read": 0, "refused": 0}
    for content in damaged_files():
        try:
            model = read_bytes(content)
        except HbnnError:
            outcomes["refused"] += 1
        else:
            model.graph.check()
            outcomes["read"] += 1
    assert sum(outcomes.values()) > 3000
    assert min(outcomes.values()) > 300


# --- what QONNX cannot express ---


def graph_of(*nodes, shape=(4,), high=3):
    return Graph("net", "x", TensorType(shape, Integers(0, high)), nodes)


def test_sums_beyond_float32_are_refused():
    weights = random_weights(np.random.default_rng(0), 2, 4)
    graph = graph_of(Node("fc", Dense(weights=weights), ("x",)), high=1 << 23)
    with pytest.raises(
        RangeError, match=r"'fc': sums could reach 33554432; in QONNX they must stay below 2\*\*24"
    ):
        export(graph)


def test_reals_inside_are_refused_by_name():
    graph = graph_of(
        Node("image", Unflatten(shape=(2, 2, 1)), ("x",)),
        Node("affine", Affine(alpha=np.ones(1, np.float32), beta=np.ones(1, np.float32)), ("image",)),
        Node("pool", MaxPool(kernel=(2, 2), stride=(1, 1)), ("affine",)),
        Node("keep", Flatten(), ("affine",)),
        Node("sign", Sign(zero=SignOfZero.PLUS), ("pool",)),
        Node("again", Sign(zero=SignOfZero.PLUS), ("keep",)),
    )
    other = Graph(graph.name, "x", graph.input_type, (*graph.nodes, Node("out", Flatten(), ("pool",))))
    with pytest.raises(GraphError, match=r"QONNX has no form for '"):
        export(other)


def test_the_files_that_are_written_pass_onnxs_own_check():
    graph = read_bytes(perceptron().content()).graph
    model = export(graph, batch=3)
    onnx.checker.check_model(model)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [3, 4]
    assert model.SerializeToString() == export(graph, batch=3).SerializeToString()


def test_reading_needs_no_torch():
    import subprocess

    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from hbnn_hw.capture.qonnx import read_bytes\n"
        "print(read_bytes(sys.stdin.buffer.read()).graph.output_type.shape)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=perceptron().content(), capture_output=True, check=True
    )
    assert result.stdout.strip() == b"(3,)"
