/* SPDX-License-Identifier: MIT */
/*
 * profile_tree.h: what the profile_*.c files share: the tree that a YAML text
 * becomes, the arena it lives in, and the state of one fw_profile_load().
 *
 * Nothing in an arena is freed before all of it is.  An allocation that fails
 * leaves arena.failed set, which fw_profile_load() turns into -LICHEN_ENOMEM, so
 * that the functions here only have to stop.
 */
#ifndef FW_PROFILE_TREE_H
#define FW_PROFILE_TREE_H

#include <stddef.h>
#include <sys/types.h>

#include "profile.h"

/* A profile comes from elsewhere: bounds on what it may make us do. */
enum {
	FW_FILE_SIZE_MAX = 1 << 20, /* bytes of one file or override */
	FW_FILES_MAX = 64,	    /* files of one profile */
	FW_INCLUDE_DEPTH_MAX = 8,   /* the profile itself is at depth 0 */
	FW_NODES_MAX = 100000,	    /* of all files together */
	FW_DEPTH_MAX = 32,	    /* of lists and mappings in one another */
	FW_KEYS_MAX = 1024,	    /* of one mapping */
	FW_ID_SIZE = 64,	    /* of an id or the VM's name, with its NUL */
	FW_BRIEF_SIZE = 64,	    /* of a value quoted in a sentence, with its NUL */
	FW_WHY_SIZE = 256,	    /* of a reason, with its NUL */
};

struct fw_chunk;
struct fw_extension; /* instances that came together, and their memory */

struct fw_arena {
	struct fw_chunk *chunks;
	int failed; /* an allocation has failed */
};

/* Zeroed and aligned for any type; NULL: no memory. */
void *fw_arena_get(struct fw_arena *arena, size_t size);
/* The first `size` bytes of `from` and a NUL. */
char *fw_arena_copy(struct fw_arena *arena, const char *from, size_t size);
__attribute__((format(printf, 2, 3))) char *fw_arena_print(struct fw_arena *arena,
							   const char *format, ...);
void fw_arena_clear(struct fw_arena *arena);

enum fw_node_type { FW_NODE_SCALAR = 1, FW_NODE_LIST = 2, FW_NODE_MAP = 3 };

struct fw_node;

struct fw_pair {
	const char *key;
	struct fw_mark mark; /* of the key */
	struct fw_node *value;
};

struct fw_node {
	enum fw_node_type type;
	struct fw_mark mark;
	const char *text;	/* SCALAR: never NULL */
	uint32_t plain;		/* SCALAR: written without quotes */
	struct fw_pair *pairs;	/* MAP, keys unique */
	struct fw_node **items; /* LIST */
	uint32_t count, room;	/* of pairs or items */
	uint32_t index;		/* in the list of the file that it was written in */
	const char *id;		/* entry of a list of instances: its id, given or by default */
};

/* Where an instance stands in the profile. */
enum fw_place {
	FW_PLACE_MEMORY = 1,
	FW_PLACE_BACKENDS = 2,
	FW_PLACE_DEVICES = 3,
	FW_PLACE_BOOT = 4,
	FW_PLACE_NESTED = 5, /* in a need's key of `parent` */
	FW_PLACE_SYMBIOTIC = 6,
};

struct fw_instance {
	struct fw_spec spec; /* first: a spec's address is its instance's */
	enum fw_place place;
	struct fw_instance *parent;
	struct fw_extension *extension; /* that it came with; NULL: with the profile */
	struct fw_node *node;
	const char *id_given;		/* NULL: it takes a default one */
	const char *pin;		/* NULL: none */
	struct fw_instance **nested;	/* one a declared need; NULL: none of its own */
	struct fw_node **values;	/* one a declared parameter; NULL: absent */
	uint8_t *bad;			/* one a declared parameter; 1: its value was refused */
	const struct fw_instance *twin; /* the one whose spec is bound anew in this one */
	uint32_t waiting;		/* ordering: providers that have no place yet */
	uint32_t placed;		/* ordering: 1 has its place */
	uint32_t visited;		/* ordering: step of the search for a circle */
};

