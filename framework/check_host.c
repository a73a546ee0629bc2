/* SPDX-License-Identifier: MIT */
/*
 * check_host.c: struct lichen_host with a check in front of each function: the tags of
 * <lichen/host.h>, and what can be seen of the arguments.  A call that the tags forbid is
 * refused with -LICHEN_EPERM, or not made.
 */
#include <stdio.h>
#include <string.h>

#include "check_parts.h"

#define FW_CONTROL FW_ROLE_CONTROL
#define FW_VCPUS (FW_ROLE_CONTROL | FW_ROLE_VCPU)
#define FW_ALL FW_ROLE_ANY
#define FW_CREATED_ON FW_IN_FROM_CREATED
#define FW_REALIZED_ON FW_IN_FROM_REALIZED
#define FW_TO_REALIZED (FW_IN_CREATED | FW_IN_REALIZED)

/* A function that is passed on as it is, where it may be called. */
#define FW_PASS(name, states, roles, parameters, ...)                                          \
	static lichen_status fw_guard_##name parameters                                        \
	{                                                                                      \
		return fw_check_call(in, #name, (states), (roles)) ? fw_host.name(__VA_ARGS__) \
								   : -LICHEN_EPERM;            \
	}
#define FW_PASS_VOID(name, states, roles, parameters, ...)       \
	static void fw_guard_##name parameters                   \
	{                                                        \
		if (fw_check_call(in, #name, (states), (roles))) \
			fw_host.name(__VA_ARGS__);               \
	}
#define FW_PASS_VALUE(type, name, states, roles, parameters, ...) \
	static type fw_guard_##name parameters                    \
	{                                                         \
		if (!fw_check_call(in, #name, (states), (roles))) \
			return (type)0;                           \
		return fw_host.name(__VA_ARGS__);                 \
	}
#define FW_IN_ARG struct lichen_instance *in

/* --- telling --- */

__attribute__((format(printf, 2, 3))) static void fw_guard_error(struct lichen_instance *in,
								 const char *format, ...)
{
	char text[512];
	va_list args;

	if (!fw_check_call(in, "error", FW_IN_ANY, FW_ALL))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fw_host.error(in, "%s", text);
}

static int fw_guard_level(struct lichen_instance *in, const char *function, uint32_t level)
{
	if (!fw_check_call(in, function, FW_IN_ANY, FW_ALL))
		return 0;
	if (level >= LICHEN_LOG_ERROR && level <= LICHEN_LOG_TRACE)
		return 1;
	fw_check_plugin(in, "%s: level %u is none of a plugin's", function, level);
	return 0;
}

__attribute__((format(printf, 3, 4))) static void fw_guard_log(struct lichen_instance *in,
							       uint32_t level,
							       const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!fw_guard_level(in, "log", level))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fw_host.log(in, level, "%s", text);
}

__attribute__((format(printf, 3, 4))) static void fw_guard_log_guest(struct lichen_instance *in,
								     uint32_t level,
								     const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!fw_guard_level(in, "log_guest", level))
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fw_host.log_guest(in, level, "%s", text);
}

FW_PASS_VOID(request_exit, FW_IN_RUNNING, FW_ALL, (FW_IN_ARG, uint8_t status), in, status)
FW_PASS_VOID(request_end, FW_IN_RUNNING, FW_ALL, (FW_IN_ARG, uint32_t how, uint32_t detail), in,
	     how, detail)
FW_PASS_VOID(request_reset, FW_IN_RUNNING, FW_ALL, (FW_IN_ARG, uint32_t kind), in, kind)

/* --- windows --- */

FW_PASS(place_port, FW_CREATED_ON, FW_VCPUS, (FW_IN_ARG, uint32_t window, uint16_t port), in,
	window, port)
FW_PASS(place_mmio, FW_CREATED_ON, FW_VCPUS,
	(FW_IN_ARG, uint32_t window, lichen_space space, lichen_gpa gpa), in, window, space,
	gpa)
FW_PASS(unplace, FW_CREATED_ON, FW_VCPUS, (FW_IN_ARG, uint32_t window), in, window)
FW_PASS(window_read, FW_CREATED_ON, FW_ALL,
	(FW_IN_ARG, uint32_t window, uint64_t offset, void *to, uint64_t size), in, window,
	offset, to, size)
FW_PASS(window_write, FW_CREATED_ON, FW_ALL,
	(FW_IN_ARG, uint32_t window, uint64_t offset, const void *from, uint64_t size), in,
	window, offset, from, size)
FW_PASS(window_dirty, FW_REALIZED_ON, FW_VCPUS,
	(FW_IN_ARG, uint32_t window, uint64_t *bits, uint64_t words), in, window, bits, words)

/* Names bits that the function is going to refuse. */
static void fw_guard_flags(struct lichen_instance *in, const char *function, uint32_t flags,
			   uint32_t known)
{
	if (flags & ~known)
		fw_check_plugin(in, "%s: flags 0x%x, of which 0x%x are known", function, flags,
				known);
}

/* Says that the instance has claimed twice what can be claimed once. */
static lichen_status fw_guard_twice(struct lichen_instance *in, const char *function,
				    const char *what, uint64_t which, lichen_status status,
				    int own)
{
	if (own && (status == -LICHEN_EBUSY || status == -LICHEN_EEXIST))
		fw_check_plugin(in, "%s: %s %llu is claimed by the instance itself", function,
				what, (unsigned long long)which);
	return status;
}

/* The claims of one kind that the instance has, from *at on; NULL: no more. */
static const struct fw_claim *fw_guard_claims(const struct lichen_instance *in, uint32_t kind,
					      uint32_t *at)
{
	while (*at < FW_CLAIMS_MAX) {
		const struct fw_claim *claim =
			atomic_load_explicit(&in->slots[(*at)++].claim, memory_order_acquire);

		if (claim && claim->kind == kind)
			return claim;
	}
	return NULL;
}

static lichen_status fw_guard_window_back(FW_IN_ARG, uint32_t window, int32_t descriptor,
					  uint64_t offset, uint32_t access)
{
	if (!fw_check_call(in, "window_back", FW_CREATED_ON, FW_CONTROL))
		return -LICHEN_EPERM;
	fw_guard_flags(in, "window_back", access, LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE);
	return fw_host.window_back(in, window, descriptor, offset, access);
}

static lichen_status fw_guard_doorbell_claim(FW_IN_ARG, const struct lichen_doorbell *bell,
					     lichen_handle *handle)
{
	const struct fw_claim *claim;
	uint32_t at = 0;
	int own = 0;

	if (!fw_check_call(in, "doorbell_claim", FW_CREATED_ON, FW_CONTROL))
		return -LICHEN_EPERM;
	fw_guard_flags(in, "doorbell_claim", bell->flags, LICHEN_DOORBELL_MATCH);
	while ((claim = fw_guard_claims(in, FW_CLAIM_DOORBELL, &at)))
		own |= claim->bell.window == bell->window && claim->bell.offset == bell->offset;
	return fw_guard_twice(in, "doorbell_claim", "offset", bell->offset,
			      fw_host.doorbell_claim(in, bell, handle), own);
}

FW_PASS_VOID(doorbell_release, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, lichen_handle handle), in,
	     handle)

/* --- interrupts --- */

static lichen_status fw_guard_line_claim(FW_IN_ARG, const struct lichen_line *line,
					 lichen_handle *handle)
{
	const struct fw_claim *claim;
	uint32_t at = 0;
	int own = 0;

	if (!fw_check_call(in, "line_claim", FW_CREATED_ON, FW_CONTROL))
		return -LICHEN_EPERM;
	fw_guard_flags(in, "line_claim", line->flags, LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED);
	while ((claim = fw_guard_claims(in, FW_CLAIM_LINE, &at)))
		own |= claim->line.gsi == line->gsi;
	return fw_guard_twice(in, "line_claim", "interrupt line", line->gsi,
			      fw_host.line_claim(in, line, handle), own);
}

static void fw_guard_line_set(FW_IN_ARG, lichen_handle handle, uint32_t level)
{
	if (!fw_check_call(in, "line_set", FW_REALIZED_ON, FW_ALL))
		return;
	if (level > 1)
		fw_check_plugin(in, "line_set: level %u is neither 0 nor 1", level);
	fw_host.line_set(in, handle, level != 0);
}

FW_PASS(line_eventfd, FW_CREATED_ON, FW_CONTROL,
	(FW_IN_ARG, lichen_handle handle, int32_t *trigger, int32_t *resample), in, handle,
	trigger, resample)
FW_PASS_VOID(line_release, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, lichen_handle handle), in,
	     handle)
FW_PASS(message_claim, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, lichen_handle *handle), in,
	handle)
