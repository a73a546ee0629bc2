// SPDX-License-Identifier: GPL-2.0-only
/*
 * spy_build.c: record linux.build/1: which kernel this is and where it lies, from the note
 * that it makes for crash dumps.
 */
#include <linux/cpumask.h>
#include <linux/elf.h>
#include <linux/err.h>
#include <linux/string.h>
#include <linux/utsname.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#include <linux/vmcore_info.h>
#else
#include <linux/crash_core.h>
#endif
#include <asm/io.h>

#include "guest.h"

static struct lichen_guest_record *build_record;

/* The line "KEY=" of the note, up to its end, into `to`. */
static void build_word(const char *text, size_t size, const char *key, char *to, size_t room)
{
	const char *at = strnstr(text, key, size);
	size_t length = 0;

	*to = '\0';
	if (!at)
		return;
	at += strlen(key);
	while (length + 1 < room && at + length < text + size && at[length] != '\n' &&
	       at[length] != '\0') {
		to[length] = at[length];
		length++;
	}
	to[length] = '\0';
}

static void build_note(struct lichen_spy_build *build)
{
#if IS_ENABLED(CONFIG_CRASH_CORE) || IS_ENABLED(CONFIG_VMCORE_INFO)
	phys_addr_t where = paddr_vmcoreinfo_note();
	const struct elf64_note *note = where ? phys_to_virt(where) : NULL;
	const char *text;
	char word[20];

	if (!note || note->n_namesz != sizeof("VMCOREINFO") || note->n_descsz > PAGE_SIZE)
		return;
	text = (const char *)(note + 1) + ALIGN(note->n_namesz, 4);
	build_word(text, note->n_descsz, "KERNELOFFSET=", word, sizeof(word));
	if (kstrtou64(word, 16, &build->kaslr_offset))
		build->kaslr_offset = 0;
	build_word(text, note->n_descsz, "BUILD-ID=", build->build_id, sizeof(build->build_id));
#endif
}

int guest_spy_build_init(void)
{
	struct lichen_spy_build *build;

	build_record = lichen_guest_record_add(LICHEN_SPY_BUILD, sizeof(*build),
					       LICHEN_SPY_BUILD_SCHEMA, LICHEN_GUEST_VM);
	if (IS_ERR(build_record))
		return PTR_ERR(build_record);
	build = lichen_guest_record_begin(build_record, 0);
	strscpy(build->release, init_utsname()->release, sizeof(build->release));
	strscpy(build->module, GUEST_VERSION, sizeof(build->module));
	build->cpus = num_possible_cpus();
	build_note(build);
	lichen_guest_record_end(build_record, 0);
	return 0;
}

void guest_spy_build_exit(void)
{
	lichen_guest_record_remove(build_record);
}
