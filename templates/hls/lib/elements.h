// SPDX-License-Identifier: Apache-2.0
// Operators on single elements: thresholds, rescaling, decoding. One beat in and one out per clock; constants
// differ from channel to channel, so a counter of channel folds runs along.
#ifndef HBNN_ELEMENTS_H
#define HBNN_ELEMENTS_H

#include "numbers.h"
#include "roms.h"
#include <hls_stream.h>

namespace hbnn {

// Integers to the codes that their channel's thresholds give. Turning the top bit of two's complement keeps the
// order and leaves plain numbers, which is what the thresholds are given for. Bits that the masks lack are 0.
template <class Layer, class Table, class Masks>
void threshold(hls::stream<ap_uint<Layer::LANES * Layer::SOURCE_BITS> > &source,
               hls::stream<ap_uint<Layer::LANES * Layer::RESULT_BITS> > &sink, unsigned images,
               const Table &thresholds, const Masks &masks) {
#pragma HLS INLINE
  typedef typename Number<Layer::SOURCE_BITS>::type plain_t;
  const plain_t top = Layer::SOURCE_SIGNED ? 1ULL << (Layer::SOURCE_BITS - 1) : 0ULL;
  typename Counter<Layer::FOLDS>::type fold = 0;
  typename Counter<Layer::MASK_PERIOD>::type place = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      typename ElementOf<Layer::SOURCE_BITS>::type x[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=x complete
      typename ElementOf<Layer::RESULT_BITS>::type codes[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=codes complete
      split_lanes<Layer::LANES, Layer::SOURCE_BITS>(source.read(), x);
      for (unsigned lane = 0; lane < Layer::LANES; ++lane) {
#pragma HLS UNROLL
        const plain_t plain = plain_t(x[lane]) ^ top;
        codes[lane] = thresholds.at(plain, lane, fold);
      }
      const ap_uint<Layer::LANES * Layer::RESULT_BITS> mask =
          ap_uint<Layer::LANES * Layer::RESULT_BITS>(masks.at(0, place));
      sink.write(join_lanes<Layer::LANES, Layer::RESULT_BITS>(codes) & mask);
      fold = fold == Layer::FOLDS - 1 ? 0 : unsigned(fold) + 1;
      place = place == Layer::MASK_PERIOD - 1 ? 0 : unsigned(place) + 1;
    }
  }
}

// (multiplier * x + offset) >> SHIFT, rounding down, with the constants of the piece that x lies in: as many
// knees as are not above x come before it.
template <class Layer, class Multipliers, class Offsets, class Knees>
void rescale(hls::stream<ap_uint<Layer::LANES * Layer::SOURCE_BITS> > &source,
             hls::stream<ap_uint<Layer::LANES * Layer::RESULT_BITS> > &sink, unsigned images,
             const Multipliers &multipliers, const Offsets &offsets, const Knees &knees) {
#pragma HLS INLINE
  typename Counter<Layer::FOLDS>::type fold = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      typename ElementOf<Layer::SOURCE_BITS>::type elements[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=elements complete
      typename ElementOf<Layer::RESULT_BITS>::type results[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=results complete
      split_lanes<Layer::LANES, Layer::SOURCE_BITS>(source.read(), elements);
      for (unsigned lane = 0; lane < Layer::LANES; ++lane) {
#pragma HLS UNROLL
        typedef typename SignedNumber<Layer::SOURCE_BITS + 1>::type source_t;
        const source_t x =
            number_of<Layer::SOURCE_BITS, Layer::SOURCE_SIGNED, Layer::SOURCE_BITS + 1>(elements[lane]);
        typename SignedNumber<Layer::MULTIPLIER_BITS>::type multiplier = multipliers.at(lane, fold, 0);
        typename SignedNumber<Layer::OFFSET_BITS>::type offset = offsets.at(lane, fold, 0);
        for (unsigned piece = 1; piece < Layer::PIECES; ++piece) {
#pragma HLS UNROLL
          // Knees ascend, so the last one that is not above x decides.
          if (x >= knees.at(lane, fold, piece - 1)) {
            multiplier = multipliers.at(lane, fold, piece);
            offset = offsets.at(lane, fold, piece);
          }
        }
        const typename SignedNumber<Layer::SUM_BITS>::type sum = multiplier * x + offset;
        results[lane] = element_of<Layer::RESULT_BITS>(sum >> Layer::SHIFT);
      }
      sink.write(join_lanes<Layer::LANES, Layer::RESULT_BITS>(results));
      fold = fold == Layer::FOLDS - 1 ? 0 : unsigned(fold) + 1;
    }
  }
}

// sum_p scale[p] * s_p of one element, s_p = 2 * bit - 1, or 0 where the mask says that there is no such plane:
// twice the scales of the bits that are 1, less the scales of all planes that are there.
template <class Layer>
typename SignedNumber<Layer::RESULT_BITS>::type decoded(const ap_uint<Layer::PLANES> &bits,
                                                        const ap_uint<Layer::PLANES> &present,
                                                        const Constants<Layer::PLANES> &scales) {
#pragma HLS INLINE
  typedef typename SignedNumber<Layer::RESULT_BITS + 1>::type sum_t;
  sum_t set = 0, all = 0;
  for (unsigned plane = 0; plane < Layer::PLANES; ++plane) {
#pragma HLS UNROLL
    const sum_t scale = scales.words[plane];
    set += bits[plane] && present[plane] ? scale : sum_t(0);
    all += present[plane] ? scale : sum_t(0);
  }
  return typename SignedNumber<Layer::RESULT_BITS>::type(set + set - all);
}

// Planes to integers. A word of masks has the bits of a beat.
template <class Layer, class Masks>
void decode(hls::stream<ap_uint<Layer::LANES * Layer::PLANES> > &source,
            hls::stream<ap_uint<Layer::LANES * Layer::RESULT_BITS> > &sink, unsigned images,
            const Constants<Layer::PLANES> &scales, const Masks &masks) {
#pragma HLS INLINE
  typename Counter<Layer::MASK_PERIOD>::type place = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      typename ElementOf<Layer::PLANES>::type bits[Layer::LANES], present[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=bits complete
#pragma HLS ARRAY_PARTITION variable=present complete
      typename ElementOf<Layer::RESULT_BITS>::type results[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=results complete
      split_lanes<Layer::LANES, Layer::PLANES>(source.read(), bits);
      split_lanes<Layer::LANES, Layer::PLANES>(ap_uint<Layer::LANES * Layer::PLANES>(masks.at(0, place)), present);
      for (unsigned lane = 0; lane < Layer::LANES; ++lane) {
#pragma HLS UNROLL
        results[lane] = element_of<Layer::RESULT_BITS>(decoded<Layer>(bits[lane], present[lane], scales));
      }
      sink.write(join_lanes<Layer::LANES, Layer::RESULT_BITS>(results));
      place = place == Layer::MASK_PERIOD - 1 ? 0 : unsigned(place) + 1;
    }
  }
}

}  // namespace hbnn

#endif
