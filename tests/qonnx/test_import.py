"""QONNX -> IR: the golden model has the executor's numbers at every tensor, for every operator and option.

Scales are powers of two, with which the executor's float32 is exact, unless a test says otherwise.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hbnn_hw import ir_file
from hbnn_hw.backends import rtl
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture.qonnx import InputCode, load, read_bytes, read_model
from hbnn_hw.capture.qonnx.quantizers import ROUNDINGS
from hbnn_hw.lowering.integer_planes import integer_planes
from hbnn_hw.ops import Convolution, Dense, EncodeBitPlanes, Mvtu, Threshold
from hbnn_hw.passes import lower
from tests.qonnx.executor import execute, golden_tensors
from tests.qonnx.files import File

RNG = np.random.default_rng(0)


def assert_exact(file, x, input_code=None, at_least=2, varied=False):
    """Hold all tensors that golden has against the executor's; return the read model."""
    x = np.asarray(x, np.float32)
    model = file.model(batch=len(x))
    expected, output = execute(model, x, infer_shapes=True)
    found = read_bytes(model.SerializeToString(), input_code=input_code)
    tensors = golden_tensors(found, x)
    compared = [name for name in tensors if name in expected]
    assert len(compared) >= at_least
    for name in compared:
        np.testing.assert_allclose(tensors[name], expected[name], rtol=1e-6, atol=0, err_msg=name)
    lowered = lower(ir_file.from_bytes(ir_file.to_bytes(found.graph)))
    codes = found.codes(x)
    np.testing.assert_array_equal(GoldenModel(lowered).value(codes), GoldenModel(found.graph).value(codes))
    np.testing.assert_array_equal(found.graph.run(codes).data, GoldenModel(found.graph).value(codes))
    assert len(np.unique(output)) > 1 or not varied, "a network that answers everything alike proves nothing"
    return found


