"""What joins, cuts and frames feature maps: the parts of a network's topology that have no weights."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hbnn_hw.nn.latent import Plain


class Add(nn.Module):
    """``y = x_1 + x_2 + ...``: residual sums. All inputs have one shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Sum two or more tensors (batch, ...) of one shape."""
        first, *others = inputs
        total = first
        for other in others:
            total = total + other
        return total

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {}


class Concat(nn.Module):
    """Channels (or features) of several inputs behind one another: ``torch.cat(inputs, dim=1)``."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map (batch, c_i, ...) to (batch, sum of c_i, ...)."""
        return torch.cat(inputs, dim=1)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {}


class Pad(nn.Module):
    """Frame a feature map with a constant, in rows, columns and channels; sequences have columns only.

    Parameters
    ----------
    padding
        (top, bottom, left, right) in pixels, from 0.
    channels
        (before, after) in channels, from 0.
    value
        What the frame holds.
    """

    def __init__(
        self,
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        channels: tuple[int, int] = (0, 0),
        value: float = 0.0,
    ) -> None:
        super().__init__()
        self.padding, self.channels, self.value = tuple(padding), tuple(channels), float(value)
        for name, sizes, length in (("padding", self.padding, 4), ("channels", self.channels, 2)):
            if len(sizes) != length or any(type(size) is not int or size < 0 for size in sizes):
                raise ValueError(f"{name} must be {length} numbers from 0, not {list(sizes)}")

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, height, width), or (batch, channels, length), to the framed map."""
        top, bottom, left, right = self.padding
        rows = (top, bottom) if x.dim() == 4 else ()
        if x.dim() not in (3, 4) or (not rows and (top or bottom)):
            raise ValueError(f"a map to frame must be (batch, channels, height, width), not {tuple(x.shape)}")
        return F.pad(x, (left, right, *rows, *self.channels), value=self.value)

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"padding": list(self.padding), "channels": list(self.channels), "value": self.value}

    def extra_repr(self) -> str:
        """Show the configuration in the module's text form."""
        return f"padding={self.padding}, channels={self.channels}, value={self.value:g}"


class Subsample(nn.Module):
    """Every ``stride``-th pixel, from the first: ``x[:, :, ::stride[0], ::stride[1]]``.

    Sequences have one row.

    Parameters
    ----------
    stride
        (vertical, horizontal), from 1.
    """

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = tuple(stride)
        if len(self.stride) != 2 or any(type(step) is not int or step < 1 for step in self.stride):
            raise ValueError(f"the stride must be 2 numbers from 1, not {list(self.stride)}")

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, height, width), or (batch, channels, length), to the smaller map."""
        vertical, horizontal = self.stride
        if x.dim() == 3 and vertical == 1:
            return x[:, :, ::horizontal]
        return x[:, :, ::vertical, ::horizontal]

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"stride": list(self.stride)}

    def extra_repr(self) -> str:
        """Show the stride in the module's text form."""
        return f"stride={self.stride}"


class Scale(nn.Module):
    """``y = factor · x + offset`` with two constants for all values, of any shape.

    Parameters
    ----------
    factor, offset
        Finite; what is computed is rounded to float32 after either step.
    """

    def __init__(self, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.factor, self.offset = float(factor), float(offset)
        for name in ("factor", "offset"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, not {getattr(self, name)!r}")

    def forward(self, x: Tensor) -> Tensor:
        """Map numbers to float numbers of the same shape."""
        return self.factor * x + self.offset

    def config(self) -> dict[str, Plain]:
        """Return the constructor's arguments as plain values."""
        return {"factor": self.factor, "offset": self.offset}

    def extra_repr(self) -> str:
        """Show the constants in the module's text form."""
        return f"factor={self.factor:g}, offset={self.offset:g}"
