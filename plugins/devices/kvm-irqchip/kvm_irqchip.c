/* SPDX-License-Identifier: MIT */
/*
 * kvm-irqchip: the interrupt controllers that the hardware-virtualization core
 * implements: two 8259A PICs, an IOAPIC, and a local APIC in each vCPU.
 *
 *	devices:
 *	  - { plugin: kvm-irqchip }
 *
 * Registers (served by the core; the windows keep others away from them):
 *	ports 0x20, 0xa0	PICs: command	Intel 8259A, "Programming the 8259A"
 *	ports 0x21, 0xa1	PICs: data
 *	ports 0x4d0, 0x4d1	PICs: edge or level, one bit a line
 *	0xfec00000		IOAPIC		Intel 82093AA, 3.1 and 3.2
 *	0xfee00000		local APIC of the vCPU that asks: SDM 3A, 10.4.1
 *
 * The local APICs are part of the vCPUs' own state.  CPUs with an APIC id above
 * 254 would need x2APIC structures in the MADT and are refused.
 */
#include <lichen/acpi.h>
#include <lichen/device.h>
#include <lichen/hardware.h>

#include <stdlib.h>
#include <string.h>

#define KVM_IRQCHIP_IOAPIC 0xfec00000u
enum { KVM_IRQCHIP_IOAPIC_SIZE = 0x100 };
enum { KVM_IRQCHIP_ID_MAX = 254 };

enum { /* interrupt controller structures, ACPI 6.4, 5.2.12 */
       MADT_LOCAL_APIC = 0,
       MADT_LOCAL_APIC_SIZE = 8,
       MADT_IOAPIC = 1,
       MADT_OVERRIDE = 2,
       MADT_NMI = 4,
       MADT_ENABLED = 1,
       MADT_ALL_CPUS = 0xff,
};

enum { KVM_IRQCHIP_PARTS = 3 };

struct kvm_irqchip {
	struct lichen_dev dev;
	const struct lichen_hv_irqchip *hv; /* the host's, for our life */
	uint32_t pins;
	uint32_t madt_size; /* bytes */
	uint8_t *madt;	    /* owned */
	/* as of the last pre_save; each LICHEN_IRQCHIP_STATE_SIZE bytes */
	uint8_t pic_master[LICHEN_IRQCHIP_STATE_SIZE];
	uint8_t pic_slave[LICHEN_IRQCHIP_STATE_SIZE];
	uint8_t ioapic[LICHEN_IRQCHIP_STATE_SIZE];
	/* by enum lichen_irqchip_part: what a reset goes back to, once fresh_kept is 1 */
	uint32_t fresh_kept;
	uint8_t fresh[KVM_IRQCHIP_PARTS][LICHEN_IRQCHIP_STATE_SIZE];
};

static const struct lichen_field kvm_irqchip_state[] = {
	LICHEN_FIELD_ARRAY(struct kvm_irqchip, pic_master, .since = 1, .help = "lines 0 to 7"),
	LICHEN_FIELD_ARRAY(struct kvm_irqchip, pic_slave, .since = 1, .help = "lines 8 to 15"),
	LICHEN_FIELD_ARRAY(struct kvm_irqchip, ioapic, .since = 1),
};

/* Never called: the core answers first. */
static const struct lichen_io_ops kvm_irqchip_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
};

static const struct lichen_window kvm_irqchip_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "pic-master",
	  .size = 2, .ops = &kvm_irqchip_io, .place = LICHEN_PLACE_PORT, .address = 0x20 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "pic-slave",
	  .size = 2, .ops = &kvm_irqchip_io, .place = LICHEN_PLACE_PORT, .address = 0xa0 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "pic-trigger",
	  .size = 2, .ops = &kvm_irqchip_io, .place = LICHEN_PLACE_PORT, .address = 0x4d0 },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "ioapic",
	  .size = KVM_IRQCHIP_IOAPIC_SIZE, .ops = &kvm_irqchip_io, .place = LICHEN_PLACE_GPA,
	  .address = KVM_IRQCHIP_IOAPIC },
};

