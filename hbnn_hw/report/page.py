"""The report page: every number becomes text here, the template only arranges it."""

from __future__ import annotations

from dataclasses import dataclass

from hbnn_hw import __version__
from hbnn_hw.estimate import Area, ErrorBand, Estimate, LayerShape, NodeEstimate, SynthesisResult
from hbnn_hw.estimate.area import ASSUMED_ERROR_PCT
from hbnn_hw.report.bars import layer_bars
from hbnn_hw.report.bit_pictures import bit_pictures
from hbnn_hw.report.bitmaps import bit_histograms, network_average
from hbnn_hw.report.bitwidth import area_chart, bitwidth_results, time_chart
from hbnn_hw.report.cell import Cell
from hbnn_hw.report.dataflow import dataflow, slowest
from hbnn_hw.report.document import ReportInput
from hbnn_hw.report.figures import (
    THIN,
    UNKNOWN,
    accuracy,
    fact,
    percent,
    plural,
    signed_percent,
    significant,
    whole,
    with_unit,
)
from hbnn_hw.report.figures_file import downloads
from hbnn_hw.report.pareto_section import pareto_section
from hbnn_hw.report.roofline import Place, Roofline, roofline, roofline_picture
from hbnn_hw.templating import render
from hbnn_hw.verify.result import VerificationResult


@dataclass(frozen=True, slots=True)
class Headline:
    """One large figure: its name, value, a line of detail, and where it comes from."""

    name: str
    value: str
    detail: str
    origin: str


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One line of the layer table; ``share`` is the part of the interval that the node works."""

    name: str
    kind: str
    cells: tuple[Cell, ...]
    share: float
    share_text: str
    slowest: bool


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """One resource: estimate with its error band, synthesis with the difference, and the device."""

    name: str
    estimated: str
    band: str
    synthesized: str
    difference: str
    available: str
    occupancy: str
    share: float
    share_band: tuple[float, float] | None
    number: float
    supply: int


def _folding(unrolled: bool, lanes: int, all_lanes: int) -> Cell:
    """PE or SIMD; an unrolled unit has all lanes."""
    return Cell("all", all_lanes) if unrolled else Cell(str(lanes), lanes)


def _shape_cells(layer: LayerShape | None) -> tuple[Cell, ...]:
    if layer is None:
        return (Cell(),) * 7
    return (
        Cell(str(layer.rows), layer.rows),
        Cell(str(layer.columns), layer.columns),
        Cell(str(layer.weight_planes), layer.weight_planes),
        Cell(f"{layer.average_bits:.2f}", layer.average_bits),
        Cell(layer.map_granularity),
        _folding(layer.unrolled, layer.pe, layer.rows),
        _folding(layer.unrolled, layer.simd, layer.columns),
    )


def _area_cells(area: Area, is_calibrated: bool = True) -> tuple[Cell, ...]:
    return (
        Cell(whole(area.luts) if is_calibrated else f"~{whole(area.luts)}", area.luts),
        Cell(whole(area.flip_flops), area.flip_flops),
        Cell(f"{area.bram36:g}", area.bram36),
        Cell(str(area.dsps), area.dsps),
    )


def _energy_cell(pj: float) -> Cell:
    return Cell(with_unit(pj * 1e-12, "J"), pj) if pj else Cell()


def layer_row(node: NodeEstimate, estimate: Estimate) -> LayerRow:
    """Describe one node."""
    layer, share = node.layer, node.cycles / estimate.interval_cycles
    cells = (
        *_shape_cells(layer),
        Cell(whole(node.cycles), node.cycles),
        Cell(whole(layer.full_cycles), layer.full_cycles) if layer else Cell(),
        *_area_cells(node.area, node.is_calibrated),
        _energy_cell(node.energy.total_pj),
    )
    return LayerRow(node.name, node.kind, cells, share, percent(share, 0), node.name in slowest(estimate))


def total_rows(estimate: Estimate) -> list[tuple[str, tuple[Cell, ...]]]:
    """Lines below the layer table: the accelerator's edges, and the sum; cells from the cycles on."""
    interval = Cell(whole(estimate.interval_cycles), estimate.interval_cycles)
    total = (*_area_cells(estimate.area), _energy_cell(estimate.energy.total_pj))
    return [
        ("AXI4-Stream edges", (Cell(), Cell(), *_area_cells(estimate.edges), Cell())),
        ("network", (interval, Cell(), *total)),
    ]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the device: its key among the error bands, estimate, synthesized count, and supply."""

    name: str
    key: str
    estimated: float
    synthesized: float | None
    available: int

    @property
    def used(self) -> float:
        """The synthesized count where there is one, else the estimate."""
        return self.estimated if self.synthesized is None else self.synthesized


def resources(source: ReportInput) -> tuple[Resource, ...]:
    """Pair every resource's estimate with its synthesized count."""
    area, device = source.estimate.area, source.target.device
    found = synthesized(source.synthesis)
    return (
        Resource("LUT", "luts", area.luts, found["luts"], device.luts),
        Resource("LUT6 sites, paired", "lut_sites", area.lut_sites, found["lut_sites"], device.luts),
        Resource("Flip-flops", "flip_flops", area.flip_flops, found["flip_flops"], device.flip_flops),
        Resource("Block RAM, 36 kbit", "bram36", area.bram36, found["bram36"], device.bram36),
        Resource("DSP slices", "dsps", area.dsps, found["dsps"], device.dsps),
    )


