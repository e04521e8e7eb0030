"""From a traced program to a :class:`~hbnn_hw.nn.network.Network` of known layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.network import INPUT, Network
from hbnn_hw.nn.tracing.assembly import assemble
from hbnn_hw.nn.tracing.handlers import HANDLERS, VIEWS, refusal
from hbnn_hw.nn.tracing.program import Call, Program, Ref
from hbnn_hw.nn.tracing.walk import Refused, Walk, refuse_all


def normalise(program: Program) -> Network:
    """Make a network of a traced program.

    Parameters
    ----------
    program
        What was traced; its tensors become the network's, not copies of them.

    Raises
    ------
    CaptureError
        If operations have no place in a network; all are named at once, each with the path of its module,
        the reason and what to do.
    """
    calls = _needed(program)
    readers = Counter(ref.name for call in calls for ref in _refs(call.arguments.values()))
    walk = Walk(program, {program.input: INPUT}, readers)
    overwritten = _overwritten_early(program)
    refusals = []
    for call in calls:
        try:
            if call.name in overwritten:
                raise Refused(
                    "it overwrites a value that is read again later; use the form that is not in place"
                )
            walk.values[call.name] = _applied(walk, call)
        except Refused as error:
            refusals.append(f"{_title(call)}: {error}")
            walk.values[call.name] = call.name
    if refusals:
        refuse_all(refusals)
    output = walk.values.get(program.output)
    if output is None or not walk.uses:
        raise CaptureError("the network must compute its output from its input, with at least one layer")
    return assemble(walk, output)


def _applied(walk: Walk, call: Call) -> str:
    handler = HANDLERS.get(call.operator)
    if handler is None:
        raise Refused(refusal(call.operator))
    value = handler(walk, call)
    batch = walk.shape(Ref(walk.program.input))[:1]
    if walk.output_form(call).shape[:1] != batch:
        raise Refused("it must keep samples apart: the first dimension is the batch")
    return value


def _needed(program: Program) -> list[Call]:
    """Return the calls that the output depends on, in order; in-place ones count as readers only."""
    needed = {program.output}
    kept = []
    for call in reversed(program.calls):
        if call.name in needed:
            needed.update(ref.name for ref in _refs(call.arguments.values()))
            kept.append(call)
    return kept[::-1]


def _overwritten_early(program: Program) -> set[str]:
    """Return the in-place calls whose overwritten value, under any name, is read after them."""
    owner = {program.input: program.input}
    last_read: dict[str, list[tuple[int, str]]] = {}
    for index, call in enumerate(program.calls):
        refs = [ref.name for ref in _refs(call.arguments.values())]
        for name in refs:
            last_read.setdefault(owner.get(name, name), []).append((index, name))
        shares = call.in_place or call.operator in VIEWS
        owner[call.name] = owner.get(refs[0], refs[0]) if shares and refs else call.name
    made = {call.name: index for index, call in enumerate(program.calls)} | {program.input: -1}
    made_before = {
        call.name
        for index, call in enumerate(program.calls)
        if call.in_place
        and any(at > index and made.get(name, -1) < index for at, name in last_read.get(owner[call.name], []))
    }
    return made_before


def _refs(arguments: object) -> Iterator[Ref]:
    """Yield all tensors among arguments."""
    for argument in arguments if isinstance(arguments, list) else list(arguments):  # type: ignore[call-overload]
        if isinstance(argument, Ref):
            yield argument
        elif isinstance(argument, list):
            yield from _refs(argument)


def _title(call: Call) -> str:
    module = f"'{call.module.path}'" if call.module.path else "the network itself"
    class_name = call.module.class_name.rpartition(".")[2]
    return f"{module} ({class_name}), {call.operator}" if class_name else f"{module}, {call.operator}"
