/* SPDX-License-Identifier: MIT */
/* inspect_json.c: JSON that is safe to print, whatever the text. */
#include <stdlib.h>
#include <string.h>

#include <lichen/inspect.h>

#include "inspect.h"

json_t *fw_json_text(const char *text)
{
	json_t *json = text ? json_string(text) : NULL;
	char *plain;

	if (json || !text)
		return json;
	plain = strdup(text);
	for (char *c = plain; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	json = plain ? json_string(plain) : NULL;
	free(plain);
	return json;
}

/* ASCII only: what a plugin or a profile wrote cannot steer a terminal. */
int fw_json_write(const json_t *json, FILE *to)
{
	char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;

	if (!text)
		return -1;
	(void)fprintf(to, "%s\n", text);
	free(text);
	return 0;
}

void lichen_json_text(const char *text, FILE *to)
{
	json_t *json = fw_json_text(text);

	if (!json || json_dumpf(json, to, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) < 0)
		(void)fputs("\"\"", to);
	json_decref(json);
}
