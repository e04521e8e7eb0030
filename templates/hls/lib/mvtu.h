// SPDX-License-Identifier: Apache-2.0
// Matrix-vector-threshold unit: folded over PE x SIMD lanes, or unrolled to one image per clock.
//
// Sums count agreements (equal bits), so they are unsigned; thresholds and offsets are given for that.
// The loop order of one plane is FINN's (Umuroglu et al. 2017); several weight planes follow one another,
// several input planes are processed side by side.
#ifndef HBNN_MVTU_H
#define HBNN_MVTU_H

#include "bits.h"
#include "roms.h"
#include <hls_stream.h>

namespace hbnn {

// sum_q input_scale[q] * agreements of input plane q with one weight word.
template <class Layer, class Word>
typename PartialSum<Layer::WORD_SUM_BITS>::type word_sum(const ap_uint<Layer::SIMD> x[Layer::INPUT_PLANES],
                                                         const Word &weight, const Word &mask,
                                                         const Constants<Layer::INPUT_PLANES> &input_scales) {
#pragma HLS INLINE
  typedef typename PartialSum<Layer::WORD_SUM_BITS>::type sum_t;
  sum_t sum = 0;
  for (unsigned plane = 0; plane < Layer::INPUT_PLANES; ++plane) {
#pragma HLS UNROLL
    sum += sum_t(input_scales.words[plane] * Agreement<Layer::SIMD>::in(x[plane], weight, mask));
  }
  return sum;
}

// coefficient[plane] * sum, as a choice between products with constants: no general multiplier.
template <class Layer>
typename PartialSum<Layer::STEP_SUM_BITS>::type scaled(
    const typename PartialSum<Layer::WORD_SUM_BITS>::type &sum, unsigned plane,
    const Constants<Layer::WEIGHT_PLANES> &coefficients) {
#pragma HLS INLINE
  typedef typename PartialSum<Layer::STEP_SUM_BITS>::type sum_t;
  sum_t product = 0;
  for (unsigned p = 0; p < Layer::WEIGHT_PLANES; ++p) {
#pragma HLS UNROLL
    if (p == plane) {
      product = sum_t(sum * coefficients.words[p]);
    }
  }
  return product;
}

// Folded: one step per clock, Layer::STEPS steps per image. The first COLUMN_FOLDS steps of an image read the
// input and keep it in the buffer, all others take it from there.
template <class Layer, class Steps, class Weights, class Masks, class Activation>
void mvtu(hls::stream<ap_uint<Layer::SIMD * Layer::INPUT_PLANES> > &source,
          hls::stream<ap_uint<Layer::PE * Layer::OUTPUT_BITS> > &sink, unsigned images,
          ap_uint<Layer::SIMD> buffer[Layer::COLUMN_FOLDS][Layer::INPUT_PLANES], Steps &steps,
          const Weights &weights, const Masks &masks, const Constants<Layer::WEIGHT_PLANES> &coefficients,
          const Constants<Layer::INPUT_PLANES> &input_scales, const Activation &activation) {
#pragma HLS INLINE
  ap_uint<Layer::SUM_BITS> sums[Layer::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
  ap_uint<BitsFor<Layer::ROW_FOLDS - 1>::value> row_fold = 0;
  bool first = true;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      const Step now = steps.at(step);
      ap_uint<Layer::SIMD> x[Layer::INPUT_PLANES];
#pragma HLS ARRAY_PARTITION variable=x complete
      if (step < Layer::COLUMN_FOLDS) {
        split_planes<Layer::SIMD, Layer::INPUT_PLANES>(source.read(), x);
      }
      for (unsigned plane = 0; plane < Layer::INPUT_PLANES; ++plane) {
#pragma HLS UNROLL
        if (step < Layer::COLUMN_FOLDS) {
          buffer[now.column_fold][plane] = x[plane];
        } else {
          x[plane] = buffer[now.column_fold][plane];
        }
      }
      for (unsigned pe = 0; pe < Layer::PE; ++pe) {
#pragma HLS UNROLL
        const typename PartialSum<Layer::STEP_SUM_BITS>::type step_sum = scaled<Layer>(
            word_sum<Layer>(x, weights.at(pe, step), masks.at(pe, step), input_scales), now.plane, coefficients);
        sums[pe] = first ? ap_uint<Layer::SUM_BITS>(step_sum) : ap_uint<Layer::SUM_BITS>(sums[pe] + step_sum);
      }
      if (now.last) {
        ap_uint<Layer::PE * Layer::OUTPUT_BITS> beat = 0;
        for (unsigned pe = 0; pe < Layer::PE; ++pe) {
#pragma HLS UNROLL
          beat.range((pe + 1) * Layer::OUTPUT_BITS - 1, pe * Layer::OUTPUT_BITS) =
              activation.at(sums[pe], pe, row_fold);
        }
        sink.write(beat);
        row_fold = row_fold == Layer::ROW_FOLDS - 1 ? 0 : unsigned(row_fold) + 1;
      }
      first = now.last;
    }
  }
}

// Unrolled: the whole layer in one clock; weights and masks are constants in logic. A ROM's lanes are rows and
// its depth is the planes.
template <class Layer, class Weights, class Masks, class Activation>
void unrolled_mvtu(hls::stream<ap_uint<Layer::SIMD * Layer::INPUT_PLANES> > &source,
                   hls::stream<ap_uint<Layer::PE * Layer::OUTPUT_BITS> > &sink, unsigned images,
                   const Weights &weights, const Masks &masks, const Constants<Layer::WEIGHT_PLANES> &coefficients,
                   const Constants<Layer::INPUT_PLANES> &input_scales, const Activation &activation) {
#pragma HLS INLINE
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
#pragma HLS PIPELINE II=1 enable_flush
    HBNN_COUNT_STEP(Layer::INDEX);
    ap_uint<Layer::SIMD> x[Layer::INPUT_PLANES];
#pragma HLS ARRAY_PARTITION variable=x complete
    split_planes<Layer::SIMD, Layer::INPUT_PLANES>(source.read(), x);
    ap_uint<Layer::PE * Layer::OUTPUT_BITS> beat = 0;
    for (unsigned row = 0; row < Layer::PE; ++row) {
#pragma HLS UNROLL
      ap_uint<Layer::SUM_BITS> sum = 0;
      for (unsigned plane = 0; plane < Layer::WEIGHT_PLANES; ++plane) {
#pragma HLS UNROLL
        sum += ap_uint<Layer::SUM_BITS>(
            scaled<Layer>(word_sum<Layer>(x, weights.at(row, plane), masks.at(row, plane), input_scales), plane,
                          coefficients));
      }
      beat.range((row + 1) * Layer::OUTPUT_BITS - 1, row * Layer::OUTPUT_BITS) = activation.at(sum, row, 0);
    }
    sink.write(beat);
  }
}

}  // namespace hbnn

#endif
