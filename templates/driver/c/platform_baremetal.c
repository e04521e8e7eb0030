/* SPDX-License-Identifier: Apache-2.0
 *
 * Bare metal on the vendor's standalone BSP: addresses are physical, the caches are on.
 */
#include "xil_cache.h"
#include "xtime_l.h"

#include "accelerator.h"

/* Lines of their own, so that dropping them loses nothing else. */
static uint8_t source_memory[(HBNN_BATCH * HBNN_INPUT_BYTES + HBNN_ALIGNMENT - 1u) / HBNN_ALIGNMENT * HBNN_ALIGNMENT]
    __attribute__((aligned(128)));
static uint8_t sink_memory[HBNN_BATCH * HBNN_OUTPUT_STRIDE] __attribute__((aligned(128)));

static uint32_t read_register(void *context, uint32_t address) {
  (void)context;
  return *(volatile uint32_t *)(uintptr_t)address;
}

static void write_register(void *context, uint32_t address, uint32_t value) {
  (void)context;
  *(volatile uint32_t *)(uintptr_t)address = value;
}

static void flush(void *context, void *begin, size_t size) {
  (void)context;
  Xil_DCacheFlushRange((INTPTR)begin, (u32)size);
}

static void invalidate(void *context, void *begin, size_t size) {
  (void)context;
  Xil_DCacheInvalidateRange((INTPTR)begin, (u32)size);
}

static uint64_t now_us(void *context) {
  XTime ticks;
  (void)context;
  XTime_GetTime(&ticks);
  return (uint64_t)ticks / (COUNTS_PER_SECOND / 1000000u);
}

hbnn_status hbnn_platform_open(hbnn_platform *platform, hbnn_buffer *source, hbnn_buffer *sink) {
  platform->context = NULL;
  platform->read = read_register;
  platform->write = write_register;
  platform->flush = flush;
  platform->invalidate = invalidate;
  platform->now_us = now_us;
  source->memory = source_memory;
  source->address = (uint32_t)(uintptr_t)source_memory;
  source->size = sizeof source_memory;
  sink->memory = sink_memory;
  sink->address = (uint32_t)(uintptr_t)sink_memory;
  sink->size = sizeof sink_memory;
  return HBNN_OK;
}
