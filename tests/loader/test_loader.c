/* SPDX-License-Identifier: MIT */
/* Opening, sharing and closing plugins; plugins that are wrong. */
#include <sys/mman.h>

#include "fixture.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITISED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITISED 1
#endif
#ifndef SANITISED
#define SANITISED 0
#endif

/* --- opening --- */

TEST(a_good_plugin_opens_with_its_tables_and_leaves_nothing_when_closed)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "good");
	const struct lichen_class *class = ld_plugin_class(plugin);
	const struct lichen_param *params = class->params.items;
	const struct lichen_window *windows = class->windows.items;

	CHECK(ran());
	CHECK_STR("good", ld_plugin_info(plugin)->name);
	CHECK_STR("1.0", ld_plugin_info(plugin)->version);
	CHECK_STR(PLUGINS "/good.so", ld_plugin_info(plugin)->file);
	CHECK_EQ(LICHEN_KIND_DEVICE, ld_plugin_info(plugin)->kind);
	CHECK_EQ(64, strlen(ld_plugin_info(plugin)->hash));
	CHECK_EQ(sizeof(*class), class->struct_size);
	CHECK_EQ(1, class->params.count);
	CHECK_EQ(sizeof(*params), class->params.item_size);
	CHECK_STR("port", params->name);
	CHECK_EQ(1, windows->ops->read(NULL, 0, 0, 1));
	CHECK(mappings() > 0);
	closed(plugin);
	CHECK_EQ(0, mappings());
	ld_path_clear(&path);
}

TEST(a_file_with_the_older_hash_table_opens)
{
	struct ld_path path = path_of(PLUGINS);

	closed(opened(&path, "sysv"));
	ld_path_clear(&path);
}

TEST(inspecting_a_plugin_runs_none_of_it)
{
	struct ld_error error = { "" };
	struct ld_info info;

	CHECK_EQ(0, ld_inspect(PLUGINS "/good.so", &info, &error));
	CHECK_STR("good", info.name);
	CHECK(!ran());
	ld_info_clear(&info);
}

TEST(the_right_pin_opens_and_a_wrong_one_is_refused_before_code_runs)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin;
	struct ld_error error;
	struct ld_info info;
	char pin[LD_HASH_TEXT_SIZE];

	CHECK_EQ(0, ld_inspect(PLUGINS "/good.so", &info, &error));
	memcpy(pin, info.hash, sizeof(pin));
	pin[0] = pin[0] == '0' ? '1' : '0';
	CHECK_EQ(-LICHEN_EACCES, ld_open(&path, "good", pin, &plugin, &error));
	CHECK_SAYS(info.hash, error);
	CHECK_SAYS(pin, error);
	CHECK(!ran());
	CHECK_EQ(-LICHEN_EINVAL, ld_open(&path, "good", "abc", &plugin, &error));
	CHECK_SAYS("want 64 hex digits", error);
	pin[0] = 'x';
	CHECK_EQ(-LICHEN_EINVAL, ld_open(&path, "good", pin, &plugin, &error));

	for (char *c = info.hash; *c; c++)
		*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
	CHECK_EQ(0, ld_open(&path, "good", info.hash, &plugin, &error));
	closed(plugin);
	ld_info_clear(&info);
	ld_path_clear(&path);
}

TEST(the_memory_map_names_the_plugin)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "good");
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX];
	int named = 0;

	while (fgets(line, sizeof(line), maps))
		named += strstr(line, "r-x") && strstr(line, "/memfd:lichen:good");
	fclose(maps);
	CHECK_EQ(1, named);
	closed(plugin);
	ld_path_clear(&path);
}

