// SPDX-License-Identifier: GPL-2.0-only
/* spy.c: SymSpy (lichen/guest/spy.h): the sets, and records of anyone's. */
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "guest.h"

enum {
	SPY_VM_PAGES = 4,
	SPY_VM_ENTRIES = 64,
	SPY_CPU_PAGES = 1,
	SPY_CPU_ENTRIES = 16,
	SPY_HOST_PAGES = 4,
};

static struct guest_set vm_set;
static struct guest_set *cpu_sets; /* of each possible CPU */
static struct lichen_directory *host_set;
static bool spy_wanted;

struct lichen_guest_record {
	enum lichen_guest_where where;
	u32 size;
	struct { /* one, or one for each possible CPU */
		struct lichen_spy_record *head;
		int index; /* in its set; negative: none */
	} at[];
};

static void spy_fill(struct lichen_directory_entry *entry, u32 offset, const void *size)
{
	entry->offset = offset;
	entry->size = *(const u32 *)size;
}

static struct guest_set *spy_set(const struct lichen_guest_record *record, unsigned int i)
{
	return record->where == LICHEN_GUEST_VM ? &vm_set : &cpu_sets[i];
}

static unsigned int spy_count(const struct lichen_guest_record *record)
{
	return record->where == LICHEN_GUEST_VM ? 1 : nr_cpu_ids;
}

struct lichen_guest_record *lichen_guest_record_add(const char *name, u32 size,
						    const char *schema,
						    enum lichen_guest_where where)
{
	unsigned int i, count = where == LICHEN_GUEST_VM ? 1 : nr_cpu_ids;
	struct lichen_guest_record *record;

	record = kzalloc(struct_size(record, at, count), GFP_KERNEL);
	if (!record)
		return ERR_PTR(-ENOMEM);
	record->where = where;
	record->size = size;
	for (i = 0; i < count; i++)
		record->at[i].index = -1;
	for (i = 0; i < count; i++) {
		struct guest_set *set = spy_set(record, i);
		int index;

		if (!set->head)
			continue; /* a CPU that cannot come */
		index = guest_set_add(set, name, schema,
				      sizeof(struct lichen_spy_record) + size, spy_fill, &size);
		if (index < 0) {
			lichen_guest_record_remove(record);
			return ERR_PTR(index);
		}
		record->at[i].index = index;
		record->at[i].head = guest_set_bytes(set, index);
	}
	return record;
}
EXPORT_SYMBOL_GPL(lichen_guest_record_add);

void lichen_guest_record_remove(struct lichen_guest_record *record)
{
	unsigned int i;

	if (IS_ERR_OR_NULL(record))
		return;
	for (i = 0; i < spy_count(record); i++) {
		if (record->at[i].index >= 0)
			guest_set_remove(spy_set(record, i), record->at[i].index);
	}
	kfree(record);
}
EXPORT_SYMBOL_GPL(lichen_guest_record_remove);

void *lichen_guest_record_begin(struct lichen_guest_record *record, unsigned int cpu)
{
	struct lichen_spy_record *head = record->at[cpu].head;

	WRITE_ONCE(head->sequence, head->sequence + 1);
	smp_wmb();
	return head + 1;
}
EXPORT_SYMBOL_GPL(lichen_guest_record_begin);

void lichen_guest_record_end(struct lichen_guest_record *record, unsigned int cpu)
{
	struct lichen_spy_record *head = record->at[cpu].head;

	smp_wmb();
	WRITE_ONCE(head->sequence, head->sequence + 1);
}
EXPORT_SYMBOL_GPL(lichen_guest_record_end);

