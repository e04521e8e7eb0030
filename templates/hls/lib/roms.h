// SPDX-License-Identifier: Apache-2.0
// Constant tables of the layers. Each is a struct around one array, which is what both tools partition well.
#ifndef HBNN_ROMS_H
#define HBNN_ROMS_H

#include "bits.h"

namespace hbnn {

// One word of BITS bits per lane and step: weights or masks.
template <unsigned BITS, unsigned LANES, unsigned DEPTH>
struct WordRom {
  typedef typename RomWord<BITS>::type word_t;
  typedef typename RomRead<BITS>::type read_t;
  static const unsigned PES = 1;  // PEs that share a word
  word_t words[LANES][DEPTH];
  read_t at(unsigned lane, unsigned step) const {
#pragma HLS INLINE
    return words[lane][step];
  }
  read_t at(unsigned lane, unsigned step, unsigned) const {
#pragma HLS INLINE
    return words[lane][step];
  }
  static read_t of_pe(const word_t &word, unsigned) {
#pragma HLS INLINE
    return word;
  }
  static bool inverted(unsigned, unsigned, unsigned) {
#pragma HLS INLINE
    return false;
  }
};

// One word per step for all lanes: masks of a bit map that is shared along the columns.
template <unsigned BITS, unsigned DEPTH>
struct SharedRom {
  typename RomWord<BITS>::type words[DEPTH];
  typename RomRead<BITS>::type at(unsigned, unsigned step) const {
#pragma HLS INLINE
    return words[step];
  }
};

// Masks of a layer in which every entry that is processed exists: no memory at all.
template <unsigned BITS>
struct NoMasks {
  typename AllOnes<BITS>::type at(unsigned, unsigned) const {
#pragma HLS INLINE
    return AllOnes<BITS>::word();
  }
};

// Rows of encoded weights whose decoded bits are turned over, by PE, row fold and plane.
template <unsigned PES, unsigned ROW_FOLDS, unsigned PLANES>
struct InvertedRows {
  typename RomWord<1>::type words[PES][ROW_FOLDS][PLANES];
  bool at(unsigned pe, unsigned row_fold, unsigned plane) const {
#pragma HLS INLINE
    return words[pe][row_fold][plane] == 1;
  }
};

// No row is turned over.
struct NoInversions {
  bool at(unsigned, unsigned, unsigned) const {
#pragma HLS INLINE
    return false;
  }
};

// Weights in the stored form of FleXOR, decoded on their way out of the memory (Lee et al. 2020, eq. 2): over
// GF(2), the decoded word is the sum of one column of a fixed matrix for every stored bit that is 1. A decoded
// word of GROUP_PES x SIMD bits serves as many PEs.
template <unsigned STORED_BITS, unsigned SIMD, unsigned GROUP_PES, unsigned LANES, unsigned DEPTH, unsigned PLANES,
          class Inversions>
struct XorRom {
  static const unsigned PES = GROUP_PES;
  typedef typename LaneWord<GROUP_PES * SIMD>::type word_t;
  typedef word_t read_t;
  typename RomWord<STORED_BITS>::type words[LANES][DEPTH];
  typename RomWord<GROUP_PES * SIMD>::type columns[PLANES][STORED_BITS];
  Inversions inversions;
  word_t at(unsigned lane, unsigned step, unsigned plane) const {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
    word_t decoded = word_t();
    for (unsigned bit = 0; bit < STORED_BITS; ++bit) {
      const word64_t chosen = -(part_of(words[lane][step], bit / 64) >> bit % 64 & 1);
      for (int index = 0; index < word_t::count; ++index) {
        decoded.part[index] ^= part_of(columns[plane][bit], index) & chosen;
      }
    }
#else
    const word_t none = 0;
    const ap_uint<STORED_BITS> stored = words[lane][step];
    word_t decoded = 0;
    for (unsigned bit = 0; bit < STORED_BITS; ++bit) {
#pragma HLS UNROLL
      const word_t column = columns[plane][bit];
      decoded ^= stored[bit] == 1 ? column : none;
    }
#endif
    return decoded;
  }
  static typename LaneWord<SIMD>::type of_pe(const word_t &word, unsigned pe) {
#pragma HLS INLINE
    return bits_of<GROUP_PES * SIMD, SIMD>(word, pe * SIMD);
  }
  bool inverted(unsigned pe, unsigned row_fold, unsigned plane) const {
#pragma HLS INLINE
    return inversions.at(pe, row_fold, plane);
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
  typename Counter<COLUMN_FOLDS>::type column_fold;
  typename Counter<PLANES>::type plane;
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
    const unsigned word = unsigned(words[step]);
    const unsigned column_fold = word & ((1u << COLUMN_BITS) - 1);
    const unsigned plane = word >> COLUMN_BITS & ((1u << PLANE_BITS) - 1);
    const Step now = {column_fold, plane, (word >> (COLUMN_BITS + PLANE_BITS) & 1) == 1};
    return now;
  }
};

// Thresholds on the accumulator; the code of a row is the number of levels that fire.
// Word: threshold in the low SUM_BITS + 1 bits (0 = always, beyond the largest sum = never), above it one bit
// that inverts the comparison (rows with a negative slope fire below their threshold).
template <unsigned SUM_BITS, unsigned OUTPUT_BITS, unsigned LANES, unsigned ROW_FOLDS>
struct Thresholds {
  static const unsigned LEVELS = (1u << OUTPUT_BITS) - 1;
  typedef typename Number<OUTPUT_BITS>::type code_t;
  typename RomWord<SUM_BITS + 2>::type words[LANES][ROW_FOLDS][LEVELS];
  code_t at(const typename Number<SUM_BITS>::type &sum, unsigned lane, unsigned row_fold) const {
#pragma HLS INLINE
    code_t code = 0;
    for (unsigned level = 0; level < LEVELS; ++level) {
#pragma HLS UNROLL
#if HBNN_NATIVE_WORDS
      const word64_t word = words[lane][row_fold][level];
      const word64_t threshold = word & ((word64_t(2) << SUM_BITS) - 1);
      code += (sum >= threshold) != (word >> (SUM_BITS + 1) != 0);
#else
      const ap_uint<SUM_BITS + 2> word = words[lane][row_fold][level];
      const ap_uint<SUM_BITS + 1> threshold = word.range(SUM_BITS, 0);
      const bool inverted = word[SUM_BITS + 1] == 1;
      code = code_t(code + ap_uint<1>((sum >= threshold) != inverted));
#endif
    }
    return code;
  }
};

// Raw scores: dot product = (accumulator << SHIFT) - offset, two's complement.
template <unsigned SUM_BITS, unsigned SHIFT, unsigned OUTPUT_BITS, unsigned LANES, unsigned ROW_FOLDS>
struct Scores {
  typedef typename Number<OUTPUT_BITS>::type code_t;
  typename RomWord<SUM_BITS>::type words[LANES][ROW_FOLDS];
  code_t at(const typename Number<SUM_BITS>::type &sum, unsigned lane, unsigned row_fold) const {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
    const word64_t dot = (word64_t(sum) << SHIFT) - words[lane][row_fold];
    return code_t(dot & ((word64_t(2) << (OUTPUT_BITS - 1)) - 1));
#else
    const ap_int<SUM_BITS + 2> offset = ap_uint<SUM_BITS>(words[lane][row_fold]);
    const ap_int<SUM_BITS + 2> shifted = ap_uint<SUM_BITS + 1>(sum) << SHIFT;
    return code_t(ap_int<OUTPUT_BITS>(shifted - offset));
#endif
  }
};

}  // namespace hbnn

#endif
