/* SPDX-License-Identifier: MIT */
/* symcall_deferred.c: calls through slots in the guest's memory.  See symcall.h. */
#include "symcall.h"

static lichen_gpa symcall_slot_at(const struct symcall *s, uint32_t slot)
{
	return s->area.gpa + (uint64_t)slot * sizeof(struct lichen_call_slot);
}

static uint32_t symcall_slot_count(const struct symcall *s)
{
	return (uint32_t)(s->area.size / sizeof(struct lichen_call_slot));
}

/* All of it but its state, then the state: the guest may look at any time. */
static lichen_status symcall_slot_fill(struct symcall *s, uint32_t slot,
				       const struct symcall_request *request)
{
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	struct lichen_call_slot *shared;
	lichen_status status =
		s->dev.host->memory_map(s->dev.in, 0, symcall_slot_at(s, slot), sizeof(*shared),
					LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE, &map);

	if (status < 0)
		return -LICHEN_EBADMSG;
	shared = map.data;
	shared->serial = request->serial;
	shared->function = request->function;
	memcpy(shared->arguments, request->values, sizeof(shared->arguments));
	shared->size = request->size;
	memcpy(shared->data, request->data, request->size);
	__atomic_store_n(&shared->state, LICHEN_CALL_ASKED, __ATOMIC_RELEASE);
	s->dev.host->memory_unmap(s->dev.in, &map, sizeof(*shared));
	return 0;
}

static void symcall_slot_next(struct symcall *s)
{
	for (uint32_t i = 0; i < symcall_slot_count(s) && s->first_deferred; i++) {
		struct symcall_slot *slot = &s->slots[i];
		struct symcall_request *request;
		lichen_status status;

		if (slot->serial)
			continue;
		request = symcall_queue_take(&s->first_deferred);
		request->on = i;
		request->serial = symcall_serial(s);
		status = symcall_slot_fill(s, i, request);
		if (status < 0) {
			symcall_finish(s, request, status);
			continue;
		}
		slot->request = request;
		slot->serial = request->serial;
		s->symbiotic->notify(s->dev.in, LICHEN_CAUSE_CALLS);
	}
}

void symcall_deferred_begin(struct symcall *s, struct symcall_request *request)
{
	request->deferred = 1;
	if (s->area.size == 0) {
		symcall_finish(s, request, -LICHEN_ENODEV);
		return;
	}
	if (request->size > LICHEN_CALL_DATA) {
		symcall_finish(s, request, -LICHEN_E2BIG);
		return;
	}
	symcall_queue_put(&s->first_deferred, request);
	symcall_slot_next(s);
	symcall_arm(s, symcall_deferred_overdue(s, symcall_now(s)));
}

static lichen_status symcall_slot_read(struct symcall *s, uint32_t slot,
				       struct lichen_call_slot *copy)
{
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	struct lichen_call_slot *shared;

	if (s->dev.host->memory_map(s->dev.in, 0, symcall_slot_at(s, slot), sizeof(*copy),
				    LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE, &map) < 0)
		return -LICHEN_EBADMSG;
	shared = map.data;
	memcpy(copy, shared, sizeof(*copy));
	__atomic_store_n(&shared->state, LICHEN_CALL_FREE, __ATOMIC_RELEASE);
	s->dev.host->memory_unmap(s->dev.in, &map, sizeof(shared->state));
	return copy->state == LICHEN_CALL_ANSWERED && copy->size <= LICHEN_CALL_DATA &&
			       copy->status <= 0
		       ? 0
		       : -LICHEN_EBADMSG;
}

lichen_status symcall_deferred_answer(struct symcall *s, uint64_t serial)
{
	struct lichen_call_slot copy;
	struct symcall_request *request;
	lichen_status status;
	uint32_t i = 0;

	while (i < LICHEN_CALL_SLOTS && (serial == 0 || s->slots[i].serial != serial))
		i++;
	if (i == LICHEN_CALL_SLOTS)
		return -LICHEN_EINVAL; /* to a call never made */
	status = symcall_slot_read(s, i, &copy);
	request = s->slots[i].request;
	s->slots[i] = (struct symcall_slot){ .serial = 0 };
	if (request) {
		request->answer = copy.status;
		memcpy(request->results, copy.results, sizeof(request->results));
		request->size = status == 0 ? copy.size : 0;
		memcpy(request->data, copy.data, request->size);
		symcall_finish(s, request, status);
	} else {
		s->counts.late++;
	}
	symcall_slot_next(s);
	return 0;
}

uint64_t symcall_deferred_overdue(struct symcall *s, uint64_t now)
{
	struct symcall_request **at = &s->first_deferred, *request;
	uint64_t earliest = UINT64_MAX;

	for (uint32_t i = 0; i < LICHEN_CALL_SLOTS; i++) {
		request = s->slots[i].request;
		if (request && request->deadline <= now) {
			s->slots[i].request = NULL; /* the guest still has the slot */
			symcall_finish(s, request, -LICHEN_ETIMEDOUT);
		} else if (request && request->deadline < earliest) {
			earliest = request->deadline;
		}
	}
	while ((request = *at)) {
		if (request->deadline <= now) {
			*at = request->next;
			symcall_finish(s, request, -LICHEN_ETIMEDOUT);
			continue;
		}
		if (request->deadline < earliest)
			earliest = request->deadline;
		at = &request->next;
	}
	return earliest;
}

void symcall_deferred_forget(struct symcall *s)
{
	struct symcall_request *request;

	for (uint32_t i = 0; i < LICHEN_CALL_SLOTS; i++) {
		request = s->slots[i].request;
		s->slots[i] = (struct symcall_slot){ .serial = 0 };
		if (request)
			symcall_finish(s, request, -LICHEN_ECANCELED);
	}
	while ((request = symcall_queue_take(&s->first_deferred)))
		symcall_finish(s, request, -LICHEN_ECANCELED);
}
