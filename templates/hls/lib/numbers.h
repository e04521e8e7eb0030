// SPDX-License-Identifier: Apache-2.0
// Elements as integers: what an operator computes with between two beats.
#ifndef HBNN_NUMBERS_H
#define HBNN_NUMBERS_H

#include "bits.h"
#include "lanes.h"

namespace hbnn {

// An integer inside an operator: exactly as wide as it has to be in hardware, plain in C simulation.
template <unsigned BITS>
struct SignedNumber {
#if HBNN_NATIVE_WORDS
  typedef long long type;
#else
  typedef ap_int<BITS> type;
#endif
};

// The integer that an element of BITS bits holds, two's complement if SIGNED, in WIDE bits.
template <unsigned BITS, bool SIGNED, unsigned WIDE>
typename SignedNumber<WIDE>::type number_of(const typename ElementOf<BITS>::type &element) {
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
typename ElementOf<BITS>::type element_of(const Integer &number) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  return static_cast<unsigned long long>(number) & (~0ULL >> (64 - BITS));
#else
  return ap_uint<BITS>(number);
#endif
}

// Constants by lane, channel fold and index: two's complement words, read as numbers.
template <unsigned BITS, unsigned LANES, unsigned FOLDS, unsigned COUNT>
struct NumberRom {
  typename RomWord<BITS>::type words[LANES][FOLDS][COUNT];
  typename SignedNumber<BITS>::type at(unsigned lane, unsigned fold, unsigned index) const {
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
