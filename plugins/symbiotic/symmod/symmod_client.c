/* SPDX-License-Identifier: MIT */
/* symmod_client.c: lichen.symmod/1, by which other plugins push and drop.  See symmod.h. */
#include <stdlib.h>

#include "symmod.h"

void symmod_tell_client(struct symmod *s, const struct symmod_request *request,
			lichen_status status, int32_t answer, const char *text)
{
	struct {
		struct lichen_symmod_done done;
		char text[1400];
	} event = { .done = { LICHEN_STRUCT(struct lichen_symmod_done), .status = status,
			      .token = request->token, .answer = answer } };

	event.done.size = (uint32_t)strnlen(text, sizeof(event.text));
	memcpy(event.text, text, event.done.size);
	(void)s->dev.host->post(s->dev.in, request->client, LICHEN_SYMMOD_DONE, &event,
				(uint32_t)sizeof(event.done) + event.done.size);
}

static uint32_t symmod_kinds(struct symmod *s)
{
	uint32_t kinds = 0;

	for (uint32_t kind = LICHEN_MODULE_LINUX; kind <= LICHEN_MODULE_OBJECT; kind <<= 1)
		if (!symmod_unable(s, kind))
			kinds |= kind;
	return kinds;
}

void symmod_announce(struct symmod *s)
{
	const struct lichen_symmod_takes takes = { LICHEN_STRUCT(struct lichen_symmod_takes),
						   .kinds = symmod_kinds(s) };

	for (uint32_t i = 0; takes.kinds && i < SYMMOD_CLIENTS; i++)
		if (s->clients[i])
			(void)s->dev.host->post(s->dev.in, s->clients[i], LICHEN_SYMMOD_TAKES,
						&takes, sizeof(takes));
}

/* [control, created to running] */
void symmod_client(void *self, const char *id, uint64_t client, uint32_t joined)
{
	struct symmod *s = self;

	if (strcmp(id, LICHEN_SYMMOD) != 0)
		return;
	for (uint32_t i = 0; i < SYMMOD_CLIENTS; i++) {
		if (s->clients[i] != (joined ? 0 : client))
			continue;
		s->clients[i] = joined ? client : 0;
		break;
	}
	/* Its number may be another's soon. */
	for (struct symmod_request *r = s->requests; r && !joined; r = r->next)
		if (r->client == client)
			r->nobody = 1;
}

/* [any, running] */
static uint32_t symmod_takes(void *self, uint64_t client)
{
	(void)client;
	return symmod_kinds(self);
}

int symmod_fits(char *to, size_t size, const char *text)
{
	if (!text)
		return 1;
	if (strlen(text) >= size)
		return 0;
	memcpy(to, text, strlen(text) + 1);
	return 1;
}

static lichen_status symmod_client_asks(struct symmod *s, uint64_t client, uint64_t token,
					uint32_t what, struct symmod_request **made)
{
	struct symmod_request *request;

	if (s->waiting >= SYMMOD_WAITING)
		return -LICHEN_EBUSY;
	request = calloc(1, sizeof(*request));
	if (!request)
		return -LICHEN_ENOMEM;
	request->client = client;
	request->token = token;
	request->what = what;
	*made = request;
	return 0;
}

/* [any, running] */
static lichen_status symmod_client_push(void *self, uint64_t client,
					const struct lichen_symmod_push *push)
{
	struct symmod *s = self;
	struct symmod_request *request;
	lichen_status status;

	if (push->flags)
		return -LICHEN_ENOTSUP;
	if (push->size > LICHEN_MODULE_SIZE_MAX)
		return -LICHEN_E2BIG;
	if (push->size == 0)
		return -LICHEN_EINVAL;
	status = symmod_client_asks(s, client, push->token, LICHEN_MODULE_OFFER, &request);
	if (status < 0)
		return status;
	if (!symmod_fits(request->name, sizeof(request->name), push->name) ||
	    !symmod_fits(request->parameters, sizeof(request->parameters), push->parameters)) {
		free(request);
		return -LICHEN_EINVAL;
	}
	request->bytes = malloc(push->size);
	if (!request->bytes) {
		free(request);
		return -LICHEN_ENOMEM;
	}
	memcpy(request->bytes, push->bytes, push->size);
	request->size = push->size;
	symmod_ask(s, request);
	return 0;
}

/* [any, running] */
static lichen_status symmod_client_drop(void *self, uint64_t client, const char *name,
					uint64_t token)
{
	struct symmod *s = self;
	struct symmod_request *request;
	lichen_status status;

	if (symmod_unable(s, 0))
		return -LICHEN_ENODEV;
	if (!name[0] || !symmod_find(s, name))
		return -LICHEN_ENOENT;
	status = symmod_client_asks(s, client, token, LICHEN_MODULE_DROP, &request);
	if (status < 0)
		return status;
	if (!symmod_fits(request->name, sizeof(request->name), name)) {
		free(request);
		return -LICHEN_ENOENT;
	}
	symmod_ask(s, request);
	return 0;
}

const struct lichen_symmod_ops symmod_ops = {
	LICHEN_STRUCT(struct lichen_symmod_ops),
	.takes = symmod_takes,
	.push = symmod_client_push,
	.drop = symmod_client_drop,
};
