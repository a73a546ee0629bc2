/* SPDX-License-Identifier: MIT */
/*
 * char.h: "lichen.char/1", a stream of bytes each way.  Character backends
 * provide it, serial devices need it.  Nothing is lost and nobody waits: the
 * consumer says how much it can take, the provider takes what fits.
 */
#ifndef LICHEN_CHAR_H
#define LICHEN_CHAR_H

#include <lichen/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_CHAR "lichen.char/1"

/* Posted by the provider to the consumer's `event` callback. */
enum lichen_char_event {
	LICHEN_CHAR_RECEIVED = 1, /* data, size: bytes from the peer, at most what was asked */
	LICHEN_CHAR_WRITABLE = 2, /* after a write that was cut short: there is room again */
	LICHEN_CHAR_OPENED =
		3, /* a peer is there; backends that always have one never say so */
	LICHEN_CHAR_CLOSED = 4, /* the peer is gone or at its end: nothing more comes */
	LICHEN_CHAR_BREAK = 5,	/* the peer asks for a break condition */
};

struct lichen_char_ops {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Takes as much of `data` (borrowed for the call) as fits without
	 * waiting; *taken, at most `size`, says how much.  When less than `size`
	 * was taken, WRITABLE is posted once there is room.  A backend without a
	 * peer takes and drops everything unless its parameters say otherwise.
	 * -LICHEN_EIO: the peer failed for good; *taken is unchanged.
	 * [vcpu or control or io, running]
	 */
	lichen_status (*write)(void *self, uint64_t client, const uint8_t *data, uint32_t size,
			       uint32_t *taken);
	/*
	 * From now on at most `size` bytes may be posted as RECEIVED until the
	 * next call; replaces the earlier number.  0: none.  Before the first
	 * call nothing is posted.  [vcpu or control or io, running]
	 */
	void (*ask)(void *self, uint64_t client, uint32_t size);
};

#ifdef __cplusplus
}
#endif

#endif
