/* SPDX-License-Identifier: MIT */
/*
 * symcall: invokes functions of the guest.
 *
 *	symbiotic:
 *	  - { plugin: symcall, timeout: 50ms }
 *
 * MSRs, counted from the block's first (<lichen/guest/call.h>):
 *	0x20 CALL_VCPU	registers the vCPU that writes for direct calls
 *	0x21 CALL_DONE	a direct call is over
 *	0x22 CALL_TABLE	where the functions are listed
 *	0x23 CALL_AREA	where deferred calls are put
 *	0x24 CALL_ANSWER	a deferred call is answered
 *
 * Limits: one direct call a vCPU at a time, others wait; 256 calls under way in all;
 * 4 arguments, 2 results, and 4096 bytes each way (4016 deferred).
 */
#include "symcall.h"

enum { SYMCALL_MSR_FIRST = LICHEN_MSR_CALL_VCPU, SYMCALL_MSRS = 0x10 };

static const struct lichen_param symcall_params[] = {
	LICHEN_PARAM(struct symcall, timeout, .unit = LICHEN_UNIT_NS, .min = 1000,
		     .max = SYMCALL_DIRECT_MAX, .fallback = 50000000,
		     .help = "after which a direct call is abandoned"),
	LICHEN_PARAM(struct symcall, deferred_timeout, .unit = LICHEN_UNIT_NS, .min = 1000,
		     .max = SYMCALL_DEFERRED_MAX, .fallback = 5000000000,
		     .help = "after which nobody waits for a deferred call any more"),
};

static const struct lichen_field symcall_registration_state[] = {
	LICHEN_FIELD(struct lichen_call_vcpu, struct_size, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, entry, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, cleanup, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, stack, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, gs_base, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, page, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, cs, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, ss, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, cr3_rule, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, cr3_test, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, cr3_clear, .since = 1),
	LICHEN_FIELD(struct lichen_call_vcpu, cr3_value, .since = 1),
};

static const struct lichen_field symcall_vcpu_state[] = {
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_NESTED, .name = "registration",
	  .offset = offsetof(struct symcall_vcpu, registration),
	  .size = sizeof(struct lichen_call_vcpu), .since = 1,
	  .fields = LICHEN_TABLE(symcall_registration_state) },
	LICHEN_FIELD(struct symcall_vcpu, dead, .since = 1, .help = "1: a call was abandoned"),
};

/* Which slots the guest still has, of calls for which nobody waits any more. */
static const struct lichen_field symcall_slot_state[] = {
	LICHEN_FIELD(struct symcall_slot, serial, .since = 2),
};

static const struct lichen_field symcall_state[] = {
	LICHEN_FIELD(struct symcall, table_at, .since = 1, .help = "CALL_TABLE"),
	LICHEN_FIELD(struct symcall, area_at, .since = 1, .help = "CALL_AREA"),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_NESTED, .name = "vcpus",
	  .offset = offsetof(struct symcall, vcpus), .size = sizeof(struct symcall_vcpu),
	  .count = SYMCALL_VCPUS, .since = 1, .fields = LICHEN_TABLE(symcall_vcpu_state) },
	LICHEN_FIELD(struct symcall, last_serial, .since = 1),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_NESTED, .name = "slots",
	  .offset = offsetof(struct symcall, slots), .size = sizeof(struct symcall_slot),
	  .count = LICHEN_CALL_SLOTS, .since = 2, .fields = LICHEN_TABLE(symcall_slot_state) },
};

uint64_t symcall_now(const struct symcall *s)
{
	return s->dev.host->clock_now(s->dev.in, LICHEN_CLOCK_HOST);
}

/* Calls under way are far fewer than there are serials. */
uint32_t symcall_serial(struct symcall *s)
{
	if (++s->last_serial == 0)
		s->last_serial = 1;
	return s->last_serial;
}

int symcall_agreed(const struct symcall *s, uint64_t feature)
{
	return (s->symbiotic->agreed(s->dev.in) & feature) != 0;
}

/* [any, running] */
static lichen_status symcall_call(void *self, uint64_t client,
				  const struct lichen_symcall *call)
{
	struct symcall *s = self;
	struct symcall_request *request;
	lichen_status status;

	if (call->size > LICHEN_GUEST_PAGE)
		return -LICHEN_E2BIG;
	status = symcall_request_new(s, call->function, call->mode, call->vcpu,
				     call->deadline_ns, &request);
	if (status < 0)
		return status;
	request->client = client;
	request->event_token = call->token;
	request->size = call->size;
	if (call->size)
		memcpy(request->data, call->data, call->size);
	memcpy(request->values, call->arguments, sizeof(request->values));
	symcall_begin(s, request);
	return 0;
}

