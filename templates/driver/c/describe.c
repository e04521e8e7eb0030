/* SPDX-License-Identifier: Apache-2.0
 *
 * Sentences on failures: what, where, what to do. Apart from the rest, because it alone needs snprintf.
 */
#include <inttypes.h>
#include <stdio.h>

#include "accelerator.h"

#define LOAD "Is the bitstream the one of this export?"

const char *hbnn_describe(const hbnn_accelerator *accelerator, hbnn_status status, char *text, size_t size) {
  const hbnn_failure *f = &accelerator->failure;
  const char *channel = f->channel == HBNN_MM2S ? "MM2S" : "S2MM";
  const unsigned long length = f->length, received = f->received, image = (unsigned long)f->image;
  const char *unit = accelerator->platform.now_us ? "us" : "polls";
  const unsigned long limit = (unsigned long)accelerator->timeout;
  const unsigned long reset_limit = (unsigned long)accelerator->reset_timeout;
  switch (status) {
    case HBNN_OK:
      snprintf(text, size, "no error");
      break;
    case HBNN_BAD_ARGUMENT:
      snprintf(text, size,
               "there must be at least one image, room for one in both buffers, and codes in %ld..%ld; image %lu, "
               "element %lu has %" PRId64,
               (long)HBNN_INPUT_LOW, (long)HBNN_INPUT_HIGH, image, (unsigned long)f->element, f->found);
      break;
    case HBNN_NO_PLATFORM:
      snprintf(text, size,
               "registers or memory cannot be reached: run as root, load u-dma-buf with udmabuf0 of at least %lu "
               "bytes",
               (unsigned long)(HBNN_BATCH * (HBNN_INPUT_BYTES + HBNN_OUTPUT_STRIDE) + HBNN_ALIGNMENT));
      break;
    case HBNN_NO_CONTROL:
      snprintf(text, size,
               "all bits of AP_CTRL are 1: no accelerator answers at 0x%08lx; is the bitstream loaded? compare the "
               "address with the Address Editor",
               (unsigned long)accelerator->control_address);
      break;
    case HBNN_BAD_OFFSET:
      snprintf(text, size,
               "'images' at offset 0x%02lx keeps %lu, not %lu: the offset is wrong. It comes from " HBNN_OFFSETS_SOURCE
               "; build with the header that HLS generated (make HEADER=...)",
               (unsigned long)HBNN_AP_IMAGES, received, length);
      break;
    case HBNN_BUSY:
      snprintf(text, size,
               "the accelerator is not idle: another program uses it, or an earlier batch was broken off. An HLS "
               "block has no reset register: wait, or load the bitstream again");
      break;
    case HBNN_NO_DMA:
      snprintf(text, size,
               "all bits of %s DMASR are 1: no AXI DMA answers at 0x%08lx; is the bitstream loaded? compare the "
               "address with the Address Editor",
               channel, (unsigned long)accelerator->dma_address);
      break;
    case HBNN_SCATTER_GATHER:
      snprintf(text, size, "the AXI DMA's %s is built with scatter-gather; set c_include_sg to 0", channel);
      break;
    case HBNN_NOT_A_DMA:
      snprintf(text, size,
               "a channel that was just reset must be halted, but DMASR says otherwise: this is no AXI DMA in direct "
               "register mode; check the base address 0x%08lx",
               (unsigned long)accelerator->dma_address);
      break;
    case HBNN_NARROW_LENGTH:
      snprintf(text, size,
               "%s LENGTH keeps %lu of %lu bytes: its register is too narrow; build the DMA with c_sg_length_width "
               "26, or use smaller buffers",
               channel, received, length);
      break;
    case HBNN_RESET_STUCK:
      snprintf(text, size,
               "the reset of the AXI DMA did not end within %lu %s; is the bitstream loaded, does its clock run, is "
               "the base address right?",
               reset_limit, unit);
      break;
    case HBNN_HALTED_STUCK:
      snprintf(text, size, "%s stays halted although DMACR.RS is set; check the DMA's clock and reset", channel);
      break;
    case HBNN_DMA_INTERNAL_ERROR:
      if (f->channel == HBNN_MM2S) {
        snprintf(text, size,
                 "MM2S DMAIntErr: a LENGTH of 0 or beyond the length register; build the DMA with c_sg_length_width "
                 "26");
      } else {
        snprintf(text, size,
                 "S2MM DMAIntErr: the packet was longer than the %lu bytes of LENGTH; the bitstream's network has "
                 "larger outputs than this driver's, or TLAST comes late",
                 length);
      }
      break;
    case HBNN_DMA_SLAVE_ERROR:
      snprintf(text, size,
               "%s DMASlvErr: the memory side answered with SLVERR at or behind 0x%08lx; check that the HP port is "
               "enabled, its clock runs, and that the buffer lies in memory that the port may reach",
               channel, (unsigned long)f->address);
      break;
    case HBNN_DMA_DECODE_ERROR:
      snprintf(text, size,
               "%s DMADecErr: nothing answers at 0x%08lx; check the address map of the DMA's master (Vivado: Address "
               "Editor, 'assign_bd_address') and that the buffer is a physical address of DDR",
               channel, (unsigned long)f->address);
      break;
    case HBNN_INPUT_STALLED:
      snprintf(text, size,
               "MM2S is not idle after %lu %s, at image %lu: the accelerator does not take its input. Is its reset "
               "released, is the stream connected? " LOAD,
               limit, unit, image);
      break;
    case HBNN_OUTPUT_STALLED:
      snprintf(text, size,
               "S2MM is not idle after %lu %s, at image %lu, although the accelerator is done: TLAST is missing on "
               "the last beat of the image, or the output is short. Vitis HLS drops TLAST unless the stream is of "
               "ap_axiu; check that m_axis_out has TLAST in the block design",
               limit, unit, image);
      break;
    case HBNN_STUCK:
      snprintf(text, size,
               "the accelerator is not done after %lu %s, at image %lu, although it took all its input: it waits for "
               "more images or hangs inside. " LOAD " Load it again, there is no other reset",
               limit, unit, image);
      break;
    case HBNN_BAD_PACKET:
      snprintf(text, size, "image %lu: %lu bytes arrived, %lu are one image: %s. " LOAD, image, received, length,
               received < length ? "TLAST came too early or the output is short"
                                   : "TLAST is missing or the output is too long");
      break;
    case HBNN_WRONG_OUTPUT:
      snprintf(text, size,
               "%lu of %lu outputs differ; first at image %lu, element %lu: %" PRId64 ", golden has %" PRId64 ". " LOAD
               " Is its timing met (WNS >= 0)?",
               (unsigned long)f->differing, (unsigned long)(HBNN_GOLDEN_IMAGES * HBNN_OUTPUT_ELEMENTS), image,
               (unsigned long)f->element, f->found, f->golden);
      break;
    case HBNN_HOST_LAYERS:
      snprintf(text, size, "the host's layers behind the accelerator are left to you; use hbnn_infer");
      break;
  }
  return text;
}
