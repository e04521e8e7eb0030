"""A mapped unit with stream ports against the words it must send, under random stalls on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import MismatchError
from hbnn_hw.synthesis.flat_netlist import FlatNetlist
from hbnn_hw.synthesis.lanes import Bits
from hbnn_hw.synthesis.simulation import Simulation

RESET_CLOCKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPorts:
    """Names of a unit's ports; those that Amaranth gives a component with the streams ``i`` and ``o``."""

    reset: str = "rst"
    sink: str = "i"
    source: str = "o"
    separator: str = "__"

    def payload(self, stream: str) -> str:
        """Port of a stream's words."""
        return f"{stream}{self.separator}payload"

    def valid(self, stream: str) -> str:
        """Port that says whether a word is offered."""
        return f"{stream}{self.separator}valid"

    def ready(self, stream: str) -> str:
        """Port that says whether a word is taken."""
        return f"{stream}{self.separator}ready"


AMARANTH_PORTS = StreamPorts()


def check_stream(
    netlist: FlatNetlist,
    sent: Bits,
    expected: Bits,
    *,
    ports: StreamPorts = AMARANTH_PORTS,
    stalls: float = 0.3,
    seed: int = 0,
    idle_clocks: int = 2000,
) -> int:
    """Send words into a unit and compare those that come out.

    Parameters
    ----------
    netlist
        A flat netlist.
    sent, expected
        Words (lanes, words, bits) of independent runs: what goes in, what must come out.
    ports
        Names of the ports.
    stalls
        Share of the clocks at which either side waits.
    seed
        Of the stalls.
    idle_clocks
        Clocks without any word out behind which the unit counts as stuck.

    Returns
    -------
    int
        Output bits that were compared.

    Raises
    ------
    MismatchError
        If a word differs, or words are missing; names run and word.
    ToolFailedError
        If the netlist cannot be simulated.
    """
    lanes, rng = len(sent), np.random.default_rng(seed)
    simulation = Simulation(netlist, lanes)
    _reset(simulation, ports, lanes)
    offered = np.zeros(lanes, bool)
    n_sent, n_received = np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
    idle = 0
    while (n_received < expected.shape[1]).any():
        offered = (n_sent < sent.shape[1]) & (offered | (rng.random(lanes) >= stalls))
        accepts = rng.random(lanes) >= stalls
        place = np.minimum(n_sent, sent.shape[1] - 1)
        simulation.set(ports.payload(ports.sink), sent[np.arange(lanes), place])
        simulation.set(ports.valid(ports.sink), _column(offered))
        simulation.set(ports.ready(ports.source), _column(accepts))
        taken = offered & (simulation.get(ports.ready(ports.sink))[:, 0] != 0)
        came = accepts & (simulation.get(ports.valid(ports.source))[:, 0] != 0)
        _compare(simulation.get(ports.payload(ports.source)), expected, came, n_received)
        n_sent, n_received, offered = n_sent + taken, n_received + came, offered & ~taken
        idle = 0 if came.any() else idle + 1
        if idle > idle_clocks:
            late = int(np.argmax(n_received < expected.shape[1]))
            raise MismatchError(
                f"word {n_received[late]} of run {late} must come within {idle_clocks} clocks; "
                f"the unit took {n_sent[late]} words and is stuck"
            )
        simulation.clock()
    return int(expected.size)


def _column(values: NDArray[np.bool_]) -> Bits:
    return values[:, np.newaxis].astype(np.uint8)


def _reset(simulation: Simulation, ports: StreamPorts, lanes: int) -> None:
    for value, clocks in ((1, RESET_CLOCKS), (0, 0)):
        simulation.set(ports.reset, np.full((lanes, 1), value, np.uint8))
        for _ in range(clocks):
            simulation.clock()


def _compare(found: Bits, expected: Bits, came: NDArray[np.bool_], n_received: NDArray[np.int64]) -> None:
    """Compare the words that came with the next ones expected."""
    for run in np.flatnonzero(came & (n_received >= expected.shape[1])):
        raise MismatchError(f"run {run} must send {expected.shape[1]} words, not more")
    words = expected[np.arange(len(found)), np.minimum(n_received, expected.shape[1] - 1)]
    wrong = np.flatnonzero(came & (words != found).any(axis=1))
    if len(wrong):
        first = int(wrong[0])
        right, got = _text(words[first]), _text(found[first])
        raise MismatchError(f"word {n_received[first]} of run {first} must be {right}, not {got}")


def _text(bits: Bits) -> str:
    return "".join(map(str, bits[::-1].tolist()))
