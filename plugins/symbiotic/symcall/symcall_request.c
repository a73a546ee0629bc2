/* SPDX-License-Identifier: MIT */
/* symcall_request.c: a call from its beginning to its answer.  See symcall.h. */
#include "symcall.h"

void symcall_queue_put(struct symcall_request **queue, struct symcall_request *request)
{
	while (*queue)
		queue = &(*queue)->next;
	request->next = NULL;
	*queue = request;
}

struct symcall_request *symcall_queue_take(struct symcall_request **queue)
{
	struct symcall_request *request = *queue;

	if (request)
		*queue = request->next;
	return request;
}

/* What of the function's abilities `mode` leaves, and the guest has registered for. */
static uint32_t symcall_ways(struct symcall *s, uint32_t flags, uint32_t mode)
{
	if (mode == LICHEN_SYMCALL_DIRECT)
		flags &= LICHEN_CALL_DIRECT;
	if (mode == LICHEN_SYMCALL_DEFERRED)
		flags &= LICHEN_CALL_DEFERRED;
	if (!symcall_agreed(s, LICHEN_FEATURE_CALL))
		flags &= ~(uint32_t)LICHEN_CALL_DIRECT;
	if (!symcall_agreed(s, LICHEN_FEATURE_CALL_DEFERRED) || s->area.size == 0)
		flags &= ~(uint32_t)LICHEN_CALL_DEFERRED;
	return flags & (LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED);
}

lichen_status symcall_request_new(struct symcall *s, const char *name, uint32_t mode,
				  uint32_t vcpu, uint64_t deadline_ns,
				  struct symcall_request **made)
{
	struct lichen_directory_entry entry;
	char schema[LICHEN_SCHEMA_MAX + 1];
	struct symcall_request *request;
	struct lichen_why why;
	uint32_t ways;
	lichen_status status;

	if (vcpu != LICHEN_SYMCALL_ANY && vcpu >= s->dev.host->cpu_count(s->dev.in))
		return -LICHEN_ERANGE;
	if (s->table.size == 0)
		return -LICHEN_ENODEV;
	if (s->under_way >= SYMCALL_WAITING)
		return -LICHEN_EBUSY;
	status = lichen_directory_find(&s->table, LICHEN_DIRECTORY_CALL, name, &entry);
	if (status == 0)
		status = lichen_directory_schema(&s->table, &entry, schema);
	if (status < 0)
		return status;
	ways = symcall_ways(s, entry.flags, mode);
	if (!ways)
		return -LICHEN_ENOENT;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -LICHEN_ENOMEM;
	/* A schema that is none describes nothing: the call takes no arguments by name. */
	if (lichen_schema_function(schema, &request->schema, &why) < 0)
		memset(&request->schema, 0, sizeof(request->schema));
	memcpy(request->name, entry.name, sizeof(request->name));
	request->function = entry.number;
	request->flags = ways;
	request->vcpu = vcpu;
	request->allowed = deadline_ns;
	s->under_way++;
	*made = request;
	return 0;
}

void symcall_request_free(struct symcall *s, struct symcall_request *request)
{
	s->under_way--;
	free(request);
}

void symcall_begin(struct symcall *s, struct symcall_request *request)
{
	const uint64_t usual =
		request->flags & LICHEN_CALL_DIRECT ? s->timeout : s->deferred_timeout;
	const uint64_t allowed = request->allowed ? request->allowed : usual;

	if (!request->begun)
		request->begun = symcall_now(s);
	request->deadline =
		allowed > UINT64_MAX - request->begun ? UINT64_MAX : request->begun + allowed;
	if (request->flags & LICHEN_CALL_DIRECT)
		symcall_direct_begin(s, request);
	else
		symcall_deferred_begin(s, request);
}

static void symcall_count(struct symcall *s, const struct symcall_request *request,
			  lichen_status status)
{
	const uint64_t ns = symcall_now(s) - request->begun;
	uint32_t bucket = 0;

	s->counts.calls++;
	s->counts.failed += status < 0;
	s->counts.timeouts += status == -LICHEN_ETIMEDOUT;
	s->counts.crashed += status == -LICHEN_EFAULT;
	while (bucket + 1 < SYMCALL_BUCKETS && ns >> (bucket + 1))
		bucket++;
	if (status == 0)
		s->counts.histogram[request->deferred][bucket]++;
}

