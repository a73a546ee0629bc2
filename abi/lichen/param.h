/* SPDX-License-Identifier: MIT */
/*
 * param.h: the parameters that a class takes from its YAML entry.
 *
 *	static const struct lichen_param foo_params[] = {
 *		LICHEN_PARAM(struct foo, port, .unit = LICHEN_UNIT_PORT, .max = 0xfff8,
 *			     .fallback = 0x3f8, .help = "first of eight I/O ports"),
 *	};
 *
 * The host checks and stores every value before create is called, and derives
 * --help, man pages and the composed profile from the same table.
 */
#ifndef LICHEN_PARAM_H
#define LICHEN_PARAM_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a number means: how it is written in YAML, and what the host checks besides min and max.
 */
enum lichen_unit {
	LICHEN_UNIT_NONE = 0,
	LICHEN_UNIT_BYTES = 1, /* 4096, 64K, 512M, 1G (powers of 1024) */
	LICHEN_UNIT_NS = 2,    /* nanoseconds; written 10ns, 5us, 20ms, 3s, 1min */
	LICHEN_UNIT_PORT = 3,  /* I/O port, 0 to 0xffff */
	LICHEN_UNIT_GPA = 4,   /* guest-physical address */
	LICHEN_UNIT_GSI = 5,   /* interrupt line; two instances clash unless both say SHARED */
};

enum lichen_param_flag {
	LICHEN_PARAM_REQUIRED = 1 << 0,
	LICHEN_PARAM_SHARED = 1 << 1, /* LICHEN_UNIT_GSI: the line may have other claimants */
	/* LICHEN_FILE: how the host opens the path; READ where none is given */
	LICHEN_PARAM_READ = 1 << 2,
	LICHEN_PARAM_WRITE = 1 << 3,
	LICHEN_PARAM_CREATE = 1 << 4,	 /* with WRITE: mode 0600 (umask applies) */
	LICHEN_PARAM_APPEND = 1 << 5,	 /* with WRITE: O_APPEND */
	LICHEN_PARAM_DIRECTORY = 1 << 6, /* a directory, O_PATH */
	LICHEN_PARAM_SOCKET = 1 << 7,	 /* a UNIX stream socket, connected; does not block */
	LICHEN_PARAM_DEVICE = 1 << 8,	 /* a device node; anything else is refused */
	/*
	 * A UNIX stream socket, mode 0600, that listens at the path; does not block.  A
	 * socket that nobody listens at is replaced.  The host removes the name after destroy.
	 */
	LICHEN_PARAM_LISTEN = 1 << 9,
	/* TEXT: a YAML list of texts, or one of them alone; the member is all of them, each
	   ended by a newline; min and max are bytes of that */
	LICHEN_PARAM_LIST = 1 << 10,
};

/* A flag that the host does not know: the plugin is refused (-LICHEN_ENOTSUP). */
struct lichen_param {
	uint32_t struct_size;
	uint32_t type;	  /* enum lichen_type, integers and TEXT, BOOL, CHOICE, FILE */
	const char *name; /* YAML key, [a-z0-9_]+ */
	uint32_t offset;  /* of the member in the instance, bytes */
	uint32_t size;	  /* of the member, bytes */
	uint32_t unit;	  /* enum lichen_unit */
	uint32_t flags;	  /* enum lichen_param_flag */
	uint64_t min; /* least value (signed types: as int64_t); TEXT: least length, bytes */
	uint64_t max; /* greatest value; TEXT: greatest length; 0: as the type allows */
	uint64_t fallback;	     /* value where the key is absent */
	const char *text_fallback;   /* TEXT: the same; NULL: the member stays NULL.  FILE: the
					absolute path where the key is absent; NULL: none */
	struct lichen_table choices; /* CHOICE: of const char * */
	const char *help;	     /* one line, no full stop; never NULL */
};

/* A member of integer or const char * type. */
#define LICHEN_PARAM(type_, member, ...)                                               \
	{                                                                              \
		LICHEN_STRUCT(struct lichen_param),                                    \
			.type = LICHEN_TYPE_OF(((type_ *)0)->member), .name = #member, \
			.offset = (uint32_t)offsetof(type_, member),                   \
			.size = LICHEN_MEMBER_SIZE(type_, member), __VA_ARGS__         \
	}

/* A member whose type says too little: kind is LICHEN_BOOL, LICHEN_CHOICE or LICHEN_FILE. */
#define LICHEN_PARAM_AS(kind, type_, member, ...)                              \
	{                                                                      \
		LICHEN_STRUCT(struct lichen_param),                            \
			.type = (kind), .name = #member,                       \
			.offset = (uint32_t)offsetof(type_, member),           \
			.size = LICHEN_MEMBER_SIZE(type_, member), __VA_ARGS__ \
	}

#ifdef __cplusplus
}
#endif

#endif
