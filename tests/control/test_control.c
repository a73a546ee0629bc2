/* SPDX-License-Identifier: MIT */
/* The control server of whole VMs over hv_fake, and clients that mean well or harm. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lichen/control.h>

#include "talk.h"
#include "tap.h"
#include "world.h"

#define BASE "name: vm\nmemory: { size: 1M }\nboot: { plugin: begin }\ndevices:\n"
#define STEPS BASE "  - { plugin: steps, id: a }\n"

static struct world world;
static struct talk talk;
static pthread_t runner;
static int ended_with;
static const struct fake_step spin[] = { FAKE_SPIN() };

static void *run(void *unused)
{
	(void)unused;
	ended_with = lichen_vm_run(world.vm);
	return NULL;
}

static void begin(const char *profile, uint32_t console)
{
	world_begin(&world, profile);
	world.control = &lichen_control;
	world.control_console = console;
	CHECK_EQ(0, world_create(&world));
	fake_script(world.hvm, 0, spin, FAKE_STEPS(spin));
}

static void start(const char *profile)
{
	begin(profile, 0);
	CHECK_EQ(0, pthread_create(&runner, NULL, run, NULL));
	talk_open(&talk, world.folder, "vm");
}

static void finish(void)
{
	talk_close(&talk);
	world_end(&world);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static void stop_and_finish(void)
{
	json_decref(talk_call(&talk, "stop", "{\"timeout_ms\":0}"));
	pthread_join(runner, NULL);
	CHECK_EQ(LICHEN_VM_STOPPED, ended_with);
	finish();
}

static void say(struct talk *to, const char *text)
{
	talk_send(to, text, strlen(text), -1);
}

/* The text of a member of a call's result. */
static void answers(const char *method, const char *params, const char *member,
		    const char *want)
{
	json_t *result = talk_call(&talk, method, params);

	CHECK(result);
	CHECK_STR(want, json_string_value(json_object_get(result, member)));
	json_decref(result);
}

static void event_is(const char *name, const char *member, const char *want)
{
	const char *line = talk_line(&talk);
	json_t *event = line ? json_loads(line, 0, NULL) : NULL;
	const json_t *params = json_object_get(event, "params");

	CHECK(event);
	CHECK_STR("event", json_string_value(json_object_get(event, "method")));
	CHECK_STR(name, json_string_value(json_object_get(params, "event")));
	CHECK_STR("vm", json_string_value(json_object_get(params, "vm")));
	CHECK_STR(want, json_string_value(json_object_get(params, member)));
	json_decref(event);
}

/* --- names --- */

static void path_of(const char *name, char path[static 128])
{
	(void)snprintf(path, 128, "%s/%s", world.folder, name);
}

static int is_there(const char *name)
{
	char path[128];

	path_of(name, path);
	return access(path, F_OK) == 0;
}

TEST(a_name_is_taken_while_the_vm_lives)
{
	static struct world other;
	struct stat status;
	char path[128];

	begin(STEPS, 0);
	path_of("vm.sock", path);
	CHECK_EQ(0, stat(path, &status));
	CHECK_EQ(S_IFSOCK | 0600, status.st_mode);
	world_begin(&other, STEPS);
	other.control = &lichen_control;
	(void)rmdir(other.folder); /* it is to live where the first does */
	(void)strcpy(other.folder, world.folder);
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&other));
	CHECK_EQ(1, world_heard(&other, "name: vm: a VM of this name runs"));
	CHECK(is_there("vm.sock"));
	lichen_vm_destroy(world.vm);
	CHECK(!is_there("vm.sock") && !is_there("vm.lock"));
	world.vm = NULL;
	CHECK_EQ(0, world_create(&other));
	world_end(&other);
	CHECK_EQ(0, fake_alive());
}

TEST(what_a_dead_process_left_is_cleared_away)
{
	char path[128];
	int status, file;
	pid_t child;

	world_begin(&world, STEPS);
	world.control = &lichen_control;
	child = fork();
	if (child == 0) {
		CHECK_EQ(0, world_create(&world));
		(void)raise(SIGKILL);
	}
	CHECK_EQ(child, waitpid(child, &status, 0));
	CHECK(is_there("vm.sock") && is_there("vm.lock"));
	CHECK_EQ(-1, talk_try(&talk, world.folder, "vm"));
	CHECK_EQ(0, world_create(&world));
	CHECK_EQ(0, talk_try(&talk, world.folder, "vm"));
	finish();
	/* And whatever else is at the place of the socket. */
	world_begin(&world, STEPS);
	world.control = &lichen_control;
	path_of("vm.sock", path);
	file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	(void)close(file);
	CHECK_EQ(0, world_create(&world));
	CHECK_EQ(0, talk_try(&talk, world.folder, "vm"));
	finish();
}

