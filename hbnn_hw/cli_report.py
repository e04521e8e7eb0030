"""The verb ``report``: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hbnn_hw.console import out


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder written by 'hbnn-hw export'.")],
    explored: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Results of 'hbnn-hw explore' of the model file that was exported."
        ),
    ] = None,
    objectives: Annotated[
        str, typer.Option(help="Of the front: luts, bram36, energy, interval, latency, accuracy.")
    ] = "luts,energy,interval,accuracy",
) -> None:
    """Write the report of an export again; with --explored, it shows the Pareto front of other designs.

    The front stays in the folder, and in every later report of it.
    """
    from hbnn_hw.explore import Objective, options
    from hbnn_hw.explore.kept import exploration_document, kept_rows
    from hbnn_hw.explore.table import summary_text
    from hbnn_hw.exported import REPORT, add_exploration, open_export, renew_report

    exported = open_export(folder)
    compared = options.each(objectives, lambda text: options.choice(text, Objective, "an objective"))
    if explored is None:
        renew_report(exported)
    else:
        rows = kept_rows(explored, str(exported.manifest.get("model_sha256", "")), compared)
        add_exploration(exported, exploration_document(rows, compared))
        out.print(summary_text(rows), end="", markup=False)
    out.print(f"open {folder / REPORT} in a browser", markup=False)
