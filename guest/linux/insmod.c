// SPDX-License-Identifier: GPL-2.0-only
/*
 * insmod.c: modules in and out by the system's own programs, so that whatever it demands of
 * modules is demanded of these too.
 *
 * The image is a file, /sys/module/lichen_guest/image, while insmod runs.  kmod's insmod
 * gives its descriptor to the kernel, which wants a file of a size.  busybox's does too,
 * and where that fails for any reason it reads the file and tries again: an init function
 * that failed would run twice.  So for busybox the file has no size, which the kernel
 * refuses before it looks, and only reading works; and once the module's init has begun
 * there is nothing to read any more, whoever reads.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/notifier.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/umh.h>

#include "guest.h"

static char *insmod = "/sbin/insmod";
module_param(insmod, charp, 0644);
MODULE_PARM_DESC(insmod, "program that loads pushed modules (/sbin/insmod)");
static char *rmmod = "/sbin/rmmod";
module_param(rmmod, charp, 0644);
MODULE_PARM_DESC(rmmod, "program that takes them out (/sbin/rmmod)");

#define IMAGE_PATH "/sys/module/" KBUILD_MODNAME "/image"

static const struct guest_image *image; /* while insmod runs */
static const char *image_name;
static bool image_begun; /* its init function has been called */

static ssize_t image_read(struct file *file, struct kobject *kobj, struct bin_attribute *attr,
			  char *to, loff_t at, size_t size)
{
	if (READ_ONCE(image_begun))
		return -ESTALE;
	if (at >= image->size)
		return 0;
	size = min_t(u64, size, image->size - at);
	memcpy(to, image->bytes + at, size);
	return size;
}

static struct bin_attribute image_file = {
	.attr = { .name = "image", .mode = 0400 },
	.read = image_read,
};

static int image_changes(struct notifier_block *block, unsigned long state, void *data)
{
	const struct module *module = data;
	const char *name = READ_ONCE(image_name);

	if (state == MODULE_STATE_COMING && name && !strcmp(module->name, name))
		WRITE_ONCE(image_begun, true);
	return NOTIFY_DONE;
}
static struct notifier_block image_notifier = { .notifier_call = image_changes };

/* Whether a program is busybox by another name. */
static bool insmod_is_busybox(const char *path)
{
	struct path found;
	bool is;

	if (kern_path(path, LOOKUP_FOLLOW, &found))
		return false;
	is = !strcmp(found.dentry->d_name.name, "busybox");
	path_put(&found);
	return is;
}

/* Before the program starts, in its process: it gets `said` as stdin, stdout and stderr. */
static int insmod_prepare(struct subprocess_info *info, struct cred *new)
{
	struct file *said = info->data;
	int i, fd;

	for (i = 0; said && i < 3; i++) {
		fd = get_unused_fd_flags(0);
		if (fd < 0)
			break;
		fd_install(fd, get_file(said));
	}
	return 0;
}

/* What kmod's programs, which end with 1 whatever it was, say instead. */
static const struct {
	const char *text;
	int status;
} meanings[] = {
	{ "Invalid module format", -ENOEXEC },
	{ "Exec format error", -ENOEXEC },
	{ "Unknown symbol", -ENOENT },
	{ "File exists", -EEXIST },
	{ "No such device", -ENODEV },
	{ "Key was rejected", -EKEYREJECTED },
	{ "Operation not permitted", -EPERM },
	{ "Permission denied", -EACCES },
	{ "is in use", -EBUSY },
	{ "is not currently loaded", -ENOENT },
	{ "No such file or directory", -ENOENT },
	{ "Device or resource busy", -EBUSY },
	{ "Resource temporarily unavailable", -EBUSY },
	{ "Cannot allocate memory", -ENOMEM },
	{ "Invalid argument", -EINVAL },
	{ "Invalid parameters", -EINVAL },
};

static int insmod_meaning(int exit, const char *said)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (strstr(said, meanings[i].text))
			return meanings[i].status;
	}
	return exit > 1 && exit < MAX_ERRNO ? -exit : exit == 1 ? -EPERM : -EIO;
}

/* Adds what the program said to `text`, which holds `used` bytes; returns how many then. */
static u32 insmod_said(struct file *said, char *text, u32 room, u32 used)
{
	loff_t at = 0;
	ssize_t count;

	if (!said || used + 2 >= room)
		return used;
	if (used)
		text[used++] = '\n';
	count = kernel_read(said, text + used, room - 1 - used, &at);
	used += max_t(ssize_t, count, 0);
	while (used && text[used - 1] == '\n')
		used--;
	return used;
}

/* Runs it and waits; words: NULL-terminated.  about: of whom the log may speak. */
static int insmod_run(char **words, const char *about, char *text, u32 room)
{
	static char *environment[] = { "HOME=/", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
				       "LC_ALL=C", NULL };
	struct file *said = shmem_file_setup(KBUILD_MODNAME, PAGE_SIZE, 0);
	struct subprocess_info *info;
	u64 since = guest_words_mark();
	int status;
	u32 used;

	if (IS_ERR(said))
		said = NULL;
	__module_get(THIS_MODULE); /* what it runs may not take us out */
	info = call_usermodehelper_setup(words[0], words, environment, GFP_KERNEL,
					 insmod_prepare, NULL, said);
	status = info ? call_usermodehelper_exec(info, UMH_WAIT_PROC) : -ENOMEM;
	if (status > 0) {
		used = guest_words(since, about, text, room - 1);
		used = insmod_said(said, text, room, used);
		text[used] = '\0';
		status = status & 0x7f ? -EINTR : insmod_meaning(status >> 8 & 0xff, text);
	} else {
		snprintf(text, room, status ? "%s cannot be run (%d)" : "", words[0], status);
	}
	if (said)
		fput(said);
	module_put(THIS_MODULE);
	return status;
}

int guest_insmod(const struct guest_image *bytes, const char *name, const char *parameters,
		 char *text, u32 room)
{
	char *words[] = { insmod, IMAGE_PATH, (char *)parameters, NULL };
	struct kobject *place = &THIS_MODULE->mkobj.kobj;
	int status;

	if (!*parameters)
		words[2] = NULL;
	image = bytes;
	image_begun = false;
	WRITE_ONCE(image_name, name);
	image_file.size = insmod_is_busybox(insmod) ? 0 : bytes->size;
	status = sysfs_create_bin_file(place, &image_file);
	if (!status) {
		status = insmod_run(words, name, text, room);
		sysfs_remove_bin_file(place, &image_file);
	}
	WRITE_ONCE(image_name, NULL);
	return status;
}

int guest_rmmod(const char *name, char *text, u32 room)
{
	char *words[] = { rmmod, (char *)name, NULL };

	return insmod_run(words, name, text, room);
}

int guest_insmod_init(void)
{
	sysfs_bin_attr_init(&image_file);
	return register_module_notifier(&image_notifier);
}

void guest_insmod_exit(void)
{
	unregister_module_notifier(&image_notifier);
}
