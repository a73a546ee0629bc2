/* SPDX-License-Identifier: MIT */
/*
 * stage.h: an instance that is made to stand in for another, its predecessor, while that
 * one works on.
 *
 * It is created and realized as any instance, but what it takes is kept apart: windows
 * and doorbells are noted, lines take no level, timers are not armed, threads wait.  What
 * the predecessor holds it may take over; what anybody else holds it may not.  Then it
 * is published, at which moment the host's objects (a line and its level, a message and
 * its route, a timer and its deadline, a watch) change hands as they are, or it is
 * discarded and nothing was.
 *
 * reload.c does this for all instances of a plugin at once.  All is [control].
 */
#ifndef FW_STAGE_H
#define FW_STAGE_H

#include "instance.h"
#include "memory_map.h"

/* What was asked of a claim while it was staged, to be done when it is published. */
enum fw_ask {
	FW_ASK_LEVEL = 1 << 0,	 /* line: level */
	FW_ASK_ARM = 1 << 1,	 /* timer: deadline */
	FW_ASK_CANCEL = 1 << 2,	 /* timer */
	FW_ASK_EVENTS = 1 << 3,	 /* watch: events */
	FW_ASK_ADDRESS = 1 << 4, /* message: address, data */
	FW_ASK_MASK = 1 << 5,	 /* message: mask */
	FW_ASK_SEND = 1 << 6,	 /* message */
	FW_ASK_EVENTFD = 1 << 7, /* line, message: the predecessor's got eventfds for it */
};

struct fw_asked {
	struct fw_claim *takes; /* the predecessor's; NULL: the claim is really made */
	uint32_t what;		/* sum of enum fw_ask */
	uint32_t level, events, mask;
	uint64_t deadline;
	struct lichen_message message;
};

struct fw_stage {
	struct lichen_instance *in, *old;
	struct fw_rebind *rebind; /* of the spec */
	uint32_t state_before;	  /* enum fw_state of the predecessor */
	uint32_t console;	  /* it took the VM's console */
	uint32_t bells;		  /* its doorbells are attached, the predecessor's are not */
	lichen_gpa reserved[FW_RESERVED_MAX]; /* taken over */
	uint32_t reserved_count;
	struct fw_asked asked[FW_CLAIMS_MAX]; /* by slot */
};

/* --- stage.c --- */

/*
 * Creates and realizes an instance of the spec in `rebind` that is to stand in for `old`.
 * Takes `rebind` on success only.  A failure is in diags.
 */
lichen_status fw_stage_make(struct lichen_instance *old, struct fw_rebind *rebind,
			    struct fw_stage **stage, struct fw_diags *diags);
/* Takes the new one away.  NULL: nothing. */
void fw_stage_discard(struct fw_stage *stage);
/*
 * The new one is in the place of the old, which is left with what was not taken over.
 * Windows are in their buses already, links follow.  Cannot fail.
 */
void fw_stage_publish(struct fw_stage *stage);
/* Does what was asked of the claims, and lets the threads go.  After the links. */
void fw_stage_settle(struct fw_stage *stage);
/* Takes the old one away and frees the stage.  As fw_rebind_free(). */
lichen_status fw_stage_finish(struct fw_stage *stage, struct ld_error *why);

/* --- stage_claim.c: what the functions of the host do for a staged instance --- */

/* 1 when the predecessor has what `claim`, its kind's members filled in, is to be. */
int fw_stage_matches(struct fw_claim *claim);
/* Enters such a claim.  -LICHEN_ENOSPC: the ledger is full, and the claim was freed. */
lichen_status fw_stage_enter(struct fw_claim *claim, lichen_handle *handle);
/* What stands behind a staged claim. */
struct fw_asked *fw_stage_asked(const struct fw_claim *claim);
/* The claim whose line or message is the real one. */
struct fw_claim *fw_stage_real(struct fw_claim *claim);
/* Undoes a claim that takes one over; 0: this one does not. */
int fw_stage_drop(struct fw_claim *claim);
lichen_status fw_stage_message(struct fw_claim *claim, const struct lichen_message *message);
lichen_status fw_stage_reserve(struct lichen_instance *in, lichen_gpa gpa, uint64_t size,
			       uint32_t type);
/* Says that a staged instance may not do this yet; 0: it is not staged.  [any] */
int fw_stage_refuses(struct lichen_instance *in, const char *function);
void fw_stage_claims_publish(struct fw_stage *stage);
void fw_stage_claims_settle(struct fw_stage *stage);

/* --- stage_place.c --- */

lichen_status fw_stage_place(struct lichen_instance *in, uint32_t window, struct fw_bus *bus,
			     uint64_t start);
lichen_status fw_stage_unplace(struct lichen_instance *in, uint32_t window);
/* What a change of `bus` takes out and puts in: appends, and counts. */
void fw_stage_targets(struct fw_stage *stage, const struct fw_bus *bus, struct fw_target **out,
		      uint32_t *outs, struct fw_target **in, uint32_t *ins);
/* Windows of memory that are placed. */
uint32_t fw_stage_memory(const struct lichen_instance *in);
/* The windows change hands in the notes, as they did on the buses. */
void fw_stage_places_publish(struct fw_stage *stage);
/* Detaches the old doorbells, attaches the new; on failure the old ones are attached. */
lichen_status fw_stage_bells_attach(struct fw_stage *stage, struct fw_diags *diags);
void fw_stage_bells_return(struct fw_stage *stage);
/* Rings that the old ones have got and nobody has read yet go to the new ones. */
void fw_stage_bells_publish(struct fw_stage *stage);

/* --- stage_symbiotic.c --- */

/* Whether the MSRs of a staged instance can be its: as fw_msrs_claim(). */
lichen_status fw_stage_msrs_check(struct fw_msrs *msrs);
/* As fw_stage_targets(), of the bus of MSRs; at most FW_CLAIMS_MAX each. */
void fw_stage_msr_targets(struct fw_stage *stage, struct fw_target **out, uint32_t *outs,
			  struct fw_target **in, uint32_t *ins);
/* MSRs change hands in the ledgers, as they did on their bus, and so does what is offered. */
void fw_stage_symbiotic_publish(struct fw_stage *stage);

/* --- stage_link.c --- */

lichen_status fw_stage_links(struct fw_stage *stage, struct fw_diags *diags);
/* The clients of the predecessor are told to the new one. */
lichen_status fw_stage_clients(struct fw_stage *stage, struct fw_diags *diags);
void fw_stage_clients_tell(struct fw_stage *stage);
/* Links to the old ones are shut, and nobody is behind them when it returns. */
void fw_stage_links_shut(struct lichen_vm *vm, struct fw_stage *const *stages, uint32_t count);
void fw_stage_links_open(struct fw_stage *const *stages, uint32_t count);
void fw_stage_links_publish(struct lichen_vm *vm, struct fw_stage *const *stages,
			    uint32_t count);

#endif
