/* SPDX-License-Identifier: MIT */
/* th_symbiotic.c: the host of symbiotic plugins, the guest's MSRs, borrowed vCPUs, and the
 * control socket's client. */
#include "th.h"

#include <stdlib.h>
#include <string.h>

enum { TH_MSRS_OWN = 0x10 };

/* --- what the instance calls --- */

static lichen_status th_offer(struct lichen_instance *in, uint64_t features)
{
	TH_GUARD(in, "offer", TH_FROM_CREATED, TH_CONTROL);
	th->symbiotic.offered = features;
	th->symbiotic.agreed &= features;
	th->symbiotic.causes |= LICHEN_CAUSE_FEATURES;
	return 0;
}

static uint64_t th_agreed(struct lichen_instance *in)
{
	TH_GUARD(in, "agreed", TH_ANY_STATE, TH_ANY_ROLE);
	return th->symbiotic.agreed;
}

static lichen_status th_msr_claim(struct lichen_instance *in, uint32_t first, uint32_t count,
				  lichen_handle *handle)
{
	TH_GUARD(in, "msr_claim", TH_FROM_CREATED, TH_CONTROL);
	const struct th_object *o;
	struct th_object *made;
	uint32_t at = 0;

	if (first < TH_MSRS_OWN || first >= LICHEN_MSR_COUNT || count == 0 ||
	    count > LICHEN_MSR_COUNT - first)
		return -LICHEN_ERANGE;
	while ((o = th_object_next(th, TH_MSRS, &at)))
		if (o->gsi < first + count && first < o->gsi + o->events)
			return -LICHEN_EEXIST;
	made = th_object_new(th, "msr_claim", TH_MSRS);
	made->gsi = first;
	made->events = count;
	*handle = made->handle;
	return 0;
}

static void th_msr_release(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "msr_release", TH_FROM_CREATED, TH_CONTROL);
	th_object_free(th_object_of(th, "msr_release", TH_MSRS, handle));
}

static void th_notify(struct lichen_instance *in, uint64_t causes)
{
	TH_GUARD(in, "notify", TH_FROM_RUNNING, TH_ANY_ROLE);
	th->symbiotic.causes |= causes;
}

static struct th_borrow *th_borrow_of(struct th *th, const char *function, uint32_t vcpu)
{
	if (vcpu >= TH_VCPUS)
		th_fail(th, function, "vCPU %u: there are %d", vcpu, TH_VCPUS);
	return &th->symbiotic.borrows[vcpu];
}

static lichen_status th_borrow(struct lichen_instance *in, uint32_t vcpu, uint64_t cookie,
			       uint64_t deadline)
{
	TH_GUARD(in, "borrow", TH_FROM_RUNNING, TH_ANY_ROLE);
	struct th_borrow *b;

	if (vcpu >= th->cpus)
		return -LICHEN_ERANGE;
	b = th_borrow_of(th, "borrow", vcpu);
	if (b->asked)
		return -LICHEN_EBUSY;
	*b = (struct th_borrow){ .asked = 1, .cookie = cookie, .deadline = deadline };
	return 0;
}

static lichen_status th_borrow_end(struct lichen_instance *in, uint32_t vcpu)
{
	TH_GUARD(in, "borrow_end", TH_FROM_RUNNING, TH_VCPU);
	struct th_borrow *b = th_borrow_of(th, "borrow_end", vcpu);

	if (!b->entered || b->ended)
		return -LICHEN_ENOENT;
	b->ended = 1;
	return 0;
}

static void th_borrow_cancel(struct lichen_instance *in, uint32_t vcpu)
{
	TH_GUARD(in, "borrow_cancel", TH_FROM_RUNNING, TH_ANY_ROLE);
	th_borrow_of(th, "borrow_cancel", vcpu)->cancelled = 1;
}

static uint64_t th_steal_ns(struct lichen_instance *in, uint32_t vcpu)
{
	TH_GUARD(in, "steal_ns", TH_FROM_RUNNING, TH_CONTROL | TH_VCPU);
	return vcpu < th->cpus ? 1000 + vcpu : 0;
}

