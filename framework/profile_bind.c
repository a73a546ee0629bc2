/* SPDX-License-Identifier: MIT */
/* profile_bind.c: the keys at the top of a profile, and what instances there are. */
#include <string.h>

#include "cpuid.h"
#include "profile_tree.h"

static const char *const bind_keys[] = { "lichen",   "include",	 "name",      "cpus",
					 "memory",   "paging",	 "cpu",	      "boot",
					 "devices",  "backends", "symbiotic", "on_reboot",
					 "on_crash", "on_panic" };

static const char *const paging_names[] = { "any", "nested", "shadow" };
static const char *const policy_names[] = { "restart", "stop", "pause" };
static const char *const register_names[] = { "eax", "ebx", "ecx", "edx" };

#define BIND_PARAM(type_, name_, ...)                                                 \
	{                                                                             \
		LICHEN_STRUCT(struct lichen_param), .type = (type_), .name = (name_), \
						    __VA_ARGS__                       \
	}

static const struct lichen_param cpus_param =
	BIND_PARAM(LICHEN_U32, "cpus", .min = 1, .max = 32, .fallback = 1);
static const struct lichen_param size_param =
	BIND_PARAM(LICHEN_U64, "size", .unit = LICHEN_UNIT_BYTES, .min = 1 << 20,
		   .max = 1ull << 42, .fallback = 256 << 20);
static const struct lichen_param paging_param =
	BIND_PARAM(LICHEN_CHOICE, "paging", .choices = LICHEN_TABLE(paging_names));

static const struct lichen_param on_reboot_param =
	BIND_PARAM(LICHEN_CHOICE, "on_reboot", .choices = LICHEN_TABLE(policy_names),
		   .fallback = FW_RESTART);
static const struct lichen_param on_crash_param = BIND_PARAM(
	LICHEN_CHOICE, "on_crash", .choices = LICHEN_TABLE(policy_names), .fallback = FW_STOP);
static const struct lichen_param on_panic_param = BIND_PARAM(
	LICHEN_CHOICE, "on_panic", .choices = LICHEN_TABLE(policy_names), .fallback = FW_STOP);

static const struct lichen_param mask_params[] = {
	BIND_PARAM(LICHEN_U32, "leaf", .flags = LICHEN_PARAM_REQUIRED),
	BIND_PARAM(LICHEN_U32, "index", .fallback = 0),
	BIND_PARAM(LICHEN_CHOICE, "reg", .flags = LICHEN_PARAM_REQUIRED,
		   .choices = LICHEN_TABLE(register_names)),
	BIND_PARAM(LICHEN_U32, "and", .fallback = UINT32_MAX),
	BIND_PARAM(LICHEN_U32, "or", .fallback = 0),
};
enum { MASK_PARAMS = sizeof(mask_params) / sizeof(mask_params[0]) };

enum { GUEST_PAGE_SIZE = 4096 };

/*
 * The value of `node` (NULL: the fallback) as `param` says, with `subject` in
 * front of its name in faults.  Returns 0 where it is good.
 */
static int bind_scalar(struct fw_load *load, const char *subject, const struct fw_node *node,
		       const struct lichen_param *param, uint64_t *number)
{
	char why[FW_WHY_SIZE], brief[FW_BRIEF_SIZE];

	*number = param->fallback;
	if (!node)
		return 0;
	if (node->type != FW_NODE_SCALAR)
		fw_diag(load->diags, node->mark, "%s%s: %s, not a single value", subject,
			param->name, fw_node_type_name(node));
	else if (fw_scalar_read(param, node->text, number, why))
		fw_diag(load->diags, node->mark, "%s%s %s: %s", subject, param->name,
			node->text[0] ? fw_brief(node->text, brief) : "\"\"", why);
	else
		return 0;
	return -1;
}

static void bind_unknown_key(struct fw_load *load, const char *subject,
			     const struct fw_pair *pair, struct fw_nearest *nearest)
{
	char hint[FW_WHY_SIZE], brief[FW_BRIEF_SIZE];

	fw_diag(load->diags, pair->mark, "%sunknown key \"%s\"%s", subject,
		fw_brief(pair->key, brief), fw_nearest_hint(nearest, hint));
}

static void bind_known_keys(struct fw_load *load, const struct fw_node *root)
{
	const uint32_t count = sizeof(bind_keys) / sizeof(bind_keys[0]);

	for (uint32_t i = 0; i < root->count; i++) {
		const struct fw_pair *pair = &root->pairs[i];
		struct fw_nearest nearest = { .word = pair->key };
		uint32_t key = 0;

		while (key < count && strcmp(bind_keys[key], pair->key) != 0)
			fw_nearest_try(&nearest, bind_keys[key++]);
		if (key == count)
			bind_unknown_key(load, "", pair, &nearest);
	}
}

