/* SPDX-License-Identifier: Apache-2.0
 *
 * AXI DMA by PG021 in direct register mode: halted until RS is set; LENGTH starts and is ignored while halted; idle
 * is 0 before the first transfer and 1 after each; S2MM ends only at TLAST, LENGTH then tells the bytes; a packet
 * beyond LENGTH is DMAIntErr; an error clears RS and halts until a reset; a reset is one of both channels. Time passes
 * with register accesses alone, a microsecond each.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN 1u
#define RESET 4u
#define HALTED 1u
#define IDLE 2u
#define SG 8u
#define INTERNAL 0x10u
#define SLAVE 0x20u
#define DECODE 0x40u
#define IOC 0x1000u
#define ERROR_IRQ 0x4000u
#define NOBODY 0xFFFFFFFFu
#define MEMORY 0x10000000u
#define MEMORY_BYTES (1u << 16)
#define MOST_TICKS 400000ul
#define IMAGE_TICKS 5ul
#define RESET_TICKS 3ul
#define MOST_OUTPUT (4u * HBNN_OUTPUT_BYTES)

const char *const fault_names[FAULTS] = {
    "NONE",          "MM2S_INTERNAL",        "MM2S_SLAVE",    "MM2S_DECODE",           "S2MM_INTERNAL",
    "S2MM_SLAVE",    "S2MM_DECODE",          "MISSING_TLAST", "MISSING_TLAST_INSIDE",  "SHORT_OUTPUT",
    "SHORT_OUTPUT_NO_TLAST", "LONG_OUTPUT",  "INPUT_STALLED", "NEVER_DONE",            "WRONG_BEAT",
    "BUSY",          "RESET_STUCK",          "HALTED_STUCK",  "SCATTER_GATHER",        "NOT_A_DMA",
    "NARROW_LENGTH", "DMA_ABSENT",           "CONTROL_ABSENT"};

typedef struct channel {
  uint32_t status, address, length, count;
  int run, active;
} channel;

static struct {
  model_options options;
  unsigned long ticks, starts, resets, reset_ends, ready_at;
  channel mm2s, s2mm;
  uint8_t queue[HBNN_INPUT_BYTES];
  size_t queued;
  uint8_t results[MOST_OUTPUT];
  size_t result_bytes, result_at;
  int result_last;
  uint32_t images, image, left;
  int running, done, pending;
} m;

/* What DMA and host see; the host's is a cache that keeps every line, and writes dirty ones back at the worst
 * time: after S2MM. */
static uint8_t dram[MEMORY_BYTES];
static uint8_t cache[MEMORY_BYTES];
static uint8_t clean[MEMORY_BYTES]; /* the cache's lines as memory last had them */

static void die(const char *why) {
  printf("MODEL: %s\n", why);
  exit(3);
}

static void channel_fail(channel *c, uint32_t bit) {
  c->status |= bit | ERROR_IRQ | HALTED;
  c->run = c->active = 0;
}

static void channel_finish(channel *c) {
  c->active = 0;
  c->status |= IDLE | IOC;
}

static int inject(channel *c, fault first) {
  static const uint32_t bits[] = {INTERNAL, SLAVE, DECODE};
  const unsigned which = (unsigned)m.options.injected - (unsigned)first;
  uint32_t bit = which < 3u ? bits[which] : 0u;
  if (bit == 0 && (c->address < MEMORY || c->length > MEMORY_BYTES ||
                   c->address - MEMORY > MEMORY_BYTES - c->length)) {
    bit = DECODE;
  }
  if (bit != 0) {
    channel_fail(c, bit);
  }
  return bit != 0;
}

static void step_mm2s(void) {
  channel *c = &m.mm2s;
  if (!c->active || inject(c, MM2S_INTERNAL)) {
    return;
  }
  while (m.options.injected != INPUT_STALLED && m.queued < sizeof m.queue && c->count < c->length) {
    m.queue[m.queued++] = dram[c->address - MEMORY + c->count++];
  }
  if (c->count == c->length) {
    channel_finish(c);
  }
}

static void compute(uint8_t *output) {
  size_t i;
  for (i = 0; i < HBNN_GOLDEN_IMAGES; ++i) {
    if (memcmp(m.queue, hbnn_golden_inputs + i * HBNN_INPUT_ELEMENTS, HBNN_INPUT_BYTES) == 0) {
      memcpy(output, hbnn_golden_outputs + i * HBNN_OUTPUT_ELEMENTS, HBNN_OUTPUT_BYTES);
      return;
    }
  }
  memset(output, 0x77, HBNN_OUTPUT_BYTES); /* what was not flushed is no golden image */
}

