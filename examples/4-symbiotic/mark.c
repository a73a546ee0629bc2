/* SPDX-License-Identifier: MIT */
/*
 * mark: an interface between guest and VMM that Lichen knows nothing of.  The guest makes marks
 * ("kernel", "net", "ready"), each with one MSR write, and whoever asks the VM's socket sees
 * which it made and when.
 *
 *	symbiotic:
 *	  - { plugin: mark }
 *
 * MSRs: mark.h.  Methods of the control socket:
 *	mark.list	the marks, oldest first; ns is the guest's time, which stops in a pause
 *	mark.ask	asks the guest for one, and waits up to 5 s for the next that it makes
 *
 * Limits: the first 64 marks since the guest's start are kept, later ones are counted.
 */
#include <stdio.h>
#include <string.h>

#include <lichen/draft/control.h>
#include <lichen/symbiotic.h>

#include "mark.h"

enum {
	MARK_KEPT = 64,
	MARK_LINE = 80, /* bytes of JSON that a mark makes at most */
};
#define MARK_PATIENCE_NS UINT64_C(5000000000)

/* All is guarded by the instance lock. */
struct mark {
	struct lichen_dev dev;
	const struct lichen_symbiotic_host *symbiotic;
	const struct lichen_control_host *control; /* NULL: the VM has no socket */
	lichen_handle patience;			   /* timer */
	uint64_t asked;				   /* token that is owed an answer; 0: none */
	uint64_t asked_ns;			   /* since when, host clock */
	uint64_t count;
	uint64_t names[MARK_KEPT]; /* as the guest wrote them */
	uint64_t times[MARK_KEPT]; /* ns, guest clock */
};

static const struct lichen_field mark_state[] = {
	LICHEN_FIELD(struct mark, count, .since = 1, .help = "marks since the guest's start"),
	LICHEN_FIELD_ARRAY(struct mark, names, .since = 1, .help = "of the first of them"),
	LICHEN_FIELD_ARRAY(struct mark, times, .since = 1, .help = "ns of the guest's clock"),
};

static uint32_t mark_kept(const struct mark *m)
{
	return m->count < MARK_KEPT ? (uint32_t)m->count : MARK_KEPT;
}

/* Takes the name out of an MSR's value; 0: it is none.  Nothing in it needs quoting in JSON. */
static int mark_name(uint64_t value, char name[9])
{
	uint32_t size = 0;

	while (size < 8 && (value >> 8 * size & 0xff) != 0) {
		name[size] = (char)(value >> 8 * size);
		size++;
	}
	name[size] = '\0';
	return size > 0 && (size == 8 || value >> 8 * size == 0) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == size;
}

/* --- the guest --- */

/* Who asked, if anyone, gets this. */
static void mark_answer(struct mark *m, lichen_status status, const char *text)
{
	if (!m->asked)
		return;
	m->control->answer(m->dev.in, m->asked, status, text, (uint32_t)strlen(text));
	m->asked = 0;
	m->dev.host->timer_cancel(m->dev.in, m->patience);
}

static lichen_status mark_made(struct mark *m, uint64_t value)
{
	const struct lichen_host *host = m->dev.host;
	char name[9], text[MARK_LINE];

	if (!m->symbiotic->agreed(m->dev.in) || !mark_name(value, name))
		return -LICHEN_EINVAL;
	if (m->count < MARK_KEPT) {
		m->names[m->count] = value;
		m->times[m->count] = host->clock_now(m->dev.in, LICHEN_CLOCK_GUEST);
	}
	m->count++;
	(void)snprintf(text, sizeof(text), "{\"mark\":\"%s\",\"ns\":\"0x%llx\"}", name,
		       (unsigned long long)(host->clock_now(m->dev.in, LICHEN_CLOCK_HOST) -
					    m->asked_ns));
	mark_answer(m, 0, text);
	return 0;
}

/* [vcpu, running] */
static lichen_status mark_write(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				uint64_t value)
{
	(void)client, (void)vcpu;
	return msr == MARK_MSR_MARK ? mark_made(self, value) : -LICHEN_EINVAL;
}

/* [vcpu, running] */
static lichen_status mark_read(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
			       uint64_t *value)
{
	const struct mark *m = self;

	(void)client, (void)vcpu;
	if (msr != MARK_MSR_COUNT || !m->symbiotic->agreed(m->dev.in))
		return -LICHEN_EINVAL;
	*value = m->count;
	return 0;
}

/* What the guest takes back or agrees to again changes nothing of what it has said.
 * [vcpu or control, running or paused] */
static void mark_agreed(void *self, uint64_t client, uint64_t features)
{
	(void)client;
	if (!features)
		mark_answer(self, -LICHEN_ECANCELED, "mark: the guest makes no marks any more");
}

static const struct lichen_symbiotic_ops mark_symbiotic = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops),
	.agreed = mark_agreed,
	.msr_read = mark_read,
	.msr_write = mark_write,
};

/* --- the control socket --- */

enum mark_method { MARK_LIST = 0, MARK_ASK = 1 };

#define MARK_NOTHING "{\"type\": \"object\", \"properties\": {}}"

