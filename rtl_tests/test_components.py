"""Single components as Verilog under Icarus."""

import numpy as np
import pytest

from hbnn_hw.backends.rtl.lut import Fabric, with_models
from hbnn_hw.backends.rtl.mvtu import FoldedMvtu
from hbnn_hw.backends.rtl.rom import concatenate
from hbnn_hw.backends.rtl.verilog import to_verilog
from hbnn_hw.backends.rtl.width_converter import StreamWidthConverter
from hbnn_hw.backends.rtl.xnor_popcount_pe import XnorPopcountPe
from hbnn_hw.backends.rtl.xor_decoder import XorParameters
from hbnn_hw.errors import ToolFailedError
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu, Tensor, Thresholds
from hbnn_hw.types import Planes, TensorType
from rtl_tests import job
from tests.graphs import random_weights

pytestmark = pytest.mark.cosim


def join(bits) -> int:
    return concatenate([(int(bit), 1) for bit in np.asarray(bits).reshape(-1)])


@pytest.mark.parametrize(("width_in", "width_out"), [(3, 12), (12, 3), (1, 5)])
def test_width_converter(icarus, tmp_path, width_in, width_out):
    total = 10 * max(width_in, width_out)
    value = int.from_bytes(np.random.default_rng(0).bytes(total // 8 + 1), "little") % (1 << total)
    words, expected = (
        [value >> at & ((1 << width) - 1) for at in range(0, total, width)] for width in (width_in, width_out)
    )
    verilog = to_verilog(StreamWidthConverter(width_in, width_out), "converter")
    job.run(icarus, verilog, "converter", "tb_stream", tmp_path, {"words": words, "expected": expected})


@pytest.mark.parametrize(("folding", "levels"), [(Folding(2, 3), 3), (Folding(6, 9), 0), (Folding(1, 1), 1)])
def test_mvtu(icarus, tmp_path, folding, levels):
    rng = np.random.default_rng(levels)
    weights = random_weights(rng, 6, 9, (2, 1), shared_columns=folding.pe == 2, zero_bit=True)
    thresholds = None
    if levels:
        table = np.sort(rng.integers(-20, 21, (6, levels)), axis=1)
        thresholds = Thresholds(table=table, inverted=rng.random(6) < 0.5)
    source = TensorType((9,), Planes((1, 2)))
    op = Mvtu(weights=weights, thresholds=thresholds, folding=folding)
    bits = rng.integers(0, 2, (8, 2, 9), dtype=np.uint8)
    outputs = op.compute(Tensor(source, bits))
    words = [join(word) for image in bits for word in image.T.reshape(-1, folding.simd, 2)]
    job.run(
        icarus,
        to_verilog(FoldedMvtu(op, source), "unit"),
        "unit",
        "tb_stream",
        tmp_path,
        {"words": words, "expected": output_words(op, source, outputs)},
    )


def output_words(op, source, outputs) -> list[int]:
    """Beats of PE elements: codes of planes, or integers in two's complement."""
    width = op.infer(source).element.bits
    codes = outputs if outputs.ndim == 2 else np.tensordot(outputs, 1 << np.arange(width), axes=(1, 0))
    rows = codes.reshape(-1, op.lanes_out).tolist()
    return [concatenate([(value, width) for value in row]) for row in rows]


@pytest.mark.parametrize("fabric", Fabric)
def test_xnor_popcount_pe(icarus, tmp_path, fabric):
    rng = np.random.default_rng(0)
    simd, scales, coefficients, n_steps = 7, (1, 2), (4, 1), 60
    weights, masks = rng.integers(0, 2, (2, n_steps, simd))
    lanes = rng.integers(0, 2, (n_steps, simd, 2))
    planes, starts, real = rng.integers(0, 2, n_steps), rng.random(n_steps) < 0.2, rng.random(n_steps) < 0.8
    starts[0] = real[0] = True
    agree = ((weights[..., None] == lanes) & (masks[..., None] == 1)).sum(axis=1) @ np.array(scales)
    expected, total = [], 0
    for step in range(n_steps):
        if real[step]:
            total = (0 if starts[step] else total) + int(agree[step]) * coefficients[planes[step]]
        expected.append(total)
    element = XnorPopcountPe(simd, scales, coefficients, masked=True, accumulator_bits=12)
    steps = {
        "weights": [join(word) for word in weights],
        "mask": [join(word) for word in masks],
        "lanes": [join(word) for word in lanes],
        "plane": planes.tolist(),
        "accumulate": real.astype(int).tolist(),
        "restart": starts.astype(int).tolist(),
        "expected": expected,
    }
    verilog = with_models(to_verilog(element, "element", fabric=fabric))
    job.run(icarus, verilog, "element", "tb_xnor_popcount_pe", tmp_path, steps)


def decoder_job(matrix: np.ndarray) -> dict:
    bits = np.random.default_rng(1).integers(0, 2, (40, 2, matrix.shape[1]), dtype=np.uint8)
    return {
        "cases": [{"encoded": join(word)} for word in bits],
        "expected": [join(word) for word in XorParameters(matrix).decode(bits)],
        "output": "decoded",
    }


@pytest.mark.parametrize("fabric", Fabric)
def test_xor_decoder_and_one_wrong_tap(icarus, tmp_path, fabric):
    matrix = np.random.default_rng(0).integers(0, 2, (10, 8), dtype=np.uint8)
    right = with_models(to_verilog(XorParameters(matrix).create(2), "decoder", fabric=fabric))
    job.run(icarus, right, "decoder", "tb_combinational", tmp_path / "right", decoder_job(matrix))
    faulty = matrix.copy()
    faulty[4, 2] ^= 1
    wrong = with_models(to_verilog(XorParameters(faulty).create(2), "decoder", fabric=fabric))
    with pytest.raises(ToolFailedError, match="gives"):
        job.run(icarus, wrong, "decoder", "tb_combinational", tmp_path / "wrong", decoder_job(matrix))
