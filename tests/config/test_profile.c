/* SPDX-License-Identifier: MIT */
/*
 * Profiles of this folder, read by the names that they have:
 *
 *	good-*.yaml	composes to good-*.golden, in which @ stands for this folder,
 *			and what is printed loads to the same again
 *	bad-*.yaml	gives exactly the faults of its comments,
 *			"# expect [FILE:]LINE:COLUMN "PIECE OF THE SENTENCE""
 *
 * "# set KEY=VALUE" gives an override.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

#include "config.h"

/* Replaces every CONFIG_SOURCE by "@", in place. */
static void fold_folder(char *text)
{
	const size_t size = strlen(CONFIG_SOURCE);
	char *at;

	while ((at = strstr(text, CONFIG_SOURCE))) {
		*at = '@';
		memmove(at + 1, at + size, strlen(at + size) + 1);
	}
}

static int same_text(const char *file, const char *want, const char *got)
{
	if (strcmp(want, got) == 0)
		return 1;
	printf("# %s: want\n%s# got\n%s", file, want, got);
	return 0;
}

/* Loads what was printed of a good profile and prints it again. */
static int reprints(struct config *c, const char *file, const char *printed)
{
	char name[] = "/tmp/lichen-profile-XXXXXX";
	int copy = mkstemp(name), same = 0;
	char *again;

	CHECK(copy >= 0);
	CHECK_EQ((ssize_t)strlen(printed), write(copy, printed, strlen(printed)));
	CHECK_EQ(0, close(copy));
	if (config_load(c, name) == 0) {
		again = config_print(c->profile);
		same = same_text(file, printed, again);
		free(again);
	} else {
		printf("# %s: what is printed does not load\n%s", file, printed);
		fw_diags_print(&c->diags, stdout);
	}
	CHECK_EQ(0, unlink(name));
	config_clear(c);
	return same;
}

static int good(struct config *c, const char *file)
{
	char golden[256], want[CONFIG_SIZE];
	char *printed;
	int same;

	config_take_sets(c, file);
	if (config_load(c, file) != 0) {
		printf("# %s does not load\n", file);
		fw_diags_print(&c->diags, stdout);
		config_clear(c);
		return 0;
	}
	printed = config_print(c->profile);
	config_clear(c);
	(void)snprintf(golden, sizeof(golden), "%.*s.golden", (int)strlen(file) - 5, file);
	(void)config_read(golden, want);
	same = reprints(c, file, printed);
	fold_folder(printed);
	same &= same_text(file, want, printed);
	free(printed);
	return same;
}

/* "FILE:LINE:COLUMN" of a fault, without the file where it is the profile itself. */
static const char *place(const char *file, const struct fw_diag *diag, char text[static 256])
{
	if (!diag->mark.file || strcmp(diag->mark.file, file) == 0)
		(void)snprintf(text, 256, "%u:%u", diag->mark.line, diag->mark.column);
	else
		(void)snprintf(text, 256, "%s:%u:%u", diag->mark.file, diag->mark.line,
			       diag->mark.column);
	return text;
}

/* Whether fault `diag` is what `expect` says: PLACE "PIECE". */
static int expected(const char *file, char *expect, const struct fw_diag *diag)
{
	char at[256];
	char *piece = strstr(expect, " \"");
	size_t size = strlen(expect);

	if (!piece || expect[size - 1] != '"')
		return 0;
	expect[size - 1] = '\0';
	*piece = '\0';
	if (strcmp(expect, place(file, diag, at)) == 0 && strstr(diag->text, piece + 2))
		return 1;
	printf("# %s: want %s \"%s\"\n", file, expect, piece + 2);
	return 0;
}

static int bad(struct config *c, const char *file)
{
	char text[CONFIG_SIZE];
	char *rest = text, *expect;
	uint32_t wanted = 0;
	int same = 1;

	config_take_sets(c, file);
	(void)config_read(file, text);
	if (config_load(c, file) != -LICHEN_EINVAL || c->profile) {
		printf("# %s loads\n", file);
		config_clear(c);
		return 0;
	}
	while ((expect = config_comment(&rest, "expect"))) {
		if (wanted >= c->diags.count)
			printf("# %s: want %s\n", file, expect);
		if (wanted >= c->diags.count ||
		    !expected(file, expect, &c->diags.items[wanted]))
			same = 0;
		wanted++;
	}
	same &= wanted > 0 && wanted == c->diags.count && !c->diags.more && !c->diags.lost;
	if (!same) {
		printf("# %s: got\n", file);
		fw_diags_print(&c->diags, stdout);
	}
	config_clear(c);
	return same;
}

