"""The static headers: they compile alone, without warnings, and their two branches agree."""

import subprocess

import pytest

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.templating import template_root
from hbnn_hw.verify.csim import find_headers
from tests.hls.networks import TARGET, golden, mlp, write_texts

pytestmark = pytest.mark.hls

LIBRARY = template_root() / "hls" / "lib"

STRICT = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-isystem")

POPCOUNTS = """
#include "bits.h"
#include <cstdio>

// Both branches against a loop over single bits; every value of narrow words, random ones of wide words.
template <int BITS>
unsigned check(unsigned long long &state) {
  unsigned wrong = 0;
  const unsigned n = BITS <= 12 ? 1u << BITS : 300u;
  for (unsigned i = 0; i < n; ++i) {
    ap_uint<BITS> x = i;
    if (BITS > 12) {
      for (int at = 0; at < BITS; at += 16) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        // Dense, sparse and random words.
        const unsigned part = unsigned(state >> 40) | (i % 3 == 1 ? 0xffffu : 0u);
        const int high = at + 15 < BITS ? at + 15 : BITS - 1;
        x.range(high, at) = i % 3 == 2 ? 0u : part & 0xffffu;
      }
    }
    unsigned count = 0;
    for (int bit = 0; bit < BITS; ++bit) count += x[bit] == 1;
    wrong += hbnn::PopcountTree<BITS>::of(x) != count;
    wrong += hbnn::popcount_words<BITS>(x) != count;
  }
  if (wrong) std::printf("width %d: %u wrong\\n", BITS, wrong);
  return wrong;
}

int main() {
  unsigned long long state = 1;
  unsigned wrong = 0;
CHECKS
  return wrong != 0;
}
"""


def _compile(compiler, source, *arguments):
    command = [compiler.path, "-std=c++11", *STRICT, find_headers().path, *arguments, source]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_popcount_branches_agree(tmp_path, compiler):
    widths = [*range(1, 13), 16, 31, 32, 33, 63, 64, 65, 100, 128, 200]
    source = tmp_path / "popcounts.cpp"
    source.write_text(
        POPCOUNTS.replace("CHECKS", "\n".join(f"  wrong += check<{width}>(state);" for width in widths))
    )
    _compile(compiler, source, "-O0", "-I", LIBRARY, "-o", tmp_path / "popcounts")
    outcome = subprocess.run([tmp_path / "popcounts"], capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_headers_compile_alone(tmp_path, compiler):
    """Each header is the first of its own translation unit; -x c++ takes the file as it is."""
    stand_ins = template_root() / "hls" / "csim"
    (tmp_path / "axis.h").write_text((LIBRARY / "axis_vivado_hls.h").read_text())
    for header in sorted(LIBRARY.glob("*.h")):
        source = tmp_path / f"{header.stem}.cpp"
        source.write_text(f'#include "{header.name}"\n')
        _compile(compiler, source, "-isystem", stand_ins, "-I", LIBRARY, "-I", tmp_path, "-fsyntax-only")


@pytest.mark.parametrize("standard", ["-std=c++11", "-std=c++17"])
def test_project_links_from_its_own_files(standard, tmp_path, compiler):
    """The delivered files, compiled one by one as the vendor's tool does, with all warnings of g++."""
    graph = mlp(50, [8, 6, 4], (2, 4), None, coefficients=(2, 1), shared_columns=True)
    write_texts(tmp_path, emit(graph, golden(graph, 3), TARGET, HlsTool.VIVADO_HLS))
    objects = []
    for source in (tmp_path / "src" / "random_mlp.cpp", tmp_path / "tb" / "testbench.cpp"):
        objects.append(source.with_suffix(".o"))
        _compile(compiler, source, standard, "-O0", "-c", "-o", objects[-1])
    subprocess.run([compiler.path, *objects, "-o", tmp_path / "bench"], check=True)
    outcome = subprocess.run([tmp_path / "bench"], cwd=tmp_path / "tb", capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "PASSED: 3 image(s)\n", "")
