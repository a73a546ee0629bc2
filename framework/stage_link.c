/* SPDX-License-Identifier: MIT */
/*
 * stage_link.c: links of staged instances, and those that lead to them.  See stage.h.
 *
 * A link of the new one that leads where one of the old did has its client number, so
 * that the provider knows no difference.  Links of others that lead to the old one are
 * shut while it is saved, and lead to the new one afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include "stage.h"
#include "vm.h"

static const char *fw_link_id(const struct fw_link *link)
{
	return FW_ITEMS(struct lichen_need, link->consumer->class->needs)[link->need].id;
}

/* 1: a link of the new one stands in for this one already. */
static int fw_stage_link_taken(const struct lichen_instance *in, const struct fw_link *old)
{
	for (const struct fw_link *link = in->all_links; link; link = link->next)
		if (link->heir_of == old)
			return 1;
	return 0;
}

/* The old link that leads there and has no heir yet, or NULL. */
static const struct fw_link *fw_stage_link_old(const struct fw_stage *stage,
					       const struct lichen_instance *provider,
					       const char *id)
{
	for (const struct fw_link *old = stage->old->all_links; old; old = old->next)
		if (atomic_load(&old->closed) != FW_LINK_CLOSED && old->provider == provider &&
		    strcmp(fw_link_id(old), id) == 0 && !fw_stage_link_taken(stage->in, old))
			return old;
	return NULL;
}

/* Points the link at `provider`, as it is now. */
static void fw_link_point(struct fw_link *link, struct lichen_instance *provider,
			  uint64_t client, uint64_t generation)
{
	const struct lichen_provide *provide = fw_provided(provider->class, fw_link_id(link));

	link->provider = provider;
	fw_check_ops_stale(link);
	link->pub.ops = fw_check_ops(link, provide);
	link->pub.self = provider->self;
	link->pub.client = client;
	link->pub.generation = generation;
}

/* A link with the client number of `old`. */
static lichen_status fw_stage_link_heir(struct lichen_instance *in, uint32_t need,
					struct lichen_instance *provider,
					const struct fw_link *old)
{
	struct fw_link *link = fw_link_new(in, need);

	if (!link)
		return -LICHEN_ENOMEM;
	link->apart = 1;
	link->heir_of = old;
	link->serial = old->serial;
	fw_link_point(link, provider, old->pub.client, old->pub.generation + 1);
	atomic_store(&link->closed, FW_LINK_OPEN);
	fw_link_list(link);
	return 0;
}

static lichen_status fw_stage_link(struct fw_stage *stage, uint32_t need,
				   struct lichen_instance *provider)
{
	struct lichen_instance *in = stage->in;
	const char *id = FW_ITEMS(struct lichen_need, in->class->needs)[need].id;
	const struct fw_link *old = fw_stage_link_old(stage, provider, id);
	/* One that is reloaded as well is spoken to as it will be. */
	struct lichen_instance *at = provider->successor ? provider->successor : provider;

	if (!fw_provided(at->class, id))
		return -LICHEN_ENODEV;
	return old ? fw_stage_link_heir(in, need, at, old) : fw_link_add(in, need, at);
}

lichen_status fw_stage_links(struct fw_stage *stage, struct fw_diags *diags)
{
	struct lichen_instance *in = stage->in;
	lichen_status status = fw_links_room(in);

	for (uint32_t i = 0; i < in->class->needs.count && status == 0; i++) {
		const struct fw_tie *tie = &in->spec->ties[i];

		for (uint32_t k = 0; k < tie->count && status == 0; k++)
			status = fw_stage_link(stage, i, tie->providers[k]->instance);
		fw_link_store(in, i);
	}
	if (status < 0)
		fw_instance_blame(in, "its links", status, diags);
	return status;
}

/* --- as a provider --- */

