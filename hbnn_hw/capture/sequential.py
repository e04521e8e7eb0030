"""Capture: a deployed PyTorch network becomes an IR graph, one node per module, under the module's name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from hbnn_hw.errors import CaptureError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.nn.activations import BitPlaneInput, SignActivation
from hbnn_hw.nn.deployed import DeployedAffine, DeployedLinear
from hbnn_hw.ops import Affine, Dense, EncodeBitPlanes, Op, Sign, SignOfZero
from hbnn_hw.types import Integers, TensorType
from hbnn_hw.weights import WeightPlanes


def _encoder(module: nn.Module) -> Op:
    assert isinstance(module, BitPlaneInput)
    return EncodeBitPlanes(n_bits=module.bits)


def _dense(module: nn.Module) -> Op:
    assert isinstance(module, DeployedLinear)
    return Dense(
        weights=WeightPlanes.from_bits(module.bits.numpy(), module.mask.numpy(), module.coefficients)
    )


def _affine(module: nn.Module) -> Op:
    assert isinstance(module, DeployedAffine)
    return Affine(alpha=_constants(module.alpha), beta=_constants(module.beta))


def _sign(module: nn.Module) -> Op:
    assert isinstance(module, SignActivation)
    return Sign(zero=SignOfZero(module.zero))


def _constants(values: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return values.detach().numpy().astype(np.float32)


_OPERATORS: dict[type[nn.Module], Callable[[nn.Module], Op]] = {
    BitPlaneInput: _encoder,
    DeployedLinear: _dense,
    DeployedAffine: _affine,
    SignActivation: _sign,
}


def capture(deployed: nn.Sequential, name: str) -> Graph:
    """Translate a deployed network.

    Parameters
    ----------
    deployed
        What :func:`hbnn_hw.nn.deploy` returns.
    name
        Name of the network, a C and Verilog identifier.

    Returns
    -------
    Graph
        One node per module, with the same outputs, bit for bit, on every input.

    Raises
    ------
    CaptureError
        Naming every module that is not one of a deployed network's.
    """
    children = dict(deployed.named_children())
    offenders = [
        f"'{path}' ({type(m).__name__})" for path, m in children.items() if type(m) not in _OPERATORS
    ]
    if offenders:
        known = ", ".join(cls.__name__ for cls in _OPERATORS)
        raise CaptureError(f"cannot capture {', '.join(offenders)}; a deployed network is made of {known}")
    nodes: list[Node] = []
    source = "x"
    for path, module in children.items():
        nodes.append(Node(identifier(path), _OPERATORS[type(module)](module), (source,)))
        source = nodes[-1].name
    graph = Graph(identifier(name), "x", _input_type(nodes), tuple(nodes))
    graph.check()
    return graph


def _input_type(nodes: list[Node]) -> TensorType:
    encoder, features = (
        nodes[0].op,
        next((n.op.weights.columns for n in nodes if isinstance(n.op, Dense)), None),
    )
    if not isinstance(encoder, EncodeBitPlanes) or features is None:
        raise CaptureError("a network must begin with BitPlaneInput and hold at least one linear layer")
    return TensorType((features,), Integers(0, 2**encoder.n_bits - 1))


def identifier(path: str) -> str:
    """Turn a module path into a C and Verilog identifier: ``features.0.conv`` to ``features_0_conv``."""
    text = "".join(c if c.isascii() and c.isalnum() else "_" for c in path)
    return f"layer_{text}" if not text or text[0].isdigit() else text
