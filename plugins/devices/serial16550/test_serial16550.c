/* SPDX-License-Identifier: MIT */
/* The serial port as its guests see it: how drivers detect it, and that nothing is lost. */
#include <testhost.h>

#include "tap.h"

enum { PORT = 0x3f8, IRQ = 4 };
enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR, DLL = DATA, DLM = IER };
enum { RTS = 0x02, OUT2 = 0x08, LOOP = 0x10 };
enum { FLOW_NONE = 1 };

static uint8_t in(struct th *th, uint16_t at)
{
	return (uint8_t)th_in(th, PORT + at, 1);
}

static void out(struct th *th, uint16_t at, uint8_t value)
{
	th_out(th, PORT + at, 1, value);
}

/* With a peer, and as a driver would have it: FIFOs on, RTS and OUT2 raised. */
static struct th *serial(void)
{
	struct th *th = th_create("serial16550");

	(void)th_peer(th);
	CHECK_EQ(0, th_start(th));
	out(th, FCR, 0x07);
	out(th, MCR, RTS | OUT2);
	return th;
}

static uint32_t send(struct th *th, const char *text)
{
	return th_peer_send(th, text, (uint32_t)strlen(text));
}

/* xorshift32 with a fixed seed: the same sequence in every run. */
static uint32_t dice(void)
{
	static uint32_t x = 0x16550a;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* --- registers --- */

TEST(after_power_on_registers_are_as_table_i_has_them)
{
	struct th *th = th_create("serial16550");

	(void)th_peer(th);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0x00, in(th, IER));
	CHECK_EQ(0x01, in(th, IIR));
	CHECK_EQ(0x00, in(th, LCR));
	CHECK_EQ(0x00, in(th, MCR));
	CHECK_EQ(0x60, in(th, LSR));
	CHECK_EQ(0xb0, in(th, MSR));
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(reserved_bits_read_as_zero)
{
	struct th *th = serial();

	out(th, IER, 0xff);
	out(th, MCR, 0xff);
	CHECK_EQ(0x0f, in(th, IER));
	CHECK_EQ(0x1f, in(th, MCR));
	th_destroy(th);
}

TEST(divisor_hides_behind_dlab_and_scratch_keeps_its_byte)
{
	struct th *th = serial();

	out(th, IER, 0x05);
	out(th, LCR, 0x83);
	out(th, DLL, 0x34);
	out(th, DLM, 0x12);
	CHECK_EQ(0x34, in(th, DLL));
	CHECK_EQ(0x12, in(th, DLM));
	out(th, LCR, 0x03);
	CHECK_EQ(0x05, in(th, IER));
	out(th, SCR, 0xa5);
	CHECK_EQ(0xa5, in(th, SCR));
	CHECK_EQ(0, th_peer(th)->size);
	th_destroy(th);
}

TEST(wider_accesses_are_split_into_bytes)
{
	struct th *th = serial();

	th_out(th, PORT + DATA, 1, 'a');
	th_out(th, PORT + MCR, 2, 0xff0b); /* LSR is not writable */
	CHECK_EQ(0x0b, in(th, MCR));
	CHECK_EQ(0x60, in(th, LSR));
	CHECK_EQ(0x600b, th_in(th, PORT + MCR, 2));
	th_destroy(th);
}

/* --- detection, in the order of Linux's 8250 driver --- */

static uint32_t is_present(struct th *th)
{
	uint8_t ier = in(th, IER), zero, all, status, mcr;

	out(th, IER, 0x00);
	zero = in(th, IER) & 0x0f;
	out(th, IER, 0x0f);
	all = in(th, IER) & 0x0f;
	out(th, IER, ier);
	mcr = in(th, MCR);
	out(th, MCR, LOOP | OUT2 | RTS);
	status = in(th, MSR) & 0xf0;
	out(th, MCR, mcr);
	return zero == 0x00 && all == 0x0f && status == 0x90;
}

TEST(driver_finds_a_16550a)
{
	struct th *th = th_create("serial16550");

	(void)th_peer(th);
	CHECK_EQ(0, th_start(th));
	CHECK(is_present(th));
	out(th, LCR, 0xbf);
	out(th, FCR, 0x00); /* EFR of others */
	out(th, LCR, 0x00);
	out(th, FCR, 0x01);
	CHECK_EQ(3, in(th, IIR) >> 6); /* 0: 8250 or 16450, 2: 16550 */
	th_destroy(th);
}

TEST(driver_takes_it_for_no_later_chip)
{
	struct th *th = serial();
	uint8_t mcr, status;

	out(th, FCR, 0x01);
	out(th, LCR, 0x80); /* ST16C650V1 has EFR here */
	CHECK(in(th, IIR) != 0);
	out(th, LCR, 0xbf); /* ST16C650V2, XR16C850, OMAP: here */
	CHECK(in(th, IIR) != 0);
	out(th, LCR, 0x00); /* NS16550A in a Super I/O: EXCR1 follows MCR's loopback bit */
	mcr = in(th, MCR);
	out(th, LCR, 0xe0);
	status = in(th, IIR);
	if (!((status ^ mcr) & LOOP)) {
		out(th, LCR, 0x00);
		out(th, MCR, mcr ^ LOOP);
		out(th, LCR, 0xe0);
		status = in(th, IIR);
		out(th, LCR, 0x00);
		out(th, MCR, mcr);
		CHECK(!((status ^ mcr) & LOOP));
	}
	out(th, LCR, 0x00); /* TI16750: bit 5 of IIR tells of 64 bytes */
	out(th, FCR, 0x21);
	CHECK_EQ(6, in(th, IIR) >> 5);
	out(th, FCR, 0x01);
	out(th, LCR, 0x80);
	out(th, FCR, 0x21);
	CHECK_EQ(6, in(th, IIR) >> 5);
	out(th, FCR, 0x01);
	out(th, LCR, 0x00);
	out(th, IER, 0x40); /* XScale: unit enable */
	CHECK_EQ(0, in(th, IER) & 0x40);
	th_destroy(th);
}

TEST(driver_measures_a_fifo_of_16_in_loopback)
{
	struct th *th = serial();
	uint32_t count = 0;

	out(th, FCR, 0x07);
	out(th, MCR, LOOP);
	for (uint32_t i = 0; i < 256; i++)
		out(th, DATA, (uint8_t)i);
	while (count < 256 && (in(th, LSR) & 0x01))
		CHECK_EQ(count++, in(th, DATA));
	CHECK_EQ(16, count);
	CHECK_EQ(0, th_peer(th)->size);
	th_destroy(th);
}

TEST(thre_interrupt_comes_back_when_enabled_again)
{
	struct th *th = serial(); /* the driver's test for UARTs with a THRE bug */

	out(th, IER, 0x02);
	(void)in(th, IIR);
	out(th, IER, 0x00);
	out(th, IER, 0x02);
	CHECK_EQ(0xc2, in(th, IIR));
	th_destroy(th);
}

/* --- transmitting --- */

TEST(a_byte_goes_out_at_once)
{
	struct th *th = serial();

	out(th, DATA, 'x');
	CHECK_EQ(1, th_peer(th)->size);
	CHECK_EQ('x', th_peer(th)->data[0]);
	CHECK_EQ(0x60, in(th, LSR));
	th_destroy(th);
}

TEST(reading_iir_ends_the_thre_interrupt_and_writing_raises_it_anew)
{
	struct th *th = serial();

	out(th, IER, 0x02);
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0xc2, in(th, IIR));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0xc1, in(th, IIR));
	out(th, DATA, 'x');
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(2, th_edges(th, IRQ));
	out(th, IER, 0x00);
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(bytes_wait_in_the_fifo_until_the_backend_has_room)
{
	struct th *th = serial();

	th_peer(th)->room = 1;
	out(th, IER, 0x02);
	(void)in(th, IIR);
	for (char c = 'a'; c < 'a' + 5; c++)
		out(th, DATA, (uint8_t)c);
	CHECK_EQ(1, th_peer(th)->size);
	CHECK_EQ(0x00, in(th, LSR));
	CHECK_EQ(0, th_line(th, IRQ));
	out(th, IER, 0x00);
	out(th, IER, 0x02);
	CHECK_EQ(0, th_line(th, IRQ));

	th_peer(th)->room = 2;
	th_peer_writable(th);
	CHECK_EQ(0x00, in(th, LSR));
	CHECK_EQ(0, th_line(th, IRQ));
	th_peer(th)->room = 9;
	th_peer_writable(th);
	CHECK_EQ(0x60, in(th, LSR));
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0, memcmp("abcde", th_peer(th)->data, 5));
	th_destroy(th);
}

