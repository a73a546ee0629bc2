/* SPDX-License-Identifier: MIT */
/* Files that are no plugins, who may have put them there, and what a listing shows. */
#include "fixture.h"

/* --- files that are no plugins --- */

TEST(a_missing_plugin_names_the_folders)
{
	struct ld_path path = path_of("/nonexistent/a::" PLUGINS), none = path_of(NULL);
	struct ld_error error = refused(&path, "absent", -LICHEN_ENOENT);

	CHECK_SAYS("no absent.so in /nonexistent/a, " PLUGINS, error);
	error = refused(&none, "absent", -LICHEN_ENOENT);
	CHECK_SAYS("search path, which is empty", error);
	refused(&path, "../good", -LICHEN_ENOENT);
	refused(&path, "Good", -LICHEN_ENOENT);
	ld_path_clear(&path);
	ld_path_clear(&none);
}

TEST(folders_fifos_sockets_and_empty_files_are_refused_without_waiting)
{
	struct scratch s = scratch_make();
	char file[128], text[256];
	struct ld_error error;

	snprintf(file, sizeof(file), "%s/folder.so", s.folder);
	CHECK_EQ(0, mkdir(file, 0700));
	error = refused(&s.path, "folder", -LICHEN_ENOEXEC);
	CHECK_SAYS("not a plain file", error);
	snprintf(file, sizeof(file), "%s/fifo.so", s.folder);
	CHECK_EQ(0, mkfifo(file, 0600));
	error = refused(&s.path, "fifo", -LICHEN_ENOEXEC);
	CHECK_SAYS("not a plain file", error);
	snprintf(file, sizeof(file), "%s/socket.so", s.folder);
	CHECK_EQ(0, mknod(file, S_IFSOCK | 0600, 0));
	error = refused(&s.path, "socket", -LICHEN_ENOEXEC);
	CHECK_SAYS("not a plain file", error);
	bytes_put(s.folder, "empty.so", "", 0);
	error = refused(&s.path, "empty", -LICHEN_ENOEXEC);
	CHECK_SAYS("empty", error);
	memset(text, '#', sizeof(text));
	bytes_put(s.folder, "text.so", text, sizeof(text));
	error = refused(&s.path, "text", -LICHEN_ENOEXEC);
	CHECK_SAYS("not an ELF file", error);
	scratch_remove(&s);
}

TEST(a_huge_file_is_refused_without_being_read)
{
	struct scratch s = scratch_make();
	char file[128];
	struct ld_error error;

	bytes_put(s.folder, "huge.so", "", 0);
	snprintf(file, sizeof(file), "%s/huge.so", s.folder);
	CHECK_EQ(0, truncate(file, ((off_t)64 << 20) + 1));
	error = refused(&s.path, "huge", -LICHEN_ENOEXEC);
	CHECK_SAYS("larger than 64 MiB", error);
	CHECK_EQ(0, truncate(file, (off_t)1 << 40));
	refused(&s.path, "huge", -LICHEN_ENOEXEC);
	scratch_remove(&s);
}

TEST(a_link_to_nothing_and_a_link_to_itself_are_refused)
{
	struct scratch s = scratch_make();
	char file[128];

	snprintf(file, sizeof(file), "%s/dangling.so", s.folder);
	CHECK_EQ(0, symlink("nowhere", file));
	refused(&s.path, "dangling", -LICHEN_ENOENT);
	snprintf(file, sizeof(file), "%s/circle.so", s.folder);
	CHECK_EQ(0, symlink("circle.so", file));
	refused(&s.path, "circle", -LICHEN_EIO);
	scratch_remove(&s);
}

TEST(a_sentence_is_one_line_whatever_the_file_is_called)
{
	struct scratch s = scratch_make();
	struct ld_listing *list;
	uint32_t count;

	bytes_put(s.folder, "a\n\033[2Jb.so", "x", 1);
	CHECK_EQ(0, ld_list(&s.path, &list, &count));
	CHECK_EQ(1, count);
	CHECK_SAYS("a??[2Jb.so: not named as a plugin", list[0].why);
	ld_list_free(list, count);
	scratch_remove(&s);
}

/* --- who could have put it there --- */

/* A scratch folder with FOLDER/below/good.so, searched in FOLDER/below. */
static struct scratch scratch_nested(char *below, size_t size, char *file, size_t file_size)
{
	struct scratch s = scratch_make();
	struct bytes b = bytes_of(PLUGINS "/good.so");

	snprintf(below, size, "%s/below", s.folder);
	snprintf(file, file_size, "%s/below/good.so", s.folder);
	CHECK_EQ(0, mkdir(below, 0700));
	bytes_put(below, "good.so", b.at, b.size);
	free(b.at);
	ld_path_clear(&s.path);
	s.path = path_of(below);
	return s;
}

TEST(a_world_writable_file_is_refused)
{
	char below[80], file[96];
	struct scratch s = scratch_nested(below, sizeof(below), file, sizeof(file));
	struct ld_error error;

	CHECK_EQ(0, chmod(file, 0646));
	error = refused(&s.path, "good", -LICHEN_EACCES);
	CHECK_SAYS("anyone may write to the file (mode 0646)", error);
	CHECK(!ran());
	CHECK_EQ(0, chmod(file, 0664));
	closed(opened(&s.path, "good"));
	scratch_remove(&s);
}

