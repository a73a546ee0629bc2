/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* ticket_port.h: the registers, for the device and for its drivers.  4 bytes each. */
#ifndef TICKET_PORT_H
#define TICKET_PORT_H

enum ticket_port {
	TICKET_PORT = 0x540,
	TICKET_PORTS = 8,
	TICKET_NEXT = 0,	     /* R: the next number, from 1 */
	TICKET_SIGNATURE = 4,	     /* R: TICKET_IS_HERE */
	TICKET_IS_HERE = 0x54434b54, /* "TKCT", the first in the lowest byte */
};

#endif
