"""The section of a report with the Pareto front: plots, legend, table, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hbnn_hw.estimate import Estimate
from hbnn_hw.graph import Graph
from hbnn_hw.ops import Mvtu
from hbnn_hw.report.bars import error_pct
from hbnn_hw.report.cell import Cell
from hbnn_hw.report.document import ReportInput
from hbnn_hw.report.exploration import ACCURACY, Design, Exploration
from hbnn_hw.report.figures import THIN, UNKNOWN, percent, significant, whole, with_unit
from hbnn_hw.report.own_bits import OwnBits, own_bits
from hbnn_hw.report.pareto import ACCURACY as ACCURACY_PANEL
from hbnn_hw.report.pareto import ENERGY, HERE, RATE, Panel, Plotted, panel, shades
from hbnn_hw.types import TensorType
from hbnn_hw.weights import WeightPlanes


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the legend: a shade, and the bitwidths that have it."""

    shade: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoSection:
    """Everything that the section prints.

    Attributes
    ----------
    sentences
        What was explored, by what it was compared, what is known of the accuracy, where this design stands.
    panels, keys
        The plots and their legend.
    bits
        LUTs against the average bitwidth, with a legend of its own; None where no folding has several.
    error
        Error of the LUTs as printed; empty if nobody knows it.
    has_devices
        Whether the table has a column of devices: where there is more than one, or more than one clock.
    rows
        The front: number and cells.
    here
        Cells of the design at hand.
    """

    sentences: tuple[str, ...]
    panels: tuple[Panel, ...]
    keys: tuple[Key, ...]
    bits: OwnBits | None
    error: str
    has_devices: bool
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    here: tuple[Cell, ...]


def luts_error_pct(estimate: Estimate) -> float | None:
    """Error that 9 of 10 estimates of a whole network's LUTs stay within [%]; None if nobody knows it.

    Operators that no synthesis stands behind weigh in by their LUTs.
    """
    band = estimate.errors.get("luts")
    errors = [(error_pct(node, band), node.area.luts) for node in estimate.nodes]
    if band is None or any(error is None for error, _ in errors):
        return None
    off = sum((error or 0.0) * luts for error, luts in errors) + band.p90_pct * estimate.edges.luts
    return off / estimate.area.luts if estimate.area.luts else None


def matrix_units(graph: Graph) -> list[tuple[Mvtu, TensorType]]:
    """Return every matrix unit with the type of what it reads."""
    return [(node.op, graph.source_type(node)) for node in graph.hardware_nodes if isinstance(node.op, Mvtu)]


def stored_bits(weights: WeightPlanes) -> int:
    """Count the stored bits of a layer's weights."""
    return round(weights.stored_average_bits() * weights.rows * weights.columns)


def stored_average(graph: Graph) -> float:
    """Mean of the stored bits over all weights of a network, as an exploration counts them."""
    units = matrix_units(graph)
    entries = sum(unit.weights.rows * unit.weights.columns for unit, _ in units)
    return sum(stored_bits(unit.weights) for unit, _ in units) / entries if entries else 0.0


def this_design(source: ReportInput) -> Design:
    """Describe the design of a report as if it had been explored."""
    estimate, target = source.estimate, source.target
    found = source.metadata.get("accuracy")
    return Design(
        average_bits=stored_average(source.graph),
        weights=str(source.metadata.get("method") or ""),
        is_drawn=False,
        folding=_folding_text(source.estimate),
        board=target.board,
        clock_ns=target.clock_ns,
        luts=estimate.area.luts,
        flip_flops=estimate.area.flip_flops,
        bram36=estimate.area.bram36,
        interval_cycles=estimate.interval_cycles,
        latency_cycles=estimate.latency_cycles,
        energy_pj=estimate.energy.total_pj,
        stored_bits=sum(
            stored_bits(unit.weights) + unit.work(entering).map_bits
            for unit, entering in matrix_units(source.graph)
        ),
        accuracy=found if isinstance(found, float) and found > 0 else None,
        fits=True,
    )


def _folding_text(estimate: Estimate) -> str:
    """Name the folding of a whole network: its largest PE and SIMD, unless layers are unrolled."""
    layers = [node.layer for node in estimate.nodes if node.layer]
    unrolled = sum(layer.unrolled for layer in layers)
    if unrolled:
        return "unrolled" if unrolled == len(layers) else "partly unrolled"
    pe, simd = (max((getattr(layer, name) for layer in layers), default=0) for name in ("pe", "simd"))
    return f"up to {pe}x{simd}"


def pareto_section(source: ReportInput) -> ParetoSection | None:
    """Lay out the section; None where no design was explored."""
    exploration = source.exploration
    if exploration is None or not exploration.designs:
        return None
    here, front = this_design(source), exploration.front
    error = luts_error_pct(source.estimate)
    plotted = Plotted(
        designs=exploration.designs,
        front=front,
        here=here,
        error_pct=error,
        synthesized=source.synthesis.counts.luts if source.synthesis else None,
        describe=describe,
    )
    figures = [RATE, ENERGY, *([ACCURACY_PANEL] if _accuracies(exploration, here) > 1 else [])]
    devices = {(one.board, one.clock_ns) for one in (here, *exploration.designs)}
    return ParetoSection(
        sentences=tuple(_sentences(exploration, here)),
        panels=tuple(panel(plotted, figure) for figure in figures),
        keys=tuple(_keys(exploration.designs)),
        bits=own_bits(plotted),
        error=f"±{significant(error, 2)}{THIN}%" if error is not None else "",
        has_devices=len(devices) > 1,
        rows=tuple((number, _cells(one, len(devices) > 1)) for number, one in enumerate(front, start=1)),
        here=_cells(here, len(devices) > 1),
    )


