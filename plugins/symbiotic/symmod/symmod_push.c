/* SPDX-License-Identifier: MIT */
/* symmod_push.c: a request from its beginning to its answer.  See symmod.h. */
#include <stdarg.h>

#include "symmod.h"

uint64_t symmod_now(const struct symmod *s)
{
	return s->dev.host->clock_now(s->dev.in, LICHEN_CLOCK_HOST);
}

static lichen_gpa symmod_member(const struct symmod *s, uint64_t offset)
{
	return s->page.gpa + offset;
}

/* The page may have stopped being RAM; then everything reads as failed. */
static lichen_status symmod_read_page(struct symmod *s, struct lichen_module_page *page)
{
	return s->dev.host->memory_read(s->dev.in, 0, s->page.gpa, page, sizeof(*page));
}

const char *symmod_unable(const struct symmod *s, uint32_t kind)
{
	uint32_t given[2]; /* kinds, policy */

	if (!(s->symbiotic->agreed(s->dev.in) & LICHEN_FEATURE_MODULE))
		return "the guest has no symbiotic side, or has not agreed to SymMod";
	if (s->page.size == 0 ||
	    s->dev.host->memory_read(s->dev.in, 0, s->page.gpa, given, sizeof(given)) < 0)
		return "the guest takes no modules now";
	if (given[1] == LICHEN_MODULE_OFF)
		return "the guest's policy is to take no modules";
	if (kind && !(given[0] & kind))
		return kind == LICHEN_MODULE_LINUX ? "the guest takes no Linux modules"
						   : "the guest takes no plain objects";
	return NULL;
}

/* 1: the profile lets a module of this hash pass. */
static int symmod_allowed(const struct symmod *s, const uint8_t sha256[32])
{
	char hash[65];

	symmod_hex(sha256, hash);
	return !s->allow || strstr(s->allow, hash) != NULL;
}

const char *symmod_unfit(const struct symmod *s, const struct lichen_module_info *info)
{
	return symmod_allowed(s, info->sha256)
		       ? symmod_unable(s, info->kind)
		       : "its hash is not among those that the profile allows";
}

struct symmod_module *symmod_find(struct symmod *s, const char *name)
{
	for (uint32_t i = 0; i < SYMMOD_LOADED; i++)
		if (strncmp(s->modules[i].name, name, sizeof(s->modules[i].name)) == 0)
			return &s->modules[i];
	return NULL;
}

void symmod_request_free(struct symmod *s, struct symmod_request *request)
{
	if (request->handle)
		s->module->close(s->dev.in, request->handle);
	free(request->bytes);
	free(request);
}

void symmod_sweep(struct symmod *s)
{
	while (s->done) {
		struct symmod_request *request = s->done;

		s->done = request->next;
		symmod_request_free(s, request);
	}
}

/* At once where there is work for the control thread, else at the deadline. */
static void symmod_arm(struct symmod *s)
{
	const struct symmod_request *request = s->requests;

	if (s->done ||
	    (request && (request->bytes || request->state == LICHEN_MODULE_ACCEPTED)))
		s->dev.host->timer_arm(s->dev.in, s->tick, 0);
	else if (request)
		s->dev.host->timer_arm(s->dev.in, s->tick, request->deadline);
}

/* Takes the first out; it has been answered. */
static void symmod_retire(struct symmod *s)
{
	struct symmod_request *request = s->requests;

	s->requests = request->next;
	s->waiting--;
	request->next = s->done;
	s->done = request;
	symmod_arm(s);
}

void symmod_set_state(struct symmod *s, uint32_t state)
{
	const lichen_gpa at = symmod_member(s, offsetof(struct lichen_module_page, state));
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };

	if (s->page.size == 0 || s->dev.host->memory_map(s->dev.in, 0, at, sizeof(state),
							 LICHEN_ACCESS_WRITE, &map) < 0)
		return;
	__atomic_store_n((uint32_t *)map.data, state, __ATOMIC_RELEASE);
	s->dev.host->memory_unmap(s->dev.in, &map, sizeof(state));
}

