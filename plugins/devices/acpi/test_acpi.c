/* SPDX-License-Identifier: MIT */
/* The registers of plugin acpi, against the test host. */
#include "tap.h"
#include "testhost.h"

enum {
	PORT = 0x600,
	STS = PORT,
	EN = PORT + 2,
	CNT = PORT + 4,
	TMR = PORT + 8,
	RST = PORT + 12
};
enum { PWRBTN = 1 << 8, TMR_BIT = 1 << 0, SCI = 9 };
static const uint64_t SECOND = 1000000000, HALF_TURN = (1ull << 31) * 1000000000 / 3579545 + 1;

static struct th *start(void)
{
	struct th *th = th_create("acpi");

	CHECK_EQ(0, th_start(th));
	return th;
}

static lichen_status press(struct th *th)
{
	const struct lichen_power_button_ops *ops = th_interface(th, LICHEN_POWER_BUTTON);

	return ops->press(th_self(th), 0);
}

TEST(the_button_is_refused_until_the_guest_enables_it)
{
	struct th *th = start();

	CHECK_EQ(-LICHEN_EAGAIN, press(th));
	CHECK_EQ(0, th_in(th, STS, 2));
	CHECK_EQ(0, th_line(th, SCI));
	th_destroy(th);
}

TEST(the_button_raises_the_sci_until_its_status_is_cleared)
{
	struct th *th = start();

	th_out(th, EN, 2, PWRBTN);
	CHECK_EQ(0, press(th));
	CHECK_EQ(PWRBTN, th_in(th, STS, 2));
	CHECK_EQ(1, th_line(th, SCI));
	th_out(th, STS, 2, 0xffff & ~PWRBTN); /* zeros do not clear */
	CHECK_EQ(1, th_line(th, SCI));
	th_out(th, STS, 2, PWRBTN);
	CHECK_EQ(0, th_in(th, STS, 2));
	CHECK_EQ(0, th_line(th, SCI));
	CHECK_EQ(0, press(th));
	CHECK_EQ(1, th_line(th, SCI));
	th_destroy(th);
}

TEST(clearing_the_enable_bit_drops_the_sci_and_keeps_the_status)
{
	struct th *th = start();

	th_out(th, EN, 2, PWRBTN);
	CHECK_EQ(0, press(th));
	th_out(th, EN, 2, 0);
	CHECK_EQ(0, th_line(th, SCI));
	CHECK_EQ(PWRBTN, th_in(th, STS, 2));
	th_out(th, EN, 2, PWRBTN);
	CHECK_EQ(1, th_line(th, SCI));
	th_destroy(th);
}

TEST(bytes_reach_their_half_of_a_register)
{
	struct th *th = start();

	th_out(th, EN, 1, 0x21);
	th_out(th, EN + 1, 1, 0x01);
	CHECK_EQ(0x0121, th_in(th, EN, 2));
	CHECK_EQ(0x21, th_in(th, EN, 1));
	CHECK_EQ(0x01, th_in(th, EN + 1, 1));
	CHECK_EQ(0, press(th));
	th_out(th, STS, 1, 0xff);
	CHECK_EQ(PWRBTN, th_in(th, STS, 2));
	th_out(th, STS + 1, 1, 0x01);
	CHECK_EQ(0, th_in(th, STS, 2));
	th_destroy(th);
}

TEST(a_double_word_covers_status_and_enable)
{
	struct th *th = start();

	th_out(th, STS, 4, (uint64_t)PWRBTN << 16);
	CHECK_EQ(0, press(th));
	CHECK_EQ((uint64_t)PWRBTN << 16 | PWRBTN, th_in(th, STS, 4));
	th_destroy(th);
}

TEST(reserved_enable_bits_read_as_zero)
{
	struct th *th = start();

	th_out(th, EN, 2, 0xffff);
	CHECK_EQ(0x0721, th_in(th, EN, 2));
	th_destroy(th);
}

TEST(the_machine_is_always_in_acpi_mode)
{
	struct th *th = start();

	CHECK_EQ(1, th_in(th, CNT, 2));
	th_out(th, CNT, 2, 0);
	CHECK_EQ(1, th_in(th, CNT, 2));
	th_destroy(th);
}

TEST(s5_powers_off_and_slp_en_reads_as_zero)
{
	struct th *th = start();

	th_out(th, CNT, 2, 5 << 10 | 1);
	CHECK_EQ(0, th_asked(th).end);
	th_out(th, CNT, 2, 5 << 10 | 1 << 13 | 1);
	CHECK_EQ(LICHEN_END_POWER_OFF, th_asked(th).end);
	CHECK_EQ(5 << 10 | 1, th_in(th, CNT, 2));
	th_destroy(th);
}

TEST(s5_by_its_high_byte_powers_off)
{
	struct th *th = start();

	th_out(th, CNT + 1, 1, 5 << 2 | 1 << 5);
	CHECK_EQ(LICHEN_END_POWER_OFF, th_asked(th).end);
	th_destroy(th);
}

TEST(other_sleep_types_do_nothing)
{
	struct th *th = start();

	for (uint32_t type = 0; type < 8; type++)
		if (type != 5)
			th_out(th, CNT, 2, type << 10 | 1 << 13);
	CHECK_EQ(0, th_asked(th).end);
	CHECK_EQ(0, th_asked(th).reset);
	th_destroy(th);
}

TEST(the_reset_register_takes_its_value_only)
{
	struct th *th = start();

	for (uint32_t value = 0; value < 256; value++)
		if (value != 1)
			th_out(th, RST, 1, value);
	th_out(th, RST + 1, 1, 1);
	CHECK_EQ(0, th_asked(th).reset);
	th_out(th, RST, 1, 1);
	CHECK_EQ(LICHEN_RESET_WARM, th_asked(th).reset);
	CHECK_EQ(0, th_asked(th).end);
	th_destroy(th);
}

