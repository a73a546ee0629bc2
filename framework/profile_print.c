/* SPDX-License-Identifier: MIT */
/*
 * profile_print.c: the composed profile as YAML.  libyaml's emitter quotes what
 * has to be quoted; what comes out reads back as the same machine.
 */
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "profile_tree.h"

static const char *const print_paging[] = { "any", "nested", "shadow" };
static const char *const print_policy[] = { "restart", "stop", "pause" };
static const char *const print_registers[] = { "eax", "ebx", "ecx", "edx" };

struct printer {
	const struct fw_profile_private *p;
	yaml_emitter_t emitter;
	int failed; /* no memory, or the file takes no more: nothing more is written */
};

static void print_event(struct printer *to, yaml_event_t *event, int made)
{
	if (made && to->failed)
		yaml_event_delete(event);
	else if (!made || !yaml_emitter_emit(&to->emitter, event))
		to->failed = 1;
}

static void print_text(struct printer *to, const char *text)
{
	yaml_scalar_style_t style =
		text[0] ? YAML_ANY_SCALAR_STYLE : YAML_SINGLE_QUOTED_SCALAR_STYLE;
	yaml_event_t event;

	/* Only what is plain to see is left to the emitter's judgement. */
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c >= 0x7f)
			style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
	print_event(to, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
						 (int)strlen(text), 1, 1, style));
}

static void print_pair(struct printer *to, const char *key, const char *value)
{
	print_text(to, key);
	print_text(to, value);
}

static void print_hex(struct printer *to, const char *key, uint32_t value)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "0x%x", value);
	print_pair(to, key, text);
}

static void print_map_start(struct printer *to, yaml_mapping_style_t style)
{
	yaml_event_t event;

	print_event(to, &event,
		    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
}

static void print_map_end(struct printer *to)
{
	yaml_event_t event;

	print_event(to, &event, yaml_mapping_end_event_initialize(&event));
}

static void print_list_start(struct printer *to)
{
	yaml_event_t event;

	print_event(to, &event,
		    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
							 YAML_ANY_SEQUENCE_STYLE));
}

static void print_list_end(struct printer *to)
{
	yaml_event_t event;

	print_event(to, &event, yaml_sequence_end_event_initialize(&event));
}

static void print_instance(struct printer *to, const struct fw_instance *instance);

static void print_items(struct printer *to, const char *key, const char *items)
{
	char *item;

	print_text(to, key);
	print_list_start(to);
	while ((item = fw_list_next(&items))) {
		print_text(to, item);
		free(item);
	}
	print_list_end(to);
}

static void print_values(struct printer *to, const struct fw_spec *spec)
{
	char text[FW_WHY_SIZE];

	for (uint32_t i = 0; i < spec->class->params.count; i++) {
		const struct lichen_param *param = fw_param(spec->class, i);
		const struct fw_value *value = &spec->values[i];

		/* Absent, or a fallback outside the bounds, which no profile may write. */
		if (!fw_scalar_fits(param, value->number, value->text))
			continue;
		if (param->flags & LICHEN_PARAM_LIST) {
			print_items(to, param->name, value->text);
			continue;
		}
		if (param->type == LICHEN_TEXT || param->type == LICHEN_FILE) {
			print_pair(to, param->name, value->text);
			continue;
		}
		fw_scalar_write(param, value->number, text);
		print_pair(to, param->name, text);
	}
}

static void print_needs(struct printer *to, const struct fw_instance *instance)
{
	const struct fw_spec *spec = &instance->spec;

	for (uint32_t i = 0; i < spec->class->needs.count; i++) {
		const char *key = fw_need(spec->class, i)->key;

		if (!key || spec->ties[i].count == 0)
			continue;
		print_text(to, key);
		if (instance->nested[i])
			print_instance(to, instance->nested[i]);
		else
			print_text(to, spec->ties[i].providers[0]->id);
	}
}

