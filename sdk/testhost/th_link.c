/* SPDX-License-Identifier: MIT */
/*
 * th_link.c: the test as provider of what the instance needs and as consumer of
 * what it provides.  A link is filled between enter and leave only, so that a
 * plugin that reads it elsewhere finds it empty.
 */
#include "th.h"

#include <stdlib.h>
#include <string.h>

static const struct lichen_need *th_need(const struct th *th, uint32_t i)
{
	return &((const struct lichen_need *)th->class.needs.items)[i];
}

static const struct lichen_provide *th_provided(const struct th *th, uint32_t i)
{
	return &((const struct lichen_provide *)th->class.provides.items)[i];
}

void th_provide(struct th *th, const char *id, const void *ops, void *self)
{
	struct th_provider *p;

	if (th->state != TH_NEW)
		th_fail(th, "th_provide", "%s: called after th_start()", id);
	if (th->provider_count == TH_PROVIDERS)
		th_fail(th, "th_provide", "the test host keeps %d", TH_PROVIDERS);
	p = &th->providers[th->provider_count++];
	*p = (struct th_provider){ .id = th_copy_text(id), .ops = ops, .self = self };
	p->link.struct_size = sizeof(p->link);
}

/* The test's provider `nth` (from 0) of `id`, or NULL. */
static struct th_provider *th_provider_of(struct th *th, const char *id, uint32_t nth)
{
	for (uint32_t i = 0; i < th->provider_count; i++)
		if (!strcmp(th->providers[i].id, id) && nth-- == 0)
			return &th->providers[i];
	return NULL;
}

/* Needs of one id take the providers of that id in order: how many come before this one. */
static uint32_t th_need_rank(const struct th *th, uint32_t need)
{
	uint32_t rank = 0;

	for (uint32_t i = 0; i < need; i++)
		rank += !strcmp(th_need(th, i)->id, th_need(th, need)->id);
	return rank;
}

static uint32_t th_fake_pins(void *self, uint64_t client)
{
	(void)self, (void)client;
	return TH_PINS;
}

static const struct lichen_irqchip_ops th_fake_irqchip = {
	LICHEN_STRUCT(struct lichen_irqchip_ops),
	.pins = th_fake_pins,
};

/* An irqchip and a character peer come by themselves where the test gives none. */
static struct th_provider *th_default_provider(struct th *th, const char *id, uint32_t rank)
{
	const enum th_state state = th->state;

	if (rank)
		return NULL;
	th->state = TH_NEW;
	if (!strcmp(id, LICHEN_IRQCHIP))
		th_provide(th, id, &th_fake_irqchip, NULL);
	else if (!strcmp(id, LICHEN_CHAR))
		(void)th_peer(th);
	th->state = state;
	return th_provider_of(th, id, 0);
}

void th_links_store(struct th *th)
{
	for (uint32_t i = 0; i < th->class.needs.count; i++) {
		const struct lichen_need *n = th_need(th, i);
		const uint32_t rank = th_need_rank(th, i);
		struct th_provider *p = th_provider_of(th, n->id, rank);
		const struct lichen_link *link;

		if (n->flags & ~(uint32_t)(LICHEN_NEED_OPTIONAL | LICHEN_NEED_MANY))
			th_fail(th, "class", "needs[%u] has unknown flags %#x", i, n->flags);
		if (n->flags & LICHEN_NEED_MANY || n->offset == LICHEN_NO_MEMBER)
			continue;
		if (n->offset > th->class.instance_size ||
		    sizeof(link) > th->class.instance_size - n->offset)
			th_fail(th, "class", "needs[%u] does not fit the instance", i);
		if (!p && !(n->flags & LICHEN_NEED_OPTIONAL)) {
			p = th_default_provider(th, n->id, rank);
			if (!p)
				th_fail(th, "th_start", "%s is needed: th_provide() it", n->id);
		}
		link = p ? &p->link : &th->empty_link;
		memcpy(th->self + n->offset, &link, sizeof(link));
	}
}

