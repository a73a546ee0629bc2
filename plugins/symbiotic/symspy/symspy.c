/* SPDX-License-Identifier: MIT */
/*
 * symspy: reads what the guest shares in memory, without an exit.
 *
 *	symbiotic:
 *	  - { plugin: symspy }
 *
 * MSRs, counted from the block's first (<lichen/guest/discovery.h>):
 *	0x10 SPY_GLOBAL	where the VM's set of records is
 *	0x11 SPY_VCPU	where the set of the vCPU that writes is
 *	0x12 SPY_HOST	where the VMM may keep a set of its own
 *
 * Limits: a set has at most 64 pages in one piece of RAM.  What lies in them is the
 * guest's and may be anything; it is never believed.
 */
#include "symspy.h"

enum { SYMSPY_MSR_FIRST = LICHEN_MSR_SPY_GLOBAL, SYMSPY_MSRS = 0x10 };

static const struct lichen_field symspy_state[] = {
	LICHEN_FIELD(struct symspy, global_at, .since = 1, .help = "SPY_GLOBAL"),
	LICHEN_FIELD(struct symspy, host_at, .since = 1, .help = "SPY_HOST"),
	LICHEN_FIELD_ARRAY(struct symspy, vcpu_at, .since = 1, .help = "SPY_VCPU of each vCPU"),
	LICHEN_FIELD(struct symspy, wish, .since = 1,
		     .help = "bytes that the guest might do without"),
};

/* Where the value of an MSR is kept, with its set and the feature that it needs; 0: none. */
static int symspy_register(struct symspy *s, uint32_t vcpu, uint32_t msr, uint64_t **value,
			   struct lichen_shared **shared, uint64_t *feature)
{
	*feature = LICHEN_FEATURE_SPY;
	switch (msr) {
	case LICHEN_MSR_SPY_GLOBAL:
		*value = &s->global_at;
		*shared = &s->global;
		return 1;
	case LICHEN_MSR_SPY_HOST:
		*value = &s->host_at;
		*shared = &s->host;
		*feature = LICHEN_FEATURE_SPY_HOST;
		return 1;
	case LICHEN_MSR_SPY_VCPU:
		if (vcpu >= SYMSPY_VCPUS)
			return 0;
		*value = &s->vcpu_at[vcpu];
		*shared = &s->vcpus[vcpu];
		return 1;
	default:
		return 0;
	}
}

/* [vcpu, running] */
static lichen_status symspy_msr_read(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				     uint64_t *to)
{
	struct symspy *s = self;
	struct lichen_shared *shared;
	uint64_t *value, feature;

	(void)client;
	if (!symspy_register(s, vcpu, msr, &value, &shared, &feature) ||
	    !(s->symbiotic->agreed(s->dev.in) & feature)) {
		s->refused++;
		return -LICHEN_EINVAL;
	}
	*to = *value;
	return 0;
}

/* [vcpu, running] */
static lichen_status symspy_msr_write(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				      uint64_t written)
{
	struct symspy *s = self;
	struct lichen_shared *shared, judged;
	uint64_t *value, feature;
	lichen_status status = -LICHEN_EINVAL;

	(void)client;
	if (symspy_register(s, vcpu, msr, &value, &shared, &feature) &&
	    (s->symbiotic->agreed(s->dev.in) & feature))
		status = lichen_shared_at(&s->dev, written, LICHEN_SPY_PAGES, &judged);
	if (status < 0) {
		s->refused++;
		return status;
	}
	*value = written;
	*shared = judged;
	return msr == LICHEN_MSR_SPY_HOST ? symspy_host_begin(s) : 0;
}

static void symspy_forget(struct symspy *s, uint64_t features)
{
	if (features & LICHEN_FEATURE_SPY) {
		s->global_at = 0;
		s->global = (struct lichen_shared){ .dev = &s->dev };
		for (uint32_t i = 0; i < SYMSPY_VCPUS; i++) {
			s->vcpu_at[i] = 0;
			s->vcpus[i] = s->global;
		}
	}
	if (features & LICHEN_FEATURE_SPY_HOST) {
		s->host_at = 0;
		s->host = (struct lichen_shared){ .dev = &s->dev };
		(void)symspy_host_begin(s);
	}
}