TEST(a_folder_that_others_may_write_to_is_refused)
{
	world_begin(&world, STEPS);
	world.control = &lichen_control;
	CHECK_EQ(0, chmod(world.folder, 0770));
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK_EQ(1, world_heard(&world, "others may write there"));
	CHECK_EQ(0, chmod(world.folder, 0700));
	world_end(&world);
}

TEST(a_vm_that_fails_to_start_leaves_no_name)
{
	world_begin(&world, BASE "  - { plugin: steps, id: a, fail: realize }\n");
	world.control = &lichen_control;
	world.control_console = 1;
	CHECK_EQ(LICHEN_VM_BAD_INPUT, world_create(&world));
	CHECK(!is_there("vm.sock") && !is_there("vm.lock"));
	world_end(&world);
	CHECK_EQ(0, fake_alive());
}

/* --- methods --- */

TEST(hello_says_what_can_be_asked)
{
	json_t *hello, *schema, *methods, *name;
	size_t i;

	start(STEPS);
	hello = talk_call(&talk, "hello", NULL);
	schema = talk_call(&talk, "schema", NULL);
	CHECK_STR("vm", json_string_value(json_object_get(hello, "vm")));
	methods = json_object_get(hello, "methods");
	CHECK(json_array_size(methods) >= 10);
	json_array_foreach(methods, i, name) CHECK(
		json_object_get(json_object_get(schema, "methods"), json_string_value(name)));
	CHECK_EQ(json_array_size(methods),
		 json_object_size(json_object_get(schema, "methods")));
	json_decref(hello);
	json_decref(schema);
	stop_and_finish();
}

TEST(status_has_all_that_the_schema_requires)
{
	json_t *status, *schema, *required, *name;
	size_t i;

	start(STEPS);
	status = talk_call(&talk, "status", NULL);
	schema = talk_call(&talk, "schema", NULL);
	CHECK_EQ(0, json_unpack(schema, "{s:{s:{s:{s:o}}}}", "methods", "status", "result",
				"required", &required));
	json_array_foreach(required, i, name)
		CHECK(json_object_get(status, json_string_value(name)));
	CHECK_STR("0x100000", json_string_value(json_object_get(status, "memory")));
	CHECK_EQ(getpid(), json_integer_value(json_object_get(status, "pid")));
	json_decref(status);
	json_decref(schema);
	stop_and_finish();
}

TEST(a_vm_says_whether_it_is_symbiotic)
{
	json_t *info;

	start(STEPS);
	info = talk_call(&talk, "symbiotic.info", NULL);
	CHECK_EQ(1, json_object_size(info));
	CHECK(json_is_false(json_object_get(info, "block")));
	json_decref(info);
	stop_and_finish();
	start(STEPS "symbiotic: []\n");
	info = talk_call(&talk, "symbiotic.info", NULL);
	CHECK(json_is_true(json_object_get(info, "block")));
	CHECK_STR("0x0", json_string_value(json_object_get(info, "offered")));
	CHECK_STR("0x4c696300", json_string_value(json_object_get(info, "msrs")));
	json_decref(info);
	CHECK_EQ(-32602, talk_fails(&talk, "symbiotic.info", "{\"id\":1}", "id"));
	stop_and_finish();
}

static void does(const char *method)
{
	json_t *result = talk_call(&talk, method, NULL);

	CHECK(result);
	json_decref(result);
}

TEST(a_vm_stands_still_and_goes_on)
{
	struct fake_view view;

	start(STEPS);
	json_decref(talk_call(&talk, "subscribe", "{\"events\":[\"state\"]}"));
	does("pause");
	event_is("state", "state", "paused");
	answers("status", NULL, "state", "paused");
	answers("status", NULL, "paused_by", "outside");
	answers("pause", NULL, "state", "paused"); /* again: no event */
	fake_look(world.hvm, &view);
	CHECK_EQ(0, view.pauses);
	does("resume");
	event_is("state", "state", "running");
	fake_look(world.hvm, &view);
	CHECK_EQ(1, view.pauses);
	answers("resume", NULL, "state", "running");
	json_decref(talk_call(&talk, "stop", "{\"timeout_ms\":0}"));
	event_is("state", "state", "ended");
	CHECK(talk_line(&talk) == NULL);
	pthread_join(runner, NULL);
	CHECK_STR("a:create a:realize a:publish a:resume a:pause a:resume a:pause",
		  world.story);
	finish();
}

