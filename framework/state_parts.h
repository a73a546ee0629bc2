/* SPDX-License-Identifier: MIT */
/* state_parts.h: what state.c and state_load.c share. */
#ifndef FW_STATE_PARTS_H
#define FW_STATE_PARTS_H

#include "vm.h"

enum { FW_STATE_MAGIC = 8, FW_STATE_VERSION = 1 };

extern const uint8_t fw_state_magic[FW_STATE_MAGIC];

enum fw_part {
	FW_PART_MACHINE = 1,
	FW_PART_INSTANCE = 2,
	FW_PART_MEMORY = 3,
	FW_PART_VCPU = 4,
	FW_PART_LINES = 5,
	FW_PART_END = 6,
	FW_PART_WINDOW = 7,
	FW_PART_SYMBIOTIC = 8,
};

/* 1: the instance is in the stream. */
int fw_has_state(const struct lichen_instance *in);
/* "state of ID: " and the instance's own sentence, or the status. */
void fw_state_blame(struct lichen_instance *in, lichen_status status, struct ld_error *error);
/* Puts "state of ID: " before the sentence in `error`. */
void fw_state_prefix(struct lichen_instance *in, struct ld_error *error);

#endif
