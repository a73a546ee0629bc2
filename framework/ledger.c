/* SPDX-License-Identifier: MIT */
/* ledger.c: what an instance holds, and how it is taken back.  See instance.h. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "stage.h"
#include "vm.h"

enum { FW_SLOT_BITS = 16 };

const char *fw_claim_kind_name(enum fw_claim_kind kind)
{
	switch (kind) {
	case FW_CLAIM_LINE:
		return "line";
	case FW_CLAIM_MESSAGE:
		return "message";
	case FW_CLAIM_TIMER:
		return "timer";
	case FW_CLAIM_WATCH:
		return "watch";
	case FW_CLAIM_DOORBELL:
		return "doorbell";
	case FW_CLAIM_THREAD:
		return "thread";
	case FW_CLAIM_MSRS:
		return "range of MSRs";
	case FW_CLAIM_MODULE:
		return "guest module";
	}
	return "?";
}

struct fw_claim *fw_claim_new(struct lichen_instance *in, enum fw_claim_kind kind,
			      uint64_t cookie)
{
	struct fw_claim *claim = calloc(1, sizeof(*claim));

	if (claim) {
		claim->kind = kind;
		claim->in = in;
		claim->cookie = cookie;
	}
	return claim;
}

lichen_handle fw_claim_enter(struct fw_claim *claim)
{
	struct lichen_instance *in = claim->in;
	lichen_handle handle = 0;

	pthread_mutex_lock(&in->ledger_lock);
	for (uint32_t i = 0; i < FW_CLAIMS_MAX && !handle; i++) {
		struct fw_slot *slot = &in->slots[i];
		uint64_t serial;

		if (atomic_load_explicit(&slot->claim, memory_order_relaxed))
			continue;
		serial = atomic_fetch_add_explicit(&in->vm->serials, 1, memory_order_relaxed) +
			 1;
		atomic_store_explicit(&slot->serial, serial, memory_order_relaxed);
		claim->slot = i;
		handle = serial << FW_SLOT_BITS | (i + 1);
		atomic_store_explicit(&slot->claim, claim, memory_order_release);
	}
	pthread_mutex_unlock(&in->ledger_lock);
	return handle;
}

struct fw_claim *fw_claim_at(struct lichen_instance *in, lichen_handle handle,
			     enum fw_claim_kind kind, const char *function)
{
	const uint64_t slot = (handle & ((1u << FW_SLOT_BITS) - 1)) - 1;

	if (slot < FW_CLAIMS_MAX) {
		struct fw_claim *claim =
			atomic_load_explicit(&in->slots[slot].claim, memory_order_acquire);

		if (claim && claim->kind == kind &&
		    atomic_load_explicit(&in->slots[slot].serial, memory_order_relaxed) ==
			    handle >> FW_SLOT_BITS)
			return claim;
	}
	if (atomic_load_explicit(&in->replaced, memory_order_relaxed))
		return NULL; /* its successor has it */
	fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
			  "%s: 0x%llx is no %s of this instance", function,
			  (unsigned long long)handle, fw_claim_kind_name(kind));
	return NULL;
}

/*
 * Joins the thread, or leaves it behind with all that it may use: the claim, its instance, the
 * code of its plugin.  1: it has ended.
 */
static int fw_claim_join(struct fw_claim *claim)
{
	struct lichen_instance *in = claim->in;
	const uint64_t end = fw_now_ns() + in->vm->thread_timeout_ns;
	const struct timespec until = { .tv_sec = (time_t)(end / 1000000000u),
					.tv_nsec = (long)(end % 1000000000u) };

	uint32_t ended;
	int error = 0;

	pthread_mutex_lock(&in->start_lock);
	while (!claim->ended && error == 0)
		error = pthread_cond_timedwait(&in->ended, &in->start_lock, &until);
	ended = claim->ended;
	pthread_mutex_unlock(&in->start_lock);
	if (ended) {
		pthread_join(claim->thread, NULL);
		return 1;
	}
	pthread_detach(claim->thread);
	in->stuck = 1;
	in->spec->stuck = 1;
	in->vm->stuck = 1;
	fw_host.log(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
		    "thread: has not returned %llu ms after quiesce: what it uses stays in "
		    "memory, and its plugin's file stays pinned",
		    (unsigned long long)(in->vm->thread_timeout_ns / 1000000));
	return 0;
}

