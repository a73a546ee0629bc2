/* SPDX-License-Identifier: MIT */
/*
 * abi.h: the scalars and shapes that every other header of the plugin ABI is
 * made of.  ABI.md beside this folder holds the rules by which it may grow.
 */
#ifndef LICHEN_ABI_H
#define LICHEN_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * While the major version is 0 the ABI is a draft: a host loads plugins of
 * the minors LICHEN_ABI_MINOR_OLDEST to LICHEN_ABI_MINOR.
 */
#define LICHEN_ABI_MAJOR 0u
#define LICHEN_ABI_MINOR 1u
#define LICHEN_ABI_MINOR_OLDEST 1u

typedef uint64_t lichen_gpa;	/* guest-physical address; never a pointer */
typedef uint64_t lichen_handle; /* names something that the host keeps; 0 names nothing */
typedef int32_t lichen_status;	/* >= 0 good, < 0 one of -LICHEN_E... (status.h) */

/* First initialiser of every struct that has a struct_size. */
#define LICHEN_STRUCT(type) .struct_size = (uint32_t)sizeof(type)

/*
 * A constant table.  There is no sentinel: the reader steps by item_size and
 * zero-fills what an older plugin's items lack.  {NULL, 0, 0} is empty.
 * One of the three structs that never grow (the others: lichen_dev, lichen_note).
 */
struct lichen_table {
	const void *items;
	uint32_t count;
	uint32_t item_size; /* bytes */
};

#define LICHEN_TABLE(array)                                              \
	{                                                                \
		(array), (uint32_t)(sizeof(array) / sizeof((array)[0])), \
			(uint32_t)sizeof((array)[0])                     \
	}

/* Types of parameters and of state fields, as stored in the instance. */
enum lichen_type {
	LICHEN_U8 = 1,
	LICHEN_U16 = 2,
	LICHEN_U32 = 3,
	LICHEN_U64 = 4,
	LICHEN_S8 = 5,
	LICHEN_S16 = 6,
	LICHEN_S32 = 7,
	LICHEN_S64 = 8,
	LICHEN_TEXT = 9,    /* const char *, UTF-8, borrowed until destroy returns */
	LICHEN_BOOL = 10,   /* uint8_t, 0 or 1 */
	LICHEN_CHOICE = 11, /* uint32_t, index into the choices */
	LICHEN_FILE = 12,   /* int32_t descriptor, -1 where not given; see param.h */
	LICHEN_NESTED = 13, /* a struct with fields of its own */
	LICHEN_LIST = 14,   /* an array of structs with a key field */
	LICHEN_BLOB = 15,   /* bytes that the class streams */
};

/* The lichen_type of a scalar member; a member of another type does not compile. */
#ifdef __cplusplus
extern "C++" {
template <typename T> struct lichen_type_of;
template <> struct lichen_type_of<uint8_t> {
	static constexpr uint32_t value = LICHEN_U8;
};
template <> struct lichen_type_of<uint16_t> {
	static constexpr uint32_t value = LICHEN_U16;
};
template <> struct lichen_type_of<uint32_t> {
	static constexpr uint32_t value = LICHEN_U32;
};
template <> struct lichen_type_of<uint64_t> {
	static constexpr uint32_t value = LICHEN_U64;
};
template <> struct lichen_type_of<int8_t> {
	static constexpr uint32_t value = LICHEN_S8;
};
template <> struct lichen_type_of<int16_t> {
	static constexpr uint32_t value = LICHEN_S16;
};
template <> struct lichen_type_of<int32_t> {
	static constexpr uint32_t value = LICHEN_S32;
};
template <> struct lichen_type_of<int64_t> {
	static constexpr uint32_t value = LICHEN_S64;
};
template <> struct lichen_type_of<const char *> {
	static constexpr uint32_t value = LICHEN_TEXT;
};
template <typename T> struct lichen_bare {
	using type = T;
};
template <typename T> struct lichen_bare<T &> {
	using type = T;
};
}
#define LICHEN_TYPE_OF(expression) \
	(lichen_type_of<lichen_bare<decltype(expression)>::type>::value)
#else
#define LICHEN_TYPE_OF(expression) \
	_Generic((expression), uint8_t                                                             \
		 : LICHEN_U8, uint16_t                                                             \
		 : LICHEN_U16, uint32_t                                                            \
		 : LICHEN_U32, uint64_t                                                            \
		 : LICHEN_U64, int8_t                                                              \
		 : LICHEN_S8, int16_t                                                              \
		 : LICHEN_S16, int32_t                                                             \
		 : LICHEN_S32, int64_t                                                             \
		 : LICHEN_S64, const char *                                                        \
		 : LICHEN_TEXT)
#endif

#define LICHEN_MEMBER_SIZE(type, member) ((uint32_t)sizeof(((type *)0)->member))

#ifdef __cplusplus
}
#endif

#endif