FW_PASS(message_update, FW_CREATED_ON, FW_VCPUS,
	(FW_IN_ARG, lichen_handle handle, const struct lichen_message *message), in, handle,
	message)
FW_PASS_VOID(message_mask, FW_CREATED_ON, FW_VCPUS,
	     (FW_IN_ARG, lichen_handle handle, uint32_t mask), in, handle, mask)
FW_PASS_VALUE(uint32_t, message_pending, FW_IN_RUNNING, FW_ALL,
	      (FW_IN_ARG, lichen_handle handle), in, handle)
FW_PASS_VOID(message_send, FW_IN_RUNNING, FW_ALL, (FW_IN_ARG, lichen_handle handle), in, handle)
FW_PASS(message_eventfd, FW_CREATED_ON, FW_CONTROL,
	(FW_IN_ARG, lichen_handle handle, int32_t *trigger), in, handle, trigger)
FW_PASS_VOID(message_release, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, lichen_handle handle), in,
	     handle)

/* --- guest memory --- */

FW_PASS(memory_read, FW_REALIZED_ON, FW_ALL,
	(FW_IN_ARG, lichen_space space, lichen_gpa gpa, void *to, uint64_t size), in, space,
	gpa, to, size)
FW_PASS(memory_write, FW_REALIZED_ON, FW_ALL,
	(FW_IN_ARG, lichen_space space, lichen_gpa gpa, const void *from, uint64_t size), in,
	space, gpa, from, size)