TEST(overwriting_the_file_does_not_change_the_open_plugin)
{
	struct scratch s = scratch_make();
	struct bytes b = bytes_of(PLUGINS "/good.so");
	struct ld_plugin *plugin;
	const struct lichen_window *windows;

	bytes_put(s.folder, "good.so", b.at, b.size);
	plugin = opened(&s.path, "good");
	windows = ld_plugin_class(plugin)->windows.items;
	memset(b.at, 0xcc, b.size);
	bytes_put(s.folder, "good.so", b.at, b.size);
	CHECK_EQ(1, windows->ops->read(NULL, 0, 0, 1));
	CHECK_STR("plugin good 1.0", ld_plugin_class(plugin)->summary);
	closed(plugin);
	refused(&s.path, "good", -LICHEN_ENOEXEC);
	free(b.at);
	scratch_remove(&s);
}

TEST(nobody_can_write_to_the_copy)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "good");
	char link[64];
	int copy = -1, fd;

	for (int i = 0; i < TAP_FDS && copy < 0; i++)
		if (fcntl(i, F_GET_SEALS) > 0)
			copy = i;
	CHECK(copy >= 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", copy);
	fd = open(link, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		CHECK_EQ(-1, write(fd, "x", 1));
		CHECK_EQ(-1, ftruncate(fd, 0));
		CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
		CHECK_EQ(-1, fcntl(fd, F_ADD_SEALS, 0));
		close(fd);
	}
	closed(plugin);
	ld_path_clear(&path);
}

/* --- sharing --- */

TEST(the_same_content_is_shared_through_one_path)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *one = opened(&path, "good"), *two = opened(&path, "good");
	int n = mappings();

	CHECK(one == two);
	closed(one);
	CHECK_EQ(n, mappings());
	closed(two);
	CHECK_EQ(0, mappings());
	ld_path_clear(&path);
}

TEST(two_paths_share_nothing)
{
	struct ld_path mine = path_of(PLUGINS), yours = path_of(PLUGINS);
	struct ld_plugin *one = opened(&mine, "good"), *two = opened(&yours, "good");
	const struct lichen_window *a = ld_plugin_class(one)->windows.items;
	const struct lichen_window *b = ld_plugin_class(two)->windows.items;

	CHECK(one != two);
	CHECK_EQ(1, a->ops->read(NULL, 0, 0, 1));
	CHECK_EQ(2, a->ops->read(NULL, 0, 0, 1));
	CHECK_EQ(1, b->ops->read(NULL, 0, 0, 1));
	closed(one);
	CHECK_EQ(2, b->ops->read(NULL, 0, 0, 1));
	closed(two);
	ld_path_clear(&mine);
	ld_path_clear(&yours);
}

TEST(two_versions_of_a_plugin_are_open_side_by_side)
{
	struct scratch s = scratch_make();
	struct bytes b = bytes_of(PLUGINS "/good.so");
	struct ld_plugin *older, *newer;

	bytes_put(s.folder, "good.so", b.at, b.size);
	free(b.at);
	older = opened(&s.path, "good");
	b = bytes_of(PLUGINS "/newer/good.so");
	bytes_put(s.folder, "good.so", b.at, b.size);
	free(b.at);
	newer = opened(&s.path, "good");

	CHECK(older != newer);
	CHECK_STR("plugin good 1.0", ld_plugin_class(older)->summary);
	CHECK_STR("plugin good 2.0", ld_plugin_class(newer)->summary);
	CHECK_STR("2.0", ld_plugin_info(newer)->version);
	closed(older);
	CHECK_STR("plugin good 2.0", ld_plugin_class(newer)->summary);
	closed(newer);
	scratch_remove(&s);
}

TEST(plugins_opened_in_turn_are_distinct)
{
	struct ld_path path = path_of(PLUGINS);

	for (int i = 0; i < 3; i++) {
		struct ld_plugin *plugin = opened(&path, "good");

		CHECK_STR("plugin good 1.0", ld_plugin_class(plugin)->summary);
		closed(plugin);
		plugin = opened(&path, "sysv");
		CHECK_STR("plugin sysv 1.0", ld_plugin_class(plugin)->summary);
		closed(plugin);
	}
	ld_path_clear(&path);
}

TEST(a_path_may_go_before_its_plugins)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "good");

	ld_path_clear(&path);
	CHECK_EQ(0, path.count);
	closed(plugin);
}

