/* SPDX-License-Identifier: MIT */
/* link.c: ties between instances, and what providers post to their consumers. */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "vm.h"

enum { FW_POST_MAX = 64 << 10 };

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

/* Enters `link` among its provider's clients and points it at the provider. */
static lichen_status fw_link_join(struct fw_link *link, const char *id)
{
	struct lichen_instance *provider = link->provider;
	const struct lichen_provide *provide = fw_provided(provider->class, id);
	struct fw_link **clients;

	if (!provide)
		return -LICHEN_ENODEV; /* fw_profile_load() has checked it */
	pthread_mutex_lock(&provider->clients_lock);
	clients = realloc(provider->clients, (provider->client_count + 1) * sizeof(*clients));
	if (clients) {
		provider->clients = clients;
		clients[provider->client_count++] = link;
		link->pub.client = provider->client_count;
	}
	pthread_mutex_unlock(&provider->clients_lock);
	if (!clients)
		return -LICHEN_ENOMEM;
	link->pub.ops = provide->ops;
	link->pub.self = provider->self;
	link->pub.generation = 1;
	if (provider->class->client) {
		fw_lock(provider);
		provider->class->client(provider->self, id, link->pub.client, 1);
		fw_unlock(provider);
	}
	return 0;
}

/* Stores the address of need `index`'s link where the class wants it. */
static void fw_link_store(struct lichen_instance *in, uint32_t index)
{
	const struct lichen_need *need = &FW_ITEMS(struct lichen_need, in->class->needs)[index];
	const struct lichen_link *pub = NULL;

	if (need->offset == LICHEN_NO_MEMBER || (need->flags & LICHEN_NEED_MANY))
		return;
	if (in->first_link[index] < in->first_link[index + 1])
		pub = &in->links[in->first_link[index]].pub;
	memcpy((uint8_t *)in->self + need->offset, &pub, sizeof(pub));
}

lichen_status fw_links_make(struct lichen_instance *in)
{
	const struct lichen_need *needs = FW_ITEMS(struct lichen_need, in->class->needs);
	const uint32_t need_count = in->class->needs.count;
	uint32_t total = 0;

	for (uint32_t i = 0; i < need_count; i++)
		total += in->spec->ties[i].count;
	in->first_link = calloc((size_t)need_count + 1, sizeof(*in->first_link));
	in->links = calloc((size_t)total + 1, sizeof(*in->links));
	if (!in->first_link || !in->links)
		return -LICHEN_ENOMEM;
	for (uint32_t i = 0; i < need_count; i++) {
		const struct fw_tie *tie = &in->spec->ties[i];

		in->first_link[i] = in->link_count;
		for (uint32_t k = 0; k < tie->count; k++) {
			struct fw_link *link = &in->links[in->link_count++];
			lichen_status status;

			link->pub.struct_size = sizeof(link->pub);
			link->consumer = in;
			link->need = i;
			link->provider = in->vm->instances[tie->providers[k]->index];
			status = fw_link_join(link, needs[i].id);
			if (status < 0) {
				in->link_count--;
				return status;
			}
		}
		in->first_link[i + 1] = in->link_count;
		fw_link_store(in, i);
	}
	return 0;
}

void fw_links_break(struct lichen_instance *in)
{
	for (uint32_t i = 0; i < in->link_count; i++) {
		struct fw_link *link = &in->links[i];
		struct lichen_instance *provider = link->provider;
		const char *id = FW_ITEMS(struct lichen_need, in->class->needs)[link->need].id;

		pthread_mutex_lock(&provider->clients_lock);
		provider->clients[link->pub.client - 1] = NULL;
		pthread_mutex_unlock(&provider->clients_lock);
		if (provider->class->client) {
			fw_lock(provider);
			provider->class->client(provider->self, id, link->pub.client, 0);
			fw_unlock(provider);
		}
		link->pub.ops = NULL;
	}
	in->link_count = 0;
}

/* An event on its way from a provider to a consumer. */
struct fw_event {
	struct fw_post post;
	struct lichen_instance *provider;
	uint64_t client;
	uint32_t event, size;
	uint8_t data[];
};

/*
 * The link behind client number `client`, or NULL.  It stays until the control
 * thread takes it away: others may only ask whether there is one.
 */
static struct fw_link *fw_client(struct lichen_instance *provider, uint64_t client)
{
	struct fw_link *link = NULL;

	pthread_mutex_lock(&provider->clients_lock);
	if (client - 1 < provider->client_count)
		link = provider->clients[client - 1];
	pthread_mutex_unlock(&provider->clients_lock);
	return link;
}

static void fw_event_run(struct fw_post *post)
{
	struct fw_event *event = (struct fw_event *)post;
	struct fw_link *link = fw_client(event->provider, event->client);
	struct lichen_instance *in;

	if (!link || !link->consumer->class->event)
		return; /* the consumer has gone meanwhile, or does not listen */
	in = link->consumer;
	fw_lock(in);
	in->class->event(in->self,
			 FW_ITEMS(struct lichen_need, in->class->needs)[link->need].cookie,
			 event->event, event->data, event->size);
	fw_unlock(in);
}

lichen_status fw_host_post(struct lichen_instance *in, uint64_t client, uint32_t event,
			   const void *data, uint32_t size)
{
	struct fw_event *posted;

	if (size > FW_POST_MAX)
		return -LICHEN_E2BIG;
	if (!fw_client(in, client))
		return -LICHEN_ENODEV;
	posted = malloc(sizeof(*posted) + size);
	if (!posted)
		return -LICHEN_ENOMEM;
	*posted = (struct fw_event){ .post = { .run = fw_event_run },
				     .provider = in,
				     .client = client,
				     .event = event,
				     .size = size };
	if (size)
		memcpy(posted->data, data, size);
	fw_loop_post(&in->vm->loop, &posted->post);
	return 0;
}

lichen_status fw_host_enter(struct lichen_instance *in, const struct lichen_link *pub)
{
	const struct fw_link *link = (const struct fw_link *)pub;

	(void)in;
	if (!pub || !pub->ops)
		return -LICHEN_ENODEV;
	fw_lock(link->provider);
	return 0;
}

void fw_host_leave(struct lichen_instance *in, const struct lichen_link *pub)
{
	(void)in;
	fw_unlock(((const struct fw_link *)pub)->provider);
}

uint32_t fw_host_link_count(struct lichen_instance *in, uint32_t need)
{
	if (need >= in->class->needs.count)
		return 0;
	return in->first_link[need + 1] - in->first_link[need];
}

const struct lichen_link *fw_host_link_at(struct lichen_instance *in, uint32_t need,
					  uint32_t index)
{
	if (index >= fw_host_link_count(in, need))
		return NULL;
	return &in->links[in->first_link[need] + index].pub;
}
