// SPDX-License-Identifier: Apache-2.0
// Index of the largest of an image's scores.
#ifndef HBNN_ARG_MAX_H
#define HBNN_ARG_MAX_H

#include "numbers.h"
#include <hls_stream.h>

namespace hbnn {

// The class c of the largest (x << SHIFT) + offset[c], the first of equals. The lanes of a beat are compared
// among themselves first, so that only one comparison lies in the loop from beat to beat.
template <class Layer, class Offsets>
void arg_max(hls::stream<ap_uint<Layer::LANES * Layer::SOURCE_BITS> > &source,
             hls::stream<ap_uint<Layer::RESULT_BITS> > &sink, unsigned images, const Offsets &offsets) {
#pragma HLS INLINE
  typedef typename SignedNumber<Layer::KEY_BITS>::type key_t;
  key_t best = 0;
  ap_uint<Layer::RESULT_BITS> best_class = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      typename ElementOf<Layer::SOURCE_BITS>::type scores[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=scores complete
      split_lanes<Layer::LANES, Layer::SOURCE_BITS>(source.read(), scores);
      key_t largest = 0;
      unsigned lane_of_largest = 0;
      for (unsigned lane = 0; lane < Layer::LANES; ++lane) {
#pragma HLS UNROLL
        const key_t score = number_of<Layer::SOURCE_BITS, Layer::SOURCE_SIGNED, Layer::KEY_BITS>(scores[lane]);
        const key_t key = key_t(score * (1LL << Layer::SHIFT)) + offsets.at(lane, step, 0);
        if (lane == 0 || key > largest) {
          largest = key;
          lane_of_largest = lane;
        }
      }
      if (step == 0 || largest > best) {
        best = largest;
        best_class = ap_uint<Layer::RESULT_BITS>(step * Layer::LANES + lane_of_largest);
      }
      if (step == Layer::STEPS - 1) {
        sink.write(best_class);
      }
    }
  }
}

}  // namespace hbnn

#endif