struct fw_opened {
	const char *name, *pin;
	struct ld_plugin *plugin; /* NULL: refused, and `status` and `why` say so */
	lichen_status status;
	const char *why;
};

/* What fw_profile.private_ points to; one allocation owns the profile. */
struct fw_profile_private {
	struct fw_profile profile;
	struct fw_arena arena;
	const struct fw_node *root;			 /* the composed tree */
	struct fw_instance *instances[FW_INSTANCES_MAX]; /* in the order of the text */
	uint32_t instance_count;
	int full;				 /* there were more, told once */
	struct fw_spec *order[FW_INSTANCES_MAX]; /* profile.specs */
	struct fw_instance *memory, *boot;
};

/* One fw_profile_load() or fw_profile_extend() under way. */
struct fw_load {
	const struct fw_profile_options *options;
	struct fw_profile_private *p;
	const struct fw_offer *offers;
	struct fw_extension *extension; /* that instances come with; NULL: the profile */
	uint32_t from;			/* instances before this one are not of this load */
	struct fw_arena *arena;		/* p's, or the extension's */
	struct fw_diags *diags;
	const char *folder; /* the current one; "" where it is unknown */
	uint32_t nodes;	    /* made so far */
	struct {
		dev_t device;
		ino_t inode;
	} files[FW_FILES_MAX]; /* read so far */
	uint32_t file_count;
	int unread;	/* a file could not be read: what seems to be missing may be there */
	int incomplete; /* that, or a plugin did not open */
	struct fw_opened opened[FW_INSTANCES_MAX]; /* until the load is over */
	uint32_t opened_count;
};

/* Marks of overrides have this very pointer as file; line: which one, from 1. */
extern const char fw_set_file[];

/* --- profile.c --- */
/* The current folder with a slash behind it, for FILEs; "" where it has no name. */
const char *fw_profile_folder(struct fw_arena *arena);

/* --- profile_tree.c --- */
struct fw_node *fw_node_new(struct fw_load *load, enum fw_node_type type, struct fw_mark mark);
/* 0, or -1: no memory. */
int fw_node_add_item(struct fw_load *load, struct fw_node *list, struct fw_node *item);
int fw_node_add_pair(struct fw_load *load, struct fw_node *map, const char *key,
		     struct fw_mark mark, struct fw_node *value);
/* NULL: map is NULL or no mapping, or has no such key. */
struct fw_pair *fw_node_pair(const struct fw_node *map, const char *key);
struct fw_node *fw_node_get(const struct fw_node *map, const char *key);
/* The scalar's text, or NULL. */
const char *fw_node_text(const struct fw_node *node);
/* `key:` with nothing behind it. */
int fw_node_empty(const struct fw_node *node);
/* "a list", "a mapping", "text". */
const char *fw_node_type_name(const struct fw_node *node);

/* The candidate most like `word`: set word, try all, read best (NULL: none is like it). */
struct fw_nearest {
	const char *word;
	const char *best;
	uint32_t distance;
};
void fw_nearest_try(struct fw_nearest *nearest, const char *candidate);
/* ", did you mean "best"" or "". */
const char *fw_nearest_hint(const struct fw_nearest *nearest, char hint[static FW_WHY_SIZE]);

/* A value for a sentence: cut at a character, with "..." where it is long. */
const char *fw_brief(const char *text, char brief[static FW_BRIEF_SIZE]);

/* --- profile_yaml.c --- */
/*
 * The tree of one YAML document; NULL: a fault was told or there is no memory.
 * origin: what the first character's place is.
 */
struct fw_node *fw_yaml_parse(struct fw_load *load, const char *text, size_t size,
			      struct fw_mark origin);

/* --- profile.c --- */
/* The current folder with a slash behind it, for FILEs; "" where it has no name. */
const char *fw_profile_folder(struct fw_arena *arena);

/* --- profile_extend.c --- */
void fw_extension_free(struct fw_extension *extension);

