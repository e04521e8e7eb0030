"""The space of points: every choice of weights with every folding, device and clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from hbnn_hw.bit_distribution import Distribution, Sharing, dist_from_avg
from hbnn_hw.errors import HbnnError
from hbnn_hw.explore.models import Model
from hbnn_hw.explore.point import SLICE_OUTPUTS, Drawn, FoldingTarget, Method, Point, Trained, Weights
from hbnn_hw.target import XC7Z045

SAME_SHARES = 0.01
"""Shares of the bitwidths that differ by less are taken for the same distribution."""


@dataclass(frozen=True, slots=True)
class MapKind:
    """Which entries share a bitwidth; ``tile`` has the rows and columns of a tile, else (1, 1)."""

    sharing: Sharing = Sharing.ELEMENT
    tile: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What is varied; every axis has at least one value but the two of the bitwidths.

    Attributes
    ----------
    averages
        Average bitwidths; HBNN takes the shares of :func:`hbnn_hw.bit_distribution.dist_from_avg`.
    distributions
        Further P of HBNN.
    methods
        What drawn bits mean. BNN has 1 bit only, SLB whole bits; averages that a method does not have are
        left out for it.
    maps
        Kinds of bit maps, where not all entries have the same bits.
    foldings
        How parallel.
    boards
        Devices, by their boards.
    clocks_ns
        Clock periods [ns].

    Raises
    ------
    HbnnError
        If a method has none of the averages.
    """

    averages: tuple[float, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    methods: tuple[Method, ...] = (Method.HBNN,)
    maps: tuple[MapKind, ...] = (MapKind(),)
    foldings: tuple[FoldingTarget, ...] = (FoldingTarget(pe=16, simd=16),)
    boards: tuple[str, ...] = (XC7Z045.board,)
    clocks_ns: tuple[float, ...] = (5.0,)

    def points(self, model: Model, checkpoints: Sequence[Model] = ()) -> tuple[Point, ...]:
        """List all points, those of fewer bits first.

        Parameters
        ----------
        model
            Its layers get other bits; its own weights are points, too.
        checkpoints
            Further networks whose own weights are points. What they and the model are examples of is not
            drawn as well.
        """
        trained = [one.trained for one in (model, *checkpoints)]
        drawn = [one for one in self._drawn(model.digest) if not any(covers(t, one) for t in trained)]
        choices: list[Weights] = sorted([*trained, *drawn], key=lambda one: round(one.average_bits, 6))
        return tuple(
            Point(weights=weights, folding=folding, board=board, clock_ns=clock_ns)
            for weights, folding, board, clock_ns in product(
                dict.fromkeys(choices), self.foldings, self.boards, self.clocks_ns
            )
        )

    def _drawn(self, network: str) -> Iterator[Drawn]:
        for method in self.methods:
            found = list(self._of_method(method, network))
            if not found and self.averages:
                raise HbnnError(
                    f"{method.value} must have one of the average bitwidths, not none of "
                    f"{', '.join(f'{average:g}' for average in self.averages)}: {_AVERAGES_OF[method]}"
                )
            yield from found

    def _of_method(self, method: Method, network: str) -> Iterator[Drawn]:
        if method is Method.HBNN:
            for distribution in (*map(_distribution, self.averages), *self.distributions):
                maps = self.maps if len(distribution) > 1 else (MapKind(),)
                for kind in maps:
                    yield Drawn(
                        network=network,
                        method=method,
                        distribution=distribution,
                        sharing=kind.sharing,
                        tile=kind.tile,
                    )
            return
        for average in self.averages:
            if (one := _uniform(method, average, network)) is not None:
                yield one


_AVERAGES_OF = {
    Method.BNN: "it has 1 bit",
    Method.HBNN: "it has any up to 8 bits",
    Method.SLB: "it has 1, 2, … 8 bits",
    Method.FLEXOR: f"it has less than 8 bits in steps of 1/{SLICE_OUTPUTS} of a plane, but no whole bits",
}


def _distribution(average: float) -> Distribution:
    try:
        return dist_from_avg(average)
    except ValueError as error:
        raise HbnnError(str(error)) from error


def _uniform(method: Method, average: float, network: str) -> Drawn | None:
    """Full planes of an average bitwidth; None where the method has no such weights."""
    distribution = _distribution(average)
    n_planes, slice_bits = int(-(-average // 1)), 0
    if method is Method.FLEXOR:
        slice_bits = round(SLICE_OUTPUTS * average / n_planes)
        if not 0 < slice_bits < SLICE_OUTPUTS:
            return None
    elif len(distribution) > 1 or distribution[0][0] != average or (method is Method.BNN and average != 1):
        return None
    return Drawn(network=network, method=method, distribution=((n_planes, 1.0),), slice_bits=slice_bits)


def covers(trained: Trained, drawn: Drawn) -> bool:
    """Tell whether trained weights are an example of what would be drawn."""
    # One full plane is the same in every method.
    same_method = trained.method == drawn.method.value or (drawn.is_uniform and drawn.n_planes == 1)
    if not same_method or drawn.slice_bits:
        return False
    mine, other = dict(trained.distribution), dict(drawn.distribution)
    alike = all(abs(mine.get(b, 0.0) - other.get(b, 0.0)) < SAME_SHARES for b in mine.keys() | other.keys())
    return alike and (drawn.is_uniform or trained.sharing is drawn.sharing)
