"""Maximum matching in general graphs: Edmonds' blossom algorithm with union-find.

Source: Edmonds, "Paths, trees, and flowers", 1965; blossoms kept as in Gabow 1976. Two things keep it fast
here: it starts from a good matching, and vertices of a search that found nothing leave the graph, since no
later search can gain by them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence


def maximum_matching(
    neighbours: Sequence[Sequence[int]], start: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Return a maximum matching as each matched vertex's partner.

    Parameters
    ----------
    neighbours
        Adjacent vertices of every vertex; symmetric.
    start
        A matching to begin with, in the form of the result; its pairs must be edges.
    """
    matching = dict(start or {})
    useless: set[int] = set()
    for root in range(len(neighbours)):
        if root not in matching and neighbours[root]:
            search = _Search(neighbours, matching, useless, root)
            if not search.augment():
                useless |= search.visited
    return matching


class _Search:
    """Growth of one alternating tree from an unmatched vertex.

    A vertex is *outer* at an even distance from the root (or inside a blossom), *inner* at an odd one.
    """

    def __init__(
        self, neighbours: Sequence[Sequence[int]], matching: dict[int, int], useless: set[int], root: int
    ) -> None:
        self._neighbours, self._matching, self._useless = neighbours, matching, useless
        self._outer, self._inner = {root}, set[int]()
        self._queue = deque([root])
        self._before: dict[int, int] = {}
        self._parent: dict[int, int] = {}

    @property
    def visited(self) -> set[int]:
        """Vertices of the tree."""
        return self._outer | self._inner

    def augment(self) -> bool:
        """Grow until an unmatched vertex is found, and enlarge the matching by one pair; False if none is."""
        while self._queue:
            vertex = self._queue.popleft()
            for other in self._neighbours[vertex]:
                if other in self._useless or self._meet(vertex, other):
                    continue
                self._before[other] = vertex
                if other not in self._matching:
                    self._flip(other)
                    return True
                self._inner.add(other)
                self._add_outer(self._matching[other])
        return False

    def _meet(self, vertex: int, other: int) -> bool:
        """Tell whether ``other`` is in the tree already; contract the blossom if both are outer."""
        if other in self._outer:
            if self._base(vertex) != self._base(other):
                base = self._common_base(vertex, other)
                self._contract(vertex, other, base)
                self._contract(other, vertex, base)
            return True
        return other in self._inner

    def _add_outer(self, vertex: int) -> None:
        self._outer.add(vertex)
        self._queue.append(vertex)

    def _base(self, vertex: int) -> int:
        """Base of the blossom that a vertex lies in, or itself."""
        path = []
        while (up := self._parent.get(vertex, vertex)) != vertex:
            path.append(vertex)
            vertex = up
        for passed in path:
            self._parent[passed] = vertex
        return vertex

    def _common_base(self, one: int, two: int) -> int:
        """First base that both ways to the root pass, one step on each way in turn."""
        seen: set[int] = set()
        ways: list[int | None] = [one, two]
        while True:
            for side, vertex in enumerate(ways):
                if vertex is None:
                    continue
                base = self._base(vertex)
                if base in seen:
                    return base
                seen.add(base)
                partner = self._matching.get(base)
                ways[side] = None if partner is None else self._before[partner]

    def _contract(self, vertex: int, other: int, base: int) -> None:
        """Make one side of a blossom, from ``vertex`` down to ``base``, part of it."""
        while self._base(vertex) != base:
            self._before[vertex] = other
            other = self._matching[vertex]
            if other not in self._outer:
                self._add_outer(other)
            for inside in (vertex, other):
                if self._base(inside) == inside:
                    self._parent[inside] = base
            vertex = self._before[other]

    def _flip(self, end: int | None) -> None:
        """Exchange matched and unmatched edges between ``end`` and the root."""
        while end is not None:
            vertex = self._before[end]
            onward = self._matching.get(vertex)
            self._matching[vertex], self._matching[end] = end, vertex
            end = onward
