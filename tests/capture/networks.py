"""What the tests of whole networks need: statistics as after training, and codes with the extreme images."""

import numpy as np
import torch
from torch import nn

import hbnn_hw.nn as hnn
from hbnn_hw.nn.norms import ShiftBatchNorm


@torch.no_grad()
def lived_in(model, codes, seed=0):
    """Give a network what training leaves: statistics of real inputs, slopes of both signs, scales below 0.

    Means are whole and half numbers, many of them without an offset, so that values meet their threshold
    exactly.
    """
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | ShiftBatchNorm):
            module.weight.normal_(generator=generator)
            module.bias.normal_(generator=generator).mul_(0.1)
            module.momentum = 1.0
        if isinstance(module, hnn.FlexorWeights):
            flip = torch.randint(0, 2, module.alpha.shape[1:], generator=generator) * 2 - 1
            module.alpha.mul_(flip)
    model.train()
    with hnn.hard_state(model):
        model(torch.from_numpy(codes))
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.mul_(2).round_().div_(2)
            module.bias[::2] = 0
    return model.eval()


def random_codes(n, features, bits=8, seed=0):
    codes = np.random.default_rng(seed).integers(0, 1 << bits, (n, features))
    codes[0], codes[1] = 0, (1 << bits) - 1
    return codes
