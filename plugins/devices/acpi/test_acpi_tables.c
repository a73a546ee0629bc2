/* SPDX-License-Identifier: MIT */
/*
 * The tables of plugin acpi: walked in memory, and judged by iasl, which must be
 * able to disassemble each and to compile what it made of the DSDT.
 */
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>

#include "tap.h"
#include "testhost.h"

enum { RSDP = 0xe0000, SCI = 9, OUTSIDE = 0xf0000, NODES = 24 };

extern char **environ;

/* A node gives a copy of what `self` points at, or fails where that has struct_size 0. */
static lichen_status describe(void *self, uint64_t client, uint32_t index,
			      struct lichen_acpi_node *node)
{
	const struct lichen_acpi_node *from = self;

	(void)client;
	CHECK_EQ(sizeof(*node), node->struct_size);
	CHECK_EQ(0, node->ports[0].size);
	if (!from->struct_size)
		return -LICHEN_EIO;
	*node = *from;
	return index ? -LICHEN_ENOENT : 0; /* a refusal that scribbles */
}

static const struct lichen_acpi_node_ops node_ops = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = describe,
};

/* An instance of several devices: as many as `self` says, with _UID 1 and on. */
static lichen_status describe_several(void *self, uint64_t client, uint32_t index,
				      struct lichen_acpi_node *node)
{
	const uint32_t *devices = self;

	(void)client;
	CHECK(node->hid == NULL);
	if (index >= *devices)
		return -LICHEN_ENOENT;
	node->hid = "PNP0C02";
	node->uid = index + 1;
	return 0;
}

static const struct lichen_acpi_node_ops several_ops = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = describe_several,
};

static void node(struct th *th, struct lichen_acpi_node *n)
{
	n->struct_size = sizeof(*n);
	th_provide(th, LICHEN_ACPI_NODE, &node_ops, n);
}

static uint64_t le(const uint8_t *bytes, uint32_t size)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < size; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

static uint8_t sum(const uint8_t *bytes, uint64_t size)
{
	uint8_t total = 0;

	while (size--)
		total = (uint8_t)(total + *bytes++);
	return total;
}

/* The table at `gpa`, checked: signature, bounds, checksum. */
static const uint8_t *table(struct th *th, uint64_t gpa, const char *signature)
{
	const uint8_t *bytes = th_ram(th) + gpa;
	uint64_t size;

	CHECK(gpa > RSDP && gpa < OUTSIDE && gpa % 16 == 0);
	CHECK_EQ(0, memcmp(bytes, signature, 4));
	size = le(bytes + 4, 4);
	CHECK(size >= 36 && size <= OUTSIDE - gpa);
	CHECK_EQ(0, sum(bytes, size));
	CHECK_EQ(0, memcmp(bytes + 10, "LICHEN", 6));
	return bytes;
}

struct tables {
	const uint8_t *rsdt, *xsdt, *fadt, *madt, *dsdt, *facs;
};

static struct tables walk(struct th *th)
{
	const uint8_t *rsdp = th_ram(th) + RSDP;
	struct tables t;

	CHECK_EQ(0, memcmp(rsdp, "RSD PTR ", 8));
	CHECK_EQ(0, sum(rsdp, 20));
	CHECK_EQ(0, sum(rsdp, 36));
	CHECK_EQ(2, rsdp[15]);
	t.rsdt = table(th, le(rsdp + 16, 4), "RSDT");
	t.xsdt = table(th, le(rsdp + 24, 8), "XSDT");
	CHECK_EQ(36 + 2 * 4, le(t.rsdt + 4, 4));
	CHECK_EQ(36 + 2 * 8, le(t.xsdt + 4, 4));
	t.fadt = table(th, le(t.xsdt + 36, 8), "FACP");
	t.madt = table(th, le(t.xsdt + 44, 8), "APIC");
	CHECK_EQ(le(t.xsdt + 36, 8), le(t.rsdt + 36, 4));
	CHECK_EQ(le(t.xsdt + 44, 8), le(t.rsdt + 40, 4));
	CHECK_EQ(276, le(t.fadt + 4, 4));
	t.dsdt = table(th, le(t.fadt + 40, 4), "DSDT");
	CHECK_EQ(le(t.fadt + 40, 4), le(t.fadt + 140, 8));
	t.facs = th_ram(th) + le(t.fadt + 36, 4);
	CHECK_EQ(0, le(t.fadt + 36, 4) % 64);
	CHECK_EQ(0, memcmp(t.facs, "FACS", 4));
	CHECK_EQ(64, le(t.facs + 4, 4));
	return t;
}

