"""What the linter reports: which rule, where, what is wrong, what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Rule(Enum):
    """One rule of the linter; docs/hls_lint.md says where each comes from."""

    COMPILE_ERROR = "compile-error"

    PRAGMA_UNKNOWN = "pragma-unknown"
    PRAGMA_DIALECT = "pragma-dialect"
    PRAGMA_OPTION = "pragma-option"
    PRAGMA_VARIABLE = "pragma-variable"
    PRAGMA_POSITION = "pragma-position"
    PRAGMA_FACTOR = "pragma-factor"
    PARTITION_LIMIT = "partition-limit"

    RECURSION = "recursion"
    UNDEFINED_FUNCTION = "undefined-function"
    DYNAMIC_MEMORY = "dynamic-memory"
    VIRTUAL = "virtual"
    EXCEPTION = "exception"
    GOTO = "goto"
    FUNCTION_POINTER = "function-pointer"
    POINTER_TO_POINTER = "pointer-to-pointer"
    STD_CLASS = "std-class"
    HOST_CALL = "host-call"
    FLOATING_POINT = "floating-point"
    LOOP_UNBOUNDED = "loop-unbounded"
    LOOP_BOUND = "loop-bound"

    DATAFLOW_STATEMENT = "dataflow-statement"
    DATAFLOW_CONDITION = "dataflow-condition"
    DATAFLOW_RETURN = "dataflow-return"
    STREAM_WRITERS = "stream-writers"
    STREAM_READERS = "stream-readers"
    STREAM_FEEDBACK = "stream-feedback"
    STREAM_DEPTH = "stream-depth"
    STREAM_STORAGE = "stream-storage"
    PORT_INTERFACE = "port-interface"
    PORT_NAME = "port-name"

    WORD_WIDTH = "word-width"
    AXIS_WIDTH = "axis-width"
    AXIS_TLAST = "axis-tlast"
    FILE_SIZE = "file-size"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault in the sources.

    Attributes
    ----------
    file
        Path relative to the project folder, with forward slashes.
    line
        Line in it, from 1.
    rule
        The broken rule.
    what
        What must be what, not what was found.
    remedy
        What to do about it.
    """

    file: str
    line: int
    rule: Rule
    what: str
    remedy: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.file}:{self.line}: {self.rule.value}: {self.what}; {self.remedy}"

    def document(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self) | {"rule": self.rule.value}
