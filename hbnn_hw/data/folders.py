"""Where data files are looked for, and where they are fetched to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DEBIAN_FOLDER = Path("/usr/share/datasets")


def cache_folder() -> Path:
    """Folder of the user's downloads: ``$XDG_CACHE_HOME/hbnn_hw`` or ``~/.cache/hbnn_hw``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "hbnn_hw"


def writable_folder(root: Path | str | None) -> Path:
    """Folder that a fetched file goes to: ``root``, else ``$HBNN_DATA``, else the user's cache folder."""
    return Path(root or os.environ.get("HBNN_DATA", "") or cache_folder())


def search_folders(root: Path | str | None) -> Iterator[Path]:
    """Yield the folders to look into: ``root``, ``$HBNN_DATA``, the user's cache folder, Debian's."""
    given = (root, os.environ.get("HBNN_DATA"))
    yield from (Path(folder) for folder in given if folder)
    yield cache_folder()
    yield DEBIAN_FOLDER
