/* SPDX-License-Identifier: Apache-2.0
 *
 * The two functions of the standalone BSP that the driver calls, to compile against.
 */
#ifndef XIL_CACHE_H
#define XIL_CACHE_H

#include <stdint.h>

typedef uint32_t u32;
typedef intptr_t INTPTR;

void Xil_DCacheFlushRange(INTPTR address, u32 length);
void Xil_DCacheInvalidateRange(INTPTR address, u32 length);

#endif
