/* SPDX-License-Identifier: MIT */
/* The keyboard controller as drivers probe it. */
#include <testhost.h>

#include "tap.h"

enum { DATA = 0x60, COMMAND = 0x64, IRQ = 1, AUX_IRQ = 12, NOTHING = 0x100 };
enum {
	FULL = 0x01,
	SYSTEM = 0x04,
	AFTER_COMMAND = 0x08,
	UNLOCKED = 0x10,
	AUX = 0x20,
	TIMEOUT = 0x40
};

static struct th *controller(void)
{
	struct th *th = th_create("i8042");

	CHECK_EQ(0, th_start(th));
	return th;
}

static uint8_t status(struct th *th)
{
	return (uint8_t)th_in(th, COMMAND, 1);
}

/* The byte in the output buffer, NOTHING where there is none. */
static uint32_t take(struct th *th)
{
	return status(th) & FULL ? (uint32_t)th_in(th, DATA, 1) : NOTHING;
}

static uint32_t ask(struct th *th, uint8_t command)
{
	th_out(th, COMMAND, 1, command);
	return take(th);
}

static void tell(struct th *th, uint8_t command, uint8_t data)
{
	th_out(th, COMMAND, 1, command);
	th_out(th, DATA, 1, data);
}

/* Untranslated, so that answers are the keyboard's own. */
static struct th *keyboard(void)
{
	struct th *th = controller();

	tell(th, 0x60, 0x05);
	return th;
}

static uint32_t key(struct th *th, uint8_t byte)
{
	th_out(th, DATA, 1, byte);
	return take(th);
}

/* xorshift32 with a fixed seed: the same sequence in every run. */
static uint32_t dice(void)
{
	static uint32_t x = 0x8042;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* --- controller --- */

TEST(it_starts_as_firmware_leaves_it)
{
	struct th *th = controller();

	CHECK_EQ(SYSTEM | UNLOCKED, status(th));
	CHECK_EQ(0x65, ask(th, 0x20));
	CHECK_EQ(SYSTEM | UNLOCKED | AFTER_COMMAND, status(th));
	CHECK_EQ(NOTHING, take(th));
	CHECK_EQ(0, th_edges(th, IRQ) - 1); /* the answer's */
	th_destroy(th);
}

TEST(tests_find_both_ports_fine)
{
	struct th *th = controller();

	CHECK_EQ(0x55, ask(th, 0xaa));
	CHECK_EQ(0x00, ask(th, 0xab));
	CHECK_EQ(0x00, ask(th, 0xa9));
	CHECK_EQ(0xf1, ask(th, 0xa4));
	CHECK_EQ(0x80, ask(th, 0xc0));
	CHECK_EQ(0x03, ask(th, 0xe0));
	th_destroy(th);
}

TEST(ram_keeps_its_bytes_and_the_command_byte_its_bits)
{
	struct th *th = controller();

	for (uint8_t i = 1; i < 32; i++)
		tell(th, 0x60 + i, 0xa0 + i);
	for (uint8_t i = 1; i < 32; i++)
		CHECK_EQ(0xa0 + i, ask(th, 0x20 + i));
	tell(th, 0x60, 0xc3);
	CHECK_EQ(0x43, ask(th, 0x20)); /* bit 7 is reserved */
	CHECK_EQ(UNLOCKED, status(th) & (UNLOCKED | SYSTEM));
	CHECK_EQ(0x55, ask(th, 0xaa));
	CHECK_EQ(SYSTEM, status(th) & SYSTEM);
	th_destroy(th);
}

TEST(the_auxiliary_interface_is_disabled_and_enabled)
{
	struct th *th = controller();

	CHECK_EQ(0x20, ask(th, 0x20) & 0x20);
	CHECK_EQ(NOTHING, ask(th, 0xa8));
	CHECK_EQ(0x45, ask(th, 0x20));
	CHECK_EQ(NOTHING, ask(th, 0xa7));
	CHECK_EQ(0x65, ask(th, 0x20));
	th_destroy(th);
}

TEST(a_byte_for_the_auxiliary_device_times_out_at_once)
{
	struct th *th = controller();

	tell(th, 0xd4, 0xf2);
	CHECK_EQ(FULL | AUX | TIMEOUT, status(th) & (FULL | AUX | TIMEOUT));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0, th_line(th, AUX_IRQ)); /* which the command byte does not enable */
	CHECK_EQ(0xfe, take(th));
	CHECK_EQ(0, status(th) & (FULL | AUX | TIMEOUT));
	tell(th, 0x60, 0x47);
	tell(th, 0xd4, 0xf2);
	CHECK_EQ(1, th_line(th, AUX_IRQ));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0xfe, take(th));
	CHECK_EQ(0, th_line(th, AUX_IRQ));
	th_destroy(th);
}

