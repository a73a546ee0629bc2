/* SPDX-License-Identifier: MIT */
/* What the test host does for a plugin that behaves.  The tests speak for the plugin as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <testhost.h>

#include "sample.h"
#include "tap.h"

static struct th *started(void)
{
	struct th *th = th_create("sample");

	CHECK_EQ(0, th_start(th));
	return th;
}

static struct sample *sample(struct th *th)
{
	return th_self(th);
}

/* The first handler call recorded since, and how many there were. */
static uint32_t calls(struct th *th, struct sample_call *first)
{
	struct sample *s = sample(th);
	const uint32_t count = s->call_count;

	if (first)
		*first = s->calls[0];
	s->call_count = 0;
	return count;
}

TEST(an_access_of_a_size_taken_is_one_call)
{
	struct th *th = started();
	struct sample_call c;

	CHECK_EQ(0x0302, th_in(th, SAMPLE_PORT + 2, 2));
	CHECK_EQ(1, calls(th, &c));
	CHECK_EQ(2, c.off);
	CHECK_EQ(2, c.size);
	th_destroy(th);
}

TEST(a_wider_access_is_cut_ascending)
{
	struct th *th = started();
	struct sample_call c;

	CHECK_EQ(0x07060504, th_in(th, SAMPLE_PORT + 4, 4));
	CHECK_EQ(2, calls(th, &c));
	CHECK_EQ(4, c.off);
	th_out(th, SAMPLE_PORT + 4, 4, 0x44332211);
	CHECK_EQ(2, calls(th, &c));
	CHECK_EQ(0x2211, c.value);
	th_destroy(th);
}

TEST(a_narrower_read_takes_its_part_of_the_whole)
{
	struct th *th = started();
	struct sample_call c;

	CHECK_EQ(0x05, th_load(th, SAMPLE_SPLIT_GPA + 5, 1));
	CHECK_EQ(1, calls(th, &c));
	CHECK_EQ(4, c.off);
	CHECK_EQ(4, c.size);
	th_destroy(th);
}

TEST(a_narrower_write_is_dropped)
{
	struct th *th = started();

	th_store(th, SAMPLE_SPLIT_GPA, 2, 1);
	CHECK_EQ(0, calls(th, NULL));
	th_destroy(th);
}

TEST(refused_sizes_read_as_ones)
{
	struct th *th = started();

	CHECK_EQ(0xffff, th_load(th, SAMPLE_REFUSE_GPA, 2));
	CHECK_EQ(UINT64_MAX, th_load(th, SAMPLE_REFUSE_GPA, 8));
	th_store(th, SAMPLE_REFUSE_GPA, 8, 1);
	CHECK_EQ(0, calls(th, NULL));
	CHECK_EQ(0x03020100, th_load(th, SAMPLE_REFUSE_GPA, 4));
	th_destroy(th);
}

TEST(the_higher_rank_hides_the_lower)
{
	struct th *th = started();
	struct sample_call c;

	CHECK_EQ(0x00, th_load(th, SAMPLE_ABOVE_GPA, 1));
	CHECK_EQ(1, calls(th, &c));
	CHECK_EQ(2, c.window);
	th_destroy(th);
}

TEST(an_access_over_the_edge_is_cut_and_reads_ones_beyond)
{
	struct th *th = started();

	CHECK_EQ(0xff07, th_in(th, SAMPLE_PORT + 7, 2));
	CHECK_EQ(0x00ff, th_in(th, SAMPLE_PORT - 1, 2));
	CHECK_EQ(2, calls(th, NULL));
	th_destroy(th);
}

