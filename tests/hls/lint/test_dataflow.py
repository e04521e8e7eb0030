"""Dataflow regions, ports and sizes: faults are found at their lines, correct code beside them is not."""

import pytest

from hbnn_hw.backends.hls import HlsTool
from hbnn_hw.verify.hls_lint import Rule, lint
from tests.hls.lint.projects import HEADERS, TOP, found, marked, write_project

LIBRARY = """
namespace lib {
template <class Word>
void copy(hls::stream<Word> &a, hls::stream<Word> &b) {
#pragma HLS INLINE
  b.write(a.read());
}
template <class Word>
void fork(hls::stream<Word> &in_, hls::stream<Word> &one, hls::stream<Word> &two) {
  const Word word = in_.read();
  one.write(word);
  two.write(word);
}
template <class Word>
void add(hls::stream<Word> &one, hls::stream<Word> &two, hls::stream<Word> &sum) {
  sum.write(Word(one.read() + two.read()));
}
template <class Word, int N>
void deal(hls::stream<Word> &from, hls::stream<Word> to[N]) {
  for (int i = 0; i < N; ++i) {
    to[i].write(from.read());
  }
}
}  // namespace lib
typedef hls::stream<int> ints;
static void copy(ints &a, ints &b) {
#pragma HLS INLINE off
  lib::copy(a, b);
}
static void fork(ints &a, ints &b, ints &c) { lib::fork(a, b, c); }
static void add(ints &a, ints &b, ints &c) { lib::add(a, b, c); }
"""

FLOWS = {
    # The names say nothing here: directions come from what the library does.
    "residual": """
void f(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints left("left"), right("right"), longer("longer");
#pragma HLS STREAM variable=left depth=2
#pragma HLS STREAM variable=right depth=8
#pragma HLS STREAM variable=longer depth=2
  fork(a, left, right);
  copy(left, longer);
  add(longer, right, b);
}
""",
    "two_writers": """
void f(ints &a, ints &b, ints &c) {
#pragma HLS DATAFLOW
  ints x;
#pragma HLS STREAM variable=x depth=2
  copy(a, x);
  copy(b, x); // !stream-writers
  copy(x, c);
}
""",
    "two_readers": """
void f(ints &a, ints &b, ints &c) {
#pragma HLS DATAFLOW
  ints x;
#pragma HLS STREAM variable=x depth=2
  copy(a, x);
  copy(x, b);
  copy(x, c); // !stream-readers
}
""",
    "no_reader_and_no_writer": """
void f(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints x; // !stream-readers
#pragma HLS STREAM variable=x depth=2
  ints y; // !stream-writers
#pragma HLS STREAM variable=y depth=2
  copy(a, x);
  copy(y, b);
}
""",
    "unused_parameter_and_shared_parameter": """
void f(ints &a, ints &unused, ints &b, ints &c) { // !stream-readers
#pragma HLS DATAFLOW
  copy(a, b);
  copy(a, c); // !stream-readers
}
void g(ints &a, ints &b, ints &c) {
#pragma HLS DATAFLOW
  copy(a, c);
  copy(b, c); // !stream-writers
}
""",
    "feedback": """
void f(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints forward, back;
#pragma HLS STREAM variable=forward depth=2
#pragma HLS STREAM variable=back depth=2
  add(a, back, forward); // !stream-feedback
  fork(forward, back, b);
}
void g(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints x;
#pragma HLS STREAM variable=x depth=2
  copy(x, b); // !stream-feedback
  copy(a, x);
}
""",
    "depth": """
void f(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints x; // !stream-depth
  ints y; // !stream-depth
#pragma HLS STREAM variable=y
  ints z;
#pragma HLS STREAM variable=z depth=2
  copy(a, x);
  copy(x, y);
  copy(y, z);
  copy(z, b);
}
""",
    "conditional_process": """
void f(ints &a, ints &b, int n) {
#pragma HLS DATAFLOW
  ints x;
#pragma HLS STREAM variable=x depth=2
  if (n > 1) // !dataflow-condition
    copy(a, x);
  copy(x, b);
}
void g(ints &a, ints &b) {
#pragma HLS DATAFLOW
  for (int i = 0; i < 4; ++i) { // !dataflow-condition
    copy(a, b);
  }
}
void h(ints &a, ints &b) {
  if (a.empty()) return;
  for (int i = 0; i < 4; ++i) {
    copy(a, b);
  }
}
""",
    "early_return": """
void f(ints &a, ints &b, int n) {
#pragma HLS DATAFLOW
  if (n == 0) return; // !dataflow-return
  copy(a, b);
  return;
}
""",
    "other_statements": """
static int last(ints &a) { return a.read(); }
void f(ints &a, ints &b, ints &c, int n) {
#pragma HLS DATAFLOW
  static const int table[2] = {1, 2};
  const int size = 4;
  int buffer[4]; // !dataflow-statement
  n = n + 1; // !dataflow-statement
  copy(a, b);
  last(c); // !dataflow-statement
  ((void)0);
}
""",
    "dataflow_in_a_template": """
template <class Layer>
void f(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints x; // !stream-readers
#pragma HLS STREAM variable=x depth=2
  lib::fork(a, x, b);
}
struct layer {};
void g(ints &a, ints &b) { f<layer>(a, b); }
""",
    "arrays_of_streams": """
static void deal(ints &a, ints b[2]) { lib::deal<int, 2>(a, b); }
void f(ints &a, ints &b, ints &c) {
#pragma HLS DATAFLOW
  ints parts[2];
#pragma HLS STREAM variable=parts depth=2
  deal(a, parts);
  copy(parts[0], b);
  copy(parts[1], c);
}
void g(ints &a, ints &b, ints &c) {
#pragma HLS DATAFLOW
  ints parts[2]; // !stream-readers
#pragma HLS STREAM variable=parts depth=2
  deal(a, parts);
  copy(parts[0], b);
  copy(parts[0], c); // !stream-readers
}
""",
    "operators_and_aliases": """
static void shift(ints &a, ints &b) {
  ints &to = b;
  int word;
  a >> word;
  to << word;
}
void f(ints &a) {
#pragma HLS DATAFLOW
  ints x, y; // !stream-readers
#pragma HLS STREAM variable=x depth=2
#pragma HLS STREAM variable=y depth=2
  shift(a, x);
  shift(x, y);
}
""",
}


