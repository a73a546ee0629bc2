/* SPDX-License-Identifier: MIT */
/* kbd: the i8042 passes its self-test and the test of the keyboard's port. */
#include <pebble/pebble.h>

enum {
	DATA = 0x60,
	COMMAND = 0x64,
	OUTPUT_FULL = 1,
	INPUT_FULL = 2,
	SELF_TEST = 0xaa,
	SELF_TEST_PASSED = 0x55,
	KEYBOARD_TEST = 0xab,
	READ_MODE = 0x20,
	POLLS = 1000,
	DRAIN = 32,
};

static void command(uint8_t value)
{
	for (uint32_t i = 0; i < POLLS && (inb(COMMAND) & INPUT_FULL); i++)
		pebble_pause();
	CHECK(1, !(inb(COMMAND) & INPUT_FULL));
	outb(COMMAND, value);
}

static uint8_t answer(void)
{
	for (uint32_t i = 0; i < POLLS && !(inb(COMMAND) & OUTPUT_FULL); i++)
		pebble_pause();
	CHECK(2, inb(COMMAND) & OUTPUT_FULL);
	return inb(DATA);
}

int main(void)
{
	for (uint32_t i = 0; i < DRAIN && (inb(COMMAND) & OUTPUT_FULL); i++)
		inb(DATA);
	command(SELF_TEST);
	CHECK(3, answer() == SELF_TEST_PASSED);
	command(KEYBOARD_TEST);
	CHECK(4, answer() == 0);
	command(READ_MODE);
	answer();
	CHECK(5, !(inb(COMMAND) & OUTPUT_FULL));
	return PEBBLE_PASS;
}
