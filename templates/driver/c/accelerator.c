/* SPDX-License-Identifier: Apache-2.0
 *
 * AXI DMA 7.1 in direct register mode (AMD PG021) and the HLS control block for ap_ctrl_hs (UG902, UG1399).
 *
 * A channel runs after DMACR.RS is set and starts when LENGTH is written. S2MM is idle again only after TLAST;
 * LENGTH then holds the number of bytes that arrived.
 */
#include "accelerator.h"

#include <string.h>

#define DMACR 0x00u
#define DMASR 0x04u
#define ADDRESS 0x18u
#define LENGTH 0x28u
#define CR_RUN 0x1u
#define CR_RESET 0x4u
#define SR_HALTED 0x1u
#define SR_IDLE 0x2u
#define SR_SCATTER_GATHER 0x8u
#define SR_INTERNAL_ERROR 0x10u
#define SR_SLAVE_ERROR 0x20u
#define SR_DECODE_ERROR 0x40u
#define SR_INTERRUPTS 0x5000u /* completed, error: written with 1 to clear */
#define AP_START 0x1u
#define AP_DONE 0x2u
#define AP_IDLE 0x4u
#define NOBODY 0xFFFFFFFFu /* what an interconnect answers where nobody listens */
#define UNUSED 0xA5        /* fills the sink: what never arrived must not pass for an old result */

typedef struct deadline {
  const hbnn_platform *platform;
  uint64_t begin;
  uint64_t limit;
  uint64_t polls;
} deadline;

static deadline wait_at_most(const hbnn_accelerator *a, uint64_t limit) {
  deadline d;
  d.platform = &a->platform;
  d.begin = a->platform.now_us ? a->platform.now_us(a->platform.context) : 0;
  d.limit = limit;
  d.polls = 0;
  return d;
}

static int expired(deadline *d) {
  const uint64_t passed = d->platform->now_us ? d->platform->now_us(d->platform->context) - d->begin : ++d->polls;
  return passed > d->limit;
}

static uint32_t dma_read(const hbnn_accelerator *a, hbnn_channel channel, uint32_t offset) {
  return a->platform.read(a->platform.context, a->dma_address + (uint32_t)channel + offset);
}

static void dma_write(const hbnn_accelerator *a, hbnn_channel channel, uint32_t offset, uint32_t value) {
  a->platform.write(a->platform.context, a->dma_address + (uint32_t)channel + offset, value);
}

static uint32_t control_read(const hbnn_accelerator *a, uint32_t offset) {
  return a->platform.read(a->platform.context, a->control_address + offset);
}

static void control_write(const hbnn_accelerator *a, uint32_t offset, uint32_t value) {
  a->platform.write(a->platform.context, a->control_address + offset, value);
}

static hbnn_status fail(hbnn_accelerator *a, hbnn_channel channel, hbnn_status status) {
  a->failure.channel = channel;
  return status;
}

/* Error bits of DMASR. */
static hbnn_status dma_errors(hbnn_accelerator *a, hbnn_channel channel, uint32_t status) {
  if (status & (SR_INTERNAL_ERROR | SR_SLAVE_ERROR | SR_DECODE_ERROR)) {
    a->failure.address = dma_read(a, channel, ADDRESS);
    a->failure.length = dma_read(a, channel, LENGTH);
    return fail(a, channel,
                status & SR_INTERNAL_ERROR ? HBNN_DMA_INTERNAL_ERROR
                : status & SR_SLAVE_ERROR  ? HBNN_DMA_SLAVE_ERROR
                                           : HBNN_DMA_DECODE_ERROR);
  }
  return HBNN_OK;
}

static hbnn_status dma_idle(hbnn_accelerator *a, hbnn_channel channel, int *idle) {
  const uint32_t status = dma_read(a, channel, DMASR);
  *idle = (status & SR_IDLE) != 0;
  return dma_errors(a, channel, status);
}

