"""The project's model file: architecture as data, tensors, and what is known of the training.

The file is ``torch.save`` of plain values and tensors only, so it is read with ``weights_only=True`` and
no code in it can ever run. Everything read is checked before it is believed.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from hbnn_hw.errors import CheckpointError, OutputError
from hbnn_hw.nn.dry_run import check_runs, check_sizes
from hbnn_hw.nn.encoders import ThermometerInput
from hbnn_hw.nn.hbnn_activation import HbnnActivation
from hbnn_hw.nn.latent import QuantizedLayer
from hbnn_hw.nn.metadata import Golden, Metadata, Method
from hbnn_hw.nn.network import Network, Step
from hbnn_hw.nn.plain_pickle import REMEDY, open_archive, read_plain
from hbnn_hw.nn.registry import build, build_layers, describe, describe_layers, is_known
from hbnn_hw.nn.shortened import shortened
from hbnn_hw.nn.stored_zip import StoredZip
from hbnn_hw.nn.tracing import is_archive, load_archive, trace
from hbnn_hw.nn.uniform_activation import UniformActivation

FORMAT = "hbnn_hw.checkpoint"
FLAT_VERSION, NETWORK_VERSION = 1, 2
"""Of files with an ``nn.Sequential``, whose architecture is a list of layers, and with a network of steps."""
_CHECKED = (QuantizedLayer, HbnnActivation, ThermometerInput, UniformActivation)
"""Layers that know which buffers they could not have computed."""


@dataclass(frozen=True, slots=True, eq=False)
class LoadedCheckpoint:
    """What a checkpoint holds.

    Attributes
    ----------
    model
        The network as trained, in evaluation mode: flat, or of any topology.
    example_input
        Tensor (batch, ...) that the network accepts.
    metadata
        What is known of its training.
    golden
        Real images and labels.
    """

    model: nn.Sequential | Network
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
        Any module that ``torch.export`` can trace and whose operations docs/capture.md lists, from one
        tensor to one tensor. It is left as it is.
    example_input
        (batch, ...), an input that the network accepts: codes (batch, features), or images (batch, channels,
        height, width).
    path
        File to write; an existing one is replaced.
    metadata, golden
        What is known of the training, and real images; both optional.

    Raises
    ------
    CaptureError
        If operations of the network cannot be saved; all are named at once.
    CheckpointError
        If the network could not be loaded again (settings that no file tells, values that are not finite),
        or it does not accept the example.
    OutputError
        If the file cannot be written.
    """
    if not isinstance(example_input, Tensor):
        raise CheckpointError(f"example_input must be a torch tensor, not {type(example_input).__name__}")
    golden = golden or Golden()
    model = _savable(model, example_input)
    content = _canonical(
        {
            "format": FORMAT,
            "version": NETWORK_VERSION if isinstance(model, Network) else FLAT_VERSION,
            "architecture": _architecture(model),
            "state": {key: _detached(value) for key, value in model.state_dict().items()},
            "example_input": _detached(example_input),
            "metadata": asdict(metadata or Metadata()) | {"method": (metadata or Metadata()).method.value},
            "golden": {
                "images": torch.from_numpy(golden.images.copy()),
                "labels": torch.from_numpy(golden.labels.copy()),
            },
        }
    )
    buffer = io.BytesIO()
    # Through a buffer, because torch names the archive's folder after a file that it opens itself.
    torch.save(content, buffer)
    _parse(content, "the model")
    _write_atomically(Path(path), buffer.getvalue())


def _savable(model: nn.Module, example_input: Tensor) -> nn.Sequential | Network:
    """Return the model if a file can describe it as it is, and otherwise what tracing makes of it."""
    if isinstance(model, Network):
        return model
    if type(model) is nn.Sequential and len(model) and all(is_known(child) for child in model):
        return model
    return trace(model, example_input)


def _architecture(model: nn.Sequential | Network) -> object:
    if isinstance(model, Network):
        return {"layers": describe_layers(model.layers), "steps": [asdict(step) for step in model.steps]}
    return describe(model)


