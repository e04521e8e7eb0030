"""Model files: what is saved comes back, the bytes repeat, and nothing damaged or hostile is believed."""

import contextlib
import dataclasses
import io
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hbnn_hw.errors import CaptureError, CheckpointError, OutputError
from hbnn_hw.nn import Golden, HbnnLinear, Metadata, Method, SignActivation, deploy, load, mlp, save
from hbnn_hw.nn.checkpoint import FORMAT
from hbnn_hw.nn.registry import KINDS, build, describe

REMEDY = r'save it with hbnn_hw\.save\(model, example_input, "model\.pt"\)'
METADATA = Metadata(
    dataset="digits",
    method=Method.HBNN,
    bits_per_weight=1.4,
    accuracy=0.96,
    scale_error=0.05,
    trained_accuracy=0.965,
    test_images=1797,
    seed=7,
    epochs=40,
    command="python -m models.train",
)


def small(method=Method.HBNN, seed=0):
    torch.manual_seed(seed)
    model = mlp(method, 5, (12, 8, 4))
    for module in model:
        if isinstance(module, HbnnLinear):
            module.freeze()
    return model.eval()


EXAMPLE = torch.arange(12, dtype=torch.uint8).reshape(1, 12)
GOLDEN = Golden(np.arange(36, dtype=np.uint8).reshape(3, 12) % 32, np.array([3, 0, 1]))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


@pytest.fixture
def content(path):
    """The plain content of a good file, to be spoiled and written again."""
    save(small(), EXAMPLE, path, metadata=METADATA, golden=GOLDEN)
    return torch.load(path, weights_only=True)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    """The members of a good archive."""
    target = tmp_path_factory.mktemp("small") / "model.pt"
    save(small(), EXAMPLE, target)
    with zipfile.ZipFile(target) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def refused(content, path, match):
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=match):
        load(path)


@pytest.mark.parametrize("method", [Method.BNN, Method.HBNN, Method.SLB, Method.FLEXOR, Method.FLOAT])
def test_what_is_saved_comes_back(path, method):
    model = small(method)
    save(model.train(), EXAMPLE, path, metadata=METADATA, golden=GOLDEN)
    found = load(path)
    assert not found.model.training
    assert str(found.model) == str(model)
    assert found.metadata == METADATA
    assert torch.equal(found.example_input, EXAMPLE)
    assert np.array_equal(found.golden.images, GOLDEN.images)
    assert np.array_equal(found.golden.labels, GOLDEN.labels)
    before, after = model.state_dict(), found.model.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    codes = torch.from_numpy(GOLDEN.images)
    assert torch.equal(found.model(codes), model.eval()(codes))


def test_a_loaded_network_can_be_trained_on_and_deployed(path):
    save(small(), EXAMPLE, path)
    model = load(path).model
    assert all(parameter.requires_grad for parameter in model.parameters())
    model.train()(torch.zeros(4, 12)).sum().backward()
    deploy(model)(EXAMPLE)


def test_only_model_and_example_are_needed(path):
    save(small(), EXAMPLE, path)
    found = load(path)
    assert found.metadata == Metadata()
    assert found.golden.images.shape == (0, 0)