TEST(windows_are_placed_moved_and_taken_out)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;

	CHECK_EQ(-LICHEN_EINVAL, h->place_port(s->dev.in, 5, 0x200));
	CHECK_EQ(-LICHEN_ERANGE, h->place_port(s->dev.in, 4, 0xfff9));
	CHECK_EQ(-LICHEN_EEXIST, h->place_port(s->dev.in, 4, SAMPLE_PORT + 7));
	CHECK_EQ(-LICHEN_EEXIST, h->place_mmio(s->dev.in, 4, 0, TH_RAM_SIZE - 4));
	CHECK_EQ(-LICHEN_ENOTSUP, h->place_mmio(s->dev.in, 4, 1, 0xe0000000));
	CHECK_EQ(-LICHEN_ENOENT, h->unplace(s->dev.in, 4));
	CHECK_EQ(0, h->place_port(s->dev.in, 4, 0x200));
	CHECK_EQ(0, th_in(th, 0x200, 1));
	CHECK_EQ(0, h->place_mmio(s->dev.in, 4, 0, 0xe0000000));
	CHECK_EQ(0xff, th_in(th, 0x200, 1));
	CHECK_EQ(0x01, th_load(th, 0xe0000001, 1));
	CHECK_EQ(0, h->unplace(s->dev.in, 4));
	CHECK_EQ(0xff, th_load(th, 0xe0000001, 1));
	th_destroy(th);
}

TEST(a_doorbell_rings_instead_of_the_handler)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct lichen_doorbell bell = {
		LICHEN_STRUCT(struct lichen_doorbell), .window = 0, .offset = 2,  .size = 2,
		.flags = LICHEN_DOORBELL_MATCH,	       .value = 5,  .eventfd = fd
	};
	lichen_handle handle;
	uint64_t rung = 0;

	CHECK_EQ(0, s->dev.host->doorbell_claim(s->dev.in, &bell, &handle));
	CHECK_EQ(-LICHEN_EEXIST, s->dev.host->doorbell_claim(s->dev.in, &bell, &handle));
	th_out(th, SAMPLE_PORT + 2, 2, 5);
	CHECK_EQ(0, calls(th, NULL));
	th_out(th, SAMPLE_PORT + 2, 2, 6);
	CHECK_EQ(1, calls(th, NULL));
	CHECK_EQ(8, read(fd, &rung, sizeof(rung)));
	CHECK_EQ(1, rung);
	bell.offset = 7;
	CHECK_EQ(-LICHEN_EINVAL, s->dev.host->doorbell_claim(s->dev.in, &bell, &handle));
	close(fd);
	th_destroy(th);
}

static lichen_handle claimed(struct sample *s, uint32_t gsi, uint32_t flags)
{
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = gsi,
					  .flags = flags };
	lichen_handle handle = 0;

	CHECK_EQ(0, s->dev.host->line_claim(s->dev.in, &line, &handle));
	CHECK(handle != 0);
	return handle;
}

TEST(levels_of_sharers_are_ored_and_rises_counted)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;
	const lichen_handle a = claimed(s, 9, LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED);
	const lichen_handle b = claimed(s, 9, LICHEN_LINE_LEVEL | LICHEN_LINE_SHARED);

	h->line_set(s->dev.in, a, 1);
	h->line_set(s->dev.in, b, 1);
	h->line_set(s->dev.in, a, 0);
	CHECK_EQ(1, th_line(th, 9));
	CHECK_EQ(1, th_edges(th, 9));
	h->line_release(s->dev.in, b);
	CHECK_EQ(0, th_line(th, 9));
	th_destroy(th);
}

TEST(an_edge_line_pulses)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const lichen_handle line = claimed(s, 4, 0);

	s->dev.host->line_set(s->dev.in, line, 1);
	s->dev.host->line_set(s->dev.in, line, 1);
	s->dev.host->line_set(s->dev.in, line, 0);
	CHECK_EQ(2, th_edges(th, 4));
	CHECK_EQ(0, th_line(th, 4));
	th_destroy(th);
}

TEST(a_line_is_refused_where_it_must_be)
{
	struct th *th = started();
	struct sample *s = sample(th);
	struct lichen_line line = { LICHEN_STRUCT(struct lichen_line), .gsi = TH_PINS };
	lichen_handle handle = 99;

	CHECK_EQ(-LICHEN_ERANGE, s->dev.host->line_claim(s->dev.in, &line, &handle));
	line.gsi = 3;
	line.flags = 1u << 31;
	CHECK_EQ(-LICHEN_ENOTSUP, s->dev.host->line_claim(s->dev.in, &line, &handle));
	claimed(s, 3, LICHEN_LINE_SHARED);
	line.flags = 0;
	CHECK_EQ(-LICHEN_EBUSY, s->dev.host->line_claim(s->dev.in, &line, &handle));
	CHECK_EQ(99, handle);
	th_destroy(th);
}