TEST(a_full_fifo_takes_no_seventeenth_byte)
{
	struct th *th = serial();

	th_peer(th)->room = 0;
	for (uint8_t i = 0; i < 20; i++)
		out(th, DATA, i);
	th_peer(th)->room = 100;
	th_peer_writable(th);
	CHECK_EQ(16, th_peer(th)->size);
	CHECK_EQ(15, th_peer(th)->data[15]);
	th_destroy(th);
}

TEST(without_fifo_a_byte_in_thr_is_overwritten)
{
	struct th *th = serial();

	out(th, FCR, 0x00);
	th_peer(th)->room = 0;
	out(th, DATA, 'a');
	CHECK_EQ(0x00, in(th, LSR));
	out(th, DATA, 'b');
	th_peer(th)->room = 100;
	th_peer_writable(th);
	CHECK_EQ(1, th_peer(th)->size);
	CHECK_EQ('b', th_peer(th)->data[0]);
	th_destroy(th);
}

TEST(resetting_the_transmitter_drops_what_waits_and_raises_thre)
{
	struct th *th = serial();

	th_peer(th)->room = 0;
	out(th, IER, 0x02);
	out(th, DATA, 'a');
	CHECK_EQ(0, th_line(th, IRQ));
	out(th, FCR, 0x05);
	CHECK_EQ(0x60, in(th, LSR));
	CHECK_EQ(0xc2, in(th, IIR));
	th_peer(th)->room = 1;
	th_peer_writable(th);
	CHECK_EQ(0, th_peer(th)->size);
	th_destroy(th);
}

