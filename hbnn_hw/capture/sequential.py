"""Capture: a deployed PyTorch network becomes an IR graph, one node per module, under the module's name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from torch import nn

from hbnn_hw.capture.names import identifier
from hbnn_hw.capture.operators import OPERATORS, Place
from hbnn_hw.capture.order import Order, order_behind
from hbnn_hw.errors import CaptureError
from hbnn_hw.graph import Graph, Node
from hbnn_hw.nn.activations import BitPlaneInput
from hbnn_hw.nn.deployed import DeployedLinear
from hbnn_hw.nn.deployed_network import DeployedNetwork
from hbnn_hw.nn.network import INPUT
from hbnn_hw.types import Integers, TensorType


def capture(deployed: DeployedNetwork, name: str) -> Graph:
    """Translate a deployed network.

    Images are (rows, columns, channels) in the IR, the order of a hardware stream, and (channels, rows,
    columns) in PyTorch. The graph reads flat codes in PyTorch's order; an ``Unflatten`` node reorders them,
    and the constants of kernels and of layers behind a ``Flatten`` are permuted here, once.

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
    offenders = [f"'{path}' ({type(m).__name__})" for path, m in children.items() if type(m) not in OPERATORS]
    if offenders:
        known = ", ".join(cls.__name__ for cls in OPERATORS)
        raise CaptureError(f"cannot capture {', '.join(offenders)}; a deployed network is made of {known}")
    input_type = _input_type(children.values())
    graph = Graph(identifier(name), INPUT, input_type, tuple(_nodes(deployed, input_type)))
    graph.check()
    return graph


def _nodes(deployed: DeployedNetwork, input_type: TensorType) -> Iterator[Node]:
    kinds: dict[str, TensorType] = {INPUT: input_type}
    orders: dict[str, Order | None] = {INPUT: None}
    for path, module in deployed.named_children():
        sources = deployed.sources[path]
        place = Place(kinds[sources[0]], orders[sources[0]])
        names = tuple(source if source == INPUT else identifier(source) for source in sources)
        node = Node(identifier(path), OPERATORS[type(module)](module, place), names)
        yield node
        inputs = [kinds[source] for source in sources]
        orders[path] = order_behind(node.op, inputs, [orders[source] for source in sources])
        kinds[path] = node.infer(*inputs)


def _input_type(modules: Iterable[nn.Module]) -> TensorType:
    """Return codes (features,): as many as the first module needs that says how many it does."""
    bits = features = None
    for module in modules:
        if isinstance(module, BitPlaneInput):
            bits = module.bits
        elif isinstance(module, nn.Unflatten):
            features = prod(module.unflattened_size)
        elif isinstance(module, DeployedLinear):
            features = features or module.in_features
        if bits and features:
            return TensorType((features,), Integers(0, 2**bits - 1))
    raise CaptureError("a network must begin with BitPlaneInput and hold at least one linear layer")