/* [vcpu or control, running or paused] */
static void symspy_agreed(void *self, uint64_t client, uint64_t features)
{
	(void)client;
	symspy_forget(self, ~features);
}

static const struct lichen_symbiotic_ops symspy_symbiotic = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops),
	.agreed = symspy_agreed,
	.msr_read = symspy_msr_read,
	.msr_write = symspy_msr_write,
};

lichen_status symspy_counted(struct symspy *s, lichen_status status, uint32_t retries)
{
	s->reads++;
	s->retries += retries;
	s->unsettled += status == -LICHEN_EAGAIN;
	s->malformed += status == -LICHEN_EBADMSG || status == -LICHEN_EFAULT;
	return status;
}

/* [any, running] */
static lichen_status symspy_read(void *self, uint64_t client, uint32_t vcpu, const char *name,
				 void *to, uint32_t room, uint32_t *size)
{
	struct symspy *s = self;
	const struct lichen_shared *shared = vcpu == LICHEN_SYMSPY_VM ? &s->global : NULL;
	uint32_t retries = UINT32_MAX; /* there is no such record */
	lichen_status status;

	(void)client;
	if (vcpu < SYMSPY_VCPUS)
		shared = &s->vcpus[vcpu];
	if (!shared)
		return -LICHEN_ENOENT;
	status = lichen_record_find(shared, name, to, room, size, &retries);
	return retries == UINT32_MAX ? status : symspy_counted(s, status, retries);
}

static const struct lichen_symspy_ops symspy_ops = {
	LICHEN_STRUCT(struct lichen_symspy_ops),
	.read = symspy_read,
};

static const struct lichen_provide symspy_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, symspy_symbiotic),
	LICHEN_PROVIDE(LICHEN_CONTROL, symspy_control),
	LICHEN_PROVIDE(LICHEN_SYMSPY, symspy_ops),
};

/* [control, created] */
static lichen_status symspy_realize(void *self)
{
	struct symspy *s = self;
	const struct lichen_host *host = s->dev.host;
	lichen_status status = host->timer_create(s->dev.in, LICHEN_CLOCK_HOST, 0, &s->update);

	s->control = host->interface(s->dev.in, LICHEN_CONTROL_HOST);
	if (status == 0)
		status = lichen_symbiotic_begin(&s->dev, SYMSPY_MSR_FIRST, SYMSPY_MSRS,
						LICHEN_FEATURE_SPY | LICHEN_FEATURE_SPY_HOST,
						&s->symbiotic);
	return status;
}

/* [control, paused] kind: a guest that starts anew has registered nothing. */
static lichen_status symspy_reset(void *self, uint32_t kind)
{
	struct symspy *s = self;

	(void)kind;
	symspy_forget(s, ~UINT64_C(0));
	s->wish = 0;
	return 0;
}

/* [control, realized or paused] */
static lichen_status symspy_post_load(void *self, uint32_t from)
{
	struct symspy *s = self;
	lichen_status status =
		lichen_shared_at(&s->dev, s->global_at, LICHEN_SPY_PAGES, &s->global);

	(void)from;
	if (status >= 0)
		status = lichen_shared_at(&s->dev, s->host_at, LICHEN_SPY_PAGES, &s->host);
	for (uint32_t i = 0; i < SYMSPY_VCPUS && status >= 0; i++)
		status = lichen_shared_at(&s->dev, s->vcpu_at[i], LICHEN_SPY_PAGES,
					  &s->vcpus[i]);
	if (status < 0) {
		s->dev.host->error(s->dev.in, "a set lies outside of guest memory");
		return -LICHEN_EBADMSG;
	}
	return symspy_host_begin(s);
}

/* [control, running] */
static void symspy_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	symspy_host_due(self);
}

static const struct lichen_class symspy_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "reads what the guest shares in memory",
	.instance_size = sizeof(struct symspy),
	.state = LICHEN_TABLE(symspy_state),
	.state_version = 1,
	.provides = LICHEN_TABLE(symspy_provides),
	.realize = symspy_realize,
	.reset = symspy_reset,
	.post_load = symspy_post_load,
	.timer = symspy_timer,
};

LICHEN_SYMBIOTIC_PLUGIN("symspy", "1.0", symspy_class);
