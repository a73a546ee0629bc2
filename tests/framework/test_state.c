/* SPDX-License-Identifier: MIT */
/* Whole VMs over the fake: saved, loaded into others, and states that must be refused. */
#include <stdlib.h>

#include <lichen/char.h>

#include "state_world.h"
#include "tap.h"

static struct world one, two;
static struct fw_buffer out;
static struct state_stop stop = { .out = &out };
static struct ld_error error;

enum {
	SCR = 0x3ff,
	KBD = 0x60,
	KBD_COMMAND = 0x64,
	CMOS = 0x70,
	PM1_EN = 0x602,
	EXIT = 0xf4,
	PAGE = 0x8000,
	LINE_KBD = 1,
	LINE_RTC = 8,
	/* How the script ends: the vector of the interrupt that came last. */
	PASSED = (0x20 + LINE_RTC) << 1 | 1,
	PASSED_TOO = (0x20 + LINE_KBD) << 1 | 1,
};

/* Tells every device something, stops, and asks them. */
static const struct fake_step script[] = {
	FAKE_OUT(SCR, 1, 0x5a),
	FAKE_OUT(KBD_COMMAND, 1, 0x61),
	FAKE_OUT(KBD, 1, 0x77),
	FAKE_OUT(KBD, 1, 0xee), /* echo: line 1 rises */
	FAKE_OUT(CMOS, 1, 0x40),
	FAKE_OUT(CMOS + 1, 1, 0x99),
	FAKE_OUT(CMOS, 1, 0x0b),
	FAKE_OUT(CMOS + 1, 1, 0x42), /* 1024 interrupts a second */
	FAKE_OUT(PM1_EN, 2, 0x100),
	FAKE_STORE(PAGE, 8, 0x1122334455667788),
	FAKE_STOP(&stop),
	FAKE_IN(SCR, 1), /* the exit behind which it is saved */
	/* --- in the other VM --- */
	FAKE_IN(SCR, 1),
	FAKE_IN(KBD, 1),
	FAKE_OUT(KBD_COMMAND, 1, 0x21),
	FAKE_IN(KBD, 1),
	FAKE_OUT(CMOS, 1, 0x40),
	FAKE_IN(CMOS + 1, 1),
	FAKE_IN(PM1_EN, 2),
	FAKE_LOAD(PAGE, 8),
	FAKE_HALT(), /* the keyboard and the clock, in any order */
	FAKE_HALT(),
	FAKE_OUT_RAX(EXIT, 1),
};

static void start(struct world *world, const char *profile)
{
	world_start(world, profile);
	for (uint32_t i = 0; i < world->vm->vcpu_count; i++)
		fake_script(world->hvm, i, script, i == 0 ? FAKE_STEPS(script) : 0);
}

/* World one, run to the stop; its state is in `out`. */
static void save_one(const char *profile)
{
	start(&one, profile);
	stop.vm = one.vm;
	out.size = 0;
	CHECK_EQ(STATE_SAVED, lichen_vm_run(one.vm));
	CHECK_EQ(0, stop.status);
}

static lichen_status load_two(void)
{
	error.text[0] = '\0';
	return fw_state_load(two.vm, out.bytes, out.size, &error);
}

static void refused(lichen_status want, const char *why)
{
	CHECK_EQ(want, load_two());
	if (!strstr(error.text, why))
		tap_fail("want \"%s\" in \"%s\"", why, error.text);
}

static void two_passes(void)
{
	const int status = lichen_vm_run(two.vm);

	CHECK(status == PASSED || status == PASSED_TOO);
}

