"""From a traced program to a :class:`~hbnn_hw.nn.network.Network` of known layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from hbnn_hw.errors import CaptureError
from hbnn_hw.nn.network import INPUT, Network
from hbnn_hw.nn.tracing.assembly import assemble
from hbnn_hw.nn.tracing.handlers import HANDLERS, VIEWS, refusal
from hbnn_hw.nn.tracing.program import Argument, Call, Program, Ref
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
    overwritten = _overwritten_early(program)
    calls = _needed(program, overwritten)
    readers = Counter(ref.name for call in calls for ref in _refs(call.arguments.values()))
    walk = Walk(program, {program.input: INPUT}, readers)
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


def _needed(program: Program, overwritten: set[str]) -> list[Call]:
    """Return the calls that the output depends on, in order, and those that overwrite what it reads."""
    needed = {program.output, *overwritten}
    kept = []
    for call in reversed(program.calls):
        if call.name in needed:
            needed.update(ref.name for ref in _refs(call.arguments.values()))
            kept.append(call)
    return kept[::-1]


def _overwritten_early(program: Program) -> set[str]:
    """Return the in-place calls whose overwritten value, under any name made before, is read after them."""
    owner = {program.input: program.input}
    made = {program.input: -1} | {call.name: index for index, call in enumerate(program.calls)}
    reads: dict[str, list[tuple[int, int]]] = {}
    for index, call in enumerate(program.calls):
        names = [ref.name for ref in _refs(call.arguments.values())]
        for name in names:
            reads.setdefault(owner.get(name, name), []).append((index, made.get(name, -1)))
        shares = names and (call.in_place or call.operator in VIEWS)
        owner[call.name] = owner.get(names[0], names[0]) if shares else call.name
    end, output = len(program.calls), program.output
    reads.setdefault(owner.get(output, output), []).append((end, made.get(output, -1)))
    return {
        call.name
        for index, call in enumerate(program.calls)
        if call.in_place and any(read > index > since for read, since in reads.get(owner[call.name], []))
    }


def _refs(arguments: Iterable[Argument]) -> Iterator[Ref]:
    """Yield all tensors among arguments."""
    for argument in arguments:
        if isinstance(argument, Ref):
            yield argument
        elif isinstance(argument, list):
            yield from _refs(argument)


def _title(call: Call) -> str:
    module = f"'{call.module.path}'" if call.module.path else "the network itself"
    class_name = call.module.class_name.rpartition(".")[2]
    return f"{module} ({class_name}), {call.operator}" if class_name else f"{module}, {call.operator}"
