"""Archives of torch.export: read like model files, without PyTorch's own reader, which could run code."""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import nn

from hbnn_hw.errors import CaptureError, CheckpointError, HbnnError
from hbnn_hw.nn import BinaryLinear, BitPlaneInput, Golden, Metadata, OutputScale, SignActivation, load, save
from hbnn_hw.nn.network import Network
from hbnn_hw.nn.tracing.archive_tensors import DTYPES
from tests.nn.test_tracing import Block, numbers

MODEL = "archive/models/model.json"
WEIGHTS = "archive/data/weights/model_weights_config.json"
EXAMPLE = "archive/data/sample_inputs/model.pt"


class Residual(nn.Module):
    """A small network with everything: our layers and PyTorch's, a sum, a concatenation, flattening."""

    def __init__(self):
        super().__init__()
        self.input = BitPlaneInput(4)
        self.block = Block(2, 4, 2)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = BinaryLinear(32, 4)
        self.act = SignActivation()
        self.scale = OutputScale(0.5)

    def forward(self, x):
        y = self.pool(self.block(self.input(x)))
        y = torch.cat([y, -y], 1)
        return self.scale(self.fc(self.act(y.reshape(x.shape[0], -1))))


def codes(batch=3):
    return torch.randint(0, 16, (batch, 2, 8, 8), generator=torch.Generator().manual_seed(0))


def residual():
    torch.manual_seed(0)
    return Residual().eval()


def archived(model, x, **options):
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(model, (x,), **options), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def archive():
    """Members of a good archive."""
    with zipfile.ZipFile(io.BytesIO(archived(residual(), codes()))) as members:
        return {name: members.read(name) for name in members.namelist()}


def rewritten(members, path):
    """Write members to an archive; return its path."""
    with zipfile.ZipFile(path, "w") as out:
        for name, raw in members.items():
            out.writestr(name, raw)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt2"


@pytest.mark.parametrize("options", [{}, {"dynamic_shapes": ({0: torch.export.Dim.AUTO},)}])
def test_an_archive_gives_the_network_that_was_exported(path, options):
    """Whether or not the batch was free when it was exported; it is free then."""
    model, x = residual(), codes()
    path.write_bytes(archived(model, x, **options))
    found = load(path)
    assert isinstance(found.model, Network)
    assert not found.model.training
    assert torch.equal(found.example_input, x)
    assert found.metadata == Metadata()
    assert np.array_equal(found.golden.images, Golden().images)
    for batch in (1, 5):
        assert torch.equal(found.model(codes(batch)), model(codes(batch)))
    state = model.state_dict()
    assert found.model.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[key]) for key, tensor in found.model.state_dict().items())
    trainable = {name for name, parameter in found.model.named_parameters() if parameter.requires_grad}
    assert trainable == {name for name, _ in model.named_parameters()}


def test_archive_and_trace_give_the_same_network(path, tmp_path):
    model, x = residual(), codes()
    path.write_bytes(archived(model, x))
    save(model, x, tmp_path / "model.pt")
    traced, read = load(tmp_path / "model.pt").model, load(path).model
    assert read.steps == traced.steps
    assert str(sorted(map(str, read.layers.items()))) == str(sorted(map(str, traced.layers.items())))


def test_an_archive_becomes_a_model_file(path, tmp_path):
    model, x = residual(), codes()
    path.write_bytes(archived(model, x))
    found = load(path)
    save(found.model, found.example_input, tmp_path / "model.pt")
    assert torch.equal(load(tmp_path / "model.pt").model(x), model(x))


def test_a_program_that_pytorch_loads_runs_our_layers(path):
    path.write_bytes(archived(residual(), codes()))
    assert torch.equal(torch.export.load(path).module()(codes()), residual()(codes()))


def test_the_numbers_of_dtypes_are_pytorchs():
    from torch._export.serde.serialize import deserialize_scalar_type

    assert {code: deserialize_scalar_type(code) for code in DTYPES} == dict(DTYPES)


