/* SPDX-License-Identifier: MIT */
/*
 * profile_yaml.c: from YAML text to a tree that keeps the place of every node.
 *
 * Anchors, aliases and tags are refused: the one lets a small text stand for an
 * endless tree, the other would type scalars that the declarations type.
 */
#include <string.h>

#include <yaml.h>

#include "profile_tree.h"

struct reader {
	struct fw_load *load;
	yaml_parser_t parser;
	const char *text; /* all of it */
	size_t size;
	struct fw_mark origin;
};

static struct fw_mark reader_mark(const struct reader *r, yaml_mark_t at)
{
	struct fw_mark mark = r->origin;

	if (mark.file == fw_set_file) {
		/* Its line says which override it is. */
		mark.column += (uint32_t)at.index;
		return mark;
	}
	mark.column += (uint32_t)at.column;
	mark.line += (uint32_t)at.line;
	return mark;
}

/* libyaml gives the place of text that is no UTF-8 as a number of bytes. */
static yaml_mark_t reader_byte_mark(const struct reader *r, size_t offset)
{
	yaml_mark_t at = { 0 };

	for (size_t i = 0; i < offset && i < r->size; i++) {
		if (r->text[i] == '\n') {
			at.line++;
			at.column = 0;
		} else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
			at.column++;
			at.index++;
		}
	}
	return at;
}

static void reader_fault(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "not to be read";

	switch (p->error) {
	case YAML_MEMORY_ERROR:
		r->load->arena->failed = 1;
		break;
	case YAML_READER_ERROR:
		fw_diag(r->load->diags, reader_mark(r, reader_byte_mark(r, p->problem_offset)),
			"not YAML text: %s", problem);
		break;
	default:
		fw_diag(r->load->diags, reader_mark(r, p->problem_mark), "not YAML: %s%s%s",
			p->context ? p->context : "", p->context ? ", " : "", problem);
		break;
	}
}

/* 0, or -1: told. */
static int reader_next(struct reader *r, yaml_event_t *event)
{
	if (yaml_parser_parse(&r->parser, event))
		return 0;
	reader_fault(r);
	return -1;
}

static struct fw_node *reader_node(struct reader *r, yaml_event_t *event, uint32_t depth);

static struct fw_node *reader_scalar(struct reader *r, const yaml_event_t *event,
				     struct fw_mark mark)
{
	struct fw_node *node = fw_node_new(r->load, FW_NODE_SCALAR, mark);
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;

	if (!node)
		return NULL;
	if (memchr(text, '\0', size))
		fw_diag(r->load->diags, mark, "text has a NUL in it");
	node->text = fw_arena_copy(r->load->arena, text, size);
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return node->text ? node : NULL;
}

static struct fw_node *reader_list(struct reader *r, struct fw_mark mark, uint32_t depth)
{
	struct fw_node *list = fw_node_new(r->load, FW_NODE_LIST, mark);

	while (list) {
		yaml_event_t event;
		struct fw_node *item;

		if (reader_next(r, &event))
			return NULL;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return list;
		}
		item = reader_node(r, &event, depth + 1);
		if (!item)
			return NULL;
		item->index = list->count;
		if (fw_node_add_item(r->load, list, item))
			return NULL;
	}
	return NULL;
}

/* Enters a key with its value; a key that is there or is no text is told and left out. */
static int reader_pair(struct reader *r, struct fw_node *map, const struct fw_node *key,
		       struct fw_node *value)
{
	char brief[FW_BRIEF_SIZE];
	const struct fw_pair *first;

	if (key->type != FW_NODE_SCALAR) {
		fw_diag(r->load->diags, key->mark, "a key is %s, not text",
			fw_node_type_name(key));
		return 0;
	}
	first = fw_node_pair(map, key->text);
	if (first) {
		fw_diag(r->load->diags, key->mark,
			"key \"%s\" is there twice, first in line %u",
			fw_brief(key->text, brief), first->mark.line);
		return 0;
	}
	if (map->count >= FW_KEYS_MAX) {
		fw_diag(r->load->diags, key->mark, "a mapping of more than %d keys",
			FW_KEYS_MAX);
		return -1;
	}
	return fw_node_add_pair(r->load, map, key->text, key->mark, value);
}