static void finish(void)
{
	world_end(&one);
	if (two.folder[0])
		world_end(&two);
	fw_buffer_clear(&out);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

TEST(a_vm_goes_on_in_another_as_if_nothing_had_been)
{
	static const uint64_t want[] = { 0x5a, 0xee, 0x77, 0x99, 0x100, 0x1122334455667788 };
	struct fake_view view;

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	memset(fw_memory_at(&two.vm->memory, 0x5000, 4096), 0xaa, 4096); /* not one's */
	CHECK_EQ(0, load_two());
	fake_look(two.hvm, &view);
	CHECK_EQ(1, view.level[LINE_KBD]);
	CHECK_EQ(0, view.level[4]);
	CHECK_EQ(0, *(uint8_t *)fw_memory_at(&two.vm->memory, 0x5fff, 1));
	two_passes();
	CHECK_EQ(6, fake_read_count(two.hvm, 0));
	for (uint32_t i = 0; i < 6; i++)
		CHECK_EQ(want[i], fake_read_at(two.hvm, 0, i));
	finish();
}

TEST(what_was_loaded_saves_the_same)
{
	struct fw_buffer again = { 0 };
	uint64_t clock = 0, other = 1;

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	CHECK_EQ(0, load_two());
	CHECK_EQ(fw_clock_now(&one.vm->loop, LICHEN_CLOCK_GUEST),
		 fw_clock_now(&two.vm->loop, LICHEN_CLOCK_GUEST));
	CHECK_EQ(0, fw_state_save(two.vm, &again, &error));
	CHECK_EQ(out.size, again.size);
	/* But for the hypervisor's clock, which goes on, and what the chip of the time shows:
	 * the part of the machine comes first. */
	memcpy(&clock, out.bytes + 12 + 12 + 20, 8);
	memcpy(&other, again.bytes + 12 + 12 + 20, 8);
	CHECK(other >= clock && other - clock < 10000000000);
	memcpy(again.bytes + 12 + 12 + 20, &clock, 8);
	for (uint64_t i = 0, differ = 0; i < out.size; i++) {
		differ += out.bytes[i] != again.bytes[i];
		CHECK(differ <= 3); /* second, minute, hour */
	}
	fw_buffer_clear(&again);
	finish();
}

TEST(a_guest_older_than_the_host_has_working_timers)
{
	const uint64_t century = 3155760000 * UINT64_C(1000000000);

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	memcpy(out.bytes + 12 + 12 + 12, &century, 8);
	CHECK_EQ(0, load_two());
	CHECK_EQ(century, fw_clock_now(&two.vm->loop, LICHEN_CLOCK_GUEST));
	two_passes(); /* which takes the timer's interrupt */
	CHECK(fw_clock_now(&two.vm->loop, LICHEN_CLOCK_GUEST) > century);
	finish();
}

/* Where `text` is in the state. */
static uint64_t find(const char *text, uint64_t from)
{
	for (uint64_t i = from; i + strlen(text) <= out.size; i++)
		if (memcmp(out.bytes + i, text, strlen(text)) == 0)
			return i;
	tap_fail("\"%s\" is not in the state", text);
}

TEST(an_interrupt_that_was_due_and_not_raised_comes_in_the_other_vm)
{
	static const struct fake_step due[] = {
		FAKE_OUT(CMOS, 1, 0x0b),
		FAKE_OUT(CMOS + 1, 1, 0x42), /* 1024 interrupts a second */
		FAKE_STOP(&stop),
		FAKE_IN(SCR, 1),
		FAKE_HALT(),
		FAKE_OUT_RAX(EXIT, 1),
	};
	uint64_t flags;

	world_start(&one, STATE_PROFILE);
	fake_script(one.hvm, 0, due, FAKE_STEPS(due));
	stop.vm = one.vm;
	CHECK_EQ(STATE_SAVED, lichen_vm_run(one.vm));
	CHECK_EQ(0, stop.status);
	world_start(&two, STATE_PROFILE);
	fake_script(two.hvm, 0, due, FAKE_STEPS(due));
	/* Register C has the flag, the line has not: so it is when the chip finds, as it is
	 * saved, that a tick has passed. */
	flags = find("\1c\1", find("rtc-cmos", 0));
	out.bytes[flags + 3 + 1 + 4 + 8] = 0x40;
	CHECK_EQ(0, load_two());
	CHECK_EQ(PASSED, lichen_vm_run(two.vm));
	finish();
}

TEST(a_loaded_state_may_be_loaded_over_again)
{
	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_EQ(0, load_two());
	two_passes();
	finish();
}

TEST(another_machine_is_refused_by_what_differs)
{
	static const char *const devices = "  - { plugin: kvm-irqchip }\n"
					   "  - { plugin: i8042 }\n";
	char profile[512];

	save_one(STATE_PROFILE);
	world_start(&two, "name: world\ncpus: 2\nmemory: { size: 1152K }\n"
			  "boot: { plugin: begin }\n" STATE_DEVICES);
	refused(-LICHEN_EBADMSG, "1 vCPUs and 1179648 bytes of memory, this one has 2");
	world_end(&two);
	world_start(&two, "name: world\nmemory: { size: 2M }\n"
			  "boot: { plugin: begin }\n" STATE_DEVICES);
	refused(-LICHEN_EBADMSG, "this one has 1 and 2097152");
	world_end(&two);
	(void)snprintf(profile, sizeof(profile), STATE_HEAD "devices:\n%s", devices);
	world_start(&two, profile);
	refused(-LICHEN_EBADMSG, "this VM has no instance of that id");
	world_end(&two);
	world_start(&two, STATE_PROFILE "  - { plugin: debug-exit, id: more, port: 0xf8 }\n");
	refused(-LICHEN_EBADMSG, "state of more: is missing");
	world_end(&two);
	two.folder[0] = '\0';
	finish();
}

TEST(an_instance_of_another_plugin_is_refused)
{
	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	/* "com1" of serial16550: the plugin's name follows the id's. */
	out.bytes[find("serial16550", find("com1", 0))] = 'S';
	refused(-LICHEN_EBADMSG, "state of com1: of plugin Serial16550, here it is of serial");
	finish();
}

TEST(a_lie_is_refused_in_the_plugins_words)
{
	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	/* After the name: type, flags, elements, fallback. */
	out.bytes[find("scan_set", 0) + strlen("scan_set") + 1 + 1 + 4 + 8] = 9;
	refused(-LICHEN_EBADMSG, "state of i8042: scan_set 9: not 1 to 3");
	finish();
}

TEST(a_field_of_the_wrong_type_is_refused_by_name_before_anything_changes)
{
	struct fw_buffer before = { 0 }, after = { 0 };
	uint64_t at;

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	CHECK_EQ(0, fw_state_save(two.vm, &before, &error));
	at = find("scan_set", 0) + strlen("scan_set");
	out.bytes[at] = LICHEN_S8;
	refused(-LICHEN_EBADMSG, "state of i8042: field scan_set: is of type 5");
	CHECK_EQ(0, fw_state_save(two.vm, &after, &error));
	CHECK_EQ(before.size, after.size);
	fw_buffer_clear(&before);
	fw_buffer_clear(&after);
	finish();
}

TEST(what_the_hypervisor_refuses_is_refused)
{
	uint64_t at;

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	at = find("fakecpu1", 0);
	out.bytes[at] = 'F';
	refused(-LICHEN_EBADMSG, "vCPU 0: ");
	finish();
}

TEST(a_state_that_is_cut_or_goes_on_is_refused)
{
	uint64_t whole;

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	whole = out.size;
	for (out.size = 0; out.size < whole; out.size += out.size < 400 ? 1 : 97)
		CHECK_EQ(-LICHEN_EBADMSG, load_two());
	for (out.size = whole - 40; out.size < whole; out.size++)
		CHECK_EQ(-LICHEN_EBADMSG, load_two());
	fw_put_u8(&out, 0);
	refused(-LICHEN_EBADMSG, "1 bytes after its end");
	finish();
}

TEST(memory_outside_of_ram_is_refused)
{
	static const char magic[] = "LichenSt";
	uint64_t at = 12; /* the parts: u32 tag, u64 size */
	uint64_t gpa = UINT64_C(0xfee00000), size;
	uint32_t tag = 0;

	save_one(STATE_PROFILE);
	start(&two, STATE_PROFILE);
	CHECK_EQ(0, memcmp(out.bytes, magic, 8));
	for (;;) {
		memcpy(&tag, out.bytes + at, 4);
		memcpy(&size, out.bytes + at + 4, 8);
		if (tag == 3)
			break;
		at += 12 + size;
	}
	memcpy(out.bytes + at + 12, &gpa, 8);
	refused(-LICHEN_EBADMSG, "at 0xfee00000: not whole pages of RAM in order");
	finish();
}

/* What a backend hands over after the stop was asked for, and before it takes place. */
static void send_a(void *context)
{
	struct lichen_vm *vm = one.vm;

	(void)context;
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		const struct lichen_instance *in = vm->instances[i];

		if (strcmp(in->spec->id, "com1") == 0)
			(void)fw_host.post(in->links[0].items[0]->provider,
					   in->links[0].items[0]->pub.client,
					   LICHEN_CHAR_RECEIVED, "A", 1);
	}
}

TEST(bytes_on_their_way_to_a_device_are_saved)
{
	static const struct fake_step quiet[] = {
		FAKE_OUT(0x3fc, 1, 0x0b), /* ready to receive */
		FAKE_STOP(&stop),	  FAKE_CALL(send_a, NULL), FAKE_IN(SCR, 1),
		FAKE_IN(0x3f8, 1),	  FAKE_OUT_RAX(EXIT, 1),
	};

	world_start(&one, STATE_PROFILE);
	fake_script(one.hvm, 0, quiet, FAKE_STEPS(quiet));
	stop.vm = one.vm;
	CHECK_EQ(STATE_SAVED, lichen_vm_run(one.vm));
	CHECK_EQ(0, stop.status);
	world_start(&two, STATE_PROFILE);
	fake_script(two.hvm, 0, quiet, FAKE_STEPS(quiet));
	CHECK_EQ(0, load_two());
	CHECK_EQ(('A' << 1 | 1) & 0xff, lichen_vm_run(two.vm));
	finish();
}