/* --- profile_compose.c --- */
/* The profile with its includes and overrides, a mapping; NULL as above. */
struct fw_node *fw_compose(struct fw_load *load);

/* --- profile_merge.c --- */
/* Puts the keys of `over` over those of `base`; both are whole profiles. */
void fw_merge_profile(struct fw_load *load, struct fw_node *base, struct fw_node *over);
/* Override `number` (from 1), "a.b.c=value". */
void fw_merge_set(struct fw_load *load, struct fw_node *root, const char *text,
		  uint32_t number);

/* --- profile_scalar.c --- */
/*
 * Reads `text` as `param` says (any type but TEXT and FILE: their number is 0
 * and their length is checked).  0, or -1 and the reason in `why`.
 */
int fw_scalar_read(const struct lichen_param *param, const char *text, uint64_t *number,
		   char why[static FW_WHY_SIZE]);
/* Writes a number as fw_scalar_read() reads it; the choice's name for CHOICE. */
void fw_scalar_write(const struct lichen_param *param, uint64_t number,
		     char text[static FW_WHY_SIZE]);
/* Bounds of an integer; those of signed types as int64_t. */
void fw_scalar_bounds(const struct lichen_param *param, uint64_t *min, uint64_t *max);
/* The next of the items of a LIST (LICHEN_PARAM_LIST), NUL-ended, from *at on, which is moved
 * past it; NULL: no more, or no memory.  The caller frees it. */
char *fw_list_next(const char **at);
/* Whether a value lies within the declared bounds. */
int fw_scalar_fits(const struct lichen_param *param, uint64_t number, const char *text);

/* --- profile_bind.c --- */
/* Top-level keys; instances in p->instances. */
void fw_bind(struct fw_load *load, struct fw_node *root);

/* --- profile_instance.c --- */
/* Opens the plugin of the entry and enters it, and what is nested in it. */
struct fw_instance *fw_instance_add(struct fw_load *load, struct fw_node *node,
				    enum fw_place place, const char *path,
				    struct fw_instance *parent);
/* Memory for what the instance's class declares; 0, or -1: none left. */
int fw_instance_room(struct fw_load *load, struct fw_instance *instance);
/*
 * Closes what the instance has open: its plugin and files that were given.  0, or
 * -LICHEN_EBUSY: the plugin stays mapped, and `why` says by what.
 */
lichen_status fw_instance_close(struct fw_instance *instance, struct ld_error *why);
/* What a load has opened and no instance took. */
void fw_load_close(struct fw_load *load);
/* Gives every instance of the load its id. */
void fw_instance_name_all(struct fw_load *load);
/* 1: a name or id that profiles take: [A-Za-z0-9][A-Za-z0-9_-]*, at most 63 bytes. */
int fw_id_valid(const char *text);

/* --- profile_param.c --- */
/* Types the parameters of the load's instances. */
void fw_param_bind_all(struct fw_load *load);
void fw_param_bind(struct fw_load *load, struct fw_instance *instance);

/* --- profile_rebind.c --- */
/* Frees what a spec that was bound anew lies in. */
void fw_rebound_clear(struct fw_spec *spec);

/* --- profile_clash.c --- */
void fw_clash(struct fw_load *load);

/* --- profile_order.c --- */
/* Ties the needs of the load's instances to providers. */
void fw_tie_all(struct fw_load *load);
void fw_tie_instance(struct fw_load *load, struct fw_instance *instance);
/* Ties what earlier instances need MANY of to the load's instances; and the opposite. */
void fw_tie_many(struct fw_load *load);
void fw_untie_many(struct fw_profile_private *p, const struct fw_spec *provider);
/* Fills profile.specs anew. */
void fw_order(struct fw_load *load);

static inline const struct lichen_param *fw_param(const struct lichen_class *class,
						  uint32_t index)
{
	return (const struct lichen_param *)class->params.items + index;
}

static inline const struct lichen_need *fw_need(const struct lichen_class *class,
						uint32_t index)
{
	return (const struct lichen_need *)class->needs.items + index;
}

#endif
