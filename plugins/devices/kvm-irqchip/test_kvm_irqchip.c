/* SPDX-License-Identifier: MIT */
/* Plugin kvm-irqchip against the test host's interrupt controllers, which only keep bytes. */
#include <stdarg.h>

#include "tap.h"
#include "testhost.h"

enum { PARTS = 3, SIZE = LICHEN_IRQCHIP_STATE_SIZE };

static struct th *start(uint32_t cpus)
{
	struct th *th = th_create("kvm-irqchip");

	th_set_cpus(th, cpus);
	CHECK_EQ(0, th_start(th));
	return th;
}

static const struct lichen_hv_irqchip *hv(struct th *th)
{
	const struct lichen_dev *dev = th_self(th);

	return dev->host->interface(dev->in, LICHEN_HV_IRQCHIP);
}

static struct lichen_instance *instance(struct th *th)
{
	return ((struct lichen_dev *)th_self(th))->in;
}

/* The guest's doing: each part's bytes are now `byte` and what follows it. */
static void scribble(struct th *th, uint8_t byte)
{
	uint8_t bytes[SIZE];

	for (uint32_t part = 0; part < PARTS; part++) {
		memset(bytes, byte + (int)part, SIZE);
		CHECK_EQ(0, hv(th)->set(instance(th), part, bytes));
	}
}

static void check_parts(struct th *th, const uint8_t want[PARTS])
{
	uint8_t bytes[SIZE], same[SIZE];

	for (uint32_t part = 0; part < PARTS; part++) {
		CHECK_EQ(0, hv(th)->get(instance(th), part, bytes));
		memset(same, want[part], SIZE);
		CHECK_EQ(0, memcmp(bytes, same, SIZE));
	}
}

static struct lichen_acpi_node describe(struct th *th)
{
	const struct lichen_acpi_node_ops *ops = th_interface(th, LICHEN_ACPI_NODE);
	struct lichen_acpi_node node = { LICHEN_STRUCT(struct lichen_acpi_node) };

	CHECK_EQ(-LICHEN_ENOENT, ops->describe(th_self(th), 0, 1, &node));
	CHECK_EQ(0, ops->describe(th_self(th), 0, 0, &node));
	return node;
}

TEST(it_says_how_many_lines_the_core_has)
{
	struct th *th = start(1);
	const struct lichen_irqchip_ops *ops = th_interface(th, LICHEN_IRQCHIP);

	CHECK_EQ(TH_PINS, ops->pins(th_self(th), 0));
	th_destroy(th);
}

TEST(each_cpu_gets_a_local_apic)
{
	static const uint32_t counts[] = { 1, 2, 32 };

	for (uint32_t c = 0; c < 3; c++) {
		struct th *th = start(counts[c]);
		const struct lichen_dev *dev = th_self(th);
		const struct lichen_acpi_node node = describe(th);

		CHECK(node.hid == NULL);
		for (uint32_t i = 0; i < counts[c]; i++) {
			const uint8_t id = (uint8_t)dev->host->cpu_apic_id(dev->in, i);
			const uint8_t want[] = { 0, 8, (uint8_t)i, id, 1, 0, 0, 0 };

			CHECK(8 * (i + 1) <= node.madt_size);
			CHECK_EQ(0, memcmp(node.madt + 8 * (size_t)i, want, sizeof(want)));
		}
		th_destroy(th);
	}
}

TEST(ioapic_timer_override_and_nmi_follow_the_cpus)
{
	static const uint8_t want[] = { 1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0,	   0, 2, 10,
					0, 0,  2, 0, 0, 0, 0,	 0,    4, 6, 0xff, 0, 0, 1 };
	struct th *th = start(3);
	const struct lichen_acpi_node node = describe(th);

	CHECK_EQ(3 * 8 + sizeof(want), node.madt_size);
	CHECK_EQ(0, memcmp(node.madt + 3 * 8, want, sizeof(want)));
	th_destroy(th);
}

TEST(saving_fetches_and_loading_restores_all_parts)
{
	struct th *th = start(1);
	const struct lichen_class *class = th_class(th);

	scribble(th, 0x10);
	CHECK_EQ(0, class->pre_save(th_self(th)));
	scribble(th, 0x20);
	CHECK_EQ(0, class->post_load(th_self(th), 1));
	check_parts(th, (const uint8_t[]){ 0x10, 0x11, 0x12 });
	th_destroy(th);
}