def _accuracies(exploration: Exploration, here: Design) -> int:
    """Count the different accuracies that are known."""
    return len({one.accuracy for one in (here, *exploration.designs) if one.accuracy is not None})


def describe(design: Design) -> str:
    """Print a design in a line."""
    known = "" if design.accuracy is None else f", {percent(design.accuracy, 2)} right"
    return (
        f"{design.average_bits:.2f} bits, {design.weights}, {design.folding} at "
        f"{1000 / design.clock_ns:.4g} MHz on {design.board}: {whole(design.luts)} LUT, "
        f"{design.bram36:g} BRAM36, {whole(design.frames_per_second)} frames/s, "
        f"{with_unit(design.energy_pj * 1e-12, 'J')}{known}"
    )


def _cells(design: Design, with_device: bool) -> tuple[Cell, ...]:
    mhz = 1000 / design.clock_ns
    device = (Cell(f"{design.board}, {mhz:.4g}{THIN}MHz"),) if with_device else ()
    return (
        Cell(f"{design.average_bits:.2f}", design.average_bits),
        Cell(design.weights),
        Cell(design.folding),
        *device,
        Cell(whole(design.luts), design.luts),
        Cell(whole(design.flip_flops), design.flip_flops),
        Cell(f"{design.bram36:g}", design.bram36),
        Cell(whole(design.interval_cycles), design.interval_cycles),
        Cell(whole(design.frames_per_second), design.frames_per_second),
        Cell(with_unit(design.energy_pj * 1e-12, "J"), design.energy_pj),
        Cell(with_unit(design.stored_bits, "bit"), design.stored_bits),
        Cell(UNKNOWN) if design.accuracy is None else Cell(percent(design.accuracy, 2), design.accuracy),
    )


def _keys(designs: Sequence[Design]) -> list[Key]:
    """Name every shade by its bitwidths; neighbours share one where there are more than shades."""
    of_shade: dict[int, list[float]] = {}
    for average, shade in shades(designs).items():
        of_shade.setdefault(shade, []).append(average)
    return [Key(shade, _bits_text(averages)) for shade, averages in of_shade.items()]


def _bits_text(averages: Sequence[float]) -> str:
    numbers = "–".join(f"{average:g}" for average in dict.fromkeys((averages[0], averages[-1])))
    return f"{numbers} bit{'' if numbers == '1' else 's'}"


def _sentences(exploration: Exploration, here: Design) -> list[str]:
    sentences = [_counts(exploration), _known_accuracy(exploration), _verdict(exploration, here)]
    if not exploration.is_current:
        sentences.append(
            "The figures are those of another version of the toolkit and cannot be held against this page's "
            "others: explore again."
        )
    return [sentence for sentence in sentences if sentence]


def _counts(exploration: Exploration) -> str:
    designs, front = exploration.designs, exploration.front
    large = sum(not one.fits for one in designs)
    without = exploration.n_points - len(designs)
    apart = [f"{whole(without)} had no design"] if without else []
    apart += [f"{whole(large)} do{'es' if large == 1 else ''} not fit the device"] if large else []
    by = _listed([objective.text for objective in exploration.objectives])
    points = ", ".join([f"{whole(exploration.n_points)} points explored", *apart])
    return f"{points}, {whole(len(front))} on the front: no other is as good in {by} and better in one."


def _listed(texts: Sequence[str]) -> str:
    """Join texts as a sentence does."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _known_accuracy(exploration: Exploration) -> str:
    designs = exploration.designs
    known, drawn = (sum(one.accuracy is not None for one in designs), sum(one.is_drawn for one in designs))
    if known == len(designs):
        return "Accuracies are those of trained networks, as their files have them."
    some = f"The accuracy of {whole(known)} of {whole(len(designs))} designs is known"
    of = some if known else "No accuracy is known"
    why = (
        f": the weights of {whole(drawn)} are drawn for the layers' shapes and were never trained"
        if drawn
        else ""
    )
    return f"{of}{why}. So more bits count as better, which says nothing about accuracy."


def _untrained(drawn: int, better: int) -> str:
    """Say how many of the better designs are drawn, which nobody could use as they are."""
    if not drawn:
        return ""
    if drawn < better:
        return f"; {drawn} of them would have to be trained"
    return f"; {'they' if better > 1 else 'it'} would have to be trained"


def _verdict(exploration: Exploration, here: Design) -> str:
    """Say where the design at hand stands, if it can be compared."""
    if ACCURACY in exploration.objectives and here.accuracy is None:
        return f"The accuracy of {HERE} is not known, so it is not compared."
    if not exploration.front:
        return "None of them fits its device."
    better = {str(n): one for n, one in enumerate(exploration.front, start=1) if exploration.beats(one, here)}
    if not better:
        return f"None of them beats {HERE}."
    drawn = sum(one.is_drawn for one in better.values())
    numbers = f"Number{'s' if len(better) > 1 else ''} {_listed(list(better))}"
    return f"{numbers} beat{'' if len(better) > 1 else 's'} {HERE}{_untrained(drawn, len(better))}."