static const char *symcall_reason(lichen_status status)
{
	switch (status) {
	case -LICHEN_ETIMEDOUT:
		return "the guest did not answer in time";
	case -LICHEN_EFAULT:
		return "the guest crashed, or halted, inside";
	case -LICHEN_EINVAL:
		return "the hypervisor refused to enter the guest there";
	case -LICHEN_EAGAIN:
		return "the vCPU cannot be called in what it is doing now";
	case -LICHEN_ECANCELED:
		return "cancelled by a pause, a reset or the guest";
	case -LICHEN_EBADMSG:
		return "the guest's answer is malformed";
	case -LICHEN_ENODEV:
		return "no vCPU is registered for it, or its channel is dead";
	default:
		return "failed";
	}
}

/* NULL: no memory. */
static json_t *symcall_result(const struct symcall *s, const struct symcall_request *request)
{
	json_t *registers = lichen_schema_registers(&request->schema.results, request->results,
						    LICHEN_CALL_RESULTS);
	json_t *page = lichen_schema_decode(&request->schema.results_page, request->data,
					    request->size);

	(void)json_object_update(registers, page);
	json_decref(page);
	return json_pack("{s:s, s:s, s:o, s:i, s:o, s:o}", "function", request->name, "how",
			 request->deferred ? "deferred" : "direct", "vcpu",
			 request->deferred ? json_null() : json_integer(request->on), "status",
			 request->answer, "ns",
			 lichen_control_hex(symcall_now(s) - request->begun), "results",
			 registers);
}

static void symcall_tell_client(struct symcall *s, const struct symcall_request *request,
				lichen_status status)
{
	if (status == 0)
		lichen_control_answer(&s->dev, s->control, request->token,
				      symcall_result(s, request));
	else
		lichen_control_refuse(&s->dev, s->control, request->token, status, "%s: %s",
				      request->name, symcall_reason(status));
}

static void symcall_tell_subscribers(struct symcall *s, const struct symcall_request *request,
				     lichen_status status)
{
	json_t *result = status == 0 ? symcall_result(s, request)
				     : json_pack("{s:s, s:s}", "function", request->name,
						 "error", symcall_reason(status));
	char *text;

	(void)json_object_set_new(result, "id", lichen_control_hex(request->event_id));
	text = result ? json_dumps(result, JSON_COMPACT) : NULL;
	if (text)
		s->control->event(s->dev.in, "symcall.done", text, (uint32_t)strlen(text));
	free(text);
	json_decref(result);
}

static void symcall_tell_plugin(struct symcall *s, const struct symcall_request *request,
				lichen_status status)
{
	struct {
		struct lichen_symcall_done done;
		uint8_t data[LICHEN_GUEST_PAGE];
	} event = { .done = { LICHEN_STRUCT(struct lichen_symcall_done), .status = status,
			      .answer = request->answer,
			      .size = status == 0 ? request->size : 0,
			      .results = { request->results[0], request->results[1] },
			      .token = request->event_token } };

	memcpy(event.data, request->data, event.done.size);
	(void)s->dev.host->post(s->dev.in, request->client, LICHEN_SYMCALL_DONE, &event,
				(uint32_t)sizeof(event.done) + event.done.size);
}

void symcall_finish(struct symcall *s, struct symcall_request *request, lichen_status status)
{
	symcall_count(s, request, status);
	if (request->token)
		symcall_tell_client(s, request, status);
	else if (request->event_id)
		symcall_tell_subscribers(s, request, status);
	else if (request->client)
		symcall_tell_plugin(s, request, status);
	symcall_request_free(s, request);
}

void symcall_cancel_all(struct symcall *s)
{
	struct symcall_request *request;

	for (uint32_t i = 0; i < SYMCALL_VCPUS; i++) {
		struct symcall_vcpu *v = &s->vcpus[i];

		while ((request = symcall_queue_take(&v->first)))
			symcall_finish(s, request, -LICHEN_ECANCELED);
		if (v->current || v->cleaning)
			s->symbiotic->borrow_cancel(s->dev.in, i);
	}
	while ((request = symcall_queue_take(&s->first_deferred)))
		symcall_finish(s, request, -LICHEN_ECANCELED);
	for (uint32_t i = 0; i < LICHEN_CALL_SLOTS; i++) {
		request = s->slots[i].request;
		s->slots[i].request = NULL;
		if (request)
			symcall_finish(s, request, -LICHEN_ECANCELED);
	}
}

void symcall_arm(struct symcall *s, uint64_t deadline)
{
	if (deadline != UINT64_MAX)
		s->dev.host->timer_arm(s->dev.in, s->tick, deadline);
}

void symcall_tick(struct symcall *s)
{
	const uint64_t now = symcall_now(s);

	for (uint32_t i = 0; i < SYMCALL_VCPUS; i++)
		if (!s->vcpus[i].current && s->vcpus[i].first)
			symcall_direct_next(s, i);
	symcall_arm(s, symcall_deferred_overdue(s, now));
}
