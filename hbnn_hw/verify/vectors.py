"""Golden vectors: inputs of a network with the exact outputs every level must give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import MismatchError, OutputError, ShapeError


@dataclass(frozen=True, slots=True, eq=False)
class VectorSet:
    """Inputs and expected outputs at the accelerator's edges.

    Attributes
    ----------
    inputs
        int64 (batch, elements): input codes.
    outputs
        int64 (batch, elements): what the last hardware operator gives: integers, or codes of planes.
    """

    inputs: NDArray[np.int64]
    outputs: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.inputs.ndim != 2 or self.outputs.ndim != 2 or len(self.inputs) != len(self.outputs):
            raise ShapeError(
                f"vectors must be (batch, elements) pairs, not {self.inputs.shape}, {self.outputs.shape}"
            )

    @property
    def n_images(self) -> int:
        """Number of samples."""
        return len(self.inputs)

    def first(self, n_images: int) -> VectorSet:
        """Return the first samples."""
        return VectorSet(self.inputs[:n_images], self.outputs[:n_images])


def vector_files(vectors: VectorSet) -> dict[str, NDArray[np.int64]]:
    """Return the files of a vector set: relative path to array, to be written as ``.npy``."""
    return {"vectors/input.npy": vectors.inputs, "vectors/output.npy": vectors.outputs}


def load_vectors(folder: Path) -> VectorSet:
    """Read the golden vectors of an export.

    Raises
    ------
    OutputError
        If the folder is not an export of this toolkit.
    """
    try:
        arrays = [
            np.load(folder / "vectors" / name, allow_pickle=False) for name in ("input.npy", "output.npy")
        ]
    except (OSError, EOFError, ValueError) as error:
        raise OutputError(
            f"'{folder}' holds no golden vectors; make it with 'hbnn-hw export': {error}"
        ) from error
    return VectorSet(*(array.astype(np.int64) for array in arrays))


def compare(level: str, found: NDArray[np.int64], expected: NDArray[np.int64]) -> None:
    """Hold a level's outputs against the golden ones.

    Raises
    ------
    MismatchError
        Naming the first differing image and element with both values.
    """
    if found.shape != expected.shape:
        raise MismatchError(
            f"{level}: {found.shape[0]} images came out of {expected.shape[0]}, shape {found.shape}"
        )
    differing = np.argwhere(found != expected)
    if len(differing):
        image, element = (int(i) for i in differing[0])
        raise MismatchError(
            f"{level}: {len(differing)} of {expected.size} outputs differ; first at image {image}, "
            f"element {element}: {int(found[image, element])}, golden has {int(expected[image, element])}"
        )
