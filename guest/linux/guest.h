/* SPDX-License-Identifier: GPL-2.0-only */
/* guest.h: what the files of lichen_guest share. */
#ifndef GUEST_H
#define GUEST_H

#include <linux/mutex.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#include <lichen/guest/call.h>
#include <lichen/guest/directory.h>
#include <lichen/guest/discovery.h>
#include <lichen/guest/module.h>
#include <lichen/guest/spy.h>

#include "lichen_guest.h"

#define GUEST_VERSION "1.0"

/* --- main.c --- */

extern struct workqueue_struct *guest_work; /* whatever sleeps runs in it */
extern bool guest_may_run;		    /* parameter run=1 */

u64 guest_agreed(void);
u32 guest_msr(u32 msr); /* its number, from that counted from the first, as below */
int guest_rdmsr(u32 msr, u64 *value);
int guest_wrmsr(u32 msr, u64 value);
/* Zero pages that are contiguous, and what the MSRs say of them. */
void *guest_pages(unsigned int count);
void guest_pages_free(void *memory, unsigned int count);
u64 guest_at(const void *memory, unsigned int count);
/* Registers every CPU again, as for one whose direct calls were abandoned. */
void guest_register_cpus(void);

/* --- set.c: a directory in shared memory, and room for what it lists --- */

enum { GUEST_SET_ENTRIES = 128 };

struct guest_set {
	struct mutex lock;
	struct lichen_directory *head; /* the shared memory */
	u32 capacity;		       /* entries */
	struct {		       /* our own: what entry i takes, 0: nothing */
		u32 offset, size;
	} room[GUEST_SET_ENTRIES];
};

int guest_set_init(struct guest_set *set, u32 magic, unsigned int pages, u32 capacity);
void guest_set_free(struct guest_set *set);
unsigned int guest_set_pages(const struct guest_set *set);
/* Adds an entry with `bytes` of room; its index, or -EEXIST, -ENOSPC, -EINVAL.  fill:
 * completes the entry before the VMM sees it. */
int guest_set_add(struct guest_set *set, const char *name, const char *schema, u32 bytes,
		  void (*fill)(struct lichen_directory_entry *entry, u32 offset,
			       const void *how),
		  const void *how);
void guest_set_remove(struct guest_set *set, unsigned int index);
void *guest_set_bytes(const struct guest_set *set, unsigned int index);

/* --- spy*.c --- */

/* Also the records below, by their files; wanted: the VMM may read them. */
int guest_spy_init(bool wanted);
void guest_spy_exit(void);
void guest_spy_register(void);	   /* the VM's sets */
void guest_spy_register_cpu(void); /* this CPU's set; interrupts or migration are off */
int guest_spy_task_init(void);
void guest_spy_task_exit(void);
int guest_spy_mem_init(void);
void guest_spy_mem_exit(void);
int guest_spy_build_init(void);
void guest_spy_build_exit(void);

/* --- call.c, functions.c, deferred.c, requests.c, processes.c, freeze.c --- */

int guest_call_init(void);
void guest_call_exit(void);
void guest_call_register(void);
void guest_call_register_cpu(void);
/* Runs function `number`; `flag`: enum lichen_call_flag, as which. */
int guest_call_invoke(u32 number, u32 flag, struct lichen_guest_call *call);
int guest_functions_init(void); /* the direct ones */
void guest_functions_exit(void);
int guest_deferred_init(void);
void guest_deferred_exit(void);
void guest_deferred_register(void);
void guest_deferred_serve(void); /* from the interrupt */
int guest_requests_init(void);	 /* the deferred ones */
void guest_requests_exit(void);
int guest_processes_init(void);
void guest_processes_exit(void);
int guest_freeze_init(void);
void guest_freeze_exit(void);

/* --- module*.c, words.c --- */

int guest_module_init(const char *policy);
void guest_module_exit(void);
void guest_module_register(void);
void guest_module_serve(void); /* from the interrupt */

/* What the kernel's log says from `since` on, about `about`: bytes of text. */
u64 guest_words_mark(void);
u32 guest_words(u64 since, const char *about, char *text, u32 room);

/* The program `insmod` with the image as its module, or `rmmod`.  Text of its own is added
 * to `text`.  Returns 0 or a negative errno. */
struct guest_image {
	void *bytes;
	u64 size;
};
int guest_insmod(const struct guest_image *image, const char *name, const char *parameters,
		 char *text, u32 room);
int guest_rmmod(const char *name, char *text, u32 room);
int guest_insmod_init(void);
void guest_insmod_exit(void);

/* --- files.c: files of /proc, /sys and /dev, by workers --- */

/* Bytes read, NUL-terminated in `to`, or a negative errno. */
int guest_file_read(const char *path, char *to, u32 room);
int guest_file_write(const char *path, const void *from, u32 size);

/* A group of functions that come and go together. */
int guest_functions_add(const struct lichen_guest_function *functions, unsigned int count);
void guest_functions_remove(const struct lichen_guest_function *functions, unsigned int count);

#endif
