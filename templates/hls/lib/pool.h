// SPDX-License-Identifier: Apache-2.0
// Pooling: maximum, minimum and sum over windows, channel by channel.
#ifndef HBNN_POOL_H
#define HBNN_POOL_H

#include "lanes.h"
#include "roms.h"
#include <hls_stream.h>

namespace hbnn {

// All channels take the maximum.
template <unsigned LANES>
struct NoSmallest {
  ap_uint<LANES> at(unsigned, unsigned) const {
#pragma HLS INLINE
    return 0;
  }
};

// --- orders of elements: a greater key is a greater value

// Unsigned integers, and planes whose value rises with their code.
template <unsigned BITS>
struct CodeOrder {
  typedef typename ElementOf<BITS>::type key_t;
  key_t key(const key_t &element) const {
#pragma HLS INLINE
    return element;
  }
};

// Two's complement.
template <unsigned BITS>
struct SignedOrder {
  typedef typename ElementOf<BITS>::type key_t;
  key_t key(const key_t &element) const {
#pragma HLS INLINE
    return element ^ key_t(1ULL << (BITS - 1));
  }
};

// Planes of any scales: sum_p scale[p] * bit p is as great as the value.
template <unsigned PLANES, unsigned KEY_BITS>
struct ValueOrder {
  typedef typename ElementOf<KEY_BITS>::type key_t;
  unsigned words[PLANES];
  key_t key(const typename ElementOf<PLANES>::type &element) const {
#pragma HLS INLINE
    key_t sum = 0;
    for (unsigned plane = 0; plane < PLANES; ++plane) {
#pragma HLS UNROLL
      if ((element >> plane & 1) != 0) {
        sum = sum + key_t(words[plane]);
      }
    }
    return sum;
  }
};

// --- reductions of whole beats; bit i of `smallest` tells that lane i takes the minimum

// One plane: the maximum is an OR, the minimum an AND.
template <class Layer>
struct BitwiseLargest {
  typedef ap_uint<Layer::RESULT_BITS> beat_t;
  beat_t begin(const beat_t &seen) const {
#pragma HLS INLINE
    return seen;
  }
  beat_t add(const beat_t &kept, const beat_t &seen, const ap_uint<Layer::LANES> &smallest) const {
#pragma HLS INLINE
    return beat_t(((kept | seen) & ~smallest) | (kept & seen & smallest));
  }
};

// Any order; of equal elements the first stays.
template <class Layer, class Order>
struct Largest {
  typedef ap_uint<Layer::RESULT_BITS> beat_t;
  Order order;
  beat_t begin(const beat_t &seen) const {
#pragma HLS INLINE
    return seen;
  }
  beat_t add(const beat_t &kept, const beat_t &seen, const ap_uint<Layer::LANES> &smallest) const {
#pragma HLS INLINE
    typename ElementOf<Layer::TO_BITS>::type best[Layer::LANES], others[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=best complete
#pragma HLS ARRAY_PARTITION variable=others complete
    split_lanes<Layer::LANES, Layer::TO_BITS>(kept, best);
    split_lanes<Layer::LANES, Layer::TO_BITS>(seen, others);
    for (unsigned lane = 0; lane < Layer::LANES; ++lane) {
#pragma HLS UNROLL
      const typename Order::key_t ours = order.key(best[lane]), theirs = order.key(others[lane]);
      if (smallest[lane] == 1 ? theirs < ours : theirs > ours) {
        best[lane] = others[lane];
      }
    }
    return join_lanes<Layer::LANES, Layer::TO_BITS>(best);
  }
};

// Sums, at the width that the largest of them needs.
template <class Layer>
struct Sum {
  typedef ap_uint<Layer::RESULT_BITS> beat_t;
  typedef ap_uint<Layer::LANES * Layer::FROM_BITS> seen_t;
  beat_t begin(const seen_t &seen) const {
#pragma HLS INLINE
    return extended_lanes<Layer::LANES, Layer::FROM_BITS, Layer::TO_BITS, Layer::SIGNED>(seen);
  }
  beat_t add(const beat_t &kept, const seen_t &seen, const ap_uint<Layer::LANES> &) const {
#pragma HLS INLINE
    typename ElementOf<Layer::TO_BITS>::type sums[Layer::LANES];
    typename ElementOf<Layer::FROM_BITS>::type others[Layer::LANES];
#pragma HLS ARRAY_PARTITION variable=sums complete
#pragma HLS ARRAY_PARTITION variable=others complete
    split_lanes<Layer::LANES, Layer::TO_BITS>(kept, sums);
    split_lanes<Layer::LANES, Layer::FROM_BITS>(seen, others);
    for (unsigned lane = 0; lane < Layer::LANES; ++lane) {
#pragma HLS UNROLL
      sums[lane] =
          (sums[lane] + extended_element<Layer::FROM_BITS, Layer::TO_BITS, Layer::SIGNED>(others[lane])) &
          (~0ULL >> (64 - Layer::TO_BITS));
    }
    return join_lanes<Layer::LANES, Layer::TO_BITS>(sums);
  }
};

// --- units

// Where in its image a pixel lies, and in which window.
template <class Layer>
struct PixelPosition {
  typename Counter<Layer::PIXEL_BEATS>::type beat;
  typename Counter<Layer::COLUMNS>::type column;
  typename Counter<Layer::COLUMN_STRIDE>::type window_column;
  typename Counter<Layer::ROW_STRIDE>::type window_row;
  typename Counter<Layer::COLUMNS + 1>::type place;  // in its row
  typename Counter<Layer::ROWS + 1>::type place_row;
  typename Counter<Layer::COLUMNS * Layer::PIXEL_BEATS + 1>::type place_at;  // beats of the places before

