"""Plans of parities: which XOR gates of at most six inputs make the outputs of an XOR matrix.

A row of up to six taps is one LUT. Wider rows are made from others: from an output that differs in few taps,
or from a helper that several of them contain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LUT_INPUTS, _PAIR_INPUTS = 6, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityPlan:
    """XOR gates that make all outputs.

    Attributes
    ----------
    n_inputs
        Signals 0 ... n_inputs - 1 are the inputs.
    gates
        Signal ``n_inputs + i`` is the parity of the signals that ``gates[i]`` names, 2 to 6 earlier ones.
    outputs
        Signal of every row; None for a row without taps, which is 0.
    """

    n_inputs: int
    gates: tuple[tuple[int, ...], ...]
    outputs: tuple[int | None, ...]

    @property
    def sites(self) -> int:
        """LUT6 sites: pairs of gates with at most five inputs together share one."""
        return len(list(self.pairs()))

    def pairs(self) -> Iterator[tuple[int, ...]]:
        """Yield the gates of every site, one or two indices each, in an order in which inputs come first."""
        waiting = list(range(len(self.gates)))
        while waiting:
            gate = waiting.pop(0)
            partner = self._partner(gate, waiting)
            if partner is None:
                yield (gate,)
            else:
                waiting.remove(partner)
                yield (gate, partner)

    def _partner(self, gate: int, waiting: Sequence[int]) -> int | None:
        """Find the gate that shares most inputs and whose own inputs do not need this site's other output."""
        own = set(self.gates[gate])
        fitting = [
            other
            for other in waiting
            if len(own | set(self.gates[other])) <= _PAIR_INPUTS
            and max(self.gates[other]) < self.n_inputs + gate
        ]
        return max(fitting, key=lambda other: (len(own & set(self.gates[other])), -other), default=None)


def plan_parities(matrix: NDArray[np.uint8]) -> ParityPlan:
    """Plan the outputs ``matrix x`` over GF(2), uint8 (n_out, n_in) of 0 and 1."""
    rows = [int("".join(map(str, row[::-1])), 2) for row in matrix.tolist()]
    planner = _Planner(n_inputs=matrix.shape[1])
    wide = []
    for row in sorted(set(rows), key=lambda row: (row.bit_count(), row)):
        if row.bit_count() > _LUT_INPUTS:
            wide.append(row)
        else:
            planner.make(row)
    planner.make_wide(wide)
    return ParityPlan(
        n_inputs=planner.n_inputs,
        gates=tuple(planner.gates),
        outputs=tuple(planner.signals[row] if row else None for row in rows),
    )


class _Planner:
    """Signals made so far, by the set of inputs whose parity they are (a mask)."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self.gates: list[tuple[int, ...]] = []
        self.signals = {1 << at: at for at in range(n_inputs)}

    def make(self, row: int, base: int = 0) -> None:
        """Add the parity of a row, from a signal ``base`` that is there and single inputs."""
        if row == 0 or row in self.signals:
            return
        rest = row ^ base
        taps = [at for at in range(self.n_inputs) if rest >> at & 1]
        if base:
            taps.append(self.signals[base])
        self.signals[row] = self.n_inputs + len(self.gates)
        self.gates.append(tuple(taps))

    def base_of(self, row: int) -> int | None:
        """Find the signal from which a row is nearest, if one gate can make it from there."""
        made = [signal for signal in self.signals if signal.bit_count() > 1]
        nearest = min(made, key=lambda signal: ((row ^ signal).bit_count(), signal), default=None)
        if nearest is None or (row ^ nearest).bit_count() >= _LUT_INPUTS:
            return None
        return nearest

    def make_wide(self, wide: list[int]) -> None:
        """Add rows of more taps than a LUT has inputs; helpers where no signal is near."""
        waiting = list(wide)
        while waiting:
            found = next(((row, base) for row in waiting if (base := self.base_of(row)) is not None), None)
            if found is not None:
                self.make(*found)
                waiting.remove(found[0])
            else:
                self.make(*self._helper(waiting))

    def _helper(self, waiting: Sequence[int]) -> tuple[int, int]:
        """Choose a parity that most rows can go on from: what two of them share, cut to a gate's inputs.

        Rows that no gate reaches grow from the longest signal that they contain.
        """
        first = waiting[0]
        contained = [signal for signal in self.signals if signal & first == signal]
        base = max(contained, key=lambda signal: (signal.bit_count(), -signal))
        base = base if base.bit_count() > 1 else 0
        room = _LUT_INPUTS - (base > 0)
        shared = [first & other & ~base for other in waiting[1:]]
        best = max(shared, key=lambda taps: (min(taps.bit_count(), room), -taps), default=0)
        taps = [at for at in range(self.n_inputs) if (first & ~base) >> at & 1]
        taps.sort(key=lambda at: (not best >> at & 1, at))
        return base | sum(1 << at for at in taps[:room]), base
