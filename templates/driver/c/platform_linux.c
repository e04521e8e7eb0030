/* SPDX-License-Identifier: Apache-2.0
 *
 * Linux: registers through /dev/mem, memory through the u-dma-buf module (device udmabuf0).
 */
#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "accelerator.h"

#ifndef HBNN_UDMABUF
#define HBNN_UDMABUF "udmabuf0"
#endif

#ifndef HBNN_ROOT
#define HBNN_ROOT "" /* where the machine's files are, for tests */
#endif

#define WINDOW 0x1000u /* a page, which holds either block's registers */

static volatile uint32_t *dma_window;
static volatile uint32_t *control_window;

static volatile uint32_t *reg(uint32_t address) {
  return address - HBNN_CONTROL_ADDRESS < WINDOW ? control_window + (address - HBNN_CONTROL_ADDRESS) / 4u
                                                 : dma_window + (address - HBNN_DMA_ADDRESS) / 4u;
}

static uint32_t read_register(void *context, uint32_t address) {
  (void)context;
  return *reg(address);
}

static void write_register(void *context, uint32_t address, uint32_t value) {
  (void)context;
  *reg(address) = value;
}

/* O_SYNC made the mapping uncached, so that only the order of accesses is left to care for. */
static void synchronize(void *context, void *begin, size_t size) {
  (void)context;
  (void)begin;
  (void)size;
  __sync_synchronize();
}

static uint64_t now_us(void *context) {
  struct timespec time;
  (void)context;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

static void *map(const char *path, size_t size, off_t offset) {
  void *memory;
  const int file = open(path, O_RDWR | O_SYNC);
  if (file < 0) {
    return NULL;
  }
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
  close(file);
  return memory == MAP_FAILED ? NULL : memory;
}

/* A number of the module's sysfs folder, which older releases named otherwise. */
static unsigned long long attribute(const char *name) {
  static const char *const folders[] = {"u-dma-buf", "udmabuf"};
  char path[512];
  char text[64] = "0";
  size_t i;
  for (i = 0; i < sizeof folders / sizeof *folders; ++i) {
    FILE *file;
    unsigned long long value = 0;
    snprintf(path, sizeof path, HBNN_ROOT "/sys/class/%s/" HBNN_UDMABUF "/%s", folders[i], name);
    file = fopen(path, "r");
    if (file == NULL) {
      continue;
    }
    if (fgets(text, sizeof text, file) != NULL && sscanf(text, text[1] == 'x' ? "%llx" : "%llu", &value) != 1) {
      value = 0;
    }
    fclose(file);
    return value;
  }
  return 0;
}

hbnn_status hbnn_platform_open(hbnn_platform *platform, hbnn_buffer *source, hbnn_buffer *sink) {
  const size_t source_size =
      (HBNN_BATCH * HBNN_INPUT_BYTES + HBNN_ALIGNMENT - 1u) / HBNN_ALIGNMENT * HBNN_ALIGNMENT;
  const size_t sink_size = HBNN_BATCH * HBNN_OUTPUT_STRIDE;
  const uint32_t address = (uint32_t)attribute("phys_addr");
  uint8_t *memory;
  if (address == 0 || attribute("size") < source_size + sink_size) {
    return HBNN_NO_PLATFORM;
  }
  dma_window = map(HBNN_ROOT "/dev/mem", WINDOW, (off_t)HBNN_DMA_ADDRESS);
  control_window = map(HBNN_ROOT "/dev/mem", WINDOW, (off_t)HBNN_CONTROL_ADDRESS);
  memory = map(HBNN_ROOT "/dev/" HBNN_UDMABUF, source_size + sink_size, 0);
  if (dma_window == NULL || control_window == NULL || memory == NULL) {
    return HBNN_NO_PLATFORM;
  }
  platform->context = NULL;
  platform->read = read_register;
  platform->write = write_register;
  platform->flush = synchronize;
  platform->invalidate = synchronize;
  platform->now_us = now_us;
  source->memory = memory;
  source->address = address;
  source->size = source_size;
  sink->memory = memory + source_size;
  sink->address = address + (uint32_t)source_size;
  sink->size = sink_size;
  return HBNN_OK;
}
