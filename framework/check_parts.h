/* SPDX-License-Identifier: MIT */
/* check_parts.h: what the files of checked dispatch share.  See check.h. */
#ifndef FW_CHECK_PARTS_H
#define FW_CHECK_PARTS_H

#include "vm.h"

/* States of an instance as bits; 0 is created too, before create has returned. */
#define FW_IN(state) (1u << (state))
enum {
	FW_IN_CREATED = FW_IN(FW_CREATED),
	FW_IN_REALIZED = FW_IN(FW_REALIZED),
	/* What a running instance may do it may also do paused or quiescing. */
	FW_IN_RUNNING = FW_IN(FW_RUNNING) | FW_IN(FW_PAUSED) | FW_IN(FW_QUIESCING),
	FW_IN_FROM_REALIZED = FW_IN_REALIZED | FW_IN_RUNNING,
	FW_IN_FROM_CREATED = FW_IN_CREATED | FW_IN_FROM_REALIZED,
	FW_IN_ANY = FW_IN_FROM_CREATED | FW_IN(FW_DRAINED),
};

enum { FW_MAPS_MAX = 32, FW_ENTERED_MAX = 32 };

/* What a thread has of others' until the callback in progress returns. */
struct fw_holding {
	struct {
		struct lichen_instance *in;
		struct lichen_map map;
		uint32_t access;
	} maps[FW_MAPS_MAX];
	uint32_t map_count;
	struct {
		struct lichen_instance *in;
		const struct fw_link *link;
	} entered[FW_ENTERED_MAX];
	uint32_t entered_count;
};

/* A callback or handler in progress; a thread's are a list, the innermost first. */
struct fw_frame {
	struct fw_frame *outer;
	struct lichen_instance *in;
	const char *function;
	enum fw_role role;
	uint32_t maps, entered; /* held when it began */
};

/* A declared window, and how it is dispatched to. */
struct fw_checked_window {
	struct lichen_instance *in;
	const struct lichen_window *declared;
	struct lichen_window seen;
};

struct fw_checked {
	const struct lichen_class *class; /* the plugin's */
	struct lichen_class shims;
	struct fw_checked_window *windows;
	uint32_t window_count;
	uint64_t serial; /* of its creation */
	struct fw_checked *next;
	struct lichen_instance *in;
};

struct fw_frame *fw_frame_now(void);
struct fw_holding *fw_holding_now(void);
enum fw_role fw_role_now(void);
const char *fw_role_name(enum fw_role role);
const char *fw_state_name(uint32_t state);

/* Around a callback; states, roles: where it may be called. */
void fw_check_begin(struct fw_frame *frame, struct lichen_instance *in, const char *function,
		    uint32_t states, uint32_t roles);
void fw_check_end(struct fw_frame *frame);
/* The instance behind the first argument of a callback. */
struct lichen_instance *fw_check_of(void *self);
/* Guards of its memory: what was overwritten is said and put back. */
void fw_check_guards(struct lichen_instance *in, const char *function);
/* A status that `function` may return; PENDING where `pending` is set. */
void fw_check_status(struct lichen_instance *in, const char *function, lichen_status status,
		     int pending);
/* 1 when the instance may call `function` of the host here and now; said where not. */
int fw_check_call(struct lichen_instance *in, const char *function, uint32_t states,
		  uint32_t roles);

__attribute__((format(printf, 2, 3))) void fw_check_plugin(struct lichen_instance *in,
							   const char *format, ...);
__attribute__((format(printf, 2, 3))) void fw_check_host_fault(struct lichen_instance *in,
							       const char *format, ...);

/* check_class.c */
void fw_check_shims(struct fw_checked *checked);

#endif