static struct th_provider *th_behind(struct th *th, const char *function,
				     const struct lichen_link *link)
{
	for (uint32_t i = 0; i < th->provider_count; i++)
		if (&th->providers[i].link == link)
			return &th->providers[i];
	th_fail(th, function, "the link is not one of the host's");
}

static lichen_status th_enter(struct lichen_instance *in, const struct lichen_link *link)
{
	TH_GUARD(in, "enter", TH_ANY_STATE, TH_ANY_ROLE);
	struct th_provider *p;

	if (!link || link == &th->empty_link)
		return -LICHEN_ENODEV;
	p = th_behind(th, "enter", link);
	if (p->entered)
		th_fail(th, "enter", "%s is entered already", p->id);
	p->entered = 1;
	p->link.ops = p->ops;
	p->link.self = p->self;
	p->link.client = (uint64_t)(p - th->providers) + 1;
	p->link.generation = 1;
	th->entered++;
	th_lock(); /* the provider's lock */
	return 0;
}

static void th_leave(struct lichen_instance *in, const struct lichen_link *link)
{
	TH_GUARD(in, "leave", TH_ANY_STATE, TH_ANY_ROLE);
	struct th_provider *p = th_behind(th, "leave", link);

	if (!p->entered)
		th_fail(th, "leave", "%s was not entered", p->id);
	p->entered = 0;
	p->link.ops = p->link.self = NULL;
	th->entered--;
	th_unlock();
}

static const struct lichen_need *th_many(struct th *th, const char *function, uint32_t need)
{
	if (need >= th->class.needs.count || !(th_need(th, need)->flags & LICHEN_NEED_MANY))
		th_fail(th, function, "need %u is none that is MANY", need);
	return th_need(th, need);
}

static uint32_t th_link_count(struct lichen_instance *in, uint32_t need)
{
	TH_GUARD(in, "link_count", TH_CREATED | TH_FROM_REALIZED, TH_CONTROL);
	const struct lichen_need *n = th_many(th, "link_count", need);
	uint32_t count = 0;

	while (th_provider_of(th, n->id, count))
		count++;
	return count;
}

static const struct lichen_link *th_link_at(struct lichen_instance *in, uint32_t need,
					    uint32_t index)
{
	TH_GUARD(in, "link_at", TH_CREATED | TH_FROM_REALIZED, TH_CONTROL);
	const struct lichen_need *n = th_many(th, "link_at", need);
	struct th_provider *p = th_provider_of(th, n->id, index);

	return p ? &p->link : NULL;
}

void th_queue_put(struct th_queue *queue, uint32_t need, uint32_t event, const void *data,
		  uint32_t size)
{
	struct th_event *e = th_alloc(sizeof(*e) + size);

	e->need = need;
	e->event = event;
	e->size = size;
	if (size)
		memcpy(e->data, data, size);
	*queue->last = e;
	queue->last = &e->next;
}

struct th_event *th_queue_take(struct th_queue *queue)
{
	struct th_event *e = queue->first;

	if (!e)
		return NULL;
	queue->first = e->next;
	if (!queue->first)
		queue->last = &queue->first;
	return e;
}

static lichen_status th_post(struct lichen_instance *in, uint64_t client, uint32_t event,
			     const void *data, uint32_t size)
{
	TH_GUARD(in, "post", TH_FROM_REALIZED, TH_ANY_ROLE);
	if (client != TH_CLIENT)
		th_fail(th, "post", "client %llu did not join", (unsigned long long)client);
	if (size > TH_POST_MAX)
		return -LICHEN_E2BIG;
	th_queue_put(&th->posted, 0, event, data, size);
	return 0;
}

void th_link_fill(struct lichen_host *host)
{
	host->enter = th_enter;
	host->leave = th_leave;
	host->link_count = th_link_count;
	host->link_at = th_link_at;
	host->post = th_post;
}

