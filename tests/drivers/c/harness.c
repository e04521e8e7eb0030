/* SPDX-License-Identifier: Apache-2.0
 *
 * The delivered C driver in front of the register model.
 *
 * Usage: harness BEAT_BYTES MODE [FAULT [AT]]
 *   test      self-test with the fault
 *   polls     the same on a platform without a clock
 *   values    the network's outputs of the golden images
 *   arrange   a ramp in the stream's order
 *   recover   self-test with the fault, again without it, again after the bitstream was loaded
 *   stale     self-test on a machine whose cache commands do nothing
 *   shifted   self-test with `images` at another offset
 *   range     a code out of range
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static fault fault_of(const char *name) {
  int i;
  for (i = 0; i < FAULTS; ++i) {
    if (strcmp(name, fault_names[i]) == 0) {
      return (fault)i;
    }
  }
  printf("no such fault: %s\n", name);
  exit(2);
}

static void say(const hbnn_accelerator *accelerator, hbnn_status status) {
  char text[512];
  printf("%d %s\n", (int)status, hbnn_describe(accelerator, status, text, sizeof text));
}

static hbnn_status self_test(hbnn_accelerator *accelerator) {
  const hbnn_status status = hbnn_probe(accelerator);
  return status == HBNN_OK ? hbnn_self_test(accelerator) : status;
}

static void print_values(void) {
  static double values[HBNN_OUTPUT_ELEMENTS];
  size_t image, element;
  for (image = 0; image < HBNN_GOLDEN_IMAGES; ++image) {
    if (hbnn_values(hbnn_golden_outputs + image * HBNN_OUTPUT_ELEMENTS, values) != HBNN_OK) {
      printf("none\n");
      return;
    }
    printf("%lu", (unsigned long)hbnn_argmax(values));
    for (element = 0; element < HBNN_OUTPUT_ELEMENTS; ++element) {
      printf(" %.17g", values[element]);
    }
    printf("\n");
  }
}

static void out_of_range(hbnn_accelerator *accelerator) {
  static hbnn_input images[2 * HBNN_INPUT_ELEMENTS];
  static hbnn_output outputs[2 * HBNN_OUTPUT_ELEMENTS];
  images[HBNN_INPUT_ELEMENTS + 1] = (hbnn_input)(HBNN_INPUT_HIGH + 1);
  say(accelerator, hbnn_infer(accelerator, images, 2, outputs));
  say(accelerator, hbnn_infer(accelerator, images, 0, outputs));
}

static void print_arranged(void) {
  static hbnn_input ramp[HBNN_INPUT_ELEMENTS], arranged[HBNN_INPUT_ELEMENTS];
  size_t at;
  for (at = 0; at < HBNN_INPUT_ELEMENTS; ++at) {
    ramp[at] = (hbnn_input)at;
  }
  hbnn_arrange(ramp, arranged);
  for (at = 0; at < HBNN_INPUT_ELEMENTS; ++at) {
    printf("%d ", (int)arranged[at]);
  }
  printf("\n");
}

int main(int argc, char **argv) {
  static hbnn_accelerator accelerator;
  hbnn_platform platform;
  hbnn_buffer source, sink;
  model_options options = {NONE, 0, 0, 0, 1, 1};
  const char *mode = argc > 2 ? argv[2] : "";
  options.beat_bytes = argc > 1 ? (size_t)atoi(argv[1]) : 1;
  options.injected = argc > 3 ? fault_of(argv[3]) : NONE;
  options.at = argc > 4 ? (size_t)atoi(argv[4]) : 0;
  options.images_offset = strcmp(mode, "shifted") == 0 ? 0x18u : HBNN_AP_IMAGES;
  options.maintained = strcmp(mode, "stale") != 0;
  options.clocked = strcmp(mode, "polls") != 0;
  model_open(&options, 3, &platform, &source, &sink); /* eight golden images are starts of 3, 3 and 2 */
  hbnn_init(&accelerator, &platform, source, sink);
  accelerator.timeout = 2000;
  accelerator.reset_timeout = 1000;
  if (strcmp(mode, "values") == 0) {
    print_values();
    return 0;
  }
  if (strcmp(mode, "arrange") == 0) {
    print_arranged();
    return 0;
  }
  if (strcmp(mode, "range") == 0) {
    out_of_range(&accelerator);
    return 0;
  }
  say(&accelerator, self_test(&accelerator));
  if (strcmp(mode, "recover") == 0) {
    model_repair();
    say(&accelerator, self_test(&accelerator));
    model_load_bitstream();
    say(&accelerator, self_test(&accelerator));
  }
  printf("ticks %lu starts %lu resets %lu\n", model_ticks(), model_starts(), model_resets());
  return 0;
}
