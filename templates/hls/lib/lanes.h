// SPDX-License-Identifier: Apache-2.0
// Beats as elements: element i of a beat is its bits [i * BITS, (i + 1) * BITS).
//
// Wiring in hardware. C simulation takes beats apart by 64-bit words, because slices of wide ap_uint are slow.
#ifndef HBNN_LANES_H
#define HBNN_LANES_H

#include "bits.h"

namespace hbnn {

// An integer inside an operator: exactly as wide as it has to be in hardware, plain in C simulation.
template <unsigned BITS>
struct Number {
#if HBNN_NATIVE_WORDS
  typedef long long type;
#else
  typedef ap_int<BITS> type;
#endif
};

// The integer that an element of BITS bits holds, two's complement if SIGNED, in WIDE bits.
template <unsigned BITS, bool SIGNED, unsigned WIDE>
typename Number<WIDE>::type number_of(const typename RomWord<BITS>::type &element) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  const unsigned long long sign = SIGNED ? 1ULL << (BITS - 1) : 0ULL;
  return static_cast<long long>((static_cast<unsigned long long>(element) ^ sign) - sign);
#else
  const ap_int<BITS> in_complement = element;
  return SIGNED ? ap_int<WIDE>(in_complement) : ap_int<WIDE>(element);
#endif
}

// The element of BITS bits that holds an integer: its lowest bits.
template <unsigned BITS, class Integer>
typename RomWord<BITS>::type element_of(const Integer &number) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  typedef typename RomWord<BITS>::type element_t;
  return static_cast<element_t>(static_cast<unsigned long long>(number) & (~0ULL >> (64 - BITS)));
#else
  return ap_uint<BITS>(number);
#endif
}

// Take a beat apart.
template <unsigned LANES, unsigned BITS>
void split_lanes(const ap_uint<LANES * BITS> &beat, typename RomWord<BITS>::type elements[LANES]) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  const unsigned n_words = (LANES * BITS + 63) / 64;
  unsigned long long words[n_words];
  ap_uint<LANES *BITS> rest = beat;
  for (unsigned word = 0; word < n_words; ++word) {
    words[word] = rest.to_uint64();
    if (n_words > 1) {
      rest >>= 64;
    }
  }
  for (unsigned lane = 0; lane < LANES; ++lane) {
    const unsigned word = lane * BITS / 64, at = lane * BITS % 64;
    unsigned long long bits = words[word] >> at;
    if (at + BITS > 64) {
      bits |= words[word + 1] << (64 - at);
    }
    elements[lane] = element_of<BITS>(bits);
  }
#else
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    elements[lane] = beat.range((lane + 1) * BITS - 1, lane * BITS);
  }
#endif
}

// Put a beat together.
template <unsigned LANES, unsigned BITS>
ap_uint<LANES * BITS> join_lanes(const typename RomWord<BITS>::type elements[LANES]) {
#pragma HLS INLINE
  ap_uint<LANES *BITS> beat = 0;
#if HBNN_NATIVE_WORDS
  const unsigned n_words = (LANES * BITS + 63) / 64;
  unsigned long long words[n_words] = {0};
  for (unsigned lane = 0; lane < LANES; ++lane) {
    const unsigned word = lane * BITS / 64, at = lane * BITS % 64;
    const unsigned long long bits = elements[lane];
    words[word] |= bits << at;
    if (at + BITS > 64) {
      words[word + 1] |= bits >> (64 - at);
    }
  }
  for (unsigned word = n_words; word > 0; --word) {
    if (n_words > 1) {
      beat <<= 64;
    }
    beat |= ap_uint<LANES * BITS>(words[word - 1]);
  }
#else
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    beat.range((lane + 1) * BITS - 1, lane * BITS) = elements[lane];
  }
#endif
  return beat;
}

// A beat of elements of FROM bits as one of elements of TO bits, with their signs or zeros in front.
template <unsigned LANES, unsigned FROM, bool SIGNED, unsigned TO>
ap_uint<LANES * TO> extend_lanes(const ap_uint<LANES * FROM> &beat) {
#pragma HLS INLINE
  typename RomWord<FROM>::type narrow[LANES];
#pragma HLS ARRAY_PARTITION variable=narrow complete
  typename RomWord<TO>::type wide[LANES];
#pragma HLS ARRAY_PARTITION variable=wide complete
  split_lanes<LANES, FROM>(beat, narrow);
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    wide[lane] = element_of<TO>(number_of<FROM, SIGNED, TO + 1>(narrow[lane]));
  }
  return join_lanes<LANES, TO>(wide);
}

// Constants by lane, channel fold and index: two's complement words, read as numbers.
template <unsigned BITS, unsigned LANES, unsigned FOLDS, unsigned COUNT>
struct NumberRom {
  typename RomWord<BITS>::type words[LANES][FOLDS][COUNT];
  typename Number<BITS>::type at(unsigned lane, unsigned fold, unsigned index) const {
#pragma HLS INLINE
    return number_of<BITS, true, BITS>(words[lane][fold][index]);
  }
};

// No constants: what a NumberRom of none would be.
struct NoNumbers {
  int at(unsigned, unsigned, unsigned) const {
#pragma HLS INLINE
    return 0;
  }
};

}  // namespace hbnn

#endif
