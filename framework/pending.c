/* SPDX-License-Identifier: MIT */
/* pending.c: see pending.h. */
#include "pending.h"
#include "vm.h"

/* An operation's word: its state above, the status of the answer below. */
enum fw_operation_state {
	FW_OPERATION_IDLE = 0,
	FW_OPERATION_OPEN = 1,
	FW_OPERATION_ANSWERED = 2,
	FW_OPERATION_LEFT = 3, /* the host waits no longer, an answer may still come */
};

static uint64_t fw_operation_word(enum fw_operation_state state, lichen_status status)
{
	return (uint64_t)state << 32 | (uint32_t)status;
}

static enum fw_operation_state fw_operation_state(uint64_t word)
{
	return (enum fw_operation_state)(word >> 32);
}

static const char *fw_operation_name(uint32_t operation)
{
	static const char *const names[FW_OPERATIONS] = {
		[LICHEN_OP_REALIZE] = "realize", [LICHEN_OP_PAUSE] = "pause",
		[LICHEN_OP_QUIESCE] = "quiesce", [LICHEN_OP_SAVE] = "save",
		[LICHEN_OP_RESET] = "reset",	 [LICHEN_OP_UNPLUG_REQUEST] = "unplug_request",
	};

	return operation < FW_OPERATIONS && names[operation] ? names[operation] : "?";
}

void fw_operation_open(struct lichen_instance *in, uint32_t operation)
{
	atomic_store(&in->operations[operation], fw_operation_word(FW_OPERATION_OPEN, 0));
}

int fw_operation_answered(struct lichen_instance *in, uint32_t operation, lichen_status *status)
{
	const uint64_t word = atomic_load(&in->operations[operation]);

	if (fw_operation_state(word) != FW_OPERATION_ANSWERED)
		return 0;
	atomic_store(&in->operations[operation], FW_OPERATION_IDLE);
	*status = (lichen_status)(uint32_t)word;
	return 1;
}

lichen_status fw_operation_returned(struct lichen_instance *in, uint32_t operation,
				    lichen_status status)
{
	lichen_status answer;

	if (status == LICHEN_PENDING) {
		if (fw_operation_answered(in, operation, &answer))
			return answer;
		return LICHEN_PENDING;
	}
	if (fw_operation_state(atomic_exchange(&in->operations[operation],
					       FW_OPERATION_IDLE)) == FW_OPERATION_ANSWERED)
		fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
				  "complete: %s was completed, and returned %d as well",
				  fw_operation_name(operation), status);
	return status > 0 ? -LICHEN_ENOTSUP : status;
}

void fw_operation_leave(struct lichen_instance *in, uint32_t operation)
{
	atomic_store(&in->operations[operation], fw_operation_word(FW_OPERATION_LEFT, 0));
	if (!in->class->cancel)
		return;
	fw_lock(in);
	in->class->cancel(in->self, operation);
	fw_unlock(in);
}

/* What fw_operation_settle() waits for. */
struct fw_settle {
	struct lichen_instance *in;
	uint32_t operation;
	lichen_status status;
	uint32_t end; /* of the VM when the wait began: it may be asked to pause after that */
};

static int fw_settle_done(void *context)
{
	struct fw_settle *settle = context;

	return fw_operation_answered(settle->in, settle->operation, &settle->status) ||
	       (!settle->end && atomic_load(&settle->in->vm->end));
}

lichen_status fw_operation_settle(struct lichen_instance *in, uint32_t operation,
				  lichen_status status)
{
	struct lichen_vm *vm = in->vm;
	struct fw_settle settle = { .in = in,
				    .operation = operation,
				    .status = LICHEN_PENDING,
				    .end = atomic_load(&vm->end) };

	status = fw_operation_returned(in, operation, status);
	if (status != LICHEN_PENDING)
		return status;
	if (!fw_loop_wait(&vm->loop, fw_settle_done, &settle, fw_now_ns() + vm->pending_ns))
		settle.status = -LICHEN_ETIMEDOUT;
	else if (settle.status == LICHEN_PENDING)
		settle.status = -LICHEN_ECANCELED;
	else
		return settle.status;
	fw_operation_leave(in, operation);
	return settle.status;
}

void fw_host_complete(struct lichen_instance *in, uint32_t operation, lichen_status status)
{
	const uint64_t answer =
		fw_operation_word(FW_OPERATION_ANSWERED, status > 0 ? -LICHEN_ENOTSUP : status);
	uint64_t word;

	if (operation == 0 || operation >= FW_OPERATIONS) {
		fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
				  "complete: %u is no operation", operation);
		return;
	}
	word = atomic_load(&in->operations[operation]);
	while (fw_operation_state(word) == FW_OPERATION_OPEN) {
		if (!atomic_compare_exchange_weak(&in->operations[operation], &word, answer))
			continue;
		fw_loop_wake(&in->vm->loop);
		return;
	}
	if (fw_operation_state(word) == FW_OPERATION_LEFT) {
		/* It comes too late, which is no fault of its own; once. */
		(void)atomic_compare_exchange_strong(&in->operations[operation], &word,
						     FW_OPERATION_IDLE);
		return;
	}
	fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
			  "complete: %s is not pending (status %d)",
			  fw_operation_name(operation), status);
}
