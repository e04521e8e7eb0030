"""A compiler with precompiled vendor headers, which halves the time of each C simulation."""

import subprocess

import pytest

from hbnn_hw.verify.csim import CsimTools, compile_flags, find_compiler, find_headers

PREFIX = "#define AP_INT_MAX_W 4096\n" + "".join(
    f"#include <{name}>\n"
    for name in ("ap_int.h", "hls_stream.h", "fstream", "iomanip", "iostream", "vector")
)


@pytest.fixture(scope="session")
def compiler():
    found, headers = find_compiler(), find_headers()
    if found is None or headers is None:
        pytest.skip("a C simulation needs g++ and the open HLS headers: pip install 'hbnn-hw[csim]'")
    return found


@pytest.fixture(scope="session")
def csim_tools(compiler, tmp_path_factory):
    """Unoptimized: these networks are so small that the compiler is all the time."""
    folder = tmp_path_factory.mktemp("headers")
    prefix = folder / "prefix.h"
    prefix.write_text(PREFIX)
    flags = [*compile_flags(find_headers().path, folder), "-O0"]
    command = [compiler.path, *flags, "-x", "c++-header", prefix, "-o", folder / "prefix.h.gch"]
    subprocess.run(command, check=True)
    return CsimTools(extra_flags=("-O0", "-include", str(prefix)))
