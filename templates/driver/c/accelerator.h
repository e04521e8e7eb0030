/* SPDX-License-Identifier: Apache-2.0
 *
 * Driver of one accelerator behind an AXI DMA in direct register mode, C99, bare metal or Linux.
 *
 * The machine is reached through the function pointers of hbnn_platform; platform_baremetal.c and
 * platform_linux.c fill them in. Every wait has a limit, and every failure a text that says what to do.
 */
#ifndef HBNN_ACCELERATOR_H
#define HBNN_ACCELERATOR_H

#include <stddef.h>
#include <stdint.h>

#include "network.h"

/* Every image's outputs begin at such an address: the widest memory side of the DMA, which has no realignment
 * engine. It is whole cache lines as well, which must not be shared with anything else. */
#define HBNN_ALIGNMENT 128u
#define HBNN_INPUT_BYTES (HBNN_INPUT_ELEMENTS * sizeof(hbnn_input))
#define HBNN_OUTPUT_BYTES (HBNN_OUTPUT_ELEMENTS * sizeof(hbnn_output))
#define HBNN_OUTPUT_STRIDE ((HBNN_OUTPUT_BYTES + HBNN_ALIGNMENT - 1u) / HBNN_ALIGNMENT * HBNN_ALIGNMENT)

typedef enum hbnn_status {
  HBNN_OK = 0,
  HBNN_BAD_ARGUMENT,       /* no images, no room for one, or a code out of range */
  HBNN_NO_PLATFORM,        /* registers or memory cannot be reached */
  HBNN_NO_CONTROL,         /* nobody answers at the accelerator's address */
  HBNN_BAD_OFFSET,         /* the register of `images` does not keep what is written */
  HBNN_BUSY,               /* the accelerator is not idle */
  HBNN_NO_DMA,             /* nobody answers at the DMA's address */
  HBNN_SCATTER_GATHER,     /* the DMA is built with scatter-gather */
  HBNN_NOT_A_DMA,          /* what answers does not behave like a DMA in direct register mode */
  HBNN_NARROW_LENGTH,      /* the length register drops bits */
  HBNN_RESET_STUCK,        /* the DMA's reset does not end */
  HBNN_HALTED_STUCK,       /* a channel does not start to run */
  HBNN_DMA_INTERNAL_ERROR, /* DMASR.DMAIntErr */
  HBNN_DMA_SLAVE_ERROR,    /* DMASR.DMASlvErr */
  HBNN_DMA_DECODE_ERROR,   /* DMASR.DMADecErr */
  HBNN_INPUT_STALLED,      /* MM2S never became idle */
  HBNN_OUTPUT_STALLED,     /* S2MM never became idle: TLAST is missing or the output is short */
  HBNN_STUCK,              /* the accelerator never finished */
  HBNN_BAD_PACKET,         /* a packet of the output stream is not one image long */
  HBNN_WRONG_OUTPUT,       /* an output differs from the golden one */
  HBNN_HOST_LAYERS         /* the network ends in layers that this driver does not compute */
} hbnn_status;

typedef struct hbnn_platform {
  void *context;
  uint32_t (*read)(void *context, uint32_t address);
  void (*write)(void *context, uint32_t address, uint32_t value);
  /* The HP ports are not coherent: write the cached lines to memory, or drop them. */
  void (*flush)(void *context, void *begin, size_t size);
  void (*invalidate)(void *context, void *begin, size_t size);
  /* Microseconds that never run backwards; NULL where there is no clock: limits then count polls. */
  uint64_t (*now_us)(void *context);
} hbnn_platform;

/* Contiguous memory that host and DMA reach; both views aligned to HBNN_ALIGNMENT. */
typedef struct hbnn_buffer {
  uint8_t *memory;
  uint32_t address; /* physical */
  size_t size;
} hbnn_buffer;

typedef enum hbnn_channel { HBNN_MM2S = 0x00, HBNN_S2MM = 0x30 } hbnn_channel;

/* What is known of the last failure; hbnn_describe makes a sentence of it. */
typedef struct hbnn_failure {
  hbnn_channel channel;
  uint32_t address;
  uint32_t length;   /* bytes asked for or expected */
  uint32_t received; /* bytes kept or arrived */
  size_t image;
  size_t element;
  size_t differing;
  int64_t found;
  int64_t golden;
} hbnn_failure;

typedef struct hbnn_accelerator {
  hbnn_platform platform;
  hbnn_buffer source;
  hbnn_buffer sink;
  uint32_t dma_address;
  uint32_t control_address;
  uint64_t timeout;       /* longest wait for an image [us, or polls] */
  uint64_t reset_timeout; /* longest wait for the DMA's reset [us, or polls] */
  int fresh;              /* the DMA runs and is idle */
  hbnn_failure failure;
} hbnn_accelerator;

/* Fill in the platform and two buffers of at least HBNN_BATCH images; each platform has its own. */
hbnn_status hbnn_platform_open(hbnn_platform *platform, hbnn_buffer *source, hbnn_buffer *sink);

/* Take addresses and limits from network.h (limits may be changed after it), then look whether the blocks answer. */
void hbnn_init(hbnn_accelerator *accelerator, const hbnn_platform *platform, hbnn_buffer source, hbnn_buffer sink);
hbnn_status hbnn_probe(hbnn_accelerator *accelerator);

/* Bring one image from the network's own order (channels, rows, columns) into the stream's, channels innermost. */
void hbnn_arrange(const hbnn_input *image, hbnn_input *arranged);

/* Run any number of images in the stream's order, one after the other in both arrays. After a failure the DMA is
 * reset first. */
hbnn_status hbnn_infer(hbnn_accelerator *accelerator, const hbnn_input *images, size_t n_images,
                       hbnn_output *outputs);

/* The host's layers: from one image's outputs to the network's, HBNN_OUTPUT_ELEMENTS of them. */
hbnn_status hbnn_values(const hbnn_output *outputs, double *values);

/* The class: the first largest of a network's outputs, or the output that is the class already. */
size_t hbnn_argmax(const double *values);

/* Run the golden vectors and compare every output. */
hbnn_status hbnn_self_test(hbnn_accelerator *accelerator);

/* Write a sentence on a status of this accelerator: what, where, what to do. Returns `text`. */
const char *hbnn_describe(const hbnn_accelerator *accelerator, hbnn_status status, char *text, size_t size);

#endif
