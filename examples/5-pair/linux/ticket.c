// SPDX-License-Identifier: GPL-2.0-only
/*
 * ticket: the driver for Linux: each read of /dev/ticket takes a number.  Whoever has the file
 * open keeps driver and device in place.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "ticket_port.h"

static ssize_t ticket_read(struct file *file, char __user *to, size_t room, loff_t *at)
{
	char text[16];
	int size;

	if (*at) /* one number each time that it is opened */
		return 0;
	size = snprintf(text, sizeof(text), "%u\n", inl(TICKET_PORT + TICKET_NEXT));
	return simple_read_from_buffer(to, room, at, text, size);
}

static const struct file_operations ticket_operations = {
	.owner = THIS_MODULE,
	.read = ticket_read,
};

static struct miscdevice ticket_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ticket",
	.fops = &ticket_operations,
	.mode = 0444,
};

static int __init ticket_init(void)
{
	int status;

	if (!request_region(TICKET_PORT, TICKET_PORTS, "ticket"))
		return -EBUSY;
	status = inl(TICKET_PORT + TICKET_SIGNATURE) == TICKET_IS_HERE
			 ? misc_register(&ticket_device)
			 : -ENODEV;
	if (status)
		release_region(TICKET_PORT, TICKET_PORTS);
	return status;
}
module_init(ticket_init);

static void __exit ticket_exit(void)
{
	misc_deregister(&ticket_device);
	release_region(TICKET_PORT, TICKET_PORTS);
}
module_exit(ticket_exit);

MODULE_DESCRIPTION("takes numbers from the ticket machine of Lichen's examples");
MODULE_LICENSE("GPL");
