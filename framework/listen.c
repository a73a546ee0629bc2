/* SPDX-License-Identifier: MIT */
/* listen.c: see listen.h. */
#include <stdlib.h>

#include "status.h"
#include "vm.h"

/* A region, and a use of what is behind it. */
struct fw_told {
	struct lichen_region region;
	struct fw_backing *backing; /* NULL: the system's RAM */
};

struct fw_listener {
	struct fw_listener *next;
	struct lichen_instance *in;
	struct fw_told *told; /* what it was told and has taken */
	uint32_t count;
};

static void fw_told_clear(struct fw_told *told, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		fw_backing_put(told[i].backing);
	free(told);
}

static struct fw_told fw_told_ram(const struct fw_piece *piece)
{
	return (struct fw_told){ .region = { LICHEN_STRUCT(struct lichen_region),
					     .descriptor = piece->descriptor, .gpa = piece->gpa,
					     .size = piece->size, .offset = piece->offset,
					     .protection = LICHEN_ACCESS_READ |
							   LICHEN_ACCESS_WRITE } };
}

static struct fw_told fw_told_window(const struct fw_window_slot *slot)
{
	return (struct fw_told){
		.region = { LICHEN_STRUCT(struct lichen_region),
			    .descriptor = slot->backing->descriptor, .gpa = slot->gpa,
			    .size = slot->size, .offset = slot->backing->offset + slot->offset,
			    .protection = LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE },
		.backing = slot->backing
	};
}

/* The layout as it is. */
static lichen_status fw_listen_layout(struct lichen_vm *vm, struct fw_told **told,
				      uint32_t *count)
{
	const struct fw_memory *memory = &vm->memory;
	struct fw_window_slot *slots;
	uint32_t slot_count;
	lichen_status status = fw_layout_ram(&vm->layout, &slots, &slot_count);
	struct fw_told *all;

	if (status < 0)
		return status;
	all = calloc((size_t)memory->piece_count + slot_count + 1, sizeof(*all));
	for (uint32_t i = 0; all && i < memory->piece_count; i++)
		all[i] = fw_told_ram(&memory->pieces[i]);
	for (uint32_t i = 0; i < slot_count; i++) {
		if (all)
			all[memory->piece_count + i] = fw_told_window(&slots[i]);
		else
			fw_backing_put(slots[i].backing);
	}
	free(slots);
	if (!all)
		return -LICHEN_ENOMEM;
	*told = all;
	*count = memory->piece_count + slot_count;
	return 0;
}

static int fw_told_has(const struct fw_told *told, uint32_t count, const struct fw_told *one)
{
	for (uint32_t i = 0; i < count; i++)
		if (told[i].backing == one->backing && told[i].region.gpa == one->region.gpa &&
		    told[i].region.size == one->region.size &&
		    told[i].region.offset == one->region.offset)
			return 1;
	return 0;
}

static lichen_status fw_listener_call(struct fw_listener *listener, uint32_t event,
				      const struct lichen_region *region)
{
	const lichen_status status =
		listener->in->class->region(listener->in->self, event, region);

	return status > 0 ? -LICHEN_ENOTSUP : status; /* LICHEN_PENDING */
}

/* Those of `these` that `others` lack; stops at the first that is refused.  *done: asked so
 * far. */
static lichen_status fw_listener_differ(struct fw_listener *listener, uint32_t event,
					const struct fw_told *these, uint32_t count,
					const struct fw_told *others, uint32_t other_count,
					uint32_t *done)
{
	lichen_status status = 0;

	for (*done = 0; *done < count && status == 0; ++*done)
		if (!fw_told_has(others, other_count, &these[*done]))
			status = fw_listener_call(listener, event, &these[*done].region);
	return event == LICHEN_REGION_REMOVE ? 0 : status;
}

