"""A user's CIFAR-10: both published versions, in small; what has another structure is refused."""

import os
import pickle
import struct

import numpy as np
import pytest
import torch
from torch import nn

from hbnn_hw.data import Check, cifar10, load
from hbnn_hw.errors import HbnnError

N = 20


@pytest.fixture
def batches(monkeypatch):
    """Six batches of 20 images instead of 10,000, two of every class each."""
    monkeypatch.setattr(cifar10, "IMAGES_PER_BATCH", N)
    rng = np.random.default_rng(0)
    names = (*cifar10.TRAIN_BATCHES, cifar10.TEST_BATCH)
    return {
        name: (rng.integers(0, 256, (N, 3072), dtype=np.uint8), rng.permutation(np.arange(N) % 10))
        for name in names
    }


def write_binary(folder, batches):
    """Write the format of the publisher's page: 1 byte label, 1024 red, 1024 green, 1024 blue, row by row."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (images, labels) in batches.items():
        rows = b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))
        (folder / f"{name}.bin").write_bytes(rows)


def python_2_pickle(images, labels):
    """Write what Python 2 wrote for the publisher: protocol 2, byte strings, NumPy's old module name."""
    raw = images.tobytes()
    shape = b"".join(b"M" + struct.pack("<H", size) for size in images.shape) + b"\x86"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + 2 * b"J\xff\xff\xff\xff" + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    state = b"(K\x01" + shape + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(U\x06labels" + listed + b"U\x04data" + array + state + b"u."


def write_python(folder, batches):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (images, labels) in batches.items():
        (folder / name).write_bytes(python_2_pickle(images, labels))


FORMS = [(write_binary, "cifar-10-batches-bin"), (write_python, "cifar-10-batches-py")]


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(("write", "folder"), FORMS)
def test_both_versions_are_read_exactly(nowhere, batches, write, folder, inside):
    """The root may be the published folder, or the folder that it was unpacked in."""
    write(nowhere / folder, batches)
    found = load("cifar10", root=nowhere if inside else nowhere / folder)
    images, labels = zip(*batches.values(), strict=True)
    assert np.array_equal(found.x_train, np.concatenate(images[:5]))
    assert np.array_equal(found.y_train, np.concatenate(labels[:5]))
    assert np.array_equal(found.x_test, images[5])
    assert np.array_equal(found.y_test, labels[5])
    assert (found.channels, found.image_shape, found.n_features) == (3, (32, 32), 3072)
    assert (found.n_classes, found.levels, found.class_names[3]) == (10, 256, "cat")
    assert found.check is Check.STRUCTURE
    assert not found.x_train.flags.writeable


def test_rows_unflatten_to_colour_planes(nowhere, batches):
    """Image 0 of the test batch: all red pixels 1, green 2, blue 3, and one blue pixel marked."""
    images = batches[cifar10.TEST_BATCH][0]
    images[0] = np.repeat([1, 2, 3], 1024)
    images[0, 2048 + 32 * 5 + 7] = 9
    write_binary(nowhere, batches)
    found = load("cifar10", root=nowhere)
    rows = torch.from_numpy(found.x_test.copy())
    planes = nn.Unflatten(1, (found.channels, *found.image_shape))(rows)[0]
    assert (planes[0] == 1).all()
    assert (planes[1] == 2).all()
    assert planes[2, 5, 7] == 9
    assert int((planes[2] == 3).sum()) == 1023


@pytest.mark.parametrize("change", [-3073, -1, 1, 3073])
def test_a_batch_of_another_size_is_refused(nowhere, batches, change):
    write_binary(nowhere, batches)
    path = nowhere / "data_batch_3.bin"
    raw = path.read_bytes()
    path.write_bytes(raw[:change] if change < 0 else raw + bytes(change))
    with pytest.raises(HbnnError, match=r"data_batch_3\.bin must hold 61460 bytes \(20 images .*, not \d+"):
        load("cifar10", root=nowhere)


def test_a_missing_batch_is_named(nowhere, batches):
    write_binary(nowhere, batches)
    (nowhere / "data_batch_2.bin").unlink()
    (nowhere / "data_batch_4.bin").unlink()
    with pytest.raises(HbnnError, match=r"must hold data_batch_2\.bin, data_batch_4\.bin too; no package"):
        load("cifar10", root=nowhere)


@pytest.mark.parametrize("label", [0, 9, 10, 255])
def test_labels_that_are_not_ten_equal_classes_are_refused(nowhere, batches, label):
    images, labels = batches["data_batch_1"]
    batches["data_batch_1"] = (images, np.where(labels == 4, label, labels))
    write_binary(nowhere, batches)
    with pytest.raises(HbnnError, match=r"training batches in .* must have 10 images of each of the classes"):
        load("cifar10", root=nowhere)


def test_pickled_images_of_another_shape_are_refused(nowhere, batches):
    batches["data_batch_5"] = (np.zeros((N, 3071), np.uint8), np.arange(N) % 10)
    write_python(nowhere, batches)
    with pytest.raises(HbnnError, match=r"data_batch_5 must be uint8 \(20, 3072\), not uint8 \(20, 3071\)"):
        load("cifar10", root=nowhere)


def test_pickled_labels_of_another_number_are_refused(nowhere, batches):
    images, labels = batches["data_batch_5"]
    batches["data_batch_5"] = (images, labels[:-1])
    write_python(nowhere, batches)
    with pytest.raises(HbnnError, match="cannot be decoded"):
        load("cifar10", root=nowhere)


def test_a_hostile_batch_is_refused_unrun(nowhere, batches):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(nowhere / "owned"),)

    write_python(nowhere, batches)
    (nowhere / "data_batch_1").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(HbnnError, match="mkdir is not allowed here"):
        load("cifar10", root=nowhere)
    assert not (nowhere / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"<html>", pickle.dumps([1]), pickle.dumps({"data": 1})])
def test_a_damaged_pickle_is_named(nowhere, batches, content):
    write_python(nowhere, batches)
    (nowhere / "data_batch_1").write_bytes(content)
    with pytest.raises(HbnnError, match=r"data_batch_1.*(cannot be decoded|must be uint8)"):
        load("cifar10", root=nowhere)