/* How often `bytes` are in the table. */
static uint32_t count(const uint8_t *in, const void *bytes, uint32_t size)
{
	const uint64_t length = le(in + 4, 4);
	uint32_t found = 0;

	for (uint64_t i = 36; i + size <= length; i++)
		found += memcmp(in + i, bytes, size) == 0;
	return found;
}

TEST(the_fadt_says_where_the_registers_are)
{
	struct th *th = th_create("acpi");
	const uint8_t *fadt;

	th_set(th, "port", 0xb00);
	th_set(th, "sci", 11);
	CHECK_EQ(0, th_start(th));
	fadt = walk(th).fadt;
	CHECK_EQ(11, le(fadt + 46, 2));
	CHECK_EQ(0, le(fadt + 48, 4)); /* SMI_CMD */
	CHECK_EQ(0xb00, le(fadt + 56, 4));
	CHECK_EQ(0xb04, le(fadt + 64, 4));
	CHECK_EQ(0xb08, le(fadt + 76, 4));
	CHECK_EQ(0xb0c, le(fadt + 120, 8));
	CHECK_EQ(0xb00, le(fadt + 152, 8));
	CHECK_EQ(0xb04, le(fadt + 176, 8));
	CHECK_EQ(0xb08, le(fadt + 212, 8));
	CHECK_EQ(1, th_in(th, (uint16_t)le(fadt + 64, 4), 2));
	th_out(th, (uint16_t)le(fadt + 120, 8), 1, fadt[128]);
	CHECK_EQ(LICHEN_RESET_WARM, th_asked(th).reset);
	th_destroy(th);
}

TEST(without_nodes_the_fadt_promises_no_legacy_devices)
{
	struct th *th = th_create("acpi");

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1 << 2 | 1 << 5, le(walk(th).fadt + 109, 2));
	CHECK_EQ(0, walk(th).fadt[108]);
	th_destroy(th);
}

TEST(nodes_set_their_boot_flags)
{
	static struct lichen_acpi_node rtc = { .hid = "PNP0B00",
					       .boot_arch = LICHEN_ACPI_HAS_RTC,
					       .ports = { { 0x70, 2 } } };
	static struct lichen_acpi_node kbd = { .hid = "PNP0303",
					       .boot_arch = LICHEN_ACPI_HAS_8042 };
	struct th *th = th_create("acpi");

	node(th, &rtc);
	node(th, &kbd);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1 << 0 | 1 << 1 | 1 << 2, le(walk(th).fadt + 109, 2));
	CHECK_EQ(0x32, walk(th).fadt[108]);
	th_destroy(th);
}

TEST(the_madt_holds_the_nodes_structures_and_the_sci)
{
	static const uint8_t given[] = { 0, 8, 0, 7, 1, 0, 0, 0, 4, 6, 0xff, 0, 0, 1 };
	static const uint8_t sci[] = { 2, 10, 0, SCI, SCI, 0, 0, 0, 0x0d, 0 };
	static struct lichen_acpi_node chip = { .madt = given, .madt_size = sizeof(given) };
	struct th *th = th_create("acpi");
	const uint8_t *madt;

	node(th, &chip);
	CHECK_EQ(0, th_start(th));
	madt = walk(th).madt;
	CHECK_EQ(0xfee00000, le(madt + 36, 4));
	CHECK_EQ(44 + sizeof(given) + sizeof(sci), le(madt + 4, 4));
	CHECK_EQ(0, memcmp(madt + 44, given, sizeof(given)));
	CHECK_EQ(0, memcmp(madt + 44 + sizeof(given), sci, sizeof(sci)));
	th_destroy(th);
}

TEST(a_serial_port_gets_its_resources)
{
	static struct lichen_acpi_node com = {
		.hid = "PNP0501",
		.uid = 3,
		.ports = { { 0x3f8, 8 } },
		.gsis = { { 4, LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE } }
	};
	static const uint8_t hid[] = { 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	static const uint8_t crs[] = { 0x11, 0x10, 0x0a, 0x0d, 0x47, 0x01, 0xf8, 0x03, 0xf8,
				       0x03, 0x01, 0x08, 0x22, 0x10, 0x00, 0x79, 0x00 };
	struct th *th = th_create("acpi");

	node(th, &com);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1, count(walk(th).dsdt, hid, sizeof(hid)));
	CHECK_EQ(1, count(walk(th).dsdt, crs, sizeof(crs)));
	th_destroy(th);
}

