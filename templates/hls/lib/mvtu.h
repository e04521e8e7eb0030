// SPDX-License-Identifier: Apache-2.0
// Matrix-vector-threshold unit: folded over PE x SIMD lanes, or unrolled to one vector per clock.
//
// The accumulator counts agreements (equal bits), so it is unsigned; thresholds and offsets are given for that. Where
// beats may lie outside of the image it is in halves: every position counts one there, an agreement two inside.
// The loop order of one plane is FINN's (Umuroglu et al. 2017); several weight planes follow one another,
// several input planes are processed side by side.
#ifndef HBNN_MVTU_H
#define HBNN_MVTU_H

#include "bits.h"
#include "roms.h"
#include <hls_stream.h>

namespace hbnn {

// Types of one layer.
template <class Layer>
struct Mvtu {
  static const unsigned INPUT_BITS =
      Layer::SPREAD * Layer::SIMD * Layer::INPUT_PLANES + (Layer::BORDERED ? 1 : 0);
  static const unsigned OUTPUT_BITS = Layer::PE * Layer::OUTPUT_BITS;
  static const unsigned INPUT_WORDS = Layer::SPREAD * Layer::INPUT_PLANES;
  typedef ap_uint<INPUT_BITS> input_t;
  typedef ap_uint<OUTPUT_BITS> output_t;
  typedef typename LaneWord<Layer::SIMD>::type lanes_t;
  typedef typename Number<Layer::WORD_SUM_BITS>::type word_sum_t;
  typedef typename Number<Layer::STEP_SUM_BITS>::type step_sum_t;
  typedef typename Number<Layer::SUM_BITS>::type sum_t;
  typedef Constants<Layer::WEIGHT_PLANES> coefficients_t;
  typedef Constants<Layer::INPUT_PLANES> scales_t;
};

// One word per group that is worked on and input plane, and whether the beat lies outside of the image.
template <class Layer>
bool take_apart(const typename Mvtu<Layer>::input_t &beat,
                typename Mvtu<Layer>::lanes_t x[Mvtu<Layer>::INPUT_WORDS]) {
#pragma HLS INLINE
  split_planes<Mvtu<Layer>::INPUT_BITS, Layer::SPREAD, Layer::SIMD, Layer::INPUT_PLANES, Layer::TOP_INVERTED>(beat, x);
  return Layer::BORDERED && beat[Mvtu<Layer>::INPUT_BITS - 1] == 1;
}

// sum_q input_scale[q] * agreements of input plane q with one weight word.
template <class Layer, class Weight, class Mask>
typename Mvtu<Layer>::word_sum_t word_sum(const typename Mvtu<Layer>::lanes_t x[Mvtu<Layer>::INPUT_WORDS],
                                          unsigned group, const Weight &weight, const Mask &mask, bool inverted,
                                          bool outside, const typename Mvtu<Layer>::scales_t &input_scales) {
#pragma HLS INLINE
  typedef typename Mvtu<Layer>::word_sum_t sum_t;
  sum_t sum = 0;
  for (unsigned plane = 0; plane < Layer::INPUT_PLANES; ++plane) {
#pragma HLS UNROLL
    sum += sum_t(sum_t(input_scales.words[plane]) *
                 Agreement<Layer::SIMD>::in(x[group * Layer::INPUT_PLANES + plane], weight, mask, inverted, outside));
  }
  return sum;
}

// coefficient[plane] * sum, as a choice between products with constants: no general multiplier.
template <class Layer>
typename Mvtu<Layer>::step_sum_t scaled(const typename Mvtu<Layer>::word_sum_t &sum, unsigned plane,
                                        const typename Mvtu<Layer>::coefficients_t &coefficients) {
#pragma HLS INLINE
  typedef typename Mvtu<Layer>::step_sum_t sum_t;
#if HBNN_NATIVE_WORDS
  return sum_t(sum) * coefficients.words[plane];
#else
  sum_t product = 0;
  for (unsigned p = 0; p < Layer::WEIGHT_PLANES; ++p) {
#pragma HLS UNROLL
    if (p == plane) {
      product = sum_t(sum * coefficients.words[p]);
    }
  }
  return product;
#endif
}

// What the accumulator grows by in one step.
template <class Layer>
typename Mvtu<Layer>::sum_t increment(const typename Mvtu<Layer>::step_sum_t &agreements, bool outside) {
#pragma HLS INLINE
  typedef typename Mvtu<Layer>::sum_t sum_t;
  return Layer::BORDERED && !outside ? sum_t(sum_t(agreements) << 1) : sum_t(agreements);
}

// Thresholds or scores of all PEs as one beat.
template <class Layer, class Activation>
typename Mvtu<Layer>::output_t activated(const typename Mvtu<Layer>::sum_t sums[Layer::PE], unsigned row_fold,
                                         const Activation &activation) {
#pragma HLS INLINE
#if HBNN_NATIVE_WORDS
  Parts<Mvtu<Layer>::OUTPUT_BITS> beat = Parts<Mvtu<Layer>::OUTPUT_BITS>();
  for (unsigned pe = 0; pe < Layer::PE; ++pe) {
    set_field(beat, pe * Layer::OUTPUT_BITS, Layer::OUTPUT_BITS, activation.at(sums[pe], pe, row_fold));
  }
  return beat;
#else
  typename Mvtu<Layer>::output_t beat = 0;
  for (unsigned pe = 0; pe < Layer::PE; ++pe) {
#pragma HLS UNROLL
    beat.range((pe + 1) * Layer::OUTPUT_BITS - 1, pe * Layer::OUTPUT_BITS) =
        activation.at(sums[pe], pe, row_fold);
  }
  return beat;
#endif
}

// Folded: one step per clock, Layer::STEPS steps per place. The first plane of a vector's first row fold reads the
// input and keeps it in the buffer, all other steps take it from there.
template <class Layer, class Steps, class Weights, class Masks, class Activation>
void mvtu(hls::stream<typename Mvtu<Layer>::input_t> &source, hls::stream<typename Mvtu<Layer>::output_t> &sink,
          unsigned images, typename Mvtu<Layer>::lanes_t buffer[Layer::COLUMN_FOLDS][Mvtu<Layer>::INPUT_WORDS],
          bool outside_buffer[Layer::COLUMN_FOLDS], Steps &steps, const Weights &weights, const Masks &masks,
          const typename Mvtu<Layer>::coefficients_t &coefficients,
          const typename Mvtu<Layer>::scales_t &input_scales, const Activation &activation) {
#pragma HLS INLINE
  typedef typename Mvtu<Layer>::sum_t sum_t;
  sum_t sums[Layer::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
  typename Counter<Layer::ROW_FOLDS>::type row_fold = 0;
  typename Counter<Layer::VECTOR_ROW_FOLDS>::type vector_row_fold = 0;
  bool first = true;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned place = 0; place < Layer::PLACES; ++place) {
      for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
        HBNN_COUNT_STEP(Layer::INDEX);
        const Step now = steps.at(step);
        typename Mvtu<Layer>::lanes_t x[Mvtu<Layer>::INPUT_WORDS];
#pragma HLS ARRAY_PARTITION variable=x complete
        bool outside = false;
        const bool reads = now.plane == 0 && vector_row_fold == 0;
        if (reads) {
          outside = take_apart<Layer>(source.read(), x);
        }
        for (unsigned word = 0; word < Mvtu<Layer>::INPUT_WORDS; ++word) {
#pragma HLS UNROLL
          if (reads) {
            buffer[now.column_fold][word] = x[word];
          } else {
            x[word] = buffer[now.column_fold][word];
          }
        }
        if (Layer::BORDERED) {
          if (reads) {
            outside_buffer[now.column_fold] = outside;
          } else {
            outside = outside_buffer[now.column_fold];
          }
        }
        for (unsigned lane = 0; lane < Layer::PE / Weights::PES; ++lane) {
#pragma HLS UNROLL
          const typename Weights::read_t word = weights.at(lane, step, now.plane);
          for (unsigned i = 0; i < Weights::PES; ++i) {
#pragma HLS UNROLL
            const unsigned pe = lane * Weights::PES + i;
            const typename Mvtu<Layer>::step_sum_t agreements = scaled<Layer>(
                word_sum<Layer>(x, pe / Layer::GROUP_PES, Weights::of_pe(word, i),
                                masks.at(pe, step), weights.inverted(pe, row_fold, now.plane), outside,
                                input_scales),
                now.plane, coefficients);
            const sum_t before = first ? sum_t(0) : sums[pe];
            sums[pe] = sum_t(before + increment<Layer>(agreements, outside));
          }
        }
        if (now.last) {
          sink.write(activated<Layer>(sums, row_fold, activation));
          row_fold = row_fold == Layer::ROW_FOLDS - 1 ? 0 : unsigned(row_fold) + 1;
          vector_row_fold = vector_row_fold == Layer::VECTOR_ROW_FOLDS - 1 ? 0 : unsigned(vector_row_fold) + 1;
        }
        first = now.last;
      }
    }
  }
}