TEST(a_paused_vm_is_stopped_by_its_guest)
{
	start(BASE "  - { plugin: button }\n");
	answers("pause", NULL, "state", "paused");
	answers("stop", NULL, "state", "stopping");
	pthread_join(runner, NULL);
	CHECK_EQ(LICHEN_VM_POWER_OFF, ended_with);
	CHECK_EQ(1, world_heard(&world, "] press"));
	finish();
}

TEST(reset_starts_the_guest_anew_paused_or_not)
{
	start(STEPS);
	json_decref(talk_call(&talk, "subscribe", "{\"events\":[\"reset\"]}"));
	json_decref(talk_call(&talk, "reset", NULL));
	event_is("reset", "kind", "power-on");
	answers("pause", NULL, "state", "paused");
	json_decref(talk_call(&talk, "reset", "{\"kind\":\"warm\"}"));
	event_is("reset", "kind", "warm");
	answers("status", NULL, "state", "running");
	json_decref(talk_call(&talk, "stop", "{\"timeout_ms\":0}"));
	pthread_join(runner, NULL);
	CHECK_STR("a:create a:realize a:publish a:resume a:pause a:reset a:publish "
		  "a:resume a:pause a:reset-warm a:publish a:resume a:pause",
		  world.story);
	finish();
}

TEST(a_reset_that_fails_says_so_and_ends_the_vm)
{
	start(BASE "  - { plugin: steps, id: a, fail: reset }\n");
	CHECK_EQ(-32000, talk_fails(&talk, "reset", NULL, "vm: it cannot be reset"));
	pthread_join(runner, NULL);
	CHECK_EQ(LICHEN_VM_FAILED, ended_with);
	finish();
}

TEST(a_crash_is_told_and_a_reset_mends_it)
{
	static const struct fake_step crash[] = { FAKE_EXIT(HV_EXIT_SHUTDOWN, 0) };

	begin("on_crash: pause\n" STEPS, 0);
	fake_script(world.hvm, 0, crash, FAKE_STEPS(crash));
	talk_open(&talk, world.folder, "vm");
	say(&talk, "{\"jsonrpc\":\"2.0\",\"method\":\"subscribe\"}\n");
	(void)usleep(50000);
	CHECK_EQ(0, pthread_create(&runner, NULL, run, NULL));
	(void)usleep(100000);
	answers("status", NULL, "paused_by", "policy");
	fake_script(world.hvm, 0, spin, FAKE_STEPS(spin));
	answers("reset", NULL, "state", "running");
	stop_and_finish();
}

/* --- hostile clients --- */

TEST(a_line_that_is_too_long_is_refused_and_the_next_one_served)
{
	static const char hello[] = "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"hello\"}";
	const size_t size = (3 << 20) + 17;
	char *line = malloc(size);

	start(STEPS);
	memset(line, 'x', size);
	line[size - 1] = '\n';
	talk_send(&talk, line, size, -1);
	CHECK(strstr(talk_line(&talk), "longer than 1048576 bytes"));
	answers("status", NULL, "state", "running");
	/* The longest that may be. */
	memset(line, ' ', 1 << 20);
	memcpy(line, hello, strlen(hello));
	line[1 << 20] = '\n';
	talk_send(&talk, line, (1 << 20) + 1, -1);
	CHECK(strstr(talk_line(&talk), "\"id\":5"));
	free(line);
	stop_and_finish();
}

TEST(bytes_that_come_one_by_one_make_a_line)
{
	const char *line = "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"status\"}\r\n";

	start(STEPS);
	for (size_t i = 0; line[i]; i++)
		talk_send(&talk, line + i, 1, -1);
	CHECK(strstr(talk_line(&talk), "\"id\":9"));
	say(&talk, "\n\n\n");
	answers("status", NULL, "state", "running");
	stop_and_finish();
}

