/* SPDX-License-Identifier: MIT */
/*
 * extract-vmlinux BZIMAGE OUT: writes the ELF kernel that a bzImage carries, as
 * the boot plugins would unpack it.  Status 0, 1 where it failed, 2 for wrong use.
 */
#include <fcntl.h>
#include <stdlib.h>

#include <lichen/sdk/bzimage.h>
#include <lichen/sdk/elf.h>

static int extract_fail(const char *file, const char *what)
{
	(void)fprintf(stderr, "extract-vmlinux: %s: %s\n", file, what);
	return 1;
}

static int extract_write(const char *path, const uint8_t *bytes, uint64_t size)
{
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int failed = out < 0;

	for (uint64_t had = 0; !failed && had < size;) {
		ssize_t n = write(out, bytes + had, (size_t)(size - had));

		if (n < 0 && errno == EINTR)
			continue;
		failed = n < 0;
		had += n < 0 ? 0 : (uint64_t)n;
	}
	if (!failed)
		failed = close(out) < 0;
	return failed ? extract_fail(path, strerror(errno)) : 0;
}

static int extract(const char *from, int in, const char *to)
{
	struct lichen_source file = lichen_source_of("kernel", NULL, 0), unpacked;
	struct lichen_payload payload;
	struct lichen_why why;
	struct lichen_elf elf = { .end = 0 };
	struct stat st;
	uint8_t *bytes;
	int status;

	if (fstat(in, &st) < 0)
		return extract_fail(from, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return extract_fail(from, "not a regular file");
	file.descriptor = in;
	file.size = (uint64_t)st.st_size;
	if (lichen_payload_find(&file, &payload, &why) < 0)
		return extract_fail(from, why.text);
	bytes = malloc((size_t)payload.unpacked);
	if (bytes == NULL)
		return extract_fail(from, "out of memory");
	unpacked = lichen_source_of("payload", bytes, payload.unpacked);
	if (lichen_payload_unpack(&file, &payload, bytes, &why) < 0 ||
	    lichen_elf_parse(&unpacked, &elf, &why) < 0)
		status = extract_fail(from, why.text);
	else
		/* Without the relocations that follow the ELF file. */
		status = extract_write(
			to, bytes,
			elf.end > 0 && elf.end < payload.unpacked ? elf.end : payload.unpacked);
	free(bytes);
	return status;
}

int main(int argc, char **argv)
{
	int in, status;

	if (argc != 3) {
		(void)fputs("usage: extract-vmlinux BZIMAGE OUT\n", stderr);
		return 2;
	}
	in = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return extract_fail(argv[1], strerror(errno));
	status = extract(argv[1], in, argv[2]);
	close(in);
	return status;
}