  PixelPosition() { begin(); }

  void begin() {
#pragma HLS INLINE
    beat = 0;
    window_row = 0;
    place_row = 0;
    begin_row();
  }

  void begin_row() {
#pragma HLS INLINE
    column = 0;
    window_column = 0;
    place = 0;
    place_at = 0;
  }

  // Whether a window sees the pixel.
  bool seen() const {
#pragma HLS INLINE
    return window_row < Layer::KERNEL_ROWS && window_column < Layer::KERNEL_COLUMNS &&
           place_row < Layer::PLACE_ROWS && place < Layer::PLACES;
  }

  void advance() {
#pragma HLS INLINE
    if (beat != Layer::PIXEL_BEATS - 1) {
      beat = unsigned(beat) + 1;
      return;
    }
    beat = 0;
    if (column != Layer::COLUMNS - 1) {
      column = unsigned(column) + 1;
      if (window_column != Layer::COLUMN_STRIDE - 1) {
        window_column = unsigned(window_column) + 1;
      } else {
        window_column = 0;
        place = unsigned(place) + 1;
        place_at = unsigned(place_at) + Layer::PIXEL_BEATS;
      }
      return;
    }
    begin_row();
    if (window_row != Layer::ROW_STRIDE - 1) {
      window_row = unsigned(window_row) + 1;
    } else {
      window_row = 0;
      place_row = unsigned(place_row) + 1;
    }
  }
};

// Windows that do not overlap: one beat of the image per clock. Within a row a window's result grows in `pixel`,
// from row to row it waits in `row`, which a step reads or writes only where a window begins or ends.
template <class Layer, class Reduction, class Smallest>
void pool(hls::stream<ap_uint<Layer::LANES * Layer::FROM_BITS> > &source,
          hls::stream<ap_uint<Layer::RESULT_BITS> > &sink, unsigned images,
          ap_uint<Layer::RESULT_BITS> pixel[Layer::PIXEL_BEATS],
          ap_uint<Layer::RESULT_BITS> row[Layer::PLACES * Layer::PIXEL_BEATS], const Reduction &reduction,
          const Smallest &smallest) {
#pragma HLS INLINE
  PixelPosition<Layer> position;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      const ap_uint<Layer::LANES * Layer::FROM_BITS> seen = source.read();
      if (position.seen()) {
        const unsigned beat = unsigned(position.beat), at = unsigned(position.place_at) + beat;
        const bool begins_row = position.window_column == 0, begins = begins_row && position.window_row == 0;
        const bool ends_row = position.window_column == Layer::KERNEL_COLUMNS - 1;
        ap_uint<Layer::RESULT_BITS> result = 0;
        if (begins) {
          result = reduction.begin(seen);
        } else {
          result = begins_row ? row[at] : pixel[beat];
          result = reduction.add(result, seen, ap_uint<Layer::LANES>(smallest.at(0, beat)));
        }
        if (!ends_row) {
          pixel[beat] = result;
        } else if (position.window_row != Layer::KERNEL_ROWS - 1) {
          row[at] = result;
        } else {
          sink.write(result);
        }
      }
      position.advance();
      if (step == Layer::STEPS - 1) {
        position.begin();
      }
    }
  }
}

// Windows that a sliding window shows, a beat per clock: WINDOW beats of the same channels after one another. Beats
// that are marked as nothing are left out.
template <class Layer, class Reduction, class Smallest>
void window_pool(hls::stream<ap_uint<Layer::INPUT_BITS> > &source, hls::stream<ap_uint<Layer::RESULT_BITS> > &sink,
                 unsigned images, const Reduction &reduction, const Smallest &smallest) {
#pragma HLS INLINE
  ap_uint<Layer::RESULT_BITS> result = 0;
  bool found = false;
  typename Counter<Layer::WINDOW>::type element = 0;
  typename Counter<Layer::PIXEL_BEATS>::type beat = 0;
  for (unsigned image = 0; image < images; ++image) {
#pragma HLS LOOP_TRIPCOUNT min=1 max=1000
    for (unsigned step = 0; step < Layer::STEPS; ++step) {
#pragma HLS LOOP_FLATTEN
#pragma HLS PIPELINE II=1 enable_flush
      HBNN_COUNT_STEP(Layer::INDEX);
      const ap_uint<Layer::INPUT_BITS> word = source.read();
      const ap_uint<Layer::LANES * Layer::FROM_BITS> seen = ap_uint<Layer::LANES * Layer::FROM_BITS>(word);
      const bool nothing = Layer::MARKED && word[Layer::INPUT_BITS - 1] == 1;
      found = found && element != 0;
      if (!found) {
        result = reduction.begin(seen);
      } else if (!nothing) {
        result = reduction.add(result, seen, ap_uint<Layer::LANES>(smallest.at(0, unsigned(beat))));
      }
      found = found || !nothing;
      if (element != Layer::WINDOW - 1) {
        element = unsigned(element) + 1;
      } else {
        sink.write(result);
        element = 0;
        beat = beat == Layer::PIXEL_BEATS - 1 ? 0 : unsigned(beat) + 1;
      }
    }
  }
}

}  // namespace hbnn

#endif
