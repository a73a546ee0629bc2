/* SPDX-License-Identifier: MIT */
/* link.c: ties between instances, and what providers post to their consumers. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "vm.h"

enum {
	FW_POST_MAX = 64 << 10,
	FW_CUT_YIELDS = 100, /* before the wait for those inside a link is a sleep */
	FW_CUT_NS = 20000,
};

static _Thread_local int links_passed; /* by this thread, shut or not */

const struct lichen_provide *fw_provided(const struct lichen_class *class, const char *id)
{
	const struct lichen_provide *provides =
		FW_ITEMS(struct lichen_provide, class->provides);

	for (uint32_t i = 0; i < class->provides.count; i++)
		if (strcmp(provides[i].id, id) == 0)
			return &provides[i];
	return NULL;
}

int fw_provides(const struct lichen_provide *provide, size_t offset)
{
	void *function;

	if (!provide || provide->ops_size < offset + sizeof(function))
		return 0;
	memcpy(&function, (const uint8_t *)provide->ops + offset, sizeof(function));
	return function != NULL;
}

/* --- events --- */

/* An event on its way from a provider to a consumer. */
struct fw_event {
	struct fw_post post;
	struct lichen_instance *provider; /* it is there as long as the post */
	uint64_t client, serial;	  /* of the link, so that no later client gets it */
	uint32_t event, size;
	uint8_t data[];
};

/*
 * The link behind client number `client`, or NULL; and its serial, or 0.  It stays until
 * the control thread takes it away: others may only ask for the serial.
 */
static struct fw_link *fw_client(struct lichen_instance *provider, uint64_t client,
				 uint64_t *serial)
{
	struct fw_link *link = NULL;

	pthread_mutex_lock(&provider->clients_lock);
	if (client - 1 < provider->client_count)
		link = provider->clients[client - 1];
	*serial = link ? link->serial : 0;
	pthread_mutex_unlock(&provider->clients_lock);
	return link;
}

static void fw_event_run(struct fw_post *post)
{
	struct fw_event *event = (struct fw_event *)post;
	uint64_t serial;
	struct fw_link *link = fw_client(event->provider, event->client, &serial);
	struct lichen_instance *in;

	if (!link || serial != event->serial || !link->consumer->class->event)
		return; /* the consumer has gone meanwhile, or does not listen */
	in = link->consumer;
	fw_lock(in);
	in->class->event(in->self,
			 FW_ITEMS(struct lichen_need, in->class->needs)[link->need].cookie,
			 event->event, event->data, event->size);
	fw_unlock(in);
}

static int fw_event_is_from(const struct fw_post *post, const void *provider)
{
	return post->run == fw_event_run &&
	       ((const struct fw_event *)post)->provider == provider;
}

lichen_status fw_host_post(struct lichen_instance *in, uint64_t client, uint32_t event,
			   const void *data, uint32_t size)
{
	struct fw_event *posted;
	uint64_t serial;

	if (size > FW_POST_MAX)
		return -LICHEN_E2BIG;
	if (in->stage || !fw_client(in, client, &serial))
		return -LICHEN_ENODEV;
	posted = malloc(sizeof(*posted) + size);
	if (!posted)
		return -LICHEN_ENOMEM;
	*posted = (struct fw_event){ .post = { .run = fw_event_run, .nested = 1 },
				     .provider = in,
				     .client = client,
				     .serial = serial,
				     .event = event,
				     .size = size };
	if (size)
		memcpy(posted->data, data, size);
	fw_loop_post(&in->vm->loop, &posted->post);
	return 0;
}

/* Twice, so that one that an event asks for comes as well. */
void fw_events_drain(struct lichen_vm *vm)
{
	fw_loop_drain_of(&vm->loop, fw_event_run);
	fw_loop_drain_of(&vm->loop, fw_event_run);
}

struct fw_events_heir {
	struct lichen_instance *from, *to;
};

static void fw_event_pass(struct fw_post *post, void *context)
{
	const struct fw_events_heir *heir = context;
	struct fw_event *event = (struct fw_event *)post;

	if (event->provider == heir->from)
		event->provider = heir->to;
}

void fw_events_pass(struct lichen_vm *vm, struct lichen_instance *from,
		    struct lichen_instance *to)
{
	struct fw_events_heir heir = { .from = from, .to = to };

	fw_loop_each(&vm->loop, fw_event_run, fw_event_pass, &heir);
}

/* --- provider's side --- */

/* Gives `link` the first client number that is free. */
static lichen_status fw_client_enter(struct lichen_instance *provider, struct fw_link *link)
{
	uint32_t at = 0;

	pthread_mutex_lock(&provider->clients_lock);
	while (at < provider->client_count && provider->clients[at])
		at++;
	if (at == provider->client_count) {
		struct fw_link **clients =
			realloc(provider->clients, (at + 1) * sizeof(*clients));

		if (!clients) {
			pthread_mutex_unlock(&provider->clients_lock);
			return -LICHEN_ENOMEM;
		}
		provider->clients = clients;
		provider->client_count++;
	}
	provider->clients[at] = link;
	link->pub.client = at + 1;
	pthread_mutex_unlock(&provider->clients_lock);
	return 0;
}

