/* SPDX-License-Identifier: MIT */
/* th_irq.c: lines with OR-ed levels and counted edges, and messages that are recorded. */
#include "th.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* Addresses that the APIC takes messages at (SDM 3A, 10.11.1; APM 2, 16.11). */
static const uint64_t TH_MSI_FIRST = 0xfee00000, TH_MSI_LAST = 0xfeefffff;

static uint32_t th_level(const struct th *th, uint32_t gsi)
{
	for (uint32_t i = 0; i < TH_OBJECTS; i++)
		if (th->objects[i].kind == TH_LINE && th->objects[i].gsi == gsi &&
		    th->objects[i].level)
			return 1;
	return 0;
}

static void th_set_level(struct th *th, struct th_object *line, uint32_t level)
{
	const uint32_t before = th_level(th, line->gsi);

	if (line->flags & LICHEN_LINE_LEVEL) {
		line->level = level;
		th->irq->edges[line->gsi] += !before && level;
	} else {
		th->irq->edges[line->gsi] += level;
	}
}

static int32_t th_eventfd(struct th *th, const char *function)
{
	const int32_t fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		th_fail(th, function, "out of descriptors");
	return fd;
}

static uint64_t th_drain(int32_t fd)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static lichen_status th_line_claim(struct lichen_instance *in, const struct lichen_line *line,
				   lichen_handle *handle)
{
	TH_GUARD(in, "line_claim", TH_FROM_CREATED, TH_CONTROL);
	const struct th_object *o;
	struct th_object *made;
	uint32_t at = 0;

	if (line->struct_size == 0)
		th_fail(th, "line_claim", "struct_size is 0");
	if (line->flags & ~(uint32_t)(LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED))
		return -LICHEN_ENOTSUP;
	if (line->gsi >= TH_PINS)
		return -LICHEN_ERANGE;
	while ((o = th_object_next(th, TH_LINE, &at)))
		if (o->gsi == line->gsi && !(o->flags & line->flags & LICHEN_LINE_SHARED))
			return -LICHEN_EBUSY;
	made = th_object_new(th, "line_claim", TH_LINE);
	made->gsi = line->gsi;
	made->flags = line->flags;
	*handle = made->handle;
	return 0;
}

static void th_line_set(struct lichen_instance *in, lichen_handle handle, uint32_t level)
{
	TH_GUARD(in, "line_set", TH_FROM_CREATED, TH_ANY_ROLE);
	struct th_object *o = th_object_of(th, "line_set", TH_LINE, handle);

	if (level > 1)
		th_fail(th, "line_set", "level %u is neither 0 nor 1", level);
	th_set_level(th, o, level);
}

static lichen_status th_line_eventfd(struct lichen_instance *in, lichen_handle handle,
				     int32_t *trigger, int32_t *resample)
{
	TH_GUARD(in, "line_eventfd", TH_FROM_CREATED, TH_CONTROL);
	struct th_object *o = th_object_of(th, "line_eventfd", TH_LINE, handle);

	if (o->trigger < 0) {
		o->trigger = th_eventfd(th, "line_eventfd");
		if (o->flags & LICHEN_LINE_LEVEL)
			o->resample = th_eventfd(th, "line_eventfd");
	}
	*trigger = o->trigger;
	*resample = o->resample;
	return 0;
}

static void th_line_release(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "line_release", TH_FROM_CREATED, TH_CONTROL);
	th_object_free(th_object_of(th, "line_release", TH_LINE, handle));
}

static lichen_status th_message_claim(struct lichen_instance *in, lichen_handle *handle)
{
	TH_GUARD(in, "message_claim", TH_FROM_CREATED, TH_CONTROL);
	struct th_object *o = th_object_new(th, "message_claim", TH_MESSAGE);

	o->masked = 1;
	*handle = o->handle;
	return 0;
}

static void th_send(struct th *th, struct th_object *message)
{
	if (message->masked) {
		message->pending = 1;
		return;
	}
	th->irq->sent++;
	th->irq->last = message->message;
}

static void th_unmask(struct th *th, struct th_object *message)
{
	message->masked = 0;
	if (message->pending)
		th_send(th, message);
	message->pending = 0;
}

