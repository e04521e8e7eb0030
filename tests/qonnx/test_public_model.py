"""A QONNX model that ships inside the qonnx package: ESPCN (super-resolution), trained with Brevitas.

Weights of 4 and 8 bits, activations of 4 bits, normalizations, and scales that are no powers of two.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
import qonnx.data

from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.qonnx import export
from hbnn_hw.capture.qonnx import InputCode, read_bytes, read_model
from hbnn_hw.errors import CaptureError
from hbnn_hw.passes import simplify
from tests.qonnx.executor import assert_same_numbers, execute

MODELS = Path(qonnx.data.__file__).parent / "onnx"
ESPCN = MODELS / "bsd300x3-espcn" / "subpixel" / "quant_model.onnx"
BYTES = InputCode(bits=8, scale=1 / 255)
SIDE = 16


def espcn(side=SIDE):
    """Return the model for smaller images: it is convolutional throughout."""
    model = onnx.load(ESPCN)
    del model.graph.value_info[:]
    for value, extent in ((model.graph.input[0], side), (model.graph.output[0], 2 * side)):
        for axis in (2, 3):
            value.type.tensor_type.shape.dim[axis].dim_value = extent
    return model


@pytest.mark.parametrize("seed", [0, 1])
def test_espcn_equals_the_executor_at_every_quantizer(seed):
    model = espcn()
    x = np.random.default_rng(seed).integers(0, 256, (1, 3, SIDE, SIDE)) / 255
    expected, output = execute(model, x, infer_shapes=True)
    found = read_bytes(model.SerializeToString(), "espcn", BYTES)
    golden = {name: t.data for name, t in GoldenModel(found.graph).trace(found.codes(x))}
    quantizers = [
        n.output[0] for n in model.graph.node if n.op_type == "Quant" and n.output[0] in found.tensors
    ]
    assert len(quantizers) == 4
    for name in quantizers:
        numbers = found.tensor(name, golden[found.tensors[name].node])
        step = 1 / 255 if name == found.output_name else np.diff(np.unique(expected[name])).min()
        np.testing.assert_array_equal(np.rint(numbers / step), np.rint(expected[name] / step), err_msg=name)
    assert output.shape == (1, 3, 2 * SIDE, 2 * SIDE)
    assert len(np.unique(output)) > 100
    assert "DepthToSpace" in found.notes[0]


def test_espcn_survives_lowering_and_goes_back_to_qonnx():
    found = read_bytes(espcn(8).SerializeToString(), "espcn", BYTES)
    codes = np.random.default_rng(2).integers(0, 256, (2, 192))
    expected = GoldenModel(found.graph).value(codes)
    lowered = simplify(found.graph)
    np.testing.assert_array_equal(GoldenModel(lowered).value(codes), expected)
    _, output = execute(export(lowered, batch=2), codes)
    assert_same_numbers(np.moveaxis(output, 1, -1), expected, lowered)


def test_what_the_other_files_of_the_package_lack_is_said():
    with pytest.raises(CaptureError, match="must be quantized"):
        read_model(MODELS / "mnist-conv" / "model.onnx", BYTES)
    with pytest.raises(CaptureError, match=r"\(Resize\): replace it by supported operators"):
        read_model(ESPCN.parent.parent / "nn_resize" / "quant_model.onnx", BYTES)
    with pytest.raises(CaptureError, match=r"\(FloatQuant\): quantize to integers"):
        read_model(MODELS / "floatquant_exec" / "qonnx_act_weight_fp8.onnx", BYTES)
    with pytest.raises(CaptureError, match=r"the input 'x\.7' must be quantized"):
        read_model(ESPCN)
