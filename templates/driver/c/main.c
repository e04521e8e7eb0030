/* SPDX-License-Identifier: Apache-2.0
 *
 * Run the self-test and print the classes of the golden images; returns 0 only if every output is golden.
 */
#include <stdio.h>

#include "accelerator.h"

static int report(const hbnn_accelerator *accelerator, hbnn_status status) {
  char text[512];
  if (status != HBNN_OK) {
    printf("FAILED: %s\n", hbnn_describe(accelerator, status, text, sizeof text));
  }
  return status != HBNN_OK;
}

int main(void) {
  static hbnn_accelerator accelerator;
  static double values[HBNN_OUTPUT_ELEMENTS];
  hbnn_platform platform;
  hbnn_buffer source, sink;
  size_t image;
  printf("network " HBNN_NAME ", control registers: " HBNN_OFFSETS_SOURCE "\n");
  if (report(&accelerator, hbnn_platform_open(&platform, &source, &sink))) {
    return 1;
  }
  hbnn_init(&accelerator, &platform, source, sink);
  printf("AXI DMA at 0x%08lx, accelerator at 0x%08lx\n", (unsigned long)accelerator.dma_address,
         (unsigned long)accelerator.control_address);
  if (report(&accelerator, hbnn_probe(&accelerator)) || report(&accelerator, hbnn_self_test(&accelerator))) {
    return 1;
  }
  printf("PASSED: %d images equal golden\n", (int)HBNN_GOLDEN_IMAGES);
  for (image = 0; image < HBNN_GOLDEN_IMAGES; ++image) {
    if (hbnn_values(hbnn_golden_outputs + image * HBNN_OUTPUT_ELEMENTS, values) == HBNN_OK) {
      printf("image %lu: class %lu\n", (unsigned long)image, (unsigned long)hbnn_argmax(values));
    }
  }
  return 0;
}