TEST(the_state_covers_all_parts)
{
	struct th *th = start(1);
	const struct lichen_class *class = th_class(th);
	const struct lichen_field *fields = class->state.items;
	const uint8_t *self = th_self(th);

	scribble(th, 0x10);
	CHECK_EQ(0, class->pre_save(th_self(th)));
	CHECK_EQ(PARTS, class->state.count);
	for (uint32_t part = 0; part < PARTS; part++) {
		CHECK_EQ(SIZE, fields[part].count * fields[part].size);
		CHECK_EQ(0x10 + part, self[fields[part].offset]);
		CHECK_EQ(0x10 + part, self[fields[part].offset + SIZE - 1]);
	}
	th_destroy(th);
}

TEST(a_reset_restores_what_was_there_before_the_guest_ran)
{
	struct th *th = start(1);

	scribble(th, 0x10);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	check_parts(th, (const uint8_t[]){ 0, 0, 0 });
	th_destroy(th);
}

TEST(its_registers_are_kept_from_others)
{
	static const struct {
		uint32_t place;
		uint64_t address, size;
	} want[] = {
		{ LICHEN_PLACE_PORT, 0x20, 2 },
		{ LICHEN_PLACE_PORT, 0xa0, 2 },
		{ LICHEN_PLACE_PORT, 0x4d0, 2 },
		{ LICHEN_PLACE_GPA, 0xfec00000, 0x100 },
	};
	struct th *th = start(1);
	const struct lichen_window *windows = th_class(th)->windows.items;

	CHECK_EQ(4, th_class(th)->windows.count);
	for (uint32_t i = 0; i < 4; i++) {
		CHECK_EQ(want[i].place, windows[i].place);
		CHECK_EQ(want[i].address, windows[i].address);
		CHECK_EQ(want[i].size, windows[i].size);
	}
	th_destroy(th);
}

TEST(its_allocation_may_fail)
{
	struct th *th = th_create("kvm-irqchip");

	th_fail_allocation(th, 1);
	CHECK_EQ(-LICHEN_ENOMEM, th_start(th));
	CHECK_EQ(0, strcmp("description of 1 CPUs: out of memory", th_error(th)));
	th_destroy(th);
}

/* --- hosts that lack or refuse something --- */

static char sentence[256];
static uint32_t fake_first_id;
static lichen_status fake_status;

__attribute__((format(printf, 2, 3))) static void fake_error(struct lichen_instance *in,
							     const char *format, ...)
{
	va_list arguments;

	(void)in;
	va_start(arguments, format);
	vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);
}

static lichen_status fake_create(struct lichen_instance *in, uint32_t *pins)
{
	(void)in, (void)pins;
	return fake_status;
}

static const struct lichen_hv_irqchip fake_hv = { LICHEN_STRUCT(struct lichen_hv_irqchip),
						  .create = fake_create };

static const void *fake_interface(struct lichen_instance *in, const char *id)
{
	(void)in;
	return fake_status && !strcmp(id, LICHEN_HV_IRQCHIP) ? &fake_hv : NULL;
}

static uint32_t fake_cpu_count(struct lichen_instance *in)
{
	(void)in;
	return 2;
}

static uint32_t fake_cpu_apic_id(struct lichen_instance *in, uint32_t index)
{
	(void)in;
	return fake_first_id + index;
}

static lichen_status create_with_fake_host(void)
{
	static const struct lichen_host host = { LICHEN_STRUCT(struct lichen_host),
						 .error = fake_error,
						 .interface = fake_interface,
						 .cpu_count = fake_cpu_count,
						 .cpu_apic_id = fake_cpu_apic_id };
	struct th *th = th_create("kvm-irqchip");
	const struct lichen_class *class = th_class(th);
	struct lichen_dev *self = calloc(1, class->instance_size);
	lichen_status status;

	CHECK(self != NULL);
	self->host = &host;
	status = class->create(self);
	free(self);
	th_destroy(th);
	return status;
}

TEST(a_host_without_interrupt_controllers_is_an_error)
{
	CHECK_EQ(-LICHEN_ENOTSUP, create_with_fake_host());
	CHECK_EQ(0, strcmp("interrupt controllers: this host has none of its own", sentence));
}

TEST(an_apic_id_above_254_is_refused)
{
	fake_status = -LICHEN_EEXIST;
	fake_first_id = 254;
	CHECK_EQ(-LICHEN_ERANGE, create_with_fake_host());
	CHECK_EQ(0, strcmp("APIC id 255 of CPU 1: above 254", sentence));
}

TEST(an_error_of_the_core_is_passed_on)
{
	fake_status = -LICHEN_EEXIST;
	fake_first_id = 253;
	CHECK_EQ(-LICHEN_EEXIST, create_with_fake_host());
}