static hbnn_status dma_run(hbnn_accelerator *a, hbnn_channel channel) {
  deadline d = wait_at_most(a, a->reset_timeout);
  dma_write(a, channel, DMACR, dma_read(a, channel, DMACR) | CR_RUN);
  for (;;) {
    const uint32_t status = dma_read(a, channel, DMASR);
    const hbnn_status errors = dma_errors(a, channel, status);
    if (errors != HBNN_OK || !(status & SR_HALTED)) {
      return errors;
    }
    if (expired(&d)) {
      return fail(a, channel, HBNN_HALTED_STUCK);
    }
  }
}

/* Reset both channels, whatever they are at, and let them run. */
static hbnn_status dma_restart(hbnn_accelerator *a) {
  deadline d = wait_at_most(a, a->reset_timeout);
  hbnn_status status;
  dma_write(a, HBNN_MM2S, DMACR, CR_RESET);
  while (dma_read(a, HBNN_MM2S, DMACR) & CR_RESET) {
    if (expired(&d)) {
      return fail(a, HBNN_MM2S, HBNN_RESET_STUCK);
    }
  }
  if (!(dma_read(a, HBNN_MM2S, DMASR) & SR_HALTED)) {
    return fail(a, HBNN_MM2S, HBNN_NOT_A_DMA);
  }
  status = dma_run(a, HBNN_S2MM);
  return status != HBNN_OK ? status : dma_run(a, HBNN_MM2S);
}

static void dma_start(hbnn_accelerator *a, hbnn_channel channel, uint32_t address, uint32_t length) {
  dma_write(a, channel, DMASR, SR_INTERRUPTS);
  dma_write(a, channel, ADDRESS, address);
  dma_write(a, channel, LENGTH, length);
}

/* Only before the first data: the end of an S2MM transfer overwrites LENGTH. */
static hbnn_status dma_check_length(hbnn_accelerator *a, hbnn_channel channel, uint32_t length) {
  a->failure.length = length;
  a->failure.received = dma_read(a, channel, LENGTH);
  return a->failure.received == length ? HBNN_OK : fail(a, channel, HBNN_NARROW_LENGTH);
}

static hbnn_status control_check_idle(const hbnn_accelerator *a) {
  const uint32_t state = control_read(a, HBNN_AP_CTRL);
  if (state == NOBODY) {
    return HBNN_NO_CONTROL;
  }
  /* A start while it works would be remembered and run with the wrong number of images. */
  return (state & AP_START) || !(state & AP_IDLE) ? HBNN_BUSY : HBNN_OK;
}

static hbnn_status control_start(hbnn_accelerator *a, uint32_t n_images) {
  control_write(a, HBNN_AP_IMAGES, n_images);
  a->failure.length = n_images;
  a->failure.received = control_read(a, HBNN_AP_IMAGES);
  if (a->failure.received != n_images) {
    return HBNN_BAD_OFFSET;
  }
  control_write(a, HBNN_AP_CTRL, AP_START);
  return HBNN_OK;
}

/* The done bit clears when it is read, so idle without start counts as well. */
static int control_done(const hbnn_accelerator *a) {
  const uint32_t state = control_read(a, HBNN_AP_CTRL);
  return (state & AP_DONE) || ((state & AP_IDLE) && !(state & AP_START));
}

/* Why data has not arrived in time, from what each block says of itself. */
static hbnn_status reason(hbnn_accelerator *a, size_t image) {
  int idle;
  const hbnn_status status = dma_idle(a, HBNN_MM2S, &idle);
  a->failure.image = image;
  if (status != HBNN_OK) {
    return status;
  }
  if (!idle) {
    return HBNN_INPUT_STALLED;
  }
  return control_done(a) ? HBNN_OUTPUT_STALLED : HBNN_STUCK;
}

static void receive(hbnn_accelerator *a, size_t image, size_t room) {
  /* All the room that is left, so that a missing TLAST is seen as such and not as an error of the DMA. */
  dma_start(a, HBNN_S2MM, a->sink.address + (uint32_t)(image * HBNN_OUTPUT_STRIDE),
            (uint32_t)((room - image) * HBNN_OUTPUT_STRIDE));
}

