/* SPDX-License-Identifier: MIT */
/* plug_plugin.c: plugins that a VM gets, and gives back, by hand.  See plug.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plug.h"
#include "vm.h"

static int fw_offer_is(const struct fw_offer *offer, const char *name)
{
	return strcmp(ld_plugin_info(offer->plugin)->name, name) == 0;
}

lichen_status fw_plug_load(struct lichen_vm *vm, const char *name, int descriptor,
			   struct ld_error *error)
{
	struct fw_offer *offer = calloc(1, sizeof(*offer));
	lichen_status status;

	if (!offer) {
		ld_error_set(error, "plugin %s: out of memory", name);
		return -LICHEN_ENOMEM;
	}
	status = ld_open_file(&vm->plugins, name, descriptor, &offer->plugin, error);
	if (status < 0) {
		free(offer);
		return status;
	}
	/* One that is offered already counts as newer from here on. */
	for (struct fw_offer **at = &vm->offers; *at; at = &(*at)->next) {
		struct fw_offer *same = *at;

		if (same->plugin != offer->plugin)
			continue;
		*at = same->next;
		(void)ld_close(same->plugin, NULL); /* a use less of several */
		free(same);
		break;
	}
	offer->next = vm->offers;
	vm->offers = offer;
	return 0;
}

/* 1: instances use `plugin`, or any of its name where it is NULL; they are named. */
static int fw_plug_used(const struct lichen_vm *vm, const char *name,
			const struct ld_plugin *plugin, struct ld_error *error)
{
	char names[LD_ERROR_SIZE / 2] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < vm->profile->count; i++) {
		const struct fw_spec *spec = vm->profile->specs[i];
		int n;

		if (plugin ? spec->plugin != plugin
			   : strcmp(ld_plugin_info(spec->plugin)->name, name) != 0)
			continue;
		if (used >= sizeof(names))
			break;
		n = snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
			     spec->id);
		used += n > 0 ? (size_t)n : 0;
	}
	if (!names[0])
		return 0;
	ld_error_set(error, "plugin %s: in use by %s", name, names);
	return 1;
}

lichen_status fw_plug_unload(struct lichen_vm *vm, const char *name, struct ld_error *error)
{
	struct fw_offer **at = &vm->offers;
	uint32_t found = 0;

	for (const struct fw_offer *offer = vm->offers; offer; offer = offer->next) {
		if (!fw_offer_is(offer, name))
			continue;
		found++;
		if (fw_plug_used(vm, name, offer->plugin, error))
			return -LICHEN_EBUSY;
	}
	if (found == 0) {
		if (fw_plug_used(vm, name, NULL, error))
			return -LICHEN_EBUSY;
		ld_error_set(error, "plugin %.64s: not loaded", name);
		return -LICHEN_ENOENT;
	}
	error->text[0] = '\0';
	while (*at) {
		struct fw_offer *offer = *at;

		if (!fw_offer_is(offer, name)) {
			at = &offer->next;
			continue;
		}
		*at = offer->next;
		(void)ld_close(offer->plugin, error);
		free(offer);
	}
	return 0;
}

void fw_plug_clear(struct lichen_vm *vm)
{
	struct fw_offer *next;

	for (struct fw_offer *at = vm->offers; at; at = next) {
		next = at->next;
		(void)ld_close(at->plugin, NULL); /* what stays mapped ends with the process */
		free(at);
	}
	vm->offers = NULL;
}