static const struct lichen_control_method mark_methods[] = {
	[MARK_LIST] = { LICHEN_STRUCT(struct lichen_control_method), .name = "mark.list",
			.summary = "the marks that the guest has made, oldest first",
			.parameters = MARK_NOTHING,
			.result = "{\"type\": \"array\", \"items\": {\"type\": \"object\"}}" },
	[MARK_ASK] = { LICHEN_STRUCT(struct lichen_control_method), .name = "mark.ask",
		       .summary = "asks the guest for a mark, and waits for the next one",
		       .parameters = MARK_NOTHING, .result = "{\"type\": \"object\"}" },
};

static void mark_refuse(struct mark *m, uint64_t token, lichen_status status, const char *why)
{
	m->control->answer(m->dev.in, token, status, why, (uint32_t)strlen(why));
}

static void mark_list(struct mark *m, uint64_t token)
{
	char text[MARK_KEPT * MARK_LINE + 3], name[9];
	int at = 0;

	text[at++] = '[';
	for (uint32_t i = 0; i < mark_kept(m); i++) {
		(void)mark_name(m->names[i], name);
		at += snprintf(text + at, MARK_LINE, "%s{\"mark\":\"%s\",\"ns\":\"0x%llx\"}",
			       i ? "," : "", name, (unsigned long long)m->times[i]);
	}
	text[at++] = ']';
	m->control->answer(m->dev.in, token, 0, text, (uint32_t)at);
}

static void mark_ask(struct mark *m, uint64_t token)
{
	if (!m->symbiotic->agreed(m->dev.in)) {
		mark_refuse(m, token, -LICHEN_ENODEV, "mark: the guest makes no marks");
		return;
	}
	if (m->asked) {
		mark_refuse(m, token, -LICHEN_EBUSY, "mark: the guest is being asked already");
		return;
	}
	m->asked = token;
	m->asked_ns = m->dev.host->clock_now(m->dev.in, LICHEN_CLOCK_HOST);
	m->dev.host->timer_arm(m->dev.in, m->patience, m->asked_ns + MARK_PATIENCE_NS);
	m->symbiotic->notify(m->dev.in, MARK_CAUSE_ASKED);
}

/* [control, realized to running] */
static void mark_call(void *self, uint64_t client, uint64_t token, uint32_t method,
		      const char *parameters, uint32_t size, const int32_t *descriptors,
		      uint32_t descriptor_count)
{
	(void)client, (void)parameters, (void)size, (void)descriptors, (void)descriptor_count;
	if (method == MARK_LIST)
		mark_list(self, token);
	else
		mark_ask(self, token);
}

static const struct lichen_control_ops mark_control = {
	LICHEN_STRUCT(struct lichen_control_ops),
	.methods = LICHEN_TABLE(mark_methods),
	.call = mark_call,
};

/* --- its life --- */

static const struct lichen_provide mark_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, mark_symbiotic),
	LICHEN_PROVIDE(LICHEN_CONTROL, mark_control),
};

/* [control, created] */
static lichen_status mark_realize(void *self)
{
	struct mark *m = self;
	const struct lichen_host *host = m->dev.host;
	lichen_handle msrs;
	lichen_status status;

	m->symbiotic = host->interface(m->dev.in, LICHEN_SYMBIOTIC_HOST);
	m->control = host->interface(m->dev.in, LICHEN_CONTROL_HOST);
	if (!m->symbiotic) {
		host->error(m->dev.in, "the VM has no discovery block: its profile has no "
				       "`symbiotic` key");
		return -LICHEN_ENODEV;
	}
	status = host->timer_create(m->dev.in, LICHEN_CLOCK_HOST, 0, &m->patience);
	if (status == 0)
		status = m->symbiotic->msr_claim(m->dev.in, MARK_MSR_MARK, MARK_MSRS, &msrs);
	if (status == 0)
		status = m->symbiotic->offer(m->dev.in, MARK_FEATURE);
	return status;
}

/* [control, running] */
static lichen_status mark_pause(void *self)
{
	mark_answer(self, -LICHEN_ECANCELED, "mark: the VM is paused");
	return 0;
}

/* [control, running or paused] */
static lichen_status mark_quiesce(void *self)
{
	mark_answer(self, -LICHEN_ECANCELED, "mark: the plugin goes");
	return 0;
}

/* [control, paused] */
static lichen_status mark_reset(void *self, uint32_t kind)
{
	struct mark *m = self;

	(void)kind;
	m->count = 0;
	memset(m->names, 0, sizeof(m->names));
	memset(m->times, 0, sizeof(m->times));
	return 0;
}

/* [control, realized or paused] */
static lichen_status mark_post_load(void *self, uint32_t from)
{
	const struct mark *m = self;
	char name[9];

	(void)from;
	for (uint32_t i = 0; i < mark_kept(m); i++) {
		if (mark_name(m->names[i], name))
			continue;
		m->dev.host->error(m->dev.in, "names[%u]: no mark's", i);
		return -LICHEN_EBADMSG;
	}
	return 0;
}

/* [control, running] */
static void mark_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	mark_answer(self, -LICHEN_ETIMEDOUT, "mark: the guest did not make one within 5 s");
}

static const struct lichen_class mark_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "writes down when the guest says how far it has come",
	.instance_size = sizeof(struct mark),
	.state = LICHEN_TABLE(mark_state),
	.state_version = 1,
	.provides = LICHEN_TABLE(mark_provides),
	.realize = mark_realize,
	.pause = mark_pause,
	.reset = mark_reset,
	.quiesce = mark_quiesce,
	.post_load = mark_post_load,
	.timer = mark_timer,
};

LICHEN_SYMBIOTIC_PLUGIN("mark", "1.0", mark_class);