TEST(a_trigger_asserts_until_eoi_which_resamples)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const lichen_handle line = claimed(s, 5, LICHEN_LINE_LEVEL);
	int32_t trigger, resample;
	uint64_t count = 0;

	CHECK_EQ(0, s->dev.host->line_eventfd(s->dev.in, line, &trigger, &resample));
	CHECK_EQ(8, write(trigger, &(uint64_t){ 1 }, 8));
	CHECK_EQ(1, th_line(th, 5));
	CHECK_EQ(-1, read(resample, &count, sizeof(count)));
	th_eoi(th, 5);
	CHECK_EQ(0, th_line(th, 5));
	CHECK_EQ(8, read(resample, &count, sizeof(count)));
	th_destroy(th);
}

TEST(messages_are_masked_pending_and_recorded)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;
	struct lichen_message m = { LICHEN_STRUCT(struct lichen_message), .data = 0x41,
				    .address = 0xfee01000 };
	struct lichen_message last;
	lichen_handle handle;

	CHECK_EQ(0, h->message_claim(s->dev.in, &handle));
	h->message_send(s->dev.in, handle);
	CHECK_EQ(0, th_messages(th, NULL));
	CHECK_EQ(1, h->message_pending(s->dev.in, handle));
	CHECK_EQ(0, h->message_update(s->dev.in, handle, &m));
	CHECK_EQ(1, th_messages(th, &last));
	CHECK_EQ(0x41, last.data);
	h->message_mask(s->dev.in, handle, 1);
	h->message_send(s->dev.in, handle);
	CHECK_EQ(1, th_messages(th, NULL));
	h->message_mask(s->dev.in, handle, 0);
	CHECK_EQ(2, th_messages(th, NULL));
	m.address = 0xfed00000;
	CHECK_EQ(-LICHEN_EINVAL, h->message_update(s->dev.in, handle, &m));
	th_destroy(th);
}

TEST(memory_is_copied_within_ram_only)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;
	uint32_t word = 0x12345678;

	CHECK_EQ(0, h->memory_write(s->dev.in, 0, TH_RAM_SIZE - 4, &word, 4));
	CHECK_EQ(0x78, th_ram(th)[TH_RAM_SIZE - 4]);
	CHECK_EQ(-LICHEN_EFAULT, h->memory_write(s->dev.in, 0, TH_RAM_SIZE - 3, &word, 4));
	CHECK_EQ(0x56, th_ram(th)[TH_RAM_SIZE - 3]);
	CHECK_EQ(-LICHEN_EFAULT, h->memory_read(s->dev.in, 0, UINT64_MAX, &word, 4));
	CHECK_EQ(-LICHEN_EFAULT, h->memory_read(s->dev.in, 0, 4, &word, UINT64_MAX));
	th_destroy(th);
}

TEST(windows_of_memory_are_memory_without_calls)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *host = s->dev.host;
	uint64_t value = 0x1122334455667788, back = 0;

	CHECK_EQ(0, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xe0000000));
	th_store(th, 0xe0001ffc, 4, 0xabcdef01);
	CHECK_EQ(0xabcdef01, th_load(th, 0xe0001ffc, 4));
	CHECK_EQ(0xffffffffabcdef01, th_load(th, 0xe0001ffc, 8));
	CHECK_EQ(0, calls(th, NULL));
	CHECK_EQ(0, host->memory_write(s->dev.in, 0, 0xe0000010, &value, 8));
	CHECK_EQ(value, th_load(th, 0xe0000010, 8));
	CHECK_EQ(-LICHEN_EFAULT, host->memory_read(s->dev.in, 0, 0xe0001ffc, &back, 8));
	CHECK_EQ(0, host->window_read(s->dev.in, SAMPLE_RAM, 0x10, &back, 8));
	CHECK_EQ(value, back);
	CHECK_EQ(0x88, th_window_memory(th, SAMPLE_RAM)[0x10]);
	CHECK_EQ(-LICHEN_ERANGE, host->window_read(s->dev.in, SAMPLE_RAM, 0x1ffc, &back, 8));
	CHECK_EQ(0, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xe0010000));
	CHECK_EQ(value, th_load(th, 0xe0010010, 8));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(value, th_load(th, 0xe0010010, 8));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_POWER_ON));
	CHECK_EQ(0, th_load(th, 0xe0010010, 8));
	th_destroy(th);
}

