/* SPDX-License-Identifier: MIT */
/* symspy against the test host: the guest is this test. */
#include <stdlib.h>

#include <lichen/draft/symspy.h>
#include <lichen/guest/spy.h>

#include "tap.h"
#include "testhost.h"

enum { GLOBAL = 0x10000, CPU0 = 0x20000, CPU1 = 0x21000, ROOM = 0x30000, RECORD = 1024 };

static const uint64_t BOTH = LICHEN_FEATURE_SPY | LICHEN_FEATURE_SPY_HOST;

static struct th *started(uint32_t cpus)
{
	struct th *th = th_create("symspy");

	th_set_symbiotic(th);
	th_set_cpus(th, cpus);
	CHECK_EQ(0, th_start(th));
	return th;
}

/* A set with the one record, as a guest makes it. */
static struct lichen_spy_record *set(struct th *th, uint32_t at, const char *name,
				     const char *schema, const void *bytes, uint32_t size)
{
	uint8_t *base = th_ram(th) + at;
	struct lichen_directory_entry entry = { .offset = RECORD,
						.size = size,
						.schema = 512,
						.schema_size = (uint32_t)strlen(schema) };

	memset(base, 0, LICHEN_GUEST_PAGE);
	memcpy(base,
	       &(struct lichen_directory){ .magic = LICHEN_DIRECTORY_SPY,
					   .version = 1,
					   .size = LICHEN_GUEST_PAGE,
					   .entries = 64,
					   .count = 1 },
	       sizeof(struct lichen_directory));
	strncpy(entry.name, name, sizeof(entry.name) - 1);
	memcpy(base + 64, &entry, sizeof(entry));
	memcpy(base + 512, schema, strlen(schema));
	memcpy(base + RECORD + sizeof(struct lichen_spy_record), bytes, size);
	return (void *)(base + RECORD);
}

static void answers(struct th *th, const char *method, const char *parameters, const char *want)
{
	lichen_status status;
	char *text;

	CHECK(th_answered(th, th_call(th, method, parameters, NULL, 0), &status, &text));
	if (strcmp(want, text) != 0)
		tap_fail("%s %s: want %s, got %s", method, parameters, want, text);
	free(text);
}

static void guest_registers(struct th *th)
{
	static const struct lichen_spy_task task = { .pid = 9, .tgid = 9, .comm = "init" };
	static const struct lichen_spy_load load = { .load1 = 150 };

	CHECK_EQ(0, th_agree(th, BOTH));
	(void)set(th, GLOBAL, LICHEN_SPY_LOAD, LICHEN_SPY_LOAD_SCHEMA, &load, sizeof(load));
	(void)set(th, CPU0, LICHEN_SPY_TASK, LICHEN_SPY_TASK_SCHEMA, &task, sizeof(task));
	(void)set(th, CPU1, LICHEN_SPY_TASK, LICHEN_SPY_TASK_SCHEMA, &task, sizeof(task));
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_SPY_GLOBAL, LICHEN_AT(GLOBAL, 1)));
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_SPY_VCPU, LICHEN_AT(CPU0, 1)));
	CHECK_EQ(0, th_msr_write(th, 1, LICHEN_MSR_SPY_VCPU, LICHEN_AT(CPU1, 1)));
}

TEST(without_a_discovery_block_it_is_refused)
{
	struct th *th = th_create("symspy");

	CHECK_EQ(-LICHEN_ENODEV, th_start(th));
	CHECK(strstr(th_error(th), "symbiotic"));
	th_destroy(th);
}

TEST(a_guest_that_has_not_agreed_registers_nothing)
{
	struct th *th = started(1);
	uint64_t value;

	CHECK_EQ(-LICHEN_EINVAL,
		 th_msr_write(th, 0, LICHEN_MSR_SPY_GLOBAL, LICHEN_AT(GLOBAL, 1)));
	CHECK_EQ(-LICHEN_EINVAL, th_msr_read(th, 0, LICHEN_MSR_SPY_GLOBAL, &value));
	answers(th, "symspy.read", "{\"record\": \"linux.load/1\"}",
		"record linux.load/1: the guest has no symbiotic side, or has not agreed to "
		"SymSpy");
	answers(th, "symspy.list", "{}", "[]");
	th_destroy(th);
}

TEST(records_are_listed_and_read_decoded_or_raw)
{
	struct th *th = started(2);

	guest_registers(th);
	answers(th, "symspy.read", "{\"record\": \"linux.task/1\", \"vcpu\": 1}",
		"[{\"vcpu\":1,\"values\":{\"pid\":9,\"tgid\":9,\"comm\":\"init\","
		"\"cr3\":\"0x0\",\"since\":\"0x0\",\"switches\":\"0x0\"}}]");
	answers(th, "symspy.read", "{\"record\": \"linux.load/1\", \"raw\": true}",
		"[{\"vcpu\":null,\"values\":{\"bytes\":\"96000000000000000000000000000000"
		"000000000000000000000000000000000000000000000000\"}}]");
	answers(th, "symspy.read", "{\"record\": \"linux.mem/1\"}",
		"record linux.mem/1: the guest shares no such record");
	answers(th, "symspy.read", "{\"record\": \"linux.task/1\", \"vcpu\": 2}",
		"vcpu: not one of the VM's 2");
	th_destroy(th);
}