TEST(without_a_backend_output_is_dropped_and_modem_lines_are_down)
{
	struct th *th = th_create("serial16550");

	CHECK_EQ(0, th_start(th));
	CHECK(is_present(th));
	out(th, DATA, 'x');
	CHECK_EQ(0x60, in(th, LSR));
	CHECK_EQ(0x00, in(th, MSR) & 0xf0);
	th_destroy(th);
}

static lichen_status broken_write(void *self, uint64_t client, const uint8_t *data,
				  uint32_t size, uint32_t *taken)
{
	(void)self, (void)client, (void)data, (void)size, (void)taken;
	return -LICHEN_EIO;
}

static void broken_ask(void *self, uint64_t client, uint32_t size)
{
	(void)self, (void)client, (void)size;
}

static const struct lichen_char_ops broken = {
	LICHEN_STRUCT(struct lichen_char_ops),
	.write = broken_write,
	.ask = broken_ask,
};

TEST(output_to_a_failed_backend_is_dropped_without_stopping_the_guest)
{
	struct th *th = th_create("serial16550");

	th_provide(th, LICHEN_CHAR, &broken, th);
	CHECK_EQ(0, th_start(th));
	out(th, IER, 0x02);
	(void)in(th, IIR);
	for (uint32_t i = 0; i < 3; i++) {
		out(th, DATA, 'x');
		CHECK_EQ(0x60, in(th, LSR));
	}
	CHECK_EQ(0x02, in(th, IIR));
	th_destroy(th);
}

/* --- receiving --- */

TEST(credit_is_what_the_receiver_holds)
{
	struct th *th = serial();

	CHECK_EQ(16, th_peer(th)->asked);
	CHECK_EQ(16, send(th, "abcdefghijklmnopq"));
	CHECK_EQ(0, th_peer(th)->asked);
	out(th, FCR, 0x00);
	CHECK_EQ(1, th_peer(th)->asked);
	th_destroy(th);
}

TEST(no_new_credit_while_bytes_may_be_on_their_way)
{
	struct th *th = serial();

	CHECK_EQ(4, send(th, "bcde"));
	CHECK_EQ(12, th_peer(th)->asked);
	for (char c = 'b'; c <= 'e'; c++)
		CHECK_EQ(c, in(th, DATA));
	CHECK_EQ(12, th_peer(th)->asked);
	CHECK_EQ(12, send(th, "fghijklmnopqrstu"));
	CHECK_EQ(0, th_peer(th)->asked);
	for (char c = 'f'; c <= 'q'; c++)
		CHECK_EQ(c, in(th, DATA));
	CHECK_EQ(16, th_peer(th)->asked);
	th_destroy(th);
}

