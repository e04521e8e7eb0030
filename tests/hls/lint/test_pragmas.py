"""Every fault of a pragma is found at its line by its rule, and the correct pragmas beside it are not."""

import pytest

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.verify.hls_lint.grammar import ARITHMETIC_CORES, DIRECTIVES, MEMORY_CORES, Place
from hbnn_hw.verify.hls_lint.pragmas import read_pragmas
from tests.hls.lint.projects import found, marked, write_project

COMMON = {
    "misspelt_directive": """
void f(int x[4]) {
#pragma HLS PIPELNE II=1 // !pragma-unknown
#pragma HLS INLINE off
}
""",
    "not_hls": """
void f(int x[4]) {
#pragma HSL INLINE off // !pragma-unknown
#pragma HLS // !pragma-unknown
#pragma HLS inline off
}
""",
    "unknown_option": """
void f() {
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=1 flush_enable // !pragma-option
  }
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=1 rewind
  }
}
""",
    "wrong_values": """
void f() {
  int x[8], y[8], z[8];
#pragma HLS ARRAY_PARTITION variable=x complet // !pragma-option
#pragma HLS ARRAY_PARTITION variable=y complete dim=first.one // !pragma-option
#pragma HLS ARRAY_PARTITION variable=z complete dim=1
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=0 // !pragma-option
  }
}
""",
    "missing_and_double_options": """
void f() {
  int x[8], y[8], z[8];
#pragma HLS ARRAY_PARTITION complete // !pragma-option
#pragma HLS ARRAY_PARTITION variable=x cyclic // !pragma-option
#pragma HLS ARRAY_PARTITION variable=y complete factor=2 // !pragma-option
#pragma HLS ARRAY_PARTITION variable=z variable=z complete // !pragma-option
  for (int i = 0; i < 4; ++i) {
#pragma HLS LOOP_TRIPCOUNT min=1 // !pragma-option
  }
  for (int i = 0; i < 4; ++i) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 4
  }
}
""",
    "wrong_variable": """
struct rom { int words[4][8]; };
static const rom table = {};
int global[8];
template <class Layer>
void t(const Layer &layer) {
#pragma HLS ARRAY_PARTITION variable=layer.words complete dim=1
#pragma HLS ARRAY_PARTITION variable=layers.words complete dim=1 // !pragma-variable
}
void f(int parameter[4]) {
#pragma HLS ARRAY_PARTITION variable=parameter complete
#pragma HLS ARRAY_PARTITION variable=global complete
#pragma HLS ARRAY_PARTITION variable=table.words complete dim=0
#pragma HLS ARRAY_PARTITION variable=table.word complete // !pragma-variable
#pragma HLS ARRAY_PARTITION variable=later complete // !pragma-variable
  int later[4];
  {
    int inner[4];
#pragma HLS ARRAY_PARTITION variable=inner complete
#pragma HLS ARRAY_PARTITION variable=later complete
  }
#pragma HLS ARRAY_PARTITION variable=inner complete // !pragma-variable
  int scalar = 0;
#pragma HLS ARRAY_PARTITION variable=scalar complete // !pragma-variable
  t(table);
}
""",
    "member_of_an_instance": """
template <int N> struct lanes { int words[N]; };
template <class Rom>
void t(const Rom &rom) {
#pragma HLS ARRAY_PARTITION variable=rom.words complete
#pragma HLS ARRAY_PARTITION variable=rom.lanes complete // !pragma-variable
}
struct buffer {
  int words[4];
  void clear() {
#pragma HLS ARRAY_PARTITION variable=words complete
#pragma HLS ARRAY_PARTITION variable=this->words complete
#pragma HLS ARRAY_PARTITION variable=word complete // !pragma-variable
  }
};
static const lanes<4> four = {};
void f() { t(four); }
""",
    "outside_functions": """
#pragma HLS INLINE // !pragma-position
struct s {
#pragma HLS INLINE // !pragma-position
  void f() {
#pragma HLS INLINE
  }
};
#ifndef __SYNTHESIS__
void host() {
#pragma HLS INLINE
}
#endif
""",
    "macro_pragma": """
#define UNROLL _Pragma("HLS UNROLL") // !pragma-position
""",
    "position_in_loops": """
void f(int x[4]) {
  int sum = 0;
#pragma HLS INLINE off // !pragma-position
#pragma HLS UNROLL // !pragma-position
  for (int i = 0; i < 4; ++i) {
    sum += x[i];
#pragma HLS UNROLL // !pragma-position
  }
  for (int i = 0; i < 4; ++i) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE
    if (i == 2) {
#pragma HLS UNROLL // !pragma-position
      sum += x[i];
    }
  }
}
void whole() {
#pragma HLS PIPELINE II=1
  int y = 0;
}
""",
    "interface_of_an_inner_function": """
void f(int x[4]) {
#pragma HLS INTERFACE s_axilite port=x // !pragma-position
}
""",
    "factor": """
template <unsigned N>
void t() {
  int x[N][6];
#pragma HLS ARRAY_PARTITION variable=x cyclic factor=4 dim=1 // !pragma-factor
#pragma HLS ARRAY_PARTITION variable=x block factor=3 dim=2
}
void f() {
  int x[12], y[12][2];
#pragma HLS ARRAY_PARTITION variable=x cyclic factor=4
#pragma HLS ARRAY_RESHAPE variable=y cyclic factor=5 dim=1 // !pragma-factor
#pragma HLS ARRAY_RESHAPE variable=y complete dim=3 // !pragma-factor
  t<10>();
}
""",
    "partition_limit": """
template <int LANES, int DEPTH> struct rom { int words[LANES][DEPTH]; };
static const rom<32, 64> large = {};
static const rom<32, 32> small = {};
template <class Rom>
void t(const Rom &table) {
#pragma HLS ARRAY_PARTITION variable=table.words complete dim=0 // !partition-limit
}
void f() {
  int line[1024], longer[1025], twice[64][32];
#pragma HLS ARRAY_PARTITION variable=line complete
#pragma HLS ARRAY_PARTITION variable=longer complete // !partition-limit
#pragma HLS ARRAY_PARTITION variable=small.words complete dim=0
#pragma HLS ARRAY_PARTITION variable=large.words complete dim=1
#pragma HLS ARRAY_PARTITION variable=twice complete dim=1
#pragma HLS ARRAY_PARTITION variable=twice cyclic factor=32 dim=2 // !partition-limit
  t(large);
  t(small);
}
""",
    "dependence": """
void f() {
  int x[8];
  for (int i = 0; i < 8; ++i) {
#pragma HLS DEPENDENCE variable=x inter RAW distance=4 true
#pragma HLS DEPENDENCE variable=x inter false
#pragma HLS DEPENDENCE variable=x inter rwa false // !pragma-option
#pragma HLS DEPENDENCE variable=x intra // !pragma-option
  }
}
""",
    "continued_line": """
void f() {
  int x[8];
#pragma HLS ARRAY_PARTITION variable=x \\
    complete dim=1
#pragma HLS ARRAY_PARTITION variable=x block \\
    factor=3 // on the next line
}
/*
#pragma HLS PIPELNE
*/
""".replace("variable=x block", "variable=x /* !pragma-factor */ block"),
}

