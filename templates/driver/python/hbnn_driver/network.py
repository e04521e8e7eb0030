# SPDX-License-Identifier: Apache-2.0
"""What this driver was delivered for: ``network.json``, golden vectors, the host's share of the network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .errors import LayoutError

PACKAGE = Path(__file__).resolve().parent

if TYPE_CHECKING:
    IntArray = np.ndarray[Any, np.dtype[np.int64]]
    RealArray = np.ndarray[Any, np.dtype[np.float64]]


class Edge(NamedTuple):
    """One AXI4-Stream edge: an image is ``elements`` numbers, each in a little-endian lane of ``lane_bits``.

    Beats follow one another without gaps, lane 0 first, so in memory an image is a plain array.
    """

    elements: int
    lanes: int
    element_bits: int
    lane_bits: int
    signed: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a lane."""
        return np.dtype(f"<{'i' if self.signed else 'u'}{self.lane_bits // 8}")

    @property
    def image_bytes(self) -> int:
        """Bytes of one image."""
        return self.elements * self.lane_bits // 8

    def pack(self, images: IntArray) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Lay images (batch, elements) out as bytes."""
        return np.ascontiguousarray(images.astype(self.dtype)).view(np.uint8).reshape(-1)

    def unpack(self, octets: np.ndarray[Any, np.dtype[np.uint8]]) -> IntArray:
        """Read images (batch, elements) from bytes."""
        lanes = np.frombuffer(octets.tobytes(), dtype=self.dtype)
        return lanes.reshape(-1, self.elements).astype(np.int64)


class Tail(NamedTuple):
    """The host's share, behind the accelerator's output.

    ``x = scale * code + offset`` are the numbers that leave the accelerator; ``alpha[k, c] * x + beta[k, c]``
    follows, with k the piece of the channel c that x lies in (1 * x + 0 if the network has no such layer).
    """

    scale: int
    offset: int
    alpha: RealArray
    beta: RealArray
    knees: IntArray
    unsupported: tuple[str, ...]
    is_class: bool

    def values(self, outputs: IntArray) -> RealArray:
        """Compute the network's outputs float64 (batch, elements) from the accelerator's.

        Raises
        ------
        LayoutError
            If the network ends in layers that this driver does not compute.
        """
        if self.unsupported:
            raise LayoutError(f"the host's layers {', '.join(self.unsupported)} are left to you; use `infer`")
        x = outputs * self.scale + self.offset
        channels = self.alpha.shape[1]
        x = x.reshape(-1, channels)
        piece = sum((x >= knee for knee in self.knees), np.zeros(x.shape, dtype=np.int64))
        column = np.arange(channels)
        real: RealArray = x * self.alpha[piece, column] + self.beta[piece, column]
        real = real.reshape(outputs.shape)
        return real


class Network(NamedTuple):
    """The content of ``network.json``."""

    name: str
    input: Edge
    output: Edge
    input_low: int
    input_high: int
    interval_cycles: int
    clock_ns: float
    image: tuple[int, int, int] | None
    dma_address: int
    control_address: int
    tail: Tail

    @property
    def image_seconds(self) -> float:
        """Expected time per image at full throughput [s]."""
        return self.interval_cycles * self.clock_ns * 1e-9

    def to_stream(self, codes: IntArray) -> IntArray:
        """Bring flat images into the stream's order: of an image's elements, channels become innermost.

        ``image`` is (rows, columns, channels) where that matters, None where the orders are one.
        """
        if self.image is None:
            return codes
        rows, columns, channels = self.image
        moved = codes.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(moved).reshape(codes.shape)


def _tail(document: dict[str, Any]) -> Tail:
    pieces = document["pieces"]
    alpha = np.array(document["alpha"], dtype=np.float64).reshape(pieces, -1)
    return Tail(
        document["scale"],
        document["offset"],
        alpha,
        np.array(document["beta"], dtype=np.float64).reshape(alpha.shape),
        np.array(document["knees"], dtype=np.int64).reshape(pieces - 1, alpha.shape[1]),
        tuple(document["unsupported"]),
        document["is_class"],
    )


def load_network(folder: Path = PACKAGE) -> Network:
    """Read ``network.json``.

    Raises
    ------
    LayoutError
        If it is missing or damaged.
    """
    path = folder / "network.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        image = document.pop("image")
        source, sink = Edge(**document.pop("input")), Edge(**document.pop("output"))
        return Network(
            input=source,
            output=sink,
            image=None if image is None else tuple(image),
            tail=_tail(document.pop("tail")),
            **document,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LayoutError(
            f"'{path}' is missing or damaged ({error}); copy the delivered folder again"
        ) from error


def _read_beats(path: Path, edge: Edge) -> IntArray:
    try:
        beats = path.read_text(encoding="ascii").split()
        octets = b"".join(bytes.fromhex(beat)[::-1] for beat in beats)
        return edge.unpack(np.frombuffer(octets, dtype=np.uint8))
    except (OSError, ValueError) as error:
        raise LayoutError(
            f"'{path}' is missing or damaged ({error}); copy the delivered folder again"
        ) from error


def load_vectors(network: Network, folder: Path = PACKAGE) -> tuple[IntArray, IntArray]:
    """Read the golden vectors, int64 (images, elements): inputs in the stream's order, and outputs."""
    return (
        _read_beats(folder / "vectors" / "input.dat", network.input),
        _read_beats(folder / "vectors" / "output.dat", network.output),
    )


class Addresses(NamedTuple):
    """Where the blocks are, and who says so."""

    dma: int
    control: int
    source: str


def _one(found: list[int], what: str, path: Path) -> int:
    if len(found) != 1:
        raise LayoutError(
            f"'{path}' must hold exactly one {what}, not {len(found)}; give its address instead"
        )
    return found[0]


def read_addresses(handoff: Path, network: str) -> Addresses:
    """Take the blocks' addresses from the ``.hwh`` file that Vivado writes beside the bitstream.

    Raises
    ------
    LayoutError
        If the file does not name exactly one AXI DMA and one accelerator of this network.
    """
    # Only here, because few need it: the file is the user's own, from his own Vivado.
    from xml.etree import ElementTree

    try:
        root = ElementTree.parse(handoff).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise LayoutError(f"'{handoff}' is no hardware hand-off file: {error}") from error
    kinds = {module.get("INSTANCE"): module.get("MODTYPE", "") for module in root.iter("MODULE")}
    ranges = {
        (str(entry.get("INSTANCE")), int(str(entry.get("BASEVALUE")), 16))
        for entry in root.iter("MEMRANGE")
        if entry.get("MEMTYPE") == "REGISTER"
    }
    dma = sorted(base for instance, base in ranges if kinds.get(instance) == "axi_dma")
    control = sorted(base for instance, base in ranges if kinds.get(instance) == network)
    return Addresses(
        _one(dma, "AXI DMA", handoff), _one(control, f"accelerator '{network}'", handoff), str(handoff)
    )