static void fw_client_tell(const struct fw_link *link, uint32_t joined)
{
	struct lichen_instance *provider = link->provider;
	const struct lichen_need *needs =
		FW_ITEMS(struct lichen_need, link->consumer->class->needs);

	if (!provider->class->client)
		return;
	fw_lock(provider);
	provider->class->client(provider->self, needs[link->need].id, link->pub.client, joined);
	fw_unlock(provider);
}

/* --- one link --- */

/* Points `link` at its provider, and tells that of it. */
static lichen_status fw_link_join(struct fw_link *link, struct lichen_instance *provider)
{
	const struct lichen_need *needs =
		FW_ITEMS(struct lichen_need, link->consumer->class->needs);
	const struct lichen_provide *provide =
		fw_provided(provider->class, needs[link->need].id);
	const void *ops;
	lichen_status status;

	if (!provide)
		return -LICHEN_ENODEV; /* fw_profile_load() has checked it */
	link->provider = provider;
	link->serial = atomic_fetch_add_explicit(&link->consumer->vm->serials, 1,
						 memory_order_relaxed) +
		       1;
	ops = fw_check_ops(link, provide);
	status = fw_client_enter(provider, link);
	if (status < 0) {
		fw_check_ops_stale(link);
		return status;
	}
	link->pub.ops = ops;
	link->pub.self = provider->self;
	link->pub.generation++;
	fw_client_tell(link, 1);
	atomic_store(&link->closed, 0);
	return 0;
}

/* Those who are inside leave without waiting for the control thread: so this ends. */
static void fw_link_wait(struct fw_link *link)
{
	for (uint32_t turn = 0; atomic_load(&link->uses); turn++) {
		if (turn < FW_CUT_YIELDS)
			sched_yield();
		else
			nanosleep(&(struct timespec){ .tv_nsec = FW_CUT_NS }, NULL);
	}
}

void fw_link_shut(struct fw_link *link)
{
	atomic_store(&link->closed, FW_LINK_SHUT);
	fw_link_wait(link);
}

void fw_links_pass(int pass)
{
	links_passed = pass;
}

/* The provider forgets the link, and hears of it. */
static void fw_link_leave(struct fw_link *link)
{
	struct lichen_instance *provider = link->provider;

	pthread_mutex_lock(&provider->clients_lock);
	provider->clients[link->pub.client - 1] = NULL;
	pthread_mutex_unlock(&provider->clients_lock);
	fw_client_tell(link, 0);
}

/* Empties `link`. */
static void fw_link_cut(struct fw_link *link)
{
	if (atomic_exchange(&link->closed, FW_LINK_CLOSED) == FW_LINK_CLOSED)
		return;
	fw_link_wait(link);
	if (!link->apart)
		fw_link_leave(link);
	fw_check_ops_stale(link);
	link->pub.ops = NULL;
	link->pub.self = NULL;
	link->pub.generation++;
}

/* One that has lost its provider where there is one. */
struct fw_link *fw_link_new(struct lichen_instance *in, uint32_t index)
{
	struct fw_link *link = in->all_links;

	while (link && (link->need != index || !atomic_load(&link->closed)))
		link = link->next;
	if (link)
		return link;
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->pub.struct_size = sizeof(link->pub);
	link->consumer = in;
	link->need = index;
	link->closed = 1;
	link->next = in->all_links;
	in->all_links = link;
	return link;
}

/* In the order in which providers were created. */
void fw_link_list(struct fw_link *link)
{
	struct fw_links *links = &link->consumer->links[link->need];
	const uint32_t index = link->provider->spec->index;
	uint32_t at = links->count++;

	for (; at > 0 && links->items[at - 1]->provider->spec->index > index; at--)
		links->items[at] = links->items[at - 1];
	links->items[at] = link;
}

lichen_status fw_link_add(struct lichen_instance *in, uint32_t index,
			  struct lichen_instance *provider)
{
	struct fw_link *link = fw_link_new(in, index);
	lichen_status status;

	if (!link)
		return -LICHEN_ENOMEM;
	status = fw_link_join(link, provider);
	if (status == 0)
		fw_link_list(link);
	return status;
}

/* Takes `link` away from those that host->link_at() knows. */
static void fw_link_drop(struct fw_link *link)
{
	struct fw_links *links = &link->consumer->links[link->need];
	uint32_t kept = 0;

	fw_link_cut(link);
	for (uint32_t i = 0; i < links->count; i++)
		if (links->items[i] != link)
			links->items[kept++] = links->items[i];
	links->count = kept;
}

/* --- all links of a consumer --- */

void fw_link_store(struct lichen_instance *in, uint32_t index)
{
	const struct lichen_need *need = &FW_ITEMS(struct lichen_need, in->class->needs)[index];
	const struct lichen_link *pub = NULL;

	if (need->offset == LICHEN_NO_MEMBER || (need->flags & LICHEN_NEED_MANY))
		return;
	if (in->links[index].count)
		pub = &in->links[index].items[0]->pub;
	memcpy((uint8_t *)in->self + need->offset, &pub, sizeof(pub));
}

