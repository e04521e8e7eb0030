// SPDX-License-Identifier: Apache-2.0
// Constant tables of the layers. Each is a struct around one array, which is what both tools partition well.
#ifndef HBNN_ROMS_H
#define HBNN_ROMS_H

#include "bits.h"

namespace hbnn {

// One word of BITS bits per lane and step: weights or masks.
template <unsigned BITS, unsigned LANES, unsigned DEPTH>
struct WordRom {
  typename RomWord<BITS>::type words[LANES][DEPTH];
  typename RomWord<BITS>::type at(unsigned lane, unsigned step) const {
#pragma HLS INLINE
    return words[lane][step];
  }
};

// One word per step for all lanes: masks of a bit map that is shared along the columns.
template <unsigned BITS, unsigned DEPTH>
struct SharedRom {
  typename RomWord<BITS>::type words[DEPTH];
  typename RomWord<BITS>::type at(unsigned, unsigned step) const {
#pragma HLS INLINE
    return words[step];
  }
};

// Masks of a layer in which every entry that is processed exists: no memory at all.
template <unsigned BITS>
struct NoMasks {
  typename RomWord<BITS>::type at(unsigned, unsigned) const {
#pragma HLS INLINE
    typedef typename RomWord<BITS>::type word_t;
    const unsigned native_bits = 8 * sizeof(word_t);
    // Plain integers may be wider than the word: their upper bits stay 0.
    return BITS > 64 || !HBNN_NATIVE_WORDS ? word_t(~word_t(0)) : word_t(word_t(~word_t(0)) >> (native_bits - BITS));
  }
};

// Small integers that become constants in logic: plane scales and coefficients.
template <unsigned N>
struct Constants {
  unsigned words[N];
};

// What one step of a folded layer does.
struct Step {
  unsigned column_fold;  // which SIMD columns
  unsigned plane;        // which weight plane
  bool last;             // finishes its row fold: the sums leave
};

// Steps of a layer that skips nothing: columns run fastest, then planes.
template <unsigned COLUMN_FOLDS, unsigned PLANES>
struct CountedSteps {
  ap_uint<BitsFor<COLUMN_FOLDS - 1>::value> column_fold;
  ap_uint<BitsFor<PLANES - 1>::value> plane;
  CountedSteps() : column_fold(0), plane(0) {}
  Step at(unsigned) {
#pragma HLS INLINE
    const bool last_column = column_fold == COLUMN_FOLDS - 1;
    const bool last_plane = plane == PLANES - 1;
    const Step now = {unsigned(column_fold), unsigned(plane), last_column && last_plane};
    column_fold = last_column ? 0 : unsigned(column_fold) + 1;
    if (last_column) {
      plane = last_plane ? 0 : unsigned(plane) + 1;
    }
    return now;
  }
};

// Steps of a layer that leaves out the words without weights, from a table.
// Word: column fold in the low COLUMN_BITS bits, plane in the next PLANE_BITS, then "last of its row fold".
template <unsigned COLUMN_BITS, unsigned PLANE_BITS, unsigned STEPS>
struct StepRom {
  typename RomWord<COLUMN_BITS + PLANE_BITS + 1>::type words[STEPS];
  Step at(unsigned step) const {
#pragma HLS INLINE
    const ap_uint<COLUMN_BITS + PLANE_BITS + 1> word = words[step];
    const ap_uint<COLUMN_BITS> column_fold = word.range(COLUMN_BITS - 1, 0);
    const ap_uint<PLANE_BITS> plane = word.range(COLUMN_BITS + PLANE_BITS - 1, COLUMN_BITS);
    const Step now = {unsigned(column_fold), unsigned(plane), word[COLUMN_BITS + PLANE_BITS] == 1};
    return now;
  }
};

// Thresholds on the agreement sum; the code of a row is the number of levels that fire.
// Word: threshold in the low SUM_BITS + 1 bits (0 = always, beyond the largest sum = never), above it one bit
// that inverts the comparison (rows with a negative slope fire below their threshold).
template <unsigned SUM_BITS, unsigned OUTPUT_BITS, unsigned LANES, unsigned ROW_FOLDS>
struct Thresholds {
  static const unsigned LEVELS = (1u << OUTPUT_BITS) - 1;
  typename RomWord<SUM_BITS + 2>::type words[LANES][ROW_FOLDS][LEVELS];
  ap_uint<OUTPUT_BITS> at(const ap_uint<SUM_BITS> &sum, unsigned lane, unsigned row_fold) const {
#pragma HLS INLINE
    ap_uint<OUTPUT_BITS> code = 0;
    for (unsigned level = 0; level < LEVELS; ++level) {
#pragma HLS UNROLL
      const ap_uint<SUM_BITS + 2> word = words[lane][row_fold][level];
      const ap_uint<SUM_BITS + 1> threshold = word.range(SUM_BITS, 0);
      const bool inverted = word[SUM_BITS + 1] == 1;
      code = ap_uint<OUTPUT_BITS>(code + ap_uint<1>((sum >= threshold) != inverted));
    }
    return code;
  }
};

// Raw scores: dot product = 2 * agreements - offset, two's complement.
template <unsigned SUM_BITS, unsigned OUTPUT_BITS, unsigned LANES, unsigned ROW_FOLDS>
struct Scores {
  typename RomWord<SUM_BITS>::type words[LANES][ROW_FOLDS];
  ap_uint<OUTPUT_BITS> at(const ap_uint<SUM_BITS> &sum, unsigned lane, unsigned row_fold) const {
#pragma HLS INLINE
    const ap_int<SUM_BITS + 2> offset = ap_uint<SUM_BITS>(words[lane][row_fold]);
    const ap_int<SUM_BITS + 2> doubled = ap_uint<SUM_BITS + 1>(sum) << 1;
    return ap_uint<OUTPUT_BITS>(ap_int<OUTPUT_BITS>(doubled - offset));
  }
};

}  // namespace hbnn

#endif