@pytest.mark.parametrize("name", FLOWS)
def test_flows(name, tmp_path):
    text = write_project(tmp_path, LIBRARY + FLOWS[name])
    assert found(tmp_path) == marked(text)


def test_a_process_without_a_body_is_taken_by_its_parameters_names(tmp_path):
    code = """
void elsewhere(ints &source, ints &sink);
void f(ints &a, ints &b) {
#pragma HLS DATAFLOW
  ints x;
#pragma HLS STREAM variable=x depth=2
  elsewhere(a, x); // !undefined-function
  copy(x, b);
}
"""
    text = write_project(tmp_path, LIBRARY + code)
    assert found(tmp_path) == marked(text)


def test_messages_name_stream_and_processes(tmp_path):
    write_project(tmp_path, LIBRARY + FLOWS["two_writers"])
    (finding,) = lint(tmp_path, headers=HEADERS)
    assert finding.what == "the stream 'x' must have exactly one writer, not 2: copy, copy"


PORTS = {
    "missing_interface": (
        "#pragma HLS INTERFACE axis port=m_axis_out\n",
        "",
        "void net(",
        Rule.PORT_INTERFACE,
    ),
    "missing_control": (
        "#pragma HLS INTERFACE s_axilite port=return bundle=control\n",
        "",
        "void net(",
        Rule.PORT_INTERFACE,
    ),
    "stream_as_register": ("axis port=s_axis_in", "ap_none port=s_axis_in", "void net(", Rule.PORT_INTERFACE),
    "unknown_port": (
        "s_axilite port=images",
        "s_axilite port=image",
        "port=image ",
        Rule.PRAGMA_VARIABLE,
    ),
    "reserved_name": ("m_axis_out", "out", "void net(", Rule.PORT_NAME),
    "position": (
        "#pragma HLS DATAFLOW\n",
        "  int x = 0;\n#pragma HLS DATAFLOW\n",
        "#pragma HLS DATAFLOW",
        Rule.PRAGMA_POSITION,
    ),
}


