/* SPDX-License-Identifier: MIT */
/* Plugin kvm-pit against the test host's timer, which only keeps bytes. */
#include <stdarg.h>

#include "tap.h"
#include "testhost.h"

enum { SIZE = LICHEN_PIT_STATE_SIZE };

static struct th *start(void)
{
	struct th *th = th_create("kvm-pit");

	CHECK_EQ(0, th_start(th));
	return th;
}

static const struct lichen_hv_pit *hv(struct th *th)
{
	const struct lichen_dev *dev = th_self(th);

	return dev->host->interface(dev->in, LICHEN_HV_PIT);
}

/* The guest's doing: all bytes of the state are now `byte`. */
static void scribble(struct th *th, uint8_t byte)
{
	uint8_t bytes[SIZE];

	memset(bytes, byte, SIZE);
	CHECK_EQ(0, hv(th)->set(((struct lichen_dev *)th_self(th))->in, bytes));
}

static void check_bytes(struct th *th, uint8_t want)
{
	uint8_t bytes[SIZE];

	CHECK_EQ(0, hv(th)->get(((struct lichen_dev *)th_self(th))->in, bytes));
	for (uint32_t i = 0; i < SIZE; i++)
		CHECK_EQ(want, bytes[i]);
}

TEST(acpi_hears_of_ports_and_line)
{
	struct th *th = start();
	const struct lichen_acpi_node_ops *ops = th_interface(th, LICHEN_ACPI_NODE);
	struct lichen_acpi_node node = { LICHEN_STRUCT(struct lichen_acpi_node) };

	CHECK_EQ(-LICHEN_ENOENT, ops->describe(th_self(th), 0, 1, &node));
	CHECK_EQ(0, ops->describe(th_self(th), 0, 0, &node));
	CHECK_EQ(0, strcmp("PNP0100", node.hid));
	CHECK_EQ(0x40, node.ports[0].base);
	CHECK_EQ(4, node.ports[0].size);
	CHECK_EQ(0, node.ports[1].size);
	CHECK_EQ(0, node.gsis[0].gsi);
	CHECK_EQ(LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE, node.gsis[0].flags);
	CHECK_EQ(0, node.gsis[1].flags);
	th_destroy(th);
}

TEST(saving_fetches_and_loading_restores_the_state)
{
	struct th *th = start();
	const struct lichen_class *class = th_class(th);
	const struct lichen_field *field = class->state.items;
	const uint8_t *self = th_self(th);

	scribble(th, 0x5a);
	CHECK_EQ(0, class->pre_save(th_self(th)));
	CHECK_EQ(1, class->state.count);
	CHECK_EQ(SIZE, field->count * field->size);
	CHECK_EQ(0x5a, self[field->offset]);
	CHECK_EQ(0x5a, self[field->offset + SIZE - 1]);
	scribble(th, 0xa5);
	CHECK_EQ(0, class->post_load(th_self(th), 1));
	check_bytes(th, 0x5a);
	th_destroy(th);
}

TEST(a_reset_restores_what_was_there_before_the_guest_ran)
{
	struct th *th = start();

	scribble(th, 0x5a);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_POWER_ON));
	check_bytes(th, 0);
	th_destroy(th);
}

TEST(its_line_and_ports_are_kept_from_others)
{
	struct th *th = start();
	const struct lichen_dev *dev = th_self(th);
	const struct lichen_window *windows = th_class(th)->windows.items;
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = 0 };
	lichen_handle handle;

	CHECK_EQ(-LICHEN_EBUSY, dev->host->line_claim(dev->in, &line, &handle));
	CHECK_EQ(2, th_class(th)->windows.count);
	CHECK_EQ(0x40, windows[0].address);
	CHECK_EQ(4, windows[0].size);
	CHECK_EQ(0x61, windows[1].address);
	CHECK_EQ(1, windows[1].size);
	th_destroy(th);
}

/* --- hosts that lack or refuse something --- */

static char sentence[256];
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

static lichen_status fake_create(struct lichen_instance *in)
{
	(void)in;
	return fake_status;
}

static const struct lichen_hv_pit fake_hv = { LICHEN_STRUCT(struct lichen_hv_pit),
					      .create = fake_create };

static const void *fake_interface(struct lichen_instance *in, const char *id)
{
	(void)in;
	return fake_status && !strcmp(id, LICHEN_HV_PIT) ? &fake_hv : NULL;
}

static lichen_status create_with_fake_host(void)
{
	static const struct lichen_host host = { LICHEN_STRUCT(struct lichen_host),
						 .error = fake_error,
						 .interface = fake_interface };
	struct th *th = th_create("kvm-pit");
	struct lichen_dev *self = calloc(1, th_class(th)->instance_size);
	lichen_status status;

	CHECK(self != NULL);
	self->host = &host;
	status = th_class(th)->create(self);
	free(self);
	th_destroy(th);
	return status;
}

TEST(a_host_without_a_timer_is_an_error)
{
	CHECK_EQ(-LICHEN_ENOTSUP, create_with_fake_host());
	CHECK_EQ(0, strcmp("timer: this host has none of its own", sentence));
}

TEST(an_error_of_the_core_is_passed_on)
{
	fake_status = -LICHEN_EEXIST;
	CHECK_EQ(-LICHEN_EEXIST, create_with_fake_host());
}
