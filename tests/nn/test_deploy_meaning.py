"""The deployed twin means what the trained network means: real numbers agree, to the stated error.

Networks here have no quantizer behind their input, so nothing can flip: what differs is rounding alone.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import hbnn_hw.nn as hnn
from hbnn_hw.capture import capture, compare_with_torch
from hbnn_hw.errors import CaptureError, ShapeError
from hbnn_hw.lowering.fixed_point import FINER, fixed_point, root_mean_square, step_for
from hbnn_hw.lowering.lines import Bend, Lines, beside
from hbnn_hw.nn.deploy.lowering import SATURATION
from hbnn_hw.nn.deploy.quantizers import residual_boundaries
from hbnn_hw.nn.network import INPUT, Network, Step
from hbnn_hw.nn.structure import Add, Concat, Pad, Scale, Subsample
from hbnn_hw.scales import DEFAULT_SCALE_ERROR

IMAGE = (2, 6, 5)


def network_of(*layers):
    """Pixels, two convolutions a and b, then ``(name, layer, *names it reads)``, then a flattening."""
    torch.manual_seed(0)
    first = [
        ("image", nn.Unflatten(1, IMAGE), INPUT),
        ("codes", hnn.BitPlaneInput(3), "image"),
        ("a", hnn.BinaryConv2d(2, 3, 3, padding=1, padding_value="masked", bias=True), "codes"),
        ("b", hnn.BinaryConv2d(2, 3, 3, padding=1, padding_value="masked", bias=True), "codes"),
    ]
    steps = [*first, *layers, ("flatten", nn.Flatten(), layers[-1][0])]
    network = Network(
        {name: layer for name, layer, *_ in steps},
        [Step(name, name, tuple(inputs)) for name, _, *inputs in steps],
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-1.0, 1.0)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
    return network.eval()


def both(network, scale_error=DEFAULT_SCALE_ERROR):
    codes = torch.randint(0, 8, (20, 60), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return hnn.deploy(network, scale_error)(codes).numpy(), network(codes).double().numpy()


EXACT = {
    "bias": (("y", nn.Identity(), "a"),),
    "norm": (("y", nn.BatchNorm2d(3), "a"),),
    "two norms": (("n", nn.BatchNorm2d(3), "a"), ("y", nn.BatchNorm2d(3), "n")),
    "scale": (("y", Scale(-0.5, 0.25), "a"),),
    "relu": (("y", nn.ReLU(), "a"),),
    "relu6 behind a norm": (("n", nn.BatchNorm2d(3), "a"), ("y", nn.ReLU6(), "n")),
    "hardtanh": (("y", nn.Hardtanh(-0.3, 0.7), "a"),),
    "leaky relu": (("y", nn.LeakyReLU(0.2), "a"),),
    "prelu of falling slopes": (("n", nn.BatchNorm2d(3), "a"), ("y", nn.PReLU(3), "n")),
    "bend on bend": (("p", nn.PReLU(), "a"), ("n", nn.BatchNorm2d(3), "p"), ("y", nn.Hardtanh(), "n")),
    "max pool": (("y", nn.MaxPool2d(3, 2, 1), "a"),),
    "max pool to the last pixel": (("y", nn.MaxPool2d(2, 3, 1, ceil_mode=True), "a"),),
    "mean": (("y", nn.AvgPool2d(2), "a"),),
    "mean behind a norm": (("n", nn.BatchNorm2d(3), "a"), ("y", nn.AvgPool2d((6, 5)), "n")),
    "mean of pixels": (("y", nn.AvgPool2d(2, 2, 1), "codes"),),
    "norm of pixels": (("y", nn.BatchNorm2d(2), "codes"),),
    "other divisor": (("y", nn.AvgPool2d(2, divisor_override=3), "a"),),
    "subsample": (("y", Subsample((2, 3)), "a"),),
    "concatenation": (("y", Concat(), "a", "b"),),
    "concatenation of functions": (("r", nn.ReLU6(), "a"), ("y", Concat(), "r", "b", "codes")),
    "sum of pixels": (("y", Add(), "codes", "codes"),),
    "frame": (("y", Pad((1, 0, 2, 1), (0, 1)), "codes"),),
    "mean of codes": (
        ("u", hnn.UniformActivation(3, signed=True, step=0.3, learn_step=False), "a"),
        ("y", nn.AvgPool2d(2, divisor_override=3), "u"),
    ),
    "weights behind codes": (
        ("u", hnn.UniformActivation(2, step=0.4, learn_step=False), "a"),
        ("y", hnn.BinaryConv2d(3, 2, 3, padding=1, padding_value="masked"), "u"),
    ),
}
"""Nothing is rounded but constants, to float32."""


@pytest.mark.parametrize("name", EXACT)
def test_functions_of_one_integer_are_exact(name):
    deployed, trained = both(network_of(*EXACT[name]))
    np.testing.assert_allclose(deployed, trained, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("narrow", [False, True])
def test_codes_half_way_between_two_are_the_even_one(signed, narrow):
    """Every input stands on a multiple of half a step, so that every second one is a tie."""
    act = hnn.UniformActivation(3, signed=signed, narrow=signed and narrow, step=0.5, learn_step=False)
    one = hnn.BinaryLinear(1, 1)
    nn.init.ones_(one.weight)
    model = nn.Sequential(hnn.BitPlaneInput(6, scaled=False), one, Scale(0.125, 0.125), act, nn.Flatten())
    model.append(hnn.BinaryLinear(1, 1)).eval()
    nn.init.ones_(model[-1].weight)
    codes = torch.arange(64).view(-1, 1)
    with torch.no_grad():
        ties = model[:3](codes) / 0.5 % 1 == 0.5
    assert int(ties.sum()) >= 16
    with torch.no_grad():
        assert torch.equal(hnn.deploy(model)(codes), model(codes).double())


ROUNDED = {
    "sum": (("y", Add(), "a", "b"),),
    "sum of three": (("y", Add(), "a", "b", "a"),),
    "sum of functions": (("p", nn.PReLU(3), "a"), ("n", nn.BatchNorm2d(3), "b"), ("y", Add(), "p", "n")),
    "sum with a mean": (("m", nn.AvgPool2d(3, 1, 1), "a"), ("y", Add(), "m", "b")),
    "sum with pixels": (
        ("c", nn.Identity(), "a"),
        ("s", Concat(), "codes", "codes"),
        ("k", Pad(channels=(0, 1)), "a"),
        ("y", Add(), "s", "k"),
    ),
    "mean of a relu": (("r", nn.ReLU(), "a"), ("y", nn.AvgPool2d(2), "r")),
    "mean over a frame": (("y", nn.AvgPool2d(2, 2, 1), "a"),),
    "largest of falling functions": (("n", nn.BatchNorm2d(3), "a"), ("y", nn.MaxPool2d(2), "n")),
    "frame": (("y", Pad((1, 0, 2, 1), (0, 1)), "a"),),
}
"""Real numbers become integers once."""


@pytest.mark.parametrize("scale_error", [DEFAULT_SCALE_ERROR, 0.001])
@pytest.mark.parametrize("name", ROUNDED)
def test_sums_are_off_by_a_share_of_their_spread(name, scale_error):
    """Each operand is off by at most a step: half for rounding, half for the constants."""
    deployed, trained = both(network_of(*ROUNDED[name]), scale_error)
    error = np.abs(deployed - trained).max()
    assert 0 < error < 3 * scale_error / FINER * 3 * trained.std()


def test_the_residual_stream_keeps_its_step():
    """Shortcuts are never rounded again: each block rescales its own branch alone."""
    blocks = [("n0", nn.BatchNorm2d(3), "a"), ("m0", nn.BatchNorm2d(3), "b"), ("s0", Add(), "n0", "m0")]
    for i in range(1, 4):
        blocks += [
            (f"act{i}", hnn.SignActivation(), f"s{i - 1}"),
            (f"c{i}", hnn.BinaryConv2d(3, 3, 3, padding=1, padding_value="masked"), f"act{i}"),
            (f"n{i}", nn.BatchNorm2d(3), f"c{i}"),
            (f"s{i}", Add(), f"s{i - 1}", f"n{i}"),
        ]
    twin = hnn.deploy(network_of(*blocks))
    rescaled = [name for name, layer in twin.named_children() if type(layer).__name__ == "DeployedRescale"]
    assert rescaled == ["n0_fixed", "m0_fixed", "n1_fixed", "n2_fixed", "n3_fixed"]


def test_sums_saturate_far_beyond_what_their_operands_vary_by():
    """A normalization whose statistics promise much smaller numbers than can occur."""
    network = network_of(("n", nn.BatchNorm2d(3), "a"), ("y", Add(), "n", "b"))
    network.layers["n"].running_var.fill_(1e-5)
    network.layers["n"].eps = 0.0
    twin = hnn.deploy(network)
    codes = torch.randint(0, 8, (50, 60), generator=torch.Generator().manual_seed(1))
    fixed = dict(twin.trace(codes))["n_fixed"]
    with torch.no_grad():
        norm, conv = network.layers["n"], network.layers["a"]
        real = norm(conv(network.layers["codes"](network.layers["image"](codes)))).double()
    limit = SATURATION * float(norm.weight.detach().abs().max())
    inside = real.abs() < limit
    assert 0.01 < inside.double().mean() < 0.99
    step = 2.0 ** torch.log2((real[inside] / fixed[inside]).nanmedian()).round()
    torch.testing.assert_close(fixed * step, real.clamp(-limit, limit), atol=2 * float(step), rtol=1e-5)
    graph = capture(twin, "network")
    reached = graph.types["n_fixed"].element
    assert (reached.low, reached.high) == (int(fixed.min()), int(fixed.max()))
    assert compare_with_torch(twin, graph, codes.numpy()).images == 50


def test_everything_that_cannot_be_lowered_is_told_at_once():
    network = network_of(
        ("wrong", nn.BatchNorm2d(4), "a"),
        ("behind", nn.ReLU(), "wrong"),
        ("sum", Add(), "a", "codes"),
        ("late", hnn.BinaryConv2d(3, 2, 1), "b"),
    )
    with pytest.raises(CaptureError) as caught:
        hnn.deploy(network)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the network cannot be lowered in 3 places:"
    assert [line.split("'")[1] for line in lines[1:]] == ["wrong", "sum", "late"]
    assert "must have 3 features, not 4" in lines[1]


def test_one_complaint_keeps_its_kind():
    with pytest.raises(ShapeError, match=r"'sum' \(Add\) must add two or more values of one shape"):
        hnn.deploy(network_of(("sum", Add(), "a", "codes")))


# --- piecewise affine functions ---

FEW = st.sampled_from([-2.0, -0.75, -0.5, 0.0, 0.25, 1.0, 1.5])


@settings(max_examples=300, deadline=None)
@given(slope=FEW, offset=FEW, first=st.tuples(FEW, FEW, FEW), second=st.tuples(FEW, FEW, FEW), data=st.data())
def test_bends_compose_exactly(slope, offset, first, second, data):
    """A bend of a bend of a line, at every integer, is what the functions give one after the other."""
    lines = Lines.straight(np.array([slope]), np.array([offset]), (-9, 9), np.array([1.0]))
    x = np.arange(-9, 10)[:, np.newaxis]
    expected = slope * x + offset
    for at, below, above in (first, second):
        bend = Bend(
            at=(np.array([at]),),
            slopes=(np.array([below]), np.array([above])),
            offsets=(np.zeros(1), np.array([(below - above) * at])),
        )
        lines = lines.then_bend(bend, "bend")
        expected = np.where(expected >= at, above * expected + (below - above) * at, below * expected)
        assert np.array_equal(lines.values_at(x), expected)
    differences = np.diff(expected[:, 0])
    if lines.is_monotone:
        assert (differences >= 0).all() or (differences <= 0).all()
    assert not (lines.rises and (differences < 0).any())


def test_functions_stand_beside_one_another_with_their_own_pieces():
    straight = Lines.straight(np.array([2.0]), np.array([1.0]), (-3, 3), np.array([1.0]))
    bend = Bend(at=(np.zeros(1),), slopes=(np.zeros(1), np.ones(1)), offsets=(np.zeros(1), np.zeros(1)))
    joined = beside([straight, straight.then_bend(bend, "relu")])
    x = np.arange(-3, 4)[:, np.newaxis].repeat(2, axis=1)
    assert joined.values_at(x).tolist() == [[2 * v + 1, max(2 * v + 1, 0)] for v in range(-3, 4)]


@settings(max_examples=200, deadline=None)
@given(
    slopes=st.lists(st.floats(-4, 4), min_size=1, max_size=4),
    offset=st.floats(-100, 100),
    bound=st.integers(1, 5000),
    exponent=st.integers(-8, 2),
)
def test_fixed_point_numbers_are_off_by_less_than_a_step(slopes, offset, bound, exponent):
    step = 2.0**exponent
    n = len(slopes)
    lines = Lines.straight(np.array(slopes), np.full(n, offset), (-bound, bound), np.ones(n))
    form = fixed_point(lines, step)
    x = np.unique(np.linspace(-bound, bound, 101).astype(np.int64))[:, np.newaxis].repeat(n, axis=1)
    integers = (form.multipliers[0] * x + form.offsets[0]) >> form.shift
    assert np.abs(integers * step - lines.values_at(x)).max() <= step
    assert form.low <= integers.min()
    assert integers.max() <= form.high


@given(spread=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=5), error=st.floats(1e-4, 0.5))
def test_steps_are_powers_of_two_below_the_bound(spread, error):
    step = step_for(np.array(spread), error)
    assert step <= error / FINER * root_mean_square(np.array(spread)) < 2 * step
    assert np.frexp(step)[0] == 0.5


@given(mu=st.lists(st.floats(0.01, 4), min_size=1, max_size=4), x=st.floats(-12, 12))
def test_residual_boundaries_give_the_signs_of_the_residuals(mu, x):
    """HBNN eq. 4: each sign is that of what was left over, also where later scales are larger."""
    residual, signs = x, []
    for scale in mu:
        signs.append(residual > 0)
        residual -= scale if signs[-1] else -scale
        if abs(residual) < 1e-9:
            return  # a tie that float subtraction may break either way
    code = int((x > residual_boundaries(mu)).sum())
    assert [bool(code >> (len(mu) - 1 - p) & 1) for p in range(len(mu))] == signs
