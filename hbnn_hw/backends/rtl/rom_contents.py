"""Contents of read-only memories, kept out of Amaranth's memories and of Yosys.

Amaranth prints a memory's content bit by bit, which costs a microsecond and tens of bytes each. So a ROM is
an instance here, whose content is one string of hexadecimal words. In the RTLIL text the instance becomes a
memory without a content, which carries a number in its place; in the Verilog text the words return as the
assignments that Yosys prints, but in blocks of few, because it reads a block in a time that grows with the
square of its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from amaranth.hdl import ClockSignal, Instance, Value

CONTENTS_ATTRIBUTE = "rom_contents"
"""Attribute of a memory whose content is kept apart; its value is the number of the content."""

_CELL_TYPE = "rom_with_contents"

Contents = dict[tuple[int, str], int]
"""Number of every content: width of the words [bit], and the words in hexadecimal, separated by spaces."""


def rom_instance(
    words: Sequence[int], address: Value, enable: Value, data: Value, attributes: Mapping[str, str | int]
) -> Instance:
    """Return a memory of constant words with synchronous read.

    Only for :func:`~hbnn_hw.backends.rtl.verilog.to_verilog`, which knows what the instance means.

    Parameters
    ----------
    words
        The content; word ``i`` is read at address ``i``.
    address, enable
        What is read at the next clock, and whether.
    data
        The word that was read, undefined before the first one.
    attributes
        Attributes of the memory, for synthesis.
    """
    digits = -(-len(data) // 4)
    text = " ".join([f"{word:0{digits}x}" for word in words])
    return Instance(
        _CELL_TYPE,
        *(("a", name, value) for name, value in attributes.items()),
        ("a", CONTENTS_ATTRIBUTE, text),
        p_WIDTH=len(data),
        p_SIZE=len(words),
        p_ABITS=len(address),
        i_CLK=ClockSignal(),
        i_EN=enable,
        i_ADDR=address,
        o_DATA=data,
    )


_INSTANCE = re.compile(
    rf"""^  attribute \\{CONTENTS_ATTRIBUTE} "([0-9a-f ]*)"
  cell \\{_CELL_TYPE} (\\\S+)
    parameter \\WIDTH (\d+)
    parameter \\SIZE (\d+)
    parameter \\ABITS (\d+)
((?:    connect .*\n)*)  end$""",
    re.MULTILINE,
)

_MEMORY = r"""  attribute \{attribute} {number}
  memory width {width} size {size} {name}

  cell $memrd_v2 ${name}
    parameter \MEMID "\{name}"
    parameter \ABITS {address_bits}
    parameter \WIDTH {width}
    parameter \TRANSPARENCY_MASK 0'0
    parameter \COLLISION_X_MASK 0'0
    parameter \ARST_VALUE {undefined}
    parameter \SRST_VALUE {undefined}
    parameter \INIT_VALUE {undefined}
    parameter \CE_OVER_SRST 0
    parameter \CLK_ENABLE 1
    parameter \CLK_POLARITY 1
{connections}    connect \ARST 1'0
    connect \SRST 1'0
  end"""
"""What Amaranth prints for a memory with one synchronous read port, but for the content."""


def take_contents(design: str) -> tuple[str, Contents]:
    """Make memories of the ROM instances of an RTLIL text; return the text and their contents.

    Equal contents get the same number, so that modules which differ in nothing else are equal texts.
    """
    contents: Contents = {}

    def memory(match: re.Match[str]) -> str:
        words, name, width, size, address_bits, connections = match.groups()
        return _MEMORY.format(
            attribute=CONTENTS_ATTRIBUTE,
            number=contents.setdefault((int(width), words), len(contents)),
            width=width,
            size=size,
            name=name,
            address_bits=address_bits,
            undefined=f"{width}'{'x' * int(width)}",
            connections=connections,
        )

    taken = _INSTANCE.sub(memory, design)
    assert _CELL_TYPE not in taken, "every ROM instance is a cell as Amaranth prints it"
    return taken, contents


_DECLARATION = re.compile(
    rf"^  \(\* {CONTENTS_ATTRIBUTE} = 32'd(\d+) \*\)\n((?:  \(\* .* \*\)\n)*  reg .*?(\w+) \[\d+:0\];\n)",
    re.MULTILINE,
)


def put_contents(verilog: str, contents: Contents) -> str:
    """Print the words below the memories of a Verilog text that carry the number of a content."""
    of_number = {number: content for content, number in contents.items()}
    memories = list(_DECLARATION.finditer(verilog))
    assert len(memories) == verilog.count(CONTENTS_ATTRIBUTE), "every memory is one as Yosys prints it"
    parts, end = [], 0
    for memory in memories:
        number, declaration, name = memory.groups()
        parts += [verilog[end : memory.start()], declaration, *_assignments(name, *of_number[int(number)])]
        end = memory.end()
    return "".join([*parts, verilog[end:]])


_BLOCK_WORDS = 64
"""Most assignments in an initial block."""


def _assignments(memory: str, width: int, words: str) -> Iterator[str]:
    """Print the lines that give a memory its content."""
    lines = [f"    {memory}[{at}] = {width}'h{word};\n" for at, word in enumerate(words.split(" "))]
    for first in range(0, len(lines), _BLOCK_WORDS):
        yield "".join(["  initial begin\n", *lines[first : first + _BLOCK_WORDS], "  end\n"])
