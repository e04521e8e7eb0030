"""What one training run measured, and the file of all runs of a recipe."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run.

    Attributes
    ----------
    seed, epochs
        Training seed and passes over the training set.
    accuracy
        Share of right answers on the full test set after the last epoch, 0 .. 1: of the deployed twin, or
        of the network as trained where it cannot be deployed.
    trained_accuracy
        The same, of the network as trained.
    training_accuracy
        The same on the training set.
    n_weights
        Weights of all layers.
    stored_bits
        Bits of all weights in memory, 32 each for float layers [bit].
    huffman_bits
        Bits of all quantized weights when Huffman-coded, code tables included [bit].
    losses, accuracies
        Mean training loss and test accuracy after each epoch.
    """

    seed: int
    epochs: int
    accuracy: float
    trained_accuracy: float
    training_accuracy: float
    n_weights: int
    stored_bits: int
    huffman_bits: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def bits_per_weight(self) -> float:
        """Mean stored bits [bit]."""
        return self.stored_bits / self.n_weights


def path_of(recipe: str) -> Path:
    """Return the file that holds the runs of a recipe."""
    return FOLDER / f"{recipe}.json"


def read(recipe: str) -> tuple[Run, ...]:
    """Return the runs of a recipe by ascending seed; none if there is no file."""
    path = path_of(recipe)
    if not path.exists():
        return ()
    rows = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return tuple(
        Run(**row | {"losses": tuple(row["losses"]), "accuracies": tuple(row["accuracies"])}) for row in rows
    )


def write(recipe: str, run: Run) -> None:
    """Add a run to its file, in the place of one with the same seed."""
    runs = sorted((*(old for old in read(recipe) if old.seed != run.seed), run), key=lambda one: one.seed)
    FOLDER.mkdir(exist_ok=True)
    lines = ",\n".join("  " + json.dumps(asdict(one)) for one in runs)
    text = f'{{"recipe": {json.dumps(recipe)}, "runs": [\n{lines}\n]}}\n'
    temporary = path_of(recipe).with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path_of(recipe))