TEST(the_auxiliary_answer_waits_for_the_output_buffer_and_comes_before_keys)
{
	struct th *th = keyboard();

	tell(th, 0x60, 0x07);
	th_out(th, DATA, 1, 0xf2);
	tell(th, 0xd4, 0xff);
	tell(th, 0xd4, 0xff); /* the second answer is lost */
	CHECK_EQ(0xfa, take(th));
	CHECK_EQ(FULL | AUX | TIMEOUT, status(th) & (FULL | AUX | TIMEOUT));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(1, th_line(th, AUX_IRQ));
	CHECK_EQ(0xfe, take(th));
	CHECK_EQ(FULL, status(th) & (FULL | AUX | TIMEOUT));
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0, th_line(th, AUX_IRQ));
	CHECK_EQ(0xab, take(th));
	CHECK_EQ(0x83, take(th));
	CHECK_EQ(NOTHING, take(th));
	th_destroy(th);
}

TEST(the_auxiliary_loopback_comes_back_as_an_auxiliary_byte)
{
	struct th *th = controller();

	tell(th, 0xd3, 0x5a);
	CHECK_EQ(FULL | AUX, status(th) & (FULL | AUX | TIMEOUT));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0, th_line(th, AUX_IRQ));
	CHECK_EQ(0x5a, take(th));
	tell(th, 0x60, 0x67); /* a disabled port does not stop the loop */
	tell(th, 0xd3, 0xa5);
	CHECK_EQ(1, th_line(th, AUX_IRQ));
	CHECK_EQ(1, th_edges(th, AUX_IRQ));
	CHECK_EQ(0xa5, take(th));
	CHECK_EQ(0, th_line(th, AUX_IRQ));
	th_destroy(th);
}

TEST(the_keyboard_buffer_can_be_written)
{
	struct th *th = controller();

	tell(th, 0xd2, 0x1e);
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0x1e, take(th));
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(output_port_has_a20_and_resets_the_machine)
{
	struct th *th = controller();

	CHECK_EQ(0x83, ask(th, 0xd0));
	tell(th, 0xd1, 0xdd);
	CHECK_EQ(0xcd, ask(th, 0xd0));
	tell(th, 0xd1, 0xdf);
	CHECK_EQ(0xcf, ask(th, 0xd0));
	tell(th, 0xd1, 0xff);
	CHECK_EQ(0xcf, ask(th, 0xd0)); /* bits 4 and 5 follow the output buffer */
	tell(th, 0xd2, 0x00);
	th_out(th, COMMAND, 1, 0xd0);
	CHECK_EQ(0xdf, take(th));
	tell(th, 0xd3, 0x00);
	th_out(th, COMMAND, 1, 0xd0);
	CHECK_EQ(0xef, take(th));
	CHECK_EQ(0, th_asked(th).reset);
	tell(th, 0xd1, 0xfe);
	CHECK_EQ(LICHEN_RESET_WARM, th_asked(th).reset);
	th_destroy(th);
}

