"""Folding search: the smallest design that reaches a target, or the fastest that fits a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hbnn_hw.errors import FoldingError
from hbnn_hw.estimate.area import area, edges, node_features
from hbnn_hw.estimate.area import mvtu as mvtu_area
from hbnn_hw.estimate.area.fifo import fifo_features
from hbnn_hw.graph import Graph, Node
from hbnn_hw.ops import Mvtu, PadPlanes, SlidingWindow, StreamOp
from hbnn_hw.passes import FoldingRequest, LayerFolding, schedule
from hbnn_hw.search.budget import Budget, Resources, resources
from hbnn_hw.search.candidates import Candidate, Layer, layer_of
from hbnn_hw.search.choice import Chooser
from hbnn_hw.step_counts import full_steps
from hbnn_hw.streams import input_buffer_words, node_cycles

TIGHTER = (0.75, 0.5)
"""Parts of a target at which a smaller design is looked for as well."""

ROUNDS = 6
"""Most times that the prices of resources are raised to bring a design into the budget."""

SLOWER = 1.02
"""Factor by which the target of the fastest design is relaxed where the whole design proves too large, then
its square, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChoice:
    """What was chosen for one layer.

    Attributes
    ----------
    name
        The layer.
    rows, columns
        Shape of the weights.
    pe, simd
        Folding.
    unrolled
        Whether all rows, columns and planes are computed at once.
    cycles
        Clock cycles per sample.
    full_cycles
        The same if no word of the bit map were left out.
    luts, bram36
        Estimated area of the unit: an upper bound that takes no two columns of a table for equal.
    """

    name: str
    rows: int
    columns: int
    pe: int
    simd: int
    unrolled: bool
    cycles: int
    full_cycles: int
    luts: float
    bram36: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchResult:
    """A folding, and what the scheduled network makes of it.

    Attributes
    ----------
    request
        Exact PE and SIMD of every layer.
    graph
        The network, scheduled so.
    layers
        What was chosen, layer by layer.
    cycles
        Clock cycles per sample of every operator, by name.
    needs
        Estimated resources of the whole accelerator.
    budget
        What they were held against.
    """

    request: FoldingRequest
    graph: Graph
    layers: tuple[LayerChoice, ...]
    cycles: Mapping[str, int]
    needs: Resources
    budget: Budget

    @property
    def interval_cycles(self) -> int:
        """Clock cycles between samples: the slowest operator's."""
        return max(self.cycles.values())

    @property
    def bottleneck(self) -> str:
        """Name of the (first) slowest operator."""
        return max(self.cycles, key=lambda name: self.cycles[name])


@dataclass(frozen=True, slots=True)
class SearchGoal:
    """What a search is after.

    Attributes
    ----------
    interval_cycles
        Most clock cycles between samples, of which the smallest design is looked for; None for the fastest
        design that fits the device.
    """

    interval_cycles: int | None = None

    def search(self, search: FoldingSearch) -> SearchResult:
        """Return what is searched for; raise FoldingError if there is none."""
        return search.fastest() if self.interval_cycles is None else search.smallest(self.interval_cycles)


