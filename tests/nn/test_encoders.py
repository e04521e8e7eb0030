"""Input encoders: what their bits mean."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import CaptureError, CheckpointError
from hbnn_hw.nn import BinaryLinear, ThermometerInput, ThresholdInput, deploy, load, save


def test_a_threshold_includes_itself():
    x = torch.tensor([[0.0, 0.5, 0.6, -1.0, math.nan]])
    assert ThresholdInput(0.5)(x).tolist() == [[-1, 1, 1, -1, -1]]
    codes = torch.tensor([127, 128], dtype=torch.uint8)
    y = ThresholdInput(128)(codes)
    assert (y.dtype, y.tolist()) == (torch.float32, [-1, 1])
    with pytest.raises(ValueError, match="not NaN"):
        ThresholdInput(math.nan)


def test_uniform_thresholds_divide_the_range_evenly():
    layer = ThermometerInput(2, 3).fit_uniform(0.0, 8.0)
    assert layer.thresholds.tolist() == [[2, 4, 6], [2, 4, 6]]
    y = layer(torch.tensor([[1.9, 4.0], [6.0, math.nan]]))
    assert y.tolist() == [[-1, -1, -1, 1, 1, -1], [1, 1, 1, -1, -1, -1]]
    with pytest.raises(ValueError, match="range must ascend, not 1 to 1"):
        layer.fit_uniform(1, 1)


def test_distributive_thresholds_are_quantiles_and_fill_levels_equally():
    x = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0)).exp()
    layer = ThermometerInput(2, 4).fit_distributive(x)
    for feature in range(2):
        expected = torch.quantile(x[:, feature].double(), torch.tensor([0.2, 0.4, 0.6, 0.8]).double())
        torch.testing.assert_close(layer.thresholds[feature].double(), expected)
    bars = (layer(x).view(-1, 2, 4) > 0).sum(2)
    assert torch.bincount(bars.flatten()).tolist() == pytest.approx([4000] * 5, abs=4)


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20), st.integers(1, 7))
def test_a_bar_is_unbroken_and_counts_the_thresholds_reached(values, levels):
    x = torch.tensor(values).unsqueeze(1)
    layer = ThermometerInput(1, levels).fit_distributive(x)
    layer.check_buffers()
    y = layer(x)
    assert bool((y.diff(dim=1) <= 0).all())
    reached = (x >= layer.thresholds).sum(1)
    assert torch.equal((y > 0).sum(1), reached)


def test_images_share_thresholds_per_channel_with_levels_innermost():
    x = torch.arange(2 * 3 * 2 * 2.0).view(2, 3, 2, 2)
    layer = ThermometerInput(3, 2).fit_uniform(0, 24)
    y = layer(x)
    assert y.shape == (2, 6, 2, 2)
    for channel in range(3):
        for level, threshold in enumerate((8.0, 16.0)):
            assert torch.equal(y[:, 2 * channel + level] > 0, x[:, channel] >= threshold)
    assert ThermometerInput(3, 2).fit_distributive(x).thresholds.shape == (3, 2)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="at least 1 feature and level, not 0, 3"):
        ThermometerInput(0, 3)
    for wrong in (torch.zeros(4), torch.zeros(4, 3)):
        with pytest.raises(ValueError, match=r"must be \(batch, 2, \.\.\.\), not"):
            ThermometerInput(2, 1)(wrong)
        with pytest.raises(ValueError, match=r"must be \(batch, 2, \.\.\.\), not"):
            ThermometerInput(2, 1).fit_distributive(wrong)


def test_thresholds_travel_with_the_file_and_are_checked(tmp_path):
    x = torch.randn(5, 3)
    model = nn.Sequential(ThermometerInput(3, 2).fit_distributive(x), BinaryLinear(6, 2))
    save(model, x, tmp_path / "model.pt")
    assert torch.equal(load(tmp_path / "model.pt").model(x), model(x))
    model[0].thresholds.copy_(torch.tensor([1.0, 0.0]))
    with pytest.raises(CheckpointError, match="layer '0': the thresholds of every feature must ascend"):
        save(model, x, tmp_path / "model.pt")


def test_deploy_refuses_them_by_name_with_a_way_out():
    for encoder in (ThresholdInput(0.5), ThermometerInput(1, 4)):
        with pytest.raises(CaptureError, match=f"{type(encoder).__name__} has no hardware form yet: encode"):
            deploy(nn.Sequential(encoder, BinaryLinear(4, 2)))