TEST(pulsing_bit_0_resets_the_machine_and_other_bits_do_not)
{
	struct th *th = controller();

	for (uint32_t command = 0xf1; command <= 0xff; command += 2)
		th_out(th, COMMAND, 1, command);
	CHECK_EQ(0, th_asked(th).reset);
	th_out(th, COMMAND, 1, 0xfe);
	CHECK_EQ(LICHEN_RESET_WARM, th_asked(th).reset);
	th_destroy(th);
}

TEST(a_command_in_place_of_data_ends_the_earlier_one)
{
	struct th *th = controller();

	th_out(th, COMMAND, 1, 0xd1);
	CHECK_EQ(0x65, ask(th, 0x20));
	CHECK_EQ(0xee, key(th, 0xee));
	CHECK_EQ(0, th_asked(th).reset);
	th_destroy(th);
}

TEST(unknown_commands_are_ignored)
{
	struct th *th = controller();
	static const uint8_t commands[] = { 0x00, 0x1f, 0x40, 0x5f, 0x80, 0xa0,
					    0xac, 0xb0, 0xc1, 0xdd, 0xef };

	for (size_t i = 0; i < sizeof(commands); i++)
		CHECK_EQ(NOTHING, ask(th, commands[i]));
	th_destroy(th);
}

TEST(each_port_is_one_byte_wide)
{
	struct th *th = controller();

	for (uint16_t port = 0x61; port < 0x64; port++)
		CHECK_EQ(0xff, th_in(th, port, 1));
	CHECK_EQ(0xff, th_in(th, 0x65, 1));
	th_destroy(th);
}

/* --- keyboard --- */

TEST(keyboard_answers_each_command)
{
	static const struct {
		uint8_t command;
		uint32_t answers[4];
	} commands[] = {
		{ 0xff, { 0xfa, 0xaa, NOTHING, 0 } }, { 0xf2, { 0xfa, 0xab, 0x83, NOTHING } },
		{ 0xf4, { 0xfa, NOTHING, 0, 0 } },    { 0xf5, { 0xfa, NOTHING, 0, 0 } },
		{ 0xf6, { 0xfa, NOTHING, 0, 0 } },    { 0xee, { 0xee, NOTHING, 0, 0 } },
		{ 0xf8, { 0xfa, NOTHING, 0, 0 } },    { 0xef, { 0xfe, NOTHING, 0, 0 } },
		{ 0x00, { 0xfe, NOTHING, 0, 0 } },
	};
	struct th *th = keyboard();

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		th_out(th, DATA, 1, commands[i].command);
		for (uint32_t n = 0; n < 4; n++) {
			CHECK_EQ(commands[i].answers[n], take(th));
			if (commands[i].answers[n] == NOTHING)
				break;
		}
	}
	th_destroy(th);
}

TEST(keyboard_commands_with_data_acknowledge_both)
{
	static const uint8_t commands[] = { 0xed, 0xf3, 0xfb, 0xfc, 0xfd };
	struct th *th = keyboard();

	for (size_t i = 0; i < sizeof(commands); i++) {
		CHECK_EQ(0xfa, key(th, commands[i]));
		CHECK_EQ(0xfa, key(th, 0x02));
		CHECK_EQ(NOTHING, take(th));
	}
	CHECK_EQ(0xfa, key(th, 0xed));
	CHECK_EQ(0xee, key(th, 0xee)); /* a command ends the other */
	CHECK_EQ(0xfe, key(th, 0x02));
	th_destroy(th);
}

