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

#if HBNN_NATIVE_WORDS
typedef unsigned long long word64_t;

// A word of BITS bits in parts of 64, lowest first: C simulation's form of a wide ap_uint. Bits above BITS are 0.
template <int BITS>
struct Parts {
  static const int count = (BITS + 63) / 64;
  word64_t part[count];
  operator ap_uint<BITS>() const;
};

// Part `index` of a word, whatever its form is.
inline word64_t part_of(word64_t word, int) { return word; }
template <int BITS>
word64_t part_of(const Parts<BITS> &word, int index) {
  return word.part[index];
}

template <int BITS>
Parts<BITS> parts_of(ap_uint<BITS> word) {
  Parts<BITS> parts;
  for (int index = 0; index < parts.count; ++index) {
    parts.part[index] = word.to_uint64();
    if (BITS > 64) {
      word >>= 64;
    }
  }
  return parts;
}

template <int BITS>
Parts<BITS>::operator ap_uint<BITS>() const {
  ap_uint<BITS> word = part[count - 1];
  for (int index = count - 2; index >= 0; --index) {
    word <<= 64;
    word |= ap_uint<BITS>(part[index]);
  }
  return word;
}

// A field of 1 to 64 bits, from bit `at` on.
template <int BITS>
word64_t field_of(const Parts<BITS> &parts, unsigned at, unsigned bits) {
  const unsigned shift = at % 64;
  word64_t value = parts.part[at / 64] >> shift;
  if (shift + bits > 64) {
    value |= parts.part[at / 64 + 1] << (64 - shift);
  }
  return value & (~word64_t(0) >> (64 - bits));
}

// Set a field of 1 to 64 bits that is 0 so far.
template <int BITS>
void set_field(Parts<BITS> &parts, unsigned at, unsigned bits, word64_t value) {
  const unsigned shift = at % 64;
  parts.part[at / 64] |= value << shift;
  if (shift + bits > 64) {
    parts.part[at / 64 + 1] |= value >> (64 - shift);
  }
}
#endif

// Element type of a ROM of words of BITS bits. C simulation uses plain integers, or parts of 64 bits: they need
// no constructor calls, so a table of thousands of words compiles at once.
#if HBNN_NATIVE_WORDS
template <int BITS, int NATIVE_BITS>
struct RomWordOf {
  typedef Parts<BITS> type;
};
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
  typedef word64_t type;
};
#else
template <int BITS, int NATIVE_BITS>
struct RomWordOf {
  typedef ap_uint<BITS> type;
};
#endif
template <int BITS>
struct RomWord {
  static const int native_bits = BITS <= 8 ? 8 : BITS <= 16 ? 16 : BITS <= 32 ? 32 : BITS <= 64 ? 64 : 0;
  typedef typename RomWordOf<BITS, native_bits>::type type;
};

// What a ROM hands out: C simulation spares itself the copy.
template <int BITS>
struct RomRead {
#if HBNN_NATIVE_WORDS
  typedef const typename RomWord<BITS>::type &type;
#else
  typedef typename RomWord<BITS>::type type;
#endif
};

// A word of ones.
template <int BITS>
struct AllOnes {
#if HBNN_NATIVE_WORDS
  typedef AllOnes type;
  static type word() { return type(); }
  operator ap_uint<BITS>() const { return ~ap_uint<BITS>(0); }
#else
  typedef ap_uint<BITS> type;
  static type word() {
#pragma HLS INLINE
    return ~type(0);
  }
#endif
};
#if HBNN_NATIVE_WORDS
template <int BITS>
word64_t part_of(const AllOnes<BITS> &, int index) {
  return BITS % 64 && index == BITS / 64 ? (word64_t(1) << BITS % 64) - 1 : ~word64_t(0);
}
#endif

// Word of BITS lanes that a unit computes with.
template <int BITS>
struct LaneWord {
#if HBNN_NATIVE_WORDS
  typedef Parts<BITS> type;
#else
  typedef ap_uint<BITS> type;
#endif
};

// PART_BITS bits of a word of BITS bits, from bit `at` on.
template <unsigned BITS, unsigned PART_BITS>
typename LaneWord<PART_BITS>::type bits_of(const typename LaneWord<BITS>::type &word, unsigned at) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  Parts<PART_BITS> bits;
  for (unsigned first = 0; first < PART_BITS; first += 64) {
    bits.part[first / 64] = field_of(word, at + first, PART_BITS - first < 64 ? PART_BITS - first : 64);
  }
  return bits;
#else
  return typename LaneWord<PART_BITS>::type(word.range(at + PART_BITS - 1, at));
