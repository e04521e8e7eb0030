// SPDX-License-Identifier: Apache-2.0
// Layer 'fc1': 3 planes [8] -> 1 plane [4]
//
// 4 rows x 8 columns, 2 weight plane(s), 1.500 bits per weight on average.
// PE = 2 rows x SIMD = 4 columns per clock.
// 2 row fold(s) x 2 plane(s) x 2 column fold(s): 8 clocks per image.
#ifndef HBNN_LAYER_FC1_H
#define HBNN_LAYER_FC1_H

#include "../lib/mvtu.h"

struct fc1_shape {
  static const unsigned INDEX = 1;  // position in the network
  static const unsigned PE = 2;
  static const unsigned SIMD = 4;
  static const unsigned PLACES = 1;  // vectors per image
  static const unsigned STEPS = 8;  // clocks per place
  static const unsigned ROW_FOLDS = 2;
  static const unsigned VECTOR_ROW_FOLDS = 2;  // row folds that share an input vector
  static const unsigned COLUMN_FOLDS = 2;
  static const unsigned SPREAD = 1;  // groups at once
  static const unsigned GROUP_PES = 2;  // PEs of each of them
  static const unsigned WEIGHT_PLANES = 2;
  static const unsigned INPUT_PLANES = 3;  // bits per input element
  static const bool TOP_INVERTED = false;  // two's complement inputs
  static const bool BORDERED = false;  // a beat's top bit: outside of the image
  static const unsigned WORD_SUM_BITS = 5;  // agreements of one weight word
  static const unsigned STEP_SUM_BITS = 6;  // the same, times the plane's coefficient
  static const unsigned SUM_BITS = 8;  // accumulator of a whole row
  static const unsigned OUTPUT_BITS = 1;  // bits per output element
};

// Factor of each weight plane and of each input plane.
static const hbnn::Constants<2> fc1_coefficients = { { 2u, 1u } };
static const hbnn::Constants<3> fc1_input_scales = { { 1u, 2u, 4u } };

// Weights: a row of words per PE, a word of 4 bits per step; bit i is column i of the word, 1 is +1.
static const hbnn::WordRom<4, 2, 8> fc1_weights = { {
    { 0x3, 0xe, 0x8, 0x2, 0xc, 0x4, 0xa, 0x0 },
    { 0x7, 0x8, 0xa, 0x0, 0x3, 0x7, 0xa, 0x0 }
} };

// Masks, the same for every PE: 0 where the bit map has no such bit.
static const hbnn::SharedRom<4, 8> fc1_masks = { {
    0xf, 0xf, 0xb, 0x2, 0xf, 0xf, 0xb, 0x2
} };

// Thresholds on the accumulator, 1 level(s) per row: 9 bits, above them 1 where the row is inverted.
static const hbnn::Thresholds<8, 1, 2, 2> fc1_activation = { {
    { { 0x044 }, { 0x246 } },
    { { 0x247 }, { 0x047 } }
} };

static void fc1(hls::stream<ap_uint<12> > &source,
    hls::stream<ap_uint<2> > &sink, unsigned images) {
#pragma HLS INLINE off
#pragma HLS ARRAY_PARTITION variable=fc1_coefficients.words complete
#pragma HLS ARRAY_PARTITION variable=fc1_input_scales.words complete
#pragma HLS ARRAY_PARTITION variable=fc1_activation.words complete dim=1
#pragma HLS ARRAY_PARTITION variable=fc1_activation.words complete dim=3
#pragma HLS ARRAY_PARTITION variable=fc1_weights.words complete dim=1
#pragma HLS RESOURCE variable=fc1_weights.words core=ROM_1P_LUTRAM
#pragma HLS RESOURCE variable=fc1_masks.words core=ROM_1P_LUTRAM
  // The input vector, kept for the later planes and row folds.
  hbnn::Mvtu<fc1_shape>::lanes_t buffer[2][3];
  bool outside[2];
#pragma HLS ARRAY_PARTITION variable=buffer complete dim=0
#pragma HLS ARRAY_PARTITION variable=outside complete
  hbnn::CountedSteps<2, 2> steps;
  hbnn::mvtu<fc1_shape>(source, sink, images, buffer, outside, steps,
      fc1_weights, fc1_masks, fc1_coefficients, fc1_input_scales, fc1_activation);
}

#endif
