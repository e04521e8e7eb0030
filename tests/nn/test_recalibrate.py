"""Statistics estimated anew: shift-based normalization too, and never from nothing."""

import copy

import pytest
import torch
from torch import nn

from hbnn_hw.nn import HbnnActivation, ShiftBatchNorm1d, SlbLinear, calibrate_activations, recalibrate


def test_shift_normalization_gets_the_plain_mean_over_the_batches():
    torch.manual_seed(0)
    model = nn.Sequential(SlbLinear(6, 4), ShiftBatchNorm1d(4, momentum=0.25))
    batches = (torch.randn(3, 50, 6) * torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1)).unbind()
    recalibrate(model, batches)
    weights = model[0].planes().values()
    means, inverses = [], []
    for batch in batches:
        single = ShiftBatchNorm1d(4, momentum=1.0)
        single(batch @ weights.T)
        means.append(single.running_mean)
        inverses.append(single.running_inverse_std)
    torch.testing.assert_close(model[1].running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(model[1].running_inverse_std, torch.stack(inverses).mean(0))
    assert (model[1].momentum, model[1].training) == (0.25, False)


@pytest.mark.parametrize("estimate", [recalibrate, calibrate_activations])
def test_without_a_batch_nothing_is_forgotten(estimate):
    torch.manual_seed(0)
    model = nn.Sequential(SlbLinear(6, 4), nn.BatchNorm1d(4), HbnnActivation((4,)))
    model(torch.randn(20, 6))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="must have at least one batch of inputs, not none"):
        estimate(model, [])
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