TEST(scan_set_is_kept_until_defaults)
{
	struct th *th = keyboard();

	CHECK_EQ(0xfa, key(th, 0xf0));
	CHECK_EQ(0xfa, key(th, 0x03));
	CHECK_EQ(0xfa, key(th, 0xf0));
	CHECK_EQ(0xfa, key(th, 0x00));
	CHECK_EQ(0x03, take(th));
	CHECK_EQ(0xfa, key(th, 0xf0));
	CHECK_EQ(0xfa, key(th, 0x04)); /* not one: ignored */
	CHECK_EQ(0xfa, key(th, 0xf6));
	CHECK_EQ(0xfa, key(th, 0xf0));
	CHECK_EQ(0xfa, key(th, 0x00));
	CHECK_EQ(0x02, take(th));
	th_destroy(th);
}

TEST(resend_repeats_the_last_byte)
{
	struct th *th = keyboard();

	CHECK_EQ(0xee, key(th, 0xee));
	CHECK_EQ(0xee, key(th, 0xfe));
	th_destroy(th);
}

TEST(a_disabled_interface_holds_the_keyboard_and_writing_opens_it)
{
	struct th *th = keyboard();

	th_out(th, DATA, 1, 0xf2);
	CHECK_EQ(0xfa, take(th));
	th_out(th, COMMAND, 1, 0xad); /* 0xab is in the buffer, 0x83 is held */
	CHECK_EQ(0xab, take(th));
	CHECK_EQ(NOTHING, take(th));
	th_out(th, COMMAND, 1, 0xae);
	CHECK_EQ(0x83, take(th));
	th_out(th, COMMAND, 1, 0xad);
	CHECK_EQ(0xee, key(th, 0xee));
	CHECK_EQ(0, ask(th, 0x20) & 0x10);
	th_destroy(th);
}

TEST(a_guest_that_never_reads_fills_the_fifo_and_no_more)
{
	struct th *th = keyboard();
	uint32_t count = 0;

	for (uint32_t i = 0; i < 1000; i++)
		th_out(th, DATA, 1, 0xf2);
	while (take(th) != NOTHING)
		count++;
	CHECK_EQ(17, count); /* the FIFO's 16 and the output buffer */
	CHECK_EQ(0xee, key(th, 0xee));
	th_destroy(th);
}

TEST(each_byte_is_an_edge_of_its_own)
{
	struct th *th = controller();

	th_out(th, DATA, 1, 0xf2);
	CHECK_EQ(1, th_edges(th, IRQ));
	(void)th_in(th, DATA, 1);
	CHECK_EQ(2, th_edges(th, IRQ));
	(void)th_in(th, DATA, 1);
	CHECK_EQ(3, th_edges(th, IRQ));
	CHECK_EQ(1, th_line(th, IRQ));
	CHECK_EQ(0x41, th_in(th, DATA, 1)); /* 0x83 translated */
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(3, th_edges(th, IRQ));
	th_destroy(th);
}

TEST(a_driver_brings_up_controller_and_keyboard_without_a_wait)
{
	struct th *th = controller(); /* in the order of Linux's i8042 and atkbd */
	uint8_t control;

	CHECK_EQ(NOTHING, take(th));
	control = (uint8_t)ask(th, 0x20);
	CHECK_EQ(control, ask(th, 0x20));
	CHECK(control & 0x40); /* translated, as firmware leaves it */
	CHECK(status(th) & UNLOCKED);
	control = (uint8_t)((control | 0x10) & ~0x01);
	tell(th, 0x60, control);
	CHECK_EQ(NOTHING, take(th));
	CHECK_EQ(control, ask(th, 0x20));
	CHECK_EQ(0, th_line(th, IRQ));
	control = (uint8_t)((control & ~0x10) | 0x01);
	tell(th, 0x60, control);

	CHECK_EQ(0xfa, key(th, 0xf2));
	CHECK_EQ(0xab, take(th));
	CHECK_EQ(0x41, take(th));
	CHECK_EQ(0xfa, key(th, 0xf5));
	CHECK_EQ(0xfa, key(th, 0xed));
	CHECK_EQ(0xfa, key(th, 0x00));
	CHECK_EQ(0xfa, key(th, 0xf3));
	CHECK_EQ(0xfa, key(th, 0x00));
	CHECK_EQ(0xfa, key(th, 0xf4));
	CHECK_EQ(NOTHING, take(th));
	CHECK_EQ(0, th_line(th, IRQ));
	th_destroy(th);
}

