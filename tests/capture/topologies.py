"""Random small networks of any topology, and what it takes to hold them against the golden model."""

from dataclasses import dataclass, field

import torch
from hypothesis import strategies as st
from torch import nn

import hbnn_hw.nn as hnn
from hbnn_hw.nn import Padding
from hbnn_hw.nn.network import INPUT, Network, Step
from hbnn_hw.nn.structure import Add, Concat, Pad, Subsample

CODES, SUMS, REALS = "codes", "sums", "reals"
"""What a value is: what a quantizer made, integers on one scale, or anything real in front of a quantizer."""
CONVS = (hnn.BinaryConv2d, hnn.HbnnConv2d, hnn.SlbConv2d, hnn.FlexorConv2d)
LINEARS = (hnn.BinaryLinear, hnn.HbnnLinear, hnn.SlbLinear, hnn.FlexorLinear)


@dataclass
class Builder:
    """A network under construction."""

    draw: object
    layers: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    values: list = field(default_factory=list)

    def put(self, layer, kind, *sources):
        name = f"part{len(self.steps) % 3}.layer{len(self.steps)}"
        self.layers[name] = layer
        self.steps.append(Step(name, name, tuple(source[0] for source in sources)))
        shape = self._shape(layer, sources)
        self.values.append((name, kind, shape))
        return self.values[-1]

    def _shape(self, layer, sources):
        inputs = [
            torch.zeros(1, *source[2], dtype=torch.uint8 if source[0] == INPUT else None)
            for source in sources
        ]
        with torch.no_grad():
            return tuple(layer.eval()(*inputs).shape[1:])

    def one_of(self, *options):
        return self.draw(st.sampled_from(options))

    def pick(self, *kinds):
        found = [value for value in self.values if value[1] in kinds]
        # Late values are likelier, so that networks grow deep as well as wide.
        return self.one_of(*(found[-3:] + found[-2:] + found[-1:])) if found else None


def conv(b):
    source = b.pick(CODES, SUMS)
    channels, rows, columns = source[2]
    groups = b.one_of(*(g for g in (1, 2, channels) if channels % g == 0))
    out = groups * b.one_of(1, 2, 3)
    kernel = (b.one_of(*range(1, min(3, rows) + 1)), b.one_of(*range(1, min(3, columns) + 1)))
    padding = (b.one_of(0, 0, 1), b.one_of(0, 1, 2))
    plain = source[1] == CODES and isinstance(b.layers[source[0]], hnn.BitPlaneInput | hnn.SignActivation)
    value = b.one_of(*Padding) if plain else Padding.MASKED
    layer = b.one_of(*CONVS)(
        channels,
        out,
        kernel,
        stride=(b.one_of(1, 1, 2), b.one_of(1, 2)),
        padding=padding,
        padding_value=value,
        groups=groups,
        bias=b.one_of(False, True),
    )
    return b.put(layer, REALS, source)


def norm(b):
    source = b.pick(REALS, SUMS)
    kind = b.one_of(nn.BatchNorm2d, hnn.StateBatchNorm2d, hnn.ShiftBatchNorm2d)
    return source and b.put(kind(source[2][0]), REALS, source)


def bend(b):
    source = b.pick(REALS, SUMS)
    if source is None:
        return None
    prelu = nn.PReLU(b.one_of(1, source[2][0]))
    nn.init.normal_(prelu.weight)
    layer = b.one_of(nn.ReLU(), nn.ReLU6(), nn.Hardtanh(), nn.Hardtanh(-0.5, 2.0), nn.LeakyReLU(0.1), prelu)
    return b.put(layer, REALS, source)


def sign(b):
    source = b.pick(REALS, SUMS)
    return source and b.put(hnn.SignActivation(b.one_of(1, -1)), CODES, source)


def heterogeneous(b):
    source = b.pick(REALS, SUMS)
    shape = source and b.one_of(source[2], source[2][:1])
    return source and b.put(
        hnn.HbnnActivation(shape, distribution=[[1, 0.4], [2, 0.4], [3, 0.2]]), CODES, source
    )


