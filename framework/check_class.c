/* SPDX-License-Identifier: MIT */
/*
 * check_class.c: shims in front of a class's callbacks and of its windows' handlers.  Where the
 * tag of a callback says "control or io", this host calls it on the control thread.
 */
#include <string.h>

#include "check_parts.h"

/* --- callbacks --- */

/* The instance, and its own callback; the lock is held around all but those that run alone. */
static struct lichen_instance *fw_shim_begin(struct fw_frame *frame, void *self,
					     const char *function, uint32_t states,
					     uint32_t roles, int locked)
{
	struct lichen_instance *in = fw_check_of(self);

	if (locked && !fw_is_parallel(in) &&
	    __atomic_load_n(&in->lock.word, __ATOMIC_RELAXED) == FW_MUTEX_FREE)
		fw_check_host_fault(in, "%s is called without the instance's lock", function);
	fw_check_begin(frame, in, function, states, roles);
	return in;
}

#define FW_SHIM_STATUS(name, states, roles, locked, pending)                             \
	static lichen_status fw_shim_##name(void *self)                                  \
	{                                                                                \
		struct fw_frame frame;                                                   \
		struct lichen_instance *in =                                             \
			fw_shim_begin(&frame, self, #name, (states), (roles), (locked)); \
		const lichen_status status = in->checked->class->name(self);             \
                                                                                         \
		fw_check_end(&frame);                                                    \
		fw_check_status(in, #name, status, (pending));                           \
		return status;                                                           \
	}

#define FW_SHIM_VOID(name, states, locked, parameters, ...)                               \
	static void fw_shim_##name parameters                                             \
	{                                                                                 \
		struct fw_frame frame;                                                    \
		struct lichen_instance *in = fw_shim_begin(&frame, self, #name, (states), \
							   FW_ROLE_CONTROL, (locked));    \
                                                                                          \
		in->checked->class->name(__VA_ARGS__);                                    \
		fw_check_end(&frame);                                                     \
	}

FW_SHIM_STATUS(create, FW_IN_CREATED, FW_ROLE_CONTROL, 0, 0)
FW_SHIM_STATUS(realize, FW_IN_CREATED, FW_ROLE_CONTROL, 0, 1)
FW_SHIM_STATUS(publish, FW_IN_REALIZED | FW_IN(FW_PAUSED), FW_ROLE_CONTROL, 1, 0)
FW_SHIM_STATUS(pause, FW_IN_RUNNING, FW_ROLE_CONTROL, 1, 1)
FW_SHIM_STATUS(quiesce, FW_IN_ANY, FW_ROLE_CONTROL, 1, 1)
FW_SHIM_STATUS(unplug_request, FW_IN_RUNNING, FW_ROLE_CONTROL, 1, 1)
FW_SHIM_STATUS(pre_save, FW_IN_FROM_REALIZED, FW_ROLE_CONTROL, 1, 1)
/* The state is the new one already. */
FW_SHIM_VOID(resume, FW_IN(FW_RUNNING), 1, (void *self), self)
FW_SHIM_VOID(timer, FW_IN_FROM_CREATED, 1, (void *self, uint64_t cookie), self, cookie)
FW_SHIM_VOID(ready, FW_IN_FROM_CREATED, 1, (void *self, uint64_t cookie, uint32_t events), self,
	     cookie, events)
FW_SHIM_VOID(event, FW_IN_FROM_CREATED, 1,
	     (void *self, uint64_t cookie, uint32_t event, const void *data, uint32_t size),
	     self, cookie, event, data, size)
FW_SHIM_VOID(client, FW_IN_FROM_CREATED, 1,
	     (void *self, const char *id, uint64_t client, uint32_t joined), self, id, client,
	     joined)
FW_SHIM_VOID(cancel, FW_IN_FROM_CREATED, 1, (void *self, uint32_t operation), self, operation)
FW_SHIM_VOID(host_event, FW_IN_FROM_REALIZED, 1, (void *self, uint32_t event), self, event)

static lichen_status fw_shim_reset(void *self, uint32_t kind)
{
	struct fw_frame frame;
	struct lichen_instance *in =
		fw_shim_begin(&frame, self, "reset", FW_IN_FROM_REALIZED,
			      kind == LICHEN_RESET_FUNCTION ? FW_ROLE_VCPU | FW_ROLE_CONTROL
							    : FW_ROLE_CONTROL,
			      1);
	const lichen_status status = in->checked->class->reset(self, kind);

	fw_check_end(&frame);
	fw_check_status(in, "reset", status, 1);
	return status;
}

static lichen_status fw_shim_post_load(void *self, uint32_t from)
{
	struct fw_frame frame;
	struct lichen_instance *in = fw_shim_begin(&frame, self, "post_load",
						   FW_IN_FROM_CREATED, FW_ROLE_CONTROL, 1);
	const lichen_status status = in->checked->class->post_load(self, from);

	fw_check_end(&frame);
	fw_check_status(in, "post_load", status, 0);
	return status;
}

static lichen_status fw_shim_region(void *self, uint32_t event,
				    const struct lichen_region *region)
{
	struct fw_frame frame;
	struct lichen_instance *in =
		fw_shim_begin(&frame, self, "region", FW_IN_FROM_CREATED, FW_ROLE_CONTROL, 0);
	const lichen_status status = in->checked->class->region(self, event, region);

	fw_check_end(&frame);
	fw_check_status(in, "region", status, 0);
	return status;
}

/* Any thread of the host's may be the one that it was made on. */
static void fw_shim_thread(void *self, uint64_t cookie)
{
	struct fw_frame frame;
	struct lichen_instance *in;

	(void)fw_check_thread(FW_ROLE_THREAD);
	in = fw_shim_begin(&frame, self, "thread", FW_IN_FROM_CREATED, FW_ROLE_THREAD, 0);
	in->checked->class->thread(self, cookie);
	fw_check_end(&frame);
}

static void fw_shim_destroy(void *self)
{
	struct fw_frame frame;
	struct lichen_instance *in =
		fw_shim_begin(&frame, self, "destroy", FW_IN(FW_DRAINED), FW_ROLE_CONTROL, 0);

	in->checked->class->destroy(self);
	fw_check_end(&frame);
}

void fw_check_shims(struct fw_checked *checked)
{
	const struct lichen_class *class = checked->class;

	checked->shims = *class;
#define FW_SHIM(name)    \
	if (class->name) \
	checked->shims.name = fw_shim_##name
	FW_SHIM(create);
	FW_SHIM(realize);
	FW_SHIM(publish);
	FW_SHIM(resume);
	FW_SHIM(pause);
	FW_SHIM(reset);
	FW_SHIM(quiesce);
	FW_SHIM(unplug_request);
	FW_SHIM(destroy);
	FW_SHIM(pre_save);
	FW_SHIM(post_load);
	FW_SHIM(timer);
	FW_SHIM(ready);
	FW_SHIM(event);
	FW_SHIM(client);
	FW_SHIM(thread);
	FW_SHIM(region);
	FW_SHIM(cancel);
	FW_SHIM(host_event);
#undef FW_SHIM
}

/* --- handlers --- */

static void fw_handler_begin(struct fw_frame *frame, const struct fw_checked_window *window,
			     const char *function)
{
	struct lichen_instance *in = window->in;

	if (!fw_is_parallel(in) &&
	    __atomic_load_n(&in->lock.word, __ATOMIC_RELAXED) == FW_MUTEX_FREE)
		fw_check_host_fault(in, "%s of window %s is called without the instance's lock",
				    function, window->declared->name);
	fw_check_begin(frame, in, function, FW_IN_FROM_REALIZED, FW_ROLE_VCPU);
}

/*
 * What no access that the window takes could carry is no value of a register.  All ones are
 * what nothing reads as, in any width.
 */
static void fw_handler_value(const struct fw_checked_window *window, uint64_t off,
			     uint32_t size, uint64_t value)
{
	const uint32_t sizes = window->declared->access_sizes;
	uint32_t widest = 8;
	uint64_t above;

	while (sizes && !(sizes & widest))
		widest /= 2;
	if (widest == 8)
		return;
	above = value >> 8 * widest;
	if (above && above != UINT64_MAX >> 8 * widest)
		fw_check_plugin(window->in,
				"read: 0x%llx from window %s, %u bytes at 0x%llx: the widest "
				"access that it takes has %u",
				(unsigned long long)value, window->declared->name, size,
				(unsigned long long)off, widest);
}

static uint64_t fw_handler_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	const struct fw_checked_window *window = self;
	struct fw_frame frame;
	uint64_t value;

	if (size > window->declared->size || off > window->declared->size - size)
		fw_check_host_fault(window->in, "read of %u bytes at 0x%llx of window %s", size,
				    (unsigned long long)off, window->declared->name);
	fw_handler_begin(&frame, window, "read");
	value = window->declared->ops->read(window->in->self, cookie, off, size);
	fw_check_end(&frame);
	fw_handler_value(window, off, size, value);
	return value;
}

static void fw_handler_write(void *self, uint64_t cookie, uint64_t off, uint32_t size,
			     uint64_t value)
{
	const struct fw_checked_window *window = self;
	struct fw_frame frame;

	if (size > window->declared->size || off > window->declared->size - size)
		fw_check_host_fault(window->in, "write of %u bytes at 0x%llx of window %s",
				    size, (unsigned long long)off, window->declared->name);
	fw_handler_begin(&frame, window, "write");
	window->declared->ops->write(window->in->self, cookie, off, size, value);
	fw_check_end(&frame);
}

/* By what the plugin's own table has. */
static const struct lichen_io_ops fw_handlers[] = {
	{ LICHEN_STRUCT(struct lichen_io_ops) },
	{ LICHEN_STRUCT(struct lichen_io_ops), .read = fw_handler_read },
	{ LICHEN_STRUCT(struct lichen_io_ops), .write = fw_handler_write },
	{ LICHEN_STRUCT(struct lichen_io_ops), .read = fw_handler_read,
	  .write = fw_handler_write },
};

static void fw_checked_window_init(struct fw_checked_window *window, struct lichen_instance *in,
				   const struct lichen_window *declared)
{
	const struct lichen_io_ops *ops = declared->ops;

	*window = (struct fw_checked_window){ .in = in, .declared = declared };
	window->seen = *declared;
	if (ops)
		window->seen.ops = &fw_handlers[(ops->read != NULL) + 2 * (ops->write != NULL)];
}

const struct lichen_window *fw_check_window(struct lichen_instance *in, uint32_t index,
					    void **self)
{
	struct fw_checked_window *window = &in->checked->windows[index];

	*self = window;
	return &window->seen;
}

lichen_status fw_check_class(struct lichen_instance *in, const struct lichen_class *class)
{
	struct fw_checked *checked = in->checked;
	const struct lichen_window *windows = FW_ITEMS(struct lichen_window, class->windows);
	const uint32_t count = class->windows.count;

	/* Windows that are placed keep where they are dispatched to. */
	if (!checked->windows || count != checked->window_count) {
		struct fw_checked_window *fresh = calloc((size_t)count + 1, sizeof(*fresh));

		if (!fresh)
			return -LICHEN_ENOMEM;
		free(checked->windows);
		checked->windows = fresh;
		checked->window_count = count;
	}
	for (uint32_t i = 0; i < count; i++)
		fw_checked_window_init(&checked->windows[i], in, &windows[i]);
	checked->class = class;
	fw_check_shims(checked);
	in->class = &checked->shims;
	return 0;
}
