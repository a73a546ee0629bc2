/* SPDX-License-Identifier: MIT */
/* th_host.c: the rest of the host's table: telling, endings, vCPUs, threads, host interfaces.
 */
#include "th.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the sentences of host.h must be, as far as a machine can tell. */
static void th_check_sentence(const struct th *th, const char *text)
{
	const size_t size = strlen(text);

	if (size == 0)
		th_fail(th, "error", "the sentence is empty");
	if (strchr(text, '\n'))
		th_fail(th, "error", "\"%s\" has a newline", text);
	if (isupper((unsigned char)text[0]) && islower((unsigned char)text[1]))
		th_fail(th, "error", "\"%s\" starts with a capital", text);
	if (text[size - 1] == '.')
		th_fail(th, "error", "\"%s\" ends with a full stop", text);
}

__attribute__((format(printf, 2, 3))) static void th_host_error(struct lichen_instance *in,
								const char *format, ...)
{
	TH_GUARD(in, "error", TH_ANY_STATE, TH_ANY_ROLE);
	va_list args;

	va_start(args, format);
	vsnprintf(th->error, sizeof(th->error), format, args);
	va_end(args);
	th_check_sentence(th, th->error);
}

__attribute__((format(printf, 4, 0))) static void th_print(const struct th *th,
							   const char *function, uint32_t level,
							   const char *format, va_list args)
{
	char text[TH_TEXT];

	vsnprintf(text, sizeof(text), format, args);
	if (level < LICHEN_LOG_ERROR || level > LICHEN_LOG_TRACE)
		th_fail(th, function, "level %u is none of a plugin's", level);
	if (strchr(text, '\n'))
		th_fail(th, function, "\"%s\" has a newline", text);
	if (level <= LICHEN_LOG_INFO)
		printf("# %s: %s\n", th->name, text);
}

__attribute__((format(printf, 3, 4))) static void th_log(struct lichen_instance *in,
							 uint32_t level, const char *format,
							 ...)
{
	TH_GUARD(in, "log", TH_ANY_STATE, TH_ANY_ROLE);
	va_list args;

	if (th_role == TH_VCPU)
		th_fail(th, "log",
			"called where the guest can cause it: log_guest() is for that");
	va_start(args, format);
	th_print(th, "log", level, format, args);
	va_end(args);
}

__attribute__((format(printf, 3, 4))) static void th_log_guest(struct lichen_instance *in,
							       uint32_t level,
							       const char *format, ...)
{
	TH_GUARD(in, "log_guest", TH_ANY_STATE, TH_ANY_ROLE);
	va_list args;

	va_start(args, format);
	th_print(th, "log_guest", level, format, args);
	va_end(args);
}

static void th_request_exit(struct lichen_instance *in, uint8_t status)
{
	TH_GUARD(in, "request_exit", TH_FROM_RUNNING, TH_ANY_ROLE);
	if (!th->asked.exit && !th->asked.end)
		th->asked.exit = 0x100u | status | 1;
}

static void th_request_end(struct lichen_instance *in, uint32_t how, uint32_t detail)
{
	TH_GUARD(in, "request_end", TH_FROM_RUNNING, TH_ANY_ROLE);
	if (how < LICHEN_END_POWER_OFF || how > LICHEN_END_STOP)
		th_fail(th, "request_end", "how %u is no end", how);
	if (th->asked.exit || th->asked.end)
		return;
	th->asked.end = how;
	th->asked.detail = detail;
}

static void th_request_reset(struct lichen_instance *in, uint32_t kind)
{
	TH_GUARD(in, "request_reset", TH_FROM_RUNNING, TH_ANY_ROLE);
	if (kind != LICHEN_RESET_POWER_ON && kind != LICHEN_RESET_WARM)
		th_fail(th, "request_reset", "kind %u is neither POWER_ON nor WARM", kind);
	if (!th->asked.reset)
		th->asked.reset = kind;
}

void th_set_cpus(struct th *th, uint32_t cpus)
{
	if (th->state != TH_NEW)
		th_fail(th, "th_set_cpus", "called after th_start()");
	if (cpus == 0)
		th_fail(th, "th_set_cpus", "a machine has one at least");
	th->cpus = cpus;
}

