// SPDX-License-Identifier: GPL-2.0-only
/* misses: needs a symbol that nobody has. */
#include <linux/module.h>

void nobody_has_it(void);

static int __init misses_init(void)
{
	nobody_has_it();
	return 0;
}
module_init(misses_init);

MODULE_DESCRIPTION("needs a symbol that nobody has");
MODULE_LICENSE("GPL");