TEST(nothing_is_asked_of_the_peer_before_rts_is_raised)
{
	struct th *th = th_create("serial16550");

	(void)th_peer(th);
	CHECK_EQ(0, th_start(th));
	out(th, FCR, 0x07);
	CHECK_EQ(0, th_peer(th)->asked);
	out(th, MCR, RTS);
	CHECK_EQ(16, th_peer(th)->asked);
	out(th, MCR, 0);
	CHECK_EQ(2, send(th, "ab")); /* sent before the peer saw RTS fall */
	CHECK_EQ(0x60, in(th, LSR));
	out(th, MCR, RTS);
	CHECK_EQ('a', in(th, DATA));
	CHECK_EQ('b', in(th, DATA));
	th_destroy(th);
}

TEST(with_flow_none_the_peer_may_send_from_the_start)
{
	struct th *th = th_create("serial16550");

	(void)th_peer(th);
	th_set(th, "flow", FLOW_NONE);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1, th_peer(th)->asked);
	CHECK_EQ(1, send(th, "a"));
	CHECK_EQ(0x61, in(th, LSR));
	CHECK_EQ('a', in(th, DATA));
	th_destroy(th);
}

TEST(bytes_sent_for_a_fifo_wait_when_it_is_switched_off)
{
	struct th *th = serial();

	out(th, FCR, 0x00);
	CHECK_EQ(3, send(th, "bcd"));
	for (char c = 'b'; c <= 'd'; c++) {
		CHECK_EQ(0x61, in(th, LSR));
		CHECK_EQ(c, in(th, DATA));
	}
	CHECK_EQ(0x60, in(th, LSR));
	th_destroy(th);
}

TEST(data_interrupt_comes_at_the_trigger_level_and_timeout_below_it)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	for (uint8_t t = 0; t < 4; t++) {
		struct th *th = serial();

		out(th, FCR, (uint8_t)(t << 6 | 0x01));
		out(th, IER, 0x01);
		CHECK_EQ(0xc1, in(th, IIR));
		for (uint8_t n = 1; n <= 16; n++) {
			CHECK_EQ(1, send(th, "y"));
			CHECK_EQ(n >= levels[t] ? 0xc4 : 0xcc, in(th, IIR));
			CHECK_EQ(1, th_line(th, IRQ));
		}
		CHECK_EQ(1, th_edges(th, IRQ));
		for (uint8_t n = 16; n > 0; n--) {
			CHECK_EQ(n >= levels[t] ? 0xc4 : 0xcc, in(th, IIR));
			CHECK_EQ('y', in(th, DATA));
		}
		CHECK_EQ(0xc1, in(th, IIR));
		CHECK_EQ(0, th_line(th, IRQ));
		th_destroy(th);
	}
}

TEST(resetting_the_receiver_empties_it)
{
	struct th *th = serial();

	CHECK_EQ(16, send(th, "abcdefghijklmnop"));
	out(th, FCR, 0x03);
	CHECK_EQ(0x60, in(th, LSR));
	CHECK_EQ(16, th_peer(th)->asked);
	th_destroy(th);
}

TEST(a_break_is_a_null_character_with_bi_in_its_place)
{
	struct th *th = serial();

	out(th, IER, 0x04);
	send(th, "a");
	th_event(th, LICHEN_CHAR, LICHEN_CHAR_BREAK, NULL, 0);
	send(th, "b");
	CHECK_EQ(0xc1, in(th, IIR)); /* 'a' is next: no error shows yet */
	CHECK_EQ(0xe1, in(th, LSR)); /* but the FIFO has one */
	CHECK_EQ('a', in(th, DATA));
	CHECK_EQ(0xc6, in(th, IIR));
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0xf1, in(th, LSR));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0x61, in(th, LSR));
	CHECK_EQ(0x00, in(th, DATA));
	CHECK_EQ('b', in(th, DATA));
	CHECK_EQ(0x60, in(th, LSR));
	th_destroy(th);
}

TEST(breaks_without_end_cost_no_byte)
{
	struct th *th = serial();
	uint32_t letters = 0;

	for (uint32_t i = 0; i < 1000; i++)
		th_event(th, LICHEN_CHAR, LICHEN_CHAR_BREAK, NULL, 0);
	CHECK_EQ(16, send(th, "abcdefghijklmnop"));
	while (in(th, LSR) & 0x01) {
		const uint8_t byte = in(th, DATA);

		if (byte)
			CHECK_EQ('a' + letters++, byte);
	}
	CHECK_EQ(16, letters);
	th_destroy(th);
}