@dataclass(eq=False)
class FoldingSearch:
    """Searches foldings of one network.

    Attributes
    ----------
    graph
        Operators on streams that are not scheduled yet (:func:`hbnn_hw.passes.to_streams`).
    budget
        Most resources of the accelerator.
    fixed
        What the user asks for single layers; the others are searched.
    """

    graph: Graph
    budget: Budget
    fixed: Mapping[str, LayerFolding] = field(default_factory=dict)

    @cached_property
    def _before(self) -> dict[str, str]:
        """Name of the matrix unit that each operator's stream comes from, along first inputs."""
        before: dict[str, str] = {}
        for node in self.graph.nodes:
            for name in node.inputs[:1]:
                source = next((other for other in self.graph.nodes if other.name == name), None)
                if source is not None and isinstance(source.op, Mvtu):
                    before[node.name] = name
                elif name in before:
                    before[node.name] = before[name]
        return before

    @cached_property
    def _chooser(self) -> Chooser:
        units = [node for node in self.graph.nodes if isinstance(node.op, Mvtu)]
        if not units:
            raise FoldingError(f"the graph '{self.graph.name}' has no layer with weights to fold")
        for name in self.fixed:
            if name not in {node.name for node in units}:
                names = ", ".join(node.name for node in units)
                raise FoldingError(f"there is no layer '{name}' to fold; the layers are {names}")
        layers = {node.name: self._layer(node) for node in units}
        return Chooser(layers, {name: self._before[name] for name in layers if name in self._before})

    def _layer(self, node: Node) -> Layer:
        behind = tuple(
            other
            for other in self.graph.nodes
            if self._before.get(other.name) == node.name
            and isinstance(other.op, StreamOp)
            # What stands in front of the next unit is counted there.
            and not isinstance(other.op, SlidingWindow | PadPlanes)
        )
        return layer_of(self.graph, node, behind, self.fixed.get(node.name))

    def smallest(self, interval_cycles: int) -> SearchResult:
        """Return the smallest design that takes at most so many cycles a sample.

        Raises
        ------
        FoldingError
            If no folding is as fast, or none that is fits the budget.
        """
        if interval_cycles < 1:
            raise FoldingError(f"the target must be at least 1 cycle a sample, not {interval_cycles}")
        self._check_reachable(interval_cycles)
        prices, before, found = self.budget.prices(), None, []
        for _ in range(ROUNDS):
            chosen = self._chooser.choose(interval_cycles, prices)
            if chosen is None:
                raise FoldingError(
                    f"no choice of foldings connects all layers at {interval_cycles} cycles a sample; ask "
                    "for fewer frames a second"
                )
            if chosen == before:
                break
            found.append(self.result(chosen))
            if self.budget.excess(found[-1].needs) is None:
                break
            prices, before = self.budget.raised(prices, found[-1].needs), chosen
        result = min(found, key=lambda one: self.budget.fullest(one.needs))
        self._check(result, interval_cycles)
        return self._cheapest([result, *self._faster(interval_cycles)])

    def _faster(self, interval_cycles: int) -> list[SearchResult]:
        """Return designs for tighter targets: queues and converters, which no choice counts, may be fewer."""
        fewest, prices = self._chooser.slowest_of_fastest()[1], self.budget.prices()
        targets = [int(interval_cycles * share) for share in TIGHTER]
        choices = [self._chooser.choose(target, prices) for target in targets if target >= fewest]
        designs = [self.result(chosen) for chosen in choices if chosen is not None]
        return [
            design
            for design in designs
            if design.interval_cycles <= interval_cycles and self.budget.excess(design.needs) is None
        ]

    def _cheapest(self, designs: list[SearchResult]) -> SearchResult:
        """Return the first of the designs that cost least."""
        return min(designs, key=lambda one: float(one.needs @ self.budget.prices()))

    def fastest(self) -> SearchResult:
        """Return the fastest design that fits the budget, by bisection over the targets.

        Raises
        ------
        FoldingError
            If not even the slowest design fits.
        """
        targets = self._chooser.targets()
        around = self._overhead(targets[-1])
        low, high = 0, len(targets) - 1
        while low < high:
            middle = (low + high) // 2
            if self._fits(targets[middle], around):
                high = middle
            else:
                low = middle + 1
        target, slower = float(targets[high]), SLOWER
        while True:
            try:
                return self.smallest(int(target))
            except FoldingError:
                if target >= targets[-1]:
                    raise
                target, slower = min(target * slower, float(targets[-1])), slower**2

    def _overhead(self, target: int) -> Resources:
        """Resources of a design beyond what the candidates count."""
        chosen = self._chooser.choose(target, self.budget.prices())
        if chosen is None:
            return np.zeros(4)
        counted = sum((candidate.needs for candidate in chosen.values()), np.zeros(4))
        return np.maximum(self.result(chosen).needs - counted, 0.0)

    def _fits(self, target: int, around: Resources) -> bool:
        prices = self.budget.prices()
        for _ in range(ROUNDS):
            chosen = self._chooser.choose(target, prices)
            if chosen is None:
                return False
            used = sum((candidate.needs for candidate in chosen.values()), around)
            if self.budget.excess(used) is None:
                return True
            prices = self.budget.raised(prices, used)
        return False

    def result(self, chosen: Mapping[str, Candidate]) -> SearchResult:
        """Schedule the network with a choice and add up what it takes."""
        layers = {name: _as_request(candidate) for name, candidate in chosen.items()}
        request = FoldingRequest(layers={name: layers[name] for name in self._chooser.layers})
        graph = schedule(self.graph, request)
        cycles, needs = node_cycles(graph), self._needs(graph)
        return SearchResult(
            request=request,
            graph=graph,
            layers=tuple(self._described(graph, name, cycles[name]) for name in self._chooser.layers),
            cycles=cycles,
            needs=needs,
            budget=self.budget,
        )

    def _unit(self, graph: Graph, node: Node, op: Mvtu) -> Resources:
        source, folding = graph.source_type(node), op.scheduled_folding
        unit = mvtu_area.Unit.of(op, source)
        if folding.unrolled:
            return resources(area(mvtu_area.unrolled(unit, folding.stages)))
        steps = self._chooser.layers[node.name].counts.steps(folding)
        return resources(area(mvtu_area.bound(unit, folding, steps, input_buffer_words(graph, node, steps))))

    def _needs(self, graph: Graph) -> Resources:
        """Resources of a scheduled network, without making any table."""
        total = resources(area(edges.features(graph)))
        for node in graph.hardware_nodes:
            if isinstance(node.op, Mvtu):
                total += self._unit(graph, node, node.op)
            else:
                total += resources(area(node_features(graph, node)))
        for features in fifo_features(graph).values():
            total += resources(area(features))
        return total

    def _described(self, graph: Graph, name: str, cycles: int) -> LayerChoice:
        node = next(node for node in graph.hardware_nodes if node.name == name)
        op = node.op
        assert isinstance(op, Mvtu)
        fold, unit = op.scheduled_folding, self._unit(graph, node, op)
        return LayerChoice(
            name=name,
            rows=op.weights.rows,
            columns=op.weights.columns,
            pe=fold.pe,
            simd=fold.simd,
            unrolled=fold.unrolled,
            cycles=cycles,
            full_cycles=op.places(graph.source_type(node)) * full_steps(op.weights, fold),
            luts=float(unit[0]),
            bram36=float(unit[2]),
        )

    def _check_reachable(self, interval_cycles: int) -> None:
        name, fewest = self._chooser.slowest_of_fastest()
        if fewest > interval_cycles:
            fixed = " as it is folded by hand" if name in self.fixed else " (its sliding window included)"
            raise FoldingError(
                f"layer '{name}' takes at least {fewest} cycles a sample{fixed}, more than the "
                f"{interval_cycles} of the target; ask for fewer frames a second or a faster clock"
            )

    def _check(self, result: SearchResult, interval_cycles: int) -> None:
        """Raise FoldingError unless the whole scheduled network is as fast and as small as asked for."""
        if result.interval_cycles > interval_cycles:
            raise FoldingError(
                f"'{result.bottleneck}' takes {result.interval_cycles} cycles a sample, more than the "
                f"{interval_cycles} of the target, whatever the foldings; ask for fewer frames a second"
            )
        excess = self.budget.excess(result.needs)
        if excess:
            raise FoldingError(
                f"no folding found takes at most {interval_cycles} cycles a sample within the budget: the "
                f"smallest needs {excess}; ask for fewer frames a second, or give the foldings themselves"
            )


def _as_request(candidate: Candidate) -> LayerFolding:
    fold = candidate.folding
    if fold.unrolled:
        return LayerFolding(unroll=True, stages=fold.stages)
    return LayerFolding(pe=fold.pe, simd=fold.simd)


__all__ = ["FoldingSearch", "LayerChoice", "SearchGoal", "SearchResult"]