TEST(the_timer_runs_at_its_rate)
{
	struct th *th = start();
	const uint64_t first = th_in(th, TMR, 4);

	CHECK_EQ(3579545, first); /* the test host's clock starts at one second */
	th_advance(th, SECOND);
	CHECK_EQ(first + 3579545, th_in(th, TMR, 4));
	th_advance(th, SECOND / 1000);
	CHECK_EQ(first + 3579545 + 3579, th_in(th, TMR, 4));
	th_out(th, TMR, 4, 0);
	CHECK_EQ(first + 3579545 + 3579, th_in(th, TMR, 4));
	th_destroy(th);
}

TEST(the_timer_wraps_at_32_bits)
{
	struct th *th = start();
	const uint64_t seconds = (1ull << 32) / 3579545 + 1;

	th_advance(th, (seconds - 1) * SECOND);
	CHECK_EQ(seconds * 3579545 - (1ull << 32), th_in(th, TMR, 4));
	th_destroy(th);
}

TEST(the_timers_high_bit_sets_its_status_until_cleared)
{
	struct th *th = start();

	th_advance(th, HALF_TURN - SECOND - 1000);
	CHECK_EQ(0, th_in(th, STS, 2));
	th_advance(th, 1000);
	CHECK_EQ(TMR_BIT, th_in(th, STS, 2));
	CHECK_EQ(0, th_line(th, SCI));
	th_out(th, STS, 2, TMR_BIT);
	CHECK_EQ(0, th_in(th, STS, 2));
	th_destroy(th);
}

TEST(an_enabled_timer_raises_the_sci_by_itself_each_half_turn)
{
	struct th *th = start();

	th_out(th, EN, 2, TMR_BIT);
	for (uint32_t turn = 1; turn <= 3; turn++) {
		th_advance(th, HALF_TURN);
		CHECK_EQ(1, th_line(th, SCI));
		CHECK_EQ(turn, th_edges(th, SCI));
		th_out(th, STS, 2, TMR_BIT);
		CHECK_EQ(0, th_line(th, SCI));
	}
	th_out(th, EN, 2, 0);
	th_advance(th, 2 * HALF_TURN);
	CHECK_EQ(0, th_line(th, SCI));
	CHECK_EQ(3, th_edges(th, SCI));
	th_destroy(th);
}

TEST(a_reset_clears_the_registers_and_drops_the_sci)
{
	struct th *th = start();

	th_out(th, EN, 2, PWRBTN | TMR_BIT);
	th_out(th, CNT, 2, 3 << 10 | 2);
	CHECK_EQ(0, press(th));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(0, th_line(th, SCI));
	CHECK_EQ(0, th_in(th, STS, 4));
	CHECK_EQ(1, th_in(th, CNT, 2));
	CHECK_EQ(-LICHEN_EAGAIN, press(th));
	th_destroy(th);
}

TEST(port_and_sci_follow_the_parameters)
{
	struct th *th = th_create("acpi");

	th_set(th, "port", 0xb00);
	th_set(th, "sci", 20);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1, th_in(th, 0xb04, 2));
	CHECK_EQ(0xffff, th_in(th, CNT, 2));
	th_out(th, 0xb02, 2, PWRBTN);
	CHECK_EQ(0, press(th));
	CHECK_EQ(1, th_line(th, 20));
	CHECK_EQ(0, th_line(th, SCI));
	th_destroy(th);
}

TEST(a_port_that_is_no_multiple_of_16_is_refused)
{
	struct th *th = th_create("acpi");

	th_set(th, "port", 0x608);
	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK_EQ(0, strcmp("port 0x608: not a multiple of 16", th_error(th)));
	th_destroy(th);
}

TEST(a_state_that_cannot_be_is_refused)
{
	struct th *th = start();
	const struct lichen_class *class = th_class(th);
	const struct lichen_field *fields = class->state.items;
	uint8_t *self = th_self(th);

	CHECK_EQ(0, class->post_load(self, 1));
	for (uint32_t i = 0; i < class->state.count; i++) {
		uint8_t kept[8];

		memcpy(kept, self + fields[i].offset, fields[i].size);
		memset(self + fields[i].offset, 0xff, fields[i].size);
		CHECK_EQ(-LICHEN_EBADMSG, class->post_load(self, 1));
		memcpy(self + fields[i].offset, kept, fields[i].size);
	}
	CHECK_EQ(0, class->post_load(self, 1));
	th_destroy(th);
}

/* The SCI is what status and enable say, whatever is written, in whatever size. */
TEST(the_sci_agrees_with_the_registers_under_random_accesses)
{
	struct th *th = start();
	uint32_t seed = 20240611;

	printf("# seed %u\n", seed);
	for (uint32_t i = 0; i < TAP_ROUNDS(50000); i++) {
		uint32_t size, off;

		seed = seed * 1664525 + 1013904223;
		size = 1u << (seed >> 30) % 3;
		off = (seed >> 24) % 16 & ~(size - 1);
		th_out(th, (uint16_t)(PORT + off), size,
		       seed >> 4 & (UINT32_MAX >> (32 - 8 * size)));
		if (seed >> 8 & 1)
			(void)press(th);
		th_advance(th, seed % 16 ? 100 : HALF_TURN / 3);
		CHECK_EQ((th_in(th, STS, 2) & th_in(th, EN, 2)) != 0, th_line(th, SCI));
		CHECK_EQ(1, th_in(th, CNT, 2) & 0x2001);
		CHECK(th_in(th, (uint16_t)(PORT + off), size) >> (8 * size - 1) <= 1);
	}
	th_destroy(th);
}
