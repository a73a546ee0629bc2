/* SPDX-License-Identifier: MIT */
/* Several VMs in a process, at once and in turn: nothing stays, nothing is shared. */
#include <dirent.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "tap.h"
#include "world.h"

#define PROFILE                                                                   \
	"memory: { size: 4M }\ncpus: 2\n"                                         \
	"boot: { plugin: flat, image: image }\n"                                  \
	"devices:\n  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"        \
	"  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n  - { plugin: acpi }\n" \
	"  - { plugin: serial16550, port: 0x3f8, irq: 4, "                        \
	"backend: { plugin: \"null\" } }\n"                                       \
	"  - { plugin: debug-exit, port: 0xf4 }\n"

static const uint8_t image[64] = { 0xf4 };
static const struct fake_step hello[] = { FAKE_OUT(0x3f8, 1, 'h'), FAKE_IN(0x3fd, 1),
					  FAKE_IN(0x71, 1), FAKE_IN(0x64, 1),
					  FAKE_OUT(0xf4, 1, 1) };

static void begin(struct world *world)
{
	world_begin(world, PROFILE);
	world_file(world, "image", image, sizeof(image));
	if (world_create(world) != 0)
		tap_fail("%s", world->log);
	fake_script(world->hvm, 0, hello, FAKE_STEPS(hello));
}

static void once(struct world *world)
{
	begin(world);
	CHECK_EQ(3, lichen_vm_run(world->vm));
	CHECK_EQ(3, fake_read_count(world->hvm, 0));
	CHECK_EQ(0x60, fake_read_at(world->hvm, 0, 0) & 0x60); /* the transmitter is empty */
	world_end(world);
}

static uint32_t count_entries(const char *path)
{
	DIR *folder = opendir(path);
	uint32_t entries = 0;

	while (folder && readdir(folder))
		entries++;
	if (folder)
		closedir(folder);
	return entries;
}

/* A thread that was joined may show for a moment longer. */
static uint32_t settled_threads(void)
{
	uint32_t least = UINT32_MAX;

	for (int i = 0; i < 20; i++) {
		const uint32_t threads = count_entries("/proc/self/task");

		least = threads < least ? threads : least;
		usleep(1000);
	}
	return least;
}

static struct world worlds[2];

TEST(a_hundred_vms_in_turn_leave_nothing)
{
	uint32_t fds, threads, maps;

	/* The first few let libraries settle: arenas, stacks that are kept for reuse. */
	for (int i = 0; i < 5; i++)
		once(&worlds[0]);
	malloc_trim(0);
	fds = count_entries("/proc/self/fd");
	threads = settled_threads();
	maps = world_maps();
	for (int i = 0; i < TAP_ROUNDS(100); i++)
		once(&worlds[0]);
	malloc_trim(0);
	CHECK_EQ(fds, count_entries("/proc/self/fd"));
	CHECK_EQ(threads, settled_threads());
	CHECK(world_maps() <= maps + 8);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static void *run(void *argument)
{
	struct world *world = argument;

	world->said = (uint32_t)lichen_vm_run(world->vm);
	return NULL;
}

TEST(two_vms_run_at_the_same_time_and_end_each_for_itself)
{
	static const struct fake_step spin[] = { FAKE_OUT(0x3f8, 1, 'x'), FAKE_JUMP(0) };
	pthread_t threads[2];

	for (int i = 0; i < 2; i++) {
		begin(&worlds[i]);
		fake_script(worlds[i].hvm, 0, spin, FAKE_STEPS(spin));
		CHECK_EQ(0, pthread_create(&threads[i], NULL, run, &worlds[i]));
	}
	usleep(20000);
	lichen_vm_stop(worlds[0].vm, 0);
	CHECK_EQ(0, pthread_join(threads[0], NULL));
	CHECK_EQ(LICHEN_VM_STOPPED, worlds[0].said);
	world_end(&worlds[0]);
	usleep(20000);
	CHECK_EQ(0, atomic_load(&worlds[1].vm->end)); /* the other goes on */
	lichen_vm_stop(worlds[1].vm, 0);
	CHECK_EQ(0, pthread_join(threads[1], NULL));
	CHECK_EQ(LICHEN_VM_STOPPED, worlds[1].said);
	world_end(&worlds[1]);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

static void actions(struct sigaction all[static NSIG])
{
	for (int i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &all[i]) < 0)
			memset(&all[i], 0, sizeof(all[i]));
}

static void check_mask(const sigset_t *before)
{
	sigset_t now;

	CHECK_EQ(0, pthread_sigmask(SIG_BLOCK, NULL, &now));
	for (int i = 1; i < NSIG; i++)
		CHECK_EQ(sigismember(before, i), sigismember(&now, i));
}

TEST(no_signal_is_handled_and_no_mask_is_changed)
{
	static struct sigaction before[NSIG], after[NSIG];
	sigset_t mask_before, pending;

	actions(before);
	CHECK_EQ(0, pthread_sigmask(SIG_BLOCK, NULL, &mask_before));
	begin(&worlds[0]);
	check_mask(&mask_before);
	CHECK_EQ(3, lichen_vm_run(worlds[0].vm));
	world_end(&worlds[0]);
	actions(after);
	check_mask(&mask_before);
	CHECK_EQ(0, sigpending(&pending));
	for (int i = 1; i < NSIG; i++) {
		CHECK(before[i].sa_handler == after[i].sa_handler);
		CHECK_EQ(before[i].sa_flags, after[i].sa_flags);
		CHECK(sigismember(&pending, i) <= 0);
	}
}

static uint32_t open_signals;

static void look_at_mask(void *unused)
{
	sigset_t mask;

	(void)unused;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; i < NSIG;
	     i++) /* two are the C library's own, and two cannot be blocked */
		if ((i < 32 || i >= SIGRTMIN) && i != SIGKILL && i != SIGSTOP)
			open_signals += !sigismember(&mask, i);
}

TEST(a_vcpus_thread_takes_none_of_the_embedders_signals)
{
	static const struct fake_step look[] = { FAKE_CALL(look_at_mask, NULL),
						 FAKE_OUT(0xf4, 1, 1) };

	begin(&worlds[0]);
	fake_script(worlds[0].hvm, 0, look, FAKE_STEPS(look));
	CHECK_EQ(3, lichen_vm_run(worlds[0].vm));
	CHECK_EQ(0, open_signals);
	world_end(&worlds[0]);
}