TEST(rom_traps_writes_and_a_mapped_window_shows_its_file)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *host = s->dev.host;
	struct sample_call call;
	uint64_t value = 0x55;
	int file = memfd_create("mapped", MFD_CLOEXEC);

	CHECK_EQ(0, host->window_write(s->dev.in, SAMPLE_ROM, 8, &value, 8));
	CHECK_EQ(0, host->place_mmio(s->dev.in, SAMPLE_ROM, 0, 0xe0000000));
	CHECK_EQ(0x55, th_load(th, 0xe0000008, 4));
	CHECK_EQ(0, calls(th, NULL));
	th_store(th, 0xe0000008, 4, 0x99);
	CHECK_EQ(2, calls(th, &call));
	CHECK_EQ(6, call.window);
	CHECK_EQ(2, call.size);
	CHECK_EQ(0x55, th_load(th, 0xe0000008, 4));
	CHECK_EQ(-LICHEN_EFAULT, host->memory_write(s->dev.in, 0, 0xe0000008, &value, 8));
	CHECK_EQ(-LICHEN_EINVAL, host->place_mmio(s->dev.in, SAMPLE_MAPPED, 0, 0xe0010000));
	CHECK_EQ(-LICHEN_EINVAL, host->window_back(s->dev.in, SAMPLE_MAPPED, file, 0, 3));
	CHECK_EQ(0, ftruncate(file, 0x1000));
	CHECK_EQ(0, host->window_back(s->dev.in, SAMPLE_MAPPED, file, 0, 3));
	CHECK_EQ(0, host->place_mmio(s->dev.in, SAMPLE_MAPPED, 0, 0xe0010000));
	th_store(th, 0xe0010000, 4, 0x12345678);
	CHECK_EQ(4, pread(file, &value, 4, 0));
	CHECK_EQ(0x12345678, value & 0xffffffff);
	CHECK_EQ(-LICHEN_EBUSY, host->window_back(s->dev.in, SAMPLE_MAPPED, file, 0, 3));
	close(file);
	th_destroy(th);
}

TEST(memory_is_refused_where_it_cannot_be)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *host = s->dev.host;

	CHECK_EQ(-LICHEN_EINVAL, host->place_port(s->dev.in, SAMPLE_RAM, 0x1000));
	CHECK_EQ(-LICHEN_EINVAL, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xe0000800));
	CHECK_EQ(-LICHEN_EEXIST, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0x1000));
	CHECK_EQ(-LICHEN_ERANGE, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 1ull << 48));
	CHECK_EQ(-LICHEN_ERANGE,
		 host->place_mmio(s->dev.in, SAMPLE_RAM, 0, (1ull << 48) - 0x1000));
	CHECK_EQ(-LICHEN_EEXIST, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xd0000000));
	CHECK_EQ(-LICHEN_ENOENT, host->unplace(s->dev.in, SAMPLE_RAM));
	th_destroy(th);
}

TEST(dirty_pages_are_told_once)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *host = s->dev.host;
	uint64_t bits = 0;

	CHECK_EQ(0, host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xe0000000));
	CHECK_EQ(0, host->window_dirty(s->dev.in, SAMPLE_RAM, &bits, 1));
	CHECK_EQ(3, bits);
	th_store(th, 0xe0001000, 1, 1);
	CHECK_EQ(0, host->window_dirty(s->dev.in, SAMPLE_RAM, &bits, 1));
	CHECK_EQ(2, bits);
	CHECK_EQ(0, host->window_dirty(s->dev.in, SAMPLE_RAM, &bits, 1));
	CHECK_EQ(0, bits);
	CHECK_EQ(-LICHEN_EINVAL, host->window_dirty(s->dev.in, SAMPLE_ROM, &bits, 1));
	th_destroy(th);
}

