"""Huffman coding of weight bits: the plain compression that FleXOR is compared with.

The reviewers of FleXOR asked whether its bits could not be had by compressing a binary network. So the
signs of every weight plane are cut into symbols of ``s`` bits and coded with the optimal prefix code of
their own frequencies; the code lengths that a decoder needs are counted.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from hbnn_hw import nn as hnn
from hbnn_hw.estimate.compression import HuffmanSize, code_lengths, huffman_size, smallest_size
from hbnn_hw.planes import Bits

__all__ = ["HuffmanSize", "code_lengths", "huffman_bits", "huffman_size", "smallest_size", "weight_bits"]


def weight_bits(layer: hnn.QuantizedLayer) -> tuple[Bits, Bits]:
    """Return the signs of all planes as bits (1 is +1) in both natural orders: inputs or outputs fastest.

    Entries that a plane does not have are left out; their bit map is not counted.
    """
    signs = layer.planes().signs.numpy().astype(np.int8)
    matrices = signs.reshape(signs.shape[0], signs.shape[1], -1)
    strings = (matrices.ravel(), matrices.transpose(0, 2, 1).ravel())
    rows, columns = ((string[string != 0] > 0).astype(np.uint8) for string in strings)
    return rows, columns


def huffman_bits(model: nn.Module) -> int:
    """Return the size of all quantized weights, each layer with the better order and its own code [bit]."""
    layers = [module for module in model.modules() if isinstance(module, hnn.QuantizedLayer)]
    return sum(min(smallest_size(bits).total_bits for bits in weight_bits(layer)) for layer in layers)
