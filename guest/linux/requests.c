// SPDX-License-Identifier: GPL-2.0-only
/* requests.c: the deferred functions: what the VMM may ask this system to do. */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/timekeeping.h>
#include <linux/umh.h>

#include "guest.h"

static char *repair = "";
module_param(repair, charp, 0644);
MODULE_PARM_DESC(repair, "program that linux.repair runs to put the network right (none)");

static int request_register(struct lichen_guest_call *call)
{
	guest_register_cpus();
	call->size = 0;
	return 0;
}

static int request_drop_caches(struct lichen_guest_call *call)
{
	u64 which = call->arguments[0] ?: 3; /* the page cache, and slabs */
	char text[2] = { '0' + (which & 3), '\n' };

	call->size = 0;
	return which > 3 ? -EINVAL : guest_file_write("/proc/sys/vm/drop_caches", text, 2);
}

static int request_sync(struct lichen_guest_call *call)
{
	call->size = 0;
	ksys_sync_helper();
	return 0;
}

static int set_clock(u64 now)
{
	struct timespec64 time = ns_to_timespec64(now);

	return now > S64_MAX ? -EINVAL : do_settimeofday64(&time);
}

static int request_set_clock(struct lichen_guest_call *call)
{
	call->size = 0;
	return set_clock(call->arguments[0]);
}

/*
 * Mixes `size` bytes in, and has the generator take new keys at once, so that two machines
 * that were one do not give the same numbers.
 */
static int reseed(const void *bytes, u32 size)
{
	struct file *file;
	int status = 0;

	add_device_randomness(bytes, size);
	file = filp_open("/dev/urandom", O_WRONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (size && file->f_op->write_iter && !file->f_op->write) {
		loff_t at = 0;
		ssize_t count = kernel_write(file, bytes, size, &at);

		status = count < 0 ? count : 0;
	}
	if (!status)
		status = vfs_ioctl(file, RNDRESEEDCRNG, 0);
	filp_close(file, NULL);
	return status == -ENODATA ? 0 : status; /* not seeded: it will take them when it is */
}

static int request_reseed(struct lichen_guest_call *call)
{
	int status = reseed(call->data, call->size);

	memzero_explicit(call->data, call->size);
	call->size = 0;
	return status;
}

/*
 * The exit status of a program, as wait() gives it, or a negative errno.  A program that takes
 * this module out would wait for its own end, so it is told that the module is in use.
 */
static int run(char **words, int how)
{
	static char *environment[] = { "HOME=/", "TERM=linux",
				       "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int status;

	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	status = call_usermodehelper(words[0], words, environment, how);
	module_put(THIS_MODULE);
	return status;
}

static int request_run(struct lichen_guest_call *call)
{
	char *text, **words;
	int count, status;

	if (!guest_may_run)
		return -EPERM;
	text = kmemdup_nul(call->data, call->size, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	words = argv_split(GFP_KERNEL, text, &count);
	kfree(text);
	if (!words)
		return -ENOMEM;
	status = count ? run(words, UMH_WAIT_PROC | UMH_KILLABLE) : -EINVAL;
	argv_free(words);
	call->size = 0;
	if (status < 0)
		return status;
	call->results[0] = status >> 8 & 0xff;
	call->results[1] = status & 0x7f;
	return 0;
}

enum { REPAIRED_CLOCK = 1, REPAIRED_RANDOM = 2, REPAIRED_NETWORK = 4 };

/* After a machine was restored, copied or moved: all of it in one call. */
static int request_repair(struct lichen_guest_call *call)
{
	char *words[] = { repair, "repair", NULL };
	int status = 0, last;

	if (call->arguments[0]) {
		status = set_clock(call->arguments[0]);
		call->results[0] |= status ? 0 : REPAIRED_CLOCK;
	}
	last = reseed(call->data, call->size);
	memzero_explicit(call->data, call->size);
	call->size = 0;
	call->results[0] |= last ? 0 : REPAIRED_RANDOM;
	status = status ?: last;
	if (*repair) {
		last = run(words, UMH_WAIT_PROC | UMH_KILLABLE);
		call->results[0] |= last ? 0 : REPAIRED_NETWORK;
		status = status ?: last > 0 ? -EIO : last;
	}
	call->results[1] = (u64)(s64)status;
	return 0;
}

#define REQUEST(called, text, function)                                            \
	{                                                                          \
		.name = (called), .schema = (text), .flags = LICHEN_CALL_DEFERRED, \
		.owner = THIS_MODULE, .call = (function)                           \
	}

static const struct lichen_guest_function list[] = {
	REQUEST("lichen.register", "->", request_register),
	REQUEST("linux.drop_caches", "which:u8 ->", request_drop_caches),
	REQUEST("linux.sync", "->", request_sync),
	REQUEST("linux.set_clock", "now:ns ->", request_set_clock),
	REQUEST("linux.reseed", "| seed:data ->", request_reseed),
	REQUEST("linux.run", "| command:text -> status:u32 signal:u32", request_run),
	REQUEST("linux.repair", "now:ns | seed:data -> done:x32 status:s32", request_repair),
};

int guest_requests_init(void)
{
	int status = guest_functions_add(list, ARRAY_SIZE(list));

	if (status)
		return status;
	status = guest_processes_init();
	if (status)
		goto no_processes;
	status = guest_freeze_init();
	if (!status)
		return 0;
	guest_processes_exit();
no_processes:
	guest_functions_remove(list, ARRAY_SIZE(list));
	return status;
}

void guest_requests_exit(void)
{
	guest_freeze_exit();
	guest_processes_exit();
	guest_functions_remove(list, ARRAY_SIZE(list));
}
