"""One point of an exploration: which weights, which folding, which device and clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from hbnn_hw.bit_distribution import Distribution, Sharing, average_bits, check_distribution
from hbnn_hw.errors import FoldingError, HbnnError
from hbnn_hw.passes import FoldingRequest
from hbnn_hw.search import SearchGoal
from hbnn_hw.target import DEVICES, Target

SLICE_OUTPUTS = 20
"""Weight bits that FleXOR decodes from one slice, n_out. Source: Lee et al. 2020, its usual choice."""


class Method(Enum):
    """How weights that are drawn are made of bits."""

    BNN = "bnn"
    """One plane."""
    HBNN = "hbnn"
    """Planes under a bit map."""
    SLB = "slb"
    """Full planes of the scales 1, 2, 4 …"""
    FLEXOR = "flexor"
    """Full planes that XOR gates decode from fewer stored bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The weights of a model file as they are.

    Attributes
    ----------
    network
        SHA-256 of the network's IR, see :class:`hbnn_hw.explore.models.Model`.
    label
        Name of the file, for people.
    method
        What the file says of its training, such as "hbnn".
    average_bits
        Mean of the stored bits a weight.
    distribution
        Shares of the entries with 1, 2, 3 … planes.
    sharing
        The coarsest sharing that all of its bit maps have.
    """

    network: str
    label: str
    method: str
    average_bits: float
    distribution: Distribution
    sharing: Sharing

    @property
    def map_text(self) -> str:
        """Its name, and the kind of map and its shares in percent, for people."""
        if len(self.distribution) == 1:
            return self.label
        return f"{self.label}: {self.sharing.value} {_shares_text(self.distribution)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Weights of another average bitwidth, drawn for the shapes of a network's layers.

    Attributes
    ----------
    network
        SHA-256 of the network whose layers, signs and thresholds are taken over.
    method
        What the bits mean.
    distribution
        P: shares of the entries with 1, 2, 3 … planes.
    sharing, tile
        Which entries have one bitwidth, and the rows and columns of a tile.
    slice_bits
        Stored bits of a slice of ``SLICE_OUTPUTS`` weights, n_in; 0 where the method is not FleXOR.
    """

    network: str
    method: Method
    distribution: Distribution
    sharing: Sharing = Sharing.ELEMENT
    tile: tuple[int, int] = (1, 1)
    slice_bits: int = 0

    def __post_init__(self) -> None:
        check_distribution(self.distribution)

    @property
    def n_planes(self) -> int:
        """Planes of every layer."""
        return self.distribution[-1][0]

    @property
    def average_bits(self) -> float:
        """Mean of the stored bits a weight."""
        planes = average_bits(self.distribution)
        return planes * self.slice_bits / SLICE_OUTPUTS if self.slice_bits else planes

    @property
    def is_uniform(self) -> bool:
        """Whether all entries have the same planes, so that there is nothing to share."""
        return len(self.distribution) == 1

    @property
    def map_text(self) -> str:
        """The kind of map and its shares in percent, for people: ``column 70/20/10``."""
        if self.is_uniform:
            return f"{self.slice_bits} to {SLICE_OUTPUTS}" if self.slice_bits else ""
        size = f" {self.tile[0]}x{self.tile[1]}" if self.sharing is Sharing.TILE else ""
        return f"{self.sharing.value}{size} {_shares_text(self.distribution)}"


Weights = Trained | Drawn
"""Where the weights of a point come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldingTarget:
    """What a design's folding is after: limits for all layers, everything unrolled, a rate, or the device.

    Attributes
    ----------
    pe, simd
        Upper limits for all layers; each takes its largest legal value.
    unroll
        Whether all layers are unrolled.
    fps, cycles
        Frames a second, or clock cycles a frame, that the smallest design is searched for.
    fit
        Whether the fastest design that fits the device is searched for.

    Raises
    ------
    FoldingError
        If there is not exactly one of them, or one is out of range.
    """

    pe: int = 0
    simd: int = 0
    unroll: bool = False
    fps: float | None = None
    cycles: int | None = None
    fit: bool = False

    def __post_init__(self) -> None:
        given = [self.pe != 0 or self.simd != 0, self.unroll, self.fps is not None, self.cycles is not None]
        if [*given, self.fit].count(True) != 1:
            raise FoldingError("a folding target must be one of PExSIMD, unrolled, fps=N, cycles=N and fit")
        if given[0] and min(self.pe, self.simd) < 1:
            raise FoldingError(f"PE and SIMD must be at least 1, not {self.pe} and {self.simd}")
        if self.fps is not None and not self.fps > 0:
            raise FoldingError(f"frames a second must be above 0, not {self.fps:g}")
        if self.cycles is not None and self.cycles < 1:
            raise FoldingError(f"cycles a frame must be at least 1, not {self.cycles}")

    @property
    def text(self) -> str:
        """The form that a user types."""
        if self.fps is not None:
            return f"fps={self.fps:.12g}"
        if self.cycles is not None:
            return f"cycles={self.cycles}"
        if self.fit:
            return "fit"
        return "unrolled" if self.unroll else f"{self.pe}x{self.simd}"

    @property
    def request(self) -> FoldingRequest:
        """What is asked of the schedule where nothing is searched."""
        return FoldingRequest(unroll=True) if self.unroll else FoldingRequest(pe=self.pe, simd=self.simd)

    def goal(self, clock_ns: float) -> SearchGoal | None:
        """Return what is searched for at a clock period; None where nothing is.

        Raises
        ------
        FoldingError
            If more frames a second are asked for than the clock has cycles.
        """
        if self.fps is None:
            return SearchGoal(self.cycles) if self.fit or self.cycles is not None else None
        if self.fps > 1e9 / clock_ns:
            raise FoldingError(
                f"frames a second must not be above the clock's {1e9 / clock_ns:,.0f}, not {self.fps:g}"
            )
        return SearchGoal(int(1e9 / (clock_ns * self.fps)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One design.

    Attributes
    ----------
    weights
        Bits of every layer.
    folding
        How parallel it is.
    board
        Device, by the name of its board in :data:`hbnn_hw.target.DEVICES`.
    clock_ns
        Clock period [ns].

    Raises
    ------
    HbnnError
        If the board is not known, or the clock is out of range.
    """

    weights: Weights
    folding: FoldingTarget
    board: str
    clock_ns: float

    def __post_init__(self) -> None:
        if self.board not in DEVICES:
            raise HbnnError(f"the board must be one of {', '.join(sorted(DEVICES))}, not {self.board!r}")
        _ = self.target, self.folding.goal(self.clock_ns)

    @property
    def target(self) -> Target:
        """Device and clock."""
        return Target(device=DEVICES[self.board], clock_ns=self.clock_ns)

    def document(self) -> dict[str, Any]:
        """Return plain data that tells this point from every other one."""
        kind = "trained" if isinstance(self.weights, Trained) else "drawn"
        weights = {key: _plain(value) for key, value in asdict(self.weights).items()}
        return {
            "weights": {"kind": kind, **weights},
            "folding": self.folding.text,
            "board": self.board,
            "clock_ns": self.clock_ns,
        }


def _shares_text(distribution: Distribution) -> str:
    """Print the percentages of entries with 1, 2, 3 … bits, those of 0 bits in front if there are any."""
    share = dict(distribution)
    bitwidths = range(min(1, *share), distribution[-1][0] + 1)
    return "/".join(f"{100 * share.get(bits, 0.0):.3g}" for bits in bitwidths)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
