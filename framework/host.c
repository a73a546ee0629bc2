/* SPDX-License-Identifier: MIT */
/* host.c: struct lichen_host, and what an instance says or asks of the whole VM. */
#include <stdio.h>

#include "cpuid.h"
#include "host.h"
#include "stage.h"
#include "vm.h"

__attribute__((format(printf, 2, 3))) static void fw_host_error(struct lichen_instance *in,
								const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&in->error_lock);
	vsnprintf(in->error.text, sizeof(in->error.text), format, args);
	pthread_mutex_unlock(&in->error_lock);
	va_end(args);
}

static const char *fw_plugin_name(const struct lichen_instance *in)
{
	return ld_plugin_info(in->spec->plugin)->name;
}

__attribute__((format(printf, 3, 4))) static void fw_host_log(struct lichen_instance *in,
							      uint32_t level,
							      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fw_log_va(&in->vm->log, level, fw_plugin_name(in), in->spec->id, format, args);
	va_end(args);
}

__attribute__((format(printf, 3, 4))) static void fw_host_log_guest(struct lichen_instance *in,
								    uint32_t level,
								    const char *format, ...)
{
	uint64_t suppressed;
	va_list args;

	if (level > in->vm->log.level && level < LICHEN_LOG_HOST_MISBEHAVING)
		return;
	if (!fw_log_allow(&in->limit, &suppressed))
		return;
	if (suppressed)
		fw_host_log(in, level, "%llu lines suppressed", (unsigned long long)suppressed);
	va_start(args, format);
	fw_log_va(&in->vm->log, level, fw_plugin_name(in), in->spec->id, format, args);
	va_end(args);
}

static void fw_host_request_exit(struct lichen_instance *in, uint8_t status)
{
	if (!fw_stage_refuses(in, "request_exit"))
		fw_vm_end(in->vm, status | 1u, NULL);
}

static void fw_host_request_end(struct lichen_instance *in, uint32_t how, uint32_t detail)
{
	char why[64];

	if (fw_stage_refuses(in, "request_end"))
		return;
	switch (how) {
	case LICHEN_END_POWER_OFF:
		fw_vm_end(in->vm, LICHEN_VM_POWER_OFF, NULL);
		return;
	case LICHEN_END_STATUS:
		fw_vm_end(in->vm, (detail & 0xff) | 1u, NULL);
		return;
	case LICHEN_END_CRASH:
		snprintf(why, sizeof(why), "%s: the guest says that it crashed", in->spec->id);
		fw_vm_happens(in->vm, FW_PANIC, 0, why);
		return;
	case LICHEN_END_STOP:
		fw_vm_end(in->vm, LICHEN_VM_STOPPED, NULL);
		return;
	default:
		fw_host_log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
				  "request_end: %u is no end", how);
	}
}

static void fw_host_request_reset(struct lichen_instance *in, uint32_t kind)
{
	if (fw_stage_refuses(in, "request_reset"))
		return;
	if (kind != LICHEN_RESET_POWER_ON && kind != LICHEN_RESET_WARM) {
		fw_host_log_guest(in, LICHEN_LOG_PLUGIN_MISBEHAVING,
				  "request_reset: %u is no reset of a VM", kind);
		return;
	}
	fw_vm_happens(in->vm, FW_REBOOT, kind, "the guest asked for a reset");
}

static uint32_t fw_host_cpu_count(struct lichen_instance *in)
{
	return in->vm->profile->cpus;
}

static uint32_t fw_host_cpu_apic_id(struct lichen_instance *in, uint32_t index)
{
	(void)in;
	return fw_cpuid_apic_id(index);
}

const struct lichen_host fw_host = {
	LICHEN_STRUCT(struct lichen_host),
	.abi_minor = LICHEN_ABI_MINOR,
	.error = fw_host_error,
	.log = fw_host_log,
	.log_guest = fw_host_log_guest,
	.request_exit = fw_host_request_exit,
	.request_end = fw_host_request_end,
	.request_reset = fw_host_request_reset,
	.place_port = fw_host_place_port,
	.place_mmio = fw_host_place_mmio,
	.unplace = fw_host_unplace,
	.doorbell_claim = fw_host_doorbell_claim,
	.doorbell_release = fw_host_doorbell_release,
	.line_claim = fw_host_line_claim,
	.line_set = fw_host_line_set,
	.line_eventfd = fw_host_line_eventfd,
	.line_release = fw_host_line_release,
	.message_claim = fw_host_message_claim,
	.message_update = fw_host_message_update,
	.message_mask = fw_host_message_mask,
	.message_pending = fw_host_message_pending,
	.message_send = fw_host_message_send,
	.message_eventfd = fw_host_message_eventfd,
	.message_release = fw_host_message_release,
	.memory_read = fw_host_memory_read,
	.memory_write = fw_host_memory_write,
	.memory_map = fw_host_memory_map,
	.memory_unmap = fw_host_memory_unmap,
	.memory_range = fw_host_memory_range,
	.memory_reserve = fw_host_memory_reserve,
	.memory_listen = fw_host_memory_listen,
	.cpu_count = fw_host_cpu_count,
	.cpu_apic_id = fw_host_cpu_apic_id,
	.clock_now = fw_host_clock_now,
	.timer_create = fw_host_timer_create,
	.timer_arm = fw_host_timer_arm,
	.timer_cancel = fw_host_timer_cancel,
	.timer_release = fw_host_timer_release,
	.watch = fw_host_watch,
	.watch_update = fw_host_watch_update,
	.watch_release = fw_host_watch_release,
	.thread_start = fw_host_thread_start,
	.enter = fw_host_enter,
	.leave = fw_host_leave,
	.link_count = fw_host_link_count,
	.link_at = fw_host_link_at,
	.post = fw_host_post,
	.interface = fw_host_interface,
	.complete = fw_host_complete,
	.window_read = fw_host_window_read,
	.window_write = fw_host_window_write,
	.window_back = fw_host_window_back,
	.window_dirty = fw_host_window_dirty,
};