def synthesized(result: SynthesisResult | None) -> dict[str, float | None]:
    """Counts of a synthesis by the estimate's names; all None where nothing was synthesized."""
    if result is None:
        return dict.fromkeys(("luts", "lut_sites", "flip_flops", "bram36", "dsps"))
    counts = result.counts
    return {
        "luts": counts.luts,
        "lut_sites": counts.sites,
        "flip_flops": counts.flip_flops,
        "bram36": counts.bram36_equivalent,
        "dsps": counts.dsp,
    }


def resource_row(resource: Resource, band: ErrorBand | None) -> ResourceRow:
    """Describe a resource: a fitted one has an error band, a synthesized one the deviation from it."""
    number = significant if band is None else whole
    found, share = resource.synthesized, resource.used / resource.available
    return ResourceRow(
        name=resource.name,
        estimated=number(resource.estimated),
        band=_error_text(band),
        synthesized=UNKNOWN if found is None else number(found),
        difference=signed_percent(resource.estimated / found) if found else UNKNOWN,
        available=whole(resource.available),
        occupancy=percent(share, 2),
        share=min(1.0, share),
        share_band=None if band is None or found is not None else _within(share, band.p90_pct),
        number=resource.estimated,
        supply=resource.available,
    )


def _error_text(band: ErrorBand | None) -> str:
    """Print the error that was measured; a resource without a band is counted by a rule."""
    if band is None:
        return "by rule"
    if not band.p90_pct:
        return "none found"
    return f"±{band.median_pct:.1f} / ±{band.p90_pct:.1f}{THIN}%"


def _within(share: float, error_pct: float) -> tuple[float, float]:
    """Range of a share that is off by so much at most, inside the bar."""
    low, high = share * (1 - error_pct / 100), share * (1 + error_pct / 100)
    return max(0.0, min(1.0, low)), min(1.0, high)


def resource_rows(source: ReportInput) -> list[ResourceRow]:
    """Describe every resource of the device."""
    return [resource_row(item, source.estimate.errors.get(item.key)) for item in resources(source)]


def headlines(source: ReportInput) -> list[Headline]:
    """Pick the figures for the top of the page."""
    estimate, device = source.estimate, source.target.device
    mhz = f"{source.target.clock_mhz:.4g}{THIN}MHz"
    runs = source.verifications
    interval = any(result.interval_cycles is not None for result in runs)
    latency = any(result.latency_cycles is not None for result in runs)
    luts, origin = (
        (source.synthesis.counts.luts, "synthesized")
        if source.synthesis
        else (estimate.area.luts, "estimated")
    )
    deployed = accuracy(source.metadata.get("accuracy"))
    images = source.metadata.get("test_images")
    return [
        Headline(
            "Accuracy",
            deployed,
            f"{fact(source.metadata.get('dataset'))}, {whole(images)} test images"
            if isinstance(images, int) and images
            else "not in the checkpoint"
            if deployed == UNKNOWN
            else "of a test set of unknown size",
            "measured" if deployed != UNKNOWN else "unknown",
        ),
        Headline(
            "Frames per second",
            with_unit(estimate.frames_per_second, "").strip("\u202f"),
            f"{plural(estimate.interval_cycles, 'cycle')} a frame, if {mhz} is met",
            "cycles simulated" if interval else "cycles scheduled",
        ),
        Headline(
            "Latency",
            with_unit(estimate.latency_ns * 1e-9, "s"),
            f"{plural(estimate.latency_cycles, 'cycle')}, first beat in to last beat out",
            "estimated"
            if not estimate.latency_is_exact
            else "cycles simulated"
            if latency
            else "cycles scheduled",
        ),
        Headline("LUT", whole(luts), f"{percent(luts / device.luts, 2)} of {device.part}", origin),
        Headline(
            "Energy a frame",
            with_unit(estimate.energy.total_pj * 1e-12, "J"),
            "45 nm operations and memory reads",
            "estimated",
        ),
    ]


def facts(source: ReportInput) -> list[tuple[str, str]]:
    """Describe the training, as far as the checkpoint tells."""
    get = source.metadata.get
    return [
        ("Data set", fact(get("dataset"))),
        ("Training method", fact(get("method"))),
        ("Accuracy, deployed integers", accuracy(get("accuracy"))),
        ("Accuracy, as trained", accuracy(get("trained_accuracy"))),
        ("Accuracy, float network", accuracy(get("float_accuracy"))),
        (
            "Test images",
            whole(images) if isinstance(images := get("test_images"), int) and images else UNKNOWN,
        ),
        ("Average bits per weight", f"{network_average(source.graph):.3f}"),
        ("Epochs", fact(get("epochs"))),
        ("Seed", str(get("seed", UNKNOWN))),
        ("Command", fact(get("command"))),
    ]


