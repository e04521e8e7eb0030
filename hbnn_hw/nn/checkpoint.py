"""The project's model file: architecture as data, tensors, and what is known of the training.

The file is ``torch.save`` of plain values and tensors only, so it is read with ``weights_only=True`` and
no code in it can ever run. Everything read is checked before it is believed.
"""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from hbnn_hw.errors import CheckpointError, OutputError
from hbnn_hw.nn.encoders import ThermometerInput
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import QuantizedLayer
from hbnn_hw.nn.metadata import Golden, Metadata, Method
from hbnn_hw.nn.registry import build, describe
from hbnn_hw.nn.uniform_activation import UniformActivation

FORMAT = "hbnn_hw.checkpoint"
VERSION = 1
_DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OSError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
)
"""What torch's safe reader has been seen, or may be expected, to raise on damaged archives."""
_CHECKED = (QuantizedLayer, HbnnActivation, ThermometerInput, UniformActivation)
"""Layers that know which buffers they could not have computed."""
REMEDY = 'save it with hbnn_hw.save(model, example_input, "model.pt")'


@dataclass(frozen=True, slots=True, eq=False)
class LoadedCheckpoint:
    """What a checkpoint holds.

    Attributes
    ----------
    model
        The network as trained, in evaluation mode.
    example_input
        uint8 or float tensor (batch, features) that the network accepts.
    metadata
        What is known of its training.
    golden
        Real images and labels.
    """

    model: nn.Sequential
    example_input: Tensor
    metadata: Metadata
    golden: Golden


def save(
    model: nn.Module,
    example_input: Tensor,
    path: Path | str,
    *,
    metadata: Metadata | None = None,
    golden: Golden | None = None,
) -> None:
    """Write a network to a model file: whole or not at all, and the same bytes for the same content.

    Parameters
    ----------
    model
        ``nn.Sequential`` of the layers that ``hbnn_hw.nn`` knows.
    example_input
        (batch, features), an input that the network accepts.
    path
        File to write; an existing one is replaced.
    metadata, golden
        What is known of the training, and real images; both optional.

    Raises
    ------
    CheckpointError
        If the network could not be loaded again (unknown layers, values that are not finite), or it does
        not accept the example.
    OutputError
        If the file cannot be written.
    """
    if not isinstance(example_input, Tensor):
        raise CheckpointError(f"example_input must be a torch tensor, not {type(example_input).__name__}")
    golden = golden or Golden()
    content = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": describe(model),
        "state": {key: _detached(value) for key, value in model.state_dict().items()},
        "example_input": _detached(example_input),
        "metadata": asdict(metadata or Metadata()) | {"method": (metadata or Metadata()).method.value},
        "golden": {
            "images": torch.from_numpy(golden.images.copy()),
            "labels": torch.from_numpy(golden.labels.copy()),
        },
    }
    buffer = io.BytesIO()
    # Through a buffer, because torch names the archive's folder after a file that it opens itself.
    torch.save(_canonical(content), buffer)
    _parse(content, "the model")
    _write_atomically(Path(path), buffer.getvalue())