@st.composite
def quantizers(draw):
    """Any Quant node's options, and its zero point."""
    bits = draw(st.integers(2, 6))
    return {
        "bits": bits,
        "scale": 2.0 ** draw(st.integers(-4, 1)),
        "signed": draw(st.integers(0, 1)),
        "narrow": draw(st.integers(0, 1)),
        "rounding": draw(
            st.sampled_from(["ROUND", "HALF_EVEN", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"])
        ),
        "zero": float(draw(st.sampled_from([0, 0, 0, 1, -2]))),
    }


@settings(max_examples=60, deadline=None)
@given(first=quantizers(), second=quantizers(), third=quantizers(), seed=st.integers(0, 999))
def test_every_quantizer_of_activations_and_weights(first, second, third, seed):
    """Ties are frequent: accumulators are multiples of half a step of the quantizer behind them."""
    rng = np.random.default_rng(seed)
    file = File((5,))
    file.quant(**first)
    weights = {**third, "rounding": "ROUND"}
    weights.pop("rounding")
    matrix = rng.integers(-8, 8, (5, 4)) * weights["scale"]
    matrix[0] = 3 * weights["scale"]
    file.add("MatMul", file.weights(matrix, **weights))
    file.add("Add", rng.integers(-6, 6, 4) * 0.125)
    file.quant(**second)
    assert_exact(file, rng.normal(0, 4, (9, 5)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), levels=st.integers(1, 9), shared=st.booleans())
def test_thresholds_of_any_number_with_scales_of_either_sign(seed, levels, shared):
    rng = np.random.default_rng(seed)
    file = File((6,), datatype="INT4")
    file.add("MatMul", rng.choice([-1.0, 1.0], (6, 3)))
    table = np.sort(rng.integers(-12, 12, (1 if shared else 3, levels)), axis=1)
    scale, bias = rng.choice([-2.0, -0.5, 1.0, 2.0]), rng.choice([-1.0, 0.0, 0.5])
    file.add("MultiThreshold", table, out_dtype="INT8", out_scale=scale, out_bias=bias)
    file.add("MatMul", rng.choice([-1.0, 1.0, 3.0], (3, 2)))
    assert_exact(file, rng.integers(-8, 8, (7, 6)))


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_every_shape_of_convolution(data, seed):
    """Strides, dilations, asymmetric pads, groups, biases, and zero points that 0 is padded beside."""
    rng = np.random.default_rng(seed)
    groups = data.draw(st.sampled_from([1, 2, 4]))
    kernel, stride, dilation = (data.draw(st.tuples(*[st.integers(1, n)] * 2)) for n in (3, 2, 2))
    pads = data.draw(st.tuples(*[st.integers(0, 2)] * 4))
    file = File((4, 6, 5))
    file.quant(3, 0.5, data.draw(st.sampled_from([0.0, 1.0])), signed=data.draw(st.integers(0, 1)))
    shape = (4, 4 // groups, *kernel)
    weights = file.weights(rng.normal(0, 1, shape), 3, 2.0 ** -rng.integers(0, 4, (4, 1, 1, 1)))
    file.add(
        "Conv",
        weights,
        rng.integers(-4, 4, 4) * 0.25,
        kernel_shape=kernel,
        strides=stride,
        dilations=dilation,
        pads=pads,
        group=groups,
    )
    file.add("PRelu", np.array([0.5, -0.25, 0.0, 2.0]).reshape(4, 1, 1))
    file.quant(4, 0.25)
    assert_exact(file, rng.normal(0, 1, (3, 4, 6, 5)))


@pytest.mark.parametrize("auto_pad", ["VALID", "SAME_UPPER", "SAME_LOWER"])
def test_automatic_padding(auto_pad):
    file = File((2, 7, 6))
    file.quant(4, 0.25)
    file.add("Conv", file.weights(RNG.normal(0, 1, (3, 2, 2, 4)), 2, 0.5), strides=[2, 3], auto_pad=auto_pad)
    file.add("BipolarQuant", 1.0)
    assert_exact(file, RNG.normal(0, 1, (3, 2, 7, 6)), varied=True)


def test_sequences():
    """One-dimensional convolution, pooling and normalization."""
    file = File((3, 12))
    file.quant(4, 0.25)
    file.add("Conv", file.weights(RNG.normal(0, 1, (4, 3, 3)), 4, 0.125), pads=[2, 0], dilations=[2])
    file.add("BatchNormalization", [1, -1, 2, 0.5], [0, 0.25, 0, 1], [0, 1, 0, 0], [1.0] * 4, epsilon=0.0)
    file.quant(3, 0.25, signed=0)
    file.add("MaxPool", kernel_shape=[2], strides=[2])
    file.add("Flatten")
    file.add("MatMul", file.weights(RNG.normal(0, 1, (20, 3)), 2, 0.5))
    assert_exact(file, RNG.normal(0, 1, (5, 3, 12)), varied=True)


def test_a_residual_sum_of_one_scale_stays_as_it_is():
    file = File((2, 4, 4))
    trunk = file.quant(4, 0.125)
    file.add("Conv", file.weights(RNG.normal(0, 1, (2, 2, 3, 3)), 2, 0.5), pads=[1, 1, 1, 1])
    file.quant(4, 0.125)
    file.add("Add", trunk)
    file.add("Relu")
    file.quant(4, 0.25, signed=0)
    file.add("GlobalAveragePool")
    file.add("Flatten")
    file.add("Gemm", file.weights(RNG.normal(0, 1, (3, 2)), 3, 0.25), [0.5, 0, 1], transB=1)
    found = assert_exact(file, RNG.normal(0, 1, (6, 2, 4, 4)), varied=True)
    kinds = [type(node.op).__name__ for node in found.graph.nodes]
    assert "Add" in kinds
    assert "Rescale" not in kinds


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), kind=st.sampled_from(["Add", "Sub", "Concat"]))
def test_branches_of_different_scales_and_signs(seed, kind):
    rng = np.random.default_rng(seed)
    file = File((2, 4, 5))
    trunk = file.quant(4, 0.25)
    branches = []
    for slopes in (2.0 ** rng.integers(-2, 2, (1, 3, 1, 1)) * rng.choice([-1, 1], (1, 3, 1, 1)), 0.75):
        file.add("Conv", file.weights(rng.normal(0, 1, (3, 2, 1, 1)), 3, 0.5), source=trunk)
        file.add("Mul", slopes)
        branches.append(file.add("Sub", [[[0.25]], [[-0.5]], [[0]]]))
    file.add(kind, branches[1], source=branches[0], **({"axis": 1} if kind == "Concat" else {}))
    file.add("Clip", -1.0, 2.0)
    file.add("MaxPool", kernel_shape=[2, 2], pads=[1, 0, 1, 1])
    file.quant(3, 0.5)
    assert_exact(file, rng.normal(0, 1, (4, 2, 4, 5)))


def test_pools_pads_and_negations():
    file = File((2, 6, 6))
    file.quant(3, 0.5)
    file.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    file.add("Neg")
    file.add("MaxPool", kernel_shape=[2, 2], strides=[1, 1])
    file.add("Pad", file.constant([0, 1, 0, 2, 0, 0, 1, 0], np.int64), 0.5)
    file.add("Conv", file.weights(RNG.normal(0, 1, (3, 3, 2, 2)), 2, 0.5))
    file.add("ReduceMean", axes=[2, 3], keepdims=0)
    file.quant(6, 0.0625)
    file.add("MatMul", file.weights(RNG.normal(0, 1, (3, 4)), 2, 0.5))
    assert_exact(file, RNG.normal(0, 1, (6, 2, 6, 6)), varied=True)


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_flattened_image_is_read_in_its_own_order(channels_last):
    file = File((3, 4, 2))
    file.quant(4, 0.25)
    if channels_last:
        file.add("Transpose", perm=[0, 2, 3, 1])
    file.add("Reshape", file.constant([-1, 24], np.int64))
    file.add("Mul", 2.0 ** RNG.integers(-2, 2, 24))
    file.add("Add", RNG.integers(-3, 3, 24) * 0.25)
    file.quant(3, 0.5)
    file.add("MatMul", file.weights(RNG.normal(0, 1, (24, 5)), 3, 0.5))
    assert_exact(file, RNG.normal(0, 1, (6, 3, 4, 2)), varied=True)


def test_a_product_over_the_channels_of_an_image_is_a_convolution():
    file = File((3, 4, 2))
    file.quant(4, 0.25)
    file.add("Transpose", perm=[0, 2, 3, 1])
    file.add("MatMul", file.weights(RNG.normal(0, 1, (3, 5)), 3, 0.5))
    file.add("MultiThreshold", np.array([[-1.0, 0, 0.25]]), out_dtype="UINT2", data_layout="NHWC")
    file.add("Transpose", perm=[0, 3, 1, 2])
    file.add("MaxPool", kernel_shape=[2, 2])
    found = assert_exact(file, RNG.normal(0, 1, (3, 3, 4, 2)), varied=True)
    assert any(isinstance(node.op, Convolution) for node in found.graph.nodes)


def test_weights_behind_transposes_and_products():
    """Integers stay integers behind what FINN's users put between a quantizer and a layer."""
    file = File((6,), datatype="BIPOLAR")
    name = file.add("BipolarQuant", 0.5, source=file.constant(RNG.normal(0, 1, (4, 6))))
    name = file.add("Transpose", source=name, perm=[1, 0])
    name = file.add("Mul", [[0.5, 1, 2, 4]], source=name)
    file.last = "in"
    file.add("MatMul", name)
    file.add("BipolarQuant", 1.0)
    found = assert_exact(file, RNG.choice([-1.0, 1.0], (8, 6)), at_least=2)
    (dense,) = (node.op for node in found.graph.nodes if isinstance(node.op, Dense))
    assert dense.weights.coefficients == (1,)
    assert dense.weights.is_homogeneous


def test_shapes_that_an_exporter_computes_are_folded():
    file = File((2, 3, 2))
    file.quant(2)
    source = file.last
    shape = file.add("Shape")
    batch = file.add("Gather", file.constant(0, np.int64), source=shape, axis=0)
    batch = file.add("Unsqueeze", file.constant([0], np.int64), source=batch)
    shape = file.add("Concat", file.constant([-1], np.int64), source=batch, axis=0)
    file.add("Reshape", shape, source=source)
    file.add("MatMul", file.weights(RNG.normal(0, 1, (12, 3)), 2, 0.5))
    read = read_bytes(file.content())
    assert read.graph.output_type.shape == (3,)


def test_what_stands_behind_the_scores_is_left_to_the_host():
    file = File((4,), datatype="UINT2")
    file.add("MatMul", file.weights(RNG.normal(0, 1, (4, 3)), 2, 1.0))
    file.add("Softmax", axis=-1)
    file.add("TopK", file.constant([1], np.int64))
    found = read_bytes(file.content())
    assert found.output_name == "matmul1"
    assert found.notes == (
        "'topk3' (TopK) is left to the host",
        "'softmax2' (Softmax) is left to the host",
    )


def test_a_sign_is_a_bipolar_quantizer():
    file = File((4,), datatype="INT2")
    file.add("MatMul", file.weights(RNG.normal(0, 1, (4, 3)), 2, 1.0))
    file.add("Sign")
    found = read_bytes(file.content())
    assert found.notes == ("'sign2' (Sign) is taken as BipolarQuant: 0 becomes +1",)
    assert isinstance(found.graph.nodes[-1].op, Threshold)


@pytest.mark.parametrize(
    ("datatype", "values", "n_codes"),
    [
        ("UINT8", [0, 7, 255], 256),
        ("INT4", [-8, 0, 7], 16),
        ("BIPOLAR", [-1, 1, 1], 2),
        ("BINARY", [0, 1, 1], 2),
        ("TERNARY", [-1, 0, 1], 4),
    ],
)
def test_annotated_inputs_are_read_as_integers(datatype, values, n_codes):
    file = File((3,), datatype=datatype)
    file.add("MatMul", file.weights([[1.0, -1], [1, 1], [-1, 1]], 2))
    found = assert_exact(file, [values, values[::-1]], at_least=2)
    assert found.graph.input_type.element.high == n_codes - 1
    assert any(isinstance(node.op, EncodeBitPlanes) for node in found.graph.nodes)


def test_an_input_annotated_as_float_is_quantized_by_its_first_node():
    file = File((3,), datatype="FLOAT32")
    file.quant(3, 0.5)
    file.add("MatMul", file.weights([[1.0, -1], [1, 1], [-1, 1]], 2))
    assert_exact(file, [[-9, 0.24, 0.26], [1.5, -0.25, 7]])


def test_an_input_of_more_than_eight_bits_is_read_as_integers():
    file = File((3,), datatype="INT12")
    file.add("MatMul", file.weights([[1.0, -1], [1, 1], [-1, 1]], 2))
    assert_exact(file, [[-2048, 2047, 5], [1, -7, 0]])


def test_the_user_may_say_what_the_codes_of_the_input_stand_for():
    file = File((3,))
    file.add("Mul", 4.0)
    file.add("MatMul", file.weights([[1.0, -1], [1, 1], [-1, 1]], 2))
    x = np.array([[0, 0.25, 0.75], [0.5, 0, 1.75]])
    found = assert_exact(file, x, InputCode(bits=3, scale=0.25))
    assert found.codes(x).tolist() == [[0, 1, 3], [2, 0, 7]]


def test_a_perceptron_becomes_matrix_vector_threshold_units(tmp_path):
    """So that the HLS and RTL back ends emit what came from QONNX."""
    file = File((6,), datatype="UINT4")
    file.add("MatMul", file.weights(RNG.normal(0, 1, (6, 8)), 1, 1.0))
    file.add("BatchNormalization", [1.0] * 8, [0.25] * 8, [0.5] * 8, [4.0] * 8, epsilon=0.0)
    file.quant(2, 1.0)
    file.add("MatMul", file.weights(RNG.normal(0, 2, (8, 3)), 3, 1.0))
    (tmp_path / "net.onnx").write_bytes(file.content())
    graph = lower(load(tmp_path / "net.onnx"))
    assert graph.name == "net"
    assert [type(node.op).__name__ for node in graph.hardware_nodes if isinstance(node.op, Mvtu)] == [
        "Mvtu"
    ] * 2
    rtl.check_emittable(graph)
    assert read_model(tmp_path / "net.onnx").input_name == "in"


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.lists(st.integers(-130, 130), min_size=3, max_size=3), min_size=1, max_size=4).filter(
        lambda rows: any(map(any, rows))
    )
)
def test_integers_become_planes_exactly(values):
    matrix = np.array(values, dtype=np.int64)
    planes, factor = integer_planes(matrix)
    np.testing.assert_array_equal(planes.values() * factor, matrix)


def test_odd_integers_need_no_masks_and_zeros_have_no_bits():
    odd, factor = integer_planes(np.array([[-6, 2, 14, -14]]))
    assert (odd.is_homogeneous, odd.coefficients, factor) == (True, (1, 2, 4), 2)
    ternary, _ = integer_planes(np.array([[0, 1, -1]]))
    assert ternary.bit_map().tolist() == [[0, 1, 1]]


def test_roundings_are_the_executors():
    from qonnx.custom_op.general.intquant import resolve_rounding_mode

    x = np.concatenate([np.arange(-9, 10) / 4, [0.49999, -0.50001]])
    for mode, rounding in ROUNDINGS.items():
        if mode != "ROUND_TO_ZERO":  # the specification has it, the executor does not
            np.testing.assert_array_equal(rounding(x), resolve_rounding_mode(mode)(x), err_msg=mode)