/* Runs `check` on every file that matches; there are at least `least`. */
static void each_file(const char *pattern, size_t least,
		      int (*check)(struct config *, const char *))
{
	static struct config c;
	glob_t files;
	int same = 1;

	config_begin(&c);
	CHECK_EQ(0, glob(pattern, 0, NULL, &files));
	CHECK(files.gl_pathc >= least);
	for (size_t i = 0; i < files.gl_pathc; i++)
		same &= check(&c, files.gl_pathv[i]);
	globfree(&files);
	config_end(&c);
	CHECK(same);
}

TEST(good_profiles_compose_to_their_golden_text_and_load_again)
{
	each_file("good-*.yaml", 6, good);
}

TEST(bad_profiles_tell_exactly_the_expected_faults)
{
	each_file("bad-*.yaml", 25, bad);
}

enum { LOADED_SIZE = 1 << 18 };

/* Loads a text of `size` bytes; returns all faults as printed, its file's name as @. */
static char *load_text(struct config *c, const char *text, size_t size)
{
	char name[] = "/tmp/lichen-profile-XXXXXX";
	int file = mkstemp(name);
	char *got = calloc(1, LOADED_SIZE), *mention;
	FILE *to = tmpfile();

	CHECK(file >= 0 && got && to);
	CHECK_EQ((ssize_t)size, write(file, text, size));
	CHECK_EQ(0, close(file));
	CHECK_EQ(-LICHEN_EINVAL, config_load(c, name));
	CHECK_EQ(0, unlink(name));
	fw_diags_print(&c->diags, to);
	rewind(to);
	CHECK(fread(got, 1, LOADED_SIZE - 1, to) > 0);
	CHECK_EQ(0, fclose(to));
	/* The name differs from run to run. */
	while ((mention = strstr(got, name))) {
		*mention = '@';
		memmove(mention + 1, mention + strlen(name),
			strlen(mention + strlen(name)) + 1);
	}
	config_clear(c);
	return got;
}

static void check_text(struct config *c, const char *text, size_t size, const char *want)
{
	char *got = load_text(c, text, size);

	if (strcmp(want, got) != 0)
		tap_fail("want %s, got %s", want, got);
	free(got);
}

TEST(an_empty_file_is_told_as_such)
{
	static struct config c;

	config_begin(&c);
	check_text(&c, "", 0, "@ is empty: a profile is a mapping of keys (@:1:1)\n");
	config_end(&c);
}

TEST(a_file_of_more_than_a_mebibyte_is_refused)
{
	static struct config c;
	const size_t size = (1 << 20) + 1;
	char *text = malloc(size);

	CHECK(text);
	memset(text, ' ', size);
	config_begin(&c);
	check_text(&c, text, size, "profile @: larger than 1 MiB\n");
	config_end(&c);
	free(text);
}

/* 40 entries of 3000 values each: more than any profile has. */
TEST(a_profile_of_too_many_values_is_refused_where_it_has_too_many)
{
	static struct config c;
	const size_t room = 1 << 20;
	char *text = malloc(room), *got;
	size_t size;

	CHECK(text);
	config_begin(&c);
	size = (size_t)snprintf(text, room, "lichen: 1\nlist:\n");
	for (uint32_t i = 0; i < 40; i++) {
		size += (size_t)snprintf(text + size, room - size, "- [");
		for (uint32_t j = 0; j < 3000; j++)
			size += (size_t)snprintf(text + size, room - size, "0,");
		size += (size_t)snprintf(text + size, room - size, "]\n");
	}
	got = load_text(&c, text, size);
	CHECK(strstr(got, "more than 100000 values in one profile (@:36:"));
	free(got);
	free(text);
	config_end(&c);
}

TEST(a_mapping_of_too_many_keys_is_refused)
{
	static struct config c;
	static char text[CONFIG_SIZE];
	char *got;
	size_t size = 0;

	config_begin(&c);
	for (uint32_t i = 0; i < 2000; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "key%u: 0\n", i);
	got = load_text(&c, text, size);
	CHECK(strcmp(got, "a mapping of more than 1024 keys (@:1025:1)\n") == 0);
	free(got);
	config_end(&c);
}

TEST(faults_beyond_a_thousand_are_counted)
{
	static struct config c;
	static char text[CONFIG_SIZE];
	char *got;
	size_t size = (size_t)snprintf(text, sizeof(text), "lichen: 1\ncpu:\n  mask: [");

	config_begin(&c);
	for (uint32_t i = 0; i < 1500; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "0,");
	size += (size_t)snprintf(text + size, sizeof(text) - size, "]\n");
	got = load_text(&c, text, size);
	CHECK(strstr(got, "\n501 more faults are not shown\n"));
	free(got);
	config_end(&c);
}

TEST(control_characters_do_not_reach_the_terminal)
{
	static struct config c;
	static const char text[] = "lichen: 1\nname: \"\\e[2J\\x9b\\n\"\n"
				   "boot: { plugin: start, kernel: k }\n";
	char *got;

	config_begin(&c);
	got = load_text(&c, text, strlen(text));
	CHECK(strncmp(got, "name \"?[2J???\": ", 16) == 0);
	free(got);
	config_end(&c);
}