static void fw_claim_out(struct fw_claim *claim)
{
	atomic_store_explicit(&claim->in->slots[claim->slot].claim, NULL, memory_order_release);
}

void fw_claim_forget(struct fw_claim *claim)
{
	fw_claim_out(claim);
	if (claim->in->stage && fw_stage_drop(claim))
		return;
	free(claim);
}

void fw_claim_drop(struct fw_claim *claim)
{
	struct lichen_vm *vm = claim->in->vm;

	fw_claim_out(claim);
	if (claim->in->stage && fw_stage_drop(claim))
		return;
	switch (claim->kind) {
	case FW_CLAIM_LINE:
		fw_line_release(&vm->irqs, &claim->line);
		break;
	case FW_CLAIM_MESSAGE:
		fw_message_release(&vm->irqs, &claim->message);
		break;
	case FW_CLAIM_TIMER:
		fw_timer_cancel(&claim->timer);
		break;
	case FW_CLAIM_WATCH:
		fw_watch_stop(&claim->watch);
		break;
	case FW_CLAIM_DOORBELL:
		pthread_mutex_lock(&vm->place_lock);
		fw_bell_detach(claim);
		pthread_mutex_unlock(&vm->place_lock);
		close(claim->bell.hv.descriptor);
		break;
	case FW_CLAIM_THREAD:
		if (claim->in->stage)
			fw_threads_start(claim->in, FW_START_NEVER);
		if (!fw_claim_join(claim))
			return;
		break;
	case FW_CLAIM_MSRS:
		fw_msrs_release(&claim->msrs);
		break;
	case FW_CLAIM_MODULE:
		fw_module_close(&claim->module);
		break;
	}
	free(claim);
}

/* Drops the claims of one kind, or of all where kind is 0. */
static void fw_ledger_drop(struct lichen_instance *in, uint32_t kind)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		struct fw_claim *claim =
			atomic_load_explicit(&in->slots[i].claim, memory_order_acquire);

		if (claim && (kind == 0 || claim->kind == kind))
			fw_claim_drop(claim);
	}
}

int fw_ledger_threads(struct lichen_instance *in)
{
	for (uint32_t i = 0; i < FW_CLAIMS_MAX; i++) {
		const struct fw_claim *claim =
			atomic_load_explicit(&in->slots[i].claim, memory_order_acquire);

		if (claim && claim->kind == FW_CLAIM_THREAD)
			return 1;
	}
	return 0;
}

/* Threads and handlers use handles: so these go before what the handles name. */
void fw_ledger_revoke(struct lichen_instance *in)
{
	struct lichen_instance *who = NULL;

	fw_listen_drop(in);
	atomic_store(&in->lends_nothing, 1);
	if (in->vm->control)
		in->vm->control->leave(in->vm, in);
	fw_ledger_drop(in, FW_CLAIM_THREAD);
	fw_unplace_all(in);
	/* Its memory goes: who listens lets go of it before. */
	(void)fw_listen_tell(in->vm, &who);
	fw_ledger_drop(in, 0);
	/* Nobody of the instance asks for anything now. */
	fw_symbiotic_leave(in);
	fw_borrow_leave(in);
	fw_memory_unreserve(&in->vm->memory, in);
	if (in->vm->console_owner == in)
		in->vm->console_owner = NULL;
	if (in->vm->irqchip_owner == in)
		in->vm->irqchip_owner = NULL;
	if (in->vm->pit_owner == in)
		in->vm->pit_owner = NULL;
}
