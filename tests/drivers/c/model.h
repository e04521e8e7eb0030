/* SPDX-License-Identifier: Apache-2.0
 *
 * Register model of what stands in the fabric, in C: as tests/drivers/model.py, with the golden vectors as function.
 */
#ifndef HBNN_MODEL_H
#define HBNN_MODEL_H

#include "accelerator.h"

typedef enum fault {
  NONE,
  MM2S_INTERNAL,
  MM2S_SLAVE,
  MM2S_DECODE,
  S2MM_INTERNAL,
  S2MM_SLAVE,
  S2MM_DECODE,
  MISSING_TLAST,
  MISSING_TLAST_INSIDE,
  SHORT_OUTPUT,
  SHORT_OUTPUT_NO_TLAST,
  LONG_OUTPUT,
  INPUT_STALLED,
  NEVER_DONE,
  WRONG_BEAT,
  BUSY,
  RESET_STUCK,
  HALTED_STUCK,
  SCATTER_GATHER,
  NOT_A_DMA,
  NARROW_LENGTH,
  DMA_ABSENT,
  CONTROL_ABSENT,
  FAULTS
} fault;

/* The names of the faults, as in the enumeration. */
extern const char *const fault_names[FAULTS];

typedef struct model_options {
  fault injected;
  size_t at;              /* at which image of a start */
  size_t beat_bytes;      /* of the output stream */
  uint32_t images_offset; /* where HLS put the argument */
  int maintained;         /* whether cache commands work */
  int clocked;            /* whether the platform has a clock */
} model_options;

/* Make the fabric anew; buffers hold `batch` images. */
void model_open(const model_options *options, size_t batch, hbnn_platform *platform, hbnn_buffer *source,
                hbnn_buffer *sink);
void model_repair(void);         /* take the fault away */
void model_load_bitstream(void); /* the accelerator forgets what it was at */
unsigned long model_ticks(void);
unsigned long model_starts(void);
unsigned long model_resets(void);

#endif
