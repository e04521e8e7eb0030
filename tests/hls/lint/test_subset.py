"""What is outside the synthesizable subset is found at its line, the correct code beside it is not."""

import pytest

from tests.hls.lint.projects import found, marked, write_project

CASES = {
    "direct_recursion": """
int down(int n) { return n == 0 ? 0 : down(n - 1); } // !recursion
int twice(int n) { return 2 * n; }
int both(int n) { return twice(n) + twice(n); }
""",
    "mutual_recursion": """
int odd(int n);
int even(int n) { return n == 0 ? 1 : odd(n - 1); } // !recursion
int odd(int n) { return n == 0 ? 0 : even(n - 1); } // !recursion
int start(int n) { return even(n); }
""",
    "recursive_instance": """
template <class T>
T down(T n) { // !recursion
  return n == 0 ? n : down<T>(n - 1);
}
int start(int n) { return down<int>(n); }
""",
    "recursion_over_compile_time_sizes": """
template <int N>
struct tree {
  static int of(const int *x) { return tree<N / 2>::of(x) + tree<N - N / 2>::of(x + N / 2); }
};
template <>
struct tree<1> {
  static int of(const int *x) { return x[0]; }
};
int sum(const int x[9]) { return tree<9>::of(x); }
""",
    "dynamic_memory": """
#include <cstdlib>
int f() {
  int *one = new int[4]; // !dynamic-memory
  int *two = (int *)malloc(16); // !dynamic-memory
  int three[4] = {0};
  free(two); // !dynamic-memory
  delete[] one; // !dynamic-memory
  return three[0];
}
""",
    "dynamic_memory_in_a_template": """
#include <cstdlib>
template <class T>
T *make(T size) { return (T *)malloc(size * sizeof(T)); } // !dynamic-memory
""",
    "virtual": """
struct base {
  virtual int f() const { return 1; } // !virtual
  virtual ~base() {} // !virtual
  int g() const { return 2; }
};
struct plain : base {};
struct diamond : virtual base {}; // !virtual
""",
    "exceptions_and_goto": """
int f(int x) {
  if (x < 0) throw x; // !exception
  try { // !exception
    x = x + 1;
  } catch (int) {
    x = 0;
  }
  goto end; // !goto
end:
  switch (x) {
    case 1: return 2;
    default: return x;
  }
}
""",
    "function_pointers": """
int twice(int x) { return 2 * x; }
int apply(int (*function)(int), int x) { return function(x); } // !function-pointer
struct s { int value; };
int s::*member = &s::value; // !function-pointer
template <int (*FUNCTION)(int)>
int direct(int x) { return FUNCTION(x); }
int start(int x) { return direct<twice>(x); }
""",
    "pointer_to_pointer": """
int f(int **rows) { return rows[0][0]; } // !pointer-to-pointer
int g(int *row) { return row[0]; }
int h(int (*rows)[4]) { return rows[0][0]; }
int k(int rows[2][4]) { return rows[0][0]; }
""",
    "std_classes": """
#include <array>
#include <string>
#include <vector>
struct words {
  std::vector<int> all; // !std-class
  std::array<int, 4> four;
};
void f() {
  std::string text; // !std-class
  std::array<int, 4> four;
  four[0] = 1;
}
""",
    "host_calls": """
#include <cstdio>
#include <cstring>
#include <iostream>
void f(int x) {
#ifndef __SYNTHESIS__
  std::printf("%d", x);
#endif
  std::printf("%d", x); // !host-call
  std::cout << x; // !host-call
  int y[4];
  memset(y, 0, sizeof(y));
  ap_uint<4> word = x;
  word.to_string(); // !host-call
  word.to_uint();
  y[0] = __builtin_popcount(x);
}
""",
    "undefined_functions": """
int elsewhere(int x);
int later(int x);
int f(int x) { return elsewhere(x) + later(x); } // !undefined-function
int later(int x) { return x; }
""",
    "floating_point": """
typedef double number; // !floating-point
struct scales { float words[4]; int codes[4]; }; // !floating-point
float f(int x) { return x; } // !floating-point
int g(int x) {
  const int y = x * 3;
  return y * 2.5; // !floating-point
}
template <class T>
T twice(T x) { // !floating-point
  T y = x + x; // !floating-point
  return y;
}
int h(number x) { return twice<double>(x) > 0; } // !floating-point
""",
    "loops": """
struct shape { static const unsigned STEPS = 4; };
enum { COUNT = 3 };
static const int N = 5;
static int global = 5;
template <class Layer, int SIZE>
void t(int n) {
  for (unsigned i = 0; i < Layer::STEPS; ++i) {
  }
  for (int i = 0; i < SIZE * COUNT; ++i) {
  }
  for (int i = 0; i < n; ++i) { // !loop-bound
  }
}
void f(int n, const int m) {
  const int constant = 2 * N + 1;
  const int variable = 2 * n + 1;
  for (int i = 0; i < constant; ++i) {
  }
  for (int i = 0; i < variable; ++i) { // !loop-bound
  }
  for (int i = N; i >= 0; --i) {
  }
  for (ap_uint<4> i = 0; i < N; i += 1) {
  }
  for (int i = 0; i < m; ++i) { // !loop-bound
  }
  for (int i = 0; i < m; ++i) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=8
  }
  for (int i = 0; i < global; ++i) { // !loop-bound
  }
  int i;
  for (i = 0; i < N; ++i) {
  }
  for (; i < n;) { // !loop-bound
    ++i;
  }
  t<shape, 4>(n);
}
""",
    "endless_loops": """
int f(int n) {
  while (n > 1) { // !loop-unbounded
    n = n / 2;
  }
  do { // !loop-unbounded
    ++n;
  } while (n < 4);
  do {
    ++n;
  } while (0);
  for (;;) { // !loop-unbounded
    if (++n > 9) break;
  }
  while (n > 1) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=32
    n = n / 2;
  }
  int x[4] = {0};
  for (int value : x) {
    n += value;
  }
  return n;
}
""",
    "streams_are_local": """
static hls::stream<int> at_file_scope; // !stream-storage
void f(hls::stream<int> &by_reference) { by_reference.write(1); }
void h(hls::stream<int> by_value); // !stream-storage
void g() {
  hls::stream<int> local;
  static hls::stream<int> kept; // !stream-storage
  f(local);
  f(kept);
}
""",
}


@pytest.mark.parametrize("name", CASES)
def test_faults_are_found_and_nothing_else(name, tmp_path):
    text = write_project(tmp_path, CASES[name])
    assert found(tmp_path) == marked(text)