static uint32_t th_cpu_count(struct lichen_instance *in)
{
	TH_GUARD(in, "cpu_count", TH_ANY_STATE, TH_ANY_ROLE);
	return th->cpus;
}

static uint32_t th_cpu_apic_id(struct lichen_instance *in, uint32_t index)
{
	TH_GUARD(in, "cpu_apic_id", TH_ANY_STATE, TH_ANY_ROLE);
	if (index >= th->cpus)
		th_fail(th, "cpu_apic_id", "there is no vCPU %u of %u", index, th->cpus);
	return index;
}

struct th_thread {
	struct th *th;
	uint64_t cookie;
};

static void *th_thread_main(void *argument)
{
	const struct th_thread start = *(struct th_thread *)argument;

	free(argument);
	th_role = TH_THREAD;
	start.th->class.thread(start.th->self, start.cookie);
	return NULL;
}

static lichen_status th_thread_start(struct lichen_instance *in, const char *name,
				     uint64_t cookie)
{
	TH_GUARD(in, "thread_start", TH_FROM_CREATED, TH_CONTROL);
	struct th_thread *start;

	if (!th->class.thread)
		th_fail(th, "thread_start", "the class has no thread callback");
	if (!name || !*name || strlen(name) > 15)
		th_fail(th, "thread_start", "a name has 1 to 15 bytes");
	if (th->thread_count == TH_THREADS)
		th_fail(th, "thread_start", "the test host runs %d", TH_THREADS);
	start = th_alloc(sizeof(*start));
	*start = (struct th_thread){ th, cookie };
	if (pthread_create(&th->threads[th->thread_count], NULL, th_thread_main, start))
		th_fail(th, "thread_start", "no thread can be made");
	th->thread_count++;
	return 0;
}

static void th_complete(struct lichen_instance *in, uint32_t operation, lichen_status status)
{
	TH_GUARD(in, "complete", TH_ANY_STATE, TH_ANY_ROLE);
	if (operation < LICHEN_OP_REALIZE || operation > LICHEN_OP_UNPLUG_REQUEST ||
	    !(th->pending & 1u << operation))
		th_fail(th, "complete", "operation %u is not pending", operation);
	th->pending &= ~(1u << operation);
	th->completed = status;
}

static lichen_status th_boot_set_cpu(struct lichen_instance *in, uint32_t index,
				     const struct lichen_cpu *cpu)
{
	TH_GUARD(in, LICHEN_BOOT_HOST " set_cpu", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	if (cpu->struct_size == 0)
		th_fail(th, "set_cpu", "struct_size is 0");
	if (index >= th->cpus)
		return -LICHEN_ERANGE;
	if (index == 0) {
		th->cpu = *cpu;
		th->cpu_set = 1;
	}
	return 0;
}

static const struct lichen_boot_host th_boot_host = {
	LICHEN_STRUCT(struct lichen_boot_host),
	.set_cpu = th_boot_set_cpu,
};

const struct lichen_cpu *th_cpu(const struct th *th)
{
	return th->cpu_set ? &th->cpu : NULL;
}

void th_set_console(struct th *th, int input, int output)
{
	th->console_in = input;
	th->console_out = output;
}

static int32_t th_own_copy(const struct th *th, int descriptor)
{
	const int32_t copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);

	if (copy < 0 || fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK) < 0)
		th_fail(th, "th_set_console", "descriptor %d: %s", descriptor, strerror(errno));
	return copy;
}

static lichen_status th_console_take(struct lichen_instance *in, int32_t *input,
				     int32_t *output)
{
	TH_GUARD(in, LICHEN_CONSOLE " take", TH_CREATED, TH_CONTROL);
	if (th->console_taken)
		return -LICHEN_EBUSY;
	th->console_taken = 1;
	*input = th_own_copy(th, th->console_in);
	*output = th_own_copy(th, th->console_out);
	return 0;
}

static const struct lichen_console th_console = {
	LICHEN_STRUCT(struct lichen_console),
	.take = th_console_take,
};