TEST(two_hundred_cycles_leak_no_descriptor_and_no_mapping)
{
	struct ld_path path = path_of(PLUGINS);

	for (int i = 0; i < 200; i++)
		closed(opened(&path, "good"));
	CHECK_EQ(0, mappings());
	CHECK_EQ(0, copies()); /* and TEST itself looks for descriptors */
	ld_path_clear(&path);
}

/* --- closing what cannot be closed --- */

/* In a process of its own, because what is pinned stays. */
static void apart(void (*run)(void))
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		run();
		_exit(0);
	}
	CHECK_EQ(child, waitpid(child, &status, 0));
	CHECK_EQ(0, status);
}

static void pin_nodelete(void)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "nodelete");
	struct ld_error error = { "" };

	CHECK_EQ(-LICHEN_EBUSY, ld_close(plugin, &error));
	CHECK_SAYS("nodelete.so: pinned", error);
	CHECK_SAYS("-z nodelete", error);
	CHECK(mappings() > 0);
	CHECK_EQ(1, copies());
	plugin = opened(&path, "good");
	CHECK_STR("plugin good 1.0", ld_plugin_class(plugin)->summary);
	closed(plugin);
	ld_path_clear(&path);
}

TEST(a_nodelete_plugin_is_reported_pinned_and_its_number_is_not_reused)
{
	apart(pin_nodelete);
}

static void pin_thread(void)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "threaded");
	const struct lichen_class class = *ld_plugin_class(plugin);
	struct ld_error error = { "" };
	void *instance = calloc(1, class.instance_size);

	CHECK(instance != NULL);
	CHECK_EQ(0, class.create(instance));
	tap_wait_asleep("sample"); /* a thread that runs is invisible */
	CHECK_EQ(-LICHEN_EBUSY, ld_close(plugin, &error));
	CHECK_SAYS("threaded.so: pinned: thread ", error);
	CHECK_EQ(1, copies());
	class.destroy(instance); /* its code is still there */
	free(instance);
	ld_path_clear(&path);
}

TEST(a_plugin_that_left_a_thread_is_reported_pinned_and_stays)
{
	if (SANITISED)
		SKIP("sanitizers start threads in functions of their own");
	apart(pin_thread);
}

TEST(a_plugin_that_ended_its_thread_is_closed)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_plugin *plugin = opened(&path, "threaded");
	const struct lichen_class *class = ld_plugin_class(plugin);
	void *instance = calloc(1, class->instance_size);

	CHECK(instance != NULL);
	CHECK_EQ(0, class->create(instance));
	class->destroy(instance);
	closed(plugin);
	free(instance);
	ld_path_clear(&path);
}

/* --- plugins that are wrong --- */

TEST(a_plugin_whose_class_has_size_0_is_told_the_macro)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error = refused(&path, "no-size", -LICHEN_ENOEXEC);

	CHECK_SAYS("struct_size 0", error);
	CHECK_SAYS("LICHEN_PLUGIN", error);
	CHECK(!ran());
	ld_path_clear(&path);
}

TEST(a_plugin_that_gives_no_class_is_refused)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error = refused(&path, "no-class", -LICHEN_ENOEXEC);

	CHECK_SAYS("gives no class", error);
	ld_path_clear(&path);
}

TEST(a_plugin_with_an_unknown_flag_is_refused_with_its_place)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error = refused(&path, "bad-param", -LICHEN_ENOTSUP);

	CHECK_SAYS("params[0] port: flags 0x80000000, this host knows 0x", error);
	ld_path_clear(&path);
}

TEST(a_plugin_without_entry_note_or_symbols_is_refused_before_code_runs)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error;

	error = refused(&path, "no-entry", -LICHEN_ENOEXEC);
	CHECK_SAYS("does not export the function lichen_plugin_v1", error);
	error = refused(&path, "no-note", -LICHEN_ENOEXEC);
	CHECK_SAYS("has no .note.lichen note", error);
	error = refused(&path, "undefined", -LICHEN_ENOEXEC);
	CHECK_SAYS("sample_nowhere", error);
	CHECK(!strstr(error.text, "/proc/"));
	CHECK(!ran());
	ld_path_clear(&path);
}

