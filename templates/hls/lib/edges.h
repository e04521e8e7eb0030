// SPDX-License-Identifier: Apache-2.0
// AXI4-Stream edges: a beat carries LANES elements, each in a lane of 8, 16 or 32 bits.
#ifndef HBNN_EDGES_H
#define HBNN_EDGES_H

#include "axis.h"
#include "lanes.h"
#include "numbers.h"
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
      typename ElementOf<Edge::LANE_BITS>::type lanes[Edge::LANES];
      typename ElementOf<Edge::ELEMENT_BITS>::type elements[Edge::LANES];
#pragma HLS ARRAY_PARTITION variable=lanes complete
#pragma HLS ARRAY_PARTITION variable=elements complete
      split_lanes<Edge::LANES, Edge::LANE_BITS>(source.read().data, lanes);
      for (unsigned lane = 0; lane < Edge::LANES; ++lane) {
#pragma HLS UNROLL
        elements[lane] = element_of<Edge::ELEMENT_BITS>(lanes[lane]);
      }
      sink.write(join_lanes<Edge::LANES, Edge::ELEMENT_BITS>(elements));
    }
  }
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
      const ap_uint<Edge::DATA_BITS> data =
          extended_lanes<Edge::LANES, Edge::ELEMENT_BITS, Edge::LANE_BITS, Edge::SIGNED>(source.read());
      sink.write(axis_beat<Edge::DATA_BITS>(data, beat == Edge::BEATS - 1));
    }
  }
}

}  // namespace hbnn

#endif