static void symmod_start(struct symmod *s)
{
	struct symmod_request *request = s->requests;
	struct lichen_module_page page = { 0 };
	const uint64_t from = offsetof(struct lichen_module_page, serial);
	const uint64_t to = offsetof(struct lichen_module_page, status);

	if (++s->last_serial == 0)
		s->last_serial = 1;
	request->serial = page.serial = s->last_serial;
	request->state = LICHEN_MODULE_ASKED;
	page.request = request->what;
	page.kind = request->info ? request->info->kind : 0;
	page.size = request->info ? request->info->room : 0;
	if (request->info)
		memcpy(page.sha256, request->info->sha256, sizeof(page.sha256));
	memcpy(page.name, request->name, sizeof(page.name));
	memcpy(page.parameters, request->parameters, sizeof(page.parameters));
	(void)s->dev.host->memory_write(s->dev.in, 0, symmod_member(s, from),
					(const uint8_t *)&page + from, to - from);
	symmod_set_state(s, LICHEN_MODULE_ASKED);
	request->deadline = symmod_now(s) + s->timeout;
	symmod_arm(s);
	s->symbiotic->notify(s->dev.in, LICHEN_CAUSE_MODULE);
}

/* The first's turn has come.  A client's file is first opened, by the control thread. */
static void symmod_turn(struct symmod *s)
{
	if (s->requests->bytes)
		symmod_arm(s);
	else
		symmod_start(s);
}

void symmod_ask(struct symmod *s, struct symmod_request *request)
{
	struct symmod_request **at = &s->requests;

	while (*at)
		at = &(*at)->next;
	request->next = NULL;
	*at = request;
	s->waiting++;
	if (s->requests == request)
		symmod_turn(s);
}

/* The first is over; the next, if the guest still takes any. */
static void symmod_next(struct symmod *s)
{
	const char *why;

	symmod_retire(s);
	if (!s->requests)
		return;
	why = symmod_unable(s, s->requests->info ? s->requests->info->kind : 0);
	if (why)
		symmod_fail(s, -LICHEN_ENODEV, "%s: %s", s->requests->name, why);
	else
		symmod_turn(s);
}

/* Whoever asked hears that it failed.  answer: the guest's own status. */
static void symmod_refuse(struct symmod *s, const struct symmod_request *request,
			  lichen_status status, int32_t answer, const char *text)
{
	if (request->nobody)
		return;
	if (request->client)
		symmod_tell_client(s, request, status, answer, text);
	else
		lichen_control_refuse(&s->dev, s->control, request->token, status, "%s", text);
}

