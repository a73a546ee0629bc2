/* SPDX-License-Identifier: MIT */
/*
 * knock: a symbiotic interface that the framework knows nothing of: the guest knocks,
 * and is answered.
 *
 *	symbiotic:
 *	  - { plugin: knock, feature: 40, msr: 0x40 }
 *
 * MSRs from `msr`, counted from the block's first:
 *	0  RW	a value; 0 after reset and where the feature is not agreed upon
 *	1  W	causes for the guest to hear of
 *	2  R	vCPU that reads
 *	3  RW	#GP, always
 *
 * Compiled with KNOCK_MORE it offers the next feature as well, has a fifth MSR, which reads as
 * the version of the state that it took over, and one more field; with KNOCK_LESS it offers
 * nothing; KNOCK_GREEDY: claims MSRs from there as well; KNOCK_RUDE: does while it is staged
 * what only one that runs may do.
 */
#include <lichen/draft/symbiotic.h>
#include <lichen/guest/discovery.h>

#ifndef KNOCK_MORE
#define KNOCK_MORE 0
#endif
#ifndef KNOCK_LESS
#define KNOCK_LESS 0
#endif
#ifndef KNOCK_GREEDY
#define KNOCK_GREEDY 0
#endif
#ifndef KNOCK_RUDE
#define KNOCK_RUDE 0
#endif

enum {
	KNOCK_VALUE = 0,
	KNOCK_CAUSES = 1,
	KNOCK_WHO = 2,
	KNOCK_NEVER = 3,
	KNOCK_FROM = 4,
	KNOCK_MSRS = 4 + KNOCK_MORE
};

struct knock {
	struct lichen_dev dev;
	const struct lichen_symbiotic_host *symbiotic;
	uint32_t feature, msr;
	uint64_t value, more;
	uint32_t from; /* version of the state that was loaded */
	lichen_handle msrs;
};

static const struct lichen_param knock_params[] = {
	LICHEN_PARAM(struct knock, feature, .max = 63, .fallback = 40, .help = "bit of it"),
	LICHEN_PARAM(struct knock, msr, .fallback = LICHEN_MSR_OTHERS, .help = "first of four"),
};

static const struct lichen_field knock_state[] = {
	LICHEN_FIELD(struct knock, value, .since = 1),
#if KNOCK_MORE
	LICHEN_FIELD(struct knock, more, .since = 2),
#endif
};

static void knock_agreed(void *self, uint64_t client, uint64_t features)
{
	struct knock *k = self;

	(void)client;
	if (!features)
		k->value = 0;
	k->dev.host->log(k->dev.in, LICHEN_LOG_INFO, "agreed to 0x%llx",
			 (unsigned long long)features);
}

static lichen_status knock_read(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				uint64_t *value)
{
	const struct knock *k = self;

	(void)client;
	switch (msr - k->msr) {
	case KNOCK_VALUE:
		*value = k->value;
		return 0;
	case KNOCK_WHO:
		*value = vcpu;
		return 0;
	case KNOCK_FROM:
		*value = k->from;
		return 0;
	default:
		return -LICHEN_EINVAL;
	}
}

static lichen_status knock_write(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				 uint64_t value)
{
	struct knock *k = self;

	(void)client, (void)vcpu;
	switch (msr - k->msr) {
	case KNOCK_VALUE:
		if (!k->symbiotic->agreed(k->dev.in))
			return -LICHEN_EPERM;
		k->value = value;
		return 0;
	case KNOCK_CAUSES:
		k->symbiotic->notify(k->dev.in, value);
		return 0;
	default:
		return -LICHEN_EINVAL;
	}
}

static const struct lichen_symbiotic_ops knock_ops = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops),
	.agreed = knock_agreed,
	.msr_read = knock_read,
	.msr_write = knock_write,
};

static const struct lichen_provide knock_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, knock_ops),
};

static lichen_status knock_realize(void *self)
{
	const uint64_t features = KNOCK_MORE ? 3 : 1;
	struct knock *k = self;
	lichen_handle more;
	lichen_status status;

	k->symbiotic = k->dev.host->interface(k->dev.in, LICHEN_SYMBIOTIC_HOST);
	if (!k->symbiotic)
		return -LICHEN_ENODEV;
	status = KNOCK_LESS ? 0 : k->symbiotic->offer(k->dev.in, features << k->feature);
	if (status == 0)
		status = k->symbiotic->msr_claim(k->dev.in, k->msr, KNOCK_MSRS, &k->msrs);
	if (status == 0 && KNOCK_GREEDY != 0)
		status = k->symbiotic->msr_claim(k->dev.in, KNOCK_GREEDY, 1, &more);
	if (KNOCK_RUDE) {
		k->symbiotic->notify(k->dev.in, 2);
		if (k->symbiotic->borrow(k->dev.in, 0, 0, UINT64_MAX) != -LICHEN_EAGAIN)
			return -LICHEN_EINVAL;
	}
	return status;
}

static lichen_status knock_post_load(void *self, uint32_t from)
{
	struct knock *k = self;

	k->from = from;
	k->dev.host->log(k->dev.in, LICHEN_LOG_INFO, "took over 0x%llx",
			 (unsigned long long)k->symbiotic->agreed(k->dev.in));
	return 0;
}

static const struct lichen_class knock_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "answers a guest that knocks",
	.instance_size = sizeof(struct knock),
	.state_version = 1 + KNOCK_MORE,
	.params = LICHEN_TABLE(knock_params),
	.state = LICHEN_TABLE(knock_state),
	.provides = LICHEN_TABLE(knock_provides),
	.realize = knock_realize,
	.post_load = knock_post_load,
};

LICHEN_SYMBIOTIC_PLUGIN("knock", "1.0", knock_class);
