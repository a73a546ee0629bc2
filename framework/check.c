/* SPDX-License-Identifier: MIT */
/* check.c: who is in which callback of whom, and what instances do to their memory. */
#include <stdio.h>
#include <string.h>

#include "check_parts.h"
#include "status.h"

/* ASan sees what is written past the end of a block itself, and says where. */
#if defined(__SANITIZE_ADDRESS__)
#define FW_TAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FW_TAIL 0
#endif
#endif
#ifndef FW_TAIL
#define FW_TAIL 256
#endif

enum { FW_HEAD = 64, FW_PATTERN = 256, FW_GUARD = 0xc5, FW_ERRNO_MAX = 4095 };

static _Thread_local struct fw_frame *fw_frames;
static _Thread_local struct fw_holding fw_held;
static _Thread_local enum fw_role fw_thread_role;

/* All instances with checks, to find one by its memory. */
static pthread_mutex_t fw_all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct fw_checked *fw_all;
static uint64_t fw_serials;
static pthread_once_t fw_pattern_once = PTHREAD_ONCE_INIT;

struct fw_frame *fw_frame_now(void)
{
	return fw_frames;
}

struct fw_holding *fw_holding_now(void)
{
	return &fw_held;
}

enum fw_role fw_role_now(void)
{
	return fw_frames ? fw_frames->role : fw_thread_role;
}

enum fw_role fw_check_thread(enum fw_role role)
{
	const enum fw_role before = fw_thread_role;

	fw_thread_role = role;
	return before;
}

const char *fw_role_name(enum fw_role role)
{
	switch (role) {
	case FW_ROLE_CONTROL:
		return "the control thread";
	case FW_ROLE_VCPU:
		return "a vCPU's thread";
	case FW_ROLE_THREAD:
		return "a thread of the instance's own";
	default:
		return "a thread that the host does not know";
	}
}