TEST(a_backend_that_sends_too_much_is_borne)
{
	struct th *th = serial();
	uint8_t flood[4096];

	memset(flood, 'f', sizeof(flood));
	th_event(th, LICHEN_CHAR, LICHEN_CHAR_RECEIVED, flood, sizeof(flood));
	th_event(th, LICHEN_CHAR, 77, NULL, 0);
	CHECK_EQ(0x61, in(th, LSR));
	th_destroy(th);
}

/* --- priorities, modem, loopback --- */

TEST(interrupts_are_reported_by_priority)
{
	struct th *th = serial();

	out(th, FCR, 0x01);
	out(th, MCR, LOOP);
	(void)in(th, MSR);
	out(th, IER, 0x0f);
	for (uint32_t i = 0; i < 17; i++)
		out(th, DATA, 'x'); /* the last overruns */
	out(th, MCR, LOOP | RTS);
	CHECK_EQ(0xc6, in(th, IIR));
	CHECK_EQ(0xe3 & ~0x80, in(th, LSR)); /* OE is no error of a character in the FIFO */
	CHECK_EQ(0xc4, in(th, IIR));
	for (uint32_t i = 0; i < 16; i++)
		CHECK_EQ('x', in(th, DATA));
	CHECK_EQ(0xc2, in(th, IIR));
	CHECK_EQ(0xc0, in(th, IIR));
	CHECK_EQ(0x11, in(th, MSR));
	CHECK_EQ(0xc1, in(th, IIR));
	th_destroy(th);
}

TEST(reading_iir_for_a_higher_interrupt_leaves_thre_pending)
{
	struct th *th = serial();

	out(th, IER, 0x03);
	send(th, "a");
	CHECK_EQ(0xc4, in(th, IIR));
	CHECK_EQ('a', in(th, DATA));
	CHECK_EQ(0xc2, in(th, IIR));
	CHECK_EQ(0xc1, in(th, IIR));
	th_destroy(th);
}

TEST(out2_gates_the_line)
{
	struct th *th = serial();

	out(th, MCR, RTS);
	out(th, IER, 0x02);
	CHECK_EQ(0, th_line(th, IRQ));
	out(th, MCR, RTS | OUT2);
	CHECK_EQ(1, th_line(th, IRQ));
	out(th, MCR, OUT2 | LOOP); /* loopback forces the pin high, which is off */
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(loopback_reflects_modem_outputs_with_deltas)
{
	static const struct {
		uint8_t mcr, msr;
	} steps[] = {
		{ 0x10, 0x00 }, { 0x12, 0x11 }, { 0x11, 0x23 }, { 0x14, 0x42 },
		{ 0x10, 0x04 }, { 0x18, 0x88 }, { 0x1f, 0xf3 }, { 0x10, 0x0f },
	};
	struct th *th = serial();

	out(th, MCR, 0x10);
	(void)in(th, MSR);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		out(th, MCR, steps[i].mcr);
		CHECK_EQ(steps[i].msr, in(th, MSR));
		CHECK_EQ(steps[i].msr & 0xf0, in(th, MSR));
	}
	th_destroy(th);
}

TEST(loopback_keeps_the_peer_waiting)
{
	struct th *th = serial();

	out(th, MCR, LOOP | RTS);
	CHECK_EQ(2, send(th, "ab"));
	out(th, DATA, 'l');
	CHECK_EQ('l', in(th, DATA));
	CHECK_EQ(0x60, in(th, LSR));
	out(th, MCR, RTS);
	CHECK_EQ('a', in(th, DATA));
	CHECK_EQ('b', in(th, DATA));
	th_destroy(th);
}

TEST(bytes_that_wait_for_the_backend_are_not_looped_back)
{
	struct th *th = serial();

	th_peer(th)->room = 0;
	out(th, DATA, 'a');
	out(th, MCR, LOOP);
	th_peer(th)->room = 10;
	th_peer_writable(th);
	CHECK_EQ(1, th_peer(th)->size);
	CHECK_EQ(0x60, in(th, LSR));
	th_destroy(th);
}

