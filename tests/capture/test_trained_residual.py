"""A residual network that has really been trained, on real images, from training to the golden model."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import hbnn_hw
import hbnn_hw.nn as hnn
from hbnn_hw import data
from hbnn_hw.backends.golden import GoldenModel
from hbnn_hw.backends.hls import emit
from hbnn_hw.capture import capture_file, compare_with_torch
from hbnn_hw.export import edge_values, entering_values
from hbnn_hw.passes import FoldingRequest, lower
from hbnn_hw.streams import sample_interval
from hbnn_hw.verify.csim import CsimTools, find_compiler, run_csim
from hbnn_hw.verify.fifo import run_fifo_check
from hbnn_hw.verify.hls_lint import lint
from hbnn_hw.verify.vectors import VectorSet, vector_files
from tests.hls.conftest import QUICK
from tests.hls.networks import TARGET, write_texts
from tests.tables import rows


class Residual(nn.Module):
    """Two blocks, each y = x + norm(conv(activation(x))), with a heterogeneous activation in the second."""

    def __init__(self):
        super().__init__()
        self.pixels = hnn.BitPlaneInput(5)
        self.stem = hnn.HbnnConv2d(1, 12, 3, padding=1, padding_value="masked")
        self.stem_norm = nn.BatchNorm2d(12)
        self.act1 = hnn.SignActivation()
        self.conv1 = hnn.BinaryConv2d(12, 12, 3, padding=1, padding_value="minus_one")
        self.norm1 = nn.BatchNorm2d(12)
        self.act2 = hnn.HbnnActivation((12,))
        self.conv2 = hnn.HbnnConv2d(12, 12, 3, padding=1, padding_value="masked")
        self.prelu = nn.PReLU(12)
        self.norm2 = nn.BatchNorm2d(12)
        self.act3 = hnn.UniformActivation(2, step=0.5)
        self.fc = hnn.FlexorLinear(12 * 16, 10)
        self.scale = hnn.OutputScale(0.05)

    def forward(self, x):
        x = self.stem_norm(self.stem(self.pixels(x)))
        x = x + self.norm1(self.conv1(self.act1(x)))
        x = x + self.norm2(self.prelu(self.conv2(self.act2(x))))
        x = F.avg_pool2d(self.act3(x), 2)
        return self.scale(self.fc(x.flatten(1)))


@pytest.fixture(scope="module")
def trained():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    digits = data.load("digits")
    images = torch.tensor(digits.x_train).view(-1, 1, 8, 8)
    labels = torch.tensor(digits.y_train)
    model = Residual()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(6):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (1 - epoch / 6)
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model.train()(images[batch]), labels[batch]).backward()
            optimizer.step()
    hnn.calibrate_activations(model, images[:512].split(64))
    torch.set_num_threads(threads)
    return model.eval(), digits


def test_the_trained_network_keeps_its_answers(trained, tmp_path):
    """What is rounded (plane scales, sums) costs no accuracy to speak of; everything behind it is exact."""
    model, digits = trained
    codes = digits.x_test.astype(np.int64)
    images = torch.tensor(digits.x_test).view(-1, 1, 8, 8)
    with torch.no_grad():
        own = model(images).argmax(1).numpy()
    path = tmp_path / "model.pt"
    hbnn_hw.save(model, images[:1], path)
    captured = capture_file(path)
    assert compare_with_torch(captured.deployed, captured.graph, codes).images == len(codes)
    answers = GoldenModel(lower(captured.graph)).classes(codes)
    accuracy, own_accuracy = (answers == digits.y_test).mean(), (own == digits.y_test).mean()
    assert own_accuracy > 0.9
    assert accuracy > own_accuracy - 0.015
    assert (answers == own).mean() > 0.95


@pytest.fixture(scope="module")
def accelerator(trained, tmp_path_factory):
    """The HLS project of the network with vectors of real images."""
    folder, (model, digits) = tmp_path_factory.mktemp("accelerator"), trained
    images = torch.tensor(digits.x_test[:60]).view(-1, 1, 8, 8)
    hbnn_hw.save(model, images[:1], folder / "model.pt")
    lowered = lower(capture_file(folder / "model.pt").graph, FoldingRequest(pe=4, simd=4))
    codes = digits.x_test[:60].astype(np.int64)
    vectors = VectorSet(entering_values(lowered, codes), edge_values(lowered, codes))
    write_texts(folder / "hls", emit(lowered, vectors, TARGET))
    for path, array in vector_files(vectors).items():
        (folder / path).parent.mkdir(exist_ok=True)
        np.save(folder / path, array)
    return folder, sample_interval(lowered)


@pytest.mark.hls
@pytest.mark.parametrize("name", rows(["g++", "clang++"], usual=lambda name: name == "clang++"))
def test_its_accelerator_gives_the_golden_answers(accelerator, name):
    """The usual run compiles it with g++ for the bounded streams alone, which compare the answers as well."""
    folder, _ = accelerator
    compiler = find_compiler(Path(name))
    assert compiler is not None, "the checks need g++ and clang: scripts/install_tools.sh"
    tools = CsimTools(compiler=compiler.path, extra_flags=QUICK)
    assert run_csim(folder, tools=tools).images == 60


@pytest.mark.hls
def test_its_accelerator_never_stops(accelerator):
    """In bounded streams, and to the linter."""
    folder, interval = accelerator
    report = run_fifo_check(folder, images=6, tools=CsimTools(extra_flags=QUICK))
    assert report.predicted_interval_cycles == interval
    assert lint(folder) == ()
