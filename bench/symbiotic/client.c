/* SPDX-License-Identifier: MIT */
/*
 * bench-client: what linux.sh asks of a guest from outside.  Prints ns, one figure a line.
 *
 *	bench-client call FOLDER VM MODE TIMES	calls lichen.null; what the VMM measures
 *	bench-client trip FOLDER VM MODE TIMES	the same; until the client has the answer
 *	bench-client push FOLDER VM FILE NAME TIMES	pushes a module, and drops it; as trip
 *	bench-client ping SOCKET TIMES		guest-ping of qemu-guest-agent; as trip
 */
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "measure.h"
#include "talk.h"

static struct talk talk;

static void call(const char *mode, int times, int trip)
{
	char params[128];

	(void)snprintf(params, sizeof(params), "{\"function\":\"lichen.null\",\"mode\":\"%s\"}",
		       mode);
	for (int i = 0; i < times; i++) {
		const double start = now_ns();
		json_t *result = talk_call(&talk, "symcall.call", params);
		const double ns = now_ns() - start;
		const char *inside = json_string_value(json_object_get(result, "ns"));

		must(result && json_integer_value(json_object_get(result, "status")) == 0,
		     "the call failed");
		if (trip)
			printf("%.0f\n", ns);
		else
			printf("%llu\n", strtoull(inside, NULL, 0));
		json_decref(result);
	}
}

static void push(const char *file, const char *name, int times)
{
	char line[256];

	for (int i = 0; i < times; i++) {
		const int fd = open(file, O_RDONLY | O_CLOEXEC);
		const double start = now_ns();
		const char *answer;
		json_t *dropped;

		must(fd >= 0, file);
		(void)snprintf(
			line, sizeof(line),
			"{\"jsonrpc\":\"2.0\",\"id\":\"push\",\"method\":\"symmod.push\","
			"\"params\":{\"name\":\"%s\"}}\n",
			name);
		talk_send(&talk, line, strlen(line), fd);
		answer = talk_line(&talk);
		printf("%.0f\n", now_ns() - start);
		must(answer && strstr(answer, "\"result\""), answer ? answer : "no answer");
		(void)close(fd);
		(void)snprintf(line, sizeof(line), "{\"name\":\"%s\"}", name);
		dropped = talk_call(&talk, "symmod.drop", line);
		must(dropped != NULL, "it is not dropped");
		json_decref(dropped);
	}
}

static void ping(const char *path, int times)
{
	static const char request[] = "{\"execute\":\"guest-ping\"}\n";
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	must(strlen(path) < sizeof(address.sun_path), path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	talk.socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(connect(talk.socket, (const struct sockaddr *)&address, sizeof(address)) == 0,
	     path);
	for (int i = 0; i < times; i++) {
		const double start = now_ns();

		talk_send(&talk, request, sizeof(request) - 1, -1);
		must(talk_line(&talk) != NULL, "no answer to a ping");
		printf("%.0f\n", now_ns() - start);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const int times = argc > 1 ? atoi(argv[argc - 1]) : 0;

	if (argc == 4 && strcmp(what, "ping") == 0) {
		ping(argv[2], times);
		return 0;
	}
	if (argc < 6)
		return 2;
	talk_open(&talk, argv[2], argv[3]);
	if (argc == 7 && strcmp(what, "push") == 0)
		push(argv[4], argv[5], times);
	else if (argc == 6 && (strcmp(what, "call") == 0 || strcmp(what, "trip") == 0))
		call(argv[4], times, what[0] == 't');
	else
		return 2;
	talk_close(&talk);
	return 0;
}