static void emit(void) {
  const fault injected = m.options.injected;
  const int here = m.image == m.options.at;
  compute(m.results);
  m.result_at = 0;
  m.result_bytes = HBNN_OUTPUT_BYTES;
  m.result_last = 1;
  if (injected == WRONG_BEAT && here) {
    m.results[HBNN_OUTPUT_BYTES - 1] ^= 1;
  }
  if (injected == LONG_OUTPUT) {
    memcpy(m.results + HBNN_OUTPUT_BYTES, m.results, HBNN_OUTPUT_BYTES);
    m.result_bytes *= 2;
  }
  if (injected == NEVER_DONE && here) {
    m.result_bytes = 0;
  }
  if ((injected == SHORT_OUTPUT || injected == SHORT_OUTPUT_NO_TLAST) && here) {
    m.result_bytes -= m.options.beat_bytes;
  }
  if ((injected == MISSING_TLAST && m.image + 1 == m.images) ||
      ((injected == MISSING_TLAST_INSIDE || injected == SHORT_OUTPUT_NO_TLAST) && here)) {
    m.result_last = 0;
  }
}

static void start(void) {
  m.pending = m.done = 0;
  m.running = 1;
  m.left = m.images;
  m.image = 0;
  ++m.starts;
}

static void step_accelerator(void) {
  const int empty = m.result_at == m.result_bytes;
  if (!m.running) {
    return;
  }
  if (m.left != 0 && m.queued == sizeof m.queue && empty) {
    if (m.ready_at == 0) {
      m.ready_at = m.ticks + IMAGE_TICKS;
    }
    if (m.ticks >= m.ready_at) {
      m.ready_at = 0;
      emit();
      m.queued = 0;
      --m.left;
      ++m.image;
    }
  }
  if (m.left == 0 && m.result_at == m.result_bytes && m.options.injected != NEVER_DONE) {
    m.running = 0;
    m.done = 1;
    if (m.pending) {
      start();
    }
  }
}

static void evict(void) {
  size_t i;
  for (i = 0; i < MEMORY_BYTES; ++i) {
    if (cache[i] != clean[i]) {
      dram[i] = cache[i];
    }
  }
}

static void step_s2mm(void) {
  channel *c = &m.s2mm;
  if (!c->active || inject(c, S2MM_INTERNAL)) {
    return;
  }
  while (c->active && m.result_at < m.result_bytes) {
    if (c->count == c->length) {
      channel_fail(c, INTERNAL);
      return;
    }
    dram[c->address - MEMORY + c->count++] = m.results[m.result_at++];
    if (m.result_at == m.result_bytes && m.result_last) {
      c->length = c->count;
      channel_finish(c);
      evict();
    }
  }
}

static void tick(void) {
  if (++m.ticks > MOST_TICKS) {
    die("the driver hangs");
  }
  step_mm2s();
  step_accelerator();
  step_s2mm();
}

static void halt_all(void) {
  memset(&m.mm2s, 0, sizeof m.mm2s);
  memset(&m.s2mm, 0, sizeof m.s2mm);
  m.mm2s.status = m.s2mm.status = HALTED;
}

static void write_cr(channel *c, uint32_t value) {
  if (value & RESET) {
    halt_all();
    m.queued = 0; /* what was on its way is lost */
    m.reset_ends = m.ticks + RESET_TICKS;
    ++m.resets;
  } else if (value & RUN) {
    if (m.ticks < m.reset_ends) {
      die("the DMA was written while it was being reset");
    }
    c->run = 1;
    if (m.options.injected != HALTED_STUCK) {
      c->status &= ~HALTED;
    }
  } else {
    c->run = c->active = 0;
    c->status |= HALTED;
  }
}

static void write_length(channel *c, uint32_t value) {
  if (c->active) {
    die("LENGTH was written during a transfer");
  }
  c->length = value & (m.options.injected == NARROW_LENGTH ? 0xFFu : 0x3FFFFFFu);
  if ((c->status & HALTED) || c->length == 0) {
    return;
  }
  c->active = 1;
  c->count = 0;
  c->status &= ~IDLE;
}

static uint32_t read_dma(uint32_t offset) {
  const channel *c = offset < 0x30u ? &m.mm2s : &m.s2mm;
  const fault injected = m.options.injected;
  if (injected == DMA_ABSENT) {
    return NOBODY;
  }
  switch (offset % 0x30u) {
    case 0x00:
      return (c->run ? RUN : 0u) |
             (m.ticks < m.reset_ends || (m.reset_ends != 0 && injected == RESET_STUCK) ? RESET : 0u);
    case 0x04:
      return (injected == NOT_A_DMA ? c->status & ~HALTED : c->status) | (injected == SCATTER_GATHER ? SG : 0u);
    case 0x18:
      return c->address;
    case 0x28:
      return c->length;
    default:
      die("a register that does not exist was read");
      return 0;
  }
}

