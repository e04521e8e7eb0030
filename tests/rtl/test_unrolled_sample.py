"""Large unrolled layers are estimated from a part of their rows and columns."""

import numpy as np
import pytest

from hbnn_hw.backends.rtl.unrolled.pairs import PAIRS
from hbnn_hw.backends.rtl.unrolled.plan import plan_layer
from hbnn_hw.backends.rtl.unrolled.sample import SAMPLE_BITS, sampled_luts
from hbnn_hw.backends.rtl.unrolled.structure import Structure
from hbnn_hw.types import Planes, TensorType
from tests.rtl.test_unrolled import random_layer

PIXEL = tuple(1 << bit for bit in range(8))
PAIRED = (Structure(group_size=PAIRS),)


@pytest.mark.parametrize(
    ("rows", "columns", "scales", "planes", "density"),
    [
        (80, 100, (1,), 1, 1.0),
        (70, 60, (1, 2), 3, 0.5),
        (33, SAMPLE_BITS // 8 + 40, tuple(1 << q for q in range(8)), 1, 1.0),
    ],
    ids=["more rows than share", "several planes", "more columns than are built"],
)
def test_a_sample_has_the_luts_of_the_whole_within_a_tenth(rows, columns, scales, planes, density):
    op = random_layer(np.random.default_rng(1), rows, columns, planes, density=density, spread=3)
    source = TensorType((columns,), Planes(scales))
    whole = plan_layer(op, source, PAIRED).netlist.luts
    sample = sampled_luts(op, source)
    assert abs(sample.luts / whole - 1) < 0.1
    assert len(sample.netlist.outputs) == sample.finished_rows
    assert sampled_luts(op, source).luts == sample.luts


def test_groups_count_each_by_itself():
    rng = np.random.default_rng(2)
    op = random_layer(rng, 12, 30)
    source = TensorType((30,), Planes((1,)))
    one = sampled_luts(op, source)
    grouped = type(op)(weights=op.weights, thresholds=op.thresholds, groups=3, folding=op.folding)
    three = sampled_luts(grouped, TensorType((90,), Planes((1,))))
    assert one.luts < three.luts < 2 * one.luts