TEST(what_is_no_plain_file_is_refused_without_waiting)
{
	static struct config c;
	char name[] = "/tmp/lichen-profile-XXXXXX", fifo[64];

	config_begin(&c);
	CHECK(mkdtemp(name));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", name);
	CHECK_EQ(0, mkfifo(fifo, 0600));
	CHECK_EQ(-LICHEN_EINVAL, config_load(&c, fifo));
	CHECK_EQ(-LICHEN_EINVAL, config_load(&c, name));
	CHECK_EQ(-LICHEN_EINVAL, config_load(&c, "no/such.yaml"));
	CHECK_EQ(3, c.diags.count);
	CHECK(strstr(c.diags.items[0].text, "not a regular file"));
	CHECK(strstr(c.diags.items[1].text, "is a folder"));
	CHECK(strcmp(c.diags.items[2].text, "profile no/such.yaml: not found") == 0);
	CHECK_EQ(0, unlink(fifo));
	CHECK_EQ(0, rmdir(name));
	config_end(&c);
}

static const struct fw_spec *find(const struct fw_profile *profile, const char *id)
{
	for (uint32_t i = 0; i < profile->count; i++)
		if (strcmp(profile->specs[i]->id, id) == 0)
			return profile->specs[i];
	tap_fail("no instance %s", id);
}

TEST(providers_come_before_those_who_need_them)
{
	static struct config c;
	static const char *const order[] = { "anon", "out", "chip", "uart", "table", "start" };

	config_begin(&c);
	CHECK_EQ(0, config_load(&c, "good-order.yaml"));
	CHECK_EQ(6, c.profile->count);
	for (uint32_t i = 0; i < 6; i++) {
		CHECK(strcmp(order[i], c.profile->specs[i]->id) == 0);
		CHECK_EQ(i, c.profile->specs[i]->index);
	}
	CHECK(c.profile->memory == c.profile->specs[0]);
	CHECK(c.profile->boot == c.profile->specs[5]);
	config_end(&c);
}

TEST(a_need_of_many_is_tied_to_all_in_creation_order)
{
	static struct config c;
	const struct fw_spec *table;

	config_begin(&c);
	CHECK_EQ(0, config_load(&c, "good-order.yaml"));
	table = find(c.profile, "table");
	CHECK_EQ(2, table->ties[0].count);
	CHECK(table->ties[0].providers[0] == find(c.profile, "chip"));
	CHECK(table->ties[0].providers[1] == find(c.profile, "uart"));
	config_end(&c);
}

TEST(values_keep_their_places_and_defaults_have_none)
{
	static struct config c;
	const struct fw_spec *com1;

	config_begin(&c);
	c.sets[c.set_count++] = "devices.com1.port=0x2f8";
	CHECK_EQ(0, config_load(&c, "good-include.yaml"));
	com1 = find(c.profile, "com1");
	CHECK_EQ(0x2f8, com1->values[0].number);
	CHECK(strcmp(com1->values[0].mark.file, "--set") == 0);
	CHECK_EQ(1, com1->values[0].mark.line);
	CHECK_EQ(19, com1->values[0].mark.column);
	CHECK_EQ(5, com1->values[1].number);
	CHECK(strcmp(com1->values[1].mark.file, "good-include.yaml") == 0);
	CHECK_EQ(7, com1->values[1].mark.line);
	CHECK_EQ(22, com1->values[1].mark.column);
	CHECK(!com1->values[2].mark.file && !com1->values[2].written);
	CHECK(strcmp(com1->mark.file, "fragments/serial.yaml") == 0);
	config_end(&c);
}

TEST(a_plugin_with_the_pinned_hash_is_taken)
{
	static struct config c;
	struct ld_info info;
	struct ld_error error;
	char set[128];

	config_begin(&c);
	CHECK_EQ(0, ld_inspect(CONFIG_PLUGINS "/anon.so", &info, &error));
	(void)snprintf(set, sizeof(set), "memory.sha256=sha256:%s", info.hash);
	c.sets[c.set_count++] = set;
	CHECK_EQ(0, config_load(&c, "good-minimal.yaml"));
	ld_info_clear(&info);
	config_end(&c);
}

/* What tests/config/plugins/block.c has behind struct lichen_dev. */
struct block {
	struct lichen_dev dev;
	uint64_t base;
	uint32_t irq;
	int32_t image;
	int32_t journal;
	int32_t folder;
	int32_t node;
};

/* A profile in a folder of its own with one block. */
struct store {
	struct config c;
	char folder[32];
	const struct fw_spec *spec;
	struct block block;
};

