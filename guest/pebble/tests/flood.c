/* SPDX-License-Identifier: MIT */
/*
 * flood: sends the mebibyte of stream.h through the first serial port's FIFO; with PEBBLE_TOLD
 * after a byte came in.
 */
#include <pebble/pebble.h>
#include <pebble/stream.h>

enum {
	THR = PEBBLE_SERIAL,
	FCR = PEBBLE_SERIAL + 2,
	LCR = PEBBLE_SERIAL + 3,
	MCR = PEBBLE_SERIAL + 4,
	LSR = PEBBLE_SERIAL + 5,
	LSR_DR = 1 << 0,
	LSR_THRE = 1 << 5,
};

#ifndef PEBBLE_TOLD
#define PEBBLE_TOLD 0
#endif

int main(void)
{
	struct stream_chunk chunk;

	stream_make(&chunk);
	outb(LCR, 3);
	outb(FCR, 7); /* on, cleared */
	outb(MCR, 3);
	while (PEBBLE_TOLD && !(inb(LSR) & LSR_DR))
		;
	for (uint32_t n = 0; n < STREAM_SIZE / STREAM_CHUNK; n++) {
		const void *from = &chunk;
		uint32_t count = STREAM_CHUNK;

		chunk.number = n;
		while (!(inb(LSR) & LSR_THRE))
			;
		__asm__ volatile("cld; rep outsb"
				 : "+S"(from), "+c"(count)
				 : "d"(THR)
				 : "memory");
	}
	return PEBBLE_PASS;
}
