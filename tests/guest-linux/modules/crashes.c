// SPDX-License-Identifier: GPL-2.0-only
/* crashes: its init writes to address 0. */
#include <linux/module.h>

static int __init crashes_init(void)
{
	int *volatile nowhere = NULL;

	pr_info("crashes: now\n");
	WRITE_ONCE(*nowhere, 1);
	return 0;
}
module_init(crashes_init);

MODULE_DESCRIPTION("its init crashes");
MODULE_LICENSE("GPL");