static void store_begin(struct store *s, const char *keys)
{
	char text[512];
	int length;

	memset(s, 0, sizeof(*s));
	config_begin(&s->c);
	(void)snprintf(s->folder, sizeof(s->folder), "/tmp/lichen-values-XXXXXX");
	CHECK(mkdtemp(s->folder));
	CHECK_EQ(0, chdir(s->folder));
	length = snprintf(text, sizeof(text),
			  "lichen: 1\ndevices: [ { plugin: chip }, { plugin: block, %s } ]\n"
			  "boot: { plugin: start, kernel: k }\n",
			  keys);
	FILE *file = fopen("p.yaml", "we");

	CHECK(file && fwrite(text, 1, (size_t)length, file) == (size_t)length);
	CHECK_EQ(0, fclose(file));
	CHECK_EQ(0, config_load(&s->c, "p.yaml"));
	s->spec = find(s->c.profile, "block");
}

static void store_end(struct store *s)
{
	static const char *const names[] = { "p.yaml", "image", "journal", "fifo" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(names[i]);
	CHECK_EQ(0, chdir("/"));
	CHECK_EQ(0, rmdir(s->folder));
	config_end(&s->c);
}

static void make_file(const char *name)
{
	FILE *file = fopen(name, "we");

	CHECK(file && fputs("content", file) >= 0);
	CHECK_EQ(0, fclose(file));
}

TEST(values_are_stored_and_files_opened_as_declared)
{
	static struct store s;
	struct stat status;

	store_begin(&s, "base: 0xe0000000, image: image, journal: journal, folder: ., "
			"node: /dev/null");
	make_file("image");
	CHECK_EQ(0, fw_values_store(s.spec, &s.block, &s.c.diags));
	CHECK_EQ(0xe0000000, s.block.base);
	CHECK_EQ(10, s.block.irq);
	CHECK_EQ(O_RDONLY, fcntl(s.block.image, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	CHECK_EQ(O_WRONLY | O_APPEND,
		 fcntl(s.block.journal, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	CHECK_EQ(O_PATH, fcntl(s.block.folder, F_GETFL) & O_PATH);
	CHECK_EQ(O_RDWR, fcntl(s.block.node, F_GETFL) & O_ACCMODE);
	CHECK_EQ(FD_CLOEXEC, fcntl(s.block.image, F_GETFD));
	CHECK_EQ(0, fstat(s.block.journal, &status));
	CHECK_EQ(0600, status.st_mode & 0777);
	fw_values_close(s.spec, &s.block);
	CHECK_EQ(-1, s.block.image);
	store_end(&s);
}

TEST(absent_files_are_no_descriptor)
{
	static struct store s;

	store_begin(&s, "irq: 1");
	CHECK_EQ(0, fw_values_store(s.spec, &s.block, &s.c.diags));
	CHECK_EQ(-1, s.block.image);
	CHECK_EQ(-1, s.block.journal);
	fw_values_close(s.spec, &s.block);
	store_end(&s);
}

TEST(files_that_do_not_open_are_all_told_and_the_others_closed)
{
	static struct store s;
	static const char *const want[] = {
		"devices[1] block: image nosuch: not found",
		"devices[1] block: folder /dev/null: not a folder",
		"devices[1] block: node p.yaml: not a device node",
	};

	store_begin(&s, "image: nosuch, journal: journal, folder: /dev/null, node: p.yaml");
	CHECK_EQ(-LICHEN_EINVAL, fw_values_store(s.spec, &s.block, &s.c.diags));
	CHECK_EQ(3, s.c.diags.count);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(strcmp(want[i], s.c.diags.items[i].text) == 0);
		CHECK_EQ(2, s.c.diags.items[i].mark.line);
	}
	CHECK_EQ(-1, s.block.journal);
	store_end(&s);
}

TEST(a_fifo_is_no_file_and_nobody_waits_for_it)
{
	static struct store s;

	store_begin(&s, "image: fifo, journal: fifo");
	CHECK_EQ(0, mkfifo("fifo", 0600));
	CHECK_EQ(-LICHEN_EINVAL, fw_values_store(s.spec, &s.block, &s.c.diags));
	CHECK_EQ(2, s.c.diags.count);
	CHECK(strstr(s.c.diags.items[0].text, "image fifo: not a regular file"));
	CHECK(strstr(s.c.diags.items[1].text, "journal fifo: not a regular file"));
	store_end(&s);
}

TEST(a_folder_is_no_file)
{
	static struct store s;

	store_begin(&s, "image: ., journal: .");
	CHECK_EQ(-LICHEN_EINVAL, fw_values_store(s.spec, &s.block, &s.c.diags));
	CHECK_EQ(2, s.c.diags.count);
	CHECK(strstr(s.c.diags.items[0].text, "image .: is a folder"));
	CHECK(strstr(s.c.diags.items[1].text, "journal .: is a folder"));
	store_end(&s);
}
