"""A user's folder of images: order, geometry and colour of what is read; errors name every culprit."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hbnn_hw.data import Check, image_folder, images
from hbnn_hw.errors import DatasetMissingError, HbnnError, ToolMissingError


def picture(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)


def noise(seed, rows=6, columns=6):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two classes; three training images and two test images of 6 x 6."""
    root = tmp_path / "pets"
    picture(root / "train" / "dog" / "b.png", noise(2))
    picture(root / "train" / "dog" / "a.PNG", noise(1))
    picture(root / "train" / "cat" / "c.png", noise(0))
    picture(root / "val" / "cat" / "x.png", noise(3))
    picture(root / "val" / "dog" / "x.png", noise(4))
    (root / "train" / ".DS_Store").write_bytes(b"hidden")
    (root / "train" / "dog" / ".hidden").write_bytes(b"hidden")
    return root


def test_classes_and_files_are_sorted_and_pixels_are_exact(folder):
    found = image_folder(folder, (6, 6))
    planes = [noise(seed).transpose(2, 0, 1).reshape(-1) for seed in range(5)]
    assert np.array_equal(found.x_train, planes[:3])
    assert np.array_equal(found.x_test, planes[3:])
    assert (found.y_train.tolist(), found.y_test.tolist()) == ([0, 1, 1], [0, 1])
    assert (found.name, found.class_names, found.n_classes) == ("pets", ("cat", "dog"), 2)
    assert (found.channels, found.image_shape, found.n_features) == (3, (6, 6), 108)
    assert (found.levels, found.input_bits, found.check) == (256, 8, Check.STRUCTURE)
    with pytest.raises(ValueError, match="read-only"):
        found.x_test[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.y_train[0] = 1


def test_rows_unflatten_to_the_image(folder):
    found = image_folder(folder, (6, 6))
    image = nn.Unflatten(1, (3, 6, 6))(torch.from_numpy(found.x_train.copy()))[0]
    assert np.array_equal(image.permute(1, 2, 0).numpy(), noise(0))


@pytest.mark.parametrize(
    ("shape", "size", "rows", "columns"),
    [
        ((8, 4), (4, 4), slice(2, 6), slice(0, 4)),
        ((4, 9), (4, 4), slice(0, 4), slice(2, 6)),
        ((5, 9), (5, 2), slice(0, 5), slice(3, 5)),
        ((3, 7), (3, 7), slice(0, 3), slice(0, 7)),
    ],
)
def test_an_image_that_fits_one_way_is_cut_at_its_centre_unscaled(folder, shape, size, rows, columns):
    pixels = noise(9, *shape)
    picture(folder / "train" / "cat" / "c.png", pixels)
    found = image_folder(folder, size)
    assert np.array_equal(found.x_train[0], pixels[rows, columns].transpose(2, 0, 1).reshape(-1))


def test_a_shorter_side_leaves_a_margin(folder):
    """A 12 x 16 image with the left half black and the right half white, halved to 6 x 8, cut to 2 x 2."""
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[:, 8:] = 255
    picture(folder / "train" / "cat" / "c.png", pixels)
    found = image_folder(folder, (2, 2), shorter_side=6)
    whole = Image.fromarray(pixels).resize((8, 6), Image.Resampling.BILINEAR)
    expected = np.asarray(whole)[2:4, 3:5]
    assert np.array_equal(found.x_train[0], expected.transpose(2, 0, 1).reshape(-1))
    assert found.x_train[0, 0] < 64 < 192 < found.x_train[0, 1]


@pytest.mark.parametrize(
    ("size", "shorter_side", "rows", "columns", "resized"),
    [
        ((224, 224), 256, 375, 500, (256, 341)),
        ((224, 224), 256, 500, 375, (341, 256)),
        ((224, 224), None, 375, 500, (224, 298)),
        ((10, 20), None, 100, 100, (20, 20)),
        ((20, 10), None, 7, 7, (20, 20)),
    ],
)
def test_sizes_before_the_cut(size, shorter_side, rows, columns, resized):
    assert images._Frame(size, 3, shorter_side).resized(rows, columns) == resized


def test_grey_is_the_luma_of_the_colours(folder):
    """Red, green and blue weigh 0.299, 0.587 and 0.114."""
    pixels = np.zeros((1, 3, 3), np.uint8)
    pixels[0, [0, 1, 2], [0, 1, 2]] = 255
    picture(folder / "train" / "cat" / "c.png", pixels)
    found = image_folder(folder, (1, 3), channels=1)
    assert found.x_train[0].tolist() == [76, 150, 29]
    assert (found.channels, found.n_features) == (1, 3)


def test_grey_transparent_palette_and_jpeg_files_become_colours(folder):
    cat = folder / "train" / "cat"
    picture(cat / "d.png", np.full((6, 6), 7))
    picture(cat / "e.png", np.dstack((noise(5), np.full((6, 6), 100, np.uint8))))
    # JPEG keeps one colour nearly as it is: its transform is rounded.
    picture(cat / "f.jpeg", np.full((6, 6, 3), (200, 100, 50)), quality=100)
    Image.fromarray(np.full((6, 6), 3, np.uint8)).convert("P").save(cat / "g.png", transparency=bytes(256))
    found = image_folder(folder, (6, 6)).x_train[1:5]
    assert (found[0] == 7).all()
    assert np.array_equal(found[1], noise(5).transpose(2, 0, 1).reshape(-1))
    assert np.abs(found[2].astype(int) - np.repeat([200, 100, 50], 36)).max() <= 2
    assert (found[3] == 3).all()


def test_all_bad_files_are_named_in_one_error(folder):
    dog = folder / "train" / "dog"
    (dog / "a.PNG").write_bytes(b"<html>not found</html>")
    whole = (dog / "b.png").read_bytes()
    (dog / "b.png").write_bytes(whole[: len(whole) // 2])
    (dog / "notes.txt").write_text("no image")
    Image.fromarray(np.zeros((6, 6), np.uint16)).save(dog / "wide.png")
    picture(dog / "narrow.png", np.zeros((1, 9000), np.uint8))
    (dog / "folder.png").mkdir()
    with pytest.raises(HbnnError, match="but 6 of 9 are not") as caught:
        image_folder(folder, (100, 100))
    text = str(caught.value)
    assert "a.PNG (it is neither PNG nor JPEG)" in text
    assert "b.png (" in text
    assert "notes.txt (its name does not end in .png, .jpg or .jpeg)" in text
    assert "wide.png (it has more than 8 bits a channel)" in text
    assert "narrow.png (it is too narrow: 1 rows, 9000 columns)" in text
    assert "folder.png (" in text
    assert text.endswith("repair or remove them")


def test_a_long_list_of_bad_files_is_cut(folder):
    for i in range(12):
        (folder / "val" / "cat" / f"{i}.png").write_bytes(b"")
    with pytest.raises(HbnnError, match=r"12 of 17 are not: .* and 2 more; repair"):
        image_folder(folder, (6, 6))


def test_the_classes_of_both_parts_must_agree(folder):
    picture(folder / "val" / "cow" / "x.png", noise(0))
    with pytest.raises(HbnnError, match=r"must have the same classes; only one has cow"):
        image_folder(folder, (6, 6))


def test_a_class_without_images_is_named(folder):
    (folder / "train" / "cow").mkdir()
    with pytest.raises(HbnnError, match=r"every class must have an image; none in .*train for cow"):
        image_folder(folder, (6, 6))


def test_missing_folders_are_named(folder, tmp_path):
    with pytest.raises(DatasetMissingError, match=r"none.train must be a folder with one folder of images"):
        image_folder(tmp_path / "none", (6, 6))
    (folder / "val").rename(folder / "test")
    (folder / "val").mkdir()
    with pytest.raises(DatasetMissingError, match=r"val must hold one folder of images a class, not none"):
        image_folder(folder, (6, 6))


def test_more_memory_than_allowed_is_refused_before_reading(folder):
    (folder / "train" / "cat" / "c.png").write_bytes(b"never looked at")
    message = r"5 images of 108 bytes must fit limit_bytes = 539, but need 540; .*pass limit_bytes=540"
    with pytest.raises(HbnnError, match=message):
        image_folder(folder, (6, 6), limit_bytes=539)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((0, 6), {}, r"size must be \(rows, columns\), both at least 1, not \(0, 6\)"),
        ((6, 6, 3), {}, r"size must be \(rows, columns\)"),
        ((6, 6), {"channels": 4}, r"channels must be 3 \(RGB\) or 1 \(grey\), not 4"),
        ((6, 8), {"shorter_side": 7}, "shorter_side must be at least 8, .*not 7"),
    ],
)
def test_geometry_that_cannot_be_is_refused(folder, size, options, message):
    with pytest.raises(HbnnError, match=message):
        image_folder(folder, size, **options)


def test_progress_is_told_and_many_classes_get_wider_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "PROGRESS_STEP", 200)
    for part in ("train", "val"):
        for i in range(257):
            picture(tmp_path / part / f"{i:03}" / "x.png", np.zeros((1, 1)))
    told = []
    found = image_folder(tmp_path, (1, 1), 1, progress=told.append)
    assert told == ["read 200 of 514 images", "read 400 of 514 images"]
    assert found.y_test.dtype == np.uint16
    assert found.y_test[-1] == 256


def test_without_pillow_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setattr("hbnn_hw.extras.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"reading image files needs .*'hbnn-hw\[images\]'"):
        image_folder(folder, (6, 6))
