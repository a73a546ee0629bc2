/* SPDX-License-Identifier: MIT */
/* symcall_direct.c: calls on a borrowed vCPU.  See symcall.h, and call.h for the contract. */
#include "symcall.h"

static const uint64_t SYMCALL_AGAIN_NS = 1000000;    /* somebody else has the vCPU */
static const uint64_t SYMCALL_CLEANUP_NS = 50000000; /* what a cleanup may take */

/* Selectors of privilege 0 in the GDT, and not the null one. */
static int symcall_selector_right(uint32_t selector)
{
	return selector > 3 && selector <= 0xffff && (selector & 7) == 0;
}

/* With 48 bits: guests with five levels have theirs below as well (SDM 1, 3.3.7.1). */
static int symcall_canonical(uint64_t address)
{
	const int64_t top = (int64_t)address >> 47;

	return top == 0 || top == -1;
}

int symcall_registration_right(const struct lichen_call_vcpu *r)
{
	if (r->struct_size != sizeof(*r) || r->flags || r->_pad || r->entry == 0 ||
	    r->cr3_rule > LICHEN_CALL_CR3_FIXED)
		return 0;
	if (!symcall_canonical(r->entry) || !symcall_canonical(r->cleanup) ||
	    !symcall_canonical(r->stack) || !symcall_canonical(r->gs_base) || r->stack % 16)
		return 0;
	if (!symcall_selector_right(r->cs) || !symcall_selector_right(r->ss))
		return 0;
	/* Bits above the widest physical address are reserved, but for bit 63 (no flush). */
	if (r->cr3_rule == LICHEN_CALL_CR3_FIXED && r->cr3_value >> 52)
		return 0;
	return r->page % LICHEN_GUEST_PAGE == 0;
}

lichen_status symcall_vcpu_register(struct symcall *s, uint32_t vcpu, uint64_t at)
{
	struct symcall_vcpu *v = &s->vcpus[vcpu];
	const uint64_t gpa = at & ~UINT64_C(15);
	struct lichen_call_vcpu r;
	struct lichen_shared page;

	if (at == 0) {
		memset(&v->registration, 0, sizeof(v->registration));
		v->dead = 0;
		return 0;
	}
	if ((at & 15) != 1 || gpa % LICHEN_GUEST_PAGE > LICHEN_GUEST_PAGE - sizeof(r))
		return -LICHEN_EINVAL;
	if (s->dev.host->memory_read(s->dev.in, 0, gpa, &r, sizeof(r)) < 0)
		return -LICHEN_EFAULT;
	if (!symcall_registration_right(&r) ||
	    lichen_shared_at(&s->dev, LICHEN_AT(r.page, 1), 1, &page) != 0)
		return -LICHEN_EINVAL;
	v->registration = r;
	v->dead = 0;
	return 0;
}

uint32_t symcall_vcpu_any(struct symcall *s)
{
	const uint32_t count = s->dev.host->cpu_count(s->dev.in);

	for (uint32_t i = 0; i < count && i < SYMCALL_VCPUS; i++) {
		const uint32_t vcpu = (s->next_vcpu + i) % count;

		if (s->vcpus[vcpu].registration.entry && !s->vcpus[vcpu].dead) {
			s->next_vcpu = vcpu + 1;
			return vcpu;
		}
	}
	return SYMCALL_VCPUS;
}

/* Where a direct call cannot be, a deferred one may. */
static void symcall_direct_failed(struct symcall *s, struct symcall_request *request,
				  lichen_status status)
{
	if ((request->flags & LICHEN_CALL_DEFERRED) &&
	    (status == -LICHEN_EAGAIN || status == -LICHEN_ENODEV)) {
		request->flags &= ~(uint32_t)LICHEN_CALL_DIRECT;
		symcall_begin(s, request);
		return;
	}
	symcall_finish(s, request, status);
}

void symcall_direct_next(struct symcall *s, uint32_t vcpu)
{
	struct symcall_vcpu *v = &s->vcpus[vcpu];

	while (!v->current && !v->cleaning && v->first) {
		struct symcall_request *request = v->first;
		lichen_status status = -LICHEN_ENODEV;

		if (v->registration.entry && !v->dead)
			status = symcall_now(s) >= request->deadline
					 ? -LICHEN_ETIMEDOUT
					 : s->symbiotic->borrow(s->dev.in, vcpu, vcpu,
								request->deadline);
		if (status == -LICHEN_EBUSY) {
			symcall_arm(s, symcall_now(s) + SYMCALL_AGAIN_NS);
			return;
		}
		(void)symcall_queue_take(&v->first);
		if (status < 0) {
			symcall_direct_failed(s, request, status);
			continue;
		}
		/* cppcheck-suppress nullPointerRedundantCheck */
		request->serial = symcall_serial(s);
		v->entered = v->done = 0;
		v->current = request;
	}
}

