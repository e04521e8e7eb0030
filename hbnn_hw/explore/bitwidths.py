"""One network against its average bitwidth, folded and unrolled: the table of ``hbnn-hw estimate --bits``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from hbnn_hw.errors import HbnnError
from hbnn_hw.explore.figures import Outcome, figures, streams_of
from hbnn_hw.explore.models import Model
from hbnn_hw.explore.pareto import Row
from hbnn_hw.explore.point import FoldingTarget, Trained, Weights
from hbnn_hw.explore.space import MapKind, Space
from hbnn_hw.graph import Graph
from hbnn_hw.target import Target

FOLDINGS = (FoldingTarget(pe=16, simd=16), FoldingTarget(unroll=True))
"""What every bitwidth is estimated at: an export's default, and all at once."""


def bitwidth_rows(
    model: Model, averages: Sequence[float], checkpoints: Sequence[Model] = (), target: Target | None = None
) -> tuple[Row, ...]:
    """Estimate a network at several average bitwidths.

    Parameters
    ----------
    model
        Its own weights are rows, too; other bits are drawn for its layers, under maps of its own kind.
    averages
        Average bitwidths of HBNN.
    checkpoints
        Further networks whose own weights are rows.
    target
        Device and clock; the default is :class:`hbnn_hw.target.Target`'s.
    """
    target = target or Target()
    own = model.trained
    space = Space(
        averages=tuple(dict.fromkeys(averages)),
        maps=(MapKind(own.sharing),),
        foldings=FOLDINGS,
        boards=(target.board,),
        clocks_ns=(target.clock_ns,),
    )
    models = {one.digest: one for one in (model, *checkpoints)}

    @lru_cache(maxsize=1)
    def streams(weights: Weights) -> Graph:
        return streams_of(models[weights.network].graph, weights)

    rows = []
    for point in space.points(model, checkpoints):
        try:
            outcome = Outcome(figures(streams(point.weights), point))
        except HbnnError as error:
            outcome = Outcome(None, str(error))
        trained = isinstance(point.weights, Trained)
        accuracy = models[point.weights.network].accuracy if trained else None
        rows.append(Row(point=point, outcome=outcome, accuracy=accuracy))
    return tuple(rows)