def uncalibrated(estimate: Estimate) -> str:
    """Say how many LUTs no synthesis stands behind, and how far off they may be; '' where there are none."""
    if all(node.is_calibrated for node in estimate.nodes):
        return ""
    share = estimate.uncalibrated_luts / estimate.area.luts
    return (
        f"{whole(estimate.uncalibrated_luts)} of the LUT ({percent(share)}, marked ~) belong to operators "
        "that are counted from first principles and not calibrated on synthesis: take "
        f"±{ASSUMED_ERROR_PCT:.0f}\u202f% for them. The measured error is that of the others."
    )


def _against(measured: int | None, predicted: int | None) -> str:
    if measured is None:
        return UNKNOWN
    if predicted is None:
        return whole(measured)
    verdict = "as predicted" if measured == predicted else f"predicted {whole(predicted)}"
    return f"{whole(measured)}, {verdict}"


def verification_row(result: VerificationResult) -> tuple[str, ...]:
    """Describe one verification run."""
    return (
        result.level,
        result.means,
        whole(result.images),
        whole(result.bits),
        _against(result.interval_cycles, result.predicted_interval_cycles),
        _against(result.latency_cycles, result.predicted_latency_cycles),
    )


def energy_rows(estimate: Estimate) -> list[tuple[str, str, str]]:
    """Energy a frame by model: name, value, source."""
    return [
        (
            "Operations, 45 nm",
            with_unit(estimate.energy.compute_pj * 1e-12, "J"),
            "a full adder (an eighth of an 8-bit addition, 0.03 pJ) per binary product and bit compared",
        ),
        (
            "Memory reads, 45 nm",
            with_unit(estimate.energy.memory_pj * 1e-12, "J"),
            "10 pJ per 64 bits of an 8-KB memory; constants of unrolled layers are logic, not memory",
        ),
        (
            "FPGA, whole chip",
            with_unit(estimate.fpga_energy_pj * 1e-12, "J"),
            f"{with_unit(estimate.fpga_power.low_w, 'W')} to {with_unit(estimate.fpga_power.high_w, 'W')}: "
            "switching of LUTs and block RAM, constants from FINN's published designs",
        ),
    ]


def roofline_rows(roofs: Roofline) -> list[tuple[str, tuple[Cell, ...]]]:
    """Describe every layer's place under the roofline: number and name, then figures."""
    return [
        (f"{number}  {place.name}", _place_cells(place)) for number, place in enumerate(roofs.layers, start=1)
    ]


def _place_cells(place: Place) -> tuple[Cell, ...]:
    return (
        Cell(with_unit(place.operations, ""), place.operations),
        Cell(with_unit(place.traffic_bytes, "B"), place.traffic_bytes),
        Cell(significant(place.intensity), place.intensity),
        Cell(with_unit(place.rate, "op/s"), place.rate),
        Cell(with_unit(place.roof, "op/s"), place.roof),
        Cell(percent(place.rate / place.roof), place.rate / place.roof),
    )


def render_report(source: ReportInput) -> str:
    """Render the page: HTML with its style and pictures inside, no other file and no network needed.

    The same input gives the same bytes.
    """
    estimate = source.estimate
    average = network_average(source.graph)
    roofs = roofline(source.graph, source.target)
    return render(
        "report/report.html.j2",
        {
            "network": source.graph.name,
            "version": __version__,
            "device": source.target.device,
            "clock": f"{source.target.clock_mhz:.4g}{THIN}MHz ({source.target.clock_ns:.4g}{THIN}ns)",
            "average_bits": f"{average:.2f}",
            "headlines": headlines(source),
            "dataflow": dataflow(source.graph, estimate),
            "layers": [layer_row(node, estimate) for node in estimate.nodes],
            "totals": total_rows(estimate),
            "bars": layer_bars(estimate, source.synthesis),
            "structures": source.structures,
            "roofs": roofs,
            "roofline": roofline_picture(roofs),
            "roofline_rows": roofline_rows(roofs),
            "roofline_network": _place_cells(roofs.network) if roofs.network else (),
            "pictures": bit_pictures(source.graph),
            "downloads": downloads(source),
            "with_unit": with_unit,
            "resources": resource_rows(source),
            "synthesis": source.synthesis,
            "area_source": estimate.source,
            "uncalibrated": uncalibrated(estimate),
            "n_held_out": estimate.errors["luts"].n if "luts" in estimate.errors else 0,
            "energy": energy_rows(estimate),
            "facts": facts(source),
            "histograms": bit_histograms(source.graph),
            "percent": percent,
            "whole": whole,
            "charts": [area_chart(average, estimate.errors.get("luts")), time_chart(average)],
            "bitwidth": bitwidth_results(),
            "pareto": pareto_section(source),
            "explored": source.exploration.n_points if source.exploration else 0,
            "verifications": [verification_row(result) for result in source.verifications],
        },
    )
