// SPDX-License-Identifier: Apache-2.0
// Stream width converters: the elements and their order stay, lowest lanes first.
#ifndef HBNN_WIDTH_CONVERTER_H
#define HBNN_WIDTH_CONVERTER_H

#include "bits.h"
#include <hls_stream.h>

namespace hbnn {

// Cut every beat into Layer::RATIO parts, one per clock; Layer::STEPS parts per image.
template <class Layer>
void narrow(hls::stream<ap_uint<Layer::INPUT_BITS> > &source, hls::stream<ap_uint<Layer::OUTPUT_BITS> > &sink,
            unsigned images) {
#pragma HLS INLINE
  ap_uint<Layer::INPUT_BITS> beat = 0;
  ap_uint<BitsFor<Layer::RATIO - 1>::value> part = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      beat = part == 0 ? source.read() : ap_uint<Layer::INPUT_BITS>(beat >> Layer::OUTPUT_BITS);
      sink.write(ap_uint<Layer::OUTPUT_BITS>(beat));
      part = part == Layer::RATIO - 1 ? 0 : unsigned(part) + 1;
    }
  }
}

// Collect Layer::RATIO beats into one; Layer::STEPS input beats per image, one per clock.
template <class Layer>
void widen(hls::stream<ap_uint<Layer::INPUT_BITS> > &source, hls::stream<ap_uint<Layer::OUTPUT_BITS> > &sink,
           unsigned images) {
#pragma HLS INLINE
  ap_uint<Layer::OUTPUT_BITS> beat = 0;
  ap_uint<BitsFor<Layer::RATIO - 1>::value> part = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      beat >>= Layer::INPUT_BITS;
      beat.range(Layer::OUTPUT_BITS - 1, Layer::OUTPUT_BITS - Layer::INPUT_BITS) = source.read();
      if (part == Layer::RATIO - 1) {
        sink.write(beat);
      }
      part = part == Layer::RATIO - 1 ? 0 : unsigned(part) + 1;
    }
  }
}

// Hand beats on as they are; Layer::STEPS beats per image.
template <class Layer>
void forward(hls::stream<ap_uint<Layer::INPUT_BITS> > &source, hls::stream<ap_uint<Layer::OUTPUT_BITS> > &sink,
             unsigned images) {
#pragma HLS INLINE
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      sink.write(source.read());
    }
  }
}

}  // namespace hbnn

#endif
