"""Compilers with precompiled vendor headers, which halve the time of each C simulation."""

import subprocess
from pathlib import Path

import pytest

from hbnn_hw.verify.csim import CsimTools, compile_flags, find_compiler, find_headers
from tests.hls.layer_bench import LayerBench

QUICK = ("-O0", "-fno-exceptions")
"""These programs are so small that the compiler is all the time, a third of it for exceptions."""

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
def clang(compiler):
    """The second compiler, which takes less than half as long."""
    found = find_compiler(Path("clang++"))
    assert found is not None, "the checks need clang: scripts/install_tools.sh"
    return found


def precompiled(compiler, folder):
    prefix = folder / "prefix.h"
    prefix.write_text(PREFIX)
    flags = [*compile_flags(find_headers().path, folder), *QUICK]
    command = [compiler.path, *flags, "-x", "c++-header", prefix, "-o", folder / "prefix.h.gch"]
    subprocess.run(command, check=True)
    return CsimTools(compiler=compiler.path, extra_flags=(*QUICK, "-include", str(prefix)))


@pytest.fixture(scope="session")
def csim_tools(compiler, tmp_path_factory):
    return precompiled(compiler, tmp_path_factory.mktemp("headers"))


@pytest.fixture(scope="session")
def clang_tools(clang, tmp_path_factory):
    return precompiled(clang, tmp_path_factory.mktemp("clang_headers"))


@pytest.fixture(scope="session")
def bench(compiler, tmp_path_factory):
    """Layers by themselves, compiled with g++."""
    return LayerBench(compiler.path, tmp_path_factory.mktemp("layers"), QUICK)


@pytest.fixture(scope="session")
def clang_bench(clang, tmp_path_factory):
    return LayerBench(clang.path, tmp_path_factory.mktemp("clang_layers"), QUICK)
