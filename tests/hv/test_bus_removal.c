/* SPDX-License-Identifier: MIT */
/* When remove has returned no handler runs, whoever calls it and whatever it holds. */
#include "bus.h"

#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "tap.h"

enum { READERS = 4, CYCLES = 2000, PORT = 0x500, SIZE = 8 };

/* A window whose handler is counted, and told when it ought not to run. */
struct device {
	struct lichen_window window;
	struct fw_target target;
	struct fw_mutex lock;
	struct fw_bus *bus;
	_Atomic uint32_t started; /* a thread is about to read */
	_Atomic uint32_t inside;
	_Atomic uint32_t removed; /* 1: remove has returned, handlers are forbidden */
	_Atomic uint32_t offences;
	_Atomic uint64_t served;
	uint64_t unlocked; /* written under the instance's lock, or by one thread */
};

static uint64_t device_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct device *device = self;

	(void)cookie, (void)off, (void)size;
	atomic_fetch_add(&device->inside, 1);
	if (atomic_load(&device->removed))
		atomic_fetch_add(&device->offences, 1);
	if (device->target.lock)
		device->unlocked++;
	atomic_fetch_add(&device->served, 1);
	if (atomic_load(&device->removed))
		atomic_fetch_add(&device->offences, 1);
	atomic_fetch_sub(&device->inside, 1);
	return 0;
}

static const struct lichen_io_ops device_ops = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = device_read,
};

static void device_init(struct device *device, struct fw_bus *bus, uint64_t start, int serial)
{
	memset(device, 0, sizeof(*device));
	device->bus = bus;
	device->window = (struct lichen_window){ LICHEN_STRUCT(struct lichen_window),
						 .size = SIZE, .ops = &device_ops };
	device->target = (struct fw_target){ .window = &device->window,
					     .self = device,
					     .lock = serial ? &device->lock : NULL,
					     .start = start };
}

struct reader {
	pthread_t thread;
	struct fw_bus *bus;
	_Atomic uint32_t *stop;
};

static void *reader_run(void *argument)
{
	struct reader *reader = argument;
	uint64_t value;

	fw_bus_thread_enter();
	while (!atomic_load(reader->stop)) {
		for (uint32_t i = 0; i < 16; i++)
			fw_bus_read(reader->bus, PORT + i, 8, &value);
		sched_yield(); /* on few processors better here than inside */
	}
	fw_bus_thread_leave();
	return NULL;
}

static void readers_start(struct reader *readers, struct fw_bus *bus, _Atomic uint32_t *stop)
{
	for (uint32_t i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .bus = bus, .stop = stop };
		CHECK_EQ(0, pthread_create(&readers[i].thread, NULL, reader_run, &readers[i]));
	}
}

static void readers_stop(struct reader *readers, _Atomic uint32_t *stop)
{
	atomic_store(stop, 1);
	for (uint32_t i = 0; i < READERS; i++)
		CHECK_EQ(0, pthread_join(readers[i].thread, NULL));
}

/* The victim comes and goes beside a neighbour that stays. */
static void cycles(int serial, int lock_held)
{
	struct fw_bus *bus = fw_bus_create(0x10000);
	struct device neighbour, *victim = malloc(sizeof(*victim));
	struct reader readers[READERS];
	_Atomic uint32_t stop = 0;
	uint64_t served = 0;

	device_init(&neighbour, bus, PORT, serial);
	CHECK_EQ(0, fw_bus_insert(bus, &neighbour.target, NULL));
	readers_start(readers, bus, &stop);
	for (uint32_t i = 0; i < CYCLES; i++) {
		device_init(victim, bus, PORT + SIZE, serial);
		CHECK_EQ(0, fw_bus_insert(bus, &victim->target, NULL));
		while (i % 16 == 0 && atomic_load(&victim->served) == 0)
			;
		if (lock_held)
			fw_mutex_lock(&victim->lock);
		CHECK_EQ(0, fw_bus_remove(bus, &victim->target));
		atomic_store(&victim->removed, 1);
		if (lock_held)
			fw_mutex_unlock(&victim->lock);
		CHECK_EQ(0, atomic_load(&victim->inside));
		CHECK_EQ(0, atomic_load(&victim->offences));
		served += atomic_load(&victim->served);
		if (serial)
			CHECK_EQ(atomic_load(&victim->served), victim->unlocked);
		/* Whoever touched it now would read garbage, and under ASan fail. */
		memset(victim, 0xa5, sizeof(*victim));
		free(victim);
		victim = malloc(sizeof(*victim));
	}
	readers_stop(readers, &stop);
	CHECK(served >= CYCLES / 16 && atomic_load(&neighbour.served) > 0);
	free(victim);
	fw_bus_destroy(bus);
}

TEST(no_handler_of_a_parallel_class_runs_after_remove_returned)
{
	cycles(0, 0);
}

TEST(no_handler_of_a_serial_class_runs_after_remove_returned)
{
	cycles(1, 0);
}

TEST(remove_with_the_instances_lock_held_does_not_wait_for_those_in_line_for_it)
{
	cycles(1, 1);
}

/* --- removal from inside a handler --- */

static uint64_t leaver_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct device *device = self;

	(void)cookie, (void)size;
	device->unlocked++;
	if (off == 0) {
		CHECK_EQ(0, fw_bus_remove(device->bus, &device->target));
		CHECK_EQ(-LICHEN_ENOENT, fw_bus_remove(device->bus, &device->target));
	}
	return 0x11;
}

static const struct lichen_io_ops leaver_ops = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = leaver_read,
};

