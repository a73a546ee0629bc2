/* SPDX-License-Identifier: MIT */
/*
 * likely.h: which way the exit path goes.  After an exit the processor's branch predictors may
 * be empty, on purpose (mitigations), and then every jump that is taken costs; so what is usual
 * is to be the straight way on.
 */
#ifndef FW_LIKELY_H
#define FW_LIKELY_H

#define fw_likely(condition) __builtin_expect(!!(condition), 1)
#define fw_unlikely(condition) __builtin_expect(!!(condition), 0)

#endif
