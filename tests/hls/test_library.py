"""The static headers: they compile alone, without warnings, and their two branches agree."""

import re
import subprocess

import pytest

from hbnn_hw.backends.hls import HlsTool, emit
from hbnn_hw.templating import template_root
from hbnn_hw.verify.csim import find_headers
from tests.hls.conftest import QUICK
from tests.hls.layer_bench import BRANCHES
from tests.hls.networks import TARGET, golden, mlp, write_texts
from tests.tables import rows

pytestmark = pytest.mark.hls

LIBRARY = template_root() / "hls" / "lib"

STRICT = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-isystem")

WORDS = """
#include "bits.h"
#include <cstdio>

static unsigned long long state = 1;

// Dense, sparse and random words in turn.
template <int BITS>
ap_uint<BITS> random_word(unsigned turn) {
  ap_uint<BITS> x = turn;
  for (int at = 0; BITS > 12 && at < BITS; at += 16) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const unsigned part = unsigned(state >> 40) | (turn % 3 == 1 ? 0xffffu : 0u);
    const int high = at + 15 < BITS ? at + 15 : BITS - 1;
    x.range(high, at) = turn % 3 == 2 ? 0u : part & 0xffffu;
  }
  return x;
}

template <int BITS>
typename hbnn::LaneWord<BITS>::type lanes(const ap_uint<BITS> &word) {
#if HBNN_NATIVE_WORDS
  return hbnn::parts_of<BITS>(word);
#else
  return word;
#endif
}

template <int BITS>
ap_uint<BITS> word(const typename hbnn::LaneWord<BITS>::type &lanes) {
#if HBNN_NATIVE_WORDS
  return lanes;
#else
  return lanes;
#endif
}

// Everything against loops over single bits.
template <int BITS>
unsigned check() {
  unsigned wrong = 0;
  for (unsigned turn = 0; turn < (BITS <= 6 ? 1u << BITS : 60u); ++turn) {
    const ap_uint<BITS> x = random_word<BITS>(turn), w = random_word<BITS>(turn / 3);
    const ap_uint<BITS> m = random_word<BITS>(turn / 2), all = ~ap_uint<BITS>(0);
    unsigned ones = 0, equal = 0, differ = 0, present = 0;
    for (int bit = 0; bit < BITS; ++bit) {
      ones += x[bit] == 1;
      equal += m[bit] == 1 && x[bit] == w[bit];
      differ += m[bit] == 1 && x[bit] != w[bit];
      present += m[bit] == 1;
    }
    typedef hbnn::Agreement<BITS> agreement;
    wrong += hbnn::PopcountTree<BITS>::of(x) != ones;
    wrong += word<BITS>(lanes<BITS>(x)) != x;
    wrong += agreement::in(lanes<BITS>(x), lanes<BITS>(w), lanes<BITS>(m), false, false) != equal;
    wrong += agreement::in(lanes<BITS>(x), lanes<BITS>(w), lanes<BITS>(m), true, false) != differ;
    wrong += agreement::in(lanes<BITS>(x), lanes<BITS>(w), lanes<BITS>(m), false, true) != present;
    wrong += agreement::in(lanes<BITS>(x), lanes<BITS>(w), lanes<BITS>(all), false, true) != BITS;
    const int cut = (BITS + 1) / 2, at = turn % (BITS - cut + 1);
    const ap_uint<cut> middle = word<cut>(hbnn::bits_of<BITS, cut>(lanes<BITS>(x), at));
    wrong += middle != ap_uint<cut>(x.range(at + cut - 1, at));
  }
  if (wrong) std::printf("width %d: %u wrong\\n", BITS, wrong);
  return wrong;
}

template <unsigned GROUPS, unsigned LANES, unsigned PLANES, bool TOP_INVERTED>
unsigned split() {
  const unsigned BITS = GROUPS * LANES * PLANES + 1;
  unsigned wrong = 0;
  for (unsigned turn = 0; turn < 9; ++turn) {
    const ap_uint<BITS> beat = random_word<BITS>(turn);
    typename hbnn::LaneWord<LANES>::type words[GROUPS * PLANES];
    hbnn::split_planes<BITS, GROUPS, LANES, PLANES, TOP_INVERTED>(beat, words);
    for (unsigned i = 0; i < GROUPS * LANES * PLANES; ++i) {
      const unsigned plane = i % PLANES, lane = i / PLANES % LANES, group = i / PLANES / LANES;
      const bool expected = (beat[i] == 1) != (TOP_INVERTED && plane == PLANES - 1);
      wrong += (word<LANES>(words[group * PLANES + plane])[lane] == 1) != expected;
    }
  }
  if (wrong) std::printf("split %u %u %u: %u wrong\\n", GROUPS, LANES, PLANES, wrong);
  return wrong;
}

int main() {
  unsigned wrong = split<1, 7, 1, false>() + split<2, 3, 4, true>();
  wrong += split<3, 65, 2, true>() + split<1, 130, 3, false>();
CHECKS
  return wrong != 0;
}
"""