static lichen_status th_irqchip_create(struct lichen_instance *in, uint32_t *pins)
{
	TH_GUARD(in, LICHEN_HV_IRQCHIP " create", TH_CREATED, TH_CONTROL);
	if (th->irqchip)
		return -LICHEN_EEXIST;
	th->irqchip = 1;
	*pins = TH_PINS;
	return 0;
}

/* The state of `part`, of an irqchip that exists. */
static uint8_t *th_irqchip_part(struct th *th, const char *function, uint32_t part)
{
	if (part > LICHEN_IRQCHIP_IOAPIC)
		th_fail(th, function, "there is no part %u", part);
	if (!th->irqchip)
		th_fail(th, function, "there is no irqchip");
	return th->irqchip_state[part];
}

static lichen_status th_irqchip_get(struct lichen_instance *in, uint32_t part, uint8_t *state)
{
	static const char name[] = LICHEN_HV_IRQCHIP " get";
	TH_GUARD(in, name, TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);

	memcpy(state, th_irqchip_part(th, name, part), LICHEN_IRQCHIP_STATE_SIZE);
	return 0;
}

static lichen_status th_irqchip_set(struct lichen_instance *in, uint32_t part,
				    const uint8_t *state)
{
	static const char name[] = LICHEN_HV_IRQCHIP " set";
	TH_GUARD(in, name, TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);

	memcpy(th_irqchip_part(th, name, part), state, LICHEN_IRQCHIP_STATE_SIZE);
	return 0;
}

static const struct lichen_hv_irqchip th_hv_irqchip = {
	LICHEN_STRUCT(struct lichen_hv_irqchip),
	.create = th_irqchip_create,
	.get = th_irqchip_get,
	.set = th_irqchip_set,
};

static lichen_status th_pit_create(struct lichen_instance *in)
{
	TH_GUARD(in, LICHEN_HV_PIT " create", TH_CREATED, TH_CONTROL);
	if (th->pit)
		return -LICHEN_EEXIST;
	th->pit = 1;
	return 0;
}

static lichen_status th_pit_get(struct lichen_instance *in, uint8_t *state)
{
	TH_GUARD(in, LICHEN_HV_PIT " get", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	if (!th->pit)
		th_fail(th, "get", "there is no PIT");
	memcpy(state, th->pit_state, LICHEN_PIT_STATE_SIZE);
	return 0;
}

static lichen_status th_pit_set(struct lichen_instance *in, const uint8_t *state)
{
	TH_GUARD(in, LICHEN_HV_PIT " set", TH_REALIZED | TH_FROM_RUNNING, TH_CONTROL);
	if (!th->pit)
		th_fail(th, "set", "there is no PIT");
	memcpy(th->pit_state, state, LICHEN_PIT_STATE_SIZE);
	return 0;
}

static const struct lichen_hv_pit th_hv_pit = {
	LICHEN_STRUCT(struct lichen_hv_pit),
	.create = th_pit_create,
	.get = th_pit_get,
	.set = th_pit_set,
};

static const void *th_host_interface(struct lichen_instance *in, const char *id)
{
	TH_GUARD(in, "interface", TH_ANY_STATE, TH_CONTROL);
	if (!strcmp(id, LICHEN_BOOT_HOST))
		return &th_boot_host;
	if (!strcmp(id, LICHEN_CONSOLE))
		return th->console_in >= 0 ? &th_console : NULL;
	if (!strcmp(id, LICHEN_HV_IRQCHIP))
		return &th_hv_irqchip;
	if (!strcmp(id, LICHEN_HV_PIT))
		return &th_hv_pit;
	return th_symbiotic_interface(th, id);
}

void th_host_fill(struct lichen_host *host)
{
	host->error = th_host_error;
	host->log = th_log;
	host->log_guest = th_log_guest;
	host->request_exit = th_request_exit;
	host->request_end = th_request_end;
	host->request_reset = th_request_reset;
	host->cpu_count = th_cpu_count;
	host->cpu_apic_id = th_cpu_apic_id;
	host->thread_start = th_thread_start;
	host->interface = th_host_interface;
	host->complete = th_complete;
}
