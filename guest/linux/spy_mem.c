// SPDX-License-Identifier: GPL-2.0-only
/* spy_mem.c: records linux.mem/1 and linux.load/1, sampled from files of /proc. */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/loadavg.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "guest.h"

enum { MEM_PERIOD_MS = 1000, MEM_TEXT = 4096 };

static struct lichen_guest_record *mem_record, *load_record;
static char *mem_text; /* a file's, by the worker */

/* "Name:   123 kB" in /proc/meminfo, in bytes. */
static u64 mem_value(const char *text, const char *name)
{
	size_t length = strlen(name);
	unsigned long long kib = 0;

	while (text) {
		if (!strncmp(text, name, length) && text[length] == ':') {
			sscanf(text + length + 1, " %llu", &kib);
			return kib << 10;
		}
		text = strchr(text, '\n');
		text += text ? 1 : 0;
	}
	return 0;
}

/* "some ... total=123" in a pressure file, in microseconds. */
static u64 mem_pressure(const char *text, const char *kind)
{
	unsigned long long total;
	const char *line = strstr(text, kind);

	line = line ? strstr(line, "total=") : NULL;
	return line && sscanf(line, "total=%llu", &total) == 1 ? total : U64_MAX;
}

static void mem_read(struct lichen_spy_mem *mem)
{
	struct sysinfo info;

	if (guest_file_read("/proc/meminfo", mem_text, MEM_TEXT) <= 0)
		mem_text[0] = '\0';
	mem->total = mem_value(mem_text, "MemTotal");
	mem->free = mem_value(mem_text, "MemFree");
	mem->available = mem_value(mem_text, "MemAvailable");
	mem->buffers = mem_value(mem_text, "Buffers");
	mem->cached = mem_value(mem_text, "Cached");
	mem->swap_total = mem_value(mem_text, "SwapTotal");
	mem->swap_free = mem_value(mem_text, "SwapFree");
	mem->slab_reclaimable = mem_value(mem_text, "SReclaimable");
	if (!mem->total) { /* /proc is not mounted yet */
		si_meminfo(&info);
		mem->total = (u64)info.totalram * info.mem_unit;
		mem->free = (u64)info.freeram * info.mem_unit;
		mem->buffers = (u64)info.bufferram * info.mem_unit;
	}
	/* The first cannot be read from inside the kernel everywhere. */
	if (guest_file_read("/proc/pressure/memory", mem_text, MEM_TEXT) <= 0 &&
	    guest_file_read("/sys/fs/cgroup/memory.pressure", mem_text, MEM_TEXT) <= 0)
		mem_text[0] = '\0';
	mem->psi_some_total_us = mem_pressure(mem_text, "some ");
	mem->psi_full_total_us = mem_pressure(mem_text, "full ");
	mem->sampled_ns = ktime_get_ns();
}

static u32 load_hundredths(unsigned long load)
{
	return load * 100 >> FSHIFT;
}

static void load_read(struct lichen_spy_load *load)
{
	unsigned int running = 0, threads = 0;

	load->load1 = load_hundredths(avenrun[0]);
	load->load5 = load_hundredths(avenrun[1]);
	load->load15 = load_hundredths(avenrun[2]);
	if (guest_file_read("/proc/loadavg", mem_text, MEM_TEXT) > 0)
		sscanf(mem_text, "%*s %*s %*s %u/%u", &running, &threads);
	load->running = running;
	load->threads = threads;
	load->uptime_ns = ktime_get_boottime_ns();
	load->sampled_ns = ktime_get_ns();
}

static void mem_sample(struct work_struct *work);
static DECLARE_DELAYED_WORK(mem_work, mem_sample);

static void mem_sample(struct work_struct *work)
{
	struct lichen_spy_mem mem = {};
	struct lichen_spy_load load = {};

	/* Reading sleeps; the record is odd for a copy only. */
	mem_read(&mem);
	memcpy(lichen_guest_record_begin(mem_record, 0), &mem, sizeof(mem));
	lichen_guest_record_end(mem_record, 0);
	load_read(&load);
	memcpy(lichen_guest_record_begin(load_record, 0), &load, sizeof(load));
	lichen_guest_record_end(load_record, 0);
	queue_delayed_work(guest_work, &mem_work, msecs_to_jiffies(MEM_PERIOD_MS));
}

int guest_spy_mem_init(void)
{
	int status = -ENOMEM;

	mem_text = kmalloc(MEM_TEXT, GFP_KERNEL);
	if (!mem_text)
		return -ENOMEM;
	mem_record = lichen_guest_record_add(LICHEN_SPY_MEM, sizeof(struct lichen_spy_mem),
					     LICHEN_SPY_MEM_SCHEMA, LICHEN_GUEST_VM);
	load_record = lichen_guest_record_add(LICHEN_SPY_LOAD, sizeof(struct lichen_spy_load),
					      LICHEN_SPY_LOAD_SCHEMA, LICHEN_GUEST_VM);
	if (!IS_ERR(mem_record) && !IS_ERR(load_record)) {
		queue_delayed_work(guest_work, &mem_work, 0);
		return 0;
	}
	status = IS_ERR(mem_record) ? PTR_ERR(mem_record) : PTR_ERR(load_record);
	lichen_guest_record_remove(mem_record);
	lichen_guest_record_remove(load_record);
	kfree(mem_text);
	return status;
}

void guest_spy_mem_exit(void)
{
	cancel_delayed_work_sync(&mem_work);
	lichen_guest_record_remove(mem_record);
	lichen_guest_record_remove(load_record);
	kfree(mem_text);
}