static struct fw_node *reader_map(struct reader *r, struct fw_mark mark, uint32_t depth)
{
	struct fw_node *map = fw_node_new(r->load, FW_NODE_MAP, mark);

	while (map) {
		yaml_event_t event;
		struct fw_node *key, *value;

		if (reader_next(r, &event))
			return NULL;
		if (event.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&event);
			return map;
		}
		key = reader_node(r, &event, depth + 1);
		if (!key || reader_next(r, &event))
			return NULL;
		value = reader_node(r, &event, depth + 1);
		if (!value || reader_pair(r, map, key, value))
			return NULL;
	}
	return NULL;
}

/* What ends the reading of this text; 0: nothing does. */
static int reader_refuse(struct reader *r, const yaml_event_t *event, struct fw_mark mark,
			 uint32_t depth)
{
	struct fw_diags *diags = r->load->diags;
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (event->type == YAML_SCALAR_EVENT) {
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
	} else if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
	}
	if (anchor || event->type == YAML_ALIAS_EVENT)
		fw_diag(diags, mark, "profiles take no anchors and aliases (& and *)");
	else if (tag)
		fw_diag(diags, mark, "profiles take no tags (!): the plugin declares the type");
	else if (depth >= FW_DEPTH_MAX)
		fw_diag(diags, mark, "nested deeper than %d levels", FW_DEPTH_MAX);
	else if (++r->load->nodes > FW_NODES_MAX)
		fw_diag(diags, mark, "more than %d values in one profile", FW_NODES_MAX);
	else
		return 0;
	return -1;
}

/* Takes over the event.  NULL: told, or no memory. */
static struct fw_node *reader_node(struct reader *r, yaml_event_t *event, uint32_t depth)
{
	struct fw_mark mark = reader_mark(r, event->start_mark);
	yaml_event_type_t type = event->type;
	struct fw_node *node = NULL;

	if (reader_refuse(r, event, mark, depth)) {
		yaml_event_delete(event);
		return NULL;
	}
	if (type == YAML_SCALAR_EVENT)
		node = reader_scalar(r, event, mark);
	yaml_event_delete(event);
	if (type == YAML_SEQUENCE_START_EVENT)
		node = reader_list(r, mark, depth);
	else if (type == YAML_MAPPING_START_EVENT)
		node = reader_map(r, mark, depth);
	return node;
}

/* A text without a value: an empty one, for the caller to judge. */
static struct fw_node *reader_nothing(struct reader *r)
{
	struct fw_node *node = fw_node_new(r->load, FW_NODE_SCALAR, r->origin);

	if (node)
		node->plain = 1;
	return node;
}

/* The tree of the one document. */
static struct fw_node *reader_document(struct reader *r)
{
	struct fw_node *node = NULL;
	yaml_event_t event;
	yaml_event_type_t type;

	for (;;) {
		struct fw_mark mark;

		if (reader_next(r, &event))
			return NULL;
		type = event.type;
		mark = reader_mark(r, event.start_mark);
		switch (type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			yaml_event_delete(&event);
			break;
		case YAML_DOCUMENT_START_EVENT:
			yaml_event_delete(&event);
			if (node) {
				fw_diag(r->load->diags, mark,
					"a second document: a profile is one");
				return NULL;
			}
			break;
		case YAML_STREAM_END_EVENT:
			yaml_event_delete(&event);
			return node ? node : reader_nothing(r);
		default:
			node = reader_node(r, &event, 0);
			if (!node)
				return NULL;
		}
	}
}

struct fw_node *fw_yaml_parse(struct fw_load *load, const char *text, size_t size,
			      struct fw_mark origin)
{
	struct reader r = { .load = load, .text = text, .size = size, .origin = origin };
	struct fw_node *node;

	if (!yaml_parser_initialize(&r.parser)) {
		load->arena->failed = 1;
		return NULL;
	}
	/* Said, so that no byte-order mark makes it UTF-16. */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
	node = reader_document(&r);
	yaml_parser_delete(&r.parser);
	return node;
}
