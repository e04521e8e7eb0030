"""What libclang needs beside the sources to see them as synthesis does.

Synthesis defines ``__SYNTHESIS__``, but open C simulation headers have no such branch. A shim in front of
each vendor header takes the macro away while the header is read, so that only our own code sees it.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from hbnn_hw.backends.hls.dialect import HlsTool
from hbnn_hw.errors import ToolMissingError
from hbnn_hw.templating import static_text
from hbnn_hw.verify.csim import STAND_INS, FoundTool, find_compiler, find_headers

VENDOR_HEADERS = ("ap_int.h", "ap_fixed.h", "ap_axi_sdata.h", "hls_stream.h", "hls_math.h")

WORD_LIMIT_NAME = "hbnn_lint_word_limit"
"""Enumerator that carries the AP_INT_MAX_W with which ap_int.h was read."""

_SHIM = """\
#pragma push_macro("__SYNTHESIS__")
#undef __SYNTHESIS__
#include_next <{name}>
#pragma pop_macro("__SYNTHESIS__")
"""

_WORD_LIMIT = f"""\
#if defined(AP_INT_MAX_W) && !defined(HBNN_LINT_WORD_LIMIT)
#define HBNN_LINT_WORD_LIMIT
enum {{ {WORD_LIMIT_NAME} = AP_INT_MAX_W }};
#endif
"""

_TOOL_MACROS = {HlsTool.VIVADO_HLS: (), HlsTool.VITIS_HLS: ("-D__VITIS_HLS__",)}


def require_headers(explicit: Path | None) -> Path:
    """Find the vendor's or an open C simulation header set.

    Raises
    ------
    ToolMissingError
        If there is none.
    """
    found = find_headers(explicit)
    if found is None:
        raise ToolMissingError(
            "the linter needs the HLS headers; type: pip install 'hbnn-hw[csim]', or set XILINX_HLS to the "
            "vendor's tool"
        )
    return found.path


def _builtin_headers(compiler: FoundTool) -> Path:
    """Folder of stddef.h and its like, which libclang's package does not carry."""
    command = [str(compiler.path), "-print-file-name=include"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if (Path(answer) / "stddef.h").is_file():
        return Path(answer)
    # clang++ has no such file name; its headers lie in the resource folder.
    command = [str(compiler.path), "-print-resource-dir"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return Path(answer) / "include"


def write_shims(folder: Path, headers: Path) -> None:
    """Write the shims and our stand-ins for what the header set lacks."""
    (folder / "shims").mkdir()
    (folder / "stand_ins").mkdir()
    for name in VENDOR_HEADERS:
        text = _SHIM.format(name=name) + (_WORD_LIMIT if name == "ap_int.h" else "")
        (folder / "shims" / name).write_text(text, encoding="utf-8")
    for name in STAND_INS:
        if not (headers / name).is_file():
            text = static_text(f"hls/csim/{name}")
            (folder / "stand_ins" / name).write_text(text, encoding="utf-8")


def clang_arguments(folder: Path, headers: Path, tool: HlsTool) -> list[str]:
    """Return libclang's command line for sources as synthesis sees them.

    Raises
    ------
    ToolMissingError
        If there is no C++ compiler, whose own headers libclang needs.
    """
    compiler = find_compiler()
    if compiler is None:
        raise ToolMissingError("the linter needs the headers of a C++ compiler; type: apt-get install g++")
    # Shims first: include_next goes on behind the folder in which a shim was found.
    includes = (folder / "shims", headers, folder / "stand_ins", _builtin_headers(compiler))
    flags = ["-x", "c++", "-std=c++11", "-D__SYNTHESIS__", *_TOOL_MACROS[tool]]
    return flags + [word for path in includes for word in ("-isystem", str(path))]