TEST(ten_thousand_calls_are_answered_in_their_order)
{
	enum { CALLS = 10000 };
	char *lines = malloc(CALLS * 64);
	size_t size = 0;

	start(STEPS);
	for (int i = 0; i < CALLS; i++)
		size += (size_t)sprintf(
			lines + size, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"status\"}\n",
			i);
	/* Nobody reads while this is written: past a point it has to wait. */
	for (size_t sent = 0; sent < size;) {
		const ssize_t n = send(talk.socket, lines + sent, size - sent, MSG_DONTWAIT);
		struct pollfd room = { .fd = talk.socket, .events = POLLIN };
		char id[24];

		if (n > 0) {
			sent += (size_t)n;
			continue;
		}
		CHECK_EQ(1, poll(&room, 1, 10000));
		(void)snprintf(id, sizeof(id), "\"id\":%d}", talk.id++);
		CHECK(strstr(talk_line(&talk), id));
	}
	while (talk.id < CALLS) {
		const char *line = talk_line(&talk);
		char id[24];

		(void)snprintf(id, sizeof(id), "\"id\":%d}", talk.id++);
		CHECK(line && strstr(line, id));
	}
	free(lines);
	stop_and_finish();
}

TEST(one_who_asks_and_never_reads_costs_a_bounded_amount)
{
	static const char call[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"schema\"}\n";
	struct talk other;
	json_t *status;
	int refusals = 0;

	start(STEPS);
	talk_open(&other, world.folder, "vm");
	/* Until the VM reads no more. */
	while (refusals < 50)
		if (send(other.socket, call, sizeof(call) - 1, MSG_DONTWAIT) < 0) {
			refusals++;
			(void)usleep(1000);
		}
	status = talk_call(&talk, "status", NULL);
	CHECK_EQ(2, json_integer_value(json_object_get(status, "clients")));
	json_decref(status);
	talk_close(&other);
	stop_and_finish();
}

TEST(a_subscriber_that_does_not_read_is_let_go_and_counted)
{
	struct talk other;
	json_t *status;
	const char *dropped = "0x0";

	start(STEPS);
	talk_open(&other, world.folder, "vm");
	say(&other, "{\"jsonrpc\":\"2.0\",\"method\":\"subscribe\"}\n");
	for (int i = 0; i < 20000 && strcmp(dropped, "0x0") == 0; i++) {
		json_decref(talk_call(&talk, i % 2 ? "resume" : "pause", NULL));
		if (i % 500)
			continue;
		status = talk_call(&talk, "status", NULL);
		dropped = strcmp(json_string_value(
					 json_object_get(status, "subscribers_dropped")),
				 "0x0")
				  ? "0x1"
				  : "0x0";
		json_decref(status);
	}
	CHECK_STR("0x1", dropped);
	talk_close(&other);
	answers("resume", NULL, "state", "running");
	stop_and_finish();
}

TEST(a_hundred_at_once_are_served_and_gone_ones_are_forgotten)
{
	enum { MANY = 100 };
	static struct talk many[MANY];
	json_t *status = NULL;

	start(STEPS);
	for (int i = 0; i < MANY; i++)
		talk_open(&many[i], world.folder, "vm");
	for (int i = 0; i < MANY; i++)
		say(&many[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n");
	for (int i = 0; i < MANY; i++)
		CHECK(strstr(talk_line(&many[i]), "\"vm\":\"vm\""));
	for (int i = 0; i < MANY; i++) {
		say(&many[i], "{\"jsonrpc\""); /* the rest never comes */
		talk_close(&many[i]);
	}
	for (int i = 0; i < 100; i++) {
		json_decref(status);
		status = talk_call(&talk, "status", NULL);
		if (json_integer_value(json_object_get(status, "clients")) == 1)
			break;
		(void)usleep(10000);
	}
	CHECK_EQ(1, json_integer_value(json_object_get(status, "clients")));
	json_decref(status);
	stop_and_finish();
}

TEST(clients_past_the_limit_are_turned_away)
{
	enum { MANY = 300 };
	static struct talk *many[MANY];
	json_t *status;
	int served = 0;

	start(STEPS);
	for (int i = 0; i < MANY; i++) {
		many[i] = calloc(1, sizeof(*many[i]));
		CHECK_EQ(0, talk_try(many[i], world.folder, "vm"));
		say(many[i], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n");
		served += talk_line(many[i]) != NULL;
	}
	CHECK_EQ(255, served);
	status = talk_call(&talk, "status", NULL);
	CHECK_STR("0x2d", json_string_value(json_object_get(status, "clients_refused")));
	json_decref(status);
	for (int i = 0; i < MANY; i++) {
		talk_close(many[i]);
		free(many[i]);
	}
	stop_and_finish();
}

TEST(without_descriptors_clients_wait_until_there_are_some)
{
	struct rlimit before, few;
	struct talk other;
	int next;

	start(STEPS);
	answers("status", NULL, "state", "running");
	CHECK_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	next = dup(STDOUT_FILENO);
	CHECK(next >= 0);
	(void)close(next);
	few = before;
	few.rlim_cur = (rlim_t)next + 1; /* ours is the last that there is */
	CHECK_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	CHECK_EQ(0, talk_try(&other, world.folder, "vm"));
	say(&other, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n");
	answers("status", NULL, "state", "running"); /* the loop goes on meanwhile */
	CHECK_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	CHECK(strstr(talk_line(&other), "\"vm\""));
	talk_close(&other);
	stop_and_finish();
}

TEST(descriptors_that_nobody_takes_are_closed)
{
	int ends[2];
	char byte;

	start(STEPS);
	CHECK_EQ(0, pipe(ends));
	talk_send(&talk, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n",
		  strlen("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n"), ends[1]);
	CHECK(talk_line(&talk));
	/* With a line that never ends, too. */
	talk_send(&talk, "{", 1, ends[1]);
	(void)close(ends[1]);
	json_decref(
		talk_call(&talk, "hello", NULL)); /* its line is malformed: no answer to it */
	CHECK_EQ(0, read(ends[0], &byte, 1));
	(void)close(ends[0]);
	stop_and_finish();
}

TEST(a_client_that_hangs_up_at_once_was_heard)
{
	struct talk other;

	start(BASE "  - { plugin: button }\n");
	talk_open(&other, world.folder, "vm");
	say(&other, "{\"jsonrpc\":\"2.0\",\"method\":\"stop\"}\n");
	talk_close(&other);
	pthread_join(runner, NULL);
	CHECK_EQ(LICHEN_VM_POWER_OFF, ended_with);
	finish();
}

TEST(one_who_says_no_more_still_gets_its_answers)
{
	start(STEPS);
	say(&talk, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"hello\"}\n");
	CHECK_EQ(0, shutdown(talk.socket, SHUT_WR));
	CHECK(strstr(talk_line(&talk), "\"id\":3"));
	CHECK(talk_line(&talk) == NULL); /* and then the other end closes */
	lichen_vm_stop(world.vm, 0);
	pthread_join(runner, NULL);
	finish();
}

/* --- the console --- */

#define SERIAL                               \
	BASE "  - { plugin: kvm-irqchip }\n" \
	     "  - { plugin: serial16550, id: com1, backend: { plugin: stdio } }\n"

/* 'A' to the serial port, 2,000 times, then for ever a letter each time it is called. */
static _Atomic uint32_t letters;
static void wait_for_more(void *unused)
{
	(void)unused;
	while (!atomic_load(&letters))
		(void)usleep(1000);
	atomic_fetch_sub(&letters, 1);
}

static const struct fake_step speaks[] = {
	FAKE_COUNT(2000),
	FAKE_OUT(0x3f8, 1, 'A'),
	FAKE_LOOP(1),
	FAKE_CALL(wait_for_more, NULL),
	FAKE_OUT(0x3f8, 1, 'B'),
	FAKE_JUMP(3),
};

static void console_start(void)
{
	begin(SERIAL, 1);
	fake_script(world.hvm, 0, speaks, FAKE_STEPS(speaks));
	CHECK_EQ(0, pthread_create(&runner, NULL, run, NULL));
	talk_open(&talk, world.folder, "vm");
}

/* Attaches; our end. */
static int attach(const char *params)
{
	char text[256];
	int ends[2];

	CHECK_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	(void)snprintf(text, sizeof(text),
		       "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"console.attach\","
		       "\"params\":{\"console\":0%s}}\n",
		       params);
	talk_send(&talk, text, strlen(text), ends[1]);
	(void)close(ends[1]);
	return ends[0];
}

static size_t heard(int line, char letter, size_t count)
{
	struct pollfd ready = { .fd = line, .events = POLLIN };
	size_t got = 0;
	char c;

	while (got < count && poll(&ready, 1, 10000) == 1 && read(line, &c, 1) == 1) {
		CHECK_EQ(letter, c);
		got++;
	}
	return got;
}

static void console_stop(void)
{
	atomic_store(&letters, 1000000); /* its vCPU waits for nothing */
	stop_and_finish();
}

TEST(what_was_said_before_anybody_came_is_told_first)
{
	int line;

	console_start();
	answers("status", NULL, "console", "detached");
	(void)usleep(100000);
	line = attach("");
	CHECK(strstr(talk_line(&talk), "result"));
	CHECK_EQ(2000, heard(line, 'A', 2000));
	atomic_store(&letters, 3);
	CHECK_EQ(3, heard(line, 'B', 3));
	answers("status", NULL, "console", "attached");
	(void)close(line);
	console_stop();
}

TEST(the_console_has_one_client_unless_another_insists)
{
	int line, other;
	char c;

	console_start();
	line = attach("");
	CHECK(strstr(talk_line(&talk), "result"));
	other = attach("");
	CHECK(strstr(talk_line(&talk), "another client has it"));
	(void)close(other);
	CHECK_EQ(2000, heard(line, 'A', 2000));
	other = attach(",\"force\":true");
	CHECK(strstr(talk_line(&talk), "result"));
	CHECK_EQ(0, read(line, &c, 1));
	CHECK_EQ(2000, heard(other, 'A', 2000));
	(void)close(line);
	(void)close(other);
	console_stop();
}

TEST(a_descriptor_that_is_no_stream_socket_is_refused)
{
	char text[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"console.attach\","
		      "\"params\":{\"console\":0}}\n";
	int ends[2];

	console_start();
	CHECK_EQ(0, pipe(ends));
	talk_send(&talk, text, sizeof(text) - 1, ends[0]);
	CHECK(strstr(talk_line(&talk), "not a UNIX stream socket"));
	talk_send(&talk, text, sizeof(text) - 1, -1);
	CHECK(strstr(talk_line(&talk), "no descriptor came"));
	(void)close(ends[0]);
	(void)close(ends[1]);
	console_stop();
}

TEST(while_somebody_is_attached_nothing_is_lost)
{
	enum { MUCH = 1000000000, SOME = 100000, WAIT_MS = 20000 };
	size_t more = 0;
	int line;

	console_start();
	line = attach("");
	CHECK(strstr(talk_line(&talk), "result"));
	CHECK_EQ(2000, heard(line, 'A', 2000));
	atomic_store(&letters, MUCH);
	(void)usleep(300000); /* all buffers fill: the guest's output waits */
	answers("status", NULL, "state", "running");
	/* A UART whose FIFO is full drops what is written on: so what comes is some of it, and
	 * what comes after that has been read is all there is. */
	{
		struct pollfd ready = { .fd = line, .events = POLLIN };
		char buffer[65536];
		ssize_t n;

		while (more <= SOME && poll(&ready, 1, WAIT_MS) == 1 &&
		       (n = read(line, buffer, sizeof(buffer))) > 0)
			more += (size_t)n;
	}
	CHECK(more > SOME);
	(void)close(line);
	console_stop();
}

TEST(a_console_elsewhere_cannot_be_attached_to)
{
	int line;

	start(STEPS);
	line = attach("");
	CHECK(strstr(talk_line(&talk), "it is where the VM was started"));
	(void)close(line);
	answers("status", NULL, "console", "elsewhere");
	stop_and_finish();
}

TEST(options_of_an_older_embedder_have_no_server)
{
	struct lichen_vm_options options;
	char profile[128];

	world_begin(&world, STEPS);
	path_of("world.yaml", profile);
	memset(&options, 0xff, sizeof(options));
	options.struct_size = offsetof(struct lichen_vm_options, control);
	options.log_level = 0;
	options.profile = profile;
	options.sets = NULL;
	options.set_count = 0;
	options.hypervisor = -1;
	options.plugin_path = WORLD_BUILD "/tests/framework-plugins:" WORLD_BUILD "/plugins";
	options.fragment_path = NULL;
	options.console_in = options.console_out = -1;
	options.log = NULL;
	options.context = NULL;
	CHECK_EQ(0, fw_vm_create(&options, &hv_fake, &world.vm));
	CHECK(!is_there("vm.sock"));
	world_end(&world);
}
