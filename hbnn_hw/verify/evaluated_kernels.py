"""Large kernels of unrolled layers in compiled simulation: tables read from their printed text.

Verilator makes 1.4 kB of C++ a LUT, and with its compiler takes 12 milliseconds for it. A kernel that is too
large for that gives way to a module with the same ports and registers, whose logic is a function in C++ that
evaluates a table program (``templates/rtl/sim/table_programs.cpp``). The program is read from the text of the
module it stands for (:mod:`hbnn_hw.verify.kernel_reader`), so what is simulated is still what was printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hbnn_hw.templating import render
from hbnn_hw.verify.kernel_reader import KernelText, ReadKernel, find_kernels, read_kernel

EVALUATOR = "rtl/sim/table_programs.cpp"
"""Source of the evaluator among the templates, compiled with the network."""

_WORD = 32


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedKernels:
    """A network's Verilog with kernels replaced.

    Attributes
    ----------
    verilog
        The text; that of all other modules is unchanged.
    programs
        Contents of the files that the evaluator reads, by their names.
    names
        Names of the replaced modules.
    """

    verilog: str
    programs: dict[str, bytes]
    names: tuple[str, ...]


def replace_kernels(verilog: str, compiled_luts: int) -> EvaluatedKernels:
    """Replace the largest kernels, so that those that stay have ``compiled_luts`` LUTs together at most.

    Raises
    ------
    KernelTextError
        If the text of a kernel that is replaced is malformed.
    """
    large = _largest(find_kernels(verilog), compiled_luts)
    if not large:
        return EvaluatedKernels(verilog, {}, ())
    read = [read_kernel(verilog, kernel) for kernel in large]
    widths = {
        "entering_width": _whole_words(kernel.program.n_entering for kernel in read),
        "leaving_width": _whole_words(len(kernel.program.leaving) for kernel in read),
    }
    parts, at = [render("rtl/sim/table_programs.sv.j2", widths)], 0
    for text, kernel in zip(large, read, strict=True):
        parts += [verilog[at : text.start], _module(text, kernel, widths)]
        at = text.end
    return EvaluatedKernels(
        verilog="".join([*parts, verilog[at:]]),
        programs={
            f"{text.name}.tables": kernel.program.to_bytes() for text, kernel in zip(large, read, strict=True)
        },
        names=tuple(text.name for text in large),
    )


def _largest(kernels: Iterable[KernelText], compiled_luts: int) -> Sequence[KernelText]:
    """Return the kernels that are too large beside all smaller ones, in the order of the text."""
    large = []
    for kernel in sorted(kernels, key=lambda kernel: kernel.luts):
        compiled_luts -= kernel.luts
        if compiled_luts < 0:
            large.append(kernel)
    return sorted(large, key=lambda kernel: kernel.start)


def _whole_words(bits: Iterable[int]) -> int:
    return -(-max(bits) // _WORD) * _WORD


def _module(text: KernelText, kernel: ReadKernel, widths: dict[str, int]) -> str:
    """Print the module that stands for a kernel."""
    registers, first = [], 0
    for name, bits in kernel.registers.items():
        registers.append({"name": name, "bits": bits, "first": first})
        first += bits
    values = widths | {
        "name": text.name,
        "luts": text.luts,
        "is_clocked": text.is_clocked,
        "lanes": text.n_lanes,
        "results": text.n_results,
        "registers": registers,
        "first_result": first,
    }
    return render("rtl/sim/evaluated_kernel.sv.j2", values)
