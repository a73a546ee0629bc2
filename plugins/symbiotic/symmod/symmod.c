/* SPDX-License-Identifier: MIT */
/*
 * symmod: gives the guest code while it runs.
 *
 *	symbiotic:
 *	  - { plugin: symspy }
 *	  - { plugin: symmod, allow: [ "sha256:9f86d0..." ] }
 *
 * MSRs, counted from the block's first (<lichen/guest/module.h>):
 *	0x30 MODULE_PAGE	where requests are made
 *	0x31 MODULE_ANSWER	a request is answered
 *
 * Limits: one request at a time, 63 wait; a module has at most 64 MiB.
 */
#include "symmod.h"

enum { SYMMOD_MSR_FIRST = LICHEN_MSR_MODULE_PAGE, SYMMOD_MSRS = 0x10 };

static const struct lichen_param symmod_params[] = {
	LICHEN_PARAM(struct symmod, allow, .flags = LICHEN_PARAM_LIST, .max = 4096,
		     .help = "hashes of the modules that may be pushed; absent: any"),
	LICHEN_PARAM(struct symmod, timeout, .unit = LICHEN_UNIT_NS, .min = 1000000,
		     .max = 3600000000000, .fallback = 30000000000,
		     .help = "after which a request is given up"),
};

static const struct lichen_need symmod_needs[] = {
	{ LICHEN_STRUCT(struct lichen_need), .flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_SYMSPY,
	  .offset = offsetof(struct symmod, spy) },
};

static const struct lichen_field symmod_module_state[] = {
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_U8, .name = "name",
	  .offset = offsetof(struct symmod_module, name), .size = 1,
	  .count = LICHEN_MEMBER_SIZE(struct symmod_module, name), .since = 2 },
	LICHEN_FIELD(struct symmod_module, kind, .since = 2),
	LICHEN_FIELD_ARRAY(struct symmod_module, sha256, .since = 2),
	LICHEN_FIELD(struct symmod_module, size, .since = 2),
};

static const struct lichen_field symmod_state[] = {
	LICHEN_FIELD(struct symmod, page_at, .since = 1, .help = "MODULE_PAGE"),
	LICHEN_FIELD(struct symmod, last_serial, .since = 1),
	{ LICHEN_STRUCT(struct lichen_field), .type = LICHEN_NESTED, .name = "modules",
	  .offset = offsetof(struct symmod, modules), .size = sizeof(struct symmod_module),
	  .count = SYMMOD_LOADED, .since = 2, .fields = LICHEN_TABLE(symmod_module_state),
	  .help = "that the guest has taken" },
};

/* [vcpu or control, running or paused] */
static void symmod_agreed(void *self, uint64_t client, uint64_t features)
{
	struct symmod *s = self;

	(void)client;
	if (features & LICHEN_FEATURE_MODULE)
		return;
	symmod_forget(s, "the guest takes no modules any more");
	s->page_at = 0;
	s->page = (struct lichen_shared){ .dev = &s->dev };
	memset(s->modules, 0, sizeof(s->modules));
}

static lichen_status symmod_write(struct symmod *s, uint32_t msr, uint64_t value)
{
	struct lichen_shared page;
	lichen_status status;

	if (!(s->symbiotic->agreed(s->dev.in) & LICHEN_FEATURE_MODULE))
		return -LICHEN_EINVAL;
	if (msr == LICHEN_MSR_MODULE_ANSWER)
		return symmod_answer(s, value);
	if (msr != LICHEN_MSR_MODULE_PAGE)
		return -LICHEN_EINVAL;
	status = lichen_shared_at(&s->dev, value, 1, &page);
	if (status < 0)
		return status;
	symmod_forget(s, "the guest registered its page anew");
	s->page_at = value;
	s->page = page;
	symmod_announce(s);
	return 0;
}

/* [vcpu, running] */
static lichen_status symmod_msr_write(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				      uint64_t value)
{
	struct symmod *s = self;
	const lichen_status status = symmod_write(s, msr, value);

	(void)client, (void)vcpu;
	s->counts.bad_msr += status < 0;
	return status;
}

/* [vcpu, running] */
static lichen_status symmod_msr_read(void *self, uint64_t client, uint32_t vcpu, uint32_t msr,
				     uint64_t *value)
{
	const struct symmod *s = self;

	(void)client, (void)vcpu;
	if (msr != LICHEN_MSR_MODULE_PAGE)
		return -LICHEN_EINVAL;
	*value = s->page_at;
	return 0;
}

static const struct lichen_symbiotic_ops symmod_symbiotic = {
	LICHEN_STRUCT(struct lichen_symbiotic_ops),
	.agreed = symmod_agreed,
	.msr_read = symmod_msr_read,
	.msr_write = symmod_msr_write,
};

