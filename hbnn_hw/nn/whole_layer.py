"""A layer of ours as one call in a graph of ``torch.export``, not as the arithmetic it is made of.

The call is the operator ``hbnn_hw::layer(Tensor x, str kind, str config, Tensor[] state) -> Tensor``: the
kind and the configuration of :mod:`hbnn_hw.nn.registry`, the latter as JSON, and the tensors of the layer's
state dictionary in their order. So an exported program tells the layers, and it runs wherever this package
is imported.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily

OPERATOR = "hbnn_hw::layer"
_SCHEMA = "(Tensor x, str kind, str config, Tensor[] state) -> Tensor"
_COMPUTES = "_computes_its_operator"
"""Attribute of a layer inside the operator, whose forward pass is the arithmetic."""

Layer = TypeVar("Layer", bound=nn.Module)


def is_exporting() -> bool:
    """Say whether ``torch.export`` is tracing; never, before PyTorch 2.7 could tell."""
    return hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting()


def whole_layer(forward: Callable[[Layer, Tensor], Tensor]) -> Callable[[Layer, Tensor], Tensor]:
    """Make a layer's forward pass one call of :data:`OPERATOR` while ``torch.export`` traces evaluation.

    Everywhere else (training, compilation, plain calls) it is left as it is, and so it is in a strict export,
    whose compiler reads the code itself.
    """

    @functools.wraps(forward)
    def either(self: Layer, x: Tensor) -> Tensor:
        whole = is_exporting() and not torch.compiler.is_dynamo_compiling()
        if not whole or self.training or hasattr(self, _COMPUTES):
            return forward(self, x)
        return _called(self, x)

    return either


def _called(layer: nn.Module, x: Tensor) -> Tensor:
    # Not at the top: the registry imports all layers, and they import this.
    from hbnn_hw.nn.registry import describe_layer

    kind, fields = describe_layer(layer)
    state = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
    result: Tensor = torch.ops.hbnn_hw.layer(x, kind, json.dumps(fields), state)
    return result


@torch.no_grad()
def _compute(x: Tensor, kind: str, config: str, state: Sequence[Tensor]) -> Tensor:
    """Rebuild the layer around its tensors and apply it."""
    from hbnn_hw.nn.registry import build_layer

    # Where only shapes are computed, constructors must not think that theirs are.
    with unset_fake_temporarily():
        layer = build_layer(kind, kind, json.loads(config)).eval()
    setattr(layer, _COMPUTES, True)
    tensors = dict(zip(layer.state_dict(), state, strict=True))
    result: Tensor = torch.func.functional_call(layer, tensors, (x,))
    # An operator must not hand out what it was given.
    return result.clone() if result is x else result


_operator = torch.library.custom_op(OPERATOR, _compute, mutates_args=(), schema=_SCHEMA)
_operator.register_fake(_compute)
