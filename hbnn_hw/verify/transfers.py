"""What a simulation of an accelerator recorded at its two streams, and whether that is right."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from hbnn_hw.errors import MismatchError
from hbnn_hw.graph import Graph
from hbnn_hw.latency import is_exact_for, latency
from hbnn_hw.streams import StreamEdge, output_edge
from hbnn_hw.timing import BeatTimes, beat_times, interval_cycles
from hbnn_hw.verify.result import VerificationResult
from hbnn_hw.verify.vectors import VectorSet, compare

STEADY_IMAGES = 3
"""Images after which results follow one another at the interval: the first ones still fill the queues."""

_STALL_FACTOR = 16
"""How much slower than predicted a stalled run may be before it counts as hung; stalls cost about 3."""

_MARGIN_CYCLES = 2000


@dataclass(frozen=True, slots=True)
class Transfers:
    """What a bench recorded, beat by beat; cycles count from the release of the reset.

    Attributes
    ----------
    input_cycles, output_cycles
        Cycle of every transfer.
    outputs
        Output beats, hexadecimal, or as bit strings where a bit was undefined.
    lasts
        TLAST of every output beat.
    violations
        Breaches of the AXI4-Stream rule that valid and data hold until they are taken.
    """

    input_cycles: list[int]
    output_cycles: list[int]
    outputs: list[str]
    lasts: list[int]
    violations: list[str]


def level_name(stall_seed: int | None) -> str:
    """Name of the verification level, by whether the streams stall."""
    return f"RTL simulation, {'full rate' if stall_seed is None else 'random stalls'}"


def run_name(stall_seed: int | None) -> str:
    """Name of a run's files, likewise."""
    return "full_rate" if stall_seed is None else "stalls"


def most_cycles(graph: Graph, n_images: int, stall_seed: int | None) -> int:
    """Clocks after which a run of some images counts as hung."""
    expected = 2 * latency(graph).cycles + n_images * interval_cycles(graph)
    return expected * (2 if stall_seed is None else _STALL_FACTOR) + _MARGIN_CYCLES


def judge(
    transfers: Transfers, graph: Graph, vectors: VectorSet, *, tool: str, stall_seed: int | None
) -> VerificationResult:
    """Hold a record against the golden vectors, the rules of the protocol, and, at full rate, the schedule.

    Where the timing is known beat by beat (:func:`hbnn_hw.latency.is_exact_for`), every beat must come in its
    cycle; elsewhere the interval must be the schedule's, and the latency is reported beside the estimate.

    Raises
    ------
    MismatchError
        At the first difference.
    """
    level, edge = level_name(stall_seed), output_edge(graph)
    _check_protocol(level, transfers, edge)
    _check_data(level, transfers, edge, vectors)
    bits = vectors.outputs.size * edge.element_bits
    result = VerificationResult(level=level, tool=tool, images=vectors.n_images, bits=bits)
    if stall_seed is not None:
        return result
    if is_exact_for(graph):
        _check_beats(level, transfers, beat_times(graph, vectors.n_images))
    timed = _timed(result, graph, transfers)
    if timed.images >= STEADY_IMAGES and timed.interval_cycles != timed.predicted_interval_cycles:
        raise MismatchError(
            f"{level}: an image takes {timed.interval_cycles} cycles, the schedule says "
            f"{timed.predicted_interval_cycles}"
        )
    return timed


def _check_protocol(level: str, transfers: Transfers, edge: StreamEdge) -> None:
    """Check the rule that refused data hold, and that TLAST marks exactly the last beat of every sample."""
    if transfers.violations:
        raise MismatchError(f"{level}: the output stream broke the handshake; {transfers.violations[0]}")
    for index, last in enumerate(transfers.lasts):
        if last != ((index + 1) % edge.beats == 0):
            image, beat = divmod(index, edge.beats)
            raise MismatchError(
                f"{level}: image {image}, beat {beat} of {edge.beats} came with TLAST = {last}"
            )


def _check_data(level: str, transfers: Transfers, edge: StreamEdge, vectors: VectorSet) -> None:
    """Check that all beats came, none too many, all bits defined, all as golden."""
    expected = vectors.n_images * edge.beats
    if len(transfers.outputs) != expected:
        raise MismatchError(f"{level}: {len(transfers.outputs)} output beats came, golden has {expected}")
    for index, text in enumerate(transfers.outputs):
        if not set(text) <= set("0123456789abcdef"):
            image, beat = divmod(index, edge.beats)
            raise MismatchError(f"{level}: image {image}, beat {beat} has undefined bits: {text}")
    found = edge.from_beats([int(text, 16) for text in transfers.outputs])
    compare(level, found, vectors.outputs)


def _check_beats(level: str, transfers: Transfers, predicted: BeatTimes) -> None:
    """Check the cycle of every transfer against the prediction."""
    first = transfers.input_cycles[0]
    for what, found, expected in (
        ("input", transfers.input_cycles, predicted.inputs),
        ("output", transfers.output_cycles, predicted.outputs),
    ):
        for beat, (cycle, wanted) in enumerate(zip(found, expected, strict=True)):
            if cycle - first != wanted:
                raise MismatchError(
                    f"{level}: {what} beat {beat} came in cycle {cycle - first}, predicted is {wanted}"
                )


def _timed(result: VerificationResult, graph: Graph, transfers: Transfers) -> VerificationResult:
    """Add interval (of the last two samples) and latency (of the first) to a result."""
    beats, first = output_edge(graph).beats, transfers.input_cycles[0]
    timed = asdict(result) | {
        "latency_cycles": transfers.output_cycles[beats - 1] - first,
        "predicted_latency_cycles": latency(graph).cycles,
    }
    if result.images > 1:
        timed["interval_cycles"] = transfers.output_cycles[-1] - transfers.output_cycles[-1 - beats]
        timed["predicted_interval_cycles"] = interval_cycles(graph)
    return VerificationResult(**timed)