static const struct lichen_symbiotic_host th_symbiotic_host = {
	LICHEN_STRUCT(struct lichen_symbiotic_host),
	.offer = th_offer,
	.agreed = th_agreed,
	.msr_claim = th_msr_claim,
	.msr_release = th_msr_release,
	.notify = th_notify,
	.borrow = th_borrow,
	.borrow_end = th_borrow_end,
	.borrow_cancel = th_borrow_cancel,
	.steal_ns = th_steal_ns,
};

static void th_control_answer(struct lichen_instance *in, uint64_t token, lichen_status status,
			      const char *result, uint32_t size)
{
	TH_GUARD(in, LICHEN_CONTROL_HOST " answer", TH_FROM_REALIZED, TH_ANY_ROLE);
	struct th_answer *answer = NULL;

	for (uint32_t i = 0; i < TH_CALLS; i++)
		if (th->calls[i].token == token && token)
			answer = &th->calls[i];
	if (!answer || answer->answered)
		th_fail(th, "answer", "token %llu is owed no answer",
			(unsigned long long)token);
	answer->answered = 1;
	answer->status = status;
	answer->text = th_alloc((uint64_t)size + 1);
	if (size)
		memcpy(answer->text, result, size);
}

static void th_control_event(struct lichen_instance *in, const char *name, const char *data,
			     uint32_t size)
{
	TH_GUARD(in, LICHEN_CONTROL_HOST " event", TH_FROM_RUNNING, TH_ANY_ROLE);
	(void)th, (void)name, (void)data, (void)size;
}

static const struct lichen_control_host th_control_host = {
	LICHEN_STRUCT(struct lichen_control_host),
	.answer = th_control_answer,
	.event = th_control_event,
};

const void *th_symbiotic_interface(const struct th *th, const char *id)
{
	if (strcmp(id, LICHEN_SYMBIOTIC_HOST) == 0)
		return th->symbiotic.block ? &th_symbiotic_host : NULL;
	if (strcmp(id, LICHEN_CONTROL_HOST) == 0)
		return &th_control_host;
	return strcmp(id, LICHEN_MODULE_HOST) == 0 ? &th_module_host : NULL;
}

/* --- what the test does --- */

void th_set_symbiotic(struct th *th)
{
	th->symbiotic.block = 1;
}

static const struct lichen_symbiotic_ops *th_symbiotic_ops(struct th *th, const char *function)
{
	const struct lichen_symbiotic_ops *ops = th_interface(th, LICHEN_SYMBIOTIC);

	if (!ops)
		th_fail(th, function, "the class does not provide " LICHEN_SYMBIOTIC);
	return ops;
}

lichen_status th_agree(struct th *th, uint64_t features)
{
	const struct lichen_symbiotic_ops *ops = th_symbiotic_ops(th, "th_agree");
	struct th_frame frame;

	if (features & ~th->symbiotic.offered)
		return -LICHEN_EINVAL;
	th->symbiotic.agreed = features;
	if (!ops->agreed)
		return 0;
	th_begin(th, &frame, "agreed", TH_VCPU);
	ops->agreed(th->self, 0, features);
	th_end(th, &frame);
	return 0;
}

static int th_msr_claimed(struct th *th, uint32_t msr)
{
	const struct th_object *o;
	uint32_t at = 0;

	while ((o = th_object_next(th, TH_MSRS, &at)))
		if (msr >= o->gsi && msr - o->gsi < o->events)
			return 1;
	return 0;
}

lichen_status th_msr_read(struct th *th, uint32_t vcpu, uint32_t msr, uint64_t *value)
{
	const struct lichen_symbiotic_ops *ops = th_symbiotic_ops(th, "th_msr_read");
	struct th_frame frame;
	lichen_status status;

	if (!th_msr_claimed(th, msr) || !ops->msr_read)
		return -LICHEN_EINVAL;
	th_begin(th, &frame, "msr_read", TH_VCPU);
	status = ops->msr_read(th->self, 0, vcpu, msr, value);
	th_end(th, &frame);
	return status;
}

lichen_status th_msr_write(struct th *th, uint32_t vcpu, uint32_t msr, uint64_t value)
{
	const struct lichen_symbiotic_ops *ops = th_symbiotic_ops(th, "th_msr_write");
	struct th_frame frame;
	lichen_status status;

	if (!th_msr_claimed(th, msr) || !ops->msr_write)
		return -LICHEN_EINVAL;
	th_begin(th, &frame, "msr_write", TH_VCPU);
	status = ops->msr_write(th->self, 0, vcpu, msr, value);
	th_end(th, &frame);
	return status;
}

