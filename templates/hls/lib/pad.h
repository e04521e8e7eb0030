// SPDX-License-Identifier: Apache-2.0
// Frames around images: of one element, or of beats that are marked as nothing.
#ifndef HBNN_PAD_H
#define HBNN_PAD_H

#include "lanes.h"
#include <hls_stream.h>

namespace hbnn {

// Whether FIRST <= at < FIRST + COUNT.
template <unsigned FIRST, unsigned COUNT>
bool within(unsigned at) {
#pragma HLS INLINE
  return at + 1 > FIRST && at < FIRST + COUNT;
}

// One beat of the framed image per clock; those inside are taken from the source.
template <class Layer>
void pad(hls::stream<ap_uint<Layer::INPUT_BITS> > &source, hls::stream<ap_uint<Layer::OUTPUT_BITS> > &sink,
         unsigned images) {
#pragma HLS INLINE
  ap_uint<Layer::OUTPUT_BITS> frame = repeated_element<Layer::LANES, Layer::TO_BITS>(Layer::FRAME);
  if (Layer::MARKED) {
    frame[Layer::OUTPUT_BITS - 1] = 1;
  }
  typename Counter<Layer::FRAMED_BEATS>::type beat = 0;
  typename Counter<Layer::FRAMED_COLUMNS>::type column = 0;
  typename Counter<Layer::FRAMED_ROWS>::type row = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      ap_uint<Layer::OUTPUT_BITS> written = frame;
      if (within<Layer::TOP, Layer::ROWS>(row) && within<Layer::LEFT, Layer::COLUMNS>(column) &&
          within<Layer::BEFORE, Layer::PIXEL_BEATS>(beat)) {
        written = extended_lanes<Layer::LANES, Layer::FROM_BITS, Layer::TO_BITS, Layer::SIGNED>(source.read());
      }
      sink.write(written);
      if (beat != Layer::FRAMED_BEATS - 1) {
        beat = unsigned(beat) + 1;
      } else {
        beat = 0;
        if (column != Layer::FRAMED_COLUMNS - 1) {
          column = unsigned(column) + 1;
        } else {
          column = 0;
          row = row == Layer::FRAMED_ROWS - 1 ? 0 : unsigned(row) + 1;
        }
      }
    }
  }
}

}  // namespace hbnn

#endif
