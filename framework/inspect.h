/* SPDX-License-Identifier: MIT */
/*
 * inspect.h: one walk over a composed profile, for those who tell of it, and JSON
 * without worries.
 */
#ifndef FW_INSPECT_H
#define FW_INSPECT_H

#include <jansson.h>

#include "log.h"
#include "profile.h"

/* One value of a composed profile. */
struct fw_told {
	const char *key;
	const char *text;    /* as the YAML has it */
	uint32_t type;	     /* enum lichen_type; times are LICHEN_TEXT, for their unit */
	uint64_t number;     /* integers (signed ones as int64_t) and BOOL */
	struct fw_mark mark; /* file NULL: a default */
	const char *plugin;  /* whose default it is; NULL: Lichen's own */
};

/* Texts are borrowed for the call. */
struct fw_teller {
	void *context;
	/* A mapping or a list begins.  In a list, key is what overrides call the item. */
	void (*open)(void *context, const char *key, int list);
	void (*tell)(void *context, const struct fw_told *told);
	void (*close)(void *context);
};

/* Every value, in the order of fw_profile_print(); the outermost mapping is not opened. */
void fw_profile_walk(const struct fw_profile *profile, const struct fw_teller *teller);

/* The composed profile; NULL: no memory.  json_decref() is owed. */
json_t *fw_profile_json(const struct fw_profile *profile);

/* Where each value came from and which plugins were opened, a line each, at DEBUG. */
void fw_profile_tell(const struct fw_profile *profile, const struct fw_log *log);

/* A JSON string; bytes that are not UTF-8 become '?'.  NULL: text is NULL, or no memory. */
json_t *fw_json_text(const char *text);

/* How a FILE parameter is opened, as words; flags: enum lichen_param_flag.  NULL: no memory. */
json_t *fw_json_access(uint32_t flags);

/*
 * Writes a value and a newline.  NULL, which stands for "no memory", writes nothing
 * and gives -1; whether `to` takes it is for its owner to see.
 */
int fw_json_write(const json_t *json, FILE *to);

#endif