TEST(overrun_in_loopback_keeps_the_fifo_and_without_it_the_newest)
{
	struct th *th = serial();

	out(th, MCR, LOOP);
	for (uint8_t i = 0; i < 18; i++)
		out(th, DATA, i);
	CHECK_EQ(0x63, in(th, LSR));
	CHECK_EQ(0x61, in(th, LSR));
	CHECK_EQ(0, in(th, DATA));
	out(th, FCR, 0x00);
	out(th, DATA, 'a');
	out(th, DATA, 'b');
	CHECK_EQ(0x63, in(th, LSR));
	CHECK_EQ('b', in(th, DATA));
	CHECK_EQ(0x60, in(th, LSR));
	th_destroy(th);
}

/* --- order --- */

TEST(transmit_keeps_64_kib_in_order_whatever_room_there_is)
{
	struct th *th = serial();
	struct th_peer *p = th_peer(th);
	uint32_t written = 0;

	p->room = 0;
	while (written < sizeof(p->data)) {
		uint32_t chunk = dice() % 17;

		if (in(th, LSR) & 0x20)
			while (chunk-- && written < sizeof(p->data)) {
				out(th, DATA, (uint8_t)(written * 7 + (written >> 8)));
				written++;
			}
		p->room = dice() % 24;
		th_peer_writable(th);
	}
	while (!(in(th, LSR) & 0x20)) {
		p->room = 16;
		th_peer_writable(th);
	}
	CHECK_EQ(sizeof(p->data), p->size);
	for (uint32_t i = 0; i < p->size; i++)
		CHECK_EQ((uint8_t)(i * 7 + (i >> 8)), p->data[i]);
	th_destroy(th);
}

TEST(receive_keeps_64_kib_in_order_whatever_the_guest_does)
{
	struct th *th = serial();
	uint32_t sent = 0, received = 0;

	out(th, IER, 0x05);
	while (received < 0x10000) {
		uint8_t chunk[32];
		uint32_t size = dice() % sizeof(chunk), reads = dice() % 24;

		for (uint32_t i = 0; i < size; i++)
			chunk[i] = (uint8_t)((sent + i) * 11 + ((sent + i) >> 8));
		sent += th_peer_send(th, chunk, size);
		if (dice() % 8 == 0)
			out(th, MCR, OUT2 | (dice() & RTS));
		if (dice() % 8 == 0)
			out(th, MCR, OUT2 | RTS);
		while (reads-- && (in(th, LSR) & 0x01) && received < 0x10000) {
			CHECK_EQ((uint8_t)(received * 11 + (received >> 8)), in(th, DATA));
			received++;
		}
		CHECK_EQ(0, in(th, LSR) & 0x1e);
	}
	CHECK(sent - received <= 32);
	th_destroy(th);
}

/* --- reset, state, description --- */

TEST(reset_is_like_power_on_and_loses_no_byte_of_the_peer)
{
	struct th *th = serial();

	out(th, IER, 0x0f);
	out(th, LCR, 0x9b);
	out(th, SCR, 0x77);
	out(th, MCR, 0);
	CHECK_EQ(2, send(th, "ab"));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0x00, in(th, LCR));
	CHECK_EQ(0x00, in(th, IER));
	CHECK_EQ(0x01, in(th, IIR));
	CHECK_EQ(0x00, in(th, SCR));
	CHECK_EQ(0, th_line(th, IRQ));
	out(th, FCR, 0x07);
	out(th, MCR, RTS);
	CHECK_EQ('a', in(th, DATA));
	CHECK_EQ('b', in(th, DATA));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_POWER_ON));
	out(th, MCR, RTS);
	CHECK_EQ(0x60, in(th, LSR));
	th_destroy(th);
}

/* Sets one element of the state's field `name`, as a stream would. */
static void poke(struct th *th, const char *name, uint32_t element, uint64_t value)
{
	const struct lichen_table *t = &th_class(th)->state;

	for (uint32_t i = 0; i < t->count; i++) {
		const struct lichen_field *f =
			(const void *)((const char *)t->items + i * (size_t)t->item_size);
		char *base = th_self(th);

		if (strcmp(f->name, name))
			continue;
		memcpy(base + f->offset + (size_t)element * f->size, &value, f->size);
		if ((f->flags & LICHEN_FIELD_COUNTED) && element < f->count) {
			const uint32_t used = element + 1;

			memcpy(base + f->used, &used, sizeof(used));
		}
		return;
	}
	tap_fail("no field %s", name);
}