static lichen_status th_message_update(struct lichen_instance *in, lichen_handle handle,
				       const struct lichen_message *message)
{
	TH_GUARD(in, "message_update", TH_FROM_CREATED, TH_NOT_THREAD);
	struct th_object *o = th_object_of(th, "message_update", TH_MESSAGE, handle);

	if (message->address < TH_MSI_FIRST || message->address > TH_MSI_LAST)
		return -LICHEN_EINVAL;
	o->message = *message;
	if (!o->updated)
		th_unmask(th, o);
	o->updated = 1;
	return 0;
}

static void th_message_mask(struct lichen_instance *in, lichen_handle handle, uint32_t mask)
{
	TH_GUARD(in, "message_mask", TH_FROM_CREATED, TH_NOT_THREAD);
	struct th_object *o = th_object_of(th, "message_mask", TH_MESSAGE, handle);

	if (mask > 1)
		th_fail(th, "message_mask", "mask %u is neither 0 nor 1", mask);
	if (mask)
		o->masked = 1;
	else if (o->updated)
		th_unmask(th, o);
}

static uint32_t th_message_pending(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "message_pending", TH_FROM_RUNNING, TH_ANY_ROLE);
	return th_object_of(th, "message_pending", TH_MESSAGE, handle)->pending;
}

static void th_message_send(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "message_send", TH_FROM_RUNNING, TH_ANY_ROLE);
	th_send(th, th_object_of(th, "message_send", TH_MESSAGE, handle));
}

static lichen_status th_message_eventfd(struct lichen_instance *in, lichen_handle handle,
					int32_t *trigger)
{
	TH_GUARD(in, "message_eventfd", TH_FROM_CREATED, TH_CONTROL);
	struct th_object *o = th_object_of(th, "message_eventfd", TH_MESSAGE, handle);

	if (o->trigger < 0)
		o->trigger = th_eventfd(th, "message_eventfd");
	*trigger = o->trigger;
	return 0;
}

static void th_message_release(struct lichen_instance *in, lichen_handle handle)
{
	TH_GUARD(in, "message_release", TH_FROM_CREATED, TH_CONTROL);
	th_object_free(th_object_of(th, "message_release", TH_MESSAGE, handle));
}

void th_irq_fill(struct lichen_host *host)
{
	host->line_claim = th_line_claim;
	host->line_set = th_line_set;
	host->line_eventfd = th_line_eventfd;
	host->line_release = th_line_release;
	host->message_claim = th_message_claim;
	host->message_update = th_message_update;
	host->message_mask = th_message_mask;
	host->message_pending = th_message_pending;
	host->message_send = th_message_send;
	host->message_eventfd = th_message_eventfd;
	host->message_release = th_message_release;
}

/* Takes in what was written to the eventfds of lines and messages. */
static void th_collect(struct th *th)
{
	struct th_object *o;

	for (uint32_t at = 0; (o = th_object_next(th, TH_LINE, &at));)
		if (th_drain(o->trigger))
			th_set_level(th, o, 1);
	for (uint32_t at = 0; (o = th_object_next(th, TH_MESSAGE, &at));)
		if (th_drain(o->trigger))
			th_send(th, o);
}

uint32_t th_line(struct th *th, uint32_t gsi)
{
	th_lock();
	th_collect(th);
	const uint32_t level = gsi < TH_PINS && th_level(th, gsi);
	th_unlock();
	return level;
}

uint32_t th_edges(struct th *th, uint32_t gsi)
{
	th_lock();
	th_collect(th);
	const uint32_t edges = gsi < TH_PINS ? th->irq->edges[gsi] : 0;
	th_unlock();
	return edges;
}

void th_eoi(struct th *th, uint32_t gsi)
{
	struct th_object *o;

	th_lock();
	th_collect(th);
	for (uint32_t at = 0; (o = th_object_next(th, TH_LINE, &at));) {
		if (o->gsi != gsi || o->resample < 0 || !o->level)
			continue;
		o->level = 0;
		if (write(o->resample, &(uint64_t){ 1 }, sizeof(uint64_t)) < 0)
			th_fail(th, "th_eoi", "the resample eventfd is full");
	}
	th_unlock();
}

uint32_t th_messages(struct th *th, struct lichen_message *last)
{
	th_lock();
	th_collect(th);
	const uint32_t sent = th->irq->sent;
	if (sent && last)
		*last = th->irq->last;
	th_unlock();
	return sent;
}
