"""Run a network that is not trusted yet: first its sizes, then its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hbnn_hw.errors import CheckpointError

LARGEST_VALUE = 1 << 28
"""Most numbers of any tensor that one sample makes, 1 GiB of float32; more only for larger weights."""
WEIGHT_GROWTH = 8
"""Most numbers of a tensor for each number of the weights: planes of all bits of a layer at once."""
_MISFIT = (RuntimeError, ValueError, TypeError, IndexError, OverflowError, NotImplementedError)
"""What layers raise on values that do not fit them."""


class _LargestTensor(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches every operation for the size of what it makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.numbers: int = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch gives no type
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        made = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
        self.numbers = max(self.numbers, *sizes) if sizes else self.numbers
        return made


@torch.no_grad()
def check_sizes(model: nn.Module, x: Tensor, path: str) -> int:
    """Compute the shapes of everything that one sample makes, without memory for it.

    Parameters
    ----------
    model
        Left as it is; may be on device "meta".
    x
        (batch, ...).
    path
        File that it came from, for complaints.

    Returns
    -------
    int
        How many samples at a time stay within the bound.

    Raises
    ------
    CheckpointError
        If shapes do not fit, or a tensor would be larger than :data:`LARGEST_VALUE` and
        :data:`WEIGHT_GROWTH` times all weights.
    """
    if not x.dim() or not len(x):
        raise CheckpointError(f"an input of {path} must be (batch, ...), not {tuple(x.shape)}")
    described = {name: tensor.to("meta") for name, tensor in model.state_dict().items()}
    bound = max(LARGEST_VALUE, WEIGHT_GROWTH * sum(tensor.numel() for tensor in described.values()))
    try:
        with _LargestTensor() as largest:
            torch.func.functional_call(model, described, (x[:1].to("meta"),))
    except _MISFIT as error:
        raise _cannot_compute(path, error) from error
    if largest.numbers > bound:
        raise CheckpointError(
            f"the network in {path} must make tensors of at most {bound} numbers for one sample, "
            f"not {largest.numbers}"
        )
    return int(bound // max(largest.numbers, 1))


@torch.no_grad()
def check_runs(model: nn.Module, inputs: Tensor, path: str, *, at_a_time: int) -> None:
    """Run inputs (samples, ...), so that layers which do not fit their values are found.

    Raises
    ------
    CheckpointError
        If one cannot be computed.
    """
    try:
        for x in torch.split(inputs, at_a_time):
            model(x)
    except _MISFIT as error:
        raise _cannot_compute(path, error) from error


def _cannot_compute(path: str, error: Exception) -> CheckpointError:
    reason = str(error).split("\n")[0]
    return CheckpointError(f"the network in {path} cannot compute its own example: {reason}")