def test_every_kind_survives_description():
    made = {
        "bit_plane_input": {"bits": 3, "scaled": False},
        "sign": {"zero": -1},
        "binary_linear": {"in_features": 3, "out_features": 2, "bias": True},
        "hbnn_linear": {"in_features": 3, "out_features": 2, "bias": True, "heuristic": "top_down",
                        "distribution": [[1, 0.5], [2, 0.5]], "frozen": True,
                        "granularity": ["tile", 2, 3], "plane_scales": "powers-of-two"},
        "threshold_input": {"threshold": 0.5},
        "thermometer_input": {"features": 3, "levels": 4},
        "hbnn_activation": {"shape": [3, 2], "momentum": 0.5, "heuristic": "random", "frozen": False,
                            "distribution": [[0, 0.5], [2, 0.5]]},
        "binary_conv2d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 1], "stride": [1, 2],
                          "padding": [1, 0], "groups": 2, "bias": True, "padding_value": "minus_one"},
        "hbnn_conv2d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 3], "stride": [1, 1],
                        "padding": [0, 0], "groups": 1, "bias": False, "padding_value": "",
                        "distribution": [[1, 0.5], [2, 0.5]], "heuristic": "middle_out", "frozen": False},
        "batchnorm2d": {"num_features": 2, "eps": 1e-3, "momentum": 0.2, "affine": True},
        "maxpool2d": {"kernel_size": 2, "stride": 2, "padding": 0},
        "flatten": {"start_dim": 1, "end_dim": -1},
        "conv2d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 3], "stride": [1, 1],
                   "padding": [1, 1], "groups": 1, "bias": False},
        "stochastic_sign": {"zero": -1, "seed": 7},
        "shift_batchnorm1d": {"num_features": 2, "eps": 1e-3, "momentum": 0.25},
        "shift_batchnorm2d": {"num_features": 2, "eps": 1e-3, "momentum": 0.25},
        "slb_linear": {"in_features": 3, "out_features": 2, "bias": True, "bits": 2, "hard": True},
        "flexor_linear": {"in_features": 6, "out_features": 4, "bias": True, "n_planes": 2, "n_in": 3,
                          "n_out": 4, "n_taps": 0, "seed": 7, "order": "word", "pe": 2, "simd": 3,
                          "gradient": "identity"},
        "state_batchnorm1d": {"num_features": 2, "eps": 1e-3, "momentum": 0.2, "affine": False},
        "slb_conv2d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 1], "stride": [1, 2],
                       "padding": [1, 0], "groups": 2, "bias": True, "padding_value": "plus_one",
                       "bits": 3, "hard": True},
        "flexor_conv2d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3, 2], "stride": [2, 1],
                          "padding": [0, 0], "groups": 2, "bias": True, "padding_value": "",
                          "n_planes": 2, "n_in": 3, "n_out": 4, "n_taps": 0, "seed": 7, "order": "word",
                          "pe": 2, "simd": 3, "gradient": "exact"},
        "state_batchnorm2d": {"num_features": 2, "eps": 1e-3, "momentum": 0.2, "affine": True},
        "binary_conv1d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3], "stride": [2],
                          "padding": [1], "groups": 2, "bias": True, "padding_value": "minus_one",
                          "dilation": [2]},
        "hbnn_conv1d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3], "stride": [1],
                        "padding": [2, 0], "groups": 1, "bias": False, "padding_value": "masked",
                        "distribution": [[1, 0.5], [2, 0.5]], "heuristic": "middle_out", "frozen": False},
        "slb_conv1d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3], "stride": [1],
                       "padding": [0], "groups": 1, "bias": False, "padding_value": "", "bits": 2,
                       "hard": False, "dilation": [3]},
        "flexor_conv1d": {"in_channels": 4, "out_channels": 2, "kernel_size": [5], "stride": [1],
                          "padding": [0], "groups": 1, "bias": False, "padding_value": "",
                          "n_planes": 1, "n_in": 3, "n_out": 4, "n_taps": 2, "seed": 7, "order": "paper",
                          "pe": 1, "simd": 1, "gradient": "published"},
        "uniform_activation": {"bits": 3, "signed": True, "narrow": True, "learn_step": False},
        "avgpool2d": {"kernel_size": 3, "stride": 2, "padding": 1},
        "unflatten": {"dim": 1, "unflattened_size": [2, 3, 4]},
        "relu": {},
        "output_scale": {},
        "batchnorm1d": {"num_features": 2, "eps": 1e-3, "momentum": 0.2, "affine": False},
        "linear": {"in_features": 3, "out_features": 2, "bias": False},
        "hardtanh": {"min_val": -2.0, "max_val": 2.0},
        "dropout": {"p": 0.25},
        "identity": {},
        "maxpool1d": {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2},
        "avgpool1d": {"kernel_size": [3], "stride": [2], "padding": [1], "count_include_pad": False},
        "conv1d": {"in_channels": 4, "out_channels": 2, "kernel_size": [3], "stride": [2], "padding": [1],
                   "groups": 2, "bias": True, "dilation": [2]},
        "relu6": {},
        "leaky_relu": {"negative_slope": 0.125},
        "prelu": {"num_parameters": 3},
        "add": {},
        "concat": {},
        "pad": {"padding": [0, 1, 2, 3], "channels": [0, 4], "value": -1.0},
        "subsample": {"stride": [2, 1]},
        "scale": {"factor": 0.5, "offset": -1.0},
    }  # fmt: skip
    assert made.keys() == KINDS.keys()
    architecture = [{"name": kind, "kind": kind, **fields} for kind, fields in made.items()]
    assert describe(build(architecture)) == architecture


def test_a_description_gives_back_the_layers_own_text():
    model = nn.Sequential(
        nn.Unflatten(1, (2, 4, 4)), nn.Conv2d(2, 3, 3), nn.AvgPool2d(2, padding=1), nn.ReLU(), nn.Flatten()
    )
    assert str(build(describe(model))) == str(model)


