/* SPDX-License-Identifier: MIT */
/*
 * run.c: `lichen run`.  Signals arrive as readable descriptors on the VM's own
 * loop: SIGTERM, SIGHUP and SIGINT ask the guest to power off, a second one ends
 * it; SIGTSTP gives the terminal back before the process stops, SIGCONT takes it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"

struct cli_vm {
	struct lichen_vm *vm;
	int signals;
	uint64_t stop_timeout_ns;
};

/* A terminal in raw mode wants the carriage return as well; in any mode it does no harm. */
static void cli_log(void *context, const char *line)
{
	const int *terminal = context;

	fprintf(stderr, "%s%s", line, *terminal ? "\r\n" : "\n");
}

static void cli_signalled(void *context)
{
	struct cli_vm *run = context;
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTSTP: /* the shell sees us stop as it would see anyone */
			lichen_vm_suspend(run->vm);
			raise(SIGSTOP);
			break;
		case SIGCONT: /* after the above, after SIGSTOP, or put into the foreground */
			lichen_vm_resume(run->vm);
			break;
		default:
			lichen_vm_stop(run->vm, run->stop_timeout_ns);
		}
	}
}

/* Blocks them for all threads to come, and makes them a descriptor; -1: errno says why. */
static int cli_signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN); /* a reader that has gone is an error of write() */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int cli_run_vm(struct cli_vm *run, const struct lichen_vm_options *options)
{
	int status = lichen_vm_create(options, &run->vm);

	if (status) {
		if (options->console_in >= 0)
			close(options->console_in);
		if (options->console_out >= 0)
			close(options->console_out);
		return status;
	}
	status = lichen_vm_watch(run->vm, run->signals, cli_signalled, run);
	if (status < 0) {
		cli_say("signals cannot be watched: %s", strerror(-status));
		status = LICHEN_VM_FAILED;
	} else {
		status = lichen_vm_run(run->vm);
	}
	lichen_vm_destroy(run->vm);
	return status;
}

int cli_run(const struct cli_options *options)
{
	int terminal = isatty(STDERR_FILENO);
	struct cli_vm run = { .stop_timeout_ns = options->stop_timeout_ns };
	struct lichen_vm_options vm = {
		.struct_size = sizeof(vm),
		.log_level = options->log_level,
		.profile = options->profile,
		.sets = options->sets,
		.set_count = options->set_count,
		.hypervisor = -1,
		.log = cli_log,
		.context = &terminal,
	};
	struct cli_paths paths;
	int status = cli_paths_find(&paths);

	if (status) {
		cli_say("this program's own folder cannot be found");
		return status;
	}
	vm.plugin_path = options->plugin_path ? options->plugin_path : paths.plugins;
	vm.fragment_path = paths.fragments;
	run.signals = cli_signals_open();
	if (run.signals < 0) {
		cli_say("signals cannot be watched: %s", strerror(errno));
		status = LICHEN_VM_FAILED;
	} else {
		cli_console_open(&vm.console_in, &vm.console_out);
		status = cli_run_vm(&run, &vm);
		close(run.signals);
	}
	cli_paths_clear(&paths);
	return status;
}
