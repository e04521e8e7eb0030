/* SPDX-License-Identifier: Apache-2.0
 *
 * The clock of the standalone BSP, to compile against.
 */
#ifndef XTIME_L_H
#define XTIME_L_H

#include <stdint.h>

typedef uint64_t XTime;
#define COUNTS_PER_SECOND 333333343

void XTime_GetTime(XTime *time);

#endif
