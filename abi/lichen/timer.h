/* SPDX-License-Identifier: MIT */
/* timer.h: the clocks that timers and time stamps name. */
#ifndef LICHEN_TIMER_H
#define LICHEN_TIMER_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lichen_clock {
	LICHEN_CLOCK_GUEST = 1, /* ns since power-on; stops in pause, saved, re-armed */
	LICHEN_CLOCK_HOST = 2,	/* ns of the host's monotonic clock */
	LICHEN_CLOCK_WALL = 3,	/* ns since 1970-01-01 UTC; may jump */
};

#ifdef __cplusplus
}
#endif

#endif
