// SPDX-License-Identifier: Apache-2.0
// Sliding window: what a window sees at every place, from a ring of image rows.
//
// Beats are moved as they are, whatever their elements mean. The loop order is FINN's (Umuroglu et al. 2017): take
// the rows that the first places see, then write one row of places after the other, while the rows that are new to
// the next are taken.
#ifndef HBNN_SLIDING_WINDOW_H
#define HBNN_SLIDING_WINDOW_H

#include "lanes.h"
#include <hls_stream.h>

namespace hbnn {

template <class Layer>
unsigned wrapped(unsigned at) {
#pragma HLS INLINE
  return at >= Layer::RING_BEATS ? at - Layer::RING_BEATS : at;
}

// Where in the ring the next beat of a window lies. Channels of a block run fastest, then kernel columns, kernel
// rows, blocks and places of a row; all products are kept as sums.
template <class Layer>
struct WindowReader {
  typename Counter<Layer::BLOCK_BEATS>::type beat;
  typename Counter<Layer::KERNEL_COLUMNS>::type kernel_column;
  typename Counter<Layer::KERNEL_ROWS>::type kernel_row;
  typename Counter<Layer::BLOCKS>::type block;
  typename Counter<Layer::PLACES>::type place;
  typename Counter<Layer::ROW_BEATS>::type column_at;  // of the kernel column, from the place
  typename Counter<Layer::ROW_BEATS>::type block_at;
  typename Counter<Layer::ROW_BEATS>::type place_at;
  typename Counter<Layer::RING_BEATS>::type row_at;     // of the kernel row
  typename Counter<Layer::RING_BEATS>::type window_at;  // of the first row that the places see

  WindowReader() { begin(0); }

  // The first beat of a row of places.
  void begin(unsigned at) {
#pragma HLS INLINE
    beat = 0;
    kernel_column = 0;
    kernel_row = 0;
    block = 0;
    place = 0;
    column_at = 0;
    block_at = 0;
    place_at = 0;
    row_at = at;
    window_at = at;
  }

  unsigned at() const {
#pragma HLS INLINE
    return unsigned(row_at) + unsigned(place_at) + unsigned(column_at) + unsigned(block_at) + unsigned(beat);
  }

  void advance() {
#pragma HLS INLINE
    if (beat != Layer::BLOCK_BEATS - 1) {
      beat = unsigned(beat) + 1;
      return;
    }
    beat = 0;
    if (kernel_column != Layer::KERNEL_COLUMNS - 1) {
      kernel_column = unsigned(kernel_column) + 1;
      column_at = unsigned(column_at) + Layer::COLUMN_STEP;
      return;
    }
    kernel_column = 0;
    column_at = 0;
    if (kernel_row != Layer::KERNEL_ROWS - 1) {
      kernel_row = unsigned(kernel_row) + 1;
      row_at = wrapped<Layer>(unsigned(row_at) + Layer::ROW_STEP);
      return;
    }
    kernel_row = 0;
    row_at = window_at;
    if (block != Layer::BLOCKS - 1) {
      block = unsigned(block) + 1;
      block_at = unsigned(block_at) + Layer::BLOCK_BEATS;
      return;
    }
    block = 0;
    block_at = 0;
    if (place != Layer::PLACES - 1) {
      place = unsigned(place) + 1;
      place_at = unsigned(place_at) + Layer::PLACE_STEP;
      return;
    }
    begin(wrapped<Layer>(unsigned(window_at) + Layer::WINDOW_STEP));
  }
};

// One step per clock, Layer::STEPS per image: FILL_BEATS that only read, then PLACE_ROW_STEPS for each row of places.
template <class Layer>
void sliding_window(hls::stream<ap_uint<Layer::BEAT_BITS> > &source, hls::stream<ap_uint<Layer::BEAT_BITS> > &sink,
                    unsigned images, ap_uint<Layer::BEAT_BITS> ring[Layer::RING_BEATS]) {
#pragma HLS INLINE
  WindowReader<Layer> reader;
  typename Counter<Layer::IMAGE_BEATS + 1>::type taken = 0;
  typename Counter<Layer::RING_BEATS>::type put_at = 0;
  typename Counter<Layer::PLACE_ROW_STEPS>::type place_step = 0;
  typename Counter<Layer::NEW_BEATS + 1>::type taken_in_row = 0;
  typename Counter<Layer::PLACE_ROW_STEPS + Layer::NEW_BEATS>::type pace = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      const bool fills = step < Layer::FILL_BEATS;
      // The beats of the next rows come at an even pace, as whoever writes them does; a burst would have to wait.
      const unsigned paced = unsigned(pace) + Layer::NEW_BEATS;
      const bool due = paced >= Layer::PLACE_ROW_STEPS;
      const bool reads = (fills || due) && taken != Layer::IMAGE_BEATS;
      const bool writes = !fills && place_step < Layer::PLACE_ROW_BEATS;
      // Rows between two windows, where the stride is larger than what a window reaches over, are not kept.
      const bool keeps = fills || taken_in_row + 1 > Layer::SKIPPED_BEATS;
      ap_uint<Layer::BEAT_BITS> beat = 0;
      if (reads) {
        beat = source.read();
        taken = unsigned(taken) + 1;
      }
      if (writes) {
        sink.write(ring[reader.at()]);
        reader.advance();
      }
      if (reads && keeps) {
        ring[unsigned(put_at)] = beat;
        put_at = wrapped<Layer>(unsigned(put_at) + 1);
      }
      if (!fills) {
        pace = due ? paced - Layer::PLACE_ROW_STEPS : paced;
        const bool row_ends = place_step == Layer::PLACE_ROW_STEPS - 1;
        place_step = row_ends ? 0 : unsigned(place_step) + 1;
        taken_in_row = row_ends ? 0 : unsigned(taken_in_row) + (due ? 1 : 0);
      }
      if (step == Layer::STEPS - 1) {
        reader.begin(0);
        taken = 0;
        put_at = 0;
      }
    }
  }
}

}  // namespace hbnn

#endif