TEST(a_world_writable_folder_is_refused_sticky_or_not)
{
	char below[80], file[96];
	struct scratch s = scratch_nested(below, sizeof(below), file, sizeof(file));
	struct ld_error error;

	CHECK_EQ(0, chmod(below, 0777));
	error = refused(&s.path, "good", -LICHEN_EACCES);
	CHECK_SAYS("anyone may write to folder ", error);
	CHECK_SAYS(below, error);
	CHECK_EQ(0, chmod(below, 01777));
	refused(&s.path, "good", -LICHEN_EACCES);
	CHECK(!ran());
	scratch_remove(&s);
}

TEST(a_world_writable_folder_further_up_is_good_only_when_sticky)
{
	char below[80], file[96];
	struct scratch s = scratch_nested(below, sizeof(below), file, sizeof(file));
	struct ld_error error;

	CHECK_EQ(0, chmod(s.folder, 0777));
	error = refused(&s.path, "good", -LICHEN_EACCES);
	CHECK_SAYS("(mode 0777)", error);
	CHECK(!ran());
	CHECK_EQ(0, chmod(s.folder, 01777));
	closed(opened(&s.path, "good"));
	scratch_remove(&s);
}

TEST(a_link_is_judged_at_both_of_its_ends)
{
	char below[80], file[96], link[96];
	struct scratch s = scratch_nested(below, sizeof(below), file, sizeof(file));
	struct ld_path path = path_of(s.folder);

	snprintf(link, sizeof(link), "%s/good.so", s.folder);
	CHECK_EQ(0, symlink(file, link));
	closed(opened(&path, "good"));
	unsetenv("LOADER_TEST_RAN");
	CHECK_EQ(0, chmod(below, 0777));
	refused(&path, "good", -LICHEN_EACCES);
	CHECK_EQ(0, chmod(below, 0700));
	CHECK_EQ(0, chmod(s.folder, 01777));
	refused(&path, "good", -LICHEN_EACCES);
	CHECK(!ran());
	ld_path_clear(&path);
	scratch_remove(&s);
}

TEST(a_file_that_may_not_be_read_is_refused)
{
	char below[80], file[96];
	struct scratch s = scratch_nested(below, sizeof(below), file, sizeof(file));
	struct ld_error error;

	CHECK_EQ(0, chmod(file, 0));
	if (geteuid() != 0) {
		error = refused(&s.path, "good", -LICHEN_EACCES);
		CHECK_SAYS("cannot be opened", error);
	} else {
		closed(opened(&s.path, "good")); /* root reads what it likes */
	}
	scratch_remove(&s);
}

/* --- listing --- */

TEST(a_listing_is_sorted_and_shows_the_first_of_a_name_and_why_the_rest_is_refused)
{
	struct ld_path path = path_of(PLUGINS "/newer:" PLUGINS);
	struct ld_listing *list;
	uint32_t count, good = 0;

	CHECK_EQ(0, ld_list(&path, &list, &count));
	CHECK(count > 5);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(i == 0 || strcmp(list[i - 1].info.name, list[i].info.name) < 0);
		CHECK(list[i].info.file != NULL);
		if (!strcmp(list[i].info.name, "good")) {
			good++;
			CHECK_STR("2.0", list[i].info.version);
			CHECK(list[i].why.text[0] == '\0');
		}
		if (!strcmp(list[i].info.name, "extra"))
			CHECK_SAYS("exports sample_extra", list[i].why);
	}
	CHECK_EQ(1, good);
	CHECK(!ran());
	ld_list_free(list, count);
	ld_path_clear(&path);
}

TEST(a_listing_of_nothing_is_empty)
{
	struct ld_path path = path_of("/nonexistent:::");
	struct ld_listing *list;
	uint32_t count;

	CHECK_EQ(1, path.count);
	CHECK_EQ(0, ld_list(&path, &list, &count));
	CHECK_EQ(0, count);
	ld_list_free(list, count);
	ld_path_clear(&path);
}

TEST(the_nearest_name_is_near_or_there_is_none)
{
	struct scratch s = scratch_make();
	char buffer[LICHEN_NAME_SIZE];

	bytes_put(s.folder, "serial16550.so", "x", 1);
	bytes_put(s.folder, "stdio.so", "x", 1);
	bytes_put(s.folder, "null.so", "x", 1);
	CHECK_STR("serial16550", ld_nearest(&s.path, "serial1655", buffer));
	CHECK_STR("stdio", ld_nearest(&s.path, "stido", buffer));
	CHECK_STR("null", ld_nearest(&s.path, "nul", buffer));
	CHECK(ld_nearest(&s.path, "framebuffer", buffer) == NULL);
	CHECK(ld_nearest(&s.path, "a-name-that-is-far-longer-than-any-plugin-has", buffer) ==
	      NULL);
	CHECK(ld_nearest(&s.path, "", buffer) == NULL);
	scratch_remove(&s);
}

TEST(the_kinds_have_names)
{
	CHECK_STR("device", ld_kind_name(LICHEN_KIND_DEVICE));
	CHECK_STR("memory", ld_kind_name(LICHEN_KIND_MEMORY));
	CHECK_STR("unknown", ld_kind_name(99));
}