/* The file's name without its folder and .yaml, as far as a name may be so. */
static char *bind_default_name(struct fw_load *load)
{
	const char *file = load->options->file;
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	size_t size = strlen(base);
	char *name;

	if (size > 5 && strcmp(base + size - 5, ".yaml") == 0)
		size -= 5;
	if (size >= FW_ID_SIZE)
		size = FW_ID_SIZE - 1;
	name = fw_arena_copy(load->arena, base, size);
	for (char *c = name; c && *c; c++) {
		const char one[] = { 'a', *c, '\0' };

		if (!fw_id_valid(one))
			*c = '-';
	}
	if (name && !fw_id_valid(name))
		name = fw_arena_copy(load->arena, "vm", 2);
	return name;
}

static void bind_name(struct fw_load *load, const struct fw_node *node)
{
	struct fw_profile *profile = &load->p->profile;
	const char *text = fw_node_text(node);
	char brief[FW_BRIEF_SIZE];

	if (!node)
		profile->name = bind_default_name(load);
	else if (!text)
		fw_diag(load->diags, node->mark, "name: %s, not a single value",
			fw_node_type_name(node));
	else if (!fw_id_valid(text))
		fw_diag(load->diags, node->mark,
			"name \"%s\": not a letter or digit and up to %d more of them, - and _",
			fw_brief(text, brief), FW_ID_SIZE - 2);
	else
		profile->name = fw_arena_copy(load->arena, text, strlen(text));
}

static void bind_mask_map(struct fw_load *load, const char *subject, const struct fw_node *node,
			  struct fw_mask *mask)
{
	uint64_t numbers[MASK_PARAMS];

	for (uint32_t i = 0; i < node->count; i++) {
		struct fw_nearest nearest = { .word = node->pairs[i].key };
		uint32_t key = 0;

		while (key < MASK_PARAMS && strcmp(mask_params[key].name, nearest.word) != 0)
			fw_nearest_try(&nearest, mask_params[key++].name);
		if (key == MASK_PARAMS)
			bind_unknown_key(load, subject, &node->pairs[i], &nearest);
	}
	for (uint32_t i = 0; i < MASK_PARAMS; i++) {
		const struct fw_node *value = fw_node_get(node, mask_params[i].name);

		if (!value && (mask_params[i].flags & LICHEN_PARAM_REQUIRED))
			fw_diag(load->diags, node->mark, "%s%s is missing", subject,
				mask_params[i].name);
		(void)bind_scalar(load, subject, value, &mask_params[i], &numbers[i]);
	}
	mask->leaf = (uint32_t)numbers[0];
	mask->index = (uint32_t)numbers[1];
	mask->reg = (enum fw_register)numbers[2];
	mask->and_ = (uint32_t)numbers[3];
	mask->or_ = (uint32_t)numbers[4];
}

static void bind_mask(struct fw_load *load, const struct fw_node *node, struct fw_mask *mask)
{
	const char *nearest = NULL;
	char subject[32], brief[FW_BRIEF_SIZE];

	(void)snprintf(subject, sizeof(subject), "cpu.mask[%u]: ", node->index);
	if (node->type == FW_NODE_MAP)
		bind_mask_map(load, subject, node, mask);
	else if (node->type != FW_NODE_SCALAR)
		fw_diag(load->diags, node->mark,
			"%sa list, not \"+name\", \"-name\" or a mapping", subject);
	else if ((node->text[0] != '-' && node->text[0] != '+') || !node->text[1])
		fw_diag(load->diags, node->mark, "%s\"%s\": neither \"+name\" nor \"-name\"",
			subject, fw_brief(node->text, brief));
	else if (fw_cpuid_feature(node->text, mask, &nearest))
		fw_diag(load->diags, node->mark, "%sunknown feature \"%s\"%s%s%s", subject,
			fw_brief(node->text + 1, brief), nearest ? ", did you mean \"" : "",
			nearest ? nearest : "", nearest ? "\"" : "");
	mask->mark = node->mark;
}

static void bind_cpu(struct fw_load *load, const struct fw_node *cpu)
{
	struct fw_profile *profile = &load->p->profile;
	const struct fw_node *list;

	if (!cpu || fw_node_empty(cpu))
		return;
	if (cpu->type != FW_NODE_MAP) {
		fw_diag(load->diags, cpu->mark, "cpu: %s, not a mapping",
			fw_node_type_name(cpu));
		return;
	}
	for (uint32_t i = 0; i < cpu->count; i++) {
		struct fw_nearest nearest = { .word = cpu->pairs[i].key };

		fw_nearest_try(&nearest, "mask");
		if (strcmp(nearest.word, "mask") != 0)
			bind_unknown_key(load, "cpu: ", &cpu->pairs[i], &nearest);
	}
	list = fw_node_get(cpu, "mask");
	if (!list || fw_node_empty(list))
		return;
	if (list->type != FW_NODE_LIST) {
		fw_diag(load->diags, list->mark, "cpu.mask: %s, not a list",
			fw_node_type_name(list));
		return;
	}
	profile->masks = fw_arena_get(load->arena, list->count * sizeof(*profile->masks));
	if (!profile->masks)
		return;
	profile->mask_count = list->count;
	for (uint32_t i = 0; i < list->count; i++)
		bind_mask(load, list->items[i], &profile->masks[i]);
}

