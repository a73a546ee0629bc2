/* SPDX-License-Identifier: MIT */
/*
 * kvm-pit: the 8254 timer that the hardware-virtualization core implements, on
 * line 0, with port 0x61, by which guests measure time against its channel 2.
 *
 *	devices:
 *	  - { plugin: kvm-pit }
 *
 * Registers (served by the core; the windows keep others away from them):
 *	0x40 to 0x42	counters of channels 0 to 2	Intel 8254, "Read/Write"
 *	0x43		control word			Intel 8254, "Control Word Format"
 *	0x61		bits 0, 1 gate and speaker, 4 refresh, 5 output of channel 2
 *
 * Nothing sounds: bit 1 of port 0x61 is only stored.
 */
#include <lichen/acpi.h>
#include <lichen/device.h>
#include <lichen/hardware.h>

enum { KVM_PIT_PORT = 0x40, KVM_PIT_PORTS = 4, KVM_PIT_SPEAKER = 0x61, KVM_PIT_GSI = 0 };

struct kvm_pit {
	struct lichen_dev dev;
	const struct lichen_hv_pit *hv; /* the host's, for our life */
	lichen_handle line;
	uint8_t pit[LICHEN_PIT_STATE_SIZE]; /* as of the last pre_save */
	uint32_t fresh_kept;
	uint8_t fresh[LICHEN_PIT_STATE_SIZE]; /* what a reset goes back to, once kept */
};

static const struct lichen_field kvm_pit_state[] = {
	LICHEN_FIELD_ARRAY(struct kvm_pit, pit, .since = 1),
};

/* Never called: the core answers first. */
static const struct lichen_io_ops kvm_pit_io = {
	LICHEN_STRUCT(struct lichen_io_ops),
};

static const struct lichen_window kvm_pit_windows[] = {
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "pit",
	  .size = KVM_PIT_PORTS, .ops = &kvm_pit_io, .place = LICHEN_PLACE_PORT,
	  .address = KVM_PIT_PORT },
	{ LICHEN_STRUCT(struct lichen_window), .kind = LICHEN_IO, .name = "speaker", .size = 1,
	  .ops = &kvm_pit_io, .place = LICHEN_PLACE_PORT, .address = KVM_PIT_SPEAKER },
};

static const struct lichen_need kvm_pit_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .id = LICHEN_IRQCHIP, .offset = LICHEN_NO_MEMBER },
};

/* [control, realized or paused] */
static lichen_status kvm_pit_describe(void *self, uint64_t client, uint32_t index,
				      struct lichen_acpi_node *node)
{
	(void)self, (void)client;
	if (index > 0)
		return -LICHEN_ENOENT;
	node->hid = "PNP0100";
	node->ports[0] = (struct lichen_acpi_ports){ KVM_PIT_PORT, KVM_PIT_PORTS };
	node->gsis[0] = (struct lichen_acpi_gsi){
		.gsi = KVM_PIT_GSI, .flags = LICHEN_ACPI_GSI_USED | LICHEN_ACPI_GSI_EDGE
	};
	return 0;
}

static const struct lichen_acpi_node_ops kvm_pit_node_ops = {
	LICHEN_STRUCT(struct lichen_acpi_node_ops),
	.describe = kvm_pit_describe,
};

static const struct lichen_provide kvm_pit_provides[] = {
	LICHEN_PROVIDE(LICHEN_ACPI_NODE, kvm_pit_node_ops),
};

/* [control, created] The core's part goes with the VM. */
static lichen_status kvm_pit_create(void *self)
{
	struct kvm_pit *k = self;

	k->hv = k->dev.host->interface(k->dev.in, LICHEN_HV_PIT);
	if (!k->hv) {
		k->dev.host->error(k->dev.in, "timer: this host has none of its own");
		return -LICHEN_ENOTSUP;
	}
	return k->hv->create(k->dev.in);
}

/* [control, created] */
static lichen_status kvm_pit_realize(void *self)
{
	struct kvm_pit *k = self;
	const struct lichen_line line = { LICHEN_STRUCT(struct lichen_line),
					  .gsi = KVM_PIT_GSI };

	/* The core pulses the line itself; we only keep others away from it. */
	return k->dev.host->line_claim(k->dev.in, &line, &k->line);
}

/* Once, before the guest runs or a state is loaded: what a reset goes back to. */
static lichen_status kvm_pit_keep_fresh(struct kvm_pit *k)
{
	const lichen_status status = k->fresh_kept ? 0 : k->hv->get(k->dev.in, k->fresh);

	k->fresh_kept |= status >= 0;
	return status;
}

/* [control, realized or paused] */
static lichen_status kvm_pit_publish(void *self)
{
	return kvm_pit_keep_fresh(self);
}

/* [control, paused] kind: every reset is the same to us. */
static lichen_status kvm_pit_reset(void *self, uint32_t kind)
{
	struct kvm_pit *k = self;

	(void)kind;
	return k->hv->set(k->dev.in, k->fresh);
}

/* [control, paused] */
static lichen_status kvm_pit_pre_save(void *self)
{
	struct kvm_pit *k = self;

	return k->hv->get(k->dev.in, k->pit);
}

/* [control, realized or paused] */
static lichen_status kvm_pit_post_load(void *self, uint32_t from)
{
	struct kvm_pit *k = self;
	const lichen_status status = kvm_pit_keep_fresh(k);

	(void)from;
	if (status < 0)
		return status;
	return k->hv->set(k->dev.in, k->pit) < 0 ? -LICHEN_EBADMSG : 0;
}

static const struct lichen_class kvm_pit_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "the 8254 timer of the virtualization core",
	.instance_size = sizeof(struct kvm_pit),
	.state_version = 1,
	.windows = LICHEN_TABLE(kvm_pit_windows),
	.state = LICHEN_TABLE(kvm_pit_state),
	.provides = LICHEN_TABLE(kvm_pit_provides),
	.needs = LICHEN_TABLE(kvm_pit_needs),
	.create = kvm_pit_create,
	.realize = kvm_pit_realize,
	.publish = kvm_pit_publish,
	.reset = kvm_pit_reset,
	.pre_save = kvm_pit_pre_save,
	.post_load = kvm_pit_post_load,
};

LICHEN_DEVICE_PLUGIN("kvm-pit", "0.1", kvm_pit_class);