def max_pool(b):
    source = b.pick(REALS, SUMS, CODES)
    sides = source[2][1:]
    kernel = tuple(b.one_of(*range(1, min(3, side) + 1)) for side in sides)
    padding = tuple(b.one_of(*range(k // 2 + 1)) for k in kernel)
    stride = (b.one_of(1, 2, 3), b.one_of(1, 2))
    return b.put(nn.MaxPool2d(kernel, stride, padding, ceil_mode=b.one_of(False, True)), source[1], source)


def average(b):
    source = b.pick(REALS, SUMS, CODES)
    kernel = tuple(b.one_of(*range(1, min(3, side) + 1)) for side in source[2][1:])
    layer = nn.AvgPool2d(kernel, b.one_of(1, 2), b.one_of(0, min(kernel) // 2))
    return b.put(layer, SUMS if source[1] != REALS else REALS, source)


def residual(b):
    source = b.pick(REALS, SUMS, CODES)
    others = [value for value in b.values if value[2] == source[2] and value[1] is not INPUT]
    return b.put(Add(), SUMS, source, b.one_of(*others), *([source] if b.one_of(False, False, True) else []))


def concat(b):
    source = b.pick(REALS, SUMS, CODES)
    others = [value for value in b.values if value[2][1:] == source[2][1:]]
    return b.put(Concat(), REALS, source, b.one_of(*others))


def frame(b):
    source = b.pick(REALS, SUMS, CODES)
    sizes = [b.one_of(0, 1, 2) for _ in range(4)]
    return b.put(Pad(tuple(sizes), (b.one_of(0, 1), b.one_of(0, 2))), SUMS, source)


def subsample(b):
    source = b.pick(REALS, SUMS, CODES)
    return b.put(Subsample((b.one_of(1, 2), b.one_of(1, 2, 3))), source[1], source)


def uniform(b):
    source = b.pick(REALS, SUMS)
    bits, signed = b.one_of(2, 3, 4), b.one_of(False, True)
    layer = hnn.UniformActivation(bits, signed=signed, narrow=signed and b.one_of(False, True), step=0.25)
    return source and b.put(layer, CODES, source)


def framed_conv(b):
    """A dilated convolution with a frame of its own on every side."""
    source = b.pick(CODES, SUMS)
    channels, rows, columns = source[2]
    frame = tuple(b.one_of(0, 1, 2, 3) for _ in range(4))
    span = (rows + frame[0] + frame[1], columns + frame[2] + frame[3])
    dilation = tuple(b.one_of(*range(1, max(1, s - 1) + 1)) for s in span)
    kernel = tuple(2 if s > d else 1 for s, d in zip(span, dilation, strict=True))
    layer = b.one_of(*CONVS)(
        channels, b.one_of(1, 2, 3), kernel, padding=frame, dilation=dilation, padding_value=Padding.MASKED
    )
    return b.put(layer, REALS, source)


ACTIONS = (
    conv,
    conv,
    conv,
    norm,
    norm,
    bend,
    sign,
    heterogeneous,
    uniform,
    framed_conv,
    max_pool,
    average,
    residual,
    residual,
    concat,
    frame,
    subsample,
)


@st.composite
def networks(draw):
    """Draw a network and its input's (values per sample, bits)."""
    torch.manual_seed(draw(st.integers(0, 999)))
    b = Builder(draw)
    image = draw(st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)))
    bits = draw(st.integers(1, 4))
    n_features = image[0] * image[1] * image[2]
    unflatten = nn.Unflatten(1, image)
    b.layers["image"] = unflatten
    b.steps.append(Step("image", "image", (INPUT,)))
    b.layers["codes"] = hnn.BitPlaneInput(bits)
    b.steps.append(Step("codes", "codes", ("image",)))
    b.values.append(("codes", CODES, image))
    for _ in range(draw(st.integers(1, 12))):
        b.one_of(*ACTIONS)(b)
    last = b.values[-1]
    if last[1] == REALS:
        last = b.put(hnn.SignActivation(), CODES, last)
    flat = b.put(nn.Flatten(), last[1], last)
    out = b.put(b.one_of(*LINEARS)(flat[2][0], 4), REALS, flat)
    if b.one_of(False, True):
        b.put(nn.BatchNorm1d(4), REALS, out)
    return Network(b.layers, b.steps), n_features, bits
