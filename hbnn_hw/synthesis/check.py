"""A mapped netlist against its meaning: outputs compared bit for bit before anything is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from hbnn_hw.errors import MismatchError, ToolFailedError
from hbnn_hw.synthesis.flat_netlist import FlatNetlist
from hbnn_hw.synthesis.lanes import Bits
from hbnn_hw.synthesis.simulation import Simulation

Values = Mapping[str, Bits]
"""Bits (vectors, width) of every port, least significant first."""

Function = Callable[[Values], Values]
"""What a combinational or pipelined design computes: output ports from input ports, vector by vector."""

EXHAUSTIVE_BITS = 16
"""Designs of so few input bits are tried with all inputs."""

DENSITIES = (0.02, 0.1, 0.3, 0.5, 0.5, 0.5, 0.7, 0.9, 0.98)
"""Shares of ones of random vectors: counts near both ends as well as in the middle."""


def check_function(
    netlist: FlatNetlist,
    function: Function,
    *,
    latency: int = 0,
    held: Mapping[str, int] | None = None,
    vectors: int = 4096,
    seed: int = 0,
) -> int:
    """Compare a netlist with a function of its inputs.

    A pipelined design gets new inputs at every clock, so that its stages are held apart, too.

    Parameters
    ----------
    netlist
        A flat netlist.
    function
        What it must compute.
    latency
        Clocks from inputs to outputs.
    held
        Inputs that are the same all the time (reset, enable), all their bits 0 or 1; the clock is found.
    vectors
        Random and extreme input vectors; all where the design has no more than 16 input bits.
    seed
        Of the random vectors.

    Returns
    -------
    int
        Output bits that were compared.

    Raises
    ------
    MismatchError
        If they differ; names the first output bit and the inputs.
    ToolFailedError
        If the netlist cannot be simulated, or the function names other outputs than it has.
    """
    fixed = dict(held or {})
    ports = {
        name: len(nets)
        for name, nets in netlist.inputs.items()
        if name not in fixed and not set(nets) & netlist.clocks
    }
    stimuli = input_vectors(ports, vectors, np.random.default_rng(seed))
    expected = function(stimuli)
    if set(expected) != set(netlist.outputs):
        raise ToolFailedError(
            f"the reference must give the outputs {sorted(netlist.outputs)}, not {sorted(expected)}"
        )
    batches = 8 if latency else 1
    lanes = -(-len(next(iter(expected.values()))) // batches)
    simulation = Simulation(netlist, lanes)
    for name, value in fixed.items():
        simulation.set(name, np.full((lanes, len(netlist.inputs[name])), value, np.uint8))
    return sum(
        _compare(found, {name: bits[part] for name, bits in expected.items()}, _slices(stimuli, part))
        for part, found in _outputs(simulation, stimuli, latency, lanes)
    )


def _slices(values: Values, part: slice) -> Values:
    return {name: bits[part] for name, bits in values.items()}


def _outputs(
    simulation: Simulation, stimuli: Values, latency: int, lanes: int
) -> Iterator[tuple[slice, Values]]:
    """Outputs of each batch of ``lanes`` vectors; the batches follow each other through the pipeline."""
    n_vectors = len(next(iter(stimuli.values())))
    starts = range(0, n_vectors, lanes)
    for time in range(len(starts) + latency):
        if time < len(starts):
            for name, bits in stimuli.items():
                simulation.set(name, _filled(bits[starts[time] : starts[time] + lanes], lanes))
        if time >= latency:
            part = slice(starts[time - latency], min(starts[time - latency] + lanes, n_vectors))
            outputs = {name: simulation.get(name) for name in simulation.netlist.outputs}
            yield part, {name: bits[: part.stop - part.start] for name, bits in outputs.items()}
        if latency:
            simulation.clock()


def _filled(bits: Bits, lanes: int) -> Bits:
    """Fill the last batch up with its last vector."""
    return np.concatenate([bits, np.repeat(bits[-1:], lanes - len(bits), axis=0)])


def _compare(found: Values, expected: Values, inputs: Values) -> int:
    for name, bits in expected.items():
        if bits.shape != found[name].shape:
            raise ToolFailedError(f"the reference of '{name}' must be {found[name].shape}, not {bits.shape}")
        wrong = np.argwhere(bits != found[name])
        if len(wrong):
            vector, bit = wrong[0]
            at = {port: "".join(map(str, values[vector][::-1])) for port, values in inputs.items()}
            raise MismatchError(
                f"the netlist gives {found[name][vector, bit]} at '{name}[{bit}]' where its reference is "
                f"{bits[vector, bit]}; {len(wrong)} bits differ; inputs {at}"
            )
    return sum(bits.size for bits in expected.values())


def input_vectors(ports: Mapping[str, int], vectors: int, rng: np.random.Generator) -> Values:
    """Draw input bits for ports of the given widths: every input, or extremes first and random ones then."""
    width = sum(ports.values())
    bits = all_vectors(width) if width <= EXHAUSTIVE_BITS else mixed_vectors(width, vectors, rng)
    edges = np.cumsum([0, *ports.values()])
    return {name: bits[:, edges[at] : edges[at + 1]] for at, name in enumerate(ports)}


def all_vectors(width: int) -> Bits:
    """All values of ``width`` bits, (2**width, width)."""
    return (np.arange(1 << width)[:, np.newaxis] >> np.arange(width) & 1).astype(np.uint8)


def mixed_vectors(width: int, vectors: int, rng: np.random.Generator) -> Bits:
    """Constant, alternating, one-hot and one-cold vectors, then random ones of all densities."""
    place = np.arange(width)
    constant = np.repeat([[0], [1]], width, axis=1)
    alternating = np.stack([place >> shift & 1 for shift in range(4)])
    hot = np.eye(width, dtype=int)[rng.permutation(width)[: vectors // 8]]
    extremes = np.concatenate([constant, alternating, 1 - alternating, hot, 1 - hot])
    density = rng.choice(DENSITIES, (max(vectors - len(extremes), 1), 1))
    random = rng.random((len(density), width)) < density
    return np.concatenate([extremes, random]).astype(np.uint8)