FW_PASS(memory_range, FW_REALIZED_ON, FW_CONTROL,
	(FW_IN_ARG, uint32_t index, struct lichen_range *range), in, index, range)
FW_PASS(memory_reserve, FW_TO_REALIZED, FW_CONTROL,
	(FW_IN_ARG, lichen_gpa gpa, uint64_t size, uint32_t type), in, gpa, size, type)

static lichen_status fw_guard_memory_listen(FW_IN_ARG, lichen_space space)
{
	lichen_status status;

	if (!fw_check_call(in, "memory_listen", FW_TO_REALIZED, FW_CONTROL))
		return -LICHEN_EPERM;
	status = fw_host.memory_listen(in, space);
	return fw_guard_twice(in, "memory_listen", "space", space, status, 1);
}

static lichen_status fw_guard_memory_map(FW_IN_ARG, lichen_space space, lichen_gpa gpa,
					 uint64_t size, uint32_t access, struct lichen_map *map)
{
	struct fw_holding *held = fw_holding_now();
	lichen_status status;

	if (!fw_check_call(in, "memory_map", FW_REALIZED_ON, FW_ALL))
		return -LICHEN_EPERM;
	fw_guard_flags(in, "memory_map", access, LICHEN_ACCESS_READ | LICHEN_ACCESS_WRITE);
	if (held->map_count == FW_MAPS_MAX) {
		fw_check_plugin(in, "memory_map: %d maps are held in one call", FW_MAPS_MAX);
		return -LICHEN_ENOSPC;
	}
	status = fw_host.memory_map(in, space, gpa, size, access, map);
	if (status == 0) {
		held->maps[held->map_count].in = in;
		held->maps[held->map_count].access = access;
		held->maps[held->map_count++].map = *map;
	}
	return status;
}

static void fw_guard_memory_unmap(FW_IN_ARG, struct lichen_map *map, uint64_t written)
{
	struct fw_holding *held = fw_holding_now();
	uint32_t i = held->map_count;

	if (!fw_check_call(in, "memory_unmap", FW_REALIZED_ON, FW_ALL))
		return;
	while (i-- > 0)
		if (held->maps[i].in == in && held->maps[i].map.data == map->data &&
		    held->maps[i].map.handle == map->handle)
			break;
	if (i == UINT32_MAX) {
		fw_check_plugin(in, "memory_unmap: it is no map of the call in progress");
		return;
	}
	if (written > held->maps[i].map.size ||
	    (written && !(held->maps[i].access & LICHEN_ACCESS_WRITE))) {
		fw_check_plugin(
			in, "memory_unmap: %llu bytes written of %llu mapped for %s",
			(unsigned long long)written, (unsigned long long)held->maps[i].map.size,
			held->maps[i].access & LICHEN_ACCESS_WRITE ? "writing" : "reading");
		written = held->maps[i].map.size;
	}
	memmove(&held->maps[i], &held->maps[i + 1],
		(held->map_count - i - 1) * sizeof(held->maps[0]));
	held->map_count--;
	fw_host.memory_unmap(in, map, written);
}

/* --- vCPUs, time --- */

FW_PASS_VALUE(uint32_t, cpu_count, FW_IN_ANY, FW_ALL, (FW_IN_ARG), in)
FW_PASS_VALUE(uint32_t, cpu_apic_id, FW_IN_ANY, FW_ALL, (FW_IN_ARG, uint32_t index), in, index)

