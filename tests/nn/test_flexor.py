"""FleXOR: parity and gradients against explicit products, decoding against NumPy, alphas, deployment."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hbnn_hw import ir_file
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture import capture, compare_with_torch
from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn import (
    AlphaInit,
    BitPlaneInput,
    ConvertSpec,
    FlattenOrder,
    FlexorConv2d,
    FlexorLinear,
    FlexorSpec,
    Method,
    XorGradient,
    XorScheme,
    convert,
    decode_weights,
    deploy,
    load,
    mlp,
    save,
    xor_signs,
)
from hbnn_hw.ops import Convolution, Dense
from hbnn_hw.passes import lower

FOLDS = [(FlattenOrder.PAPER, 1, 1), (FlattenOrder.ROW_MAJOR, 1, 1), (FlattenOrder.WORD, 2, 5)]


class ModifiedSign(torch.autograd.Function):
    """sign(x) forward; in backward what the method says: the recipe of the re-implementation."""

    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(slope)
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0], None


def explicit_product(factors, matrix):
    """(-1)^(n - 1) times the product of the taps, output by output."""
    rows = []
    for plane, taps in zip(factors, matrix, strict=True):
        outputs = [(-1.0) ** (int(row.sum()) - 1) * plane[:, row.bool()].prod(-1) for row in taps]
        rows.append(torch.stack(outputs, -1))
    return torch.stack(rows)


def some(n_planes, n_slices, n_in, n_out, n_taps, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n_planes, n_slices, n_in, generator=generator, dtype=torch.float64)
    weights = torch.randn(n_planes, n_slices, n_out, generator=generator, dtype=torch.float64)
    scheme = XorScheme(n_in=n_in, n_out=n_out, n_taps=min(n_taps, n_in), seed=seed)
    return x, torch.from_numpy(scheme.draw(n_planes)), weights


shapes = given(
    st.integers(1, 2), st.integers(1, 5), st.integers(1, 7), st.integers(7, 10), st.integers(0, 4),
    st.integers(0, 2**31),
)  # fmt: skip


@shapes
def test_the_forward_pass_is_the_sign_form(n_planes, n_slices, n_in, n_out, n_taps, seed):
    x, matrix, _ = some(n_planes, n_slices, n_in, n_out, n_taps, seed)
    x.view(-1)[0] = 0.0
    expected = explicit_product(torch.where(x >= 0, 1.0, -1.0).double(), matrix)
    assert torch.equal(xor_signs(x, matrix, torch.tensor(10.0)), expected)


def test_two_equal_bits_give_minus_one_and_a_single_one_itself():
    matrix = torch.tensor([[[1, 1, 0], [0, 0, 1], [1, 1, 1]]], dtype=torch.uint8)
    x = torch.tensor([[[1.0, 1.0, -1.0], [1.0, -1.0, 1.0]]])
    # + xor + = -, - xor - = -, + xor - = +; three taps: the plain product.
    assert xor_signs(x, matrix, torch.tensor(1.0)).tolist() == [[[-1, -1, -1], [1, 1, -1]]]


def gradient_of(function, x, weights):
    x = x.clone().requires_grad_()
    (function(x) * weights).sum().backward()
    return x.grad


@shapes
def test_the_published_gradient_is_equation_6(n_planes, n_slices, n_in, n_out, n_taps, seed):
    x, matrix, weights = some(n_planes, n_slices, n_in, n_out, n_taps, seed)
    s = 3.0

    def reference(x):
        return explicit_product(ModifiedSign.apply(x, s * (1 - torch.tanh(s * x.detach()) ** 2)), matrix)

    found = gradient_of(lambda x: xor_signs(x, matrix, torch.tensor(s)), x, weights)
    torch.testing.assert_close(found, gradient_of(reference, x, weights))


@shapes
def test_the_exact_gradient_is_that_of_the_analog_product(n_planes, n_slices, n_in, n_out, n_taps, seed):
    x, matrix, weights = some(n_planes, n_slices, n_in, n_out, n_taps, seed)
    x.view(-1)[0] = 0.0
    s = torch.tensor(0.7, dtype=torch.float64)
    found = gradient_of(lambda x: xor_signs(x, matrix, s, XorGradient.EXACT), x, weights)
    expected = gradient_of(lambda x: explicit_product(torch.tanh(s * x), matrix), x, weights)
    torch.testing.assert_close(found, expected)


@shapes
def test_the_identity_gradient_treats_the_sign_as_one(n_planes, n_slices, n_in, n_out, n_taps, seed):
    x, matrix, weights = some(n_planes, n_slices, n_in, n_out, n_taps, seed)
    found = gradient_of(lambda x: xor_signs(x, matrix, torch.tensor(5.0), XorGradient.IDENTITY), x, weights)
    expected = gradient_of(
        lambda x: explicit_product(ModifiedSign.apply(x, torch.ones_like(x)), matrix), x, weights
    )
    torch.testing.assert_close(found, expected)


def test_equation_6_by_hand():
    """n = 2: dy/dx_1 = -S (1 - tanh²(S x_1)) sign(x_2)."""
    x = torch.tensor([[[0.1, -0.2]]], requires_grad=True)
    xor_signs(x, torch.ones(1, 1, 2, dtype=torch.uint8), torch.tensor(2.0)).sum().backward()
    expected = [2 * (1 - np.tanh(0.2) ** 2), -2 * (1 - np.tanh(0.4) ** 2)]
    assert x.grad.flatten().tolist() == pytest.approx(expected)


def layer_of(n_planes=1, order=FlattenOrder.PAPER, pe=1, simd=1, seed=0, **more):
    torch.manual_seed(seed)
    layer = FlexorLinear(10, 6, n_planes=n_planes, order=order, pe=pe, simd=simd, **more)
    nn.init.normal_(layer.alpha)
    return layer


@pytest.mark.parametrize("n_planes", [1, 2])
@pytest.mark.parametrize(("order", "pe", "simd"), FOLDS)
@pytest.mark.parametrize("n_taps", [0, 2])
def test_the_layer_decodes_what_numpy_decodes(n_planes, order, pe, simd, n_taps):
    layer = layer_of(n_planes, order, pe, simd, n_in=5, n_out=7, n_taps=n_taps)
    bits = decode_weights(layer.encoded_bits(), layer.matrix.numpy(), layer.layout)
    assert bits.shape == (n_planes, 6, 10)
    assert np.array_equal(2.0 * bits - 1, layer.signs().detach().numpy())
    weight = np.einsum("qo,qoi->oi", layer.alpha.detach().numpy(), 2.0 * bits - 1)
    np.testing.assert_allclose(layer.quantized_weight().detach().numpy(), weight, atol=1e-6)


@pytest.mark.parametrize(("order", "pe", "simd"), FOLDS)
def test_every_order_learns_through_its_own_wiring(order, pe, simd):
    """The gradient of one weight reaches the taps of its own bit, and nothing else."""
    layer = layer_of(order=order, pe=pe, simd=simd)
    layer.signs()[0, 4, 7].backward()
    position = int(layer.layout.positions()[4, 7])
    touched = layer.encrypted.grad[0].nonzero().tolist()
    taps = layer.matrix[0, position % 10].nonzero().flatten().tolist()
    assert touched == [[position // 10, tap] for tap in taps]


def test_alpha_is_one_factor_per_output_and_plane_with_its_plain_gradient():
    layer, x = layer_of(2), torch.randn(5, 10)
    torch.testing.assert_close(
        layer(x), sum(a * (x @ b.T) for a, b in zip(layer.alpha, layer.signs(), strict=True))
    )
    layer(x).sum().backward()
    expected = torch.stack([(x @ b.T).sum(0) for b in layer.signs().detach()])
    torch.testing.assert_close(layer.alpha.grad, expected)


def test_alphas_gradient_is_numerically_right():
    layer, x = layer_of(2).double(), torch.randn(3, 10, dtype=torch.float64)

    def output(alpha):
        return torch.func.functional_call(layer, {"alpha": alpha}, (x,))

    assert torch.autograd.gradcheck(output, (layer.alpha.detach().clone().requires_grad_(),))


def test_initial_values_are_the_papers():
    torch.manual_seed(0)
    layer = FlexorLinear(200, 100, n_planes=2)
    assert (layer.alpha == 0.2).all()
    assert float(layer.encrypted.detach().std()) == pytest.approx(1e-3, rel=0.02)
    assert float(layer.s_tanh) == 10.0
    other = FlexorLinear(200, 100, alpha_init=AlphaInit.FAN_IN)
    torch.testing.assert_close(other.alpha.detach(), torch.full((1, 100), 0.1))


def test_convert_takes_the_initial_scale_for_networks_without_normalization():
    spec = ConvertSpec(weights=FlexorSpec(alpha_init=AlphaInit.FAN_IN))
    layer = convert(nn.Linear(50, 4), spec)
    torch.testing.assert_close(layer.alpha.detach(), torch.full((1, 4), 0.2))
    layer = convert(nn.Conv2d(2, 4, 5), spec)
    torch.testing.assert_close(layer.alpha.detach(), torch.full((1, 4), 0.2))
    assert bool((convert(nn.Linear(8, 4), spec).alpha == 0.5).all())


def test_stored_bits_are_those_of_whole_slices():
    assert FlexorLinear(100, 10).stored_bits() == 800
    assert FlexorLinear(100, 10, n_planes=2, n_in=4).stored_bits() == 800
    # 1001 weights need 101 slices; words of 5 x 5 weights need 3 slices of 10 each.
    assert FlexorLinear(1001, 1).stored_bits() == 101 * 8
    assert FlexorLinear(10, 10, order=FlattenOrder.WORD, pe=5, simd=5).stored_bits() == 4 * 3 * 8


def test_rank_and_distance_are_reported_for_each_plane():
    layer = layer_of(2)
    assert layer.ranks() == (7, 7)
    assert layer.minimum_row_distances() == (2, 2)


def test_layers_with_one_scheme_share_their_matrix():
    assert torch.equal(FlexorLinear(10, 6).matrix, FlexorLinear(33, 8).matrix)
    assert not torch.equal(FlexorLinear(10, 6).matrix, FlexorLinear(10, 6, seed=1).matrix)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_sharpness_that_cannot_be_is_refused(value):
    with pytest.raises(ValueError, match="S_tanh must be finite and positive"):
        layer_of().set_s_tanh(value)


def test_a_layer_without_planes_is_refused():
    with pytest.raises(ValueError, match="at least 1 plane, not 0"):
        FlexorLinear(2, 2, n_planes=0)


def test_planes_are_the_weights():
    layer = layer_of()
    planes = layer.planes()
    assert torch.equal(planes.values(), layer.quantized_weight().detach())
    assert torch.equal(planes.row_scale, layer.alpha[0])
    assert planes.mu.tolist() == [1.0]


def test_several_planes_with_one_ratio_are_planes_of_hardware():
    layer = layer_of(3)
    with torch.no_grad():
        layer.alpha[1], layer.alpha[2] = -0.5 * layer.alpha[0], 0.25 * layer.alpha[0]
    planes = layer.planes()
    torch.testing.assert_close(planes.values(), layer.quantized_weight().detach())
    assert planes.mu.tolist() == pytest.approx([1, 0.5, 0.25])
    linear = deploy(nn.Sequential(BitPlaneInput(3), layer).eval())[1]
    assert linear.coefficients == (4, 2, 1)


@pytest.mark.parametrize("layer_class", [FlexorLinear, FlexorConv2d])
@pytest.mark.parametrize("order", list(FlattenOrder))
def test_several_planes_of_different_ratios_have_coefficients_by_row(layer_class, order):
    """Scales of any sign and size for every plane and output, 0 among them; stored bits stay stored."""
    torch.manual_seed(1)
    layer = (
        FlexorLinear(12, 5, n_planes=3, order=order)
        if layer_class is FlexorLinear
        else FlexorConv2d(3, 5, 2, n_planes=3, order=order)
    )
    with torch.no_grad():
        layer.alpha.normal_()
        layer.encrypted.normal_()
        layer.alpha[1, 2] = layer.alpha[0, 3] = 0
        layer.alpha[:, 4] = 0
    shape = [nn.Unflatten(1, (3, 2, 2))] if layer_class is FlexorConv2d else []
    model = nn.Sequential(*shape, BitPlaneInput(3), layer, nn.Flatten()).eval()
    planes = layer.planes()
    torch.testing.assert_close(planes.values(), layer.quantized_weight().detach())
    deployed = deploy(model, 1e-3)
    inputs = torch.randint(0, 8, (50, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        np.testing.assert_allclose(deployed(inputs).numpy(), model(inputs).numpy(), rtol=5e-3, atol=5e-3)
    graph = capture(deployed, "network")
    assert compare_with_torch(deployed, graph, inputs.numpy()).images == 50
    weights = next(n.op.weights for n in graph.nodes if isinstance(n.op, Dense | Convolution))
    assert weights.row_coefficients.shape == (3, 5)
    assert weights.encoding.stored_bits == layer.encrypted.numel()
    restored = ir_file.from_bytes(ir_file.to_bytes(graph))
    assert np.array_equal(restored.run(inputs.numpy()).data, graph.run(inputs.numpy()).data)


def scrambled(seed=0, **scheme):
    """Random bits, alphas of both signs, one of them 0, odd normalization."""
    torch.manual_seed(seed)
    model = mlp(Method.FLEXOR, 5, (30, 20, 16, 10), xor_scheme=XorScheme(**scheme))
    with torch.no_grad():
        for module in model:
            if isinstance(module, FlexorLinear):
                module.alpha.normal_()
            if isinstance(module, nn.BatchNorm1d):
                for values in (module.weight, module.bias, module.running_mean):
                    values.normal_()
                module.running_var.uniform_(0.1, 3)
        model.fc2.alpha[0, 3] = 0.0
    return model.eval()


def codes(n=200, seed=0):
    return torch.randint(0, 32, (n, 30), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scheme", [{}, {"n_in": 3, "n_out": 10}, {"n_taps": 0}])
def test_the_deployed_twin_folds_alpha_and_equals_the_network_and_golden(scheme):
    model = scrambled(**scheme)
    twin = deploy(model)
    assert twin.fc1.coefficients == (1,)
    assert torch.equal(twin.fc1.weight, model.fc1.signs()[0])
    slope = model.norm1.weight / (model.norm1.running_var + model.norm1.eps).sqrt()
    torch.testing.assert_close(twin.norm1.alpha, (slope * model.fc1.alpha[0] / 32).detach())
    assert (model.fc1.alpha < 0).any()
    np.testing.assert_allclose(twin(codes()).numpy(), model(codes()).detach().numpy(), rtol=1e-4, atol=1e-4)
    graph = capture(twin, "flexor")
    golden, lowered = GoldenModel(graph), GoldenModel(lower(graph))
    assert np.array_equal(lowered.value(codes().numpy()), golden.value(codes().numpy()))
    assert np.array_equal(lowered.classes(codes().numpy()), twin(codes()).argmax(1).numpy())


def test_a_network_comes_back_from_its_file(tmp_path):
    model = scrambled(seed=3, n_taps=3)
    model.fc1.set_s_tanh(17.0)
    # The file's matrix counts, not what this version of NumPy would draw.
    model.fc1.matrix[0, 0] = model.fc1.matrix[0, 1]
    save(model, codes(1).byte(), tmp_path / "model.pt")
    found = load(tmp_path / "model.pt").model
    assert str(found) == str(model)
    assert all(torch.equal(value, found.state_dict()[key]) for key, value in model.state_dict().items())
    assert torch.equal(found(codes()), model(codes()))
    assert np.array_equal(found.fc1.encoded_bits(), model.fc1.encoded_bits())
    assert found.fc1.layout == model.fc1.layout


def test_a_file_with_an_impossible_matrix_or_sharpness_is_refused(tmp_path):
    for key, complaint in (
        ("matrix", "matrix must hold 0 and 1 only"),
        ("s_tanh", "s_tanh must be positive"),
    ):
        save(scrambled(), codes(1).byte(), tmp_path / "model.pt")
        content = torch.load(tmp_path / "model.pt", weights_only=True)
        content["state"][f"fc1.{key}"] *= 0
        if key == "matrix":
            content["state"]["fc1.matrix"] += 2
        torch.save(content, tmp_path / "model.pt")
        with pytest.raises(CheckpointError, match=f"layer 'fc1': {complaint}"):
            load(tmp_path / "model.pt")


def test_a_copy_and_a_state_dictionary_carry_everything():
    layer, other = layer_of(), layer_of(seed=5)
    layer.set_s_tanh(3.0)
    other.load_state_dict(layer.state_dict())
    for twin in (copy.deepcopy(layer), other):
        assert torch.equal(twin.quantized_weight(), layer.quantized_weight())
        assert float(twin.s_tanh) == 3.0
    copied = copy.deepcopy(layer)
    nn.init.zeros_(copied.encrypted)
    assert not torch.equal(copied.encrypted, layer.encrypted)


@pytest.mark.parametrize("gradient", list(XorGradient))
def test_autocast_computes_in_half_precision_and_trains_float_weights(gradient):
    layer, x = layer_of(gradient=gradient), torch.randn(3, 10)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        assert torch.equal(layer.signs().abs(), torch.ones(1, 6, 10))
    assert y.dtype is torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=0.05, atol=0.1)
    y.float().square().sum().backward()
    assert layer.encrypted.grad.dtype is torch.float32
    assert float(layer.encrypted.grad.abs().sum()) > 0


def test_parities_of_many_taps_are_exact_in_half_precision():
    matrix = torch.ones(1, 601, 601, dtype=torch.uint8)
    x = torch.ones(1, 1, 601)
    with torch.autocast("cpu", torch.bfloat16):
        assert (xor_signs(x, matrix, torch.tensor(1.0)) == 1).all()


# Torch's own tracer instantiates an autograd function, of which torch warns.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("gradient", list(XorGradient))
def test_the_compiled_layer_computes_and_learns_the_same(gradient):
    """Through the whole tracer and its own differentiation, without the code generator, which takes long."""
    layer, x = layer_of(order=FlattenOrder.WORD, pe=2, simd=5, gradient=gradient), torch.randn(3, 10)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for s_tanh in (5.0, 50.0):
        layer.set_s_tanh(s_tanh)
        layer.zero_grad()
        layer(x).square().sum().backward()
        gradient = layer.encrypted.grad.clone()
        layer.zero_grad()
        found = compiled(x)
        found.square().sum().backward()
        torch.testing.assert_close(found, layer(x))
        torch.testing.assert_close(layer.encrypted.grad, gradient)
