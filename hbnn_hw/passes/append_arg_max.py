"""Pass: the class leaves the accelerator, where integers provably choose the same one as the real scores."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np

from hbnn_hw.errors import GraphError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Affine, ArgMax
from hbnn_hw.ops.base import range_of
from hbnn_hw.types import Integers, Reals

EXACT_PRODUCT = 1 << 29
"""Integers below this magnitude times a float32 are exact in float64: 29 and 24 bits."""

FLOAT64_STEP = Fraction(1, 1 << 52)
"""Real numbers up to M that lie further apart than M times this stay apart when both round to float64."""


def append_arg_max(graph: Graph) -> Graph:
    """Replace the scores that leave a simplified graph by the index of the largest, the first of equals.

    The index is that of ``argmax`` over the float64 scores ``alpha * x + beta``, for all integers x that the
    last layer can give. With one positive alpha for all classes, class a reaches class b exactly where
    ``x[a] - x[b]`` reaches ``(beta[b] - beta[a]) / alpha`` rounded up, so of ``beta / alpha`` only the
    integer parts and the order of the fractions matter: ranks take the place of the fractions.

    Raises
    ------
    GraphError
        If the output is no vector of scores, if two classes have different scales, or if float64 could round
        two different scores to one.
    """
    last = graph.nodes[-1] if graph.nodes else None
    if last is None or len(graph.output_type.shape) != 1:
        raise GraphError(f"the output of '{graph.name}' must be one vector of scores to choose a class from")
    if not isinstance(graph.output_type.element, Reals):
        op = ArgMax(offsets=np.zeros(graph.output_type.shape, dtype=np.int64))
        return _appended(graph, graph.nodes, op, last.name)
    if not isinstance(last.op, Affine):
        raise GraphError(
            f"'{last.name}' must be an affine of integers for the accelerator to choose the class, "
            f"not a {type(last.op).__name__}; leave the choice to the host"
        )
    op = _choice(last.name, last.op, range_of(graph.source_type(last)))
    return _appended(graph, graph.nodes[:-1], op, last.inputs[0])


def _appended(graph: Graph, nodes: tuple[Node, ...], op: ArgMax, source: str) -> Graph:
    name = f"{graph.output_name}_arg_max"
    while name in graph.types:
        name += "_2"
    return Graph(graph.name, graph.input_name, graph.input_type, (*nodes, Node(name, op, (source,))))


def _choice(name: str, affine: Affine, reached: Integers) -> ArgMax:
    alpha = _common_scale(name, affine)
    leads = [Fraction(float(beta)) / alpha for beta in affine.beta]
    wholes = [floor(lead) for lead in leads]
    fractions = [lead - whole for lead, whole in zip(leads, wholes, strict=True)]
    distinct = sorted(set(fractions))
    _check_rounding(name, alpha, leads, distinct, max(-reached.low, reached.high))
    shift = (len(distinct) - 1).bit_length()
    rank = {fraction: index for index, fraction in enumerate(distinct)}
    # What all classes have ahead changes nothing.
    least = min(wholes)
    offsets = [(n - least << shift) + rank[part] for n, part in zip(wholes, fractions, strict=True)]
    return ArgMax(offsets=np.array(offsets, dtype=np.int64), shift=shift)


def _common_scale(name: str, affine: Affine) -> Fraction:
    """Return the scale of all classes, or raise GraphError naming two classes that differ."""
    first = affine.alpha[0]
    differing = np.flatnonzero(affine.alpha != first)
    if len(differing):
        other = int(differing[0])
        raise GraphError(
            f"'{name}': all classes must have one scale for the accelerator to choose the class, but class 0 "
            f"has {first:.9g} and class {other} has {affine.alpha[other]:.9g}; leave the choice to the host"
        )
    if first <= 0:
        raise GraphError(
            f"'{name}': the scale of the classes must be positive for the accelerator to choose the class, "
            f"not {first:.9g}; leave the choice to the host"
        )
    return Fraction(float(first))


def _check_rounding(
    name: str, alpha: Fraction, leads: list[Fraction], distinct: list[Fraction], largest: int
) -> None:
    """Raise GraphError unless all scores that differ as real numbers differ in float64.

    The scores of classes a and b differ by ``alpha * (d + leads[a] - leads[b])`` for some whole number d.
    Modulo 1 the leads lie on a circle, so no such distance but 0 is below that of two neighbours there.
    """
    if largest >= EXACT_PRODUCT:
        raise GraphError(f"'{name}': the integers of the scores must stay below 2**29, not reach {largest}")
    margin = alpha * min(after - before for before, after in pairwise([*distinct, distinct[0] + 1]))
    reach = alpha * (largest + max(map(abs, leads)))
    if margin <= reach * FLOAT64_STEP:
        raise GraphError(
            f"'{name}': scores of up to {float(reach):.3g} come within {float(margin):.3g} of each other, "
            "which float64 may round to a tie that integers do not have; leave the choice to the host"
        )