/* Takes `fresh` over, and frees it in any case.  Caller holds the instance's lock. */
static lichen_status fw_listener_change(struct fw_listener *listener, struct fw_told *fresh,
					uint32_t count)
{
	struct fw_told *old = listener->told;
	const uint32_t old_count = listener->count;
	lichen_status status;
	uint32_t asked, again;

	(void)fw_listener_call(listener, LICHEN_REGION_BEGIN, NULL);
	(void)fw_listener_differ(listener, LICHEN_REGION_REMOVE, old, old_count, fresh, count,
				 &asked);
	status = fw_listener_differ(listener, LICHEN_REGION_ADD, fresh, count, old, old_count,
				    &asked);
	if (status < 0) {
		/* The one that was refused was not added. */
		(void)fw_listener_differ(listener, LICHEN_REGION_REMOVE, fresh, asked - 1, old,
					 old_count, &again);
		(void)fw_listener_differ(listener, LICHEN_REGION_ADD, old, old_count, fresh,
					 count, &again);
		fw_told_clear(fresh, count);
	} else {
		listener->told = fresh;
		listener->count = count;
		fw_told_clear(old, old_count);
	}
	(void)fw_listener_call(listener, LICHEN_REGION_COMMIT, NULL);
	return status;
}

static lichen_status fw_listener_tell(struct fw_listener *listener)
{
	struct fw_told *fresh;
	uint32_t count, same = 0;
	lichen_status status = fw_listen_layout(listener->in->vm, &fresh, &count);

	if (status < 0)
		return status;
	for (uint32_t i = 0; i < count; i++)
		same += (uint32_t)fw_told_has(listener->told, listener->count, &fresh[i]);
	if (same == count && count == listener->count) {
		fw_told_clear(fresh, count);
		return 0;
	}
	return fw_listener_change(listener, fresh, count);
}

lichen_status fw_listen_add(struct lichen_instance *in)
{
	struct fw_listeners *listeners = &in->vm->listeners;
	struct fw_listener *listener;
	lichen_status status;

	if (!in->class->region)
		return -LICHEN_EINVAL;
	for (listener = listeners->first; listener; listener = listener->next)
		if (listener->in == in)
			return -LICHEN_EEXIST;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -LICHEN_ENOMEM;
	listener->in = in;
	/* The instance called, so its lock is held, or it runs alone. */
	status = fw_listener_tell(listener);
	if (status < 0) {
		fw_told_clear(listener->told, listener->count);
		free(listener);
		return status;
	}
	listener->next = listeners->first;
	listeners->first = listener;
	atomic_fetch_add(&listeners->count, 1);
	return 0;
}

void fw_listen_drop(struct lichen_instance *in)
{
	struct fw_listener **at = &in->vm->listeners.first, *listener;

	while (*at && (*at)->in != in)
		at = &(*at)->next;
	listener = *at;
	if (!listener)
		return;
	*at = listener->next;
	atomic_fetch_sub(&in->vm->listeners.count, 1);
	fw_told_clear(listener->told, listener->count);
	free(listener);
}

lichen_status fw_listen_tell(struct lichen_vm *vm, struct lichen_instance **who)
{
	struct fw_listener *next;
	lichen_status first = 0;

	for (struct fw_listener *listener = vm->listeners.first; listener; listener = next) {
		struct lichen_instance *in = listener->in;
		lichen_status status;

		next = listener->next;
		fw_lock(in);
		status = fw_listener_tell(listener);
		fw_unlock(in);
		if (status < 0 && first == 0) {
			first = status;
			*who = in;
		}
	}
	return first;
}

struct fw_tell_post {
	struct fw_post post;
	struct lichen_vm *vm;
};

static void fw_tell_run(struct fw_post *post)
{
	struct lichen_vm *vm = ((struct fw_tell_post *)post)->vm;
	struct lichen_instance *who = NULL;
	lichen_status status;

	atomic_store(&vm->listeners.posted, 0);
	status = fw_listen_tell(vm, &who);
	if (status < 0)
		fw_host.log_guest(who, LICHEN_LOG_ERROR,
				  "it does not take a change of the memory layout: %s",
				  fw_status_text(status));
}

void fw_listen_changed(struct lichen_vm *vm)
{
	struct fw_tell_post *post;

	if (atomic_load(&vm->listeners.count) == 0 || atomic_exchange(&vm->listeners.posted, 1))
		return;
	post = malloc(sizeof(*post));
	if (!post) {
		/* The next change tells of this one too. */
		atomic_store(&vm->listeners.posted, 0);
		return;
	}
	*post = (struct fw_tell_post){ .post = { .run = fw_tell_run }, .vm = vm };
	fw_loop_post(&vm->loop, &post->post);
}