static int fw_guard_clock(struct lichen_instance *in, const char *function, uint32_t clock)
{
	if (clock >= LICHEN_CLOCK_GUEST && clock <= LICHEN_CLOCK_WALL)
		return 1;
	fw_check_plugin(in, "%s: clock %u is none", function, clock);
	return 0;
}

static uint64_t fw_guard_clock_now(FW_IN_ARG, uint32_t clock)
{
	if (!fw_check_call(in, "clock_now", FW_IN_ANY, FW_ALL))
		return 0;
	return fw_guard_clock(in, "clock_now", clock) ? fw_host.clock_now(in, clock) : 0;
}

static lichen_status fw_guard_timer_create(FW_IN_ARG, uint32_t clock, uint64_t cookie,
					   lichen_handle *handle)
{
	if (!fw_check_call(in, "timer_create", FW_CREATED_ON, FW_CONTROL))
		return -LICHEN_EPERM;
	(void)fw_guard_clock(in, "timer_create", clock);
	return fw_host.timer_create(in, clock, cookie, handle);
}

FW_PASS_VOID(timer_arm, FW_CREATED_ON, FW_ALL,
	     (FW_IN_ARG, lichen_handle handle, uint64_t deadline), in, handle, deadline)
FW_PASS_VOID(timer_cancel, FW_CREATED_ON, FW_ALL, (FW_IN_ARG, lichen_handle handle), in, handle)
FW_PASS_VOID(timer_release, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, lichen_handle handle), in,
	     handle)

/* --- descriptors and threads --- */

static lichen_status fw_guard_watch(FW_IN_ARG, int32_t descriptor, uint32_t events,
				    uint64_t cookie, lichen_handle *handle)
{
	const struct fw_claim *claim;
	uint32_t at = 0;
	int own = 0;

	if (!fw_check_call(in, "watch", FW_CREATED_ON, FW_CONTROL))
		return -LICHEN_EPERM;
	fw_guard_flags(in, "watch", events,
		       LICHEN_WATCH_READ | LICHEN_WATCH_WRITE | LICHEN_WATCH_HANGUP);
	while ((claim = fw_guard_claims(in, FW_CLAIM_WATCH, &at)))
		own |= claim->watch.descriptor == descriptor;
	return fw_guard_twice(in, "watch", "descriptor", (uint64_t)descriptor,
			      fw_host.watch(in, descriptor, events, cookie, handle), own);
}

FW_PASS_VOID(watch_update, FW_CREATED_ON, FW_ALL,
	     (FW_IN_ARG, lichen_handle handle, uint32_t events), in, handle, events)
FW_PASS_VOID(watch_release, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, lichen_handle handle), in,
	     handle)
FW_PASS(thread_start, FW_CREATED_ON, FW_CONTROL, (FW_IN_ARG, const char *name, uint64_t cookie),
	in, name, cookie)

/* --- other instances --- */

/* Whether it would wait for itself. */
static int fw_guard_may_enter(struct lichen_instance *in, const struct fw_link *link)
{
	const struct fw_holding *held = fw_holding_now();

	for (uint32_t i = 0; i < held->entered_count; i++) {
		if (held->entered[i].link != link)
			continue;
		fw_check_plugin(in, "enter: %s is entered already, and not left",
				link->provider->spec->id);
		return 0;
	}
	if (held->entered_count < FW_ENTERED_MAX)
		return 1;
	fw_check_plugin(in, "enter: %d links are entered", FW_ENTERED_MAX);
	return 0;
}

/* Siblings are entered latest first, so that no two threads wait crosswise. */
static void fw_guard_order(struct lichen_instance *in, const struct fw_link *link)
{
	const struct fw_holding *held = fw_holding_now();

	for (uint32_t i = 0; i < held->entered_count; i++) {
		const struct lichen_instance *other = held->entered[i].link->provider;

		if (held->entered[i].in == in &&
		    other->checked->serial < link->provider->checked->serial)
			fw_check_plugin(in,
					"enter: %s while %s is entered, which was made "
					"before it: the other way round is the order of locks",
					link->provider->spec->id, other->spec->id);
	}
}

