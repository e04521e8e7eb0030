"""A user's own CIFAR-10, in the publisher's binary version or Python version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.data.candidate import Candidate, decode
from hbnn_hw.data.dataset import Parts
from hbnn_hw.data.pickles import ArrayUnpickler
from hbnn_hw.errors import HbnnError

CIFAR_BINARY_FOLDER = "cifar-10-batches-bin"
CIFAR_PYTHON_FOLDER = "cifar-10-batches-py"
TRAIN_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_BATCH = "test_batch"
IMAGES_PER_BATCH = 10_000
PIXELS = 3 * 32 * 32
N_CLASSES = 10

CIFAR_HINT = (
    "no package ships CIFAR-10; download cifar-10-binary.tar.gz (MD5 c32a1d4ab5d03f1284b67883e8d87530) from "
    "https://www.cs.toronto.edu/~kriz/cifar.html, unpack it with: tar xzf cifar-10-binary.tar.gz, and give "
    f"the folder that holds {CIFAR_BINARY_FOLDER}/ as the root, or in HBNN_DATA"
)

Batch = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images (n, 3072) and labels (n,)."""


def cifar10_candidates(folder: Path) -> Iterator[Candidate]:
    """Yield the binary, then the Python version, each in its published folder or bare."""
    for sub in (folder / CIFAR_BINARY_FOLDER, folder):
        yield Candidate(sub / f"{TEST_BATCH}.bin", read_binary_folder)
    for sub in (folder / CIFAR_PYTHON_FOLDER, folder):
        yield Candidate(sub / TEST_BATCH, read_python_folder)


def read_binary_folder(test: Path) -> Parts:
    """Read ``data_batch_1.bin`` .. ``5`` and ``test_batch.bin`` in the folder of ``test``."""
    return _assemble(test.parent, ".bin", _read_binary)


def read_python_folder(test: Path) -> Parts:
    """Read the pickled batches in the folder of ``test``; nothing but arrays and plain values is built."""
    return _assemble(test.parent, "", _read_pickled)


def _assemble(folder: Path, suffix: str, read: Callable[[Path], Batch]) -> Parts:
    paths = [folder / f"{name}{suffix}" for name in (*TRAIN_BATCHES, TEST_BATCH)]
    if missing := [path.name for path in paths if not path.is_file()]:
        raise HbnnError(f"{folder} must hold {', '.join(missing)} too; {CIFAR_HINT}")
    x_train = np.empty((len(TRAIN_BATCHES) * IMAGES_PER_BATCH, PIXELS), np.uint8)
    y_train = np.empty(len(x_train), np.uint8)
    for i, path in enumerate(paths[:-1]):
        rows = slice(i * IMAGES_PER_BATCH, (i + 1) * IMAGES_PER_BATCH)
        x_train[rows], y_train[rows] = decode(path, read)
    x_test, y_test = decode(paths[-1], read)
    _check_classes(y_train, f"the training batches in {folder}")
    _check_classes(y_test, str(paths[-1]))
    return Parts(x_train, y_train, x_test, y_test)


def _read_binary(path: Path) -> Batch:
    """Decode images of 1 label byte and 3072 pixels: red, green, blue plane, each row by row."""
    size, expected = path.stat().st_size, IMAGES_PER_BATCH * (1 + PIXELS)
    if size != expected:
        raise HbnnError(
            f"{path} must hold {expected} bytes ({IMAGES_PER_BATCH} images of 1 + {PIXELS}), not {size}; "
            "unpack the archive again"
        )
    rows = np.fromfile(path, np.uint8).reshape(IMAGES_PER_BATCH, 1 + PIXELS)
    return np.ascontiguousarray(rows[:, 1:]), rows[:, 0].copy()


def _read_pickled(path: Path) -> Batch:
    with path.open("rb") as file:
        batch = ArrayUnpickler(file, encoding="latin1").load()
    images = np.asarray(batch["data"])
    if images.dtype != np.uint8 or images.shape != (IMAGES_PER_BATCH, PIXELS):
        raise HbnnError(
            f"'data' in {path} must be uint8 ({IMAGES_PER_BATCH}, {PIXELS}), "
            f"not {images.dtype} {images.shape}; unpack the archive again"
        )
    return images, np.array(batch["labels"], np.uint8)


def _check_classes(labels: NDArray[np.uint8], origin: str) -> None:
    """Hold labels to what the publisher states: classes 0 .. 9, equally many images of each."""
    counts, each = np.bincount(labels, minlength=N_CLASSES).tolist(), len(labels) // N_CLASSES
    if counts != [each] * N_CLASSES:
        raise HbnnError(
            f"{origin} must have {each} images of each of the classes 0 .. 9, not {counts[:12]}; "
            "unpack the archive again"
        )