lichen_status fw_links_room(struct lichen_instance *in)
{
	const struct lichen_need *needs = FW_ITEMS(struct lichen_need, in->class->needs);
	const uint32_t need_count = in->class->needs.count;

	in->links = calloc((size_t)need_count + 1, sizeof(*in->links));
	if (!in->links)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < need_count; i++) {
		const uint32_t room = needs[i].flags & LICHEN_NEED_MANY
					      ? FW_INSTANCES_MAX
					      : in->spec->ties[i].count + 1;

		in->links[i].items = calloc(room, sizeof(struct fw_link *));
		if (!in->links[i].items)
			return -LICHEN_ENOMEM;
	}
	return 0;
}

lichen_status fw_links_make(struct lichen_instance *in)
{
	const lichen_status room = fw_links_room(in);

	if (room < 0)
		return room;
	for (uint32_t i = 0; i < in->class->needs.count; i++) {
		const struct fw_tie *tie = &in->spec->ties[i];

		for (uint32_t k = 0; k < tie->count; k++) {
			lichen_status status = fw_link_add(in, i, tie->providers[k]->instance);

			if (status < 0)
				return status;
		}
		fw_link_store(in, i);
	}
	return 0;
}

static int fw_is_linked(const struct fw_links *links, const struct lichen_instance *provider)
{
	for (uint32_t i = 0; i < links->count; i++)
		if (links->items[i]->provider == provider)
			return 1;
	return 0;
}

lichen_status fw_links_offer(struct lichen_instance *in)
{
	for (uint32_t i = 0; i < in->vm->instance_count; i++) {
		struct lichen_instance *consumer = in->vm->instances[i];
		const struct fw_spec *spec = consumer->spec;

		for (uint32_t j = 0; j < consumer->class->needs.count; j++) {
			for (uint32_t k = 0; k < spec->ties[j].count; k++) {
				lichen_status status = 0;

				if (spec->ties[j].providers[k] == in->spec &&
				    !fw_is_linked(&consumer->links[j], in))
					status = fw_link_add(consumer, j, in);
				if (status < 0)
					return status;
			}
		}
	}
	return 0;
}

void fw_links_withdraw(struct lichen_instance *in)
{
	for (uint32_t i = 0; i < in->client_count; i++)
		if (in->clients[i]) /* changed by [control] only */
			fw_link_drop(in->clients[i]);
}

void fw_links_break(struct lichen_instance *in)
{
	for (struct fw_link *link = in->all_links; link; link = link->next)
		fw_link_cut(link);
	for (uint32_t i = 0; in->links && i < in->class->needs.count; i++)
		in->links[i].count = 0;
	fw_loop_forget(&in->vm->loop, fw_event_is_from, in);
}

void fw_links_free(struct lichen_instance *in)
{
	struct fw_link *next;

	for (struct fw_link *link = in->all_links; link; link = next) {
		next = link->next;
		fw_check_ops_stale(link);
		free(link);
	}
	for (uint32_t i = 0; in->links && i < in->class->needs.count; i++)
		free(in->links[i].items);
	free(in->links);
}

/* --- as instances see it --- */

/* Waits while it is shut: no longer than vCPUs stand still for that.  0: it is empty. */
static int fw_link_opens(struct fw_link *link)
{
	while (atomic_load(&link->closed) == FW_LINK_SHUT && !links_passed) {
		atomic_fetch_sub(&link->uses, 1);
		while (atomic_load(&link->closed) == FW_LINK_SHUT)
			nanosleep(&(struct timespec){ .tv_nsec = FW_CUT_NS }, NULL);
		atomic_fetch_add(&link->uses, 1);
	}
	return atomic_load(&link->closed) != FW_LINK_CLOSED;
}

lichen_status fw_host_enter(struct lichen_instance *in, const struct lichen_link *pub)
{
	/* The host's own, of which plugins see the first member. */
	struct fw_link *link = (struct fw_link *)(uintptr_t)pub;

	(void)in;
	if (!link)
		return -LICHEN_ENODEV;
	atomic_fetch_add(&link->uses, 1);
	if (fw_unlikely(atomic_load(&link->closed)) && !fw_link_opens(link)) {
		atomic_fetch_sub(&link->uses, 1);
		return -LICHEN_ENODEV;
	}
	fw_lock(link->provider);
	return 0;
}

void fw_host_leave(struct lichen_instance *in, const struct lichen_link *pub)
{
	struct fw_link *link = (struct fw_link *)(uintptr_t)pub;

	(void)in;
	fw_unlock(link->provider);
	atomic_fetch_sub(&link->uses, 1);
}

uint32_t fw_host_link_count(struct lichen_instance *in, uint32_t need)
{
	if (need >= in->class->needs.count)
		return 0;
	return in->links[need].count;
}

const struct lichen_link *fw_host_link_at(struct lichen_instance *in, uint32_t need,
					  uint32_t index)
{
	if (index >= fw_host_link_count(in, need))
		return NULL;
	return &in->links[need].items[index]->pub;
}