static hbnn_status wait_for_image(hbnn_accelerator *a, size_t image) {
  deadline d = wait_at_most(a, a->timeout);
  for (;;) {
    int idle, unused;
    hbnn_status status = dma_idle(a, HBNN_S2MM, &idle);
    if (status == HBNN_OK && !idle) {
      status = dma_idle(a, HBNN_MM2S, &unused);
    }
    if (status != HBNN_OK) {
      return status;
    }
    if (idle) {
      break;
    }
    if (expired(&d)) {
      return reason(a, image);
    }
  }
  a->failure.image = image;
  a->failure.length = (uint32_t)HBNN_OUTPUT_BYTES;
  a->failure.received = dma_read(a, HBNN_S2MM, LENGTH);
  return a->failure.received == HBNN_OUTPUT_BYTES ? HBNN_OK : HBNN_BAD_PACKET;
}

static hbnn_status wait_for_end(hbnn_accelerator *a, size_t n_images) {
  deadline d = wait_at_most(a, a->timeout);
  for (;;) {
    int idle;
    const hbnn_status status = dma_idle(a, HBNN_MM2S, &idle);
    if (status != HBNN_OK) {
      return status;
    }
    if (idle && control_done(a)) {
      return HBNN_OK;
    }
    if (expired(&d)) {
      return reason(a, n_images);
    }
  }
}

/* Start both transfers and the accelerator: the output's first, so that nothing ever waits for a place. */
static hbnn_status start(hbnn_accelerator *a, size_t n_images, size_t room) {
  const uint32_t bytes = (uint32_t)(n_images * HBNN_INPUT_BYTES);
  hbnn_status status;
  receive(a, 0, room);
  status = dma_check_length(a, HBNN_S2MM, (uint32_t)(room * HBNN_OUTPUT_STRIDE));
  if (status == HBNN_OK) {
    status = control_start(a, (uint32_t)n_images);
  }
  if (status != HBNN_OK) {
    return status;
  }
  dma_start(a, HBNN_MM2S, a->source.address, bytes);
  return dma_check_length(a, HBNN_MM2S, bytes);
}

static hbnn_status run(hbnn_accelerator *a, const hbnn_input *images, size_t n_images, size_t room,
                       hbnn_output *outputs) {
  const hbnn_platform *p = &a->platform;
  size_t image;
  hbnn_status status;
  memcpy(a->source.memory, images, n_images * HBNN_INPUT_BYTES);
  p->flush(p->context, a->source.memory, n_images * HBNN_INPUT_BYTES);
  memset(a->sink.memory, UNUSED, room * HBNN_OUTPUT_STRIDE);
  p->flush(p->context, a->sink.memory, room * HBNN_OUTPUT_STRIDE);
  status = start(a, n_images, room);
  for (image = 0; status == HBNN_OK && image < n_images; ++image) {
    if (image != 0) {
      receive(a, image, room);
    }
    status = wait_for_image(a, image);
  }
  if (status == HBNN_OK) {
    status = wait_for_end(a, n_images);
  }
  if (status != HBNN_OK) {
    return status;
  }
  p->invalidate(p->context, a->sink.memory, room * HBNN_OUTPUT_STRIDE);
  for (image = 0; image < n_images; ++image) {
    memcpy(outputs + image * HBNN_OUTPUT_ELEMENTS, a->sink.memory + image * HBNN_OUTPUT_STRIDE, HBNN_OUTPUT_BYTES);
  }
  return HBNN_OK;
}

static hbnn_status check_codes(hbnn_accelerator *a, const hbnn_input *images, size_t n_images) {
  size_t at;
  for (at = 0; at < n_images * HBNN_INPUT_ELEMENTS; ++at) {
    const int64_t code = (int64_t)images[at];
    if (code < HBNN_INPUT_LOW || code > HBNN_INPUT_HIGH) {
      a->failure.image = at / HBNN_INPUT_ELEMENTS;
      a->failure.element = at % HBNN_INPUT_ELEMENTS;
      a->failure.found = code;
      return HBNN_BAD_ARGUMENT;
    }
  }
  return HBNN_OK;
}

void hbnn_init(hbnn_accelerator *accelerator, const hbnn_platform *platform, hbnn_buffer source, hbnn_buffer sink) {
  memset(accelerator, 0, sizeof *accelerator);
  accelerator->platform = *platform;
  accelerator->source = source;
  accelerator->sink = sink;
  accelerator->dma_address = HBNN_DMA_ADDRESS;
  accelerator->control_address = HBNN_CONTROL_ADDRESS;
  accelerator->timeout = HBNN_TIMEOUT;
  accelerator->reset_timeout = HBNN_RESET_TIMEOUT;
}