TEST(an_instance_may_describe_none_to_sixteen_devices)
{
	static const uint8_t hid[] = { 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0c, 0x02 };
	static const uint8_t last[] = { 0x08, '_', 'U', 'I', 'D', 0x0a, 16 };

	for (uint32_t devices = 0; devices <= 16; devices++) {
		struct th *th = th_create("acpi");

		th_provide(th, LICHEN_ACPI_NODE, &several_ops, &devices);
		CHECK_EQ(0, th_start(th));
		CHECK_EQ(devices, count(walk(th).dsdt, hid, sizeof(hid)));
		CHECK_EQ(devices == 16, count(walk(th).dsdt, last, sizeof(last)));
		th_destroy(th);
	}
}

TEST(an_instance_without_nodes_leaves_the_others)
{
	static struct lichen_acpi_node com = { .hid = "PNP0501" };
	static const uint8_t hid[] = { 0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01 };
	static uint32_t none = 0, two = 2;
	struct th *th = th_create("acpi");

	th_provide(th, LICHEN_ACPI_NODE, &several_ops, &none);
	th_provide(th, LICHEN_ACPI_NODE, &several_ops, &two);
	node(th, &com);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1, count(walk(th).dsdt, hid, sizeof(hid)));
	CHECK_EQ(1, count(walk(th).dsdt, "D002", 4));
	CHECK_EQ(0, count(walk(th).dsdt, "D003", 4));
	th_destroy(th);
}

TEST(more_than_sixteen_devices_of_one_instance_are_refused)
{
	static uint32_t counts[] = { 17, UINT32_MAX };

	for (uint32_t i = 0; i < 2; i++) {
		struct th *th = th_create("acpi");

		th_provide(th, LICHEN_ACPI_NODE, &several_ops, &counts[i]);
		CHECK_EQ(-LICHEN_E2BIG, th_start(th));
		CHECK_EQ(0, strcmp("nodes of the instance that describes PNP0C02: above 16",
				   th_error(th)));
		CHECK_EQ(0, th_ram(th)[RSDP]);
		th_destroy(th);
	}
}

TEST(more_than_256_devices_of_all_instances_are_refused)
{
	static uint32_t full = 16, one = 1;
	struct th *th = th_create("acpi");

	for (uint32_t i = 0; i < 16; i++)
		th_provide(th, LICHEN_ACPI_NODE, &several_ops, &full);
	CHECK_EQ(0, th_start(th));
	CHECK_EQ(1, count(walk(th).dsdt, "D0FF", 4));
	th_destroy(th);
	th = th_create("acpi");
	for (uint32_t i = 0; i < 16; i++)
		th_provide(th, LICHEN_ACPI_NODE, &several_ops, &full);
	th_provide(th, LICHEN_ACPI_NODE, &several_ops, &one);
	CHECK_EQ(-LICHEN_E2BIG, th_start(th));
	CHECK_EQ(0, strcmp("nodes of all instances: above 256", th_error(th)));
	CHECK_EQ(0, th_ram(th)[RSDP]);
	th_destroy(th);
}

TEST(terms_of_a_node_without_id_lie_in_the_system_bus)
{
	static const uint8_t name[] = { 0x08, 'T', 'E', 'R', 'M', 0x01 };
	static struct lichen_acpi_node n = { .aml = name, .aml_size = sizeof(name) };
	struct th *th = th_create("acpi");
	const uint8_t *dsdt;

	th_set_cpus(th, 1);
	node(th, &n);
	CHECK_EQ(0, th_start(th));
	dsdt = walk(th).dsdt;
	CHECK_EQ(1, count(dsdt, name, sizeof(name)));
	/* Scope (\_SB), one byte of length, to which the terms and all CPUs belong */
	CHECK_EQ(0x10, dsdt[36]);
	CHECK_EQ(0, memcmp(dsdt + 38, "\\_SB_", 5));
	CHECK_EQ(0, memcmp(dsdt + 37 + dsdt[37] - sizeof(name), name, sizeof(name)));
	th_destroy(th);
}

