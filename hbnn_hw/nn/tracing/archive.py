"""What ``torch.export.save`` writes, read without running anything of it.

``torch.export.load`` unpickles without restriction whatever an archive marks as pickled, so it must not see
files that are not trusted. This reader takes the graph from its JSON and tensors from their raw bytes, and
refuses everything pickled but the plain example input.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hbnn_hw.errors import CheckpointError
from hbnn_hw.nn.network import Network
from hbnn_hw.nn.plain_pickle import open_archive, read_plain
from hbnn_hw.nn.stored_zip import StoredZip
from hbnn_hw.nn.tracing.archive_graph import read_graph
from hbnn_hw.nn.tracing.archive_json import Fields
from hbnn_hw.nn.tracing.archive_tensors import read_tensors
from hbnn_hw.nn.tracing.normalise import normalise
from hbnn_hw.nn.tracing.program import Program

FORMAT, ARCHIVE_VERSION, BYTE_ORDER = b"pt2", b"0", b"little"
SCHEMA_MAJOR = 8
"""Of the graph's JSON; PyTorch changes it where older readers would misunderstand. Tested: 8.20 (2.13)."""
OPERATORS_VERSION = 10
"""Of PyTorch's operators."""
_RENEW = "save it again with PyTorch 2.13: torch.export.save(torch.export.export(model, (x,)), path)"


def is_archive(archive: StoredZip) -> bool:
    """Say whether a zip is an archive of ``torch.export``."""
    return any(name.partition("/")[2] == "archive_format" for name in archive.names)


def load_archive(archive: StoredZip) -> tuple[Network, Tensor]:
    """Read an archive of one exported program.

    Parameters
    ----------
    archive
        What ``torch.export.save`` wrote.

    Returns
    -------
    tuple
        The network, in evaluation mode, and its example input (batch, ...).

    Raises
    ------
    CheckpointError
        If the archive is damaged, of a version that is not known, or holds what could run code.
    CaptureError
        If operations have no place in a network; all are named at once.
    """
    program, name = _program(archive)
    network = normalise(program)
    return network, _example(archive, name, program)


def _program(archive: StoredZip) -> tuple[Program, str]:
    root = archive.names[0].partition("/")[0] + "/"
    for member, wanted in (
        ("archive_format", FORMAT),
        ("archive_version", ARCHIVE_VERSION),
        ("byteorder", BYTE_ORDER),
    ):
        found = archive.read(root + member).strip()
        if found != wanted:
            raise CheckpointError(
                f"{member} of {archive.path} must be {wanted.decode()!r}, not {found[:20]!r}; {_RENEW}"
            )
    models = [name for name in archive.names if name.startswith(f"{root}models/")]
    if len(models) != 1 or not models[0].endswith(".json"):
        raise CheckpointError(f"{archive.path} must hold one exported program, not {len(models)}; {_RENEW}")
    name = models[0].removeprefix(f"{root}models/").removesuffix(".json")
    exported = Fields.parse(archive.read(models[0]), archive.path)
    _check_versions(exported)
    tensors = {
        key: tensor
        for folder in ("weights", "constants")
        for key, tensor in read_tensors(
            archive, f"{root}data/{folder}/", f"{name}_{folder}_config.json"
        ).items()
    }
    return read_graph(exported.child("graph_module"), tensors), name


def _check_versions(exported: Fields) -> None:
    found = exported.child("schema_version").integer("major"), exported.child("opset_version").integer("aten")
    if found != (SCHEMA_MAJOR, OPERATORS_VERSION):
        raise CheckpointError(
            f"{exported.path} must have the schema {SCHEMA_MAJOR} and operators of version "
            f"{OPERATORS_VERSION}, not {found[0]} and {found[1]}; {_RENEW}"
        )


def _example(archive: StoredZip, name: str, program: Program) -> Tensor:
    """Return the example input that travels with a program; zeros if none does."""
    root = archive.names[0].partition("/")[0]
    member = f"{root}/data/sample_inputs/{name}.pt"
    form = program.forms[program.input]
    if member not in archive.names or not (raw := archive.read(member)):
        shape = (1, *(size or 1 for size in form.shape[1:]))
        # By expansion, because the shape is not believed yet.
        return torch.zeros((), dtype=form.dtype).expand(shape)
    open_archive(raw, f"the example input of {archive.path}")
    match read_plain(raw, f"the example input of {archive.path}"):
        case [[Tensor() as example], dict() as keywords] if not keywords:
            return example
    raise CheckpointError(f"the example input of {archive.path} must be one tensor; {_RENEW}")