hbnn_status hbnn_probe(hbnn_accelerator *accelerator) {
  static const hbnn_channel channels[] = {HBNN_MM2S, HBNN_S2MM};
  size_t i;
  for (i = 0; i < sizeof channels / sizeof *channels; ++i) {
    const uint32_t status = dma_read(accelerator, channels[i], DMASR);
    if (status == NOBODY) {
      return fail(accelerator, channels[i], HBNN_NO_DMA);
    }
    if (status & SR_SCATTER_GATHER) {
      return fail(accelerator, channels[i], HBNN_SCATTER_GATHER);
    }
  }
  return control_check_idle(accelerator);
}

hbnn_status hbnn_infer(hbnn_accelerator *accelerator, const hbnn_input *images, size_t n_images,
                       hbnn_output *outputs) {
  const size_t room_in = accelerator->source.size / HBNN_INPUT_BYTES;
  const size_t room_out = accelerator->sink.size / HBNN_OUTPUT_STRIDE;
  const size_t room = room_in < room_out ? room_in : room_out;
  size_t done = 0;
  hbnn_status status;
  memset(&accelerator->failure, 0, sizeof accelerator->failure);
  status = n_images == 0 || room == 0 ? HBNN_BAD_ARGUMENT : check_codes(accelerator, images, n_images);
  while (status == HBNN_OK && done < n_images) {
    const size_t now = n_images - done < room ? n_images - done : room;
    status = control_check_idle(accelerator);
    if (status == HBNN_OK && !accelerator->fresh) {
      status = dma_restart(accelerator);
    }
    accelerator->fresh = 0;
    if (status == HBNN_OK) {
      status = run(accelerator, images + done * HBNN_INPUT_ELEMENTS, now, room,
                   outputs + done * HBNN_OUTPUT_ELEMENTS);
      accelerator->fresh = status == HBNN_OK;
      if (status != HBNN_OK) {
        accelerator->failure.image += done;
      }
    }
    done += now;
  }
  return status;
}

void hbnn_arrange(const hbnn_input *image, hbnn_input *arranged) {
  size_t pixel, channel;
  for (pixel = 0; pixel < HBNN_INPUT_ELEMENTS / HBNN_IMAGE_CHANNELS; ++pixel) {
    for (channel = 0; channel < HBNN_IMAGE_CHANNELS; ++channel) {
      arranged[pixel * HBNN_IMAGE_CHANNELS + channel] =
          image[channel * (HBNN_INPUT_ELEMENTS / HBNN_IMAGE_CHANNELS) + pixel];
    }
  }
}

hbnn_status hbnn_values(const hbnn_output *outputs, double *values) {
  size_t at;
  if (!HBNN_HOST_COMPLETE) {
    return HBNN_HOST_LAYERS;
  }
  for (at = 0; at < HBNN_OUTPUT_ELEMENTS; ++at) {
    const int64_t x = (int64_t)outputs[at] * HBNN_SCALE + HBNN_OFFSET;
    const size_t channel = at % HBNN_TAIL_CHANNELS;
    size_t piece = 0;
    while (piece + 1 < HBNN_PIECES && x >= hbnn_knees[piece * HBNN_TAIL_CHANNELS + channel]) {
      ++piece;
    }
    /* An integer below 2**24 times a float32 is exact in a double, so a fused multiply-add changes nothing. */
    values[at] = (double)x * hbnn_alpha[piece * HBNN_TAIL_CHANNELS + channel] +
                 hbnn_beta[piece * HBNN_TAIL_CHANNELS + channel];
  }
  return HBNN_OK;
}

size_t hbnn_argmax(const double *values) {
  size_t best = 0, at;
  if (HBNN_OUTPUT_IS_CLASS) {
    return (size_t)values[0];
  }
  for (at = 1; at < HBNN_OUTPUT_ELEMENTS; ++at) {
    if (values[at] > values[best]) {
      best = at;
    }
  }
  return best;
}