static void print_instance(struct printer *to, const struct fw_instance *instance)
{
	char size[FW_WHY_SIZE];
	const struct lichen_param bytes = { .type = LICHEN_U64, .unit = LICHEN_UNIT_BYTES };

	print_map_start(to, YAML_BLOCK_MAPPING_STYLE);
	print_pair(to, "plugin", ld_plugin_info(instance->spec.plugin)->name);
	print_pair(to, "id", instance->spec.id);
	if (instance->pin)
		print_pair(to, "sha256", instance->pin);
	if (instance->place == FW_PLACE_MEMORY) {
		fw_scalar_write(&bytes, to->p->profile.memory_size, size);
		print_pair(to, "size", size);
	}
	print_values(to, &instance->spec);
	print_needs(to, instance);
	print_map_end(to);
}

/* empty: 1: the list is there without entries, too. */
static void print_list(struct printer *to, const char *key, enum fw_place place, int empty)
{
	int found = empty;

	if (empty) {
		print_text(to, key);
		print_list_start(to);
	}
	for (uint32_t i = 0; i < to->p->instance_count; i++) {
		if (to->p->instances[i]->place != place)
			continue;
		if (!found++) {
			print_text(to, key);
			print_list_start(to);
		}
		print_instance(to, to->p->instances[i]);
	}
	if (found)
		print_list_end(to);
}

static void print_masks(struct printer *to)
{
	const struct fw_profile *profile = &to->p->profile;

	if (profile->mask_count == 0)
		return;
	print_text(to, "cpu");
	print_map_start(to, YAML_BLOCK_MAPPING_STYLE);
	print_text(to, "mask");
	print_list_start(to);
	for (uint32_t i = 0; i < profile->mask_count; i++) {
		const struct fw_mask *mask = &profile->masks[i];

		print_map_start(to, YAML_FLOW_MAPPING_STYLE);
		print_hex(to, "leaf", mask->leaf);
		print_hex(to, "index", mask->index);
		print_pair(to, "reg", print_registers[mask->reg]);
		print_hex(to, "and", mask->and_);
		print_hex(to, "or", mask->or_);
		print_map_end(to);
	}
	print_list_end(to);
	print_map_end(to);
}

static void print_profile(struct printer *to)
{
	const struct fw_profile *profile = &to->p->profile;
	char cpus[16];

	(void)snprintf(cpus, sizeof(cpus), "%u", profile->cpus);
	print_map_start(to, YAML_BLOCK_MAPPING_STYLE);
	print_pair(to, "lichen", "1");
	print_pair(to, "name", profile->name);
	print_pair(to, "cpus", cpus);
	print_text(to, "memory");
	print_instance(to, to->p->memory);
	print_pair(to, "paging", print_paging[profile->paging]);
	print_pair(to, "on_reboot", print_policy[profile->on_reboot]);
	print_pair(to, "on_crash", print_policy[profile->on_crash]);
	print_pair(to, "on_panic", print_policy[profile->on_panic]);
	print_masks(to);
	print_text(to, "boot");
	print_instance(to, to->p->boot);
	print_list(to, "backends", FW_PLACE_BACKENDS, 0);
	print_list(to, "devices", FW_PLACE_DEVICES, 0);
	if (profile->symbiotic)
		print_list(to, "symbiotic", FW_PLACE_SYMBIOTIC, 1);
	print_map_end(to);
}

void fw_profile_print(const struct fw_profile *profile, FILE *to)
{
	struct printer printer = { .p = profile->private_ };
	yaml_event_t event;

	if (!yaml_emitter_initialize(&printer.emitter))
		return;
	yaml_emitter_set_output_file(&printer.emitter, to);
	yaml_emitter_set_width(&printer.emitter, -1);
	yaml_emitter_set_unicode(&printer.emitter, 1);
	print_event(&printer, &event,
		    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	print_event(&printer, &event,
		    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	print_profile(&printer);
	print_event(&printer, &event, yaml_document_end_event_initialize(&event, 1));
	print_event(&printer, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&printer.emitter);
}