TEST(a_plugin_that_exports_more_is_refused_with_the_symbol)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error = refused(&path, "extra", -LICHEN_ENOEXEC);

	CHECK_SAYS("exports sample_extra", error);
	CHECK_SAYS("version script", error);
	CHECK(!ran());
	ld_path_clear(&path);
}

TEST(a_file_of_two_classes_is_refused)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error = refused(&path, "two-classes", -LICHEN_ENOEXEC);

	CHECK_SAYS("has 2 classes, this host takes 1", error);
	CHECK(!ran());
	ld_path_clear(&path);
}

TEST(an_executable_stack_is_refused)
{
	struct ld_path path = path_of(PLUGINS);
	struct ld_error error = refused(&path, "execstack", -LICHEN_ENOEXEC);

	CHECK_SAYS("executable stack", error);
	CHECK(!ran());
	ld_path_clear(&path);
}

static int open_good(const char *subfolder)
{
	char file[PATH_MAX];
	int descriptor;

	(void)snprintf(file, sizeof(file), "%s/%sgood.so", PLUGINS, subfolder);
	descriptor = open(file, O_RDONLY | O_CLOEXEC);
	CHECK(descriptor >= 0);
	return descriptor;
}

TEST(a_plugin_opens_from_a_descriptor_wherever_its_offset_is)
{
	struct ld_path path = path_of("");
	struct ld_plugin *plugin = NULL, *newer = NULL;
	struct ld_error error = { "" };
	const int descriptor = open_good(""), other = open_good("newer/");

	CHECK(lseek(descriptor, 100, SEEK_SET) == 100);
	CHECK_EQ(0, ld_open_file(&path, "good", descriptor, &plugin, &error));
	CHECK_EQ(0, ld_open_file(&path, "good", other, &newer, &error));
	CHECK(plugin != newer);
	CHECK_STR("2.0", ld_plugin_info(newer)->version);
	CHECK(ld_share(plugin) == plugin);
	close(descriptor);
	close(other);
	CHECK_EQ(0, ld_close(plugin, &error));
	CHECK(ld_plugin_class(plugin) != NULL); /* the other use */
	CHECK_EQ(0, ld_close(plugin, &error));
	CHECK_EQ(0, ld_close(newer, &error));
	ld_path_clear(&path);
}

static void refused_file(const char *name, int descriptor, lichen_status status,
			 const char *sentence)
{
	struct ld_path path = path_of("");
	struct ld_plugin *plugin = NULL;
	struct ld_error error = { "" };

	CHECK_EQ(status, ld_open_file(&path, name, descriptor, &plugin, &error));
	CHECK(plugin == NULL);
	if (!strstr(error.text, sentence))
		tap_fail("want \"%s\", got \"%s\"", sentence, error.text);
	ld_path_clear(&path);
}

TEST(a_descriptor_of_something_else_is_refused)
{
	struct scratch s = scratch_make();
	const int good = open_good("");
	char file[PATH_MAX];
	int ends[2], open_to_all;

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	refused_file("good", ends[0], -LICHEN_ENOEXEC, "good: not a plain file");
	refused_file("good", 999, -LICHEN_EBADF, "good: its descriptor cannot be looked at");
	refused_file("other", good, -LICHEN_ENOEXEC, "holds plugin good");
	refused_file("Good", good, -LICHEN_ENOENT, "plugin Good: no such plugin");
	(void)snprintf(file, sizeof(file), "%s/good.so", s.folder);
	open_to_all = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(open_to_all >= 0 && fchmod(open_to_all, 0666) == 0);
	refused_file("good", open_to_all, -LICHEN_EACCES, "anyone may write to the file");
	CHECK_EQ(0, fchmod(open_to_all, 0600));
	refused_file("good", open_to_all, -LICHEN_ENOEXEC, "empty");
	close(open_to_all);
	close(good);
	close(ends[0]);
	close(ends[1]);
	scratch_remove(&s);
}
