"""The qonnx package's own executor, on the files that are held against the golden model."""

import warnings

import numpy as np

with warnings.catch_warnings(action="ignore"):  # what others deprecate in others is no concern of ours
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.qonnx import export
from hbnn_hw.capture.qonnx import read_bytes
from hbnn_hw.ops import Affine, PiecewiseAffine
from hbnn_hw.ops.base import range_of


def execute(model, x, infer_shapes=False):
    """Return every tensor by name, and the output."""
    with warnings.catch_warnings(action="ignore"):
        wrapper = ModelWrapper(model)
        if infer_shapes:
            wrapper = wrapper.transform(InferShapes())
        name, output = wrapper.graph.input[0].name, wrapper.graph.output[0].name
        tensors = execute_onnx(wrapper, {name: np.asarray(x, np.float32)}, return_full_exec_context=True)
    return tensors, tensors[output]


def golden_tensors(model, x):
    """Return every tensor of a read model by its name in the file, as the golden model has it."""
    data = {name: tensor.data for name, tensor in GoldenModel(model.graph).trace(model.codes(x))}
    return {name: model.tensor(name, data[value.node]) for name, value in model.tensors.items()}


def assert_same_numbers(found, expected, graph):
    """Integers are equal; real numbers differ by float32's rounding in the graph's last affine at most."""
    np.testing.assert_allclose(found, expected, rtol=2.0**-22, atol=_rounding(graph))


def _rounding(graph):
    """Four units in the last place of the largest term of the last affine; 0 behind integers."""
    last = graph.nodes[-1]
    if not isinstance(last.op, Affine | PiecewiseAffine):
        return 0.0
    reached = range_of(graph.source_type(last))
    largest = np.abs(last.op.alpha).max() * max(-reached.low, reached.high)
    return float(max(largest, np.abs(last.op.beta).max())) * 2.0**-22


def assert_round_trip(graph, codes):
    """Hold IR -> QONNX -> executor, and IR -> QONNX -> IR -> golden, against golden; return what was read."""
    expected = GoldenModel(graph).value(codes)
    assert len(np.unique(expected, axis=0)) > 1, "a network that answers everything alike proves nothing"
    written = export(graph, batch=len(codes))
    tensors, output = execute(written, codes)
    assert_same_numbers(output, expected, graph)
    assert_same_integers(graph, codes, tensors)
    again = read_bytes(written.SerializeToString(), graph.name)
    assert_same_numbers(GoldenModel(again.graph).value(again.codes(codes)), expected, graph)
    return again


def assert_same_integers(graph, codes, tensors):
    """Hold all integers that golden and executor have under one name against each other, exactly."""
    compared = 0
    for name, tensor in GoldenModel(graph).trace(codes):
        element = tensor.type.element
        if name not in tensors or tensor.data.dtype.kind == "f":
            continue
        numbers = element.values(tensor.data) if hasattr(element, "values") else tensor.data
        moved = np.moveaxis(numbers, -1, 1) if numbers.ndim == 4 else numbers
        np.testing.assert_array_equal(tensors[name], moved, err_msg=name)
        compared += 1
    assert compared > 1