TEST(a_handler_may_remove_its_own_window_and_is_not_called_again)
{
	struct fw_bus *bus = fw_bus_create(0x10000);
	struct device device;
	uint64_t value = 0;

	device_init(&device, bus, PORT, 1);
	device.window.ops = &leaver_ops;
	device.window.access_sizes = 1;
	CHECK_EQ(0, fw_bus_insert(bus, &device.target, NULL));
	fw_bus_thread_enter();
	CHECK_EQ(1, fw_bus_read(bus, PORT, 4, &value));
	CHECK_EQ(0xffffff11, value); /* one byte was served, then it was gone */
	CHECK_EQ(1, device.unlocked);
	CHECK_EQ(1, fw_mutex_try(&device.lock));
	fw_mutex_unlock(&device.lock);
	CHECK_EQ(0, fw_bus_read(bus, PORT, 1, &value));
	fw_bus_thread_leave();
	fw_bus_destroy(bus);
}

static uint64_t mover_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct device *device = self;

	(void)cookie, (void)off, (void)size;
	device->unlocked++;
	CHECK_EQ(0, fw_bus_remove(device->bus, &device->target));
	/* As the host does: everything anew, while this handler is still inside. */
	device->target = (struct fw_target){ .window = &device->window,
					     .self = device,
					     .lock = &device->lock,
					     .start = device->target.start ^ 0x100 };
	CHECK_EQ(0, fw_bus_insert(device->bus, &device->target, NULL));
	return 0x22;
}

static const struct lichen_io_ops mover_ops = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = mover_read,
};

TEST(a_handler_may_move_its_own_window_under_hammering_readers)
{
	struct fw_bus *bus = fw_bus_create(0x10000);
	struct reader readers[READERS];
	_Atomic uint32_t stop = 0;
	struct device device;
	uint64_t moves;

	device_init(&device, bus, PORT, 1);
	device.window.ops = &mover_ops;
	CHECK_EQ(0, fw_bus_insert(bus, &device.target, NULL));
	readers_start(readers, bus, &stop);
	fw_bus_thread_enter();
	for (moves = 0; moves < 50;) {
		uint64_t value = 0;

		/* The readers move it away from PORT, this thread back. */
		moves += (uint64_t)fw_bus_read(bus, PORT ^ 0x100, 8, &value);
	}
	readers_stop(readers, &stop);
	fw_bus_thread_leave();
	CHECK(device.unlocked >= 2 * moves - 1);
	fw_bus_destroy(bus);
}

/* --- in line for a lock that the remover holds --- */

static void *waiter_run(void *argument)
{
	struct device *device = argument;
	uint64_t value = 0;
	int hit;

	fw_bus_thread_enter();
	atomic_store(&device->started, 1);
	hit = fw_bus_read(device->bus, PORT, 1, &value);
	fw_bus_thread_leave();
	return hit == 0 && value == 0xff ? NULL : argument;
}

TEST(one_in_line_for_the_lock_of_a_removed_window_finds_nothing_there)
{
	const struct timespec a_while = { .tv_nsec = 5000000 };
	struct fw_bus *bus = fw_bus_create(0x10000);
	struct device device;
	pthread_t thread;
	void *failed = bus;

	device_init(&device, bus, PORT, 1);
	CHECK_EQ(0, fw_bus_insert(bus, &device.target, NULL));
	fw_mutex_lock(&device.lock);
	CHECK_EQ(0, pthread_create(&thread, NULL, waiter_run, &device));
	while (!atomic_load(&device.started))
		;
	nanosleep(&a_while, NULL); /* it is in line by now, most likely */
	CHECK_EQ(0, fw_bus_remove(bus, &device.target));
	CHECK_EQ(0, pthread_join(thread, &failed)); /* though the lock is still held */
	fw_mutex_unlock(&device.lock);
	CHECK(failed == NULL);
	CHECK_EQ(0, atomic_load(&device.served));
	fw_bus_destroy(bus);
}

/* --- a handler that takes its time --- */

static uint64_t slow_read(void *self, uint64_t cookie, uint64_t off, uint32_t size)
{
	struct device *device = self;

	(void)cookie, (void)off, (void)size;
	atomic_store(&device->inside, 1);
	while (!atomic_load(&device->served))
		sched_yield();
	atomic_store(&device->inside, 0);
	return 0;
}

static const struct lichen_io_ops slow_ops = {
	LICHEN_STRUCT(struct lichen_io_ops),
	.read = slow_read,
};

static void *remover_run(void *argument)
{
	struct device *device = argument;

	(void)fw_bus_remove(device->bus, &device->target);
	atomic_store(&device->removed, 1);
	return atomic_load(&device->inside) ? argument : NULL;
}

TEST(remove_waits_for_the_handler_that_runs)
{
	const struct timespec a_while = { .tv_nsec = 5000000 };

	for (int serial = 0; serial < 2; serial++) {
		struct fw_bus *bus = fw_bus_create(0x10000);
		pthread_t reader, remover;
		struct device device;
		void *failed = bus;

		device_init(&device, bus, PORT, serial);
		device.window.ops = &slow_ops;
		CHECK_EQ(0, fw_bus_insert(bus, &device.target, NULL));
		CHECK_EQ(0, pthread_create(&reader, NULL, waiter_run, &device));
		while (!atomic_load(&device.inside))
			sched_yield();
		CHECK_EQ(0, pthread_create(&remover, NULL, remover_run, &device));
		nanosleep(&a_while, NULL);
		CHECK_EQ(0, atomic_load(&device.removed));
		atomic_store(&device.served, 1);
		CHECK_EQ(0, pthread_join(remover, &failed));
		CHECK(failed == NULL);
		CHECK_EQ(0, pthread_join(reader, NULL));
		fw_bus_destroy(bus);
	}
}
