/* SPDX-License-Identifier: MIT */
/* profile_tree.c: arena, nodes, and words that look like one another. */
#include <stdarg.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "profile_tree.h"

struct fw_chunk {
	struct fw_chunk *next;
	size_t used, room; /* bytes of data */
	alignas(max_align_t) unsigned char data[];
};

enum { CHUNK_SIZE = 16384 };

void *fw_arena_get(struct fw_arena *arena, size_t size)
{
	struct fw_chunk *chunk = arena->chunks;
	size_t room;
	void *got;

	if (size > SIZE_MAX / 2) {
		arena->failed = 1;
		return NULL;
	}
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!chunk || chunk->room - chunk->used < size) {
		room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
		chunk = calloc(1, sizeof(*chunk) + room);
		if (!chunk) {
			arena->failed = 1;
			return NULL;
		}
		chunk->room = room;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	got = chunk->data + chunk->used;
	chunk->used += size;
	return got;
}

char *fw_arena_copy(struct fw_arena *arena, const char *from, size_t size)
{
	char *to = fw_arena_get(arena, size + 1);

	if (to)
		memcpy(to, from, size);
	return to;
}

char *fw_arena_print(struct fw_arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length >= 0)
		text = fw_arena_get(arena, (size_t)length + 1);
	if (!text) {
		arena->failed = 1;
		return NULL;
	}
	va_start(arguments, format);
	(void)vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return text;
}

void fw_arena_clear(struct fw_arena *arena)
{
	struct fw_chunk *next;

	for (struct fw_chunk *chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	*arena = (struct fw_arena){ 0 };
}

struct fw_node *fw_node_new(struct fw_load *load, enum fw_node_type type, struct fw_mark mark)
{
	struct fw_node *node = fw_arena_get(load->arena, sizeof(*node));

	if (!node)
		return NULL;
	node->type = type;
	node->mark = mark;
	node->text = "";
	return node;
}

/* A table of twice the room with the same content; what it replaces stays in the arena. */
static void *tree_grow(struct fw_load *load, const void *from, uint32_t count, uint32_t *room,
		       size_t size)
{
	uint32_t more = *room ? *room * 2 : 4;
	void *to = fw_arena_get(load->arena, more * size);

	if (!to)
		return NULL;
	if (count)
		memcpy(to, from, count * size);
	*room = more;
	return to;
}

int fw_node_add_item(struct fw_load *load, struct fw_node *list, struct fw_node *item)
{
	if (list->count == list->room) {
		struct fw_node **items =
			tree_grow(load, list->items, list->count, &list->room, sizeof(*items));

		if (!items)
			return -1;
		list->items = items;
	}
	list->items[list->count++] = item;
	return 0;
}

int fw_node_add_pair(struct fw_load *load, struct fw_node *map, const char *key,
		     struct fw_mark mark, struct fw_node *value)
{
	if (map->count == map->room) {
		struct fw_pair *pairs =
			tree_grow(load, map->pairs, map->count, &map->room, sizeof(*pairs));

		if (!pairs)
			return -1;
		map->pairs = pairs;
	}
	map->pairs[map->count++] = (struct fw_pair){ .key = key, .mark = mark, .value = value };
	return 0;
}

struct fw_pair *fw_node_pair(const struct fw_node *map, const char *key)
{
	if (!map || map->type != FW_NODE_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->count; i++)
		if (strcmp(map->pairs[i].key, key) == 0)
			return &map->pairs[i];
	return NULL;
}

struct fw_node *fw_node_get(const struct fw_node *map, const char *key)
{
	struct fw_pair *pair = fw_node_pair(map, key);

	return pair ? pair->value : NULL;
}

const char *fw_node_text(const struct fw_node *node)
{
	return node && node->type == FW_NODE_SCALAR ? node->text : NULL;
}

int fw_node_empty(const struct fw_node *node)
{
	return node->type == FW_NODE_SCALAR && node->plain && node->text[0] == '\0';
}

const char *fw_node_type_name(const struct fw_node *node)
{
	switch (node->type) {
	case FW_NODE_LIST:
		return "a list";
	case FW_NODE_MAP:
		return "a mapping";
	case FW_NODE_SCALAR:
		break;
	}
	return "text";
}

static uint32_t tree_least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Insertions, deletions, substitutions and swaps of neighbours that turn one
 * word into the other.  Words longer than an id are like nothing.
 */
static uint32_t tree_distance(const char *a, const char *b)
{
	uint32_t rows[3][FW_ID_SIZE + 1];
	size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > FW_ID_SIZE || b_size > FW_ID_SIZE)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= b_size; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= a_size; i++) {
		uint32_t *row = rows[i % 3];
		const uint32_t *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];

		row[0] = i;
		for (uint32_t j = 1; j <= b_size; j++) {
			row[j] = tree_least(above[j - 1] + (a[i - 1] != b[j - 1]),
					    tree_least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = tree_least(row[j], second[j - 2] + 1);
		}
	}
	return rows[a_size % 3][b_size];
}

void fw_nearest_try(struct fw_nearest *nearest, const char *candidate)
{
	size_t size = strlen(nearest->word);
	uint32_t distance = tree_distance(nearest->word, candidate);

	/* A third of the word may differ, but not all of it. */
	if (distance > (size + 2) / 3 || distance >= size)
		return;
	if (nearest->best && distance >= nearest->distance)
		return;
	nearest->best = candidate;
	nearest->distance = distance;
}

const char *fw_nearest_hint(const struct fw_nearest *nearest, char hint[static FW_WHY_SIZE])
{
	hint[0] = '\0';
	if (nearest->best)
		(void)snprintf(hint, FW_WHY_SIZE, ", did you mean \"%s\"", nearest->best);
	return hint;
}

const char *fw_brief(const char *text, char brief[static FW_BRIEF_SIZE])
{
	size_t size = strlen(text);

	if (size < FW_BRIEF_SIZE)
		return text;
	size = FW_BRIEF_SIZE - 4;
	/* Not within a character: continuation bytes are 10xxxxxx. */
	while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	memcpy(brief, text, size);
	memcpy(brief + size, "...", 4);
	return brief;
}
