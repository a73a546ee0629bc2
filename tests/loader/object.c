/* SPDX-License-Identifier: MIT */
/* What a guest without a module loader might be given; linked and run by test_loader_module. */
int lichen_module_init(void);
void lichen_module_exit(void);

extern int guest_add(int a, int b);		    /* of the guest's */
extern int guest_maybe(void) __attribute__((weak)); /* nobody has it */

static int counter = 40;
static int zeroed[1000];
static int (*const table[])(int, int) = { guest_add };

int lichen_module_init(void)
{
	if (guest_maybe || zeroed[999])
		return -1;
	counter = table[0](counter, 2);
	return counter;
}

void lichen_module_exit(void)
{
	counter = 0;
}