@pytest.mark.filterwarnings("ignore:No complete tensor:UserWarning")
def test_a_parameter_that_is_a_view_is_read(path):
    """Its bytes are those of the tensor behind it."""
    model = nn.Sequential(nn.Linear(4, 3, bias=False)).eval()
    model[0].weight = nn.Parameter(torch.arange(12.0).view(4, 3).t())
    path.write_bytes(archived(model, numbers(2, 4)))
    assert torch.equal(load(path).model(numbers(2, 4)), model(numbers(2, 4)))


def test_operations_without_a_layer_are_listed(path):
    model = nn.Sequential(nn.GELU(), nn.Linear(4, 4), nn.Sigmoid())
    path.write_bytes(archived(model, numbers(2, 4)))
    with pytest.raises(CaptureError, match=r"2 of its operations .*\n- '0' \(GELU\).*\n- '2' \(Sigm"):
        load(path)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_decomposed_program_is_refused_with_the_fix(path):
    program = torch.export.export(residual(), (codes(),)).run_decompositions()
    torch.export.save(program, path)
    with pytest.raises(CaptureError, match=r"the program was decomposed: save .* without run_decompositions"):
        load(path)


def test_several_inputs_are_refused(path):
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    x = numbers(2, 4)
    torch.export.save(torch.export.export(Two(), (x, x)), path)
    with pytest.raises(CaptureError, match=r"one tensor to one tensor.*not 2 inputs to 1 outputs"):
        load(path)