VIVADO = {
    "other_dialect": """
void f() {
  int x[8], y[8];
#pragma HLS RESOURCE variable=x core=RAM_2P_BRAM
#pragma HLS BIND_STORAGE variable=y type=ram_2p impl=bram // !pragma-dialect
#pragma HLS ARRAY_PARTITION variable=y type=complete // !pragma-dialect
#pragma HLS AGGREGATE variable=y // !pragma-dialect
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=1 enable_flush
  }
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=1 style=flp // !pragma-dialect
  }
}
""",
    "unknown_core": """
void f() {
  int x[8], y[8];
#pragma HLS RESOURCE variable=x core=RAM_S2P_LUTRAM
#pragma HLS RESOURCE variable=y core=RAM_S3P_LUTRAM // !pragma-option
}
""",
}

VITIS = {
    "other_dialect": """
void f() {
  int x[8], y[8];
#pragma HLS BIND_STORAGE variable=x type=ram_2p impl=bram
#pragma HLS BIND_OP variable=x op=mul impl=fabric
#pragma HLS RESOURCE variable=y core=RAM_2P_BRAM // !pragma-dialect
#pragma HLS ARRAY_PARTITION variable=y type=complete
#pragma HLS DATA_PACK variable=y // !pragma-dialect
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=1 enable_flush // !pragma-dialect
  }
  for (int i = 0; i < 4; ++i) {
#pragma HLS PIPELINE II=1 style=flp
  }
}
""",
    "storage_that_does_not_exist": """
void f() {
  int x[8], y[8], z[8];
#pragma HLS BIND_STORAGE variable=x type=rom_1p impl=lutram
#pragma HLS BIND_STORAGE variable=y type=rom_1p impl=srl // !pragma-option
#pragma HLS BIND_STORAGE variable=z type=rom_3p impl=bram // !pragma-option
#pragma HLS BIND_STORAGE variable=z impl=bram // !pragma-option
}
""",
}

