"""An estimate as a plain text table."""

from __future__ import annotations

from hbnn_hw.estimate.area import ASSUMED_ERROR_PCT
from hbnn_hw.estimate.model import Estimate, NodeEstimate
from hbnn_hw.estimate.occupancy import occupancy_text

_HEADER = (
    "node",
    "shape",
    "bits",
    "PE×SIMD",
    "cycles",
    "all words",
    "LUT",
    "FF",
    "BRAM36",
    "DSP",
    "pJ (45 nm)",
)


def _row(node: NodeEstimate) -> tuple[str, ...]:
    layer = node.layer
    shape = f"{layer.columns}→{layer.rows}" if layer else ""
    bits = f"{layer.average_bits:.2f}" if layer else ""
    fold = "" if not layer else "unrolled" if layer.unrolled else f"{layer.pe}×{layer.simd}"
    area = node.area
    every_word = f"{layer.full_cycles}" if layer else ""
    luts = f"{area.luts:.0f}" if node.is_calibrated else f"~{area.luts:.0f}"
    resources = (luts, f"{area.flip_flops:.0f}", f"{area.bram36:g}", f"{area.dsps}")
    figures = (f"{node.cycles}", every_word, *resources)
    return (node.name, shape, bits, fold, *figures, f"{node.energy.total_pj:.0f}")


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            f"{cell:<{w}}" if at < 1 else f"{cell:>{w}}"
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def uncalibrated_text(result: Estimate) -> str:
    """Say how much of the area no synthesis stands behind; nothing where all is calibrated."""
    if all(node.is_calibrated for node in result.nodes):
        return ""
    share = result.uncalibrated_luts / result.area.luts
    return (
        f"      {result.uncalibrated_luts:.0f} LUT of them (~, {100 * share:.0f} %) are counted from first "
        f"principles, not calibrated on synthesis: take ±{ASSUMED_ERROR_PCT:.0f} %\n"
    )


def power_text(result: Estimate) -> str:
    """Say the FPGA's power with its range, and where its activity comes from."""
    power, toggles = result.fpga_power, [node.activity.toggle for node in result.nodes]
    bits = (
        f"bits toggle at {min(toggles):.2f} to {max(toggles):.2f} of the working clocks on real data"
        if result.is_activity_measured
        else "bits taken for random"
    )
    return (
        f"FPGA power: {power.total_w:.2f} W, {power.low_w:.2f} to {power.high_w:.2f} W: logic "
        f"{power.logic_w:.2f} W, block RAM {power.bram_w:.2f} W, static at most {power.most_static_w:.1f} W; "
        f"{bits}; constants from FINN's published designs"
    )


def estimate_text(result: Estimate) -> str:
    """Print an estimate: one line a node, then totals with their error bands."""
    total, band = result.area, result.errors.get("luts")
    within = f" (±{band.median_pct:.0f} % median, ±{band.p90_pct:.0f} % for 9 of 10 designs)" if band else ""
    latency = "latency" if result.latency_is_exact else "latency (estimated)"
    lines = [
        *_table([_HEADER, *(_row(node) for node in result.nodes)]),
        f"area: {total.luts:.0f} LUT{within}, {total.lut_sites:.0f} LUT6 sites when paired, "
        f"{total.flip_flops:.0f} FF, {total.bram36:g} BRAM36, {total.dsps} DSP; estimated, not synthesized",
        f"{uncalibrated_text(result)}"
        f"time: {result.interval_cycles} cycles a frame (slowest: {result.bottleneck}), "
        f"{result.frames_per_second:,.0f} frames/s and {result.latency_ns / 1000:.2f} µs {latency} "
        f"if {1000 / result.clock_ns:.0f} MHz is met",
        f"device: {occupancy_text(total, result.device)}",
        f"energy a frame: {result.energy.total_pj / 1000:.3f} nJ of 45 nm operations and memory accesses; "
        f"{result.fpga_energy_pj / 1000:.1f} nJ on the FPGA",
        power_text(result),
    ]
    return "\n".join(lines) + "\n"
