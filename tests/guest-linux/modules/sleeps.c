// SPDX-License-Identifier: GPL-2.0-only
/* sleeps: its init takes ten minutes. */
#include <linux/delay.h>
#include <linux/module.h>

static int __init sleeps_init(void)
{
	pr_alert("sleeps: begins\n");
	msleep(600000);
	return 0;
}
module_init(sleeps_init);

MODULE_DESCRIPTION("its init takes long");
MODULE_LICENSE("GPL");