TEST(a_state_that_lies_is_refused)
{
	static const struct {
		const char *field;
		uint32_t element;
		uint64_t value;
	} lies[] = {
		{ "ier", 0, 0x10 },   { "mcr", 0, 0x20 },    { "fcr", 0, 0x31 },
		{ "fcr", 0, 0x40 },   { "errors", 0, 0x20 }, { "deltas", 0, 0x10 },
		{ "thr_fell", 0, 2 }, { "rx", 1, 'x' },	     { "tx", 1, 'x' },
		{ "rx", 0, 0x2000 },  { "wire", 0, 0x0200 },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct th *th = th_create("serial16550");

		(void)th_peer(th);
		CHECK_EQ(0, th_start(th));
		CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
		poke(th, lies[i].field, lies[i].element, lies[i].value);
		CHECK_EQ(-LICHEN_EBADMSG, th_class(th)->post_load(th_self(th), 1));
		CHECK(th_error(th)[0]);
		th_destroy(th);
	}
}

TEST(a_restored_state_raises_its_line_and_shows_its_errors)
{
	struct th *th = serial();

	poke(th, "ier", 0, 0x04);
	poke(th, "rx", 0, 0x1000);
	CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0xc6, in(th, IIR));
	CHECK_EQ(0xf1, in(th, LSR));
	th_destroy(th);
}

TEST(acpi_describes_it_by_its_parameters)
{
	struct th *th = th_create("serial16550");
	struct lichen_acpi_node node = { LICHEN_STRUCT(struct lichen_acpi_node) };
	const struct lichen_acpi_node_ops *ops;

	th_set(th, "port", 0x2f8);
	th_set(th, "irq", 3);
	CHECK_EQ(0, th_start(th));
	ops = th_interface(th, LICHEN_ACPI_NODE);
	CHECK(ops);
	CHECK_EQ(-LICHEN_ENOENT, ops->describe(th_self(th), 0, 1, &node));
	CHECK_EQ(0, ops->describe(th_self(th), 0, 0, &node));
	CHECK_EQ(0, strcmp("PNP0501", node.hid));
	CHECK_EQ(2, node.uid);
	CHECK_EQ(0x2f8, node.ports[0].base);
	CHECK_EQ(8, node.ports[0].size);
	CHECK_EQ(3, node.gsis[0].gsi);
	CHECK_EQ(LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE, node.gsis[0].flags);
	CHECK_EQ(0xff, th_in(th, PORT, 1));
	CHECK_EQ(0x60, th_in(th, 0x2f8 + LSR, 1));
	th_destroy(th);
}

TEST(an_interrupt_line_that_does_not_exist_fails_the_start)
{
	struct th *th = th_create("serial16550");

	th_set(th, "irq", TH_PINS);
	CHECK_EQ(-LICHEN_ERANGE, th_start(th));
	th_destroy(th);
}

/* 200000 random accesses and events; after each, what must always hold. */
TEST(random_accesses_break_no_invariant)
{
	struct th *th = serial();
	struct th_peer *p = th_peer(th);
	static const uint8_t noise[32];

	for (uint32_t i = 0; i < TAP_ROUNDS(200000); i++) {
		const uint32_t d = dice();
		uint8_t lcr;

		switch (d & 7) {
		case 0:
			p->room = d >> 8 & 31;
			th_peer_writable(th);
			break;
		case 1:
			(void)th_peer_send(th, noise, d >> 8 & 31);
			break;
		case 2:
			if (d >> 8 & 1)
				th_event(th, LICHEN_CHAR, LICHEN_CHAR_BREAK, NULL, 0);
			break;
		case 3:
			(void)th_in(th, PORT + (d >> 8 & 7), 1u << (d >> 16 & 1));
			break;
		default:
			th_out(th, PORT + (d >> 8 & 7), 1, d >> 16 & 0xff);
			break;
		}
		if (p->size > sizeof(p->data) / 2)
			p->size = 0;
		CHECK(p->asked <= 16);
		CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
		lcr = in(th, LCR);
		if (th_line(th, IRQ)) { /* a line that is up has a reason and OUT2 */
			CHECK_EQ(OUT2, in(th, MCR) & (OUT2 | LOOP));
			CHECK_EQ(0, in(th, IIR) & 0x01);
		}
		CHECK_EQ(lcr, in(th, LCR));
	}
	th_destroy(th);
}
