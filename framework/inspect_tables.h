/* SPDX-License-Identifier: MIT */
/*
 * inspect_tables.h: the tables of a class as JSON.  Each gives an array that
 * json_decref() is owed for, or NULL: no memory.
 */
#ifndef FW_INSPECT_TABLES_H
#define FW_INSPECT_TABLES_H

#include <jansson.h>

#include <lichen/class.h>

json_t *fw_json_params(const struct lichen_class *class);
json_t *fw_json_windows(const struct lichen_class *class);
json_t *fw_json_fields(const struct lichen_table *fields);
json_t *fw_json_provides(const struct lichen_class *class);
json_t *fw_json_needs(const struct lichen_class *class);

#endif
