"""A machine without any data, and real sets where they were fetched."""

import pytest

from hbnn_hw.data import folders, load
from hbnn_hw.errors import DatasetMissingError


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without any data: no variable, an empty cache, no Debian folder."""
    monkeypatch.delenv("HBNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(folders, "DEBIAN_FOLDER", tmp_path / "debian")
    return tmp_path


@pytest.fixture(scope="session")
def real():
    """Load a set, or skip with the command that fetches it; nothing is fetched here."""

    def load_or_skip(name):
        try:
            return load(name)
        except DatasetMissingError as missing:
            pytest.skip(str(missing))

    return load_or_skip
