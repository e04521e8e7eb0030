// SPDX-License-Identifier: Apache-2.0
// AXI4-Stream edges: a beat carries LANES elements, each in a lane of 8, 16 or 32 bits.
#ifndef HBNN_EDGES_H
#define HBNN_EDGES_H

#include "axis.h"
#include "bits.h"
#include <hls_stream.h>

namespace hbnn {

// Take the significant bits of every lane. The input's TLAST is not looked at: the number of beats per image
// is fixed, so a wrong TLAST cannot put the accelerator out of step.
template <class Edge>
void read_edge(hls::stream<AxisBeat<Edge::DATA_BITS> > &source,
               hls::stream<ap_uint<Edge::LANES * Edge::ELEMENT_BITS> > &sink, unsigned images) {
#pragma HLS INLINE
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned beat = 0; beat < Edge::BEATS; ++beat) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      const ap_uint<Edge::DATA_BITS> data = source.read().data;
      ap_uint<Edge::LANES * Edge::ELEMENT_BITS> word = 0;
      for (unsigned lane = 0; lane < Edge::LANES; ++lane) {
#pragma HLS UNROLL
        word.range((lane + 1) * Edge::ELEMENT_BITS - 1, lane * Edge::ELEMENT_BITS) =
            data.range(lane * Edge::LANE_BITS + Edge::ELEMENT_BITS - 1, lane * Edge::LANE_BITS);
      }
      sink.write(word);
    }
  }
}

// One element extended to its lane.
template <class Edge>
ap_uint<Edge::LANE_BITS> extended(const ap_uint<Edge::ELEMENT_BITS> &element) {
#pragma HLS INLINE
  const ap_int<Edge::LANE_BITS> from_signed = ap_int<Edge::ELEMENT_BITS>(element);
  return Edge::SIGNED ? ap_uint<Edge::LANE_BITS>(from_signed) : ap_uint<Edge::LANE_BITS>(element);
}

// Extend every element to its lane and raise TLAST on the last beat of each image.
template <class Edge>
void write_edge(hls::stream<ap_uint<Edge::LANES * Edge::ELEMENT_BITS> > &source,
                hls::stream<AxisBeat<Edge::DATA_BITS> > &sink, unsigned images) {
#pragma HLS INLINE
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned beat = 0; beat < Edge::BEATS; ++beat) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      const ap_uint<Edge::LANES * Edge::ELEMENT_BITS> word = source.read();
      ap_uint<Edge::DATA_BITS> data = 0;
      for (unsigned lane = 0; lane < Edge::LANES; ++lane) {
#pragma HLS UNROLL
        const ap_uint<Edge::ELEMENT_BITS> element =
            word.range((lane + 1) * Edge::ELEMENT_BITS - 1, lane * Edge::ELEMENT_BITS);
        data.range((lane + 1) * Edge::LANE_BITS - 1, lane * Edge::LANE_BITS) = extended<Edge>(element);
      }
      sink.write(axis_beat<Edge::DATA_BITS>(data, beat == Edge::BEATS - 1));
    }
  }
}

}  // namespace hbnn

#endif