def _compile(compiler, source, *arguments):
    command = [compiler.path, "-std=c++11", *STRICT, find_headers().path, *arguments, source]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize(
    ("compiled_by", "branches"),
    rows(
        [("compiler", ()), ("clang", BRANCHES), ("compiler", BRANCHES)],
        usual=lambda compiled_by, branches: (compiled_by == "clang") == (branches == BRANCHES),
    ),
    ids=["native", "synthesis", "synthesis by g++"],
)
def test_words_are_their_bits(request, compiled_by, branches, tmp_path):
    """What the layers do with words, in both branches: equal by being equal to loops over bits."""
    source = tmp_path / "words.cpp"
    widths = [1, 2, 3, 4, 5, 6, 7, 11, 31, 33, 64, 65, 128, 200]
    source.write_text(WORDS.replace("CHECKS", "\n".join(f"  wrong += check<{width}>();" for width in widths)))
    compiler = request.getfixturevalue(compiled_by)
    _compile(compiler, source, *QUICK, *branches, "-I", LIBRARY, "-o", tmp_path / "words")
    outcome = subprocess.run([tmp_path / "words"], capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_headers_compile_alone(tmp_path, compiler):
    """Each header is the first of its own translation unit.

    The vendor's take most of the time, and all but one get them through a header of ours, so they are
    compiled once.
    """
    stand_ins = template_root() / "hls" / "csim"
    (tmp_path / "axis.h").write_text((LIBRARY / "axis_vivado_hls.h").read_text())
    vendor = tmp_path / "vendor.h"
    vendor.write_text("#define AP_INT_MAX_W 4096\n#include <ap_int.h>\n")
    _compile(compiler, vendor, "-o", tmp_path / "vendor.h.gch")
    for header in sorted(LIBRARY.glob("*.h")):
        ours = re.findall(r'#include "(.*)"', header.read_text())
        assert bool(ours) != (header.name == "bits.h")
        source = tmp_path / f"{header.stem}.cpp"
        source.write_text(f'#include "{header.name}"\n')
        folders = ["-isystem", stand_ins, "-I", LIBRARY, "-I", tmp_path]
        prefix = [] if header.name == "bits.h" else ["-include", vendor]
        _compile(compiler, source, *prefix, *folders, "-fsyntax-only")


@pytest.mark.parametrize(
    "standard", rows(["-std=c++11", "-std=c++17"], usual=lambda standard: "11" in standard)
)
def test_project_links_from_its_own_files(standard, tmp_path, compiler):
    """The delivered files, compiled one by one as the vendor's tool does, with all warnings of g++."""
    graph = mlp(50, [8, 6, 4], (2, 4), None, coefficients=(2, 1), shared_columns=True)
    write_texts(tmp_path, emit(graph, golden(graph, 3), TARGET, HlsTool.VIVADO_HLS))
    objects = []
    for source in (tmp_path / "src" / "random_mlp.cpp", tmp_path / "tb" / "testbench.cpp"):
        objects.append(source.with_suffix(".o"))
        _compile(compiler, source, standard, *QUICK, "-c", "-o", objects[-1])
    subprocess.run([compiler.path, *objects, "-o", tmp_path / "bench"], check=True)
    outcome = subprocess.run([tmp_path / "bench"], cwd=tmp_path / "tb", capture_output=True, text=True)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "PASSED: 3 image(s)\n", "")