def load(path: Path | str) -> LoadedCheckpoint:
    """Read a model file that :func:`save` wrote; nothing in the file is executed.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    CheckpointError
        If the file is missing, is something else (a pickled module, a bare state dictionary, any other
        file), is damaged, or describes a network that its tensors do not fit.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"model file {path} must be readable: {error.strerror}") from error
    return _parse(_decode(raw, str(path)), str(path))


def _detached(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone().contiguous()


def _canonical(value: Any) -> Any:  # noqa: ANN401 - any plain value
    """Rebuild containers and intern strings: pickle writes shared objects by identity, not by value."""
    if isinstance(value, Mapping):
        return {_canonical(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return sys.intern(str(value)) if isinstance(value, str) else value


def _write_atomically(path: Path, raw: bytes) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(raw)
                # NamedTemporaryFile is private to its owner; a model file is an ordinary file.
                temporary.chmod(0o666 & ~_umask())
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OutputError(f"model file {path} cannot be written: {error.strerror}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _decode(raw: bytes, path: str) -> object:
    """Unpack the archive without running anything; say what the file is if it is not one of ours."""
    if not raw.startswith(b"PK\x03\x04"):
        if raw.startswith(b"\x80"):
            raise CheckpointError(f"{path} is a pickle, which could run code when loaded; {REMEDY}")
        raise CheckpointError(
            f"{path} must be a model file of this project, not another kind of file; {REMEDY}"
        )
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        raise CheckpointError(f"{path} is cut off or damaged; copy it again from where it came from")
    try:
        # torch only warns of an odd pickle header; what follows from it is checked here anyway.
        with warnings.catch_warnings(action="ignore"):
            return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds pickled Python objects (a whole module?), which could run code; {REMEDY}"
        ) from error
    except _DAMAGE as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise CheckpointError(
            f"{path} is damaged or not a model file of this project ({reason}); {REMEDY}"
        ) from error


def _parse(content: object, path: str) -> LoadedCheckpoint:
    entries = _entries(content, path)
    model = build(entries["architecture"])
    _load_state(model, entries["state"])
    example = _tensor(entries["example_input"], "example_input")
    loaded = LoadedCheckpoint(
        model.eval(), example, _metadata(entries["metadata"]), _golden(entries["golden"])
    )
    _check_runs(loaded, path)
    return loaded


def _entries(content: object, path: str) -> dict[str, object]:
    expected = {"format", "version", "architecture", "state", "example_input", "metadata", "golden"}
    if isinstance(content, dict) and content and all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(
            f"{path} is a bare state dictionary, which does not say what network it is for; {REMEDY}"
        )
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} must be a model file of format {FORMAT!r}, not something else; {REMEDY}"
        )
    if type(content.get("version")) is not int or content["version"] != VERSION:
        raise CheckpointError(
            f"{path} must be of format version {VERSION}, not {content.get('version')!r:.80}"
        )
    if content.keys() != expected:
        raise CheckpointError(
            f"{path} must have the entries {sorted(expected)}, not {sorted(map(str, content))}"
        )
    return cast("dict[str, object]", content)


def _tensor(value: object, name: str) -> Tensor:
    """Return ``value`` if it is a plain finite tensor that owns as many values as its shape says."""
    # A strided view could claim terabytes with one stored value; contiguity bounds it by the file's size.
    plain = isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized
    if not plain or not cast("Tensor", value).is_contiguous():
        raise CheckpointError(f"{name!r} must be a dense, contiguous tensor, not {type(value).__name__}")
    tensor = cast("Tensor", value)
    if not bool(torch.isfinite(tensor).all()):
        raise CheckpointError(f"tensor {name!r} must be finite; it holds NaN or infinity")
    return tensor


def _form(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}"


def _load_state(model: nn.Sequential, state: object) -> None:
    """Fill ``model`` (built without memory) with checked tensors."""
    if not isinstance(state, dict):
        raise CheckpointError(
            f"the state in a checkpoint must be a dictionary of tensors, not {type(state).__name__}"
        )
    expected = model.state_dict()
    missing, extra = sorted(expected.keys() - state.keys()), sorted(map(str, state.keys() - expected.keys()))
    if missing or extra:
        raise CheckpointError(
            f"the tensors do not fit the architecture: missing {missing}, unexpected {extra}"
        )
    for name, wanted in expected.items():
        found = _tensor(state[name], name)
        if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            raise CheckpointError(f"tensor {name!r} must be {_form(wanted)}, not {_form(found)}")
    model.load_state_dict({name: value.clone() for name, value in state.items()}, assign=True)
    _check_buffers(model)


def _check_buffers(model: nn.Sequential) -> None:
    for name, module in model.named_children():
        if isinstance(module, _CHECKED):
            try:
                module.check_buffers()
            except ValueError as error:
                raise CheckpointError(f"layer {name!r}: {error}") from error


def _metadata(value: object) -> Metadata:
    expected = {f.name: type(f.default) for f in fields(Metadata)} | {"method": str}
    if not isinstance(value, dict) or value.keys() != expected.keys():
        raise CheckpointError(f"the metadata in a checkpoint must have the fields {sorted(expected)}")
    for name, wanted in expected.items():
        if type(value[name]) is not wanted:
            raise CheckpointError(
                f"metadata field {name!r} must be {wanted.__name__}, not {value[name]!r:.80}"
            )
    try:
        return Metadata(**(value | {"method": Method(value["method"])}))
    except ValueError as error:
        raise CheckpointError(f"metadata field 'method' is unknown: {error}") from error


def _golden(value: object) -> Golden:
    if not isinstance(value, dict) or value.keys() != {"images", "labels"}:
        raise CheckpointError("the golden inputs in a checkpoint must be a dictionary of images and labels")
    images, labels = _tensor(value["images"], "golden images"), _tensor(value["labels"], "golden labels")
    fits = images.dtype is torch.uint8 and labels.dtype is torch.int64
    if not fits or images.dim() != 2 or tuple(labels.shape) != (images.shape[0],):
        raise CheckpointError(
            "golden inputs must be uint8 images (n, features) and int64 labels (n,), "
            f"not {_form(images)} and {_form(labels)}"
        )
    return Golden(images.numpy(), labels.numpy())


@torch.no_grad()
def _check_runs(loaded: LoadedCheckpoint, path: str) -> None:
    """Run the example and the golden images once, so that layers which do not fit are found here."""
    inputs = [loaded.example_input]
    if len(loaded.golden.images):
        inputs.append(torch.from_numpy(loaded.golden.images))
    for x in inputs:
        try:
            loaded.model(x)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reason = str(error).split("\n")[0]
            raise CheckpointError(
                f"the network in {path} cannot compute its own example: {reason}"
            ) from error
