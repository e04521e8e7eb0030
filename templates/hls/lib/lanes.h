// SPDX-License-Identifier: Apache-2.0
// The elements of a beat one by one.
#ifndef HBNN_LANES_H
#define HBNN_LANES_H

#include "bits.h"

namespace hbnn {

// One element of up to 64 bits outside its beat.
template <unsigned BITS>
struct ElementOf {
#if HBNN_NATIVE_WORDS
  typedef unsigned long long type;
#else
  typedef ap_uint<BITS> type;
#endif
};

// Element i of a beat is in bits [i * BITS, (i + 1) * BITS).
template <unsigned LANES, unsigned BITS>
void split_lanes(const ap_uint<LANES * BITS> &beat, typename ElementOf<BITS>::type elements[LANES]) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  const Parts<LANES * BITS> words = parts_of<LANES * BITS>(beat);
#endif
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
#if HBNN_NATIVE_WORDS
    elements[lane] = field_of(words, lane * BITS, BITS);
#else
    elements[lane] = beat.range((lane + 1) * BITS - 1, lane * BITS);
#endif
  }
}

template <unsigned LANES, unsigned BITS>
ap_uint<LANES * BITS> join_lanes(const typename ElementOf<BITS>::type elements[LANES]) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  Parts<LANES * BITS> words = Parts<LANES * BITS>();
  for (unsigned lane = 0; lane < LANES; ++lane) {
    set_field(words, lane * BITS, BITS, elements[lane]);
  }
  return words;
#else
  ap_uint<LANES * BITS> beat = 0;
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    beat.range((lane + 1) * BITS - 1, lane * BITS) = elements[lane];
  }
  return beat;
#endif
}

// One element at a larger width: two's complement if SIGNED, else plain.
template <unsigned FROM, unsigned TO, bool SIGNED>
typename ElementOf<TO>::type extended_element(const typename ElementOf<FROM>::type &element) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  const unsigned long long sign = 1ULL << (FROM - 1);
  return SIGNED ? ((element ^ sign) - sign) & (~0ULL >> (64 - TO)) : element;
#else
  const ap_int<TO> from_signed = ap_int<FROM>(element);
  return SIGNED ? ap_uint<TO>(from_signed) : ap_uint<TO>(element);
#endif
}

// All elements of a beat at a larger width.
template <unsigned LANES, unsigned FROM, unsigned TO, bool SIGNED>
ap_uint<LANES * TO> extended_lanes(const ap_uint<LANES * FROM> &beat) {
#pragma HLS INLINE
  if (FROM == TO) {
    return ap_uint<LANES * TO>(beat);
  }
  typename ElementOf<FROM>::type narrow[LANES];
  typename ElementOf<TO>::type wide[LANES];
#pragma HLS ARRAY_PARTITION variable=narrow complete
#pragma HLS ARRAY_PARTITION variable=wide complete
  split_lanes<LANES, FROM>(beat, narrow);
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    wide[lane] = extended_element<FROM, TO, SIGNED>(narrow[lane]);
  }
  return join_lanes<LANES, TO>(wide);
}

// The same element in every lane.
template <unsigned LANES, unsigned BITS>
ap_uint<LANES * BITS> repeated_element(unsigned long long element) {
#pragma HLS INLINE
  typename ElementOf<BITS>::type elements[LANES];
#pragma HLS ARRAY_PARTITION variable=elements complete
  for (unsigned lane = 0; lane < LANES; ++lane) {
#pragma HLS UNROLL
    elements[lane] = element;
  }
  return join_lanes<LANES, BITS>(elements);
}

}  // namespace hbnn

#endif
