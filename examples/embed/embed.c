/* SPDX-License-Identifier: MIT */
/*
 * embed: a virtual machine inside another program, on <lichen/vm.h> alone.
 *
 *	embed PROFILE PLUGIN_FOLDER [KEY=VALUE...]
 *
 * Shows each line that the guest prints; asks it to power off on SIGINT or
 * SIGTERM; exits with its status.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <lichen/vm.h>

#define STOP_NS UINT64_C(10000000000)

struct machine {
	struct lichen_vm *vm;
	int printed;	/* the end of a pipe from which the guest's output comes */
	int signals;	/* a signalfd */
	int line_start; /* the next byte begins a line */
};

/* The library calls these two on the thread of lichen_vm_run(). */
static void machine_prints(void *context)
{
	struct machine *machine = context;
	char text[512];
	ssize_t size;

	while ((size = read(machine->printed, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < size; i++) {
			if (machine->line_start)
				(void)fputs("guest: ", stdout);
			machine->line_start = text[i] == '\n';
			(void)putchar(text[i]);
		}
}

static void machine_signalled(void *context)
{
	const struct machine *machine = context;
	struct signalfd_siginfo info;

	if (read(machine->signals, &info, sizeof(info)) == sizeof(info))
		lichen_vm_stop(machine->vm, STOP_NS); /* asked again, it ends at once */
}

static int machine_run(struct machine *machine, const struct lichen_vm_options *options)
{
	int status = lichen_vm_create(options, &machine->vm);

	if (status != 0) {
		close(options->console_out); /* ours again */
		return status;
	}
	if (lichen_vm_watch(machine->vm, machine->printed, machine_prints, machine) < 0 ||
	    lichen_vm_watch(machine->vm, machine->signals, machine_signalled, machine) < 0)
		lichen_vm_stop(machine->vm, 0);
	status = lichen_vm_run(machine->vm);
	lichen_vm_destroy(machine->vm);
	machine_prints(machine); /* what came last */
	return status;
}

int main(int argc, char **argv)
{
	struct machine machine = { .line_start = 1 };
	struct lichen_vm_options options = { .struct_size = sizeof(options), .console_in = -1 };
	int ends[2], status;
	sigset_t stops;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: embed PROFILE PLUGIN_FOLDER [KEY=VALUE...]\n");
		return LICHEN_VM_BAD_INPUT;
	}
	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	machine.signals = signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK);
	if (machine.signals < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return LICHEN_VM_FAILED;
	machine.printed = ends[0];
	options.console_in = -1;
	options.console_out = ends[1];
	options.profile = argv[1];
	options.plugin_path = argv[2];
	options.sets = (const char *const *)argv + 3;
	options.set_count = (uint32_t)argc - 3;
	status = machine_run(&machine, &options);
	close(machine.printed);
	close(machine.signals);
	return status;
}
