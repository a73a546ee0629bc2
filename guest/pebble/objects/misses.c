/* SPDX-License-Identifier: MIT */
/* misses: an object that wants a symbol which the guest does not export. */
#include <pebble/symbiotic.h>

int32_t lichen_module_init(void);
int32_t sym_that_is_missing(void);

int32_t lichen_module_init(void)
{
	return sym_that_is_missing();
}
