"""Captured and lowered graphs equal deployed PyTorch at every layer, on real images and adversarial ones."""

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn as torch_nn

import hbnn_hw.nn as hnn
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.capture import capture, capture_file, compare_with_torch, identifier
from hbnn_hw.errors import CaptureError, DatasetMissingError, MismatchError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Dense
from hbnn_hw.passes import lower
from hbnn_hw.planes import pack
from hbnn_hw.weights import WeightPlanes
from tests.datasets import loaded
from tests.tables import rows

MODELS = Path(__file__).resolve().parents[2] / "models"
QUANTIZED = tuple(
    f"{images}_{method}" for images in ("digits", "mnist") for method in ("bnn", "hbnn", "slb", "flexor")
)


@pytest.fixture(scope="module", params=QUANTIZED)
def model(request):
    return capture_file(MODELS / f"{request.param}.pt")


def codes_of(model):
    try:
        images = loaded(str(model.facts["dataset"]))
    except DatasetMissingError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    return images.x_test.astype(np.int64), images.y_test


def test_golden_equals_pytorch_at_every_layer_on_the_whole_test_set(model):
    codes, _ = codes_of(model)
    equal = compare_with_torch(model.deployed, model.graph, codes)
    assert equal.images == len(codes)
    assert equal.layers == len(model.graph.nodes)


def test_golden_equals_pytorch_on_extreme_and_random_images(model):
    element = model.graph.input_type.element
    n = model.graph.input_type.n_elements
    noise = np.random.default_rng(0).integers(element.low, element.high + 1, (64, n))
    codes = np.concatenate([np.full((1, n), element.low), np.full((1, n), element.high), noise])
    assert compare_with_torch(model.deployed, model.graph, codes).images == 66


def test_the_lowered_network_gives_the_same_logits_and_the_recorded_accuracy(model):
    codes, labels = codes_of(model)
    lowered = GoldenModel(lower(model.graph))
    assert np.array_equal(lowered.value(codes), GoldenModel(model.graph).value(codes))
    assert (lowered.classes(codes) == labels).mean() == pytest.approx(model.facts["accuracy"], abs=1e-12)


@pytest.mark.parametrize("plane", rows([0, -1], usual=lambda plane: plane == -1))
def test_a_flipped_weight_bit_is_noticed(model, plane):
    codes, _ = codes_of(model)
    name, weights = next((n.name, n.op.weights) for n in model.graph.nodes if isinstance(n.op, Dense))
    bits = weights.unpacked_bits()
    row, column = (int(i) for i in np.argwhere(weights.unpacked_masks()[plane])[0])
    bits[plane, row, column] ^= 1
    changed = WeightPlanes(
        bits=pack(bits), masks=weights.masks, coefficients=weights.coefficients, columns=weights.columns
    )
    nodes = tuple(
        Node(n.name, Dense(weights=changed), n.inputs) if n.name == name else n for n in model.graph.nodes
    )
    broken = Graph(model.graph.name, "x", model.graph.input_type, nodes)
    with pytest.raises(MismatchError, match=f"layer '{name}': golden and PyTorch differ"):
        compare_with_torch(model.deployed, broken, codes[:50])


def test_modules_that_are_not_of_a_deployed_network_are_all_named():
    foreign = torch_nn.Sequential(torch_nn.Conv2d(1, 1, 3), torch_nn.Softmax(dim=1))
    with pytest.raises(CaptureError, match=r"'0' \(Conv2d\), '1' \(Softmax\)"):
        capture(foreign, "foreign")


@pytest.mark.parametrize(
    ("path", "name"), [("features.0.conv", "features_0_conv"), ("1", "layer_1"), ("", "layer_")]
)
def test_module_paths_become_identifiers(path, name):
    assert identifier(path) == name


def test_capture_does_not_depend_on_torch_threads(model):
    before = torch.get_num_threads()
    codes, _ = codes_of(model)
    try:
        torch.set_num_threads(2)
        assert compare_with_torch(model.deployed, model.graph, codes[:300], chunk=77).images == 300
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("zero", [1, -1])
@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_ties_at_a_threshold_go_the_way_of_the_modules_own_sign_of_zero(zero, slope):
    """Four ±1 inputs with weights ±1 sum to 0 for 6 of 16 inputs; an untouched batch norm keeps the 0."""
    network = torch_nn.Sequential(
        hnn.BitPlaneInput(1),
        hnn.BinaryLinear(4, 3),
        torch_nn.BatchNorm1d(3),
        hnn.SignActivation(zero=zero),
        hnn.BinaryLinear(3, 2),
        hnn.OutputScale(),
    ).eval()
    torch_nn.init.constant_(network[2].weight, slope)
    deployed = hnn.deploy(network)
    graph = capture(deployed, "ties")
    codes = np.array(list(product((0, 1), repeat=4)))
    values = {name: tensor.data for name, tensor in GoldenModel(graph).trace(codes)}
    ties = values["layer_2"] == 0
    assert ties.sum() == 6 * 3
    assert (values["layer_3"][:, 0][ties] == (zero == 1)).all()
    assert compare_with_torch(deployed, graph, codes).images == 16
    assert np.array_equal(GoldenModel(lower(graph)).value(codes), values["layer_5"])
