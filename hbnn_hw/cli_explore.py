"""The verb ``explore``, and ``estimate --bits``: parse, call, print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hbnn_hw.console import err, out, print_json, say

if TYPE_CHECKING:
    from hbnn_hw.explore.exploration import Progress
    from hbnn_hw.target import Target


def explore(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL.PT", help="Checkpoint written by hbnn_hw.save, .hbnn or .onnx file."),
    ],
    results: Annotated[
        Path,
        typer.Option("-o", "--results", metavar="FILE", help="Finished points; what it has is not repeated."),
    ] = Path("explore.sqlite"),
    bits: Annotated[str, typer.Option(help="Average bitwidths of the weights.")] = "1.0,1.2,1.4,1.6,1.8,2.0",
    distribution: Annotated[
        str | None, typer.Option(metavar="P,…", help="Further P: percent with 1, 2, 3 bits, such as 85/10/5.")
    ] = None,
    method: Annotated[str, typer.Option(help="bnn, hbnn, slb, flexor.")] = "hbnn",
    bit_map: Annotated[
        str, typer.Option("--map", help="Who shares a bitwidth: element, column, row, tile, tile:8x16.")
    ] = "element,column",
    folding: Annotated[
        str, typer.Option(help="PExSIMD limits, unrolled, fps=N, cycles=N, fit.")
    ] = "4x4,8x8,16x16,32x32,unrolled",
    board: Annotated[str, typer.Option(help="Devices.")] = "zc706",
    clock_ns: Annotated[str, typer.Option(help="Clock periods [ns].")] = "5",
    objectives: Annotated[
        str, typer.Option(help="Of the front: luts, bram36, energy, interval, latency, accuracy.")
    ] = "luts,energy,interval,accuracy",
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="[BITS=]MODEL.PT", help="A trained network with its accuracy; may be repeated."),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMMAND", help="Command that trains a network into {out}, once; may be repeated."
        ),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all cores by default.")] = None,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Compute on a Dask cluster, by its scheduler.")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print all points, not the front alone.")] = False,
    as_csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write all points.")] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.SVG|HTML", help="Draw all points and the front.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Explore bitwidths, bit maps, foldings, devices and clocks of a network: area, time, energy, the best.

    Lists have commas. Every finished point is in FILE at once: the same command goes on where it stopped.
    Weights of other bitwidths are drawn for the model's layers; accuracy is known of trained networks alone.
    """
    from hbnn_hw.artifacts import replace_file
    from hbnn_hw.explore import (
        DaskRunner,
        LocalRunner,
        Method,
        Objective,
        ResultsFile,
        Space,
        options,
        read_model,
    )
    from hbnn_hw.explore import explore as run
    from hbnn_hw.explore.picture import draw, picture_kind
    from hbnn_hw.explore.table import rows_csv, rows_document, rows_text
    from hbnn_hw.explore.training import Training

    kind = picture_kind(picture) if picture else None
    compared = options.each(objectives, lambda text: options.choice(text, Objective, "an objective"))
    space = Space(
        averages=options.each(bits, options.average),
        distributions=options.each(distribution, options.distribution) if distribution else (),
        methods=options.each(method, lambda text: options.choice(text, Method, "a method")),
        maps=options.each(bit_map, options.map_kind),
        foldings=options.each(folding, options.folding),
        boards=options.each(board, str),
        clocks_ns=options.each(clock_ns, options.clock),
    )
    trainings = [Training.parse(command) for command in train or ()]
    say("reading the models")
    models = [read_model(model), *map(options.checkpoint, checkpoint or ())]
    space.points(models[0], models[1:])  # what is wrong with the space is said before anything is written
    runner = DaskRunner(dask) if dask else LocalRunner(workers)
    runner.check()
    with ResultsFile(results) as finished:
        models += [read_model(one.run(results.with_suffix(".trained"), say)) for one in trainings]
        points = space.points(models[0], models[1:])
        with _progress(results) as progress:
            rows = run(models, points, finished, runner, objectives=compared, progress=progress)
    if as_csv:
        replace_file(as_csv, rows_csv(rows).encode())
    if picture and kind:
        replace_file(picture, draw(kind, models[0].label, rows).encode())
    if as_json:
        print_json(rows_document(rows))
    else:
        out.print(rows_text(rows, front_only=not show_all), end="", markup=False)


def estimate_bits(model: Path, bits: str, checkpoints: Sequence[str], target: Target, as_json: bool) -> None:
    """Print a network's estimate against the average bitwidth."""
    from hbnn_hw.explore import options, read_model
    from hbnn_hw.explore.bitwidths import bitwidth_rows
    from hbnn_hw.explore.table import bits_text, rows_document

    averages = options.each(bits, options.average)
    trained = [options.checkpoint(text) for text in checkpoints]
    rows = bitwidth_rows(read_model(model), averages, trained, target)
    if as_json:
        print_json(rows_document(rows))
    else:
        out.print(bits_text(rows), end="", markup=False)


@contextmanager
def _progress(results: Path) -> Iterator[Progress]:
    """Show a bar of finished points; on Ctrl-C say that they are kept, and leave with status 130."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("points"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("points", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    except KeyboardInterrupt:
        say(f"interrupted; finished points are in {results}: the same command goes on from there")
        raise typer.Exit(130) from None
