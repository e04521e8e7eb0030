"""Train what the results page still lacks, then write the page: ``python -m models.experiments``.

Runs that are in ``models/results`` already are not repeated; ``--fresh`` repeats them. The page's figures
come from these files alone. ``--keep FOLDER`` writes the deployed network of every recipe's first seed there.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from hbnn_hw import ir_file
from hbnn_hw import nn as hnn
from hbnn_hw.capture import capture
from hbnn_hw.data import load
from hbnn_hw.errors import HbnnError
from models import results_page, run_log
from models.huffman import huffman_bits
from models.recipe import Recipe, build, deployed_accuracy, weight_storage
from models.studies import STUDIES, all_recipes
from models.study import SEEDS


def pending(
    studies: Sequence[str], names: Sequence[str], seeds: Sequence[int], *, fresh: bool
) -> Iterator[tuple[Recipe, int]]:
    """Yield the runs to do, the first seed of all recipes of a study before the second.

    Empty ``studies``, ``names`` or ``seeds`` mean all.
    """
    for study in STUDIES:
        for seed, recipe in itertools.product(seeds or study.seeds, study.recipes):
            chosen = (not studies or study.name in studies) and (not names or recipe.name in names)
            # Asked for at the last moment: another process may have done it meanwhile.
            if chosen and (fresh or seed not in {run.seed for run in run_log.read(recipe.name)}):
                yield recipe, seed


def run(recipe: Recipe, seed: int, keep: Path | None = None) -> run_log.Run:
    """Train a recipe and measure it on the full test set; write its deployed network below ``keep``."""
    dataset = load(recipe.dataset)
    model = build(recipe, dataset, seed)
    reports: list[hnn.EpochReport] = []
    hnn.train(model, dataset, replace(recipe.config, seed=seed), reports.append)
    trained = hnn.evaluate(model, dataset.x_test, dataset.y_test)
    n_weights, stored_bits = weight_storage(model)
    if keep is not None and recipe.deployable:
        write_deployed(model, recipe.name, keep)
    return run_log.Run(
        seed=seed,
        epochs=recipe.config.epochs,
        accuracy=deployed_accuracy(model, dataset) if recipe.deployable else trained,
        trained_accuracy=trained,
        training_accuracy=hnn.evaluate(model, dataset.x_train, dataset.y_train),
        n_weights=n_weights,
        stored_bits=stored_bits,
        huffman_bits=huffman_bits(model),
        losses=tuple(round(report.loss, 4) for report in reports),
        accuracies=tuple(report.accuracy for report in reports),
    )


def write_deployed(model: nn.Module, name: str, folder: Path) -> None:
    """Write the IR file ``folder/name.hbnn`` of a trained network: planes, maps and constants alone."""
    folder.mkdir(parents=True, exist_ok=True)
    ir_file.save(capture(hnn.deploy(model), name), folder / f"{name}.hbnn")


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m models.experiments",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    studies = [study.name for study in STUDIES]
    for option, choices in (("study", studies), ("recipe", sorted(all_recipes()))):
        parser.add_argument(
            f"--{option}", action="append", default=[], choices=choices, metavar="NAME",
            help=f"only this {option}; may be repeated (default: all)",
        )  # fmt: skip
    parser.add_argument(
        "--seed", action="append", default=[], type=int, help="only this seed; may be repeated"
    )
    parser.add_argument("--fresh", action="store_true", help="train again what is there already")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write deployed networks there, as IR")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        for recipe, seed in pending(options.study, options.recipe, options.seed, fresh=options.fresh):
            start = time.monotonic()
            done = run(recipe, seed, options.keep if seed == SEEDS[0] else None)
            run_log.write(recipe.name, done)
            seconds = time.monotonic() - start
            print(f"{recipe.name} seed {seed}: {done.accuracy:.2%} in {seconds:.0f} s", flush=True)
    except HbnnError as error:
        print(error, file=sys.stderr)
        return 2
    return results_page.main([])


if __name__ == "__main__":
    sys.exit(main())
