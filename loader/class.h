/* SPDX-License-Identifier: MIT */
/*
 * class.h: the host's own copy of a plugin's class and its tables, in the sizes
 * that this host knows, checked while it is made.  A plugin is trusted code, so
 * its pointers are followed; what its numbers say is not believed.
 */
#ifndef LD_CLASS_H
#define LD_CLASS_H

#include <stdbool.h>

#include <lichen/class.h>

#include "error.h"

enum {
	LD_ITEMS_MAX = 1024,	/* of one table */
	LD_ITEM_SIZE_MAX = 4096 /* bytes of an item as the plugin has it */
};

struct ld_class; /* the copy and all that its pointers lead to, but texts and functions */

/*
 * Copies and checks `theirs`, whose plugin was compiled with `compiled` bytes
 * of struct lichen_class (from its note) and is of `kind`.  Texts and functions
 * stay the plugin's.  subject names the plugin in sentences.  After success
 * ld_class_free() is owed.  -LICHEN_ENOEXEC: malformed; -LICHEN_ENOTSUP: a flag
 * or shape that this host does not know; -LICHEN_ENOMEM.
 */
lichen_status ld_class_copy(const struct lichen_class *theirs, uint32_t compiled, uint32_t kind,
			    const char *subject, struct ld_class **copy,
			    struct ld_error *error);
const struct lichen_class *ld_class_get(const struct ld_class *copy);
void ld_class_free(struct ld_class *copy); /* NULL: nothing */

/* --- for the files class_*.c --- */

/* A copy in the making. */
struct ld_check {
	struct ld_class *copy;
	struct lichen_class *class; /* the host's, in the copy */
	const char *subject;
	struct ld_error *error;
};

/* `size` zeroed bytes that live as long as the copy, or NULL. */
void *ld_check_allocate(struct ld_check *check, size_t size);

/*
 * Says "SUBJECT: TABLE[INDEX] NAME: " and the rest; name may be NULL.
 * Return -LICHEN_ENOEXEC and -LICHEN_ENOTSUP.
 */
__attribute__((format(printf, 5, 6))) lichen_status ld_check_refuse(struct ld_check *check,
								    const char *table,
								    uint32_t index,
								    const char *name,
								    const char *format, ...);
__attribute__((format(printf, 5, 6))) lichen_status ld_check_unknown(struct ld_check *check,
								     const char *table,
								     uint32_t index,
								     const char *name,
								     const char *format, ...);

/*
 * Replaces *table, the plugin's, by a copy whose items are host_size bytes.
 * name: of the table, in sentences.  The items start with a struct_size.
 */
lichen_status ld_check_table(struct ld_check *check, struct lichen_table *table,
			     uint32_t host_size, const char *name);

/* A host_size copy of a struct that starts with its struct_size; NULL: no memory. */
void *ld_check_struct(struct ld_check *check, const void *theirs, uint32_t host_size);

/* Item `index` of the host's copy of a table. */
void *ld_check_item(const struct lichen_table *table, uint32_t index);

/* [offset, offset + size) lies in the instance, past struct lichen_dev, aligned to `align`. */
bool ld_check_member(const struct ld_check *check, uint64_t offset, uint64_t size,
		     uint32_t align);

/* Bytes of an integer, BOOL or CHOICE, TEXT or FILE; 0: of no fixed size, or unknown. */
uint32_t ld_type_size(uint32_t type);
bool ld_type_is_signed(uint32_t type);
bool ld_type_is_integer(uint32_t type);
/* The greatest value of an integer type; 0 for types without a size. */
uint64_t ld_type_max(uint32_t type);

/* The class's own tables; each replaces the plugin's table in check->class. */
lichen_status ld_check_params(struct ld_check *check);
lichen_status ld_check_windows(struct ld_check *check); /* after the parameters */
lichen_status ld_check_state(struct ld_check *check);
lichen_status ld_check_provides(struct ld_check *check);
lichen_status ld_check_needs(struct ld_check *check); /* after the parameters */

/* The sentence for a class that begins with another size than its note says.  -LICHEN_ENOEXEC.
 */
lichen_status ld_class_misfit(const char *subject, uint32_t size, uint32_t compiled,
			      struct ld_error *error);

#endif