const char *fw_state_name(uint32_t state)
{
	static const char *const names[] = { "being created", "created", "realized",
					     "running",	      "paused",	 "quiescing",
					     "drained" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

/* --- offences --- */

void fw_check_plugin(struct lichen_instance *in, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fw_host.log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING, "%s", text);
}

void fw_check_host_fault(struct lichen_instance *in, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fw_host.log_guest(in, LICHEN_LOG_HOST_MISBEHAVING, "%s", text);
}

/* --- an instance's memory --- */

/* Before an instance's memory. */
struct fw_head {
	uint8_t before[40];
	struct lichen_instance *in;
	uint8_t after[16];
};
_Static_assert(sizeof(struct fw_head) == FW_HEAD, "the instance's memory stays aligned");

static uint8_t fw_pattern[FW_PATTERN];

static void fw_pattern_make(void)
{
	memset(fw_pattern, FW_GUARD, sizeof(fw_pattern));
}

/* The first byte of a guard that was overwritten, which is put back; size: there is none. */
static uint32_t fw_guard_broken(uint8_t *guard, uint32_t size)
{
	uint32_t at = 0;

	if (memcmp(guard, fw_pattern, size) == 0)
		return size;
	while (at < size && guard[at] == FW_GUARD)
		at++;
	memset(guard, FW_GUARD, size);
	return at;
}

static struct fw_head *fw_check_head(const struct lichen_instance *in)
{
	return (struct fw_head *)(void *)((uint8_t *)in->self - FW_HEAD);
}

static struct lichen_instance *fw_check_search(const void *self)
{
	struct lichen_instance *in = NULL;

	pthread_mutex_lock(&fw_all_lock);
	for (const struct fw_checked *checked = fw_all; checked && !in; checked = checked->next)
		if (checked->in->self == self)
			in = checked->in;
	pthread_mutex_unlock(&fw_all_lock);
	return in;
}

struct lichen_instance *fw_check_of(void *self)
{
	const struct fw_head *head =
		(const struct fw_head *)(const void *)((uint8_t *)self - FW_HEAD);

	/* One who writes before its instance comes from there. */
	if (memcmp(head->after, fw_pattern, sizeof(head->after)) == 0)
		return head->in;
	return fw_check_search(self);
}

void *fw_check_new(struct lichen_instance *in, const struct lichen_class *class)
{
	struct fw_checked *checked = calloc(1, sizeof(*checked));
	uint8_t *block = calloc(1, FW_HEAD + (size_t) class->instance_size + FW_TAIL);

	if (!checked || !block) {
		free(checked);
		free(block);
		return NULL;
	}
	checked->in = in;
	in->checked = checked;
	in->self = block + FW_HEAD;
	(void)pthread_once(&fw_pattern_once, fw_pattern_make);
	memset(block, FW_GUARD, FW_HEAD);
	fw_check_head(in)->in = in;
	memset(block + FW_HEAD + class->instance_size, FW_GUARD, FW_TAIL);
	pthread_mutex_lock(&fw_all_lock);
	checked->serial = ++fw_serials;
	checked->next = fw_all;
	fw_all = checked;
	pthread_mutex_unlock(&fw_all_lock);
	if (fw_check_class(in, class) == 0)
		return in->self;
	fw_check_free(in);
	in->checked = NULL;
	return NULL;
}

void fw_check_free(struct lichen_instance *in)
{
	struct fw_checked **at = &fw_all;

	if (!in->checked)
		return;
	pthread_mutex_lock(&fw_all_lock);
	while (*at != in->checked)
		at = &(*at)->next;
	*at = in->checked->next;
	pthread_mutex_unlock(&fw_all_lock);
	free(fw_check_head(in));
	free(in->checked->windows);
	free(in->checked);
}

void fw_check_guards(struct lichen_instance *in, const char *function)
{
	const uint32_t size = in->checked->class->instance_size;
	struct fw_head *head = fw_check_head(in);
	struct lichen_dev *dev = in->self;
	uint32_t at = fw_guard_broken((uint8_t *)in->self + size, FW_TAIL);

	if (at != FW_TAIL)
		fw_check_plugin(in,
				"%s: wrote past its instance, which has %u bytes: byte %u and "
				"maybe more",
				function, size, size + at);
	at = fw_guard_broken(head->after, sizeof(head->after));
	if (at < sizeof(head->after))
		fw_check_plugin(in, "%s: wrote before its instance: %u bytes and maybe more",
				function, (uint32_t)sizeof(head->after) - at);
	if (head->in != in)
		head->in = in;
	if (dev->host == fw_check_host() && dev->in == in)
		return;
	fw_check_plugin(in, "%s: wrote to its struct lichen_dev, which is the host's",
			function);
	dev->host = fw_check_host();
	dev->in = in;
}

/* --- callbacks --- */

void fw_check_begin(struct fw_frame *frame, struct lichen_instance *in, const char *function,
		    uint32_t states, uint32_t roles)
{
	const uint32_t state = atomic_load(&in->state);
	enum fw_role role = fw_thread_role;

	/* Tests and embedders come in by ways of their own: the tag says what they are. */
	if (role == FW_ROLE_NONE)
		role = roles & FW_ROLE_CONTROL ? FW_ROLE_CONTROL
					       : (enum fw_role)(roles & -roles);
	*frame = (struct fw_frame){ .outer = fw_frames,
				    .in = in,
				    .function = function,
				    .role = role,
				    .maps = fw_held.map_count,
				    .entered = fw_held.entered_count };
	if (!(roles & role))
		fw_check_host_fault(in, "%s is called on %s", function, fw_role_name(role));
	if (!(states & FW_IN(state ? state : FW_CREATED)))
		fw_check_host_fault(in, "%s is called while it is %s", function,
				    fw_state_name(state));
	/* memory_listen() alone calls back, and says so. */
	if (fw_frames && (fw_frames->in != in || strcmp(function, "region") != 0))
		fw_check_host_fault(in, "%s is called within %s of %s", function,
				    fw_frames->function, fw_frames->in->spec->id);
	fw_frames = frame;
}

/* What should have been given back within the callback is, so that the VM goes on. */
static void fw_check_left(const struct fw_frame *frame)
{
	while (fw_held.entered_count > frame->entered) {
		const struct fw_link *link = fw_held.entered[--fw_held.entered_count].link;

		fw_check_plugin(frame->in, "%s: has entered %s and returned without leave",
				frame->function, link->provider->spec->id);
		fw_host.leave(frame->in, &link->pub);
	}
	while (fw_held.map_count > frame->maps) {
		struct lichen_map *map = &fw_held.maps[--fw_held.map_count].map;

		fw_check_plugin(
			frame->in,
			"%s: returned without memory_unmap of %llu bytes that it mapped",
			frame->function, (unsigned long long)map->size);
		fw_host.memory_unmap(frame->in, map, map->size);
	}
}

void fw_check_end(struct fw_frame *frame)
{
	fw_check_left(frame);
	fw_check_guards(frame->in, frame->function);
	fw_frames = frame->outer;
}

void fw_check_status(struct lichen_instance *in, const char *function, lichen_status status,
		     int pending)
{
	if (status == 0 || (status == LICHEN_PENDING && pending) ||
	    (status < 0 && status >= -FW_ERRNO_MAX))
		return;
	fw_check_plugin(in, "%s: returned %d, which is no status of it", function, status);
}

/* --- calls of the host --- */

static int fw_check_entered(const struct lichen_instance *in)
{
	for (uint32_t i = 0; i < fw_held.entered_count; i++)
		if (fw_held.entered[i].link->provider == in)
			return 1;
	return 0;
}

int fw_check_call(struct lichen_instance *in, const char *function, uint32_t states,
		  uint32_t roles)
{
	const uint32_t state = atomic_load(&in->state);
	const enum fw_role role = fw_role_now();

	if (fw_frames && fw_frames->in != in && !fw_check_entered(in)) {
		fw_check_plugin(fw_frames->in, "%s: called for %s, in its own %s", function,
				in->spec->id, fw_frames->function);
		return 0;
	}
	if (!(roles & role)) {
		if (fw_frames)
			fw_check_plugin(in, "%s: called on %s, in %s", function,
					fw_role_name(role), fw_frames->function);
		else
			fw_check_plugin(in, "%s: called on %s", function, fw_role_name(role));
		return 0;
	}
	if (!(states & FW_IN(state ? state : FW_CREATED))) {
		fw_check_plugin(in, "%s: called while the instance is %s", function,
				fw_state_name(state));
		return 0;
	}
	return 1;
}