static void listens(struct sample *s)
{
	CHECK_EQ(0, s->dev.host->memory_listen(s->dev.in, 0));
	CHECK_EQ(3, s->region_count); /* begin, add, commit */
}

static void move_ram(struct sample *s)
{
	CHECK_EQ(0, s->dev.host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xe0000000));
	CHECK_EQ(0, s->dev.host->place_mmio(s->dev.in, SAMPLE_RAM, 0, 0xe0010000));
}

TEST(who_listens_hears_of_ram_and_of_what_handlers_have_placed)
{
	static const uint32_t want[] = { 1, 2, 4, 1, 2, 4, 1, 3, 4 };
	struct th *th = th_create("sample");
	struct sample *s;

	th_set(th, "on_realize", (uint64_t)(uintptr_t)listens);
	CHECK_EQ(0, th_start(th));
	s = sample(th);
	CHECK_EQ(TH_RAM_SIZE, s->regions[1].size);
	s->hook = move_ram;
	(void)th_in(th, SAMPLE_PORT, 1);
	CHECK_EQ(6, s->region_count);
	CHECK_EQ(0xe0010000, s->regions[4].gpa);
	s->hook = NULL;
	CHECK_EQ(0, s->dev.host->unplace(s->dev.in, SAMPLE_RAM));
	(void)th_in(th, SAMPLE_PORT, 1);
	CHECK_EQ(9, s->region_count);
	for (uint32_t i = 0; i < 9; i++)
		CHECK_EQ(want[i], s->region_events[i]);
	th_destroy(th);
}

static struct lichen_range range(struct th *th, uint32_t index)
{
	struct lichen_range r = { .size = 0 };
	struct sample *s = sample(th);

	CHECK_EQ(0, s->dev.host->memory_range(s->dev.in, index, &r));
	return r;
}

TEST(memory_beyond_3_gib_is_found_from_4_gib_on)
{
	struct th *th = th_create("sample");
	struct sample *s;
	struct lichen_range r;

	th_set_memory(th, (3ull << 30) + (16 << 20));
	CHECK_EQ(0, th_start(th));
	s = sample(th);
	r = range(th, 0);
	CHECK_EQ(0, r.gpa);
	CHECK_EQ(3ull << 30, r.size);
	r = range(th, 1);
	CHECK_EQ(4ull << 30, r.gpa);
	CHECK_EQ(16 << 20, r.size);
	CHECK_EQ(LICHEN_RANGE_RAM, r.type);
	CHECK_EQ(-LICHEN_ENOENT, s->dev.host->memory_range(s->dev.in, 2, &r));
	CHECK_EQ(-LICHEN_EFAULT,
		 s->dev.host->memory_read(s->dev.in, 0, (3ull << 30) - 2, &r, 4));
	CHECK_EQ(0, s->dev.host->memory_read(s->dev.in, 0, 4ull << 30, &r, 4));
	th_destroy(th);
}

static lichen_status reserve(struct sample *s, uint64_t gpa, uint64_t size)
{
	return s->dev.host->memory_reserve(s->dev.in, gpa, size, LICHEN_RANGE_ACPI);
}

/* In realize: later is too late. */
static void reserve_some(struct sample *s)
{
	CHECK_EQ(0, reserve(s, 0x300000, 0x1000));
	CHECK_EQ(0, reserve(s, 0x100000, 0x2000));
	CHECK_EQ(-LICHEN_EEXIST, reserve(s, 0x101fff, 1));
	CHECK_EQ(-LICHEN_EFAULT, reserve(s, TH_RAM_SIZE - 1, 2));
	CHECK_EQ(0, reserve(s, 0x102000, 0x1000));
}