TEST(a_driver_finds_the_auxiliary_port_and_no_multiplexer)
{
	struct th *th = controller(); /* as Linux's i8042 looks for it */
	static const uint8_t loops[] = { 0xf0, 0x56, 0xa4 };

	tell(th, 0x60, 0x74); /* keyboard off, no interrupts */
	tell(th, 0xd3, 0x5a);
	CHECK_EQ(AUX, status(th) & AUX);
	CHECK_EQ(0x5a, take(th));
	th_out(th, COMMAND, 1, 0xa7);
	CHECK_EQ(0x20, ask(th, 0x20) & 0x20);
	th_out(th, COMMAND, 1, 0xa8);
	CHECK_EQ(0x00, ask(th, 0x20) & 0x20);
	tell(th, 0x60, 0x56);
	tell(th, 0xd3, 0xa5);
	CHECK_EQ(1, th_edges(th, AUX_IRQ));
	CHECK_EQ(AUX, status(th) & AUX);
	CHECK_EQ(0xa5, take(th));
	tell(th, 0x60, 0x74);
	for (size_t i = 0; i < sizeof(loops); i++) { /* a multiplexer answers the last anew */
		tell(th, 0xd3, loops[i]);
		CHECK_EQ(AUX, status(th) & AUX);
		CHECK_EQ(loops[i], take(th));
	}
	tell(th, 0x60, 0x47);
	tell(th, 0xd4, 0xf2); /* is a mouse there? */
	CHECK_EQ(2, th_edges(th, AUX_IRQ));
	CHECK_EQ(AUX | TIMEOUT, status(th) & (AUX | TIMEOUT));
	CHECK_EQ(0xfe, take(th));
	CHECK_EQ(0, th_edges(th, IRQ));
	th_destroy(th);
}

TEST(lines_follow_the_parameters)
{
	struct th *th = th_create("i8042");

	th_set(th, "irq", 5);
	th_set(th, "aux_irq", 7);
	CHECK_EQ(0, th_start(th));
	tell(th, 0x60, 0x47);
	tell(th, 0xd3, 0x00);
	CHECK_EQ(1, th_line(th, 7));
	tell(th, 0xd2, 0x00);
	CHECK_EQ(0, th_line(th, 7));
	CHECK_EQ(1, th_line(th, 5));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0, th_line(th, AUX_IRQ));
	th_destroy(th);
}

TEST(a_line_that_does_not_exist_fails_the_start)
{
	static const char *const names[] = { "irq", "aux_irq" };

	for (size_t i = 0; i < 2; i++) {
		struct th *th = th_create("i8042");

		th_set(th, names[i], TH_PINS);
		CHECK_EQ(-LICHEN_ERANGE, th_start(th));
		th_destroy(th);
	}
}

/* --- reset, state, description --- */

TEST(reset_is_like_the_start)
{
	struct th *th = controller();

	tell(th, 0x60, 0x00);
	tell(th, 0x61, 0x11);
	tell(th, 0xd1, 0x01);
	tell(th, 0x60, 0x03);
	th_out(th, DATA, 1, 0xf0);
	tell(th, 0xd4, 0xf0);
	tell(th, 0xd3, 0x01);
	CHECK_EQ(1, th_line(th, AUX_IRQ));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(SYSTEM | UNLOCKED, status(th));
	CHECK_EQ(0, th_line(th, IRQ));
	CHECK_EQ(0, th_line(th, AUX_IRQ));
	CHECK_EQ(NOTHING, take(th));
	CHECK_EQ(0x65, ask(th, 0x20));
	CHECK_EQ(0x00, ask(th, 0x21));
	CHECK_EQ(0x83, ask(th, 0xd0));
	th_destroy(th);
}