#endif
}

// Unsigned numbers of BITS bits: exactly as wide as they have to be in hardware, plain in C simulation.
template <bool WIDE>
struct NativeUnsigned {
  typedef unsigned type;
};
template <>
struct NativeUnsigned<true> {
  typedef unsigned long long type;
};
template <int BITS>
struct Number {
#if HBNN_NATIVE_WORDS
  typedef typename NativeUnsigned<(BITS > 32)>::type type;
#else
  typedef ap_uint<BITS> type;
#endif
};

// Counter through 0 ... N - 1.
template <unsigned N>
struct Counter {
  typedef typename Number<BitsFor<N - 1>::value>::type type;
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
    const ap_uint<1> a = bits[0], b = bits[1];
    ap_uint<2> count;
    count[0] = a ^ b;
    count[1] = a & b;
    return count;
  }
};
template <>
struct PopcountTree<3> {
  static ap_uint<2> of(const ap_uint<3> &bits) {
#pragma HLS INLINE
    const ap_uint<1> a = bits[0], b = bits[1], c = bits[2];
    ap_uint<2> count;
    count[0] = a ^ b ^ c;
    count[1] = (a & b) | (c & (a ^ b));
    return count;
  }
};

#if HBNN_NATIVE_WORDS
inline unsigned popcount64(word64_t bits) { return unsigned(__builtin_popcountll(bits)); }
#endif

// Positions in which an input word and a weight word agree, where the mask is 1. Of an inverted weight word,
// positions in which they differ. Outside of the image, where inputs are nothing, all positions with a weight.
template <int BITS>
struct Agreement {
  typedef typename LaneWord<BITS>::type lanes_t;
  typedef typename Number<BitsFor<BITS>::value>::type count_t;
#if HBNN_NATIVE_WORDS
  template <class Weight, class Mask>
  static count_t in(const lanes_t &x, const Weight &weight, const Mask &mask, bool inverted, bool outside) {
    const word64_t upright = inverted ? 0 : ~word64_t(0);
    const word64_t frame = outside ? ~word64_t(0) : 0;
    count_t count = 0;
    for (int index = 0; index < lanes_t::count; ++index) {
      const word64_t equal = x.part[index] ^ part_of(weight, index) ^ upright;
      count += popcount64((equal | frame) & part_of(mask, index));
    }
    return count;
  }
#else
  static count_t in(const lanes_t &x, const lanes_t &weight, const lanes_t &mask, bool inverted, bool outside) {
#pragma HLS INLINE
    const lanes_t none = 0;
    const lanes_t all = ~none;
    const lanes_t equal = x ^ weight ^ (inverted ? none : all);
    return PopcountTree<BITS>::of(lanes_t((equal | (outside ? all : none)) & mask));
  }
#endif
};

// Take a beat of GROUPS x LANES elements of PLANES bits apart, wiring only. Element i is in bits
// [i * PLANES, (i + 1) * PLANES); words[group * PLANES + plane] has lane i of the group in bit i.
// TOP_INVERTED: the top plane is turned over, which makes a plane of a two's complement number's sign.
template <unsigned BITS, unsigned GROUPS, unsigned LANES, unsigned PLANES, bool TOP_INVERTED>
void split_planes(const ap_uint<BITS> &beat, typename LaneWord<LANES>::type words[GROUPS * PLANES]) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  const Parts<BITS> bits = parts_of<BITS>(beat);
  for (unsigned word = 0; word < GROUPS * PLANES; ++word) {
    const unsigned plane = word % PLANES;
    const word64_t inverted = TOP_INVERTED && plane == PLANES - 1;
    unsigned at = word / PLANES * LANES * PLANES + plane;
    for (unsigned first = 0; first < LANES; first += 64) {
      const unsigned last = LANES - first < 64 ? LANES - first : 64;
      word64_t part = 0;
      for (unsigned lane = 0; lane < last; ++lane, at += PLANES) {
        part |= ((bits.part[at / 64] >> at % 64 & 1) ^ inverted) << lane;
      }
      words[word].part[first / 64] = part;
    }
  }
#else
  for (unsigned group = 0; group < GROUPS; ++group) {
#pragma HLS UNROLL
    for (unsigned plane = 0; plane < PLANES; ++plane) {
#pragma HLS UNROLL
      for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
        const bool bit = beat[(group * LANES + lane) * PLANES + plane] == 1;
        words[group * PLANES + plane][lane] = bit != (TOP_INVERTED && plane == PLANES - 1);
      }
    }
  }
#endif
}

}  // namespace hbnn

#endif