void symcall_direct_begin(struct symcall *s, struct symcall_request *request)
{
	const uint32_t vcpu =
		request->vcpu == LICHEN_SYMCALL_ANY ? symcall_vcpu_any(s) : request->vcpu;

	if (vcpu >= SYMCALL_VCPUS) {
		symcall_direct_failed(s, request, -LICHEN_ENODEV);
		return;
	}
	request->on = vcpu;
	symcall_queue_put(&s->vcpus[vcpu].first, request);
	symcall_direct_next(s, vcpu);
}

static void symcall_moments(struct symcall *s, const struct lichen_call_vcpu *r,
			    const struct lichen_vcpu_context *found)
{
	for (uint32_t bit = 0; bit < SYMCALL_AT_SWAPGS; bit++)
		s->counts.moments[bit] += found->flags >> bit & 1;
	if (!(found->flags & LICHEN_VCPU_USER) && found->gs_base != r->gs_base)
		s->counts.moments[SYMCALL_AT_SWAPGS]++;
	if (r->cr3_rule == LICHEN_CALL_CR3_CLEAR && (found->cr3 & r->cr3_test))
		s->counts.moments[SYMCALL_AT_USER_CR3]++;
}

/* [vcpu, running] */
static lichen_status symcall_enter(void *self, uint64_t client, uint32_t vcpu, uint64_t cookie,
				   const struct lichen_vcpu_context *found,
				   struct lichen_vcpu_entry *entry)
{
	struct symcall *s = self;
	struct symcall_vcpu *v = &s->vcpus[vcpu];
	const struct lichen_call_vcpu *r = &v->registration;
	const struct symcall_request *request = v->current;

	(void)client, (void)cookie;
	if (!request || !r->entry || (v->dead && !v->cleaning))
		return -LICHEN_ENODEV; /* it was taken back meanwhile */
	entry->rip = v->cleaning ? r->cleanup : r->entry;
	entry->gpr[LICHEN_RSP] = r->stack;
	entry->gpr[LICHEN_RAX] = request->serial;
	entry->gpr[LICHEN_RDI] = request->function;
	entry->gpr[LICHEN_RSI] = request->values[0];
	entry->gpr[LICHEN_RDX] = request->values[1];
	entry->gpr[LICHEN_RCX] = request->values[2];
	entry->gpr[LICHEN_R8] = request->values[3];
	entry->gpr[LICHEN_R8 + 1] = v->cleaning ? 0 : request->size;
	entry->cs = r->cs;
	entry->ss = r->ss;
	entry->gs_base = r->gs_base;
	entry->cr3 = found->cr3;
	if (r->cr3_rule == LICHEN_CALL_CR3_FIXED)
		entry->cr3 = r->cr3_value;
	else if (r->cr3_rule == LICHEN_CALL_CR3_CLEAR && (found->cr3 & r->cr3_test))
		entry->cr3 &= ~r->cr3_clear;
	if (!v->cleaning && request->size &&
	    s->dev.host->memory_write(s->dev.in, 0, r->page, request->data, request->size) < 0)
		return -LICHEN_EINVAL;
	if (!v->cleaning)
		symcall_moments(s, r, found);
	v->entered = 1;
	v->done = 0;
	return 0;
}

lichen_status symcall_direct_done(struct symcall *s, uint32_t vcpu, uint64_t value)
{
	struct symcall_vcpu *v = &s->vcpus[vcpu];

	if (!v->current || !v->entered || v->done || value >> 32 != v->current->serial ||
	    s->symbiotic->borrow_end(s->dev.in, vcpu) < 0)
		return -LICHEN_EINVAL;
	v->done = 1;
	if (!v->cleaning)
		v->current->answer = (int32_t)(uint32_t)value;
	return 0;
}

static lichen_status symcall_results(struct symcall *s, const struct symcall_vcpu *v,
				     const struct lichen_vcpu_context *after)
{
	struct symcall_request *request = v->current;

	request->results[0] = after->gpr[LICHEN_RDI];
	request->results[1] = after->gpr[LICHEN_RSI];
	request->size = 0;
	if (request->answer > 0 || after->gpr[LICHEN_R8] > LICHEN_GUEST_PAGE)
		return -LICHEN_EBADMSG;
	if (after->gpr[LICHEN_R8] &&
	    s->dev.host->memory_read(s->dev.in, 0, v->registration.page, request->data,
				     after->gpr[LICHEN_R8]) < 0)
		return -LICHEN_EBADMSG;
	request->size = (uint32_t)after->gpr[LICHEN_R8];
	return 0;
}

/* An abandoned call: the channel is dead, and the guest's cleanup gets its one chance. */
static int symcall_clean(struct symcall *s, struct symcall_vcpu *v, uint32_t vcpu)
{
	v->dead = 1;
	s->dev.host->log_guest(s->dev.in, LICHEN_LOG_WARN,
			       "vCPU %u: a call of %s was abandoned: direct calls are refused "
			       "there until the guest registers again",
			       vcpu, v->current->name);
	if (!v->registration.cleanup)
		return 0;
	v->cleaning = 1;
	v->entered = 0;
	if (s->symbiotic->borrow(s->dev.in, vcpu, vcpu, symcall_now(s) + SYMCALL_CLEANUP_NS) ==
	    0)
		return 1;
	v->cleaning = 0;
	return 0;
}

