"""Sizes that the vendor's tools refuse, found before a project is written."""

from __future__ import annotations

from hbnn_hw.errors import FoldingError, GraphError

WORD_LIMIT_BITS = 4096
"""Widest ap_uint and TDATA [bit]. Source: UG1399, "ap_[u]int" and "AXI4-Stream Interfaces"."""

PARTITION_LIMIT = 1024
"""Most elements of a completely partitioned array. Source: Vivado HLS error XFORM 203-103; the option that
raises the limit is gone from Vitis HLS."""

NUMBER_LIMIT_BITS = 60
"""Widest integer that the kernels compute with [bit]: C simulation holds it with a carry in 64 bits."""


def check_word(layer: str, what: str, bits: int, remedy: str) -> None:
    """Raise FoldingError, naming the layer, if a word is wider than the tools allow."""
    if bits > WORD_LIMIT_BITS:
        raise FoldingError(
            f"layer '{layer}': the {what} must be at most {WORD_LIMIT_BITS} bits wide for the HLS tools, "
            f"not {bits}; {remedy}"
        )


def check_partition(layer: str, what: str, elements: int, remedy: str) -> None:
    """Raise FoldingError, naming the layer, if an array has too many elements to be partitioned."""
    if elements > PARTITION_LIMIT:
        raise FoldingError(
            f"layer '{layer}': the {what} must have at most {PARTITION_LIMIT} elements for the HLS tools, "
            f"not {elements}; {remedy}"
        )


def check_number(layer: str, what: str, bits: int) -> None:
    """Raise GraphError, naming the layer, if integers are wider than the kernels compute with."""
    if bits > NUMBER_LIMIT_BITS:
        raise GraphError(f"'{layer}': the {what} must have at most {NUMBER_LIMIT_BITS} bits, not {bits}")