CASES = [
    *((tool, f"{name}", code) for name, code in COMMON.items() for tool in HlsTool),
    *((HlsTool.VIVADO_HLS, name, code) for name, code in VIVADO.items()),
    *((HlsTool.VITIS_HLS, name, code) for name, code in VITIS.items()),
]


@pytest.mark.parametrize(("tool", "name", "code"), CASES, ids=[f"{c[0].value}-{c[1]}" for c in CASES])
def test_faults_are_found_and_nothing_else(tool, name, code, tmp_path):
    text = write_project(tmp_path, code, tool)
    assert found(tmp_path) == marked_pragmas(text)


def marked_pragmas(text):
    return marked(text.replace("/* !pragma-factor */", "// !pragma-factor"))


@pytest.mark.parametrize(
    ("tool", "pragma", "rule"),
    [
        (HlsTool.VIVADO_HLS, "axis register both port=s_axis_in", None),
        (HlsTool.VITIS_HLS, "axis register both port=s_axis_in", "pragma-dialect"),
        (HlsTool.VIVADO_HLS, "axis register_mode=both register port=s_axis_in", "pragma-dialect"),
        (HlsTool.VITIS_HLS, "axis register_mode=both register port=s_axis_in", None),
        (HlsTool.VITIS_HLS, "mode=axis port=s_axis_in", None),
        (HlsTool.VIVADO_HLS, "mode=axis port=s_axis_in", "pragma-dialect"),
        (HlsTool.VIVADO_HLS, "axis both port=s_axis_in", "pragma-option"),
        (HlsTool.VIVADO_HLS, "axi port=s_axis_in", "pragma-option"),
        (HlsTool.VIVADO_HLS, "axis", "pragma-option"),
    ],
)
def test_interface_of_each_dialect(tool, pragma, rule):
    _, findings = read_pragmas("net.cpp", f"\n#pragma HLS INTERFACE {pragma}\n", tool)
    assert [(f.line, f.rule.value) for f in findings] == ([] if rule is None else [(2, rule)])


def test_findings_say_what_is_wrong_and_what_to_do():
    _, (finding,) = read_pragmas("a.h", "#pragma HLS PIPELINE II=1 style=flp\n", HlsTool.VIVADO_HLS)
    assert finding.text == (
        "a.h:1: pragma-dialect: 'style=flp' of PIPELINE must be spelled for Vivado HLS, not for Vitis HLS; "
        "translate it in the back end's dialect module"
    )
    _, (finding,) = read_pragmas("a.h", "#pragma HLS BIND_OP variable=x op=mul impl=lut\n", HlsTool.VITIS_HLS)
    assert finding.what == "'impl' of BIND_OP must be one of auto, dsp, fabric, not 'lut'"


def test_the_grammar_is_well_formed():
    for name, directive in DIRECTIVES.items():
        assert name == directive.name.upper()
        assert directive.tools
        assert directive.places <= set(Place)
        for option in directive.options:
            assert option.named | option.bare, (name, option.name)
            assert option.choices == {choice.lower() for choice in option.choices}
    assert not set(MEMORY_CORES.split()) & set(ARITHMETIC_CORES.split())