static void bind_memory(struct fw_load *load, const struct fw_node *root)
{
	struct fw_profile *profile = &load->p->profile;
	struct fw_node *memory = fw_node_get(root, "memory");
	const struct fw_node *size = fw_node_get(memory, "size");
	char brief[FW_BRIEF_SIZE];

	profile->memory_mark = size	? size->mark
			       : memory ? memory->mark
					: (struct fw_mark){ 0 };
	if (!bind_scalar(load, "memory: ", size, &size_param, &profile->memory_size) && size &&
	    profile->memory_size % GUEST_PAGE_SIZE)
		fw_diag(load->diags, size->mark, "memory: size %s: not a multiple of 4K",
			fw_brief(size->text, brief));
	if (!memory || fw_node_empty(memory))
		memory = fw_node_new(load, FW_NODE_MAP, memory ? memory->mark : root->mark);
	if (memory)
		load->p->memory =
			fw_instance_add(load, memory, FW_PLACE_MEMORY, "memory", NULL);
}

static void bind_boot(struct fw_load *load, const struct fw_node *root)
{
	struct fw_node *boot = fw_node_get(root, "boot");

	if (boot)
		load->p->boot = fw_instance_add(load, boot, FW_PLACE_BOOT, "boot", NULL);
	else if (!load->unread)
		fw_diag(load->diags, root->mark,
			"boot is missing: nothing says what the guest starts with");
}

/* The list under `key`, or NULL: absent, empty or told. */
static const struct fw_node *bind_list(struct fw_load *load, const struct fw_node *root,
				       const char *key)
{
	const struct fw_node *list = fw_node_get(root, key);

	if (!list || fw_node_empty(list))
		return NULL;
	if (list->type == FW_NODE_LIST)
		return list;
	fw_diag(load->diags, list->mark, "%s: %s, not a list", key, fw_node_type_name(list));
	return NULL;
}

static void bind_instances(struct fw_load *load, const struct fw_node *root, const char *key,
			   enum fw_place place)
{
	const struct fw_node *list = bind_list(load, root, key);

	for (uint32_t i = 0; list && i < list->count; i++) {
		struct fw_node *entry = list->items[i];
		char *path = fw_arena_print(load->arena, "%s[%u]", key, entry->index);

		if (path)
			(void)fw_instance_add(load, entry, place, path, NULL);
	}
}

static void bind_symbiotic(struct fw_load *load, const struct fw_node *root)
{
	load->p->profile.symbiotic = fw_node_get(root, "symbiotic") != NULL;
	bind_instances(load, root, "symbiotic", FW_PLACE_SYMBIOTIC);
}

static enum fw_policy bind_policy(struct fw_load *load, const struct fw_node *root,
				  const struct lichen_param *param)
{
	uint64_t number;

	(void)bind_scalar(load, "", fw_node_get(root, param->name), param, &number);
	return (enum fw_policy)number;
}

void fw_bind(struct fw_load *load, struct fw_node *root)
{
	struct fw_profile *profile = &load->p->profile;
	const struct fw_node *cpus = fw_node_get(root, "cpus");
	const struct fw_node *paging = fw_node_get(root, "paging");
	uint64_t number;

	bind_known_keys(load, root);
	bind_name(load, fw_node_get(root, "name"));
	(void)bind_scalar(load, "", cpus, &cpus_param, &number);
	profile->cpus = (uint32_t)number;
	if (cpus)
		profile->cpus_mark = cpus->mark;
	(void)bind_scalar(load, "", paging, &paging_param, &number);
	profile->paging = (enum fw_paging)number;
	if (paging)
		profile->paging_mark = paging->mark;
	profile->on_reboot = bind_policy(load, root, &on_reboot_param);
	profile->on_crash = bind_policy(load, root, &on_crash_param);
	profile->on_panic = bind_policy(load, root, &on_panic_param);
	bind_cpu(load, fw_node_get(root, "cpu"));
	bind_memory(load, root);
	bind_instances(load, root, "backends", FW_PLACE_BACKENDS);
	bind_instances(load, root, "devices", FW_PLACE_DEVICES);
	bind_boot(load, root);
	bind_symbiotic(load, root);
	fw_instance_name_all(load);
	fw_param_bind_all(load);
}