// Unrolled: a whole vector in one clock; weights and masks are constants in logic. A ROM's lanes are rows and
// its depth is the planes.
template <class Layer, class Weights, class Masks, class Activation>
void unrolled_mvtu(hls::stream<typename Mvtu<Layer>::input_t> &source,
                   hls::stream<typename Mvtu<Layer>::output_t> &sink, unsigned images, const Weights &weights,
                   const Masks &masks, const typename Mvtu<Layer>::coefficients_t &coefficients,
                   const typename Mvtu<Layer>::scales_t &input_scales, const Activation &activation) {
#pragma HLS INLINE
  typedef typename Mvtu<Layer>::sum_t sum_t;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned place = 0; place < Layer::PLACES; ++place) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      typename Mvtu<Layer>::lanes_t x[Mvtu<Layer>::INPUT_WORDS];
#pragma HLS ARRAY_PARTITION variable=x complete
      const bool outside = take_apart<Layer>(source.read(), x);
      sum_t sums[Layer::PE];
#pragma HLS ARRAY_PARTITION variable=sums complete
      for (unsigned row = 0; row < Layer::PE; ++row) {
#pragma HLS UNROLL
        sum_t sum = 0;
        for (unsigned plane = 0; plane < Layer::WEIGHT_PLANES; ++plane) {
#pragma HLS UNROLL
          sum += increment<Layer>(
              scaled<Layer>(word_sum<Layer>(x, 0, weights.at(row, plane), masks.at(row, plane), false, outside,
                                            input_scales),
                            plane, coefficients),
              outside);
        }
        sums[row] = sum;
      }
      sink.write(activated<Layer>(sums, 0, activation));
    }
  }
}

}  // namespace hbnn

#endif
