"""Single matrix-vector-threshold units of every form equal the operator's plain meaning, bit for bit."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.backends.hls.mvtu import mvtu_values
from hbnn_hw.errors import FoldingError
from hbnn_hw.folding import Folding
from hbnn_hw.ops import Mvtu
from hbnn_hw.ops.base import Tensor
from hbnn_hw.types import Bordered, Element, Integers, Planes, TensorType
from tests.graphs import random_weights
from tests.hls.layer_bench import BRANCHES, Layer, random_tensor
from tests.hls.networks import random_thresholds
from tests.tables import rows

pytestmark = pytest.mark.hls

IMAGES = 3

KINDS: list[list[Element]] = [
    [Planes((1,)), Planes((2, 5, 1))],
    [Bordered(Planes((1,))), Bordered(Planes((1, 3)))],
    [Integers(-128, 127), Integers(0, 5), Integers(-1, 0), Integers(0, 1), Integers(-3, 2), Integers(0, 255)],
]
ELEMENTS = [element for kind in KINDS for element in kind]


@dataclass(frozen=True)
class Form:
    """A unit's shape and folding; the rest is random."""

    places: tuple[int, ...] = ()
    groups: int = 1
    group_rows: int = 4
    window: int = 1
    group_inputs: int = 6
    pe: int = 2
    simd: int = 3
    unrolled: bool = False


FORMS = {
    "one_vector": Form(),
    "single_elements": Form((2,), 1, 1, 1, 1, 1, 1),
    "places": Form((3, 2), 1, 6, 4, 3, 3, 3),
    "lane_by_lane": Form((2,), 1, 3, 1, 5, 1, 1),
    "full": Form((5,), 1, 4, 1, 6, 4, 6),
    "groups": Form((2,), 3, 4, 4, 2, 2, 2),
    "grouped_rows_at_once": Form((2,), 2, 3, 2, 4, 3, 4),
    "depthwise": Form((2, 2), 6, 1, 9, 1, 1, 1),
    "depthwise_spread": Form((3,), 6, 1, 9, 1, 3, 1),
    "groups_spread": Form((2,), 4, 2, 3, 5, 4, 5),
    "all_groups_spread": Form((2,), 3, 2, 2, 3, 6, 3),
    "unrolled_places": Form((4,), 1, 5, 1, 7, 5, 7, unrolled=True),
    "wide": Form((2,), 1, 2, 2, 70, 2, 70),
    "deep": Form((2,), 1, 4, 36, 2, 2, 2),
}


def unit(form: Form, element: Element, seed: int) -> Layer:
    """Random weights with one or two planes, all kinds of maps, thresholds of 0, 1 or 2 bits."""
    rng = np.random.default_rng(seed)
    rows, columns = form.groups * form.group_rows, form.window * form.group_inputs
    coefficients = [(1,), (1,), (3, 1), (2, 1)][rng.integers(4)]
    shared, zero = bool(rng.integers(2)), bool(rng.integers(2))
    weights = random_weights(rng, rows, columns, coefficients, shared, zero and len(coefficients) > 1)
    folding = Folding(form.pe, form.simd, unrolled=form.unrolled)
    op = Mvtu(weights=weights, folding=folding, groups=form.groups, window=form.window)
    source = TensorType((*form.places, form.groups * columns), element)
    bits = int(rng.integers(3))
    if bits:
        # Thresholds where the sums are, so that they matter.
        reach = op.infer(source).element
        thresholds = random_thresholds(rng, rows, bits, max(reach.low, -40), min(reach.high, 40))
        op = replace(op, thresholds=thresholds)
    return Layer(op, source, sample(rng, op, source))


def sample(rng: np.random.Generator, op: Mvtu, source: TensorType) -> Tensor:
    """A batch; whole window elements of bordered planes lie in the frame, as windows stream them."""
    if not isinstance(source.element, Bordered):
        return random_tensor(source, 1, IMAGES, rng)
    blocks = (IMAGES, *source.shape[:-1], op.groups // op.spread, op.window, 1)
    outside = np.repeat(rng.integers(0, 2, blocks, dtype=np.uint8), op.spread * op.group_inputs, axis=-1)
    frame = outside.reshape(IMAGES, 1, *source.shape)
    planes = random_tensor(TensorType(source.shape, source.element.planes), 1, IMAGES, rng).data
    return Tensor(source, np.concatenate([planes * (1 - frame), frame], axis=1))


def all_units(seed: int) -> list[Layer]:
    """Every form with planes, planes in a frame, and integers."""
    units = []
    for index, form in enumerate(FORMS.values()):
        for turn, kind in enumerate(KINDS):
            element = kind[(seed + index) % len(kind)]
            if isinstance(element, Bordered) and form.group_inputs % form.simd:
                continue
            units.append(unit(form, element, 1000 * seed + 10 * index + turn))
    return units


@pytest.mark.parametrize(
    ("seed", "flags", "tool"),
    rows(
        [
            (0, (), HlsTool.VIVADO_HLS),
            (1, BRANCHES, HlsTool.VITIS_HLS),
            (2, ("-fsanitize=address,undefined", "-fno-sanitize=shift"), HlsTool.VIVADO_HLS),
        ],
        usual=lambda *_: False,
    ),
    ids=["native", "synthesis", "sanitizers"],
)
def test_units_equal_golden(bench, seed, flags, tool):
    bench.check(all_units(seed), *flags, tool=tool, images=IMAGES)


def test_units_of_the_other_compiler_equal_golden(clang_bench):
    """What the vendor's tool reads, which is built on clang as well."""
    clang_bench.check(all_units(1), *BRANCHES, tool=HlsTool.VITIS_HLS, images=IMAGES)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("element", ELEMENTS, ids=str)
def test_offsets_fit_the_accumulator(name, element):
    """The ROM of raw scores' offsets is as wide as the accumulator, which holds them for all inputs."""
    made = unit(FORMS[name], element, 7)
    accumulation = made.op.accumulation(made.source)
    assert (accumulation.offsets >= 0).all()
    assert (accumulation.offsets <= accumulation.largest).all()


def values(op: Mvtu, source: TensorType) -> dict:
    graph = Layer(op, source).graph
    return mvtu_values(graph, graph.nodes[0])


def test_forms_that_cannot_be_are_refused():
    framed = unit(Form((2,), 1, 4, 4, 3, 2, 3), Bordered(Planes((1,))), 0)
    with pytest.raises(FoldingError, match="SIMD must divide the 3 channels of a pixel, not 6"):
        values(replace(framed.op, folding=Folding(2, 6)), framed.source)
    grouped = unit(FORMS["groups"], Planes((1,)), 0)
    with pytest.raises(FoldingError, match="a layer of 3 groups cannot be unrolled; fold it"):
        values(replace(grouped.op, folding=Folding(12, 8, unrolled=True)), grouped.source)
    weights = random_weights(np.random.default_rng(0), 12, 8)
    weights = replace(weights, row_coefficients=np.full((1, 12), 3))
    with pytest.raises(FoldingError, match="one coefficient each, not one per row; split the planes"):
        values(replace(grouped.op, weights=weights), grouped.source)