lichen_status fw_stage_clients(struct fw_stage *stage, struct fw_diags *diags)
{
	struct lichen_instance *in = stage->in, *old = stage->old;

	in->clients = calloc((size_t)old->client_count + 1, sizeof(struct fw_link *));
	if (!in->clients) {
		fw_instance_blame(in, "its clients", -LICHEN_ENOMEM, diags);
		return -LICHEN_ENOMEM;
	}
	in->client_count = old->client_count;
	for (uint32_t i = 0; i < old->client_count; i++) {
		const struct fw_link *link = old->clients[i];

		if (!link)
			continue;
		if (!fw_provided(in->class, fw_link_id(link))) {
			fw_diag(diags, in->spec->mark,
				"%s %s: no longer provides %s, which %s needs", in->spec->path,
				in->spec->id, fw_link_id(link), link->consumer->spec->id);
			return -LICHEN_EBUSY;
		}
		if (old->class->state_version == 0) {
			fw_diag(diags, in->spec->mark,
				"%s %s: serves %s and declares no state: what it holds for "
				"that would be lost",
				in->spec->path, in->spec->id, link->consumer->spec->id);
			return -LICHEN_EBUSY;
		}
	}
	return 0;
}

void fw_stage_clients_tell(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in;

	if (!in->class->client)
		return;
	fw_lock(in);
	for (uint32_t i = 0; i < stage->old->client_count; i++)
		if (stage->old->clients[i])
			in->class->client(in->self, fw_link_id(stage->old->clients[i]), i + 1,
					  1);
	fw_unlock(in);
}

/* 1: the consumer is reloaded as well, and rests. */
static int fw_stage_owns(const struct fw_link *link)
{
	return link->consumer->successor != NULL;
}

/* The links of instance `in` to what is reloaded. */
static void fw_links_shut_of(struct lichen_instance *in)
{
	for (struct fw_link *link = in->all_links; link; link = link->next)
		if (atomic_load(&link->closed) == FW_LINK_OPEN && link->provider->successor &&
		    !fw_stage_owns(link))
			fw_link_shut(link);
}

/*
 * Consumers first: who is behind a link that was shut may go on through those further
 * down, which are open yet, and comes out.
 */
void fw_stage_links_shut(struct lichen_vm *vm, struct fw_stage *const *stages, uint32_t count)
{
	(void)stages, (void)count;
	fw_links_pass(1);
	for (uint32_t i = vm->instance_count; i-- > 0;)
		if (!vm->instances[i]->successor)
			fw_links_shut_of(vm->instances[i]);
}

/* Their clients' links, wherever they lead by now. */
static void fw_links_open_to(struct lichen_instance *provider)
{
	for (uint32_t i = 0; i < provider->client_count; i++)
		if (provider->clients[i] &&
		    atomic_load(&provider->clients[i]->closed) == FW_LINK_SHUT)
			atomic_store(&provider->clients[i]->closed, FW_LINK_OPEN);
}

void fw_stage_links_open(struct fw_stage *const *stages, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		fw_links_open_to(stages[i]->old);
		fw_links_open_to(stages[i]->in);
	}
	fw_links_pass(0);
}

/* Everybody's links to the old one lead to the new one. */
static void fw_stage_clients_publish(struct fw_stage *stage)
{
	struct lichen_instance *in = stage->in, *old = stage->old;

	for (uint32_t i = 0; i < old->client_count; i++) {
		struct fw_link *link = old->clients[i];

		if (!link)
			continue;
		fw_link_point(link, in, i + 1, link->pub.generation + 1);
		in->clients[i] = link;
		old->clients[i] = NULL;
	}
	old->client_count = 0;
}

/* The old one's links make room for those that have their client numbers. */
static void fw_stage_heirs_publish(struct fw_stage *stage)
{
	for (struct fw_link *link = stage->in->all_links; link; link = link->next) {
		struct fw_link *old = (struct fw_link *)(uintptr_t)link->heir_of;

		if (!old)
			continue;
		pthread_mutex_lock(&link->provider->clients_lock);
		link->provider->clients[link->pub.client - 1] = link;
		pthread_mutex_unlock(&link->provider->clients_lock);
		link->apart = 0;
		link->heir_of = NULL;
		old->apart = 1;
		atomic_store(&old->closed, FW_LINK_CLOSED);
		fw_check_ops_stale(old);
		old->pub.ops = NULL;
	}
}

void fw_stage_links_publish(struct lichen_vm *vm, struct fw_stage *const *stages,
			    uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		fw_stage_clients_publish(stages[i]);
	for (uint32_t i = 0; i < count; i++)
		fw_stage_heirs_publish(stages[i]);
	for (uint32_t i = 0; i < count; i++)
		fw_events_pass(vm, stages[i]->old, stages[i]->in);
}
