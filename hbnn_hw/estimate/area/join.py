"""Area of what joins, copies and respells streams: sums, concatenations, forks, decoders."""

from __future__ import annotations

from hbnn_hw.estimate.area.features import Block, Features
from hbnn_hw.estimate.area.parts import Parts, block_features, counter_bits, pipeline, rom, skid_buffer, total
from hbnn_hw.ops import Add, Concat, Decode
from hbnn_hw.ops.base import range_of
from hbnn_hw.planes import uniform_scales
from hbnn_hw.streams import beat_bits
from hbnn_hw.timing import ADD_DEPTH, CONCAT_DEPTH, DECODE_DEPTH
from hbnn_hw.types import Bordered, Integers, Planes, TensorType


def _as_integers(source: TensorType) -> TensorType:
    return TensorType(source.shape, range_of(source))


def decoders(lanes: int, *sources: TensorType) -> Parts:
    """Parts of the decoders in front of inputs that are planes."""
    return total(_decoder(lanes, source) for source in sources if not isinstance(source.element, Integers))


def _decoder(lanes: int, source: TensorType) -> Parts:
    element = source.element
    planes = element.planes if isinstance(element, Bordered) else element
    assert isinstance(planes, Planes)
    scales, mask = planes.scales, planes.mask
    width_in, bits = beat_bits(source, lanes), range_of(source).bits
    is_wired = scales == uniform_scales(len(scales)) and mask is None and not isinstance(element, Bordered)
    masked = 0 if mask is None else lanes * len(scales)
    beats = source.n_elements // lanes
    # A wired number is odd: its lowest bit is the same for all lanes.
    numbers = lanes * (bits - 1) + 1 if is_wired else lanes * bits
    return (
        pipeline(width_in, lanes * bits, DECODE_DEPTH)
        + Parts(0 if is_wired else lanes * bits, width_in + numbers)
        + rom(beats if masked else 1, masked)
        + Parts(0, counter_bits(beats) if masked else 0)
    )


def add_features(op: Add, *sources: TensorType) -> Features:
    """Quantities of a sum: an adder per lane and further input; ``inputs`` is their handshake."""
    integers = [_as_integers(source) for source in sources]
    width, width_in = beat_bits(op.infer(*sources), op.lanes), sum(beat_bits(s, op.lanes) for s in integers)
    parts = [
        decoders(op.lanes, *sources),
        pipeline(width_in, width, ADD_DEPTH),
        Parts(width * (len(sources) - 1), width),
    ]
    return block_features(Block.ADD, parts, {"inputs": len(sources)})


def concat_features(op: Concat, *sources: TensorType) -> Features:
    """Quantities of a concatenation: a choice a bit (``choice``), and whose turn it is (``place``)."""
    result = op.infer(*sources)
    width = beat_bits(result, op.lanes)
    place = counter_bits(sum(source.shape[-1] // op.lanes for source in sources))
    decoded = Parts() if isinstance(result.element, Planes) else decoders(op.lanes, *sources)
    parts = [decoded, pipeline(width, width, CONCAT_DEPTH), Parts(0, width + place)]
    return block_features(Block.CONCAT, parts, {"choice": width * (len(sources) - 1), "place": place})


def fork_features(lanes: int, readers: int, source: TensorType) -> Features:
    """Quantities of a fork: a flag and a handshake per reader, and a skid buffer."""
    parts = [skid_buffer(beat_bits(source, lanes)), Parts(0, readers)]
    return block_features(Block.FORK, parts, {"readers": readers})


def decode_features(op: Decode, source: TensorType) -> Features:
    """Quantities of a decoder: wiring for uniform codes, else a function of all planes per result bit."""
    return block_features(Block.DECODE, [_decoder(op.lanes, source)], {})
