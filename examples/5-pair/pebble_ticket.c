/* SPDX-License-Identifier: MIT */
/*
 * ticket: the driver for pebble, an object that the VMM links into the running guest:
 * function ticket.take takes a number, ticket.hold(1) says that the machine is in use, and
 * ticket.hold(0) that it is not any more.
 */
#include <pebble/io.h>
#include <pebble/symbiotic.h>

#include "ticket_port.h"

enum { BUSY = -16, NO_DEVICE = -19, NO_SPACE = -28 }; /* of Linux's errno */

int32_t lichen_module_init(void);
int32_t lichen_module_exit(void);

static uint64_t held;

static int32_t ticket_take(struct sym_call *call)
{
	call->results[0] = inl(TICKET_PORT + TICKET_NEXT);
	call->size = 0;
	return 0;
}

static int32_t ticket_hold(struct sym_call *call)
{
	held = call->arguments[0];
	call->size = 0;
	return 0;
}

static const struct sym_function take = { "ticket.take", "-> number:u32", LICHEN_CALL_DEFERRED,
					  ticket_take };
static const struct sym_function hold = { "ticket.hold", "hold:u8 ->", LICHEN_CALL_DEFERRED,
					  ticket_hold };

int32_t lichen_module_init(void)
{
	held = 0;
	if (inl(TICKET_PORT + TICKET_SIGNATURE) != TICKET_IS_HERE)
		return NO_DEVICE;
	if (sym_add_function(&take) == 0)
		return NO_SPACE;
	if (sym_add_function(&hold) != 0)
		return 0;
	sym_remove_function(&take);
	return NO_SPACE;
}

int32_t lichen_module_exit(void)
{
	if (held)
		return BUSY;
	if (inl(TICKET_PORT + TICKET_SIGNATURE) != TICKET_IS_HERE)
		pebble_puts("pebble: the ticket machine has gone before its driver\n");
	sym_remove_function(&hold);
	sym_remove_function(&take);
	return 0;
}
