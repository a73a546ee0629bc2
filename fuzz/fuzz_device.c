/* SPDX-License-Identifier: MIT */
/*
 * One device, DEVICE, under the test host: the guest at its windows, time, a peer that sends
 * and is full, resets.  The test host itself finds misuse of the host.
 */
#include "fuzz.h"
#include "th.h"

enum { STEPS = 400, MEMORY = 1 << 20 };

#define TIME_MAX (UINT64_C(8) << 30) /* ns that may pass in one input: timers take ours */

static uint64_t time_left;

/* The test host ends the program so; libFuzzer keeps the input of an abort. */
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status)
{
	(void)status;
	abort();
}

static struct th *made(void)
{
	struct th *th = th_create(DEVICE);

	th_set_memory(th, MEMORY);
	return th;
}

/* Keeps the file open: each opening would be another module to libFuzzer, which has room
 * for few. */
static struct th *keeper;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	keeper = made();
	return 0;
}

/* An access at a window, or a byte to either side of it. */
static void touch(struct th *th, struct fuzz_input *in, uint32_t what)
{
	const uint32_t count = th->class.windows.count;
	const uint32_t size = 1u << what / 16 % 4, index = fuzz_u8(in);
	const uint64_t past = fuzz_number(in, 1);
	const struct lichen_window *window;
	uint64_t at;

	if (count == 0)
		return;
	window = (const struct lichen_window *)th->class.windows.items + index % count;
	at = th->windows[index % count].start + past % (window->size + 2) - 1;
	switch (th->windows[index % count].place) {
	case LICHEN_PLACE_PORT:
		if (size > 4)
			break;
		if (what & 8)
			th_out(th, (uint16_t)at, size, fuzz_number(in, size));
		else
			(void)th_in(th, (uint16_t)at, size);
		break;
	case LICHEN_PLACE_GPA:
		if (what & 8)
			th_store(th, at, size, fuzz_number(in, size));
		else
			(void)th_load(th, at, size);
		break;
	default:
		break;
	}
}

static void press(struct th *th)
{
	const struct lichen_power_button_ops *button = th_interface(th, LICHEN_POWER_BUTTON);

	if (button)
		(void)button->press(th_self(th), TH_CLIENT);
}

static int has_peer(const struct th *th)
{
	const struct lichen_need *need = th->class.needs.items;

	for (uint32_t i = 0; i < th->class.needs.count; i++)
		if (!strcmp(need[i].id, LICHEN_CHAR))
			return 1;
	return 0;
}

static void peer(struct th *th, struct fuzz_input *in, uint32_t what)
{
	struct th_peer *p = th_peer(th);
	size_t size = what / 16;
	const uint8_t *bytes;

	if (what & 8) {
		p->size = 0;
		p->room = fuzz_u8(in);
		if (p->room)
			th_peer_writable(th);
	} else {
		bytes = fuzz_bytes(in, &size);
		(void)th_peer_send(th, bytes, (uint32_t)size);
	}
}

static void wait(struct th *th, uint64_t ns)
{
	ns = ns < time_left ? ns : time_left;
	time_left -= ns;
	th_advance(th, ns);
}

static void step(struct th *th, struct fuzz_input *in)
{
	const uint32_t what = fuzz_u8(in);

	switch (what % 8) {
	case 4:
		wait(th, fuzz_number(in, 2) << what / 8);
		break;
	case 5:
		if (th->peer)
			peer(th, in, what);
		break;
	case 6:
		if (what & 8)
			(void)th_reset(th,
				       what & 16 ? LICHEN_RESET_WARM : LICHEN_RESET_POWER_ON);
		else
			press(th);
		break;
	case 7:
		if (what & 8)
			th_set_wall(th, fuzz_number(in, 8) >> 2); /* to the year 2116 */
		else
			(void)th_poll(th, 0);
		break;
	default:
		touch(th, in, what);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct fuzz_input in = { bytes, size };
	struct th *th = made();

	time_left = TIME_MAX;
	if (has_peer(th))
		(void)th_peer(th);
	FUZZ_CHECK(th_start(th) == 0);
	for (uint32_t i = 0; i < STEPS && in.left; i++)
		step(th, &in);
	th_destroy(th);
	return 0;
}