static void write_dma(uint32_t offset, uint32_t value) {
  channel *c = offset < 0x30u ? &m.mm2s : &m.s2mm;
  switch (offset % 0x30u) {
    case 0x00:
      write_cr(c, value);
      break;
    case 0x04:
      c->status &= ~(value & (IOC | ERROR_IRQ));
      break;
    case 0x18:
      if (value % 128u != 0) {
        die("without realignment, addresses are multiples of the memory's width");
      }
      c->address = value;
      break;
    case 0x28:
      if (c == &m.mm2s && (!m.running || (m.s2mm.status & IDLE))) {
        die("MM2S was started before S2MM and the accelerator");
      }
      write_length(c, value);
      break;
    default:
      die("a register that does not exist was written");
  }
}

static uint32_t read_control(uint32_t offset) {
  uint32_t state;
  if (m.options.injected == CONTROL_ABSENT) {
    return NOBODY;
  }
  if (offset == m.options.images_offset) {
    return m.images;
  }
  if (offset != 0) {
    return 0;
  }
  state = (m.pending ? 1u : 0u) | (m.done ? 2u : 0u) | (m.running ? 0u : 4u);
  m.done = 0; /* clears when it is read */
  return state;
}

static void write_control(uint32_t offset, uint32_t value) {
  if (offset == m.options.images_offset) {
    m.images = value;
  } else if (offset == 0 && (value & 1u)) {
    if (m.running) {
      m.pending = 1;
    } else {
      start();
    }
  }
}

static uint32_t read_register(void *context, uint32_t address) {
  (void)context;
  tick();
  return address >= HBNN_CONTROL_ADDRESS ? read_control(address - HBNN_CONTROL_ADDRESS)
                                         : read_dma(address - HBNN_DMA_ADDRESS);
}

static void write_register(void *context, uint32_t address, uint32_t value) {
  (void)context;
  tick();
  if (address >= HBNN_CONTROL_ADDRESS) {
    write_control(address - HBNN_CONTROL_ADDRESS, value);
  } else {
    write_dma(address - HBNN_DMA_ADDRESS, value);
  }
}

static void flush(void *context, void *begin, size_t size) {
  const size_t at = (size_t)((uint8_t *)begin - cache);
  (void)context;
  if (m.options.maintained) {
    memcpy(dram + at, cache + at, size);
    memcpy(clean + at, cache + at, size);
  }
}

static void invalidate(void *context, void *begin, size_t size) {
  const size_t at = (size_t)((uint8_t *)begin - cache);
  (void)context;
  if (m.options.maintained) {
    memcpy(cache + at, dram + at, size);
    memcpy(clean + at, dram + at, size);
  }
}

static uint64_t now_us(void *context) {
  (void)context;
  return m.ticks;
}

void model_open(const model_options *options, size_t batch, hbnn_platform *platform, hbnn_buffer *source,
                hbnn_buffer *sink) {
  const size_t input = (batch * HBNN_INPUT_BYTES + 127u) / 128u * 128u;
  memset(&m, 0, sizeof m);
  m.options = *options;
  halt_all();
  m.running = options->injected == BUSY;
  m.left = (uint32_t)m.running;
  memset(dram, 0xEE, sizeof dram);
  memset(cache, 0x11, sizeof cache);
  memset(clean, 0x11, sizeof clean);
  platform->context = NULL;
  platform->read = read_register;
  platform->write = write_register;
  platform->flush = flush;
  platform->invalidate = invalidate;
  platform->now_us = options->clocked ? now_us : NULL;
  source->memory = cache;
  source->address = MEMORY;
  source->size = input;
  sink->memory = cache + input;
  sink->address = MEMORY + (uint32_t)input;
  sink->size = batch * HBNN_OUTPUT_STRIDE;
}

void model_repair(void) {
  m.options.injected = NONE;
}

void model_load_bitstream(void) {
  m.running = m.pending = m.done = 0;
  m.left = 0;
  m.result_at = m.result_bytes = 0;
}

unsigned long model_ticks(void) {
  return m.ticks;
}

unsigned long model_starts(void) {
  return m.starts;
}

unsigned long model_resets(void) {
  return m.resets;
}