@pytest.mark.parametrize("tool", HlsTool)
@pytest.mark.parametrize("name", PORTS)
def test_ports(name, tool, tmp_path):
    correct, wrong, line, rule = PORTS[name]
    assert correct in TOP
    text = write_project(tmp_path, TOP.replace(correct, wrong), tool)
    at = next(i for i, content in enumerate(text.splitlines(), start=1) if line in content)
    assert (at, rule) in found(tmp_path)
    assert {found_rule for _, found_rule in found(tmp_path)} <= {
        rule,
        Rule.DATAFLOW_STATEMENT,
        Rule.PORT_INTERFACE,
    }


BEATS = [
    (HlsTool.VIVADO_HLS, "struct word { ap_uint<16> data; ap_uint<1> last; };", []),
    (HlsTool.VIVADO_HLS, "struct word { ap_uint<16> data; ap_uint<2> keep; };", [Rule.AXIS_TLAST]),
    (HlsTool.VIVADO_HLS, "typedef ap_uint<16> word;", [Rule.AXIS_TLAST]),
    (HlsTool.VIVADO_HLS, "struct word { ap_uint<12> data; ap_uint<1> last; };", [Rule.AXIS_WIDTH]),
    (HlsTool.VITIS_HLS, "typedef ap_axiu<16, 0, 0, 0> word;", []),
    (HlsTool.VITIS_HLS, "struct word { ap_uint<16> data; ap_uint<1> last; };", [Rule.AXIS_TLAST]),
    (HlsTool.VITIS_HLS, "typedef ap_axiu<12, 0, 0, 0> word;", [Rule.AXIS_WIDTH]),
]


@pytest.mark.parametrize(("tool", "declaration", "rules"), BEATS)
def test_beats_carry_tlast_in_whole_bytes(tool, declaration, rules, tmp_path):
    code = TOP.replace("hls::stream<beat> &m_axis_out", "hls::stream<word> &m_axis_out")
    code = code.replace("  process(between, m_axis_out);", "  finish(between, m_axis_out);")
    finish = "static void finish(hls::stream<beat> &a, hls::stream<word> &b) { a.read(); b.write(word()); }\n"
    text = write_project(tmp_path, f"{declaration}\n{finish}{code}", tool)
    top = 1 + text[: text.index("void net(")].count("\n")
    assert found(tmp_path) == [(top, rule) for rule in rules]


def test_wide_words_are_found_in_the_instance_that_makes_them(tmp_path):
    code = """
template <int N>
ap_uint<2 * N> doubled(const ap_uint<N> &x) { // correct by itself
  ap_uint<2 * N> y = x; // !word-width
  return y; // !word-width
}
static ap_uint<4096> widest;
static ap_uint<4097> too_wide; // !word-width
void f() {
  doubled(ap_uint<2048>());
  doubled(ap_uint<2049>()); // !word-width
}
"""
    text = write_project(tmp_path, code)
    assert found(tmp_path) == marked(text)


def test_words_keep_to_the_limit_that_the_sources_set(tmp_path):
    write_project(tmp_path, "static ap_uint<1024> legal;\nstatic ap_uint<1025> wide;\n")
    assert found(tmp_path) == []
    path = tmp_path / "src" / "net.cpp"
    text = path.read_text().replace("#define AP_INT_MAX_W 4096\n", "")
    path.write_text(text)
    (finding,) = lint(tmp_path, headers=HEADERS)
    assert (finding.rule, text.splitlines()[finding.line - 1]) == (
        Rule.WORD_WIDTH,
        "static ap_uint<1025> wide;",
    )
    assert finding.remedy == "define AP_INT_MAX_W as 4096 before the first vendor header"