TEST(the_tables_are_kept_out_of_ram_and_written_again_after_a_reset)
{
	struct th *th = th_create("acpi");
	struct tables t;

	CHECK_EQ(0, th_start(th));
	memset(th_ram(th) + RSDP, 0xcc, OUTSIDE - RSDP);
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_POWER_ON));
	t = walk(th);
	CHECK(t.dsdt != NULL);
	th_destroy(th);
}

TEST(boot_protocols_learn_where_the_rsdp_is)
{
	struct th *th = th_create("acpi");
	const struct lichen_acpi_ops *ops;
	lichen_gpa rsdp = 0;

	CHECK_EQ(0, th_start(th));
	ops = th_interface(th, LICHEN_ACPI);
	CHECK_EQ(0, ops->rsdp(th_self(th), 0, &rsdp));
	CHECK_EQ(RSDP, rsdp);
	th_destroy(th);
}

/* Starts with one node and expects refusal with `want` in the sentence. */
static void refused(struct lichen_acpi_node n, lichen_status status, const char *want)
{
	struct th *th = th_create("acpi");

	node(th, &n);
	CHECK_EQ(status, th_start(th));
	if (!strstr(th_error(th), want))
		tap_fail("\"%s\" lacks \"%s\"", th_error(th), want);
	th_destroy(th);
}

TEST(bad_hardware_ids_are_refused)
{
	static const char *const ids[] = { "",		"PNP",	     "PNP05",
					   "pnp0501",	"PNP05G1",   "PNP0501X",
					   "ACPI00070", "AC\"I0007", "PNP050a" };

	for (uint32_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		refused((struct lichen_acpi_node){ .hid = ids[i] }, -LICHEN_EINVAL,
			"neither like PNP0501");
		refused((struct lichen_acpi_node){ .hid = "PNP0501", .cid = ids[i] },
			-LICHEN_EINVAL, "compatible id");
	}
}

TEST(resources_past_their_space_are_refused)
{
	refused((struct lichen_acpi_node){ .hid = "PNP0501", .ports = { { 0xfff9, 8 } } },
		-LICHEN_EINVAL, "8 ports from 0xfff9 of PNP0501: past 0xffff");
	refused((struct lichen_acpi_node){ .hid = "PNP0501", .ranges = { { UINT64_MAX, 2 } } },
		-LICHEN_EINVAL, "0x2 bytes from 0xffffffffffffffff of PNP0501");
}

TEST(a_size_without_bytes_is_refused)
{
	refused((struct lichen_acpi_node){ .aml_size = 1 }, -LICHEN_EINVAL,
		"terms of a node without hardware id: a size without bytes");
	refused((struct lichen_acpi_node){ .hid = "PNP0501", .aml_size = UINT32_MAX },
		-LICHEN_EINVAL, "terms of PNP0501: a size without bytes");
	refused((struct lichen_acpi_node){ .madt_size = 8 }, -LICHEN_EINVAL,
		"interrupt controller structures of a node without hardware id: a size");
}

TEST(interrupt_structures_that_do_not_add_up_are_refused)
{
	static const uint8_t zero[] = { 0, 0 }, lone[] = { 0 },
			     beyond[] = { 0, 8, 0, 0, 1, 0, 0 },
			     second[] = { 4, 6, 0xff, 0, 0, 1, 4, 6 };

	refused((struct lichen_acpi_node){ .madt = zero, .madt_size = sizeof(zero) },
		-LICHEN_EINVAL, "at byte 0");
	refused((struct lichen_acpi_node){ .madt = lone, .madt_size = sizeof(lone) },
		-LICHEN_EINVAL, "at byte 0");
	refused((struct lichen_acpi_node){ .madt = beyond, .madt_size = sizeof(beyond) },
		-LICHEN_EINVAL, "at byte 0");
	refused((struct lichen_acpi_node){ .madt = second, .madt_size = sizeof(second) },
		-LICHEN_EINVAL, "at byte 6");
}