int th_posted(struct th *th, struct th_posted *posted)
{
	struct th_event *e;

	th_lock();
	e = th_queue_take(&th->posted);
	th_unlock();
	if (!e)
		return 0;
	posted->event = e->event;
	posted->size = e->size;
	memcpy(posted->data, e->data, e->size);
	free(e);
	return 1;
}

void th_event(struct th *th, const char *id, uint32_t event, const void *data, uint32_t size)
{
	for (uint32_t i = 0; i < th->class.needs.count; i++) {
		if (strcmp(th_need(th, i)->id, id))
			continue;
		if (!th->class.event)
			th_fail(th, "th_event", "the class has no event callback");
		th_lock();
		th_queue_put(&th->events, i, event, data, size);
		th_unlock();
		if (th->depth == 0)
			th_links_deliver(th);
		return;
	}
	th_fail(th, "th_event", "%s is nothing that the class needs", id);
}

void th_links_deliver(struct th *th)
{
	struct th_event *e;

	th_lock();
	while (th->depth == 0 && th->state & TH_FROM_RUNNING &&
	       (e = th_queue_take(&th->events))) {
		struct th_frame frame;

		th_begin(th, &frame, "event", TH_CONTROL);
		th->class.event(th->self, th_need(th, e->need)->cookie, e->event,
				e->size ? e->data : NULL, e->size);
		free(e);
		th_end(th, &frame);
	}
	th_unlock();
}

const void *th_interface(struct th *th, const char *id)
{
	for (uint32_t i = 0; i < th->class.provides.count; i++)
		if (!strcmp(th_provided(th, i)->id, id))
			return th_provided(th, i)->ops;
	return NULL;
}

void th_clients(struct th *th, uint32_t joined)
{
	th->joined = joined;
	for (uint32_t i = 0; th->class.client && i < th->class.provides.count; i++) {
		struct th_frame frame;

		th_begin(th, &frame, "client", TH_CONTROL);
		th->class.client(th->self, th_provided(th, i)->id, TH_CLIENT, joined);
		th_end(th, &frame);
	}
}

void th_links_free(struct th *th)
{
	struct th_event *e;

	while ((e = th_queue_take(&th->events)) || (e = th_queue_take(&th->posted)))
		free(e);
	for (uint32_t i = 0; i < th->provider_count; i++)
		free(th->providers[i].id);
	free(th->peer);
}

static lichen_status th_peer_write(void *self, uint64_t client, const uint8_t *data,
				   uint32_t size, uint32_t *taken)
{
	struct th *th = self;
	struct th_peer *p = th->peer;
	const uint32_t free_bytes = (uint32_t)sizeof(p->data) - p->size;
	uint32_t take = size < p->room ? size : p->room;

	(void)client;
	if (take > free_bytes)
		take = free_bytes;
	memcpy(p->data + p->size, data, take);
	p->size += take;
	p->room -= take;
	if (take < size)
		th->peer_cut = 1;
	*taken = take;
	return 0;
}

static void th_peer_ask(void *self, uint64_t client, uint32_t size)
{
	(void)client;
	((struct th *)self)->peer->asked = size;
}

static const struct lichen_char_ops th_peer_ops = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = th_peer_write,
	.ask = th_peer_ask,
};

struct th_peer *th_peer(struct th *th)
{
	if (th->peer)
		return th->peer;
	th_provide(th, LICHEN_CHAR, &th_peer_ops, th);
	th->peer = th_alloc(sizeof(*th->peer));
	th->peer->room = sizeof(th->peer->data);
	return th->peer;
}

uint32_t th_peer_send(struct th *th, const void *data, uint32_t size)
{
	struct th_peer *p = th_peer(th);

	if (size > p->asked)
		size = p->asked;
	if (size == 0)
		return 0;
	p->asked -= size;
	th_event(th, LICHEN_CHAR, LICHEN_CHAR_RECEIVED, data, size);
	return size;
}

void th_peer_writable(struct th *th)
{
	if (!th->peer_cut)
		return;
	th->peer_cut = 0;
	th_event(th, LICHEN_CHAR, LICHEN_CHAR_WRITABLE, NULL, 0);
}
