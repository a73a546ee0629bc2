/* SPDX-License-Identifier: MIT */
/* th_plugin.c: opens the plugin's file, copies its class at our sizes, closes it with proof. */
#include "th.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t th_opened; /* plugin files open, of all test hosts */

/* A table in which every item is as large as we know it; zeroes where theirs is shorter. */
static struct lichen_table th_table(const struct th *th, const struct lichen_table *theirs,
				    const char *what, uint32_t size)
{
	const uint8_t *from = theirs->items;
	uint8_t *to;

	if (theirs->count == 0)
		return (struct lichen_table){ NULL, 0, 0 };
	if (!from || theirs->item_size < sizeof(uint32_t))
		th_fail(th, "class", "table %s is malformed", what);
	to = th_alloc((uint64_t)theirs->count * size);
	for (uint32_t i = 0; i < theirs->count; i++) {
		uint32_t said;

		memcpy(&said, from + (size_t)i * theirs->item_size, sizeof(said));
		if (said == 0 || said > theirs->item_size)
			th_fail(th, "class", "%s[%u] has struct_size %u of %u", what, i, said,
				theirs->item_size);
		memcpy(to + (size_t)i * size, from + (size_t)i * theirs->item_size,
		       said < size ? said : size);
	}
	return (struct lichen_table){ to, theirs->count, size };
}

static void th_class_copy(struct th *th, const struct lichen_class *theirs)
{
	struct lichen_class *c = &th->class;

	if (theirs->struct_size == 0)
		th_fail(th, "class", "struct_size is 0: LICHEN_STRUCT is missing");
	memcpy(c, theirs, theirs->struct_size < sizeof(*c) ? theirs->struct_size : sizeof(*c));
	if (c->instance_size < sizeof(struct lichen_dev))
		th_fail(th, "class", "instance_size %u is below %zu", c->instance_size,
			sizeof(struct lichen_dev));
	if (c->flags & ~(uint32_t)LICHEN_CLASS_PARALLEL)
		th_fail(th, "class", "flags %#x are unknown", c->flags);
	if (!c->summary || !*c->summary)
		th_fail(th, "class", "summary is missing");
	c->params = th_table(th, &c->params, "params", sizeof(struct lichen_param));
	c->windows = th_table(th, &c->windows, "windows", sizeof(struct lichen_window));
	c->state = th_table(th, &c->state, "state", sizeof(struct lichen_field));
	c->provides = th_table(th, &c->provides, "provides", sizeof(struct lichen_provide));
	c->needs = th_table(th, &c->needs, "needs", sizeof(struct lichen_need));
}

void th_open_plugin(struct th *th)
{
	const char *build = getenv("LICHEN_BUILD");
	lichen_plugin_fn entry;

	if (build)
		snprintf(th->path, sizeof(th->path), "%s/plugins/%s.so", build, th->name);
	else
		snprintf(th->path, sizeof(th->path), "%s/%s.so", LICHEN_PLUGIN_DIR, th->name);
	th->library = dlopen(th->path, RTLD_NOW | RTLD_LOCAL);
	if (!th->library)
		th_fail(th, "th_create", "%s", dlerror());
	*(void **)&entry = dlsym(th->library, LICHEN_PLUGIN_SYMBOL);
	if (!entry)
		th_fail(th, "th_create", "%s", dlerror());
	th->their_class = entry(0);
	if (!th->their_class)
		th_fail(th, LICHEN_PLUGIN_SYMBOL, "gives no class 0");
	th_class_copy(th, th->their_class);
	th_opened++;
}

void th_close_plugin(struct th *th)
{
	const struct lichen_table *const copies[] = { &th->class.params, &th->class.windows,
						      &th->class.state, &th->class.provides,
						      &th->class.needs };

	for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
		free((void *)(uintptr_t)copies[i]->items);
	dlclose(th->library);
	if (--th_opened)
		return; /* another test host may have the same file open */
	th->library = dlopen(th->path, RTLD_NOW | RTLD_NOLOAD);
	if (th->library)
		th_fail(th, "th_destroy", "the file stays mapped after dlclose");
}