static void symcall_disown(struct symcall_request *first, uint64_t client)
{
	for (; first; first = first->next)
		if (first->client == client)
			first->client = 0;
}

/* One that goes hears of its calls no more: its number may soon be another's.
 * [control, created to running] */
static void symcall_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct symcall *s = self;

	if (joined || strcmp(id, LICHEN_SYMCALL) != 0)
		return;
	for (uint32_t i = 0; i < SYMCALL_VCPUS; i++) {
		symcall_disown(s->vcpus[i].first, client);
		if (s->vcpus[i].current && s->vcpus[i].current->client == client)
			s->vcpus[i].current->client = 0;
	}
	symcall_disown(s->first_deferred, client);
	for (uint32_t i = 0; i < LICHEN_CALL_SLOTS; i++)
		if (s->slots[i].request && s->slots[i].request->client == client)
			s->slots[i].request->client = 0;
}

static const struct lichen_symcall_ops symcall_ops = {
	LICHEN_STRUCT(struct lichen_symcall_ops),
	.call = symcall_call,
};

static const struct lichen_provide symcall_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, symcall_symbiotic),
	LICHEN_PROVIDE(LICHEN_CONTROL, symcall_control),
	LICHEN_PROVIDE(LICHEN_SYMCALL, symcall_ops),
};

/* [control, created] */
static lichen_status symcall_realize(void *self)
{
	struct symcall *s = self;
	const struct lichen_host *host = s->dev.host;
	lichen_status status = host->timer_create(s->dev.in, LICHEN_CLOCK_HOST, 0, &s->tick);

	s->control = host->interface(s->dev.in, LICHEN_CONTROL_HOST);
	if (status == 0)
		status = lichen_symbiotic_begin(
			&s->dev, SYMCALL_MSR_FIRST, SYMCALL_MSRS,
			LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED, &s->symbiotic);
	return status;
}

/* [control, running] Who waits for an answer gets one: it would come too late. */
static lichen_status symcall_pause(void *self)
{
	symcall_cancel_all(self);
	return 0;
}

/* [control, paused] kind: a guest that starts anew has registered nothing. */
static lichen_status symcall_reset(void *self, uint32_t kind)
{
	struct symcall *s = self;

	(void)kind;
	symcall_cancel_all(s);
	symcall_symbiotic.agreed(s, 0, 0);
	return 0;
}

/* [control, realized or paused] */
static lichen_status symcall_post_load(void *self, uint32_t from)
{
	struct symcall *s = self;
	lichen_status status =
		lichen_shared_at(&s->dev, s->table_at, LICHEN_CALL_TABLE_PAGES, &s->table);

	(void)from;
	if (status >= 0)
		status = lichen_shared_at(&s->dev, s->area_at, LICHEN_CALL_SLOTS, &s->area);
	if (status < 0) {
		s->dev.host->error(s->dev.in, "table or area lies outside of guest memory");
		return -LICHEN_EBADMSG;
	}
	for (uint32_t i = 0; i < SYMCALL_VCPUS; i++) {
		const struct lichen_call_vcpu *r = &s->vcpus[i].registration;
		struct lichen_shared page;

		if (r->entry == 0)
			continue;
		if (symcall_registration_right(r) &&
		    lichen_shared_at(&s->dev, LICHEN_AT(r->page, 1), 1, &page) == 0)
			continue;
		s->dev.host->error(s->dev.in, "vcpus[%u]: not a registration", i);
		return -LICHEN_EBADMSG;
	}
	return 0;
}

/* [control, running or paused] */
static lichen_status symcall_quiesce(void *self)
{
	symcall_cancel_all(self);
	return 0;
}

/* [control, drained] */
static void symcall_destroy(void *self)
{
	struct symcall *s = self;

	/* Calls whose vCPU was borrowed to the end; who asked was told that it is over. */
	for (uint32_t i = 0; i < SYMCALL_VCPUS; i++)
		free(s->vcpus[i].current);
}

/* [control, running] */
static void symcall_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	symcall_tick(self);
}

static const struct lichen_class symcall_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "invokes functions of the guest",
	.instance_size = sizeof(struct symcall),
	.params = LICHEN_TABLE(symcall_params),
	.state = LICHEN_TABLE(symcall_state),
	.state_version = 2,
	.provides = LICHEN_TABLE(symcall_provides),
	.realize = symcall_realize,
	.pause = symcall_pause,
	.reset = symcall_reset,
	.quiesce = symcall_quiesce,
	.post_load = symcall_post_load,
	.destroy = symcall_destroy,
	.timer = symcall_timer,
	.client = symcall_client,
};

LICHEN_SYMBIOTIC_PLUGIN("symcall", "1.0", symcall_class);