static void poke(struct th *th, const char *name, uint64_t value)
{
	const struct lichen_table *t = &th_class(th)->state;

	for (uint32_t i = 0; i < t->count; i++) {
		const struct lichen_field *f =
			(const void *)((const char *)t->items + i * (size_t)t->item_size);

		if (strcmp(f->name, name))
			continue;
		memcpy((char *)th_self(th) + f->offset, &value, f->size);
		return;
	}
	tap_fail("no field %s", name);
}

TEST(a_state_that_lies_is_refused)
{
	static const struct {
		const char *field;
		uint64_t value;
	} lies[] = {
		{ "scan_set", 0 },	 { "scan_set", 4 },  { "status", 0x10 },
		{ "ram", 0x80 },	 { "ram", 0xff },    { "output_port", 0x10 },
		{ "output_port", 0x20 }, { "aux_waits", 1 }, { "aux_waits", 2 },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct th *th = controller();

		CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
		poke(th, lies[i].field, lies[i].value);
		CHECK_EQ(-LICHEN_EBADMSG, th_class(th)->post_load(th_self(th), 1));
		CHECK(th_error(th)[0]);
		th_destroy(th);
	}
}

TEST(acpi_describes_it_and_fadt_learns_of_it)
{
	struct th *th = controller();
	struct lichen_acpi_node node = { LICHEN_STRUCT(struct lichen_acpi_node) };
	struct lichen_acpi_node aux = node, none = node;
	const struct lichen_acpi_node_ops *ops = th_interface(th, LICHEN_ACPI_NODE);

	CHECK(ops);
	CHECK_EQ(0, ops->describe(th_self(th), 0, 0, &node));
	CHECK_EQ(0, strcmp("PNP0303", node.hid));
	CHECK_EQ(LICHEN_ACPI_HAS_8042, node.boot_arch);
	CHECK_EQ(0x60, node.ports[0].base);
	CHECK_EQ(1, node.ports[0].size);
	CHECK_EQ(0x64, node.ports[1].base);
	CHECK_EQ(1, node.ports[1].size);
	CHECK_EQ(1, node.gsis[0].gsi);
	CHECK_EQ(LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE, node.gsis[0].flags);
	CHECK_EQ(0, ops->describe(th_self(th), 0, 1, &aux));
	CHECK_EQ(0, strcmp("PNP0F13", aux.hid));
	CHECK_EQ(0, aux.boot_arch);
	CHECK_EQ(0, aux.ports[0].size);
	CHECK_EQ(12, aux.gsis[0].gsi);
	CHECK_EQ(LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE, aux.gsis[0].flags);
	CHECK_EQ(-LICHEN_ENOENT, ops->describe(th_self(th), 0, 2, &none));
	th_destroy(th);
}

/* 200000 random accesses; after each, what must always hold. */
TEST(random_accesses_break_no_invariant)
{
	struct th *th = controller();

	for (uint32_t i = 0; i < TAP_ROUNDS(200000); i++) {
		const uint32_t d = dice();
		const uint16_t port = d & 1 ? DATA : COMMAND;
		uint8_t now;

		if (d & 6)
			th_out(th, port, 1, d >> 8 & 0xff);
		else
			(void)th_in(th, port, 1);
		now = status(th);
		CHECK_EQ(UNLOCKED, now & (UNLOCKED | 0x82));
		if (th_line(th, IRQ))
			CHECK_EQ(FULL, now & (FULL | AUX));
		if (th_line(th, AUX_IRQ))
			CHECK_EQ(FULL | AUX, now & (FULL | AUX));
		if (now & TIMEOUT)
			CHECK_EQ(FULL | AUX, now & (FULL | AUX));
		CHECK_EQ(0, th_class(th)->post_load(th_self(th), 1));
	}
	th_destroy(th);
}
