/* SPDX-License-Identifier: MIT */
/* world.c: see world.h. */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WORLD_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WORLD_SANITIZED 1
#endif
#ifndef WORLD_SANITIZED
#define WORLD_SANITIZED 0
#endif

int world_strict = -1;

/* libuv keeps a pipe for signals from its first loop on: let it, before leaks are counted. */
__attribute__((constructor)) static void world_first_loop(void)
{
	static struct fw_loop loop;

	if (fw_loop_open(&loop) == 0)
		fw_loop_close(&loop);
}

/* Not tap.h's: this file is no test program. */
static void world_fail(const char *what, const char *why)
{
	printf("# %s: %s\n", what, why);
	fflush(stdout);
	_exit(1);
}

static void world_path(const struct world *world, const char *name, char path[static 128])
{
	(void)snprintf(path, 128, "%s/%s", world->folder, name);
}

void world_file(struct world *world, const char *name, const void *data, size_t size)
{
	char path[128];
	FILE *file;

	world_path(world, name, path);
	file = fopen(path, "we");
	if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		world_fail(path, "cannot be written");
}

void world_begin(struct world *world, const char *profile)
{
	char text[4096];

	memset(world, 0, sizeof(*world));
	pthread_mutex_init(&world->lock, NULL);
	(void)snprintf(world->folder, sizeof(world->folder), "/tmp/lichen-test-XXXXXX");
	if (!mkdtemp(world->folder))
		world_fail(world->folder, "cannot be made");
	(void)snprintf(text, sizeof(text), "lichen: 1\n%s", profile);
	world_file(world, "world.yaml", text, strlen(text));
}

void world_end(struct world *world)
{
	const struct dirent *entry;
	char path[128];
	DIR *folder;

	lichen_vm_destroy(world->vm);
	folder = opendir(world->folder);
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) > 40)
			continue;
		world_path(world, entry->d_name, path);
		(void)unlink(path);
	}
	if (folder)
		closedir(folder);
	(void)rmdir(world->folder);
}

/* "... [steps/ID] TEXT" goes to the story as "ID:TEXT ". */
static void world_tell(struct world *world, const char *line)
{
	const char *id = strstr(line, "[steps/"), *end;
	int n;

	if (!id)
		return;
	id += strlen("[steps/");
	end = strchr(id, ']');
	if (!end || end[1] != ' ')
		return;
	n = snprintf(world->story + world->said, sizeof(world->story) - world->said,
		     "%s%.*s:%s", world->said ? " " : "", (int)(end - id), id, end + 2);
	if (n > 0 && world->said + (uint32_t)n < sizeof(world->story))
		world->said += (uint32_t)n;
}

static void world_log(void *context, const char *line)
{
	struct world *world = context;
	const size_t length = strlen(line);

	pthread_mutex_lock(&world->lock);
	if (world->size + length + 2 < sizeof(world->log)) {
		memcpy(world->log + world->size, line, length);
		world->size += (uint32_t)length;
		world->log[world->size++] = '\n';
	}
	world_tell(world, line);
	pthread_mutex_unlock(&world->lock);
	if (getenv("WORLD_VERBOSE"))
		(void)fprintf(stderr, "%s\n", line);
}

uint32_t world_heard(struct world *world, const char *text)
{
	uint32_t times = 0;

	pthread_mutex_lock(&world->lock);
	for (const char *at = world->log; (at = strstr(at, text)); at += strlen(text))
		times++;
	pthread_mutex_unlock(&world->lock);
	return times;
}

int world_create_console(struct world *world, int in, int out)
{
	return world_create_on(world, &hv_fake, in, out);
}

int world_create_on(struct world *world, const struct hv_ops *hv, int in, int out)
{
	const char *build = getenv("LICHEN_BUILD"), *strict = getenv("LICHEN_STRICT");
	char profile[128], plugins[512];
	struct lichen_vm_options options = {
		.struct_size = sizeof(options),
		.profile = profile,
		.plugin_path = plugins,
		.console_in = in,
		.console_out = out,
		.log = world_log,
		.context = world,
		.control = world->control,
		.control_folder = world->folder,
		.control_console = world->control_console,
		.strict = world_strict >= 0 ? (uint32_t)world_strict
					    : strict && strcmp(strict, "1") == 0
	};
	int status;

	world_path(world, "world.yaml", profile);
	(void)snprintf(plugins, sizeof(plugins), "%s:%s/tests/framework-plugins:%s/plugins",
		       world->folder, build ? build : WORLD_BUILD, build ? build : WORLD_BUILD);
	status = fw_vm_create(&options, hv, &world->vm);
	if (status == 0)
		world->hvm = world->vm->hvm;
	return status;
}

int world_create(struct world *world)
{
	return world_create_console(world, -1, -1);
}

void world_start(struct world *world, const char *profile)
{
	world_begin(world, profile);
	if (world_create(world) != 0)
		world_fail("VM", world->log);
}

uint32_t world_maps(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	uint32_t maps = 0;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		maps += !WORLD_SANITIZED || strchr(line, '/') != NULL;
	if (file)
		fclose(file);
	return maps;
}

static void *world_stop_run(void *argument)
{
	const struct world_stop *stop = argument;

	while (stop->heard && !world_heard(stop->world, stop->heard))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	nanosleep(&(struct timespec){ .tv_sec = stop->ms / 1000,
				      .tv_nsec = stop->ms % 1000 * 1000000 },
		  NULL);
	lichen_vm_stop(stop->world->vm, stop->timeout_ns);
	return NULL;
}

static void world_stop_start(struct world_stop *stop)
{
	if (pthread_create(&stop->thread, NULL, world_stop_run, stop) != 0)
		world_fail("thread", "cannot be started");
}

void world_stop_later(struct world_stop *stop, struct world *world, uint32_t ms,
		      uint64_t timeout_ns)
{
	*stop = (struct world_stop){ .world = world, .ms = ms, .timeout_ns = timeout_ns };
	world_stop_start(stop);
}

void world_stop_once(struct world_stop *stop, struct world *world, const char *text,
		     uint64_t timeout_ns)
{
	*stop = (struct world_stop){ .world = world, .heard = text, .timeout_ns = timeout_ns };
	world_stop_start(stop);
}

void world_stop_join(struct world_stop *stop)
{
	pthread_join(stop->thread, NULL);
}
