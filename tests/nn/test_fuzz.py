"""Damaged and hostile model files and archives: an error of ours or a sound network, and never much memory.

Every case is seeded. What is made while a file is read is watched operation by operation, with a bound far
below the real one, so that a case that slips through is seen.
"""

import copy
import io
import json
import random
import zipfile

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hbnn_hw.errors import HbnnError
from hbnn_hw.nn import (
    BinaryLinear,
    BitPlaneInput,
    FlexorLinear,
    HbnnConv2d,
    SignActivation,
    SlbLinear,
    dry_run,
    load,
    save,
)
from hbnn_hw.nn.network import Network
from tests.nn.test_archive import archived, codes, residual
from tests.tables import rows

BOUND = 1 << 16
"""Numbers of a tensor, in these tests."""
NASTY = (
    None, True, False, 0, 1, -1, 2, 3, 7, 64, 2**16, 2**31, 2**40, 2**63, -(2**63), 10**30, 0.0, -1.0, 0.5,
    1e308, 1e-308, "", "x", "add", "conv2d", "input", "a.b", "\x00", "x" * 10_000, [], {}, [0], [1, 1],
    [2**40] * 4, [-1, 0, 1, 2], [[]], [None], {"name": "x"}, {"as_int": 2**62}, {"as_none": True},
)  # fmt: skip


class Mixed(nn.Module):
    """One layer of each method, a sum, and a frame."""

    def __init__(self):
        super().__init__()
        self.input = BitPlaneInput(4)
        self.conv = HbnnConv2d(2, 3, 3, padding=1, padding_value="masked")
        self.norm = nn.BatchNorm2d(3)
        self.act = SignActivation()
        self.slb = SlbLinear(3 * 5 * 4, 6, bits=2)
        self.flexor = FlexorLinear(6, 6)
        self.fc = BinaryLinear(6, 4)

    def forward(self, x):
        y = self.act(self.norm(self.conv(self.input(x))))
        y = nn.functional.pad(y, (0, 0, 1, 0))
        y = self.act(self.slb(y.flatten(1)))
        return self.fc(self.act(self.flexor(y) + y))


IMAGES = torch.randint(0, 16, (2, 2, 4, 4), generator=torch.Generator().manual_seed(0))


def mixed():
    torch.manual_seed(0)
    return Mixed().eval()


class Watch(TorchDispatchMode):
    """Raises where an operation makes more numbers than the bound."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and not made.is_meta:
            assert made.untyped_storage().nbytes() <= 8 * BOUND, f"{func} made {tuple(made.shape)}"
        return made


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def small_bound(monkeypatch):
    monkeypatch.setattr(dry_run, "LARGEST_VALUE", BOUND)


def read(raw, path):
    """Read a file that may be anything; say whether it was one, after looking at what it gave."""
    path.write_bytes(raw)
    try:
        with Watch():
            found = load(path)
            if isinstance(found.model, Network):
                found.model(found.example_input)
    except HbnnError:
        return False
    finally:
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]
        assert path.read_bytes() == raw
    return True


def members_of(raw):
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return buffer.getvalue()


def places(value, at=()):
    """Paths to everything in nested lists and dictionaries."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*at, key)
        yield from places(item, (*at, key))


