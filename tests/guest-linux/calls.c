/* SPDX-License-Identifier: MIT */
/*
 * calls FOLDER NAME COUNT VCPUS: calls functions of VM NAME's Linux guest directly, COUNT times
 * in all, at random moments on random vCPUs, from as many clients as there are vCPUs.  Prints
 * what the calls hit, as symcall counts it.  Status 0: each came back, with the right results.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "talk.h"

enum { DEADLINE_S = 20, PAUSE_US = 2000, KINDS = 4, PEEK = 64, TRIES = 1000 };

static uint64_t random_state;
static uint32_t again; /* calls that the guest put off */

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static void pause_below(uint32_t us)
{
	const struct timespec pause = { .tv_nsec = random_below(us) * 1000L };

	(void)nanosleep(&pause, NULL);
}

/* A member that is a number, as such or as text; else all ones. */
static uint64_t number(const json_t *object, const char *name)
{
	const json_t *member = json_object_get(object, name);
	const char *text = json_string_value(member);

	if (json_is_integer(member))
		return (uint64_t)json_integer_value(member);
	return text ? strtoull(text, NULL, 0) : UINT64_MAX;
}

/*
 * The results of a call of `function` on `vcpu`, the caller's; NULL: it failed, and that is
 * told. The guest may say that it is at a bad place for this: it is asked again.
 */
static json_t *called(struct talk *talk, const char *function, uint32_t vcpu,
		      const char *arguments)
{
	char params[512];
	json_t *result, *results = NULL;
	int status, tries = 0;

	(void)snprintf(params, sizeof(params),
		       "{\"function\":\"%s\",\"mode\":\"direct\",\"vcpu\":%u,"
		       "\"deadline_ns\":%d000000000,\"arguments\":%s}",
		       function, vcpu, DEADLINE_S, arguments);
	for (;;) {
		result = talk_call(talk, "symcall.call", params);
		status = (int)json_integer_value(json_object_get(result, "status"));
		if (!result || status != -EAGAIN || ++tries == TRIES)
			break;
		again++;
		json_decref(result);
		pause_below(PAUSE_US);
	}
	if (result && status == 0)
		results = json_incref(json_object_get(result, "results"));
	if (!results) {
		char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;

		printf("# %s: %s\n", params, text ? text : "refused, or no answer");
		free(text);
	}
	json_decref(result);
	return results;
}

static int echo(struct talk *talk, uint32_t vcpu)
{
	const uint32_t a = random_below(UINT32_MAX), b = random_below(UINT32_MAX);
	char arguments[128], text[32];
	json_t *results;
	int right;

	(void)snprintf(text, sizeof(text), "text %u", random_below(1000));
	(void)snprintf(arguments, sizeof(arguments), "{\"a\":%u,\"b\":%u,\"text\":\"%s\"}", a,
		       b, text);
	results = called(talk, "lichen.echo", vcpu, arguments);
	right = results && number(results, "a") == a && number(results, "b") == b &&
		strcmp(json_string_value(json_object_get(results, "text")), text) == 0;
	json_decref(results);
	return right;
}

/* Who is interrupted; and where its task lies, and a piece of it. */
static int look(struct talk *talk, uint32_t vcpu, int further)
{
	json_t *task = called(talk, "linux.task_at", vcpu, "{\"at\":0}"), *results;
	const char *comm = json_string_value(json_object_get(task, "comm"));
	const uint64_t at = number(task, "task");
	int right = comm && at >> 47 == 0x1ffff;
	char arguments[128];

	if (right && further == 1) {
		(void)snprintf(arguments, sizeof(arguments),
			       "{\"address\":\"0x%" PRIx64 "\",\"space\":0}", at);
		results = called(talk, "linux.translate", vcpu, arguments);
		right = results && number(results, "physical") % 64 == at % 64 &&
			number(results, "page") >= 4096;
		json_decref(results);
	} else if (right && further == 2) {
		(void)snprintf(arguments, sizeof(arguments),
			       "{\"address\":\"0x%" PRIx64 "\",\"size\":%d}", at, PEEK);
		results = called(talk, "linux.read", vcpu, arguments);
		right = results != NULL;
		json_decref(results);
	}
	json_decref(task);
	return right;
}

static int null(struct talk *talk, uint32_t vcpu)
{
	json_t *results = called(talk, "lichen.null", vcpu, "{}");
	const int right = results != NULL;

	json_decref(results);
	return right;
}

static int client(char **argv, uint32_t count, uint32_t vcpus)
{
	static struct talk talk;

	talk_open(&talk, argv[1], argv[2]);
	talk.wait_ms = DEADLINE_S * 2000;
	for (uint32_t done = 0; done < count;) {
		const uint32_t vcpu = random_below(vcpus), kind = random_below(KINDS);
		const int right = kind == 0   ? null(&talk, vcpu)
				  : kind == 1 ? echo(&talk, vcpu)
					      : look(&talk, vcpu, (int)kind - 1);

		if (!right) {
			printf("# wrong after %u calls: kind %u on vCPU %u\n", done, kind,
			       vcpu);
			return 1;
		}
		done += kind < 2 ? 1 : 2;
		pause_below(PAUSE_US);
	}
	printf("# %u calls were put off\n", again);
	talk_close(&talk);
	return 0;
}

/* What the calls hit, one line. */
static int hits(char **argv)
{
	static struct talk talk;
	const char *name;
	json_t *info, *moments, *value;

	talk_open(&talk, argv[1], argv[2]);
	info = talk_call(&talk, "symcall.info", NULL);
	talk_close(&talk);
	if (!info)
		return 1;
	printf("hits: calls=%" PRIu64 " failed=%" PRIu64 " timeouts=%" PRIu64
	       " crashed=%" PRIu64,
	       number(info, "calls"), number(info, "failed"), number(info, "timeouts"),
	       number(info, "crashed"));
	moments = json_object_get(info, "moments");
	json_object_foreach(moments, name, value)
		printf(" %s=%" PRIu64, name, number(moments, name));
	puts("");
	json_decref(info);
	return 0;
}

int main(int argc, char **argv)
{
	const uint32_t count = argc == 5 ? (uint32_t)atoi(argv[3]) : 0;
	const uint32_t vcpus = argc == 5 ? (uint32_t)atoi(argv[4]) : 0;
	int wrong = 0, status;

	if (!count || !vcpus)
		return 2;
	for (uint32_t i = 0; i < vcpus; i++) {
		random_state = (uint64_t)time(NULL) + i;
		(void)fflush(stdout);
		if (fork() == 0)
			exit(client(argv, (count + vcpus - 1) / vcpus, vcpus));
	}
	while (wait(&status) > 0)
		wrong |= status != 0;
	return hits(argv) || wrong;
}