TEST(more_than_fits_is_refused_at_every_size_near_the_limit)
{
	static uint8_t aml[0x10000];

	memset(aml, 0xa3, sizeof(aml)); /* NoopOp */
	for (uint32_t size = 0xe800; size < 0xf000; size += 7) {
		static struct lichen_acpi_node n;
		struct th *th = th_create("acpi");
		lichen_status status;

		n = (struct lichen_acpi_node){ .hid = "PNP0501", .aml = aml, .aml_size = size };
		node(th, &n);
		status = th_start(th);
		if (size < 0xe900) {
			CHECK_EQ(0, status);
			(void)walk(th);
		}
		if (status < 0) {
			CHECK_EQ(-LICHEN_E2BIG, status);
			CHECK(strstr(th_error(th), "above the 61440 bytes kept") != NULL);
			CHECK_EQ(0, th_ram(th)[RSDP]);
		}
		CHECK(status < 0 || size < 0xee00);
		CHECK_EQ(0, th_ram(th)[0xef040]);
		th_destroy(th);
	}
}

TEST(an_error_of_a_node_ends_the_start)
{
	static struct lichen_acpi_node failing;
	struct th *th = th_create("acpi");

	th_provide(th, LICHEN_ACPI_NODE, &node_ops, &failing);
	CHECK_EQ(-LICHEN_EIO, th_start(th));
	CHECK_EQ(0, th_ram(th)[RSDP]);
	th_destroy(th);
}

TEST(less_than_1_mib_of_memory_is_refused)
{
	struct th *th = th_create("acpi");

	th_set_memory(th, 0xe8000);
	CHECK_EQ(-LICHEN_EFAULT, th_start(th));
	CHECK_EQ(0, strcmp("61440 bytes for tables at 0xe0000: not memory of the guest, which "
			   "needs 1M",
			   th_error(th)));
	th_destroy(th);
}

TEST(each_allocation_may_fail)
{
	uint32_t failures = 0;
	lichen_status status;

	do {
		struct th *th = th_create("acpi");

		th_fail_allocation(th, failures + 1);
		status = th_start(th);
		th_fail_allocation(th, 0);
		if (status < 0) {
			CHECK_EQ(-LICHEN_ENOMEM, status);
			CHECK_EQ(0, th_ram(th)[RSDP]);
			failures++;
		}
		th_destroy(th);
	} while (status < 0);
	CHECK_EQ(2, failures);
}

/* --- what iasl makes of them --- */

static char folder[] = "/tmp/lichen-acpi-XXXXXX";

static int run(const char *const *arguments)
{
	posix_spawn_file_actions_t actions;
	pid_t child;
	int status, made;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "iasl.log", O_WRONLY | O_CREAT | O_TRUNC,
					 0600);
	posix_spawn_file_actions_adddup2(&actions, 1, 2);
	made = posix_spawnp(&child, arguments[0], &actions, NULL,
			    (char *const *)(uintptr_t)arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (made != 0)
		return -1;
	CHECK(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

/* Whether iasl's last output has `text`; iasl reports some errors with status 0. */
static int logged(const char *text)
{
	static char line[4096];
	FILE *file = fopen("iasl.log", "r");
	int found = 0;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, text) != NULL;
	fclose(file);
	return found;
}

static void show_log(void)
{
	static char line[4096];
	FILE *file = fopen("iasl.log", "r");

	while (file && fgets(line, sizeof(line), file))
		printf("# %s", line);
	if (file)
		fclose(file);
}

/* Writes the table to NAME.dat, disassembles it, and compiles the result. */
static void judge(const char *name, const uint8_t *bytes)
{
	char dat[16], dsl[16];
	FILE *file;

	snprintf(dat, sizeof(dat), "%s.dat", name);
	snprintf(dsl, sizeof(dsl), "%s.dsl", name);
	file = fopen(dat, "w");
	CHECK(file && fwrite(bytes, le(bytes + 4, 4), 1, file) == 1 && fclose(file) == 0);
	if (run((const char *const[]){ "iasl", "-d", dat, NULL }) != 0 || logged("Error") ||
	    logged("Warning") || logged("Invalid") || access(dsl, R_OK) != 0) {
		show_log();
		tap_fail("iasl -d %s", dat);
	}
	if (run((const char *const[]){ "iasl", "-ve", dsl, NULL }) != 0 || logged("Error  ") ||
	    !logged(" 0 Errors")) {
		show_log();
		tap_fail("iasl %s", dsl);
	}
}

static uint32_t dsl_count(const char *path, const char *text)
{
	static char line[4096];
	FILE *file = fopen(path, "r");
	uint32_t found = 0;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file))
		found += strstr(line, text) != NULL;
	fclose(file);
	return found;
}

