"""A user's own images: one folder a class, in the layout of ImageNet."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hbnn_hw.data.dataset import Dataset, Labels
from hbnn_hw.errors import DatasetMissingError, HbnnError
from hbnn_hw.extras import require

if TYPE_CHECKING:
    from PIL import Image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
DEFAULT_LIMIT_BYTES = 4 << 30
PROGRESS_STEP = 1000
NAMED_FILES = 10
LARGEST_RESIZED = 1 << 26
"""Most pixels of an image before the cut; a line of 1 x 10000 pixels would become far more."""

_MODES = {1: "L", 3: "RGB"}
_WIDE_MODES = ("I", "F")
"""Pillow's modes of more than 8 bits a channel begin so; converting them would clip most values."""


def image_folder(
    root: Path | str,
    size: tuple[int, int],
    channels: int = 3,
    *,
    shorter_side: int | None = None,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    progress: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Read ``root/train/<class>/*`` and ``root/val/<class>/*``, PNG or JPEG, into 8-bit codes.

    Classes are numbered in the sorted order of their folders' names, images within a class are in the sorted
    order of the files' names (both by code point). Hidden files are passed over. Each image is converted to
    8-bit grey or RGB (an alpha channel and the camera's orientation tag are ignored), resized with Pillow's
    antialiased bilinear filter, and its centre is cut out: of h x w pixels, the one with the offset
    ``((h - size[0]) // 2, (w - size[1]) // 2)``. The same files, and the same version of Pillow, give the
    same arrays.

    Memory: ``images · channels · size[0] · size[1]`` bytes for training and test images together, and one
    decoded image.

    Parameters
    ----------
    root
        Folder that holds ``train`` and ``val``.
    size
        (rows, columns) of what is cut out.
    channels
        3 for RGB, 1 for grey (ITU-R 601-2 luma).
    shorter_side
        Pixels to which an image's shorter side is resized before the cut, ImageNet's usual 256 for a size of
        224, say; None resizes as little as lets the cut fit. The longer side is rounded down.
    limit_bytes
        Most bytes of the arrays.
    progress
        Told after every 1000 images.

    Returns
    -------
    Dataset
        Named after the folder; rows are channel-first, ``levels`` is 256.

    Raises
    ------
    DatasetMissingError
        If ``train`` or ``val`` is missing, or holds no class folder.
    HbnnError
        If the classes of the two differ, a class is empty, the arrays would exceed ``limit_bytes``, or files
        are no readable images: one error names them.
    ToolMissingError
        If Pillow is not installed.
    """
    require("PIL", "images", "reading image files")
    frame = _Frame(size, channels, shorter_side)
    base = Path(root)
    train, val = _list_classes(base / "train"), _list_classes(base / "val")
    _check_same_classes(base, tuple(train), tuple(val))
    paths = [path for listing in (train, val) for files in listing.values() for path in files]
    _check_memory(len(paths), frame, limit_bytes)
    x = _decode_all(paths, frame, progress)
    y = np.concatenate([_labels(train), _labels(val)])
    n_train = sum(map(len, train.values()))
    for array in (x, y):
        array.flags.writeable = False
    return Dataset(
        name=base.resolve().name,
        x_train=x[:n_train],
        y_train=y[:n_train],
        x_test=x[n_train:],
        y_test=y[n_train:],
        image_shape=size,
        n_classes=len(train),
        levels=256,
        source=f"the user's images in {base}",
        channels=channels,
        class_names=tuple(train),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """What an image becomes."""

    size: tuple[int, int]
    channels: int
    shorter_side: int | None

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise HbnnError(f"size must be (rows, columns), both at least 1, not {self.size!r}")
        if self.channels not in _MODES:
            raise HbnnError(f"channels must be 3 (RGB) or 1 (grey), not {self.channels!r}")
        if self.shorter_side is not None and self.shorter_side < max(self.size):
            raise HbnnError(
                f"shorter_side must be at least {max(self.size)}, so that {self.size} can be cut out, "
                f"not {self.shorter_side}"
            )

    @property
    def n_bytes(self) -> int:
        """Bytes of one image."""
        return self.channels * self.size[0] * self.size[1]

    def resized(self, rows: int, columns: int) -> tuple[int, int]:
        """Give (rows, columns) before the cut, of an image of that many."""
        if self.shorter_side is not None:
            target, side = self.shorter_side, min(rows, columns)
        elif self.size[0] * columns >= self.size[1] * rows:
            target, side = self.size[0], rows
        else:
            target, side = self.size[1], columns
        return rows * target // side, columns * target // side


def _list_classes(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DatasetMissingError(f"{folder} must be a folder with one folder of images a class")
    classes = [path for path in _visible(folder) if path.is_dir()]
    if not classes:
        raise DatasetMissingError(f"{folder} must hold one folder of images a class, not none")
    listing = {path.name: _visible(path) for path in classes}
    if empty := [name for name, files in listing.items() if not files]:
        raise HbnnError(f"every class must have an image; none in {folder} for {_named(empty)}")
    return listing


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda p: p.name)


def _check_same_classes(base: Path, train: tuple[str, ...], val: tuple[str, ...]) -> None:
    if train != val:
        odd = sorted(set(train) ^ set(val))
        raise HbnnError(f"train and val in {base} must have the same classes; only one has {_named(odd)}")


def _check_memory(n_images: int, frame: _Frame, limit_bytes: int) -> None:
    needed = n_images * frame.n_bytes
    if needed > limit_bytes:
        raise HbnnError(
            f"{n_images} images of {frame.n_bytes} bytes must fit limit_bytes = {limit_bytes}, "
            f"but need {needed}; choose a smaller size or fewer images, or pass limit_bytes={needed} "
            "if there is the memory"
        )


def _labels(listing: dict[str, list[Path]]) -> Labels:
    counts = [len(files) for files in listing.values()]
    labels = np.repeat(np.arange(len(counts)), counts)
    return labels.astype(np.uint8) if len(counts) <= 256 else labels.astype(np.uint16)


def _decode_all(paths: Sequence[Path], frame: _Frame, progress: Callable[[str], None]) -> NDArray[np.uint8]:
    rows = np.empty((len(paths), frame.n_bytes), np.uint8)
    bad = []
    for i, path in enumerate(paths):
        try:
            rows[i] = _decode(path, frame)
        except HbnnError as error:
            bad.append(f"{path} ({error})")
        if (i + 1) % PROGRESS_STEP == 0:
            progress(f"read {i + 1} of {len(paths)} images")
    if bad:
        raise HbnnError(
            f"every file of a class must be a PNG or JPEG image, but {len(bad)} of {len(paths)} are not: "
            f"{_named(bad)}; repair or remove them"
        )
    return rows


def _decode(path: Path, frame: _Frame) -> NDArray[np.uint8]:
    """Decode one file to (channels · rows · columns,), channel-first."""
    from PIL import Image, UnidentifiedImageError

    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise HbnnError("its name does not end in .png, .jpg or .jpeg")
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            return _cut(image, frame)
    # Pillow's plug-ins raise these on damaged files; SyntaxError is its PNG reader's.
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, zlib.error) as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise HbnnError("it is neither PNG nor JPEG" if unknown else str(error)) from error
    except Image.DecompressionBombError as error:
        raise HbnnError("it has too many pixels") from error


def _cut(image: Image.Image, frame: _Frame) -> NDArray[np.uint8]:
    from PIL import Image

    if image.mode.startswith(_WIDE_MODES):
        raise HbnnError("it has more than 8 bits a channel")
    rows, columns = frame.resized(image.height, image.width)
    if rows * columns > LARGEST_RESIZED:
        raise HbnnError(f"it is too narrow: {image.height} rows, {image.width} columns")
    # Pillow warns of palettes with partial transparency; all transparency is dropped here.
    image.load()
    image.info.pop("transparency", None)
    resized = image.convert(_MODES[frame.channels]).resize((columns, rows), Image.Resampling.BILINEAR)
    top, left = (rows - frame.size[0]) // 2, (columns - frame.size[1]) // 2
    pixels = np.asarray(resized, np.uint8).reshape(rows, columns, frame.channels)
    cut = pixels[top : top + frame.size[0], left : left + frame.size[1]]
    return cut.transpose(2, 0, 1).reshape(-1)


def _named(items: Sequence[str]) -> str:
    rest = f" and {len(items) - NAMED_FILES} more" if len(items) > NAMED_FILES else ""
    return ", ".join(items[:NAMED_FILES]) + rest