static const struct lichen_provide symmod_provides[] = {
	LICHEN_PROVIDE(LICHEN_SYMBIOTIC, symmod_symbiotic),
	LICHEN_PROVIDE(LICHEN_CONTROL, symmod_control),
	LICHEN_PROVIDE(LICHEN_SYMMOD, symmod_ops),
};

/* Each line a hash, with or without "sha256:". */
static lichen_status symmod_judge_allow(const struct symmod *s)
{
	const char *line = s->allow;

	while (line && *line) {
		const char *digits = strncmp(line, "sha256:", 7) == 0 ? line + 7 : line;
		const size_t size = strcspn(digits, "\n");

		if (size != 64 || strspn(digits, "0123456789abcdef") != 64) {
			s->dev.host->error(s->dev.in,
					   "allow: %.*s: not 64 hexadecimal digits in lower "
					   "case",
					   (int)strcspn(line, "\n"), line);
			return -LICHEN_EINVAL;
		}
		line = digits + size + (digits[size] == '\n');
	}
	return 0;
}

/* [control, created] */
static lichen_status symmod_realize(void *self)
{
	struct symmod *s = self;
	const struct lichen_host *host = s->dev.host;
	lichen_status status = symmod_judge_allow(s);

	s->module = host->interface(s->dev.in, LICHEN_MODULE_HOST);
	s->control = host->interface(s->dev.in, LICHEN_CONTROL_HOST);
	if (status == 0)
		status = host->timer_create(s->dev.in, LICHEN_CLOCK_HOST, 0, &s->tick);
	if (status == 0)
		status = lichen_symbiotic_begin(&s->dev, SYMMOD_MSR_FIRST, SYMMOD_MSRS,
						LICHEN_FEATURE_MODULE, &s->symbiotic);
	if (status == 0 && !s->module) {
		host->error(s->dev.in, "this host reads no modules");
		status = -LICHEN_ENODEV;
	}
	return status;
}

/* [control, running] */
static lichen_status symmod_pause(void *self)
{
	symmod_cancel(self, "cancelled by a pause");
	symmod_sweep(self);
	return 0;
}

/* [control, paused] kind: a guest that starts anew has registered nothing. */
static lichen_status symmod_reset(void *self, uint32_t kind)
{
	struct symmod *s = self;

	(void)kind;
	symmod_forget(s, "the guest was reset");
	symmod_agreed(s, 0, 0);
	symmod_sweep(s);
	return 0;
}

/* [control, running or paused] */
static lichen_status symmod_quiesce(void *self)
{
	symmod_cancel(self, "the plugin goes");
	symmod_sweep(self);
	return 0;
}

static void symmod_free(struct symmod_request *request)
{
	while (request) {
		struct symmod_request *next = request->next;

		free(request->bytes);
		free(request);
		request = next;
	}
}

/* [control, drained] What came after quiesce; the modules themselves are gone. */
static void symmod_destroy(void *self)
{
	struct symmod *s = self;

	symmod_free(s->done);
	symmod_free(s->requests);
}

/* A name as the loader gives them, or none. */
static int symmod_module_right(const struct symmod_module *module)
{
	const size_t length = strnlen(module->name, sizeof(module->name));

	for (size_t i = 0; i < length; i++)
		if (module->name[i] <= ' ' || module->name[i] > '~')
			return 0;
	return length < sizeof(module->name);
}

/* [control, realized or paused] */
static lichen_status symmod_post_load(void *self, uint32_t from)
{
	struct symmod *s = self;

	(void)from;
	if (lichen_shared_at(&s->dev, s->page_at, 1, &s->page) < 0) {
		s->dev.host->error(s->dev.in, "the page lies outside of guest memory");
		return -LICHEN_EBADMSG;
	}
	for (uint32_t i = 0; i < SYMMOD_LOADED; i++) {
		if (symmod_module_right(&s->modules[i]))
			continue;
		s->dev.host->error(s->dev.in, "modules[%u]: its name is none", i);
		return -LICHEN_EBADMSG;
	}
	return 0;
}

/* [control, running] */
static void symmod_timer(void *self, uint64_t cookie)
{
	(void)cookie;
	symmod_tick(self);
}

static const struct lichen_class symmod_class = {
	LICHEN_STRUCT(struct lichen_class),
	.summary = "gives the guest code while it runs",
	.instance_size = sizeof(struct symmod),
	.params = LICHEN_TABLE(symmod_params),
	.state = LICHEN_TABLE(symmod_state),
	.state_version = 2,
	.provides = LICHEN_TABLE(symmod_provides),
	.needs = LICHEN_TABLE(symmod_needs),
	.realize = symmod_realize,
	.pause = symmod_pause,
	.reset = symmod_reset,
	.quiesce = symmod_quiesce,
	.post_load = symmod_post_load,
	.destroy = symmod_destroy,
	.timer = symmod_timer,
	.client = symmod_client,
};

LICHEN_SYMBIOTIC_PLUGIN("symmod", "1.0", symmod_class);
