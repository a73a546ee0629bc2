/* SPDX-License-Identifier: MIT */
/* sink: receives the mebibyte of stream.h at the first serial port, and compares it. */
#include <pebble/pebble.h>
#include <pebble/stream.h>

enum {
	RBR = PEBBLE_SERIAL,
	IER = PEBBLE_SERIAL + 1,
	IIR = PEBBLE_SERIAL + 2,
	FCR = PEBBLE_SERIAL + 2,
	LCR = PEBBLE_SERIAL + 3,
	MCR = PEBBLE_SERIAL + 4,
	LSR = PEBBLE_SERIAL + 5,
	LSR_DR = 1 << 0,
	IIR_ID = 15,
	IIR_RECEIVED = 4, /* as many as the trigger level says */
	TRIGGER = 14,
	BUFFER = 4 << 20, /* address of a mebibyte that nobody uses */
	CHECK_ORDER = 3,
};

static uint8_t *in_bytes(uint8_t *to, uint32_t count)
{
	__asm__ volatile("cld; rep insb" : "+D"(to), "+c"(count) : "d"(RBR) : "memory");
	return to;
}

int main(void)
{
	uint8_t *const first = (uint8_t *)(uintptr_t)BUFFER, *const end = first + STREAM_SIZE;
	struct stream_chunk chunk;

	outb(LCR, 3);
	outb(FCR, 0xc7); /* on, cleared, trigger at 14 */
	outb(IER, 1);	 /* for IIR's sake; the line is masked */
	outb(MCR, 3);
	for (uint8_t *to = first; to < end;) {
		if ((inb(IIR) & IIR_ID) == IIR_RECEIVED && end - to >= TRIGGER)
			to = in_bytes(to, TRIGGER);
		else if (inb(LSR) & LSR_DR)
			to = in_bytes(to, 1);
	}
	stream_make(&chunk);
	for (uint32_t n = 0; n < STREAM_SIZE / STREAM_CHUNK; n++) {
		const void *want = &chunk, *got = first + n * STREAM_CHUNK;
		uint32_t count = STREAM_CHUNK;
		uint8_t same;

		chunk.number = n;
		__asm__ volatile("cld; repe cmpsb; sete %0"
				 : "=q"(same), "+S"(want), "+D"(got), "+c"(count)
				 :
				 : "memory", "cc");
		if (!same)
			return CHECK_ORDER;
	}
	return PEBBLE_PASS;
}
