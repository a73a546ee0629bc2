// SPDX-License-Identifier: GPL-2.0-only
/*
 * freeze.c: deferred functions linux.freeze and linux.thaw: file systems on disks take no
 * writes for as long as the VMM copies them.  A timer here thaws them where the VMM does
 * not: a machine whose VMM has forgotten it must not stand still.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "guest.h"

enum {
	FREEZE_FILES = 32, /* file systems at once */
	FREEZE_TEXT = 65536,
	FREEZE_MS = 10000, /* where the VMM does not say */
	FREEZE_MS_MAX = 60000,
};

static DEFINE_MUTEX(freeze_lock);
static struct file *frozen[FREEZE_FILES]; /* guarded by the lock, as the count */
static unsigned int frozen_count;

static int freeze_one(struct file *file)
{
	struct super_block *sb = file_inode(file)->i_sb;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	if (sb->s_op->freeze_super)
		return sb->s_op->freeze_super(sb, FREEZE_HOLDER_USERSPACE);
	return sb->s_op->freeze_fs ? freeze_super(sb, FREEZE_HOLDER_USERSPACE) : -EOPNOTSUPP;
#else
	if (sb->s_op->freeze_super)
		return sb->s_op->freeze_super(sb);
	return sb->s_op->freeze_fs ? freeze_super(sb) : -EOPNOTSUPP;
#endif
}

static int thaw_one(struct file *file)
{
	struct super_block *sb = file_inode(file)->i_sb;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	if (sb->s_op->thaw_super)
		return sb->s_op->thaw_super(sb, FREEZE_HOLDER_USERSPACE);
	return thaw_super(sb, FREEZE_HOLDER_USERSPACE);
#else
	if (sb->s_op->thaw_super)
		return sb->s_op->thaw_super(sb);
	return thaw_super(sb);
#endif
}

static unsigned int thaw_all(void)
{
	unsigned int count = frozen_count;

	lockdep_assert_held(&freeze_lock);
	while (frozen_count) {
		struct file *file = frozen[--frozen_count];

		thaw_one(file);
		filp_close(file, NULL);
	}
	return count;
}

static void freeze_overdue(struct work_struct *work)
{
	mutex_lock(&freeze_lock);
	if (thaw_all())
		pr_warn(KBUILD_MODNAME ": thawed file systems: the VMM did not in time\n");
	mutex_unlock(&freeze_lock);
}
static DECLARE_DELAYED_WORK(overdue_work, freeze_overdue);

/* 1: frozen; 0: nothing to freeze there; a negative errno. */
static int freeze_path(const char *path)
{
	struct file *file;
	int status;

	if (frozen_count == FREEZE_FILES)
		return -ENOSPC;
	file = filp_open(path, O_RDONLY | O_DIRECTORY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	status = freeze_one(file);
	if (!status) {
		frozen[frozen_count++] = file;
		return 1;
	}
	filp_close(file, NULL);
	/* -EBUSY: it is already frozen, by another mount of the same or by somebody else. */
	return status == -EBUSY || status == -EOPNOTSUPP ? 0 : status;
}

/* Each that is on a device, the last mounted first: it may lie in a file of an earlier. */
static int freeze_mounts(void)
{
	char *text = kvmalloc(FREEZE_TEXT, GFP_KERNEL), *line, *end;
	int status;

	if (!text)
		return -ENOMEM;
	status = guest_file_read("/proc/1/mounts", text, FREEZE_TEXT);
	end = text + max(status, 0);
	while (status >= 0 && end > text) {
		char *path;

		while (end > text && end[-1] == '\n')
			*--end = '\0';
		for (line = end; line > text && line[-1] != '\n'; line--)
			;
		end = line;
		if (strncmp(line, "/dev/", strlen("/dev/")))
			continue;
		path = strchr(line, ' ');
		line = path ? strchr(path + 1, ' ') : NULL;
		if (!line)
			continue;
		*line = '\0';
		string_unescape_inplace(path + 1, UNESCAPE_OCTAL); /* "\\040" and such */
		status = freeze_path(path + 1);
	}
	kvfree(text);
	return status;
}

/* One mount point, or all file systems on devices, for so many milliseconds at most. */
static int request_freeze(struct lichen_guest_call *call)
{
	u64 limit = call->arguments[0] ?: FREEZE_MS;
	char *path = kmemdup_nul(call->data, call->size, GFP_KERNEL);
	int status;

	call->size = 0;
	if (!path || limit > FREEZE_MS_MAX) {
		kfree(path);
		return path ? -ERANGE : -ENOMEM;
	}
	mutex_lock(&freeze_lock);
	status = frozen_count ? -EBUSY : *path ? freeze_path(path) : freeze_mounts();
	if (status < 0 && status != -EBUSY)
		thaw_all();
	if (status == 0 && *path)
		status = -EOPNOTSUPP;
	if (status >= 0)
		queue_delayed_work(guest_work, &overdue_work, msecs_to_jiffies(limit));
	call->results[0] = frozen_count;
	mutex_unlock(&freeze_lock);
	kfree(path);
	return min(status, 0);
}

/* -ETIME: the timer was first: what was copied meanwhile is not of one moment. */
static int request_thaw(struct lichen_guest_call *call)
{
	unsigned int count;

	cancel_delayed_work_sync(&overdue_work);
	mutex_lock(&freeze_lock);
	count = thaw_all();
	mutex_unlock(&freeze_lock);
	call->size = 0;
	call->results[0] = count;
	return count ? 0 : -ETIME;
}

static const struct lichen_guest_function list[] = {
	{ .name = "linux.freeze",
	  .schema = "limit_ms:u32 | path:text -> count:u32",
	  .flags = LICHEN_CALL_DEFERRED,
	  .owner = THIS_MODULE,
	  .call = request_freeze },
	{ .name = "linux.thaw",
	  .schema = "-> count:u32",
	  .flags = LICHEN_CALL_DEFERRED,
	  .owner = THIS_MODULE,
	  .call = request_thaw },
};

int guest_freeze_init(void)
{
	return guest_functions_add(list, ARRAY_SIZE(list));
}

void guest_freeze_exit(void)
{
	guest_functions_remove(list, ARRAY_SIZE(list));
	cancel_delayed_work_sync(&overdue_work);
	mutex_lock(&freeze_lock);
	thaw_all();
	mutex_unlock(&freeze_lock);
}