/* [any, realized] */
static uint32_t kvm_irqchip_pins(void *self, uint64_t client)
{
	(void)client;
	return ((const struct kvm_irqchip *)self)->pins;
}

/* [control, realized or paused] */
static lichen_status kvm_irqchip_describe(void *self, uint64_t client, uint32_t index,
					  struct lichen_acpi_node *node)
{
	const struct kvm_irqchip *k = self;

	(void)client;
	if (index > 0)
		return -LICHEN_ENOENT;
	node->madt = k->madt;
	node->madt_size = k->madt_size;
	return 0;
}

static const struct lichen_irqchip_ops kvm_irqchip_ops = {
	LICHEN_STRUCT(struct lichen_irqchip_ops),
	.pins = kvm_irqchip_pins,
};

static const struct lichen_acpi_node_ops kvm_irqchip_node_ops = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = kvm_irqchip_describe,
};

static const struct lichen_provide kvm_irqchip_provides[] = {
	LICHEN_PROVIDE(LICHEN_IRQCHIP, kvm_irqchip_ops),
	LICHEN_PROVIDE(LICHEN_ACPI_NODE, kvm_irqchip_node_ops),
};

/*
 * After the CPUs: the IOAPIC with id 0, as its register has it, and lines from
 * GSI 0; the ISA timer's line 0, which is wired to pin 2 as on all PCs; NMIs,
 * which reach LINT1 of every CPU.
 */
static const uint8_t kvm_irqchip_madt_tail[] = {
	/* clang-format off */
	MADT_IOAPIC, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0,
	MADT_OVERRIDE, 10, 0 /* ISA */, 0 /* from */, 2 /* to */, 0, 0, 0, 0, 0,
	MADT_NMI, 6, MADT_ALL_CPUS, 0, 0, 1,
	/* clang-format on */
};

/* A structure a CPU, whose _UID is its index. */
static lichen_status kvm_irqchip_build_madt(struct kvm_irqchip *k)
{
	const struct lichen_host *host = k->dev.host;
	const uint32_t cpus = host->cpu_count(k->dev.in);

	for (uint32_t i = 0; i < cpus; i++) {
		const uint32_t id = host->cpu_apic_id(k->dev.in, i);

		if (id > KVM_IRQCHIP_ID_MAX || i > KVM_IRQCHIP_ID_MAX) {
			host->error(k->dev.in, "APIC id %u of CPU %u: above %u", id, i,
				    (unsigned)KVM_IRQCHIP_ID_MAX);
			return -LICHEN_ERANGE;
		}
	}
	k->madt_size = cpus * MADT_LOCAL_APIC_SIZE + (uint32_t)sizeof(kvm_irqchip_madt_tail);
	k->madt = calloc(1, k->madt_size);
	if (!k->madt) {
		host->error(k->dev.in, "description of %u CPUs: out of memory", cpus);
		return -LICHEN_ENOMEM;
	}
	for (uint32_t i = 0; i < cpus; i++) { /* 5.2.12.2 */
		uint8_t *apic = k->madt + (size_t)i * MADT_LOCAL_APIC_SIZE;

		apic[0] = MADT_LOCAL_APIC;
		apic[1] = MADT_LOCAL_APIC_SIZE;
		apic[2] = (uint8_t)i;
		apic[3] = (uint8_t)host->cpu_apic_id(k->dev.in, i);
		apic[4] = MADT_ENABLED;
	}
	memcpy(k->madt + (size_t)cpus * MADT_LOCAL_APIC_SIZE, kvm_irqchip_madt_tail,
	       sizeof(kvm_irqchip_madt_tail));
	return 0;
}

static void kvm_irqchip_destroy(void *self)
{
	free(((struct kvm_irqchip *)self)->madt);
}