@pytest.mark.parametrize(
    ("layer", "complaint"),
    [
        (
            nn.MaxPool2d(2, return_indices=True),
            r"\(MaxPool2d\) cannot be saved: return_indices must be False, not True",
        ),
        (nn.AvgPool2d(2, divisor_override=3), "divisor_override must be None, not 3"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "padding_mode must be 'zeros'"),
    ],
)
def test_settings_that_no_field_tells_are_refused_and_not_lost(path, layer, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        save(nn.Sequential(layer), torch.zeros(1, 1, 8, 8), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("layer", "plain"),
    [
        (nn.MaxPool2d((3, 2), stride=(1, 2), ceil_mode=True), nn.MaxPool2d(3)),
        (nn.MaxPool2d(2, dilation=2), nn.MaxPool2d(3)),
        (nn.AvgPool2d((4, 2), padding=(0, 1), count_include_pad=False), nn.AvgPool2d(3)),
        (nn.Conv2d(1, 1, 3, dilation=2), nn.Conv2d(1, 1, 3)),
    ],
)
def test_settings_that_the_first_files_lacked_are_told_where_they_are_used(layer, plain):
    model = nn.Sequential(layer)
    assert str(build(describe(model))) == str(model)
    assert not describe(nn.Sequential(plain))[0].keys() & {"ceil_mode", "dilation", "count_include_pad"}


def test_the_same_content_gives_the_same_bytes_under_any_name(path, tmp_path):
    other = tmp_path / "quite another name.bin"
    save(small(), EXAMPLE, path, metadata=METADATA, golden=GOLDEN)
    save(small(), EXAMPLE.clone(), other, metadata=dataclasses.replace(METADATA), golden=GOLDEN)
    assert path.read_bytes() == other.read_bytes()
    # Also when strings and tensors come out of a file and share their memory differently.
    found = load(path)
    save(found.model, found.example_input, other, metadata=found.metadata, golden=found.golden)
    assert path.read_bytes() == other.read_bytes()


def test_equal_names_give_the_same_bytes_whether_or_not_they_are_one_object(path, tmp_path):
    """Pickle tells equal strings apart that are different objects."""
    other = tmp_path / "other.pt"
    for target, name in ((path, "sign"), (other, "".join(("si", "gn")))):
        save(nn.Sequential(OrderedDict([(name, SignActivation())])), torch.zeros(1, 2), target)
    assert path.read_bytes() == other.read_bytes()


def test_the_same_content_gives_the_same_bytes_in_another_process(path, tmp_path):
    save(small(), EXAMPLE, path, metadata=METADATA, golden=GOLDEN)
    other = tmp_path / "other.pt"
    code = (
        "import sys; from hbnn_hw.nn import load, save; f = load(sys.argv[1]);"
        "save(f.model, f.example_input, sys.argv[2], metadata=f.metadata, golden=f.golden)"
    )
    subprocess.run([sys.executable, "-c", code, path, other], check=True)
    assert path.read_bytes() == other.read_bytes()


def test_saving_replaces_whole_files_and_leaves_nothing_else(path):
    path.write_bytes(b"old")
    save(small(), EXAMPLE, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.pt"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failed_save_keeps_the_old_file(path):
    path.write_bytes(b"old")
    model = small()
    with torch.no_grad():
        model.fc1.weight[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match=r"tensor 'fc1\.weight' must be finite"):
        save(model, EXAMPLE, path)
    assert path.read_bytes() == b"old"
    assert len(list(path.parent.iterdir())) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OutputError, match=r"nowhere/model\.pt cannot be written: No such file"):
        save(small(), EXAMPLE, tmp_path / "nowhere" / "model.pt")


def test_a_target_that_is_a_folder_is_named_and_nothing_stays_behind(path):
    path.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        save(small(), EXAMPLE, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.pt"]


def test_layers_that_cannot_be_saved_are_all_named(path):
    model = nn.Sequential(nn.Linear(12, 4), nn.GELU(), nn.LayerNorm(4))
    with pytest.raises(CaptureError, match=r"2 of its operations .*\n- '1' \(GELU\).*\n- '2' \(LayerNorm\)"):
        save(model, EXAMPLE.float(), path)
    with pytest.raises(CaptureError, match=r"aten\.gelu: it is not supported; use SignActivation"):
        save(nn.GELU(), EXAMPLE.float(), path)
    assert not path.exists()


def test_an_example_that_the_network_cannot_take_is_refused(path):
    with pytest.raises(CheckpointError, match="cannot compute its own example"):
        save(small(), EXAMPLE[:, :5], path)


def test_an_example_that_is_no_tensor_is_refused(path):
    with pytest.raises(CheckpointError, match="example_input must be a torch tensor, not ndarray"):
        save(small(), EXAMPLE.numpy(), path)


def test_a_missing_file_is_named(path):
    with pytest.raises(CheckpointError, match=r"model\.pt must be readable: No such file"):
        load(path)


@pytest.mark.parametrize("raw", [b"", b"hello", b"\x7fELF", b"P"])
def test_another_kind_of_file_is_refused(path, raw):
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match=rf"must be a model file of this project.*{REMEDY}"):
        load(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_off_file_is_called_so(path, content, share):
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(CheckpointError, match="is cut off or damaged; copy it again"):
        load(path)


def test_a_zip_of_something_else_is_refused(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match=rf"is damaged or not a model file of this project.*{REMEDY}"):
        load(path)


@pytest.mark.parametrize("share", range(0, 100, 7))
def test_flipped_bytes_never_escape_as_another_error(path, content, share):
    """Wherever a byte is damaged, loading either refuses cleanly or reads a valid network."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) * share // 100] ^= 0xFF
    path.write_bytes(raw)
    with contextlib.suppress(CheckpointError):
        assert isinstance(load(path).model, nn.Sequential)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_pickle_never_escapes_as_another_error(small_file, data):
    """The archive around it stays whole, so that the damage reaches torch's reader."""
    members = dict(small_file)
    name = next(name for name in members if name.endswith("data.pkl"))
    pickled = bytearray(members[name])
    pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "damaged.pt"
        with zipfile.ZipFile(target, "w") as archive:
            for member, value in (members | {name: bytes(pickled)}).items():
                archive.writestr(member, value)
        with contextlib.suppress(CheckpointError):
            assert isinstance(load(target).model, nn.Sequential)


class Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickled_module_is_refused_with_the_fix(path, legacy):
    torch.save(small(), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=rf"could run code.*{REMEDY}"):
        load(path)


@pytest.mark.parametrize("dump", [lambda x: pickle.dumps(x), None])
def test_hostile_pickles_are_never_run(path, tmp_path, dump):
    target = tmp_path / "owned"
    hostile = Hostile(str(target))
    if dump:
        path.write_bytes(dump(hostile))
    else:
        torch.save({"format": FORMAT, "state": hostile}, path)
    with pytest.raises(CheckpointError, match="could run code"):
        load(path)
    assert not target.exists()


def test_a_bare_state_dictionary_is_refused_with_the_fix(path):
    refused(small().state_dict(), path, rf"is a bare state dictionary.*{REMEDY}")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, 5, {"format": "other"}, torch.zeros(3)])
