/* SPDX-License-Identifier: MIT */
/*
 * lend: a symbiotic interface that the framework knows nothing of: the guest has its own
 * vCPUs borrowed.
 *
 *	symbiotic:
 *	  - { plugin: lend, storm: 10000 }
 *
 * MSRs from 0x50, counted from the block's first:
 *	0  W	asks for vCPU (bits 7:0), until so many microseconds from now (63:8)
 *	1  R	what came of asking
 *	2  W	rip of calls    3 W rsp    4 W cs, and ss above    5 W gs_base    6 W cr3
 *	7  W	ends the call   8 W the same, and 9 R what came of it
 *	10 R	calls that were given back    11 R how the last one ended
 *	12 R	what its vCPU was doing       13 R rdi at its end
 *	14 W	takes back what is asked of this vCPU
 *	15 W	a value to be written to the log
 *	16 W	starts the storm: so many calls on all vCPUs in turn, from a thread
 *	   R	1: it is over; with `exits` the VM ends then
 */
#include <lichen/draft/symbiotic.h>

#include <stdatomic.h>
#include <time.h>

enum { LEND_FIRST = 0x50, LEND_MSRS = 17, LEND_ENTRY = 2, LEND_ENTRIES = 5 };

struct lend {
	struct lichen_dev dev;
	const struct lichen_symbiotic_host *symbiotic;
	uint32_t storm;
	uint8_t refuse, exits;
	uint64_t entry[LEND_ENTRIES]; /* rip, rsp, selectors, gs_base, cr3 */
	lichen_status asked, ended, last;
	uint32_t flags;
	uint64_t result;
	_Atomic uint32_t left, starts, stops, over;
	_Atomic uint32_t untouched; /* calls that did not enter the guest */
};

static const struct lichen_param lend_params[] = {
	LICHEN_PARAM(struct lend, storm, .help = "calls from a thread"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct lend, refuse, .help = "lets every vCPU go again"),
	LICHEN_PARAM_AS(LICHEN_BOOL, struct lend, exits, .help = "ends the VM after the storm"),
};

static void lend_agreed(void *self, uint64_t client, uint64_t features)
{
	(void)self, (void)client, (void)features;
}

static lichen_status lend_read(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
			       uint64_t *value)
{
	const struct lend *l = self;

	(void)client, (void)vcpu;
	switch (msr - LEND_FIRST) {
	case 1:
		*value = (uint64_t)l->asked;
		return 0;
	case 9:
		*value = (uint64_t)l->ended;
		return 0;
	case 10:
		*value = atomic_load(&l->left);
		return 0;
	case 11:
		*value = (uint64_t)l->last;
		return 0;
	case 12:
		*value = l->flags;
		return 0;
	case 13:
		*value = l->result;
		return 0;
	case 16:
		*value = atomic_load(&l->over);
		return 0;
	default:
		return -LICHEN_EINVAL;
	}
}

static lichen_status lend_write(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				uint64_t value)
{
	const uint32_t at = msr - LEND_FIRST;
	struct lend *l = self;
	const struct lichen_host *host = l->dev.host;

	(void)client;
	if (at - LEND_ENTRY < LEND_ENTRIES) {
		l->entry[at - LEND_ENTRY] = value;
		return 0;
	}
	switch (at) {
	case 0:
		l->asked = l->symbiotic->borrow(l->dev.in, (uint32_t)(value & 0xff), value,
						host->clock_now(l->dev.in, LICHEN_CLOCK_HOST) +
							(value >> 8) * 1000);
		return 0;
	case 7:
		return l->symbiotic->borrow_end(l->dev.in, vcpu);
	case 8:
		l->ended = l->symbiotic->borrow_end(l->dev.in, vcpu);
		return 0;
	case 14:
		l->symbiotic->borrow_cancel(l->dev.in, vcpu);
		return 0;
	case 15:
		host->log(l->dev.in, LICHEN_LOG_INFO, "result 0x%llx",
			  (unsigned long long)value);
		return 0;
	case 16:
		atomic_store(&l->starts, 1);
		return 0;
	default:
		return -LICHEN_EINVAL;
	}
}