static lichen_status fw_guard_enter(FW_IN_ARG, const struct lichen_link *pub)
{
	const struct fw_link *link = (const struct fw_link *)pub;
	struct fw_holding *held = fw_holding_now();
	lichen_status status;

	if (!fw_check_call(in, "enter", FW_IN_ANY, FW_ALL))
		return -LICHEN_EPERM;
	if (!link)
		return -LICHEN_ENODEV;
	if (link->consumer != in) {
		fw_check_plugin(in, "enter: the link is of %s", link->consumer->spec->id);
		return -LICHEN_EPERM;
	}
	if (atomic_load(&link->closed) == FW_LINK_CLOSED)
		return -LICHEN_ENODEV;
	if (!fw_guard_may_enter(in, link))
		return -LICHEN_EBUSY;
	status = fw_host.enter(in, pub);
	if (status == 0) {
		fw_guard_order(in, link);
		held->entered[held->entered_count].in = in;
		held->entered[held->entered_count++].link = link;
	}
	return status;
}

static void fw_guard_leave(FW_IN_ARG, const struct lichen_link *pub)
{
	struct fw_holding *held = fw_holding_now();
	uint32_t i = held->entered_count;

	if (!fw_check_call(in, "leave", FW_IN_ANY, FW_ALL))
		return;
	while (i-- > 0)
		if (&held->entered[i].link->pub == pub && held->entered[i].in == in)
			break;
	if (i == UINT32_MAX) {
		fw_check_plugin(in, "leave: the link is not entered on this thread");
		return;
	}
	memmove(&held->entered[i], &held->entered[i + 1],
		(held->entered_count - i - 1) * sizeof(held->entered[0]));
	held->entered_count--;
	fw_host.leave(in, pub);
}

FW_PASS_VALUE(uint32_t, link_count, FW_REALIZED_ON, FW_CONTROL, (FW_IN_ARG, uint32_t need), in,
	      need)
FW_PASS_VALUE(const struct lichen_link *, link_at, FW_REALIZED_ON, FW_CONTROL,
	      (FW_IN_ARG, uint32_t need, uint32_t index), in, need, index)
FW_PASS(post, FW_CREATED_ON, FW_ALL,
	(FW_IN_ARG, uint64_t client, uint32_t event, const void *data, uint32_t size), in,
	client, event, data, size)
FW_PASS_VALUE(const void *, interface, FW_IN_ANY, FW_CONTROL, (FW_IN_ARG, const char *id), in,
	      id)
FW_PASS_VOID(complete, FW_IN_ANY, FW_ALL, (FW_IN_ARG, uint32_t operation, lichen_status status),
	     in, operation, status)

static const struct lichen_host fw_guards = {
	LICHEN_STRUCT(struct lichen_host),
	.abi_minor = LICHEN_ABI_MINOR,
#define FW_GUARD(name) .name = fw_guard_##name
	FW_GUARD(error),
	FW_GUARD(log),
	FW_GUARD(log_guest),
	FW_GUARD(request_exit),
	FW_GUARD(request_end),
	FW_GUARD(request_reset),
	FW_GUARD(place_port),
	FW_GUARD(place_mmio),
	FW_GUARD(unplace),
	FW_GUARD(doorbell_claim),
	FW_GUARD(doorbell_release),
	FW_GUARD(line_claim),
	FW_GUARD(line_set),
	FW_GUARD(line_eventfd),
	FW_GUARD(line_release),
	FW_GUARD(message_claim),
	FW_GUARD(message_update),
	FW_GUARD(message_mask),
	FW_GUARD(message_pending),
	FW_GUARD(message_send),
	FW_GUARD(message_eventfd),
	FW_GUARD(message_release),
	FW_GUARD(memory_read),
	FW_GUARD(memory_write),
	FW_GUARD(memory_map),
	FW_GUARD(memory_unmap),
	FW_GUARD(memory_range),
	FW_GUARD(memory_reserve),
	FW_GUARD(memory_listen),
	FW_GUARD(cpu_count),
	FW_GUARD(cpu_apic_id),
	FW_GUARD(clock_now),
	FW_GUARD(timer_create),
	FW_GUARD(timer_arm),
	FW_GUARD(timer_cancel),
	FW_GUARD(timer_release),
	FW_GUARD(watch),
	FW_GUARD(watch_update),
	FW_GUARD(watch_release),
	FW_GUARD(thread_start),
	FW_GUARD(enter),
	FW_GUARD(leave),
	FW_GUARD(link_count),
	FW_GUARD(link_at),
	FW_GUARD(post),
	FW_GUARD(interface),
	FW_GUARD(complete),
	FW_GUARD(window_read),
	FW_GUARD(window_write),
	FW_GUARD(window_back),
	FW_GUARD(window_dirty),
#undef FW_GUARD
};

const struct lichen_host *fw_check_host(void)
{
	return &fw_guards;
}