TEST(ranges_are_ram_less_what_is_reserved)
{
	static const struct {
		uint64_t gpa, size;
		uint32_t type;
	} want[] = {
		{ 0, 0x100000, LICHEN_RANGE_RAM },
		{ 0x100000, 0x2000, LICHEN_RANGE_ACPI },
		{ 0x102000, 0x1000, LICHEN_RANGE_ACPI },
		{ 0x103000, 0x1fd000, LICHEN_RANGE_RAM },
		{ 0x300000, 0x1000, LICHEN_RANGE_ACPI },
		{ 0x301000, TH_RAM_SIZE - 0x301000, LICHEN_RANGE_RAM },
	};
	struct th *th = th_create("sample");
	struct lichen_range r;

	th_set(th, "on_realize", (uint64_t)(uintptr_t)reserve_some);
	CHECK_EQ(0, th_start(th));
	for (uint32_t i = 0; i < 6; i++) {
		r = range(th, i);
		CHECK_EQ(want[i].gpa, r.gpa);
		CHECK_EQ(want[i].size, r.size);
		CHECK_EQ(want[i].type, r.type);
	}
	CHECK_EQ(-LICHEN_ENOENT, sample(th)->dev.host->memory_range(sample(th)->dev.in, 6, &r));
	th_destroy(th);
}

TEST(timers_fire_in_the_order_of_their_deadlines)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;
	lichen_handle a, b, c;
	const uint64_t now = h->clock_now(s->dev.in, LICHEN_CLOCK_GUEST);

	CHECK_EQ(1000000000, now);
	CHECK_EQ(0, h->timer_create(s->dev.in, LICHEN_CLOCK_GUEST, 1, &a));
	CHECK_EQ(0, h->timer_create(s->dev.in, LICHEN_CLOCK_HOST, 2, &b));
	CHECK_EQ(0, h->timer_create(s->dev.in, LICHEN_CLOCK_WALL, 3, &c));
	CHECK_EQ(-LICHEN_EINVAL, h->timer_create(s->dev.in, 4, 3, &c));
	h->timer_arm(s->dev.in, a, now + 20);
	h->timer_arm(s->dev.in, b, now + 10);
	h->timer_arm(s->dev.in, c, h->clock_now(s->dev.in, LICHEN_CLOCK_WALL) + 30);
	th_advance(th, 25);
	CHECK_EQ(2, s->fired_count);
	CHECK_EQ(2, s->fired[0]);
	CHECK_EQ(1, s->fired[1]);
	h->timer_cancel(s->dev.in, c);
	th_advance(th, 1000);
	CHECK_EQ(2, s->fired_count);
	CHECK_EQ(now + 1025, h->clock_now(s->dev.in, LICHEN_CLOCK_GUEST));
	th_destroy(th);
}

TEST(a_jump_of_the_wall_clock_fires_its_timers_only)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;
	lichen_handle wall, guest;

	CHECK_EQ(1767323045, h->clock_now(s->dev.in, LICHEN_CLOCK_WALL) / 1000000000);
	CHECK_EQ(0, h->timer_create(s->dev.in, LICHEN_CLOCK_WALL, 1, &wall));
	CHECK_EQ(0, h->timer_create(s->dev.in, LICHEN_CLOCK_GUEST, 2, &guest));
	h->timer_arm(s->dev.in, wall, 1800000000ull * 1000000000);
	h->timer_arm(s->dev.in, guest, 1000000001);
	th_set_wall(th, 1900000000ull * 1000000000);
	CHECK_EQ(1, s->fired_count);
	CHECK_EQ(1, s->fired[0]);
	th_destroy(th);
}