def mutated(value, rng):
    """A copy with one to three entries replaced, removed, doubled, or put in another's place."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        spots = list(places(value))
        if not spots:
            return value
        *way, key = rng.choice(spots)
        holder = value
        for step in way:
            holder = holder[step]
        choice = rng.random()
        if choice < 0.5:
            holder[key] = copy.deepcopy(rng.choice(NASTY))
        elif choice < 0.65:
            del holder[key]
        elif choice < 0.75 and isinstance(holder, list):
            holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
        else:
            other = value
            for step in rng.choice(spots):
                if not isinstance(other, dict | list) or (isinstance(other, dict) and step not in other):
                    break
                if isinstance(other, list) and step >= len(other):
                    break
                other = other[step]
            holder[key] = copy.deepcopy(other)
    return value


def damaged(raw, rng):
    """Cut off, or with bits flipped, or with a stretch of it zero or random."""
    damage = bytearray(raw)
    choice = rng.randrange(4)
    if choice == 0:
        return bytes(damage[: rng.randrange(len(damage))])
    if choice == 1:
        for _ in range(rng.randint(1, 8)):
            damage[rng.randrange(len(damage))] ^= 1 << rng.randrange(8)
        return bytes(damage)
    start, length = rng.randrange(len(damage)), rng.randint(1, 64)
    damage[start : start + length] = bytes(length) if choice == 2 else rng.randbytes(length)
    return bytes(damage)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "model.pt"
    save(mixed(), IMAGES, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def archive_file():
    return archived(mixed(), IMAGES)


@pytest.fixture(params=["model_file", "archive_file"])
def good(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.bin"


def test_the_good_files_are_good(good, path):
    assert read(good, path)


def test_damaged_files(good, path):
    """500 for each format: the checksum finds what the structure does not."""
    rng = random.Random(1)
    assert sum(read(damaged(good, rng), path) for _ in range(500)) < 250


@pytest.mark.parametrize("seed", rows([2, 5], usual=lambda seed: seed == 2))
def test_damaged_members(good, path, seed):
    """100 for each format, with checksums that are right: the pickle, JSON and tensors have to be checked."""
    rng = random.Random(seed)
    members = members_of(good)
    for _ in range(100):
        name = rng.choice(list(members))
        read(zipped(members | {name: damaged(members[name] or b"x", rng)}), path)


def test_changed_descriptions_of_networks(model_file, path):
    """400: wrong types and values, missing and doubled entries, steps in circles, sizes of any magnitude."""
    rng = random.Random(3)
    content = torch.load(io.BytesIO(model_file), weights_only=True)
    sound = 0
    for _ in range(400):
        buffer = io.BytesIO()
        torch.save(content | {"architecture": mutated(content["architecture"], rng)}, buffer)
        sound += read(buffer.getvalue(), path)
    assert sound < 200


def test_changed_graphs(archive_file, path):
    """300, in the graph's JSON and in the tensors'."""
    rng = random.Random(4)
    members = members_of(archive_file)
    texts = [name for name in members if name.endswith(".json")]
    parsed = {name: json.loads(members[name]) for name in texts}
    graph = parsed["archive/models/model.json"]["graph_module"]
    for number in range(300):
        name = rng.choice(texts)
        changed = dict(parsed[name])
        if "graph_module" in changed and number % 8:
            # Else most changes would hit what nobody reads, such as traces of the stack.
            part = rng.choice(["graph", "signature"])
            nodes = mutated(graph["graph"]["nodes"], rng)
            new = graph["graph"] | {"nodes": nodes} if part == "graph" else mutated(graph["signature"], rng)
            changed["graph_module"] = graph | {part: new}
        else:
            changed = mutated(changed, rng)
        read(zipped(members | {name: json.dumps(changed).encode()}), path)


def nested(depth, width):
    """A list that is small in a file and, written out, has ``width ** depth`` entries."""
    value = ["x"]
    for _ in range(depth):
        value = [value] * width
    return value


@pytest.mark.parametrize("entry", ["architecture", "state", "metadata", "golden", "example_input", "version"])
def test_lists_that_explode_when_written_out(model_file, path, entry):
    content = torch.load(io.BytesIO(model_file), weights_only=True)
    for bomb in (nested(30, 10), {"layers": nested(30, 10), "steps": []}):
        buffer = io.BytesIO()
        torch.save(content | {entry: bomb}, buffer)
        assert not read(buffer.getvalue(), path)


def test_fields_that_explode_when_written_out(model_file, path):
    content = torch.load(io.BytesIO(model_file), weights_only=True)
    layers, bomb = content["architecture"]["layers"], nested(30, 10)
    for layer, key in [(fields, key) for fields in layers for key in fields]:
        buffer = io.BytesIO()
        torch.save(content | {"architecture": {"layers": [layer | {key: bomb}], "steps": []}}, buffer)
        assert not read(buffer.getvalue(), path)


def test_a_larger_network_of_the_same_kind(path):
    """A second archive, of a residual network, as a check that the first was not a lucky one."""
    rng = random.Random(5)
    good = archived(residual(), codes())
    assert read(good, path)
    members = members_of(good)
    graph = json.loads(members["archive/models/model.json"])
    for _ in range(60):
        text = json.dumps(mutated(graph, rng)).encode()
        read(zipped(members | {"archive/models/model.json": text}), path)
