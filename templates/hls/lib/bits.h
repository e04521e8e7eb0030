// SPDX-License-Identifier: Apache-2.0
// Bit helpers of all layers: popcount, ROM words, bit-planes.
//
// Include this header before any vendor header: it raises the widest legal word.
#ifndef HBNN_BITS_H
#define HBNN_BITS_H

// 4096 bits is the documented limit of ap_int (UG1399, "ap_[u]int"); the vendor's default is 1024.
#ifndef AP_INT_MAX_W
#define AP_INT_MAX_W 4096
#endif
#include <ap_int.h>

// C simulation works on plain 64-bit words, which is one to two orders of magnitude faster than loops over
// single bits; synthesis sees explicit adders. HBNN_SYNTHESIS_BRANCHES compiles the latter in C simulation.
#if defined(__SYNTHESIS__) || defined(HBNN_SYNTHESIS_BRANCHES)
#define HBNN_NATIVE_WORDS 0
#else
#define HBNN_NATIVE_WORDS 1
#endif

// Counts the iterations of every layer's pipelined loop, to be held against the schedule's cycles. Every pipelined
// loop calls it once per iteration, before its first stream access; a simulation with clocks brings its own.
#ifndef HBNN_COUNT_STEP
#if defined(HBNN_COUNT_STEPS) && !defined(__SYNTHESIS__)
extern unsigned long long hbnn_steps[];
#define HBNN_COUNT_STEP(layer) (++hbnn_steps[layer])
#else
#define HBNN_COUNT_STEP(layer) ((void)0)
#endif
#endif

namespace hbnn {

// Bits that hold every value in 0 ... N.
template <unsigned long long N>
struct BitsFor {
  static const int value = 1 + BitsFor<(N >> 1)>::value;
};
template <>
struct BitsFor<0> {
  static const int value = 1;
};
template <>
struct BitsFor<1> {
  static const int value = 1;
};

// Element type of a ROM of words of BITS bits. Up to 64 bits, C simulation uses plain integers: they need no
// constructor calls, so a table of thousands of words compiles at once.
template <int BITS, int NATIVE_BITS>
struct RomWordOf {
  typedef ap_uint<BITS> type;
};
#if HBNN_NATIVE_WORDS
template <int BITS>
struct RomWordOf<BITS, 8> {
  typedef unsigned char type;
};
template <int BITS>
struct RomWordOf<BITS, 16> {
  typedef unsigned short type;
};
template <int BITS>
struct RomWordOf<BITS, 32> {
  typedef unsigned int type;
};
template <int BITS>
struct RomWordOf<BITS, 64> {
  typedef unsigned long long type;
};
#endif
template <int BITS>
struct RomWord {
  static const int native_bits = BITS <= 8 ? 8 : BITS <= 16 ? 16 : BITS <= 32 ? 32 : BITS <= 64 ? 64 : 0;
  typedef typename RomWordOf<BITS, native_bits>::type type;
};

// Sums within one step: exactly as wide as they have to be in hardware, plain integers in C simulation.
template <int BITS>
struct PartialSum {
#if HBNN_NATIVE_WORDS
  typedef unsigned type;
#else
  typedef ap_uint<BITS> type;
#endif
};

// Synthesis: popcount as a balanced tree of full adders, every sum exactly as wide as it has to be.
template <int BITS>
struct PopcountTree {
  // Leaves are full adders of three bits wherever the width allows.
  static const int low_bits = BITS > 5 ? BITS / 6 * 3 : BITS - 3;
  static const int high_bits = BITS - low_bits;
  typedef ap_uint<BitsFor<BITS>::value> count_t;
  static count_t of(const ap_uint<BITS> &bits) {
#pragma HLS INLINE
    const ap_uint<low_bits> low = bits.range(low_bits - 1, 0);
    const ap_uint<high_bits> high = bits.range(BITS - 1, low_bits);
    return count_t(PopcountTree<low_bits>::of(low) + PopcountTree<high_bits>::of(high));
  }
};
template <>
struct PopcountTree<1> {
  static ap_uint<1> of(const ap_uint<1> &bits) {
#pragma HLS INLINE
    return bits;
  }
};
template <>
struct PopcountTree<2> {
  static ap_uint<2> of(const ap_uint<2> &bits) {
#pragma HLS INLINE
    ap_uint<2> count;
    count[0] = bits[0] ^ bits[1];
    count[1] = bits[0] & bits[1];
    return count;
  }
};
template <>
struct PopcountTree<3> {
  static ap_uint<2> of(const ap_uint<3> &bits) {
#pragma HLS INLINE
    ap_uint<2> count;
    count[0] = bits[0] ^ bits[1] ^ bits[2];
    count[1] = (bits[0] & bits[1]) | (bits[2] & (bits[0] ^ bits[1]));
    return count;
  }
};

#if HBNN_NATIVE_WORDS
// C simulation: popcount 64 bits at a time.
template <int BITS>
unsigned popcount_words(ap_uint<BITS> bits) {
  unsigned count = 0;
  for (int at = 0; at < BITS; at += 64) {
    count += unsigned(__builtin_popcountll(bits.to_uint64()));
    if (BITS > 64) {
      bits >>= 64;
    }
  }
  return count;
}
#endif

// Positions in which an input word and a weight word agree, where the mask is 1.
template <int BITS>
struct Agreement {
  typedef typename RomWord<BITS>::type word_t;
  typedef ap_uint<BitsFor<BITS>::value> count_t;
#if HBNN_NATIVE_WORDS
  static unsigned in(const ap_uint<BITS> &x, unsigned long long weight, unsigned long long mask) {
    return unsigned(__builtin_popcountll(~(x.to_uint64() ^ weight) & mask));
  }
  static unsigned in(const ap_uint<BITS> &x, const ap_uint<BITS> &weight, const ap_uint<BITS> &mask) {
    return popcount_words<BITS>(ap_uint<BITS>(~(x ^ weight) & mask));
  }
#else
  static count_t in(const ap_uint<BITS> &x, const ap_uint<BITS> &weight, const ap_uint<BITS> &mask) {
#pragma HLS INLINE
    return PopcountTree<BITS>::of(ap_uint<BITS>(~(x ^ weight) & mask));
  }
#endif
};

// Split a beat, element i in bits [i * PLANES, (i + 1) * PLANES), into one word per plane, element i in bit i.
// Wiring only.
template <unsigned LANES, unsigned PLANES>
void split_planes(const ap_uint<LANES * PLANES> &beat, ap_uint<LANES> words[PLANES]) {
#pragma HLS INLINE
  for (unsigned plane = 0; plane < PLANES; ++plane) {
#pragma HLS UNROLL
    if (PLANES == 1) {
      words[plane] = ap_uint<LANES>(beat);
    } else {
      for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        words[plane][lane] = beat[lane * PLANES + plane];
      }
    }
  }
}

}  // namespace hbnn

#endif
