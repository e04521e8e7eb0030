/* SPDX-License-Identifier: Apache-2.0 */
#include "accelerator.h"

hbnn_status hbnn_self_test(hbnn_accelerator *accelerator) {
  static hbnn_output found[HBNN_GOLDEN_IMAGES * HBNN_OUTPUT_ELEMENTS];
  hbnn_failure *failure = &accelerator->failure;
  size_t at;
  const hbnn_status status = hbnn_infer(accelerator, hbnn_golden_inputs, HBNN_GOLDEN_IMAGES, found);
  if (status != HBNN_OK) {
    return status;
  }
  failure->differing = 0;
  for (at = 0; at < HBNN_GOLDEN_IMAGES * HBNN_OUTPUT_ELEMENTS; ++at) {
    if (found[at] != hbnn_golden_outputs[at] && failure->differing++ == 0) {
      failure->image = at / HBNN_OUTPUT_ELEMENTS;
      failure->element = at % HBNN_OUTPUT_ELEMENTS;
      failure->found = (int64_t)found[at];
      failure->golden = (int64_t)hbnn_golden_outputs[at];
    }
  }
  return failure->differing == 0 ? HBNN_OK : HBNN_WRONG_OUTPUT;
}
