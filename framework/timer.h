/* SPDX-License-Identifier: MIT */
/* timer.h: the part of the loop that keeps clocks; loop.h is what others use. */
#ifndef FW_TIMER_H
#define FW_TIMER_H

#include "loop.h"

/* -LICHEN_EIO: no descriptor left.  Called by fw_loop_open(). */
lichen_status fw_timers_open(struct fw_loop *loop);
void fw_timers_close(struct fw_loop *loop);
/* Those that are due at once, which no timerfd tells.  [control] */
void fw_timers_serve(struct fw_loop *loop);

#endif
