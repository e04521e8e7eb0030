"""The state of a training run in a file, from which the run goes on as if it had never stopped.

The file is ``torch.save`` of plain values and tensors only, so it is read with ``weights_only=True`` and
no code in it can ever run.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hbnn_hw.artifacts import replace_file
from hbnn_hw.errors import TrainStateError
from hbnn_hw.nn.plain_pickle import DAMAGE
from hbnn_hw.nn.train_identity import CHANGING_FLAGS, Identity, difference

FORMAT = "hbnn_hw.train_state"
VERSION = 1
_DAMAGE = (*DAMAGE, zipfile.BadZipFile, pickle.UnpicklingError)
"""What the readers of zip files, of torch and of its state dictionaries raise on damaged content."""


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """The objects of a run that training changes.

    Attributes
    ----------
    model
        The network, on the device of the run.
    optimizer, schedule
        What takes its steps.
    order
        The source of the order of the images.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    order: torch.Generator


@dataclass(frozen=True, slots=True)
class StateFile:
    """The file of one run.

    Attributes
    ----------
    path
        Where it is.
    identity
        What the run is; a file of another run is refused.
    """

    path: Path
    identity: Identity

    def save(self, running: Running, epoch: int) -> None:
        """Write the state after ``epoch`` epochs, whole or not at all.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        content = {"format": FORMAT, "version": VERSION, "identity": self.identity, "epoch": epoch}
        buffer = io.BytesIO()
        torch.save(content | _pack(running), buffer)
        replace_file(self.path, buffer.getvalue())

    def restore(self, running: Running) -> int:
        """Bring a new run into the saved state; return the number of epochs done.

        Raises
        ------
        TrainStateError
            If the file is missing, is damaged or something else, or is of another run.
        """
        content = self._read()
        differs = difference(content.get("identity"), self.identity)
        if differs:
            raise TrainStateError(
                f"state file {self.path} must be of the same run, but {differs}; "
                "resume with what the run was started with, or start anew with another state file"
            )
        epoch = content.get("epoch")
        if type(epoch) is not int or epoch < 0:
            raise TrainStateError(f"the epoch in state file {self.path} must be a number, not {epoch!r:.80}")
        try:
            _unpack(running, content)
        except _DAMAGE as error:
            raise self._damaged(error) from error
        return epoch

    def _read(self) -> dict[str, Any]:
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            raise TrainStateError(f"state file {self.path} must be readable: {error.strerror}") from error
        try:
            # torch does not compare the check sums that it writes.
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                broken = archive.testzip()
            if broken:
                raise zipfile.BadZipFile(f"check sum of {broken}")
            with warnings.catch_warnings(action="ignore"):
                content = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
        except _DAMAGE as error:
            raise self._damaged(error) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise TrainStateError(f"{self.path} must be a state file of a training run, not something else")
        if content.get("version") != VERSION:
            raise TrainStateError(
                f"state file {self.path} must be of version {VERSION}, not {content.get('version')!r:.80}"
            )
        return content

    def _damaged(self, error: BaseException) -> TrainStateError:
        reason = str(error).strip().split("\n")[0][:200]
        return TrainStateError(
            f"{self.path} is damaged or no state file of a training run ({reason}); start the run anew"
        )


def _pack(running: Running) -> dict[str, Any]:
    on_gpu = any(parameter.is_cuda for parameter in running.model.parameters())
    return {
        "model": running.model.state_dict(),
        "optimizer": running.optimizer.state_dict(),
        "schedule": running.schedule.state_dict(),
        "order": running.order.get_state(),
        "torch_random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state() if on_gpu else None,
        "generators": {
            name: {"device": generator.device.type, "state": generator.get_state()}
            for name, generator in _generators(running.model)
        },
        "flags": {name: flags for name, flags in _flags(running.model) if flags},
    }


def _unpack(running: Running, content: dict[str, Any]) -> None:
    model = running.model
    model.load_state_dict(content["model"])
    running.optimizer.load_state_dict(content["optimizer"])
    running.schedule.load_state_dict(content["schedule"])
    running.order.set_state(content["order"])
    torch.set_rng_state(content["torch_random"])
    if content["cuda_random"] is not None:
        torch.cuda.set_rng_state(content["cuda_random"])
    for name, _ in list(_generators(model)):
        _set_generator(model.get_submodule(name), content["generators"][name])
    # After the tensors: loading them may move a flag.
    for name, flags in list(_flags(model)):
        for flag in flags:
            setattr(model.get_submodule(name), flag, bool(content["flags"][name][flag]))


def _generators(model: nn.Module) -> Iterator[tuple[str, torch.Generator]]:
    """Yield the layers that draw random numbers of their own, as StochasticSign does."""
    for name, module in model.named_modules():
        generator = getattr(module, "generator", None)
        if isinstance(generator, torch.Generator):
            yield name, generator


def _set_generator(module: nn.Module, saved: dict[str, Any]) -> None:
    state: Tensor = saved["state"]
    # A new one, because a layer makes its generator on the device of its first batch.
    generator = torch.Generator(saved["device"]).set_state(state)
    module.generator = generator  # type: ignore[assignment]


def _flags(model: nn.Module) -> Iterator[tuple[str, dict[str, bool]]]:
    for name, module in model.named_modules():
        yield name, {flag: getattr(module, flag) for flag in CHANGING_FLAGS if hasattr(module, flag)}
