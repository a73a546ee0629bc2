/* SPDX-License-Identifier: MIT */
/*
 * run.c: `lichen run`, with --detach in a process of its own.  Signals arrive as readable
 * descriptors on the VM's own loop: SIGTERM, SIGHUP and SIGINT ask the guest to power off, a
 * second one ends it; SIGTSTP gives the terminal back before the process stops, SIGCONT takes
 * it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <lichen/control.h>

#include "cli.h"

struct cli_vm {
	struct lichen_vm *vm;
	int signals;
	int ready;    /* with --detach: where to say that the guest runs; else -1 */
	int first;    /* readable until then */
	int reported; /* it was said */
	const char *log_file;
	uint64_t stop_timeout_ns;
};

/* How lines go to stderr. */
struct cli_lines {
	const char *end; /* a terminal in raw mode wants the carriage return as well */
	uint32_t form;	 /* enum lichen_form */
};

/* [any] */
static void cli_log(void *context, const char *line)
{
	const struct cli_lines *lines = context;

	flockfile(stderr);
	if (lines->form == LICHEN_FORM_JSON) {
		fputs("{\"log\": ", stderr);
		lichen_json_text(line, stderr);
		fprintf(stderr, "}%s", lines->end);
	} else {
		fprintf(stderr, "%s%s", line, lines->end);
	}
	funlockfile(stderr);
}

static const char *cli_reason(int status)
{
	switch (status) {
	case LICHEN_VM_POWER_OFF:
		return "power-off";
	case LICHEN_VM_BAD_INPUT:
		return "bad-input";
	case LICHEN_VM_CRASHED:
		return "crashed";
	case LICHEN_VM_STOPPED:
		return "stopped";
	default:
		return status & 1 ? "guest" : "failed";
	}
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

/* The guest runs: the loop's first turn.  A caller who has gone meanwhile wants no VM. */
static void cli_runs(void *context)
{
	struct cli_vm *run = context;
	eventfd_t value;

	(void)eventfd_read(run->first, &value);
	run->reported = 1;
	if (cli_detach_ready(run->ready, run->log_file))
		lichen_vm_stop(run->vm, 0);
}

/* 0, or a negative errno.  *first: readable from the start, to be closed after the VM. */
static int cli_run_watch(struct cli_vm *run, int *first)
{
	int status = lichen_vm_watch(run->vm, run->signals, cli_signalled, run);

	if (status < 0 || run->ready < 0)
		return status;
	*first = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	run->first = *first;
	return *first < 0 ? -errno : lichen_vm_watch(run->vm, *first, cli_runs, run);
}

static int cli_run_vm(struct cli_vm *run, const struct lichen_vm_options *options)
{
	int status = lichen_vm_create(options, &run->vm), first = -1;

	if (status) {
		if (options->console_in >= 0)
			close(options->console_in);
		if (options->console_out >= 0)
			close(options->console_out);
		return status;
	}
	status = cli_run_watch(run, &first);
	if (status < 0) {
		cli_say("signals cannot be watched: %s", strerror(-status));
		status = LICHEN_VM_FAILED;
	} else {
		status = lichen_vm_run(run->vm);
		/* A guest that has ended before the loop's first turn has run. */
		if (run->ready >= 0 && !run->reported && status != LICHEN_VM_FAILED)
			(void)cli_detach_ready(run->ready, run->log_file);
	}
	lichen_vm_destroy(run->vm);
	if (first >= 0)
		close(first);
	return status;
}

/*
 * The VM can be talked to.  Where there is no folder for that, one in the foreground
 * runs all the same; one that nobody sees does not start.
 */
static void cli_run_control(struct lichen_vm_options *vm, const struct cli_options *options,
			    char folder[static PATH_MAX])
{
	const int made = cli_runtime_make(folder) == 0;

	if (!made && !options->detach) {
		cli_say("%s: %s: this VM cannot be talked to while it runs", folder,
			strerror(errno));
		return;
	}
	vm->control = &lichen_control;
	vm->control_folder = folder;
	vm->control_console = options->detach != 0;
}

int cli_run(const struct cli_options *options)
{
	struct cli_lines lines = { .end = isatty(STDERR_FILENO) ? "\r\n" : "\n",
				   .form = options->form };
	struct cli_vm run = { .stop_timeout_ns = options->stop_timeout_ns,
			      .ready = -1,
			      .log_file = options->log_file };
	struct lichen_vm_options vm = {
		.struct_size = sizeof(vm),
		.log_level = options->log_level,
		.profile = options->operand,
		.sets = options->sets,
		.set_count = options->set_count,
		.hypervisor = -1,
		.console_in = -1,
		.console_out = -1,
		.log = cli_log,
		.context = &lines,
		.strict = options->strict,
	};
	char folder[PATH_MAX];
	struct cli_paths paths;
	int status = cli_paths_find(&paths, options);

	if (status)
		return status;
	if (options->detach && cli_detach(options, &run.ready, &status)) {
		cli_paths_clear(&paths);
		return status;
	}
	vm.plugin_path = paths.plugins;
	vm.fragment_path = paths.fragments;
	cli_run_control(&vm, options, folder);
	run.signals = cli_signals_open(1);
	if (run.signals < 0) {
		cli_say("signals cannot be watched: %s", strerror(errno));
		status = LICHEN_VM_FAILED;
	} else {
		if (!options->detach)
			cli_console_open(&vm.console_in, &vm.console_out);
		status = cli_run_vm(&run, &vm);
		close(run.signals);
	}
	cli_paths_clear(&paths);
	if (options->form == LICHEN_FORM_JSON)
		fprintf(stderr, "{\"status\": %d, \"reason\": \"%s\"}\n", status,
			cli_reason(status));
	return status;
}