uint64_t th_causes(struct th *th)
{
	const uint64_t causes = th->symbiotic.causes;

	th->symbiotic.causes = 0;
	return causes;
}

lichen_status th_vcpu_enter(struct th *th, uint32_t vcpu,
			    const struct lichen_vcpu_context *found,
			    struct lichen_vcpu_entry *entry)
{
	const struct lichen_symbiotic_ops *ops = th_symbiotic_ops(th, "th_vcpu_enter");
	struct th_borrow *b = th_borrow_of(th, "th_vcpu_enter", vcpu);
	struct th_frame frame;
	lichen_status status;

	if (!b->asked || b->entered)
		return -LICHEN_ENOENT;
	*entry = (struct lichen_vcpu_entry){ LICHEN_STRUCT(struct lichen_vcpu_entry) };
	th_begin(th, &frame, "borrow_enter", TH_VCPU);
	status = ops->borrow_enter(th->self, 0, vcpu, b->cookie, found, entry);
	th_end(th, &frame);
	if (status < 0)
		th_vcpu_leave(th, vcpu, status, NULL);
	else
		b->entered = 1;
	return status;
}

int th_vcpu_ended(struct th *th, uint32_t vcpu)
{
	const struct th_borrow *b = th_borrow_of(th, "th_vcpu_ended", vcpu);

	return b->ended || b->cancelled;
}

void th_vcpu_leave(struct th *th, uint32_t vcpu, lichen_status status,
		   const struct lichen_vcpu_context *after)
{
	const struct lichen_symbiotic_ops *ops = th_symbiotic_ops(th, "th_vcpu_leave");
	struct th_borrow *b = th_borrow_of(th, "th_vcpu_leave", vcpu);
	const uint64_t cookie = b->cookie;
	struct th_frame frame;

	if (!b->asked)
		th_fail(th, "th_vcpu_leave", "vCPU %u is not borrowed", vcpu);
	*b = (struct th_borrow){ .asked = 0 };
	th_begin(th, &frame, "borrow_left", TH_VCPU);
	ops->borrow_left(th->self, 0, vcpu, cookie, status, after);
	th_end(th, &frame);
}

static uint32_t th_method(struct th *th, const struct lichen_control_ops *ops, const char *name)
{
	for (uint32_t i = 0; i < ops->methods.count; i++) {
		const struct lichen_control_method *method =
			(const void *)((const uint8_t *)ops->methods.items +
				       (size_t)i * ops->methods.item_size);

		if (strcmp(method->name, name) == 0)
			return i;
	}
	th_fail(th, "th_call", "%s: the class has no such method", name);
}

uint64_t th_call(struct th *th, const char *name, const char *parameters,
		 const int32_t *descriptors, uint32_t count)
{
	const struct lichen_control_ops *ops = th_interface(th, LICHEN_CONTROL);
	struct th_answer *answer = NULL;
	struct th_frame frame;

	if (!ops)
		th_fail(th, "th_call", "the class does not provide " LICHEN_CONTROL);
	for (uint32_t i = 0; i < TH_CALLS; i++)
		if (!th->calls[i].token)
			answer = &th->calls[i];
	if (!answer)
		th_fail(th, "th_call", "more than %d calls at a time", TH_CALLS);
	*answer = (struct th_answer){ .token = ++th->last_token };
	th_begin(th, &frame, "call", TH_CONTROL);
	ops->call(th->self, 0, answer->token, th_method(th, ops, name), parameters,
		  (uint32_t)strlen(parameters), descriptors, count);
	th_end(th, &frame);
	return answer->token;
}

int th_answered(struct th *th, uint64_t token, lichen_status *status, char **text)
{
	for (uint32_t i = 0; i < TH_CALLS; i++) {
		struct th_answer *answer = &th->calls[i];

		if (answer->token != token || !token)
			continue;
		if (!answer->answered)
			return 0;
		*status = answer->status;
		*text = answer->text;
		answer->token = 0;
		return 1;
	}
	th_fail(th, "th_answered", "token %llu: there is no such call",
		(unsigned long long)token);
}