TEST(a_plugin_reads_through_the_interface)
{
	struct th *th = started(2);
	const struct lichen_symspy_ops *ops = th_interface(th, LICHEN_SYMSPY);
	struct lichen_spy_task task;
	uint32_t size = 0;

	guest_registers(th);
	CHECK_EQ(0, ops->read(th_self(th), TH_CLIENT, 1, LICHEN_SPY_TASK, &task, sizeof(task),
			      &size));
	CHECK_EQ(sizeof(task), size);
	CHECK_EQ(9, task.pid);
	CHECK_EQ(-LICHEN_ENOENT, ops->read(th_self(th), TH_CLIENT, 3, LICHEN_SPY_TASK, &task,
					   sizeof(task), &size));
	CHECK_EQ(-LICHEN_E2BIG, ops->read(th_self(th), TH_CLIENT, LICHEN_SYMSPY_VM,
					  LICHEN_SPY_LOAD, &task, 4, &size));
	th_destroy(th);
}

TEST(malformed_registrations_are_refused_and_change_nothing)
{
	const uint64_t ram = TH_RAM_SIZE;
	const uint64_t bad[] = { GLOBAL,
				 2,
				 LICHEN_AT(GLOBAL, LICHEN_SPY_PAGES + 1),
				 LICHEN_AT(ram, 1),
				 LICHEN_AT(ram - LICHEN_GUEST_PAGE, 2),
				 LICHEN_AT(0xfffffffffffff000, 1),
				 LICHEN_AT(0xfffffffffffff000, 2),
				 UINT64_MAX };
	struct th *th = started(1);
	uint64_t value;

	guest_registers(th);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(th_msr_write(th, 0, LICHEN_MSR_SPY_GLOBAL, bad[i]) < 0);
		CHECK(th_msr_write(th, 0, LICHEN_MSR_SPY_HOST, bad[i]) < 0);
	}
	CHECK_EQ(0, th_msr_read(th, 0, LICHEN_MSR_SPY_GLOBAL, &value));
	CHECK(value == LICHEN_AT(GLOBAL, 1));
	for (uint32_t msr = LICHEN_MSR_SPY_HOST + 1; msr < 0x20; msr++)
		CHECK(th_msr_write(th, 0, msr, 0) < 0);
	th_destroy(th);
}

TEST(a_record_that_never_settles_is_an_error_and_counted)
{
	struct th *th = started(1);
	lichen_status status;
	char *text;

	guest_registers(th);
	((struct lichen_spy_record *)(void *)(th_ram(th) + GLOBAL + RECORD))->sequence = 1;
	answers(th, "symspy.read", "{\"record\": \"linux.load/1\"}",
		"record linux.load/1: its writer does not settle");
	CHECK(th_answered(th, th_call(th, "symspy.info", "{}", NULL, 0), &status, &text));
	CHECK(strstr(text, "\"unsettled\":\"0x1\""));
	free(text);
	th_destroy(th);
}

TEST(what_the_guest_takes_back_is_gone)
{
	struct th *th = started(2);

	guest_registers(th);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_SPY_VCPU, 0));
	answers(th, "symspy.read", "{\"record\": \"linux.task/1\", \"vcpu\": 0}",
		"record linux.task/1: the guest shares no such record");
	CHECK_EQ(0, th_agree(th, 0));
	answers(th, "symspy.list", "{}", "[]");
	th_destroy(th);
}

TEST(a_reset_forgets)
{
	struct th *th = started(2);

	guest_registers(th);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	answers(th, "symspy.list", "{}", "[]");
	th_destroy(th);
}

TEST(the_vmms_set_appears_is_updated_and_carries_the_wish)
{
	struct th *th = started(2);
	const struct lichen_directory *head;
	const struct lichen_directory_entry *entry;
	const struct lichen_spy_host *host;
	const struct lichen_spy_record *record;
	uint64_t before;

	CHECK_EQ(0, th_agree(th, BOTH));
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_SPY_HOST, LICHEN_AT(ROOM, 1)));
	head = (const void *)(th_ram(th) + ROOM);
	CHECK_EQ(LICHEN_DIRECTORY_SPY, head->magic);
	entry = (const void *)((const uint8_t *)head + head->entries);
	CHECK_EQ(0, strcmp(LICHEN_SPY_HOST, entry->name));
	record = (const void *)((const uint8_t *)head + entry->offset);
	host = (const void *)(record + 1);
	CHECK_EQ(2, host->cpus);
	CHECK_EQ(1001, host->steal_ns[1]);
	before = host->updated_ns;
	th_advance(th, 1100000000);
	CHECK(host->updated_ns > before);
	(void)th_causes(th);
	answers(th, "symspy.wish", "{\"bytes\": \"0x100000\"}", "null");
	CHECK_EQ(0x100000, host->wish_bytes);
	CHECK_EQ(LICHEN_CAUSE_SPY_HOST, th_causes(th));
	CHECK_EQ(0, record->sequence & 1);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_SPY_HOST, 0));
	before = host->updated_ns;
	th_advance(th, 3000000000);
	CHECK_EQ(before, host->updated_ns);
	th_destroy(th);
}

TEST(registrations_are_saved_and_judged_when_restored)
{
	struct th *th = started(2), *other = started(2);
	uint32_t size;
	uint8_t *state;

	guest_registers(th);
	CHECK_EQ(0, th_save(th, &state, &size));
	(void)th_agree(other, BOTH);
	CHECK_EQ(0, th_restore(other, state, size));
	free(state);
	memcpy(th_ram(other) + CPU1, th_ram(th) + CPU1, LICHEN_GUEST_PAGE);
	answers(other, "symspy.read", "{\"record\": \"linux.task/1\", \"vcpu\": 1}",
		"[{\"vcpu\":1,\"values\":{\"pid\":9,\"tgid\":9,\"comm\":\"init\","
		"\"cr3\":\"0x0\",\"since\":\"0x0\",\"switches\":\"0x0\"}}]");
	th_destroy(th);
	th_destroy(other);
}