def load(path: Path | str) -> LoadedCheckpoint:
    """Read a model file that :func:`save` wrote, or ``torch.export.save``; nothing in it is executed.

    Parameters
    ----------
    path
        The file. Of an archive of ``torch.export`` metadata and golden images are empty.

    Raises
    ------
    CheckpointError
        If the file is missing, is something else (a pickled module, a bare state dictionary, any other
        file), is damaged, or describes a network that its tensors do not fit.
    CaptureError
        If operations of an archive have no place in a network; all are named at once.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"model file {path} must be readable: {error.strerror}") from error
    archive = open_archive(raw, str(path))
    if is_archive(archive):
        return _from_archive(archive, str(path))
    archive.check()
    return _parse(read_plain(raw, str(path)), str(path))


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


def _from_archive(archive: StoredZip, path: str) -> LoadedCheckpoint:
    network, example = load_archive(archive)
    for name, tensor in network.state_dict().items():
        _tensor(tensor, name)
    _check_buffers(network)
    check_runs(network, example, path, at_a_time=check_sizes(network, example, path))
    return LoadedCheckpoint(network, example, Metadata(), Golden())


def _parse(content: object, path: str) -> LoadedCheckpoint:
    entries = _entries(content, path)
    model = _build(entries["version"], entries["architecture"]).eval()
    example, golden = _tensor(entries["example_input"], "example_input"), _golden(entries["golden"])
    state = _checked_state(model, entries["state"])
    inputs = [example, *([torch.from_numpy(golden.images)] if len(golden.images) else [])]
    at_a_time = [check_sizes(model, x, path) for x in inputs]
    model.load_state_dict({name: value.clone() for name, value in state.items()}, assign=True)
    _check_buffers(model)
    for x, most in zip(inputs, at_a_time, strict=True):
        check_runs(model, x, path, at_a_time=most)
    return LoadedCheckpoint(model, example, _metadata(entries["metadata"]), golden)


def _build(version: object, architecture: object) -> nn.Sequential | Network:
    if version == FLAT_VERSION:
        return build(architecture)
    if not isinstance(architecture, dict) or architecture.keys() != {"layers", "steps"}:
        raise CheckpointError("the architecture in a checkpoint must be a dictionary of layers and steps")
    steps = architecture["steps"]
    if not isinstance(steps, list):
        raise CheckpointError(f"the steps in a checkpoint must be a list, not {shortened(steps)}")
    layers = build_layers(architecture["layers"])
    network = Network(layers, [_step(index, step) for index, step in enumerate(steps)])
    unused = sorted(layers.keys() - network.layers.keys())
    if unused:
        raise CheckpointError(f"every layer must be applied by a step, but {shortened(unused)} are not")
    return network


def _step(index: int, step: object) -> Step:
    if not isinstance(step, dict) or step.keys() != {"name", "layer", "inputs"}:
        raise CheckpointError(
            f"step {index} must be a dictionary of name, layer and inputs, not {shortened(step)}"
        )
    texts = [step["name"], step["layer"], *(step["inputs"] if isinstance(step["inputs"], list) else [None])]
    if not all(isinstance(text, str) for text in texts):
        raise CheckpointError(f"name, layer and inputs of step {index} must be text, not {shortened(texts)}")
    return Step(step["name"], step["layer"], tuple(step["inputs"]))


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
    version = content.get("version")
    if type(version) is not int or version not in (FLAT_VERSION, NETWORK_VERSION):
        raise CheckpointError(
            f"{path} must be of format version {FLAT_VERSION} or {NETWORK_VERSION}, not {shortened(version)}"
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


def _checked_state(model: nn.Module, state: object) -> dict[str, Tensor]:
    """Return the tensors of ``model`` (built without memory), all of them and all as it has them."""
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
    return state


def _check_buffers(model: nn.Module) -> None:
    for name, module in model.named_modules():
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
                f"metadata field {name!r} must be {wanted.__name__}, not {shortened(value[name])}"
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
    if not fits or images.dim() < 2 or tuple(labels.shape) != (images.shape[0],):
        raise CheckpointError(
            "golden inputs must be uint8 images (n, ...) and int64 labels (n,), "
            f"not {_form(images)} and {_form(labels)}"
        )
    return Golden(images.numpy(), labels.numpy())
