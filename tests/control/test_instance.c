/* SPDX-License-Identifier: MIT */
/* Methods and events that instances have in the control socket. */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <lichen/control.h>

#include "talk.h"
#include "tap.h"
#include "world.h"

/* Misbehaviour is looked for here. */
__attribute__((constructor)) static void lenient(void)
{
	world_strict = 0;
}

#define ASKED                                                       \
	"name: vm\nmemory: { size: 1M }\nboot: { plugin: begin }\n" \
	"devices:\n  - { plugin: asked }\n"

static struct world world;
static struct talk talk, other;
static pthread_t runner;
static const struct fake_step spin[] = { FAKE_SPIN() };

static void *run(void *unused)
{
	(void)unused;
	(void)lichen_vm_run(world.vm);
	return NULL;
}

static void start(void)
{
	world_begin(&world, ASKED);
	world.control = &lichen_control;
	CHECK_EQ(0, world_create(&world));
	fake_script(world.hvm, 0, spin, FAKE_STEPS(spin));
	CHECK_EQ(0, pthread_create(&runner, NULL, run, NULL));
	talk_open(&talk, world.folder, "vm");
}

static void finish(void)
{
	json_decref(talk_call(&talk, "stop", "{\"timeout_ms\":0}"));
	pthread_join(runner, NULL);
	talk_close(&talk);
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static json_int_t number(const char *method, const char *params, const char *member)
{
	json_t *result = talk_call(&talk, method, params);
	const json_int_t value = json_integer_value(json_object_get(result, member));

	CHECK(result != NULL);
	json_decref(result);
	return value;
}

static void say(struct talk *to, const char *text)
{
	talk_send(to, text, strlen(text), -1);
}

TEST(its_methods_are_listed_with_their_schemas)
{
	json_t *hello, *schema, *entry;
	int found = 0;

	start();
	hello = talk_call(&talk, "hello", "{}");
	for (size_t i = 0; i < json_array_size(json_object_get(hello, "methods")); i++)
		found += strcmp("asked.echo", json_string_value(json_array_get(
						      json_object_get(hello, "methods"), i))) ==
			 0;
	CHECK_EQ(1, found);
	json_decref(hello);
	schema = talk_call(&talk, "schema", "{}");
	entry = json_object_get(json_object_get(schema, "methods"), "asked.echo");
	CHECK_STR("asked", json_string_value(json_object_get(entry, "instance")));
	CHECK_STR("object",
		  json_string_value(json_object_get(json_object_get(entry, "params"), "type")));
	json_decref(schema);
	finish();
}

TEST(it_answers_with_a_value_or_a_sentence)
{
	start();
	CHECK_EQ(7, number("asked.echo", "{\"a\":7,\"b\":[1,{\"c\":null}]}", "a"));
	CHECK_EQ(-32001, talk_fails(&talk, "asked.fail", "{}", "far too much"));
	CHECK_EQ(-32000, talk_fails(&talk, "asked.junk", "{}", "not JSON"));
	CHECK_EQ(-32601, talk_fails(&talk, "asked.nothing", "{}", "no such method"));
	CHECK_EQ(1, number("asked.twice", "{}", "times"));
	CHECK_EQ(7, number("asked.echo", "{\"a\":7}", "a"));
	finish();
	CHECK_EQ(1, world_heard(&world, "plugin misbehaves [asked/asked] answer: 0x"));
}

TEST(descriptors_come_with_the_call)
{
	const char *text = "{\"jsonrpc\":\"2.0\",\"id\":90,\"method\":\"asked.files\"}\n";
	const char *line;
	int file;

	start();
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	talk_send(&talk, text, strlen(text), file);
	line = talk_line(&talk);
	CHECK(line && strstr(line, "\"files\":1"));
	close(file);
	CHECK_EQ(0, number("asked.files", "{}", "files"));
	finish();
}

TEST(an_answer_may_come_later)
{
	const char *line;

	start();
	talk_open(&other, world.folder, "vm");
	say(&other, "{\"jsonrpc\":\"2.0\",\"id\":91,\"method\":\"asked.keep\"}\n");
	say(&other, "{\"jsonrpc\":\"2.0\",\"id\":92,\"method\":\"asked.echo\"}\n");
	line = talk_line(&other); /* it is not held up by the other */
	CHECK(line && strstr(line, "92"));
	CHECK_EQ(0, number("asked.let", "{}", "cancelled"));
	line = talk_line(&other);
	CHECK(line && strstr(line, "\"kept\":true") && strstr(line, "91"));
	talk_close(&other);
	finish();
}

TEST(it_is_told_that_nobody_waits_any_more)
{
	start();
	for (int i = 0; i < 3; i++) {
		talk_open(&other, world.folder, "vm");
		say(&other, "{\"jsonrpc\":\"2.0\",\"id\":91,\"method\":\"asked.keep\"}\n"
			    "{\"jsonrpc\":\"2.0\",\"id\":92,\"method\":\"asked.echo\"}\n");
		CHECK(talk_line(&other) != NULL);
		talk_close(&other);
	}
	for (int i = 0; i < 100 && number("asked.files", "{}", "files") == 0; i++)
		usleep(1000);
	CHECK_EQ(3, number("asked.let", "{}", "cancelled"));
	CHECK_EQ(3, number("asked.let", "{}", "cancelled"));
	finish();
}

TEST(what_is_owed_when_the_vm_ends_is_dropped)
{
	start();
	say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":91,\"method\":\"asked.keep\"}\n");
	finish();
}

TEST(its_events_are_told_to_subscribers)
{
	const char *line;

	start();
	talk_open(&other, world.folder, "vm");
	json_decref(talk_call(&other, "subscribe", "{\"events\":[\"instance\"]}"));
	CHECK_EQ(0, number("asked.tell", "{\"a\":[1,2]}", "none"));
	line = talk_line(&other);
	CHECK(line && strstr(line, "\"event\":\"instance\"") &&
	      strstr(line, "\"name\":\"asked.told\"") && strstr(line, "\"id\":\"asked\"") &&
	      strstr(line, "{\"a\":[1,2]}"));
	talk_close(&other);
	finish();
}