/* [vcpu, running] */
static void symcall_left(void *self, uint64_t client, uint32_t vcpu, uint64_t cookie,
			 lichen_status status, const struct lichen_vcpu_context *after)
{
	struct symcall *s = self;
	struct symcall_vcpu *v = &s->vcpus[vcpu];
	struct symcall_request *request = v->current;

	(void)client, (void)cookie;
	if (!request)
		return;
	if (v->cleaning) { /* whatever came of it: the caller hears of the call itself */
		v->cleaning = 0;
		status = request->answer;
	} else if (status == 0 && v->done && after) {
		status = symcall_results(s, v, after);
	} else if (v->entered && status != -LICHEN_ECANCELED) {
		request->answer = status;
		if (symcall_clean(s, v, vcpu))
			return;
	}
	v->current = NULL;
	if (status == 0 && request->answer == -LICHEN_EAGAIN &&
	    (request->flags & LICHEN_CALL_DEFERRED))
		status = -LICHEN_EAGAIN;
	if (status < 0)
		symcall_direct_failed(s, request, status);
	else
		symcall_finish(s, request, 0);
	symcall_direct_next(s, vcpu);
}

/* [vcpu or control, running or paused] */
static void symcall_on_agreed(void *self, uint64_t client, uint64_t features)
{
	struct symcall *s = self;

	(void)client;
	if (!(features & LICHEN_FEATURE_CALL))
		for (uint32_t i = 0; i < SYMCALL_VCPUS; i++)
			(void)symcall_vcpu_register(s, i, 0);
	if (!(features & LICHEN_FEATURE_CALL_DEFERRED)) {
		symcall_deferred_forget(s);
		s->area_at = 0;
		s->area = (struct lichen_shared){ .dev = &s->dev };
	}
	if (!(features & (LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED))) {
		s->table_at = 0;
		s->table = (struct lichen_shared){ .dev = &s->dev };
	}
}

static lichen_status symcall_write(struct symcall *s, uint32_t vcpu, uint32_t msr,
				   uint64_t value)
{
	struct lichen_shared shared;
	lichen_status status;

	switch (msr) {
	case LICHEN_MSR_CALL_VCPU:
		return symcall_agreed(s, LICHEN_FEATURE_CALL) && vcpu < SYMCALL_VCPUS
			       ? symcall_vcpu_register(s, vcpu, value)
			       : -LICHEN_EINVAL;
	case LICHEN_MSR_CALL_DONE:
		return vcpu < SYMCALL_VCPUS ? symcall_direct_done(s, vcpu, value)
					    : -LICHEN_EINVAL;
	case LICHEN_MSR_CALL_TABLE:
		if (!symcall_agreed(s, LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED))
			return -LICHEN_EINVAL;
		status = lichen_shared_at(&s->dev, value, LICHEN_CALL_TABLE_PAGES, &shared);
		if (status < 0)
			return status;
		s->table_at = value;
		s->table = shared;
		return 0;
	case LICHEN_MSR_CALL_AREA:
		if (!symcall_agreed(s, LICHEN_FEATURE_CALL_DEFERRED))
			return -LICHEN_EINVAL;
		status = lichen_shared_at(&s->dev, value, LICHEN_CALL_SLOTS, &shared);
		if (status < 0)
			return status;
		symcall_deferred_forget(s);
		s->area_at = value;
		s->area = shared;
		return 0;
	case LICHEN_MSR_CALL_ANSWER:
		return symcall_deferred_answer(s, value);
	default:
		return -LICHEN_EINVAL;
	}
}

/* [vcpu, running] */
static lichen_status symcall_msr_write(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				       uint64_t value)
{
	struct symcall *s = self;
	const lichen_status status = symcall_write(s, vcpu, msr, value);

	(void)client;
	s->counts.refused += status < 0;
	return status;
}

/* [vcpu, running] */
static lichen_status symcall_msr_read(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				      uint64_t *value)
{
	const struct symcall *s = self;

	(void)client;
	switch (msr) {
	case LICHEN_MSR_CALL_VCPU: /* 1: calls may come */
		*value = vcpu < SYMCALL_VCPUS && s->vcpus[vcpu].registration.entry &&
			 !s->vcpus[vcpu].dead;
		return 0;
	case LICHEN_MSR_CALL_TABLE:
		*value = s->table_at;
		return 0;
	case LICHEN_MSR_CALL_AREA:
		*value = s->area_at;
		return 0;
	default:
		return -LICHEN_EINVAL;
	}
}

const struct lichen_symbiotic_ops symcall_symbiotic = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops),
	.agreed = symcall_on_agreed,
	.msr_read = symcall_msr_read,
	.msr_write = symcall_msr_write,
	.borrow_enter = symcall_enter,
	.borrow_left = symcall_left,
};