static lichen_status lend_enter(void *self, uint64_t client, uint32_t vcpu, uint64_t cookie,
				const struct lichen_vcpu_context *found,
				struct lichen_vcpu_entry *entry)
{
	struct lend *l = self;

	(void)client, (void)vcpu, (void)cookie;
	l->flags = found->flags;
	if (l->refuse)
		return -LICHEN_EPERM;
	entry->rip = l->entry[0];
	entry->gpr[LICHEN_RSP] = l->entry[1];
	entry->cs = (uint32_t)l->entry[2] & 0xffff;
	entry->ss = (uint32_t)l->entry[2] >> 16;
	entry->gs_base = l->entry[3];
	entry->cr3 = l->entry[4] ? l->entry[4] : found->cr3;
	return 0;
}

static void lend_left(void *self, uint64_t client, uint32_t vcpu, uint64_t cookie,
		      lichen_status status, const struct lichen_vcpu_context *after)
{
	struct lend *l = self;

	(void)client, (void)vcpu, (void)cookie;
	l->last = status;
	if (after)
		l->result = after->gpr[LICHEN_RDI];
	else
		atomic_fetch_add(&l->untouched, 1);
	if (status < 0 && status != -LICHEN_EAGAIN)
		l->dev.host->log_guest(l->dev.in, LICHEN_LOG_INFO, "left: %d", status);
	atomic_fetch_add(&l->left, 1);
}

static const struct lichen_symbiotic_ops lend_ops = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops),
	.agreed = lend_agreed,
	.msr_read = lend_read,
	.msr_write = lend_write,
	.borrow_enter = lend_enter,
	.borrow_left = lend_left,
};

static const struct lichen_provide lend_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, lend_ops),
};

/* One call after the other, as fast as they go. */
static void lend_thread(void *self, uint64_t cookie)
{
	struct lend *l = self;
	const struct lichen_host *host = l->dev.host;
	const uint32_t cpus = host->cpu_count(l->dev.in);
	const struct timespec pause = { .tv_nsec = 20000 };
	uint32_t done = 0;

	(void)cookie;
	while (!atomic_load(&l->starts) && !atomic_load(&l->stops))
		nanosleep(&pause, NULL);
	while (done < l->storm && !atomic_load(&l->stops)) {
		const uint32_t before = atomic_load(&l->left);

		if (l->symbiotic->borrow(l->dev.in, done % cpus, 0,
					 host->clock_now(l->dev.in, LICHEN_CLOCK_HOST) +
						 UINT64_C(10000000000)) < 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		while (atomic_load(&l->left) == before)
			if (atomic_load(&l->stops))
				l->symbiotic->borrow_cancel(l->dev.in, done % cpus);
			else
				nanosleep(&pause, NULL);
		done++;
	}
	host->log(l->dev.in, LICHEN_LOG_INFO, "%u calls, %u of them did not enter", done,
		  atomic_load(&l->untouched));
	atomic_store(&l->over, 1);
	if (l->exits)
		host->request_exit(l->dev.in, 0x31);
}

static lichen_status lend_realize(void *self)
{
	struct lend *l = self;
	lichen_handle handle;
	lichen_status status;

	l->symbiotic = l->dev.host->interface(l->dev.in, LICHEN_SYMBIOTIC_HOST);
	if (!l->symbiotic)
		return -LICHEN_ENODEV;
	status = l->symbiotic->msr_claim(l->dev.in, LEND_FIRST, LEND_MSRS, &handle);
	if (status == 0 && l->storm)
		status = l->dev.host->thread_start(l->dev.in, "storm", 0);
	return status;
}

static lichen_status lend_quiesce(void *self)
{
	atomic_store(&((struct lend *)self)->stops, 1);
	return 0;
}

static const struct lichen_class lend_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "borrows vCPUs for the framework's tests",
	.instance_size = sizeof(struct lend),
	.params = LICHEN_TABLE(lend_params),
	.provides = LICHEN_TABLE(lend_provides),
	.realize = lend_realize,
	.quiesce = lend_quiesce,
	.thread = lend_thread,
};

LICHEN_SYMBIOTIC_PLUGIN("lend", "1.0", lend_class);