def test_plain_values_of_another_meaning_are_refused(path, content):
    refused(content, path, rf"must be a model file of format 'hbnn_hw\.checkpoint'.*{REMEDY}")


@pytest.mark.parametrize("version", [0, 3, "1", None, True])
def test_another_version_is_refused(path, content, version):
    refused(content | {"version": version}, path, "must be of format version 1 or 2, not")


def test_missing_and_extra_entries_are_refused(path, content):
    refused(content | {"more": 1}, path, "must have the entries")
    del content["golden"]
    refused(content, path, "must have the entries")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kind": "exec"}, "layer 'fc1' must be of a known kind .*, not 'exec'"),
        ({"kind": 3}, "must be of a known kind"),
        ({"name": 5}, "layer 1 of the architecture must be a dictionary with a name"),
        ({"name": "a.b"}, "layer 1 has a name that cannot be used"),
        ({"name": ""}, "layer 1 has a name that cannot be used"),
        ({"name": "forward"}, "layer 1 has a name that cannot be used"),
        ({"name": "input"}, "layer names must differ, but 'input' occurs twice"),
        ({"more": 1}, "layer 'fc1' must have the fields"),
        ({"in_features": "12"}, "field 'in_features' of layer 'fc1' must be int, not '12'"),
        ({"in_features": True}, "field 'in_features' of layer 'fc1' must be int, not True"),
        ({"in_features": 0}, "layer 'fc1' has a field that its kind 'hbnn_linear' refuses"),
        ({"in_features": 10**30}, "layer 'fc1' has a field that its kind 'hbnn_linear' refuses"),
        ({"out_features": 10**9}, r"tensor 'fc1\.weight' must be torch\.float32 \(1000000000, 12\)"),
        (
            {"heuristic": "magic"},
            "layer 'fc1' has a field that its kind 'hbnn_linear' refuses: 'magic' is not",
        ),
        ({"distribution": [[1, 2.0]]}, "fractions must be positive with sum 1"),
        ({"distribution": [1, 2]}, "layer 'fc1' has a field that its kind"),
        ({"distribution": []}, "layer 'fc1' has a field that its kind"),
    ],
)
def test_a_spoiled_description_is_refused_by_name(path, content, change, complaint):
    content["architecture"][1] |= change
    refused(content, path, complaint)