void symmod_fail(struct symmod *s, lichen_status status, const char *format, ...)
{
	char text[1400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	symmod_refuse(s, s->requests, status, 0, text);
	symmod_next(s);
}

static void symmod_remember(struct symmod *s, const struct symmod_request *request)
{
	struct symmod_module *module = symmod_find(s, request->name);

	if (!module)
		module = symmod_find(s, "");
	if (!module)
		return;
	memcpy(module->name, request->name, sizeof(module->name));
	module->kind = request->info->kind;
	module->size = request->info->room;
	memcpy(module->sha256, request->info->sha256, sizeof(module->sha256));
}

void symmod_forget(struct symmod *s, const char *why)
{
	char text[128];

	while (s->requests) {
		struct symmod_request *request = s->requests;

		/* The guest has the bytes, and may load them all the same: then they can be
		 * dropped. */
		if (request->state == LICHEN_MODULE_COPIED)
			symmod_remember(s, request);
		(void)snprintf(text, sizeof(text), "%s: %s", request->name, why);
		symmod_refuse(s, request, -LICHEN_ECANCELED, 0, text);
		symmod_retire(s);
	}
}

void symmod_cancel(struct symmod *s, const char *why)
{
	if (s->requests && s->requests->serial)
		symmod_set_state(s, LICHEN_MODULE_CANCELLED);
	symmod_forget(s, why);
}

/* The guest's own words, as one line: what is no printing character becomes a space. */
static void symmod_words(struct lichen_module_page *page)
{
	const uint32_t room = sizeof(page->text) - 1;
	const uint32_t size = page->text_size < room ? page->text_size : room;

	page->text[size] = '\0';
	for (char *c = page->text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = ' ';
}

static void symmod_done(struct symmod *s)
{
	const struct symmod_request *request = s->requests;
	struct symmod_module *module = symmod_find(s, request->name);

	if (request->what == LICHEN_MODULE_OFFER) {
		s->counts.pushed++;
		symmod_remember(s, request);
	} else {
		s->counts.dropped++;
		if (module)
			memset(module, 0, sizeof(*module));
	}
	if (request->client && !request->nobody)
		symmod_tell_client(s, request, 0, 0, "");
	else if (!request->nobody)
		lichen_control_answer(&s->dev, s->control, request->token,
				      json_pack("{s:s}", "name", request->name));
	symmod_next(s);
}

enum { SYMMOD_ENOENT = -2 }; /* of the guest's errno, which is Linux's */

static void symmod_guest_failed(struct symmod *s, struct lichen_module_page *page)
{
	const struct symmod_request *request = s->requests;
	const uint32_t refused = page->state == LICHEN_MODULE_REFUSED;
	struct symmod_module *module = symmod_find(s, request->name);
	char text[1400];

	symmod_words(page);
	s->counts.refused_there += refused;
	s->counts.failed += !refused;
	/* The guest has taken it out by itself. */
	if (request->what == LICHEN_MODULE_DROP && page->status == SYMMOD_ENOENT && module)
		memset(module, 0, sizeof(*module));
	(void)snprintf(text, sizeof(text), "%s: the guest %s: %s (%d)", request->name,
		       refused ? "refuses" : "fails",
		       page->text[0] ? page->text : "it says nothing", page->status);
	symmod_refuse(s, request, refused ? -LICHEN_EPERM : -LICHEN_EINVAL, page->status, text);
	symmod_next(s);
}

lichen_status symmod_answer(struct symmod *s, uint64_t serial)
{
	struct symmod_request *request = s->requests;
	struct lichen_module_page page;

	if (!request || serial == 0 || serial != request->serial)
		return -LICHEN_EINVAL;
	if (symmod_read_page(s, &page) < 0)
		page.state = LICHEN_MODULE_IDLE;
	/* Which step may follow which; ACCEPTED is worked on by the control thread. */
	if (page.state == LICHEN_MODULE_ACCEPTED && request->state == LICHEN_MODULE_ASKED &&
	    request->what == LICHEN_MODULE_OFFER) {
		request->state = LICHEN_MODULE_ACCEPTED;
		symmod_arm(s);
	} else if ((page.state == LICHEN_MODULE_LOADED &&
		    request->state == LICHEN_MODULE_COPIED) ||
		   (page.state == LICHEN_MODULE_DROPPED &&
		    request->what == LICHEN_MODULE_DROP)) {
		symmod_done(s);
	} else if (page.state == LICHEN_MODULE_REFUSED || page.state == LICHEN_MODULE_FAILED) {
		symmod_guest_failed(s, &page);
	} else {
		s->counts.failed++;
		symmod_fail(s, -LICHEN_EBADMSG,
			    "%s: the guest's answer is malformed: state %u after state %u",
			    request->name, page.state, request->state);
	}
	return 0;
}

/* [control] */
static void symmod_open(struct symmod *s)
{
	struct symmod_request *request = s->requests;
	lichen_status status = s->module->open_bytes(s->dev.in, request->bytes, request->size,
						     request->name[0] ? request->name : NULL,
						     &request->info, &request->handle);
	const char *why;

	free(request->bytes);
	request->bytes = NULL;
	if (status < 0) {
		request->handle = 0;
		request->info = NULL;
		s->counts.refused_here++;
		symmod_fail(s, status, "%s: not a module for this guest",
			    request->name[0] ? request->name : "module");
		return;
	}
	memcpy(request->name, request->info->name, sizeof(request->name));
	status = symmod_unable(s, 0) ? -LICHEN_ENODEV : -LICHEN_EPERM;
	why = symmod_unfit(s, request->info);
	if (!why) {
		symmod_start(s);
		return;
	}
	s->counts.refused_here++;
	symmod_fail(s, status, "%s: %s", request->name, why);
}

void symmod_tick(struct symmod *s)
{
	struct symmod_request *request = s->requests;

	symmod_sweep(s);
	if (!request)
		return;
	if (request->bytes) {
		symmod_open(s);
		return;
	}
	if (symmod_now(s) >= request->deadline) {
		symmod_set_state(s, LICHEN_MODULE_CANCELLED);
		s->counts.timeouts++;
		symmod_fail(s, -LICHEN_ETIMEDOUT, "%s: the guest did not answer in time",
			    request->name);
		return;
	}
	if (request->state == LICHEN_MODULE_ACCEPTED)
		symmod_copy(s);
	symmod_arm(s);
}
