"""Accuracy and unrolled area side by side against the average bitwidth, for maps per element, column and row.

Accuracies are those of the study ``bit_maps`` (``python -m models.experiments --study bit_maps`` trains what
``models/results`` lacks), areas those that ``hbnn_area.py --save`` wrote. Prints the table of
``docs/bitwidth.md``, writes its picture, then prints one line of JSON: per point the mean accuracy of the
deployed networks, their number, the LUTs, and LUTs over those of one bit.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hbnn_hw.nn import Sharing
from models import run_log
from models.bit_maps import MIXES, SHARINGS, recipe_name

AREA = Path(__file__).parent / "results" / "hbnn_area.json"
PICTURE = Path(__file__).parent.parent / "docs" / "results" / "bitwidth.svg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One map at one average bitwidth.

    Attributes
    ----------
    kind
        Which entries share their bitwidth.
    average_bits
        [bits per weight].
    accuracies
        Share of right answers on the full test set, by seed, 0 .. 1.
    luts
        Of the measured layers together.
    ratio
        LUTs over those of one bit.
    """

    kind: str
    average_bits: float
    accuracies: tuple[float, ...]
    luts: int
    ratio: float

    @property
    def accuracy(self) -> float:
        """Mean over the seeds, 0 .. 1."""
        return statistics.fmean(self.accuracies)


def points(area: dict[str, Any]) -> list[Point]:
    """Join the measured areas with the trained accuracies, by kind and average."""
    luts = {(row["kind"], row["average_bits"]): row["luts"] for row in area["points"]}
    return [
        Point(
            kind=sharing.value,
            average_bits=average,
            accuracies=tuple(run.accuracy for run in run_log.read(recipe_name(sharing, average))),
            luts=luts[sharing.value, average],
            ratio=round(luts[sharing.value, average] / luts[sharing.value, 1.0], 4),
        )
        for sharing in SHARINGS
        for average in MIXES
    ]


def table(found: Sequence[Point]) -> str:
    """Return the table in Markdown; full planes, which are the same for every kind, once."""
    mixed = [point for point in found if len(MIXES[point.average_bits]) > 1]
    full = [point for point in found if point not in mixed and point.kind == Sharing.ELEMENT.value]
    lines = ["| average bits | map | LUT | × 1 bit | accuracy |", "| --- | --- | --- | --- | --- |"]
    for point in sorted((*mixed, *full), key=lambda point: point.average_bits):
        kind = f"per {point.kind}" if point in mixed else "none"
        lines.append(
            f"| {point.average_bits} | {kind} | {point.luts} | {point.ratio:.2f} | {point.accuracy:.2%} |"
        )
    return "\n".join(lines)


def draw(found: Sequence[Point], path: Path) -> None:
    """Write an SVG: LUTs at the left and accuracy at the right, against the average bitwidth."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # Fixed salt and no date: the same figures give the same bytes.
    with mpl.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        area, accuracy = figure.subplots(1, 2)
        for index, sharing in enumerate(SHARINGS):
            line = [point for point in found if point.kind == sharing.value]
            bits = [point.average_bits for point in line]
            area.plot(bits, [point.luts for point in line], "o-", color=f"C{index}", markersize=4)
            accuracy.plot(
                bits,
                [100 * point.accuracy for point in line],
                "o-",
                color=f"C{index}",
                markersize=4,
                label=f"map per {sharing.value}",
            )
        single = found[0].luts
        area.plot([1, 3], [single, 3 * single], ":", color="grey", label="in proportion to bits")
        area.set_ylim(bottom=0)
        area.set_ylabel("LUT")
        accuracy.set_ylabel("test accuracy [%]")
        for axes in (area, accuracy):
            axes.set_xlabel("average bits per weight")
            axes.grid(visible=True, alpha=0.3)
            axes.legend(fontsize=7)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, write the picture, print the figures."""
    argparse.ArgumentParser(description=__doc__).parse_args(arguments)
    area = json.loads(AREA.read_text(encoding="utf-8"))
    found = points(area)
    print(table(found))
    draw(found, PICTURE)
    document = [{**asdict(point), "accuracy": round(point.accuracy, 5)} for point in found]
    print(json.dumps({"rows": area["rows"], "layers": area["layers"], "points": document}))


if __name__ == "__main__":
    main()
