// SPDX-License-Identifier: Apache-2.0
// One AXI4-Stream beat, for Vivado HLS: the members of a struct become the port's signals by name, so
// "data" is TDATA and "last" is TLAST.
#ifndef HBNN_AXIS_H
#define HBNN_AXIS_H

#include "bits.h"

namespace hbnn {

template <int DATA_BITS>
struct AxisBeat {
  ap_uint<DATA_BITS> data;
  ap_uint<1> last;
};

template <int DATA_BITS>
AxisBeat<DATA_BITS> axis_beat(const ap_uint<DATA_BITS> &data, bool last) {
#pragma HLS INLINE
  AxisBeat<DATA_BITS> beat;
  beat.data = data;
  beat.last = last;
  return beat;
}

}  // namespace hbnn

#endif
