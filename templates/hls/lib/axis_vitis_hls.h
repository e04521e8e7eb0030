// SPDX-License-Identifier: Apache-2.0
// One AXI4-Stream beat, for Vitis HLS: only ap_axiu gives a port with TLAST (UG1399, "AXI4-Stream Interfaces
// with Side-Channels"); any other struct would become plain TDATA.
#ifndef HBNN_AXIS_H
#define HBNN_AXIS_H

#include "bits.h"
#include <ap_axi_sdata.h>

namespace hbnn {

template <int DATA_BITS>
using AxisBeat = ap_axiu<DATA_BITS, 0, 0, 0>;

template <int DATA_BITS>
AxisBeat<DATA_BITS> axis_beat(const ap_uint<DATA_BITS> &data, bool last) {
#pragma HLS INLINE
  AxisBeat<DATA_BITS> beat;
  beat.data = data;
  // All bytes count: a receiver drops bytes whose TKEEP is 0.
  beat.keep = -1;
  beat.strb = -1;
  beat.last = last;
  return beat;
}

}  // namespace hbnn

#endif