TEST(watched_descriptors_are_told)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const struct lichen_host *h = s->dev.host;
	lichen_handle handle;
	int ends[2];

	CHECK_EQ(0, pipe2(ends, O_CLOEXEC));
	CHECK_EQ(0, h->watch(s->dev.in, ends[0], LICHEN_WATCH_READ, 5, &handle));
	CHECK_EQ(-LICHEN_EEXIST, h->watch(s->dev.in, ends[0], LICHEN_WATCH_READ, 5, &handle));
	CHECK_EQ(0, th_poll(th, 0));
	CHECK_EQ(1, write(ends[1], "a", 1));
	CHECK_EQ(1, th_poll(th, 1000));
	CHECK_EQ(5, s->ready_cookie);
	CHECK_EQ(LICHEN_WATCH_READ, s->ready_events);
	h->watch_update(s->dev.in, handle, 0);
	CHECK_EQ(0, th_poll(th, 0));
	close(ends[1]);
	h->watch_update(s->dev.in, handle, LICHEN_WATCH_READ);
	CHECK_EQ(1, th_poll(th, 1000));
	CHECK_EQ(LICHEN_WATCH_READ | LICHEN_WATCH_HANGUP, s->ready_events);
	th_destroy(th);
	close(ends[0]);
}

TEST(a_plain_file_cannot_be_watched)
{
	struct th *th = started();
	struct sample *s = sample(th);
	const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	lichen_handle handle;

	CHECK_EQ(-LICHEN_EPERM,
		 s->dev.host->watch(s->dev.in, fd, LICHEN_WATCH_READ, 5, &handle));
	close(fd);
	th_destroy(th);
}

TEST(the_peer_takes_what_there_is_room_for)
{
	struct th *th = th_create("sample");
	struct th_peer *peer = th_peer(th);
	const struct lichen_char_ops *ops;
	struct sample *s;
	uint32_t taken = 99;

	CHECK_EQ(0, th_start(th));
	s = sample(th);
	peer->room = 2;
	CHECK(!s->peer->ops);
	CHECK_EQ(0, s->dev.host->enter(s->dev.in, s->peer));
	ops = s->peer->ops;
	CHECK_EQ(0,
		 ops->write(s->peer->self, s->peer->client, (const uint8_t *)"abc", 3, &taken));
	ops->ask(s->peer->self, s->peer->client, 4);
	s->dev.host->leave(s->dev.in, s->peer);
	CHECK(!s->peer->ops);
	CHECK_EQ(2, taken);
	CHECK_EQ(2, peer->size);
	th_peer_writable(th);
	th_peer_writable(th); /* nothing is owed a second time */
	CHECK_EQ(1, s->event_count);
	CHECK_EQ(LICHEN_CHAR_WRITABLE, s->event);
	CHECK_EQ(4, th_peer_send(th, "123456", 6));
	CHECK_EQ(0, th_peer_send(th, "56", 2));
	CHECK_EQ(2, s->event_count);
	CHECK_EQ(4, s->event_size);
	th_destroy(th);
}

TEST(an_optional_need_that_nobody_provides_is_an_empty_link)
{
	struct th *th = started();
	struct sample *s = sample(th);

	CHECK(s->peer && !s->peer->ops);
	CHECK_EQ(-LICHEN_ENODEV, s->dev.host->enter(s->dev.in, s->peer));
	CHECK_EQ(-LICHEN_ENODEV, s->dev.host->enter(s->dev.in, NULL));
	th_destroy(th);
}

static struct th *event_target;

static void post_from_below(struct sample *s)
{
	th_event(event_target, LICHEN_CHAR, LICHEN_CHAR_OPENED, NULL, 0);
	CHECK_EQ(0, s->event_count); /* not inside the handler */
}

TEST(an_event_waits_until_the_handler_has_returned)
{
	struct th *th = started();

	event_target = th;
	sample(th)->hook = post_from_below;
	th_in(th, SAMPLE_PORT, 1);
	CHECK_EQ(1, sample(th)->event_count);
	th_destroy(th);
}