/* Of what the VMM writes: its record of this name, or NULL.  Nothing in there is trusted. */
static const struct lichen_spy_record *spy_host_find(const char *name, u32 *size)
{
	const u32 room = SPY_HOST_PAGES * PAGE_SIZE;
	u32 first = READ_ONCE(host_set->entries), count = READ_ONCE(host_set->count), i;

	if (READ_ONCE(host_set->magic) != LICHEN_DIRECTORY_SPY || first % 8 || first > room ||
	    count > LICHEN_DIRECTORY_MAX ||
	    count > (room - first) / sizeof(struct lichen_directory_entry))
		return NULL;
	for (i = 0; i < count; i++) {
		const struct lichen_directory_entry *entry =
			(void *)((char *)host_set + first) + i * sizeof(*entry);
		u32 offset = READ_ONCE(entry->offset), bytes = READ_ONCE(entry->size);

		if (strncmp(entry->name, name, sizeof(entry->name)))
			continue;
		if (offset % 8 || offset > room - sizeof(struct lichen_spy_record) ||
		    bytes > room - sizeof(struct lichen_spy_record) - offset)
			return NULL;
		*size = bytes;
		return (void *)((char *)host_set + offset);
	}
	return NULL;
}

int lichen_guest_host_read(const char *name, void *to, u32 size)
{
	const struct lichen_spy_record *record;
	u32 bytes = 0, tries, before;

	record = host_set ? spy_host_find(name, &bytes) : NULL;
	if (!record)
		return -ENOENT;
	bytes = min(bytes, size);
	for (tries = 0; tries < LICHEN_SPY_RETRIES; tries++) {
		before = READ_ONCE(record->sequence);
		smp_rmb();
		memcpy(to, record + 1, bytes);
		smp_rmb();
		if (!(before & 1) && before == READ_ONCE(record->sequence))
			return bytes;
		cpu_relax();
	}
	return -EAGAIN;
}
EXPORT_SYMBOL_GPL(lichen_guest_host_read);

void guest_spy_register(void)
{
	u64 agreed = guest_agreed();

	if (agreed & LICHEN_FEATURE_SPY)
		guest_wrmsr(LICHEN_MSR_SPY_GLOBAL,
			    guest_at(vm_set.head, guest_set_pages(&vm_set)));
	if (agreed & LICHEN_FEATURE_SPY_HOST)
		guest_wrmsr(LICHEN_MSR_SPY_HOST, guest_at(host_set, SPY_HOST_PAGES));
}

void guest_spy_register_cpu(void)
{
	struct guest_set *set = &cpu_sets[smp_processor_id()];

	if (guest_agreed() & LICHEN_FEATURE_SPY && set->head)
		guest_wrmsr(LICHEN_MSR_SPY_VCPU, guest_at(set->head, guest_set_pages(set)));
}

static void spy_free(void)
{
	unsigned int cpu;

	for (cpu = 0; cpu_sets && cpu < nr_cpu_ids; cpu++)
		guest_set_free(&cpu_sets[cpu]);
	kvfree(cpu_sets);
	cpu_sets = NULL;
	guest_set_free(&vm_set);
	guest_pages_free(host_set, SPY_HOST_PAGES);
	host_set = NULL;
}

static int spy_allocate(void)
{
	unsigned int cpu;
	int status;

	status = guest_set_init(&vm_set, LICHEN_DIRECTORY_SPY, SPY_VM_PAGES, SPY_VM_ENTRIES);
	host_set = guest_pages(SPY_HOST_PAGES);
	cpu_sets = kvcalloc(nr_cpu_ids, sizeof(*cpu_sets), GFP_KERNEL);
	if (status || !host_set || !cpu_sets)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
	{
		status = guest_set_init(&cpu_sets[cpu], LICHEN_DIRECTORY_SPY, SPY_CPU_PAGES,
					SPY_CPU_ENTRIES);
		if (status)
			return status;
	}
	return 0;
}

int guest_spy_init(bool wanted)
{
	int status = spy_allocate();

	if (status)
		goto out;
	spy_wanted = wanted;
	status = guest_spy_build_init();
	if (status)
		goto out;
	if (!wanted) /* nobody would read what costs time to write */
		return 0;
	status = guest_spy_mem_init();
	if (status)
		goto no_mem;
	status = guest_spy_task_init();
	if (!status)
		return 0;
	guest_spy_mem_exit();
no_mem:
	guest_spy_build_exit();
out:
	spy_free();
	return status;
}

void guest_spy_exit(void)
{
	if (spy_wanted) {
		guest_spy_task_exit();
		guest_spy_mem_exit();
	}
	guest_spy_build_exit();
	spy_free();
}
