/* SPDX-License-Identifier: MIT */
/*
 * ask FOLDER NAME METHOD [PARAMETERS [FILE]]: calls a method of VM NAME, FILE's descriptor
 * going with it, and prints the answer's line.  Status 0: it has a result.
 */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "talk.h"

int main(int argc, char **argv)
{
	static struct talk talk;
	const char *params = argc > 4 ? argv[4] : "{}";
	char line[4096];
	int size, file = -1;

	if (argc < 4)
		return 2;
	if (argc > 5 && (file = open(argv[5], O_RDONLY | O_CLOEXEC)) < 0)
		return 2;
	talk_open(&talk, argv[1], argv[2]);
	talk.wait_ms = 60000; /* an emulated machine on a busy one is slow */
	size = snprintf(line, sizeof(line),
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n",
			argv[3], params);
	if (size < 0 || (size_t)size >= sizeof(line))
		return 2;
	talk_send(&talk, line, (size_t)size, file);
	for (const char *answer = talk_line(&talk); answer; answer = talk_line(&talk)) {
		json_t *json = json_loads(answer, 0, NULL);
		const int ours = json_integer_value(json_object_get(json, "id")) == 1;
		const int good = json_object_get(json, "result") != NULL;

		json_decref(json);
		if (!ours)
			continue; /* an event */
		puts(answer);
		return !good;
	}
	return 3;
}
