// SPDX-License-Identifier: Apache-2.0
// C simulation only: stands in for the vendor's ap_axi_sdata.h, which no open header set carries. It is never
// part of a delivered project; the vendor's tools bring their own.
#ifndef HBNN_AP_AXI_SDATA_H
#define HBNN_AP_AXI_SDATA_H

#include <ap_int.h>

template <int D, int U, int TI, int TD>
struct ap_axiu {
  ap_uint<D> data;
  ap_uint<(D + 7) / 8> keep;
  ap_uint<(D + 7) / 8> strb;
  ap_uint<(U > 0) ? U : 1> user;
  ap_uint<1> last;
  ap_uint<(TI > 0) ? TI : 1> id;
  ap_uint<(TD > 0) ? TD : 1> dest;
};

#endif
