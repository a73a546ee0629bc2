/* SPDX-License-Identifier: MIT */
/* fails: an object whose init function says no. */
#include <pebble/symbiotic.h>

int32_t lichen_module_init(void);

int32_t lichen_module_init(void)
{
	return -19; /* ENODEV */
}