/* One local APIC a CPU, as the irqchip's plugin gives them. */
static void judge_machine(uint32_t cpus)
{
	static uint8_t apics[32 * 8];
	static const uint8_t method[] = { /* Method (_ON, 0) { Noop } */
					  0x14, 0x07, '_', 'O', 'N', '_', 0x00, 0xa3
	};
	static struct lichen_acpi_node nodes[NODES];
	struct th *th;
	struct tables t;

	if (run((const char *const[]){ "iasl", "-v", NULL }) < 0)
		SKIP("iasl is not installed");
	CHECK(mkdtemp(folder) && chdir(folder) == 0);
	th = th_create("acpi");
	th_set_cpus(th, cpus);
	for (uint32_t i = 0; i < cpus; i++)
		memcpy(apics + 8 * (size_t)i,
		       (uint8_t[]){ 0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0 }, 8);
	nodes[0].madt = apics;
	nodes[0].madt_size = 8 * cpus;
	nodes[1] = (struct lichen_acpi_node){ .hid = "PNP0501",
					      .cid = "PNP0500",
					      .uid = 1,
					      .ports = { { 0x3f8, 8 } },
					      .gsis = { { 4, LICHEN_ACPI_GSI_USED |
								     LICHEN_ACPI_GSI_EDGE } } };
	nodes[2] = (struct lichen_acpi_node){ .hid = "LNRO0005",
					      .uid = 70000,
					      .ports = { { 0, 0 }, { 0x1000, 0x400 } },
					      .gsis = { { 20, LICHEN_ACPI_GSI_USED },
							{ 9, LICHEN_ACPI_GSI_USED |
								     LICHEN_ACPI_GSI_SHARED } },
					      .ranges = { { 0xd0000000, 0x1000 },
							  { 0x4000000000, 0x40000000 },
							  { 0xfffff000, 0x1000 },
							  { 0xf0000000, 0x100000000 } },
					      .aml = method,
					      .aml_size = sizeof(method) };
	for (uint32_t i = 3; i < NODES; i++)
		nodes[i] = (struct lichen_acpi_node){ .hid = "PNP0C02", .uid = i };
	for (uint32_t i = 0; i < NODES; i++)
		node(th, &nodes[i]);
	CHECK_EQ(0, th_start(th));
	t = walk(th);
	judge("dsdt", t.dsdt);
	judge("facp", t.fadt);
	judge("apic", t.madt);
	judge("xsdt", t.xsdt);
	judge("rsdt", t.rsdt);
	judge("facs", t.facs);
	CHECK_EQ(cpus, dsl_count("dsdt.dsl", "\"ACPI0007\""));
	CHECK_EQ(cpus, dsl_count("apic.dsl", "[Processor Local APIC]"));
	CHECK_EQ(NODES - 3, dsl_count("dsdt.dsl", "EisaId (\"PNP0C02\")"));
	CHECK_EQ(1, dsl_count("dsdt.dsl", "EisaId (\"PNP0501\")"));
	CHECK_EQ(1, dsl_count("dsdt.dsl", "EisaId (\"PNP0500\")"));
	CHECK_EQ(1, dsl_count("dsdt.dsl", "IRQNoFlags"));
	CHECK_EQ(2, dsl_count("dsdt.dsl", "Interrupt (ResourceConsumer, Level, ActiveHigh"));
	CHECK_EQ(2, dsl_count("dsdt.dsl", "Memory32Fixed"));
	CHECK_EQ(2, dsl_count("dsdt.dsl", "QWordMemory"));
	CHECK_EQ(1, dsl_count("dsdt.dsl", "WordIO"));
	CHECK_EQ(1, dsl_count("dsdt.dsl", "Method (_ON"));
	CHECK_EQ(1, dsl_count("dsdt.dsl", "Name (_S5, Package (0x04)"));
	th_destroy(th);
	CHECK_EQ(0, run((const char *const[]){ "rm", "-rf", folder, NULL }));
}

TEST(iasl_accepts_the_tables_of_one_cpu)
{
	judge_machine(1);
}

TEST(iasl_accepts_the_tables_of_two_cpus)
{
	judge_machine(2);
}

TEST(iasl_accepts_the_tables_of_32_cpus)
{
	judge_machine(32);
}