/* [control, created] The core's part goes with the VM. */
static lichen_status kvm_irqchip_create(void *self)
{
	struct kvm_irqchip *k = self;
	const struct lichen_host *host = k->dev.host;
	lichen_status status;

	k->hv = host->interface(k->dev.in, LICHEN_HV_IRQCHIP);
	if (!k->hv) {
		host->error(k->dev.in, "interrupt controllers: this host has none of its own");
		return -LICHEN_ENOTSUP;
	}
	status = kvm_irqchip_build_madt(k);
	if (status < 0)
		return status;
	status = k->hv->create(k->dev.in, &k->pins);
	if (status < 0)
		kvm_irqchip_destroy(self);
	return status;
}

/* Once, before the guest runs or a state is loaded: what a reset goes back to. */
static lichen_status kvm_irqchip_keep_fresh(struct kvm_irqchip *k)
{
	for (uint32_t part = 0; !k->fresh_kept && part < KVM_IRQCHIP_PARTS; part++) {
		const lichen_status status = k->hv->get(k->dev.in, part, k->fresh[part]);

		if (status < 0)
			return status;
	}
	k->fresh_kept = 1;
	return 0;
}

/* [control, realized or paused] */
static lichen_status kvm_irqchip_publish(void *self)
{
	return kvm_irqchip_keep_fresh(self);
}

/* [control, paused] kind: every reset is the same to us. */
static lichen_status kvm_irqchip_reset(void *self, uint32_t kind)
{
	struct kvm_irqchip *k = self;

	(void)kind;
	for (uint32_t part = 0; part < KVM_IRQCHIP_PARTS; part++) {
		const lichen_status status = k->hv->set(k->dev.in, part, k->fresh[part]);

		if (status < 0)
			return status;
	}
	return 0;
}

/* [control, paused] */
static lichen_status kvm_irqchip_pre_save(void *self)
{
	struct kvm_irqchip *k = self;
	lichen_status status = k->hv->get(k->dev.in, LICHEN_IRQCHIP_PIC_MASTER, k->pic_master);

	if (status >= 0)
		status = k->hv->get(k->dev.in, LICHEN_IRQCHIP_PIC_SLAVE, k->pic_slave);
	if (status >= 0)
		status = k->hv->get(k->dev.in, LICHEN_IRQCHIP_IOAPIC, k->ioapic);
	return status;
}

/* [control, realized or paused] */
static lichen_status kvm_irqchip_post_load(void *self, uint32_t from)
{
	struct kvm_irqchip *k = self;
	lichen_status status = k->hv->set(k->dev.in, LICHEN_IRQCHIP_PIC_MASTER, k->pic_master);

	(void)from;
	if (status >= 0)
		status = k->hv->set(k->dev.in, LICHEN_IRQCHIP_PIC_SLAVE, k->pic_slave);
	if (status >= 0)
		status = k->hv->set(k->dev.in, LICHEN_IRQCHIP_IOAPIC, k->ioapic);
	return status < 0 ? -LICHEN_EBADMSG : 0;
}

static const struct lichen_class kvm_irqchip_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "the interrupt controllers of the virtualization core",
	.instance_size = sizeof(struct kvm_irqchip),
	.state_version = 1,
	.windows = LICHEN_TABLE(kvm_irqchip_windows),
	.state = LICHEN_TABLE(kvm_irqchip_state),
	.provides = LICHEN_TABLE(kvm_irqchip_provides),
	.create = kvm_irqchip_create,
	.publish = kvm_irqchip_publish,
	.reset = kvm_irqchip_reset,
	.destroy = kvm_irqchip_destroy,
	.pre_save = kvm_irqchip_pre_save,
	.post_load = kvm_irqchip_post_load,
};

LICHEN_DEVICE_PLUGIN("kvm-irqchip", "0.1", kvm_irqchip_class);
