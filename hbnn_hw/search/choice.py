"""The cheapest folding of all layers together at a target, by dynamic programming over the network.

Layers meet in the streams between them: where the PE of one are not the lanes of the next, a converter
stands. Every layer has one layer before it (the nearest along first inputs), so the layers form a tree, and
the best choice of all layers behind a layer depends on that layer's PE alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hbnn_hw.search.budget import Resources
from hbnn_hw.search.candidates import Candidate, Layer, converter_needs


@dataclass(frozen=True, slots=True, eq=False)
class _Best:
    """The cheapest way from a layer on: its price, the choice, and the resources of it and all behind it."""

    price: float
    needs: Resources
    choice: Mapping[str, Candidate]


@dataclass(slots=True, eq=False)
class Chooser:
    """Chooses candidates of a tree of layers.

    Attributes
    ----------
    layers
        All layers by name, in topological order.
    before
        Name of the layer before each layer; absent for those that the input feeds.
    """

    layers: Mapping[str, Layer]
    before: Mapping[str, str]
    _links: dict[tuple[str, int, int], Resources | None] = field(init=False, default_factory=dict)

    def choose(self, limit: int, prices: Resources) -> Mapping[str, Candidate] | None:
        """Return the cheapest candidate of every layer with which none takes more than ``limit`` cycles.

        None if there is no such choice.
        """
        behind: dict[str, list[str]] = {name: [] for name in self.layers}
        for name, previous in self.before.items():
            behind[previous].append(name)
        tails: dict[str, dict[int, _Best]] = {}
        for name in reversed(list(self.layers)):
            tails[name] = self._by_entry(name, behind[name], tails, limit, prices)
            if not tails[name]:
                return None
        chosen: dict[str, Candidate] = {}
        for name in self.layers:
            if name not in self.before:
                best = min(tails[name].values(), key=lambda option: option.price)
                chosen |= best.choice
        return chosen

    def _by_entry(
        self,
        name: str,
        behind: Sequence[str],
        tails: Mapping[str, Mapping[int, _Best]],
        limit: int,
        prices: Resources,
    ) -> dict[int, _Best]:
        """Best way from a layer on, by the lanes at which the layer takes its input."""
        following: dict[int, _Best | None] = {}
        found: dict[int, _Best] = {}
        for candidate in self.layers[name].candidates:
            if candidate.cycles > limit:
                continue
            pe = candidate.folding.pe
            if pe not in following:
                following[pe] = self._following(pe, behind, tails, limit, prices)
            rest = following[pe]
            if rest is None:
                continue
            price = float(candidate.needs @ prices) + rest.price
            best = found.get(candidate.entry_lanes)
            if best is None or price < best.price:
                needs = candidate.needs + rest.needs
                found[candidate.entry_lanes] = _Best(price, needs, {name: candidate, **rest.choice})
        return found

    def _following(
        self,
        pe: int,
        behind: Sequence[str],
        tails: Mapping[str, Mapping[int, _Best]],
        limit: int,
        prices: Resources,
    ) -> _Best | None:
        """Best way on behind a layer with that many PE; None if there is none."""
        total = _Best(0.0, np.zeros(4), {})
        for name in behind:
            options = []
            for lanes, tail in tails[name].items():
                link = self._link(name, pe, lanes, limit)
                if link is not None:
                    options.append((tail.price + float(link @ prices), lanes, link, tail))
            if not options:
                return None
            price, _, link, tail = min(options, key=lambda option: option[:2])
            total = _Best(
                total.price + price, total.needs + link + tail.needs, {**total.choice, **tail.choice}
            )
        return total

    def _link(self, name: str, pe: int, lanes: int, limit: int) -> Resources | None:
        entry = self.layers[name].entry
        key = (name, pe, lanes)
        if key not in self._links:
            self._links[key] = converter_needs(entry, pe, lanes, np.inf)
        slowest = entry.n_elements // min(pe, lanes) if pe != lanes else 0
        return self._links[key] if slowest <= limit else None

    def slowest_of_fastest(self) -> tuple[str, int]:
        """Name the layer that cannot be as fast as all others, and the fewest cycles that it can take."""
        fewest = {name: min(c.cycles for c in layer.candidates) for name, layer in self.layers.items()}
        name = max(fewest, key=lambda layer: fewest[layer])
        return name, fewest[name]

    def targets(self) -> list[int]:
        """All cycle counts that some candidate takes and every layer can keep, ascending."""
        _, fewest = self.slowest_of_fastest()
        every = {c.cycles for layer in self.layers.values() for c in layer.candidates}
        return sorted(cycles for cycles in every if cycles >= fewest)