TEST(what_is_posted_to_the_consumer_is_recorded_in_order)
{
	struct th *th = started();
	const struct lichen_char_ops *ops = th_interface(th, LICHEN_CHAR);
	static struct th_posted posted;
	static uint8_t large[TH_POST_MAX + 1];
	uint32_t taken;

	CHECK_EQ(1, sample(th)->joined);
	CHECK(!th_interface(th, "org.example.none/1"));
	CHECK_EQ(0, ops->write(th_self(th), TH_CLIENT, (const uint8_t *)"a", 1, &taken));
	CHECK_EQ(0, ops->write(th_self(th), TH_CLIENT, large, TH_POST_MAX, &taken));
	CHECK_EQ(-LICHEN_E2BIG,
		 ops->write(th_self(th), TH_CLIENT, large, TH_POST_MAX + 1, &taken));
	CHECK_EQ(1, th_posted(th, &posted));
	CHECK_EQ('a', posted.data[0]);
	CHECK_EQ(1, th_posted(th, &posted));
	CHECK_EQ(TH_POST_MAX, posted.size);
	CHECK_EQ(0, th_posted(th, &posted));
	th_destroy(th);
}

TEST(a_start_that_fails_can_be_tried_again)
{
	static const char *const callbacks[] = { "create", "realize", "publish" };

	for (size_t i = 0; i < 3; i++) {
		struct th *th = th_create("sample");

		th_set_text(th, "fail", callbacks[i]);
		CHECK_EQ(-LICHEN_EIO, th_start(th));
		CHECK_EQ(0, strncmp(th_error(th), callbacks[i], strlen(callbacks[i])));
		CHECK(!th_self(th));
		th_set_text(th, "fail", "");
		CHECK_EQ(0, th_start(th));
		CHECK_STR("", th_error(th));
		th_destroy(th);
	}
}

TEST(the_nth_allocation_fails)
{
	struct th *th = th_create("sample");

	th_fail_allocation(th, 1);
	CHECK_EQ(-LICHEN_ENOMEM, th_start(th));
	CHECK_EQ(0, th_start(th));
	th_destroy(th);
}

TEST(each_start_gets_a_descriptor_of_its_own)
{
	struct th *th = th_create("sample");
	int32_t file;

	th_set_file(th, "file", open("/dev/null", O_RDONLY | O_CLOEXEC));
	th_set_text(th, "fail", "realize");
	CHECK_EQ(-LICHEN_EIO, th_start(th));
	th_set_text(th, "fail", "");
	CHECK_EQ(0, th_start(th));
	file = sample(th)->file;
	CHECK(file >= 0 && fcntl(file, F_GETFD) >= 0);
	th_destroy(th);
	CHECK_EQ(-1, fcntl(file, F_GETFD));
}

TEST(a_file_that_is_not_given_is_minus_one)
{
	struct th *th = started();

	CHECK_EQ(-1, sample(th)->file);
	th_destroy(th);
}

TEST(reset_is_told_its_kind_and_publishes_again)
{
	struct th *th = started();

	CHECK_EQ(1, sample(th)->published);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(1, sample(th)->resets);
	CHECK_EQ(2, sample(th)->published);
	th_destroy(th);
}

TEST(the_first_end_counts)
{
	struct th *th = started();
	struct sample *s = sample(th);

	s->dev.host->request_end(s->dev.in, LICHEN_END_STATUS, 5);
	s->dev.host->request_end(s->dev.in, LICHEN_END_CRASH, 0);
	s->dev.host->request_exit(s->dev.in, 1);
	CHECK_EQ(LICHEN_END_STATUS, th_asked(th).end);
	CHECK_EQ(5, th_asked(th).detail);
	CHECK_EQ(0, th_asked(th).exit);
	th_destroy(th);
}

TEST(a_pending_quiesce_is_waited_for)
{
	struct th *th = th_create("sample");

	th_set_text(th, "fail", "linger");
	CHECK_EQ(0, th_start(th));
	th_destroy(th);
}

TEST(threads_run_and_are_joined)
{
	struct th *th = started();
	struct sample *s = sample(th);

	for (int i = 0; i < 3; i++)
		CHECK_EQ(0, s->dev.host->thread_start(s->dev.in, "sample", 1));
	for (int i = 0; i < 5000 && __atomic_load_n(&s->threads, __ATOMIC_SEQ_CST) < 3; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	CHECK_EQ(3, __atomic_load_n(&s->threads, __ATOMIC_SEQ_CST));
	th_destroy(th);
}
