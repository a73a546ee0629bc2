/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "proof.h"

enum {
	LD_RANGES = 8,		/* executable mappings of a plugin; linkers make one */
	LD_LINE = 512,		/* bytes of a line of maps that matter: all but the path */
	LD_THREAD_SIZE = 2304,	/* bytes of struct pthread in glibc 2.36 */
	LD_LOOK = 4096,		/* bytes of a stack looked through at a time */
	LD_STACK_MAX = 16 << 20 /* bytes looked through for a thread pointer */
};

struct ld_range {
	uint64_t start, end;
};

/* proc(5), /proc/pid/maps: "start-end perms offset major:minor inode path". */
struct ld_mapping {
	struct ld_range range;
	char permissions[5];
	dev_t device;
	uint64_t inode;
};

/* The next line of `maps`; false at the end. */
static bool ld_next_mapping(FILE *maps, struct ld_mapping *m)
{
	char line[LD_LINE];
	unsigned major, minor;
	bool cut;

	if (!fgets(line, sizeof(line), maps))
		return false;
	cut = !strchr(line, '\n');
	*m = (struct ld_mapping){ .inode = 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %x:%x %" SCNu64, &m->range.start,
		   &m->range.end, m->permissions, &major, &minor, &m->inode) == 6)
		m->device = makedev(major, minor);
	while (cut && fgets(line, sizeof(line), maps))
		cut = !strchr(line, '\n');
	return true;
}

bool ld_is_mapped(int file)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct ld_mapping m;
	struct stat st;
	bool mapped = false;

	if (!maps || fstat(file, &st) != 0) {
		if (maps)
			fclose(maps);
		return true;
	}
	while (!mapped && ld_next_mapping(maps, &m))
		mapped = m.inode == st.st_ino && m.device == st.st_dev;
	fclose(maps);
	return mapped;
}

struct ld_code {
	struct ld_range ranges[LD_RANGES];
	uint32_t count;
};

static void ld_find_code(int file, struct ld_code *code)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct ld_mapping m;
	struct stat st;

	code->count = 0;
	if (!maps)
		return;
	while (fstat(file, &st) == 0 && code->count < LD_RANGES && ld_next_mapping(maps, &m))
		if (m.inode == st.st_ino && m.device == st.st_dev && m.permissions[2] == 'x')
			code->ranges[code->count++] = m.range;
	fclose(maps);
}

static bool ld_is_code(const struct ld_code *code, uint64_t address)
{
	for (uint32_t i = 0; i < code->count; i++)
		if (address >= code->ranges[i].start && address < code->ranges[i].end)
			return true;
	return false;
}

/*
 * Whether the thread whose stack pointer is `stack` was started in the code.
 * glibc keeps the function that a thread starts with in its struct pthread, at
 * the thread pointer, above the stack; the struct is known by its first and
 * third words, which point to itself (ELF Handling For TLS, x86-64 variant).
 * Where it is not found the answer is no.  Read through /proc/self/mem, because
 * the thread may end and take its stack with it meanwhile.
 */
static bool ld_started_inside(int memory, const struct ld_code *code, uint64_t stack)
{
	uint64_t words[LD_LOOK / sizeof(uint64_t)];
	uint64_t at = stack & ~(uint64_t)15;

	for (uint64_t end = at + LD_STACK_MAX; at < end; at += sizeof(words)) {
		ssize_t n = pread(memory, words, sizeof(words), (off_t)at);
		size_t count = n > 0 ? (size_t)n / sizeof(words[0]) : 0;

		for (size_t i = 0; i + 2 < count; i += 2) {
			if (words[i] != at + i * sizeof(words[0]) || words[i + 2] != words[i])
				continue;
			n = pread(memory, words, LD_THREAD_SIZE, (off_t)words[i]);
			count = n > 0 ? (size_t)n / sizeof(words[0]) : 0;
			for (size_t j = 0; j < count; j++)
				if (ld_is_code(code, words[j]))
					return true;
			return false;
		}
		if (count < sizeof(words) / sizeof(words[0]))
			return false;
	}
	return false;
}

/*
 * proc(5), /proc/pid/syscall: "running", or numbers that end with the stack
 * pointer and the program counter of a thread that sleeps.
 */
static bool ld_is_inside(int memory, const struct ld_code *code, const char *thread)
{
	uint64_t stack, counter;
	char path[320], line[LD_LINE], *last, *before;
	FILE *file;
	bool told;

	snprintf(path, sizeof(path), "/proc/self/task/%s/syscall", thread);
	file = fopen(path, "re");
	if (!file)
		return false;
	told = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	last = told ? strrchr(line, ' ') : NULL;
	if (!last)
		return false;
	counter = strtoull(last + 1, NULL, 16);
	*last = '\0';
	before = strrchr(line, ' ');
	if (!before)
		return false;
	stack = strtoull(before + 1, NULL, 16);
	return ld_is_code(code, counter) ||
	       (memory >= 0 && ld_started_inside(memory, code, stack));
}

pid_t ld_thread_inside(int file)
{
	struct ld_code code;
	struct dirent *entry;
	pid_t inside = 0;
	DIR *threads;
	int memory;

	ld_find_code(file, &code);
	if (code.count == 0)
		return 0;
	threads = opendir("/proc/self/task");
	if (!threads)
		return 0;
	memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	while (!inside && (entry = readdir(threads)) != NULL) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);

		/* The caller is here, not there; its start is the host's. */
		if (thread > 0 && thread != gettid() &&
		    ld_is_inside(memory, &code, entry->d_name))
			inside = thread;
	}
	if (memory >= 0)
		close(memory);
	closedir(threads);
	return inside;
}
