"""Operators on single elements in C simulation equal their own plain meaning bit for bit."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.backends.hls.elements import mask_words
from hbnn_hw.errors import FoldingError, GraphError, MismatchError
from hbnn_hw.ops import ArgMax, Concat, Decode, EncodeBitPlanes, Rescale, Threshold, Thresholds
from hbnn_hw.types import PlaneMask
from hbnn_hw.verify.csim import CsimTools, run_csim
from tests.hls.networks import TARGET, export, golden
from tests.hls.streams import Builder

pytestmark = pytest.mark.hls

FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
"""Each example compiles a program of many operators."""

SYNTHESIS = "-DHBNN_SYNTHESIS_BRANCHES"


def holds(graph, tools, *flags, tool=HlsTool.VIVADO_HLS, sanitize=False, batch=8):
    """Whether the C simulation of a graph agrees with its meaning, output by output and step by step."""
    graph.check()
    tools = replace(tools, extra_flags=(*tools.extra_flags, *flags))
    with tempfile.TemporaryDirectory() as folder:
        result = run_csim(export(Path(folder), graph, tool, batch), tools=tools, sanitize=sanitize)
    return result.images == batch


def random_mask(rng, n_planes, shape, by_channel):
    """Nested planes under a random bit map, the first plane included; the same at all pixels if by channel."""
    bits = rng.integers(0, n_planes + 1, shape[-1:] if by_channel else shape)
    mask = np.broadcast_to(bits, shape)[np.newaxis] > np.arange(n_planes).reshape(-1, *(1 for _ in shape))
    return mask.astype(np.uint8)


def everything(seed, pixels, channels, lanes, low, span):
    """A network that has each operator at least once, in several widths and signs; ends in codes of 2 bits."""
    rng = np.random.default_rng(seed)
    net = Builder(seed, (*pixels, channels), low, low + span, lanes)
    start = net.fork("x")
    # A narrow range behind a wide product, with three pieces; a single piece; one of many bits without shift.
    bent = net.rescale(start, pieces=3, shift=int(rng.integers(0, 9)), bits=7)
    line = net.rescale(start, pieces=1, shift=int(rng.integers(1, 30)), bits=31 - span.bit_length() // 2)
    codes = net.threshold(start, n_bits=int(rng.integers(1, 4)))
    scales = (5, 1, 3)[: net.type(codes).element.n_planes]
    by_channel = bool(rng.integers(2))
    mask = random_mask(rng, 3, (*pixels, channels), by_channel)
    masked = net.threshold(start, n_bits=3, scales=(7, 2, 1), mask=mask)
    own = net.threshold(start, n_bits=len(scales), scales=scales)
    total = net.add(bent, line, net.decode(codes), net.decode(masked), net.decode(own))
    joined = net.concat(total, start, net.rescale(start, pieces=2, shift=3, bits=4))
    net.threshold(joined, n_bits=2)
    return net.graph


@st.composite
def shapes(draw):
    """Images and vectors, down to one element, with lanes that divide the channels."""
    pixels = draw(st.sampled_from([(), (1, 1), (2, 3), (3, 1)]))
    channels = draw(st.sampled_from([1, 2, 3, 6, 8, 15]))
    return pixels, channels, draw(st.sampled_from([d for d in range(1, channels + 1) if channels % d == 0]))


@FEW
@given(
    seed=st.integers(0, 1 << 30),
    shape=shapes(),
    low=st.sampled_from([-(1 << 20), -255, -1, 0, 3]),
    span=st.sampled_from([0, 1, 6, 255, (1 << 20) - 1]),
    branch=st.sampled_from([(), (SYNTHESIS,)]),
    tool=st.sampled_from(HlsTool),
)
def test_all_operators_together(csim_tools, seed, shape, low, span, branch, tool):
    pixels, channels, lanes = shape
    assert holds(everything(seed, pixels, channels, lanes, low, span), csim_tools, *branch, tool=tool)