@pytest.mark.parametrize("architecture", [None, [], {}, "x", [3], [None]])
def test_an_architecture_that_is_none_is_refused(path, content, architecture):
    refused(content | {"architecture": architecture}, path, "architecture")


def test_missing_and_unexpected_tensors_are_named(path, content):
    state = content["state"]
    state["fc9.weight"] = state.pop("fc2.weight")
    refused(content, path, r"missing \['fc2\.weight'\], unexpected \['fc9\.weight'\]")


def test_a_tensor_of_another_shape_or_dtype_is_named(path, content):
    good = content["state"]["fc1.weight"]
    content["state"]["fc1.weight"] = good.T.contiguous()
    refused(
        content, path, r"tensor 'fc1\.weight' must be torch\.float32 \(8, 12\), not torch\.float32 \(12, 8\)"
    )
    content["state"]["fc1.weight"] = good.double()
    refused(
        content, path, r"tensor 'fc1\.weight' must be torch\.float32 \(8, 12\), not torch\.float64 \(8, 12\)"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["fc1.weight", "norm1.running_var", "fc2.mu"])
def test_a_tensor_with_nan_or_infinity_is_named(path, content, name, value):
    content["state"][name].view(-1)[-1] = value
    refused(content, path, rf"tensor '{name}' must be finite")


def test_tensors_that_claim_more_than_they_hold_are_refused(path, content):
    content["state"]["fc1.weight"] = torch.zeros(1).expand(10**6, 10**6)
    refused(content, path, r"'fc1\.weight' must be a dense, contiguous tensor")


@pytest.mark.parametrize("value", [None, 3, "x", [1.0]])
def test_values_in_a_tensors_place_are_refused(path, content, value):
    content["state"]["fc1.weight"] = value
    refused(content, path, r"'fc1\.weight' must be a dense, contiguous tensor, not")
    refused(content | {"state": value}, path, "the state in a checkpoint must be a dictionary")


def test_buffers_that_the_layer_could_not_have_made_are_refused(path, content):
    content["state"]["fc1.bit_map"][0, 0] = 4
    refused(content, path, "layer 'fc1': bit_map must not exceed 3 bits, not 4")
    content["state"]["fc1.bit_map"][0, 0] = 3
    content["state"]["fc1.mu"][0] = -1.0
    refused(content, path, "layer 'fc1': mu must not be negative")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"accuracy": "high"}, "metadata field 'accuracy' must be float, not 'high'"),
        ({"seed": 1.0}, r"metadata field 'seed' must be int, not 1\.0"),
        ({"method": "magic"}, "metadata field 'method' is unknown"),
        ({"more": 1}, "the metadata in a checkpoint must have the fields"),
    ],
)
def test_spoiled_metadata_is_refused(path, content, change, complaint):
    content["metadata"] |= change
    refused(content, path, complaint)


@pytest.mark.parametrize(
    "change",
    [
        {"images": torch.zeros(3, 12)},
        {"images": torch.zeros(3, dtype=torch.uint8)},
        {"labels": torch.zeros(2, dtype=torch.int64)},
        {"labels": torch.zeros(3)},
    ],
)
def test_spoiled_golden_inputs_are_refused(path, content, change):
    content["golden"] |= change
    refused(content, path, r"golden inputs must be uint8 images \(n, \.\.\.\) and int64 labels \(n,\)")


def test_golden_inputs_without_images_are_refused(path, content):
    refused(content | {"golden": {}}, path, "must be a dictionary of images and labels")


def test_golden_images_that_the_network_cannot_take_are_refused(path, content):
    content["golden"]["images"] = torch.full((3, 12), 99, dtype=torch.uint8)
    refused(content, path, "cannot compute its own example: input codes must be whole numbers")


def test_the_archive_is_read_from_memory_once(path, content):
    """The file holds plain values only: torch's own safe reader gives them back unaided."""
    again = torch.load(io.BytesIO(path.read_bytes()), weights_only=True)
    assert again["format"] == FORMAT
    assert again["architecture"][0] == {"name": "input", "kind": "bit_plane_input", "bits": 5, "scaled": True}
