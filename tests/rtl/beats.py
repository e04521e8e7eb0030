"""Values as the beats of a stream inside the accelerator, for tests of single units."""

import numpy as np

from hbnn_hw.backends.rtl.rom import rom_words
from hbnn_hw.ops import Tensor
from hbnn_hw.types import Bordered, Integers


def beats_of(value: Tensor, lanes: int) -> list[int]:
    """Join ``lanes`` elements a beat, sample by sample; a beat in a frame of nothing has its mark on top."""
    element, data = value.type.element, value.data
    if isinstance(element, Integers):
        planes = data.astype(np.int64)[:, np.newaxis] >> _axis(np.arange(element.bits), data.ndim) & 1
    else:
        planes = data[:, :-1] if isinstance(element, Bordered) else data
    bits = np.moveaxis(planes, 1, -1).reshape(-1, lanes * element.bits)
    if isinstance(element, Bordered):
        marks = data[:, -1].reshape(-1, lanes)
        assert (marks == marks[:, :1]).all(), "a beat must lie in one pixel"
        bits = np.concatenate([bits, marks[:, :1]], axis=1)
    return rom_words(bits.astype(np.uint8))


def _axis(values: np.ndarray, ndim: int) -> np.ndarray:
    """Let an array run along axis 1 of ``ndim + 1``."""
    return values.reshape(1, -1, *[1] * (ndim - 1))