class Hostile:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def pickled(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore")
def test_what_an_archive_could_run_is_never_run(path, tmp_path, archive):
    """PyTorch's own reader runs it: this is why it is not used."""
    target = tmp_path / "owned"
    config = json.loads(archive[WEIGHTS])
    first = config["config"]["fc.weight"]
    first["use_pickle"] = True
    member = f"archive/data/weights/{first['path_name']}"
    rewritten(archive | {WEIGHTS: json.dumps(config), member: pickled(Hostile(str(target)))}, path)
    with pytest.raises(CheckpointError, match=r"tensor 'fc\.weight' of .* is pickled, which could run code"):
        load(path)
    assert not target.exists()
    with pytest.raises(Exception):  # noqa: B017, PT011 - what comes out of it does not matter
        torch.export.load(path)
    assert target.exists()


@pytest.mark.parametrize("content", [pickle.dumps, pickled])
def test_a_hostile_example_is_never_run(path, tmp_path, archive, content):
    target = tmp_path / "owned"
    with pytest.raises(CheckpointError, match="could run code"):
        load(rewritten(archive | {EXAMPLE: content(Hostile(str(target)))}, path))
    assert not target.exists()


def test_without_an_example_zeros_are_tried(path, archive):
    found = load(rewritten({name: raw for name, raw in archive.items() if name != EXAMPLE}, path))
    assert torch.equal(found.example_input, torch.zeros(1, 2, 8, 8, dtype=torch.int64))


def changed(raw, *keys, value):
    """JSON with the entry at ``keys`` replaced."""
    content = json.loads(raw)
    entry = content
    for key in keys[:-1]:
        entry = entry[key]
    entry[keys[-1]] = value
    return json.dumps(content)


META = ("config", "fc.weight", "tensor_meta")


@pytest.mark.parametrize(
    ("member", "keys", "value", "complaint"),
    [
        (MODEL, ("schema_version", "major"), 9, "the schema 8 and operators of version 10, not 9 and 10"),
        (MODEL, ("opset_version", "aten"), 11, "not 8 and 11"),
        (MODEL, ("graph_module",), 5, "'graph_module' of its JSON must be dict, not 5"),
        (MODEL, ("graph_module", "graph", "nodes"), {}, "'nodes' of 'graph' must be list"),
        (MODEL, ("graph_module", "graph", "nodes", 0, "target"), None, "'target' of an item of 'nodes'"),
        (MODEL, ("graph_module", "graph", "nodes", 0, "inputs", 0, "arg"), {}, "'arg' must have one entry"),
        (MODEL, ("graph_module", "graph", "tensor_values", "x", "dtype"), 99, "a dtype of number 99"),
        (MODEL, ("graph_module", "graph", "tensor_values", "x", "sizes"), [], "shape of its input must be"),
        (MODEL, ("graph_module", "signature", "input_specs"), [], "not 0 inputs to 1 outputs"),
        (WEIGHTS, (*META, "sizes"), [{"as_int": 10**9}, {"as_int": 32}], "must be as large as it says"),
        (WEIGHTS, (*META, "strides"), [{"as_int": 0}, {"as_int": 10**12}], "must be as large as it says"),
        (WEIGHTS, (*META, "strides"), [{"as_int": 1}], "must be as large as it says"),
        (WEIGHTS, (*META, "storage_offset"), {"as_int": 1}, "must be as large as it says"),
        (WEIGHTS, (*META, "storage_offset"), {"as_int": -1}, "must be as large as it says"),
        (WEIGHTS, (*META, "layout"), 1, "must be as large as it says, dense and strided"),
        (WEIGHTS, (*META, "dtype"), 8, "must be as large as it says"),
        (WEIGHTS, ("config", "fc.weight", "path_name"), "weight_999", "must have a member 'archive/data/wei"),
        (WEIGHTS, ("config", "fc.weight", "path_name"), "opaque_obj_0", "is pickled, which could run code"),
        (WEIGHTS, ("config", "fc.weight"), None, "'fc.weight' of 'config' must be dict, not None"),
    ],
)  # fmt: skip
def test_a_spoiled_archive_is_refused(path, archive, member, keys, value, complaint):
    with pytest.raises(HbnnError, match=complaint):
        load(rewritten(archive | {member: changed(archive[member], *keys, value=value)}, path))


@pytest.mark.parametrize(
    ("member", "raw", "complaint"),
    [
        ("archive/archive_format", b"pt3", "must be 'pt2', not b'pt3'.*save it again with PyTorch"),
        ("archive/archive_version", b"1", "archive_version of .* must be '0'"),
        ("archive/byteorder", b"big", "byteorder of .* must be 'little'"),
        (MODEL, b"{", "its JSON cannot be read"),
        (MODEL, b"[" * 100_000, "its JSON cannot be read"),
        (MODEL, b"\xff", "its JSON cannot be read"),
        (MODEL, b"[]", "its JSON must be an object"),
        ("archive/models/other.json", b"{}", "must hold one exported program, not 2"),
    ],
)  # fmt: skip
def test_spoiled_members_are_refused(path, archive, member, raw, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        load(rewritten(archive | {member: raw}, path))


def test_compressed_members_are_refused(path, archive):
    """They could be thousands of times larger than the file."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, raw in archive.items():
            out.writestr(name, raw)
    with pytest.raises(CheckpointError, match="must hold members as they are, not compressed"):
        load(path)
    assert path.exists()


def test_a_weight_that_is_not_finite_is_named(path):
    model = nn.Sequential(nn.Linear(4, 4)).eval()
    model[0].weight.data[0, 0] = float("nan")
    path.write_bytes(archived(model, numbers(2, 4)))
    with pytest.raises(CheckpointError, match=r"tensor '0\.weight' must be finite"):
        load(path)


def test_a_program_on_images_too_large_for_any_machine_is_refused(path, archive):
    """The frame is 2^40 pixels: its size is found before it is made."""

    class Framed(nn.Module):
        def forward(self, x):
            return nn.functional.pad(x, (0, 1, 0, 1))

    members = archived(Framed(), numbers(1, 1, 2, 2))
    with zipfile.ZipFile(io.BytesIO(members)) as good:
        content = {name: good.read(name) for name in good.namelist()}
    content[MODEL] = content[MODEL].replace(b"[0, 1, 0, 1]", b"[0, 1048576, 0, 1048576]")
    assert b"1048576" in content[MODEL]
    with pytest.raises(
        CheckpointError, match="must make tensors of at most 268435456 numbers for one sample"
    ):
        load(rewritten(content, path))
