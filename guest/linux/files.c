// SPDX-License-Identifier: GPL-2.0-only
/* files.c: small files of the guest's own, read and written by workers. */
#include <linux/err.h>
#include <linux/fs.h>

#include "guest.h"

int guest_file_read(const char *path, char *to, u32 room)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	ssize_t count, size = 0;
	loff_t at = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	/* Others can only be read by a process, and kernel_read() would complain aloud. */
	if (!file->f_op->read_iter || file->f_op->read) {
		filp_close(file, NULL);
		return -EOPNOTSUPP;
	}
	do {
		count = kernel_read(file, to + size, room - 1 - size, &at);
		if (count > 0)
			size += count;
	} while (count > 0 && size < room - 1);
	filp_close(file, NULL);
	to[size] = '\0';
	return count < 0 ? count : size;
}

int guest_file_write(const char *path, const void *from, u32 size)
{
	struct file *file = filp_open(path, O_WRONLY, 0);
	ssize_t count = -EOPNOTSUPP;
	loff_t at = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	if (file->f_op->write_iter && !file->f_op->write)
		count = kernel_write(file, from, size, &at);
	filp_close(file, NULL);
	if (count < 0)
		return count;
	return count == size ? 0 : -EIO;
}
