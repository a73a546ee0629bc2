/* SPDX-License-Identifier: MIT */
/*
 * interface.h: how instances offer one another functions.
 *
 * An interface is a struct of functions with a name and a revision,
 * "lichen.char/1"; third parties use "org.example.name/1".  Its functions take
 * (self, client, ...): the provider's instance and a number that tells its
 * consumers apart.  Classes declare what they provide and need; the host ties
 * them, orders creation by them, and refuses cycles.
 *
 * A consumer never keeps the provider's table.  It reads the host-owned link
 * between host->enter() and host->leave(), which pin the provider and take its
 * lock.  The other way, provider to consumer, goes host->post().
 */
#ifndef LICHEN_INTERFACE_H
#define LICHEN_INTERFACE_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Owned by the host, valid until destroy of the consumer returns; the host
 * re-points it when the provider is reloaded and empties it (ops NULL) when the
 * provider goes.  Only read it between enter and leave.
 */
struct lichen_link {
	uint32_t struct_size;
	uint32_t _pad;
	const void *ops;     /* the interface's struct */
	void *self;	     /* first argument of each function */
	uint64_t client;     /* second argument of each function */
	uint64_t generation; /* changes when ops or self do */
};

/* Provides are named by id; a class provides an id once. */
struct lichen_provide {
	uint32_t struct_size;
	uint32_t ops_size; /* bytes of *ops */
	const char *id;
	const void *ops;
};

#define LICHEN_PROVIDE(id_, ops_)                                                         \
	{                                                                                 \
		LICHEN_STRUCT(struct lichen_provide), .ops_size = (uint32_t)sizeof(ops_), \
						      .id = (id_), .ops = &(ops_)         \
	}

enum lichen_need_flag {
	LICHEN_NEED_OPTIONAL = 1 << 0, /* the link stays empty where nobody provides it */
	LICHEN_NEED_MANY = 1 << 1,     /* every provider; read with host->link_at() */
};

/*
 * Needs are named by their index in the class's table, from 0.  Without `key`,
 * the VM's only provider is meant; several are an error unless MANY.  With
 * `key`, the instance's YAML entry names it: `key: { plugin: ... }` makes one
 * of its own, `key: id` names another instance.  An unknown flag: the plugin is
 * refused (-LICHEN_ENOTSUP).
 */
struct lichen_need {
	uint32_t struct_size;
	uint32_t flags; /* enum lichen_need_flag */
	const char *id;
	const char *key; /* NULL: any instance of the VM */
	uint32_t offset; /* of a `const struct lichen_link *`; LICHEN_NO_MEMBER: order only */
	uint32_t _pad;
	uint64_t cookie;  /* passed to the class's event callback */
	const char *help; /* one line; NULL only without key */
};

#define LICHEN_NO_MEMBER UINT32_MAX

#ifdef __cplusplus
}
#endif

#endif
