/* SPDX-License-Identifier: MIT */
/* fuzz_state.h: see fuzz_state.c. */
#ifndef FUZZ_STATE_H
#define FUZZ_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "state_stream.h"

/* Takes one state, or refuses it; aborts where that goes wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* How many were taken. */
extern uint32_t fuzz_taken;
/* A state that is taken.  Negative: a failure. */
int fuzz_save(struct fw_buffer *out);
void fuzz_end(void);

#endif
