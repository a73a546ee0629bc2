/* SPDX-License-Identifier: MIT */
/* symcall against the test host: the guest, and what its vCPUs do, is this test. */
#include <errno.h>
#include <stdlib.h>

#include <lichen/draft/symcall.h>
#include <lichen/guest/call.h>

#include "tap.h"
#include "testhost.h"

enum { TABLE = 0x10000, REGISTRATION = 0x20000, PAGE = 0x21000, AREA = 0x30000, SLOTS = 2 };
enum { ECHO = 5, SLOW = 6, BOTH = 7, ENTRY = 0x7000, CLEANUP = 0x7100 };

static const uint64_t FEATURES = LICHEN_FEATURE_CALL | LICHEN_FEATURE_CALL_DEFERRED;
static struct lichen_vcpu_entry entry;
static const struct lichen_vcpu_context found = { LICHEN_STRUCT(struct lichen_vcpu_context),
						  .flags = LICHEN_VCPU_USER, .cr3 = 0x1800 };

static struct th *started(void)
{
	struct th *th = th_create("symcall");

	th_set_symbiotic(th);
	th_set_cpus(th, 2);
	CHECK_EQ(0, th_start(th));
	return th;
}

static void function(struct th *th, uint32_t index, const char *name, uint32_t number,
		     uint32_t flags, const char *schema)
{
	struct lichen_directory_entry *e = (void *)(th_ram(th) + TABLE + 64);

	e += index;
	*e = (struct lichen_directory_entry){ .number = number,
					      .flags = flags,
					      .schema = 1024 + 128 * index,
					      .schema_size = (uint32_t)strlen(schema) };
	strncpy(e->name, name, sizeof(e->name) - 1);
	memcpy(th_ram(th) + TABLE + e->schema, schema, strlen(schema));
	((struct lichen_directory *)(void *)(th_ram(th) + TABLE))->count = index + 1;
}

static struct lichen_call_vcpu *registration(struct th *th)
{
	struct lichen_call_vcpu *r = (void *)(th_ram(th) + REGISTRATION);

	*r = (struct lichen_call_vcpu){ .struct_size = sizeof(*r),
					.entry = ENTRY,
					.cleanup = CLEANUP,
					.stack = 0x9000,
					.gs_base = 0xffff888000000000,
					.page = PAGE,
					.cs = 0x10,
					.ss = 0x18,
					.cr3_rule = LICHEN_CALL_CR3_CLEAR,
					.cr3_test = 0x1000,
					.cr3_clear = 0x1800 };
	return r;
}

static void guest_registers(struct th *th)
{
	CHECK_EQ(0, th_agree(th, FEATURES));
	*(struct lichen_directory *)(void *)(th_ram(th) + TABLE) =
		(struct lichen_directory){ .magic = LICHEN_DIRECTORY_CALL,
					   .version = 1,
					   .size = LICHEN_GUEST_PAGE,
					   .entries = 64 };
	function(th, 0, LICHEN_CALL_ECHO, ECHO, LICHEN_CALL_DIRECT,
		 "a:u32 b:x64 | text:text -> a:u32 b:x64 | text:text");
	function(th, 1, "test.slow", SLOW, LICHEN_CALL_DEFERRED, "n:u32 -> n:u32");
	function(th, 2, "test.both", BOTH, LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED,
		 "-> n:u32");
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_TABLE, LICHEN_AT(TABLE, 1)));
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_AREA, LICHEN_AT(AREA, SLOTS)));
	(void)registration(th);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_VCPU, REGISTRATION | 1));
	(void)th_causes(th);
}

static struct lichen_call_slot *slot(struct th *th, uint32_t index)
{
	return (struct lichen_call_slot *)(void *)(th_ram(th) + AREA) + index;
}

static uint64_t call(struct th *th, const char *parameters)
{
	return th_call(th, "symcall.call", parameters, NULL, 0);
}

/* The guest on vCPU 0 ends the call with `status` and gives its arguments back. */
static void guest_returns(struct th *th, int32_t status)
{
	struct lichen_vcpu_context after = { LICHEN_STRUCT(struct lichen_vcpu_context) };

	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_DONE,
				 entry.gpr[LICHEN_RAX] << 32 | (uint32_t)status));
	CHECK(th_vcpu_ended(th, 0));
	after.gpr[LICHEN_RDI] = entry.gpr[LICHEN_RSI];
	after.gpr[LICHEN_RSI] = entry.gpr[LICHEN_RDX];
	after.gpr[LICHEN_R8] = entry.gpr[LICHEN_R8 + 1];
	th_vcpu_leave(th, 0, 0, &after);
}

static void guest_answers(struct th *th, uint32_t index, int32_t status)
{
	struct lichen_call_slot *s = slot(th, index);

	CHECK_EQ(LICHEN_CALL_ASKED, s->state);
	s->status = status;
	s->results[0] = s->arguments[0] + 1;
	s->size = 0;
	s->state = LICHEN_CALL_ANSWERED;
	CHECK_EQ(0, th_msr_write(th, 1, LICHEN_MSR_CALL_ANSWER, s->serial));
}

/* The answer's text has `part` in it; its status is `status`. */
static void answered(struct th *th, uint64_t token, lichen_status want, const char *part)
{
	lichen_status status;
	char *text;

	CHECK(th_answered(th, token, &status, &text));
	if (status != want || !strstr(text, part))
		tap_fail("want %d with %s, got %d: %s", want, part, status, text);
	free(text);
}

static void waits(struct th *th, uint64_t token)
{
	lichen_status status;
	char *text;

	CHECK(!th_answered(th, token, &status, &text));
}

static void info_says(struct th *th, const char *part)
{
	answered(th, th_call(th, "symcall.info", "{}", NULL, 0), 0, part);
}

TEST(a_direct_call_carries_arguments_and_results)
{
	struct th *th = started();
	uint64_t token;

	guest_registers(th);
	token = call(th, "{\"function\": \"lichen.echo\", \"vcpu\": 0, \"arguments\": "
			 "{\"a\": 7, \"b\": \"0x10\", \"text\": \"hello\"}}");
	waits(th, token);
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	CHECK_EQ(ENTRY, entry.rip);
	CHECK_EQ(0x9000, entry.gpr[LICHEN_RSP]);
	CHECK_EQ(ECHO, entry.gpr[LICHEN_RDI]);
	CHECK_EQ(7, entry.gpr[LICHEN_RSI]);
	CHECK_EQ(0x10, entry.gpr[LICHEN_RDX]);
	CHECK_EQ(5, entry.gpr[LICHEN_R8 + 1]);
	CHECK_EQ(0, entry.cr3); /* 0x1800 less the bits of the user's page tables */
	CHECK_EQ(0, memcmp("hello", th_ram(th) + PAGE, 5));
	guest_returns(th, 0);
	answered(th, token, 0, "\"results\":{\"a\":7,\"b\":\"0x10\",\"text\":\"hello\"}");
	info_says(th, "\"user\":\"0x1\"");
	info_says(th, "\"user_cr3\":\"0x1\"");
	th_destroy(th);
}

TEST(calls_of_one_vcpu_wait_for_each_other)
{
	struct th *th = started();
	uint64_t first, second;

	guest_registers(th);
	first = call(th, "{\"function\": \"lichen.echo\"}");
	second = call(th, "{\"function\": \"lichen.echo\"}");
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, -5);
	answered(th, first, 0, "\"status\":-5");
	waits(th, second);
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, 0);
	answered(th, second, 0, "\"status\":0");
	th_destroy(th);
}

TEST(a_call_past_its_deadline_costs_the_channel_and_is_cleaned_up_after)
{
	struct th *th = started();
	uint64_t token, ready;

	guest_registers(th);
	token = call(th, "{\"function\": \"lichen.echo\"}");
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	th_vcpu_leave(th, 0, -LICHEN_ETIMEDOUT, NULL);
	waits(th, token);
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	CHECK_EQ(CLEANUP, entry.rip);
	CHECK_EQ(ECHO, entry.gpr[LICHEN_RDI]);
	guest_returns(th, 0);
	answered(th, token, -LICHEN_ETIMEDOUT, "in time");
	answered(th, call(th, "{\"function\": \"lichen.echo\"}"), -LICHEN_ENODEV, "dead");
	CHECK_EQ(0, th_msr_read(th, 0, LICHEN_MSR_CALL_VCPU, &ready));
	CHECK_EQ(0, ready);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_VCPU, REGISTRATION | 1));
	token = call(th, "{\"function\": \"lichen.echo\"}");
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, 0);
	answered(th, token, 0, "\"status\":0");
	th_destroy(th);
}

TEST(replies_to_calls_never_made_get_gp)
{
	struct th *th = started();
	uint64_t token;

	guest_registers(th);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, 0) < 0);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, UINT64_MAX) < 0);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_ANSWER, 0) < 0);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_ANSWER, 1) < 0);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_ANSWER, UINT64_MAX) < 0);
	token = call(th, "{\"function\": \"lichen.echo\"}");
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, UINT64_C(1) << 32) < 0);
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	/* the wrong vCPU, the wrong serial, twice */
	CHECK(th_msr_write(th, 1, LICHEN_MSR_CALL_DONE, entry.gpr[LICHEN_RAX] << 32) < 0);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, (entry.gpr[LICHEN_RAX] + 1) << 32) < 0);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, entry.gpr[LICHEN_RAX] << 32));
	CHECK(th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, entry.gpr[LICHEN_RAX] << 32) < 0);
	th_vcpu_leave(th, 0, 0, &found);
	answered(th, token, 0, "\"status\":0");
	info_says(th, "\"refused\":\"0x9\"");
	th_destroy(th);
}

TEST(an_answer_that_lies_about_its_size_is_an_error)
{
	struct lichen_vcpu_context after = { LICHEN_STRUCT(struct lichen_vcpu_context) };
	struct th *th = started();
	uint64_t token;

	guest_registers(th);
	token = call(th, "{\"function\": \"lichen.echo\"}");
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_DONE, entry.gpr[LICHEN_RAX] << 32));
	after.gpr[LICHEN_R8] = LICHEN_GUEST_PAGE + 1;
	th_vcpu_leave(th, 0, 0, &after);
	answered(th, token, -LICHEN_EBADMSG, "malformed");
	th_destroy(th);
}

TEST(registrations_are_judged_value_by_value)
{
	static const struct {
		uint32_t offset, size;
		uint64_t value;
	} bad[] = {
#define BAD(member, value)                           \
	{ offsetof(struct lichen_call_vcpu, member), \
	  sizeof(((struct lichen_call_vcpu *)0)->member), value }
		BAD(struct_size, 0),
		BAD(struct_size, 4096),
		BAD(flags, 1),
		BAD(entry, 0),
		BAD(entry, UINT64_C(1) << 47),
		BAD(entry, 0xfffe800000000000),
		BAD(cleanup, UINT64_C(1) << 63),
		BAD(stack, 0x9008),
		BAD(stack, UINT64_C(1) << 48),
		BAD(gs_base, UINT64_C(1) << 50),
		BAD(page, 0x21001),
		BAD(page, UINT64_C(1) << 51),
		BAD(page, UINT64_MAX & ~UINT64_C(0xfff)),
		BAD(cs, 0),
		BAD(cs, 0x13),
		BAD(cs, 0x14),
		BAD(cs, 0x10000),
		BAD(ss, 3),
		BAD(cr3_rule, 3),
		BAD(_pad, 1),
#undef BAD
	};
	struct th *th = started();
	uint64_t ready;

	guest_registers(th);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lichen_call_vcpu *r = registration(th);

		memcpy((uint8_t *)r + bad[i].offset, &bad[i].value, bad[i].size);
		if (th_msr_write(th, 1, LICHEN_MSR_CALL_VCPU, REGISTRATION | 1) >= 0)
			tap_fail("bad[%zu] was taken", i);
	}
	(void)registration(th);
	CHECK(th_msr_write(th, 1, LICHEN_MSR_CALL_VCPU, REGISTRATION) < 0);
	CHECK(th_msr_write(th, 1, LICHEN_MSR_CALL_VCPU, REGISTRATION | 3) < 0);
	CHECK(th_msr_write(th, 1, LICHEN_MSR_CALL_VCPU, (REGISTRATION + 0xff0) | 1) < 0);
	CHECK(th_msr_write(th, 1, LICHEN_MSR_CALL_VCPU, 0xfffffffffffff001) < 0);
	CHECK_EQ(0, th_msr_read(th, 1, LICHEN_MSR_CALL_VCPU, &ready));
	CHECK_EQ(0, ready);
	th_destroy(th);
}

TEST(a_deferred_call_goes_through_a_slot)
{
	struct th *th = started();
	uint64_t token;

	guest_registers(th);
	token = call(th, "{\"function\": \"test.slow\", \"arguments\": [41]}");
	CHECK_EQ(LICHEN_CAUSE_CALLS, th_causes(th));
	CHECK_EQ(SLOW, slot(th, 0)->function);
	guest_answers(th, 0, 0);
	CHECK_EQ(LICHEN_CALL_FREE, slot(th, 0)->state);
	answered(th, token, 0, "\"how\":\"deferred\",\"vcpu\":null,\"status\":0");
	th_destroy(th);
}

TEST(deferred_calls_wait_for_a_slot_and_late_answers_free_it)
{
	struct th *th = started();
	uint64_t tokens[3];

	guest_registers(th);
	for (uint32_t i = 0; i < 3; i++)
		tokens[i] = call(th, "{\"function\": \"test.slow\", \"deadline_ns\": 1000000}");
	th_advance(th, 2000000);
	for (uint32_t i = 0; i < 3; i++)
		answered(th, tokens[i], -LICHEN_ETIMEDOUT, "in time");
	tokens[0] = call(th, "{\"function\": \"test.slow\"}");
	waits(th, tokens[0]);
	guest_answers(th, 1, 0); /* of a call that nobody waits for: the slot is free again */
	guest_answers(th, 1, 0);
	answered(th, tokens[0], 0, "\"status\":0");
	info_says(th, "\"late\":\"0x1\"");
	th_destroy(th);
}

TEST(a_lying_slot_is_an_error)
{
	struct th *th = started();
	uint64_t token;

	guest_registers(th);
	token = call(th, "{\"function\": \"test.slow\"}");
	slot(th, 0)->size = LICHEN_CALL_DATA + 1;
	slot(th, 0)->state = LICHEN_CALL_ANSWERED;
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_ANSWER, slot(th, 0)->serial));
	answered(th, token, -LICHEN_EBADMSG, "malformed");
	token = call(th, "{\"function\": \"test.slow\"}");
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_CALL_ANSWER, slot(th, 0)->serial));
	answered(th, token, -LICHEN_EBADMSG, "malformed");
	th_destroy(th);
}

TEST(a_slot_that_the_guest_still_has_is_not_used_after_a_restore)
{
	struct th *th = started(), *other = started();
	uint64_t tokens[2];
	uint32_t size;
	uint8_t *state;

	guest_registers(th);
	tokens[0] = call(th, "{\"function\": \"test.slow\"}");
	CHECK_EQ(0, th_save(th, &state, &size));
	answered(th, tokens[0], -LICHEN_ECANCELED, "cancelled");
	CHECK_EQ(0, th_agree(other, FEATURES));
	memcpy(th_ram(other), th_ram(th), AREA + SLOTS * sizeof(struct lichen_call_slot));
	CHECK_EQ(0, th_restore(other, state, size));
	free(state);
	tokens[1] = call(other, "{\"function\": \"test.slow\"}");
	guest_answers(other, 0, 0); /* to the first, which nobody waits for */
	waits(other, tokens[1]);
	guest_answers(other, 1, 0);
	answered(other, tokens[1], 0, "\"status\":0");
	info_says(other, "\"late\":\"0x1\"");
	th_destroy(th);
	th_destroy(other);
}

TEST(what_cannot_be_direct_now_is_deferred)
{
	struct th *th = started();
	uint64_t token;

	guest_registers(th);
	token = call(th, "{\"function\": \"test.both\"}");
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, -EAGAIN);
	waits(th, token);
	guest_answers(th, 0, 0);
	answered(th, token, 0, "\"how\":\"deferred\"");
	token = call(th, "{\"function\": \"test.both\", \"mode\": \"direct\"}");
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, -EAGAIN);
	answered(th, token, 0, "\"status\":-11");
	th_destroy(th);
}

TEST(what_is_asked_wrongly_is_refused_in_one_sentence)
{
	static const struct {
		const char *parameters, *part;
		lichen_status status;
	} bad[] = {
		{ "[]", "not an object", -LICHEN_EINVAL },
		{ "{}", "function: missing", -LICHEN_EINVAL },
		{ "{\"function\": \"x\"}", "no such function", -LICHEN_ENOENT },
		{ "{\"function\": \"lichen.echo\", \"mode\": \"deferred\"}", "not in this mode",
		  -LICHEN_ENOENT },
		{ "{\"function\": \"lichen.echo\", \"mode\": \"fast\"}", "mode",
		  -LICHEN_EINVAL },
		{ "{\"function\": \"lichen.echo\", \"vcpu\": 2}", "the VM's 2",
		  -LICHEN_ERANGE },
		{ "{\"function\": \"lichen.echo\", \"vcpu\": -1}", "the VM's 2",
		  -LICHEN_ERANGE },
		{ "{\"function\": \"lichen.echo\", \"vcpu\": 1}", "registered",
		  -LICHEN_ENODEV },
		{ "{\"function\": \"lichen.echo\", \"arguments\": [1, 2, \"x\", 4]}",
		  "it takes 3", -LICHEN_EINVAL },
		{ "{\"function\": \"test.slow\", \"vcpu\": 0}", "only deferred",
		  -LICHEN_EINVAL },
		{ "{\"function\": \"lichen.echo\", \"deadline_ns\": 60000000001}",
		  "more than the 1min of a direct call", -LICHEN_ERANGE },
		{ "{\"function\": \"test.slow\", \"deadline_ns\": \"0x34630b8a001\"}",
		  "more than the 60min of a deferred call", -LICHEN_ERANGE },
	};
	struct th *th = started();

	answered(th, call(th, "{\"function\": \"lichen.echo\"}"), -LICHEN_ENODEV,
		 "no symbiotic side");
	guest_registers(th);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		answered(th, call(th, bad[i].parameters), bad[i].status, bad[i].part);
	info_says(th, "\"under_way\":0");
	th_destroy(th);
}

TEST(a_reset_ends_calls_and_forgets)
{
	struct th *th = started();
	uint64_t deferred;

	guest_registers(th);
	deferred = call(th, "{\"function\": \"test.slow\"}");
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	answered(th, deferred, -LICHEN_ECANCELED, "cancelled");
	answered(th, call(th, "{\"function\": \"test.slow\"}"), -LICHEN_ENODEV, "offers no");
	th_destroy(th);
}

TEST(another_plugin_calls_through_the_interface)
{
	struct th *th = started();
	const struct lichen_symcall_ops *ops = th_interface(th, LICHEN_SYMCALL);
	const struct lichen_symcall asked = { LICHEN_STRUCT(struct lichen_symcall),
					      .vcpu = LICHEN_SYMCALL_ANY,
					      .size = 3,
					      .data = "abc",
					      .arguments = { 3 },
					      .function = LICHEN_CALL_ECHO,
					      .token = 77 };
	struct lichen_symcall_done done;
	struct th_posted posted;

	guest_registers(th);
	CHECK_EQ(0, ops->call(th_self(th), TH_CLIENT, &asked));
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, 0);
	CHECK(th_posted(th, &posted));
	CHECK_EQ(LICHEN_SYMCALL_DONE, posted.event);
	memcpy(&done, posted.data, sizeof(done));
	CHECK_EQ(77, done.token);
	CHECK_EQ(0, done.status);
	CHECK_EQ(3, done.results[0]);
	CHECK_EQ(3, done.size);
	CHECK_EQ(0, memcmp("abc", posted.data + sizeof(done), 3));
	th_destroy(th);
}

TEST(a_plugin_that_goes_hears_of_its_calls_no_more)
{
	struct th *th = started();
	const struct lichen_symcall_ops *ops = th_interface(th, LICHEN_SYMCALL);
	const struct lichen_symcall asked = { LICHEN_STRUCT(struct lichen_symcall),
					      .vcpu = LICHEN_SYMCALL_ANY,
					      .function = LICHEN_CALL_ECHO };
	struct th_posted posted;

	guest_registers(th);
	CHECK_EQ(0, ops->call(th_self(th), TH_CLIENT, &asked));
	CHECK_EQ(0, ops->call(th_self(th), TH_CLIENT, &asked)); /* waits for its turn */
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	th_class(th)->client(th_self(th), LICHEN_SYMCALL, TH_CLIENT, 0);
	guest_returns(th, 0);
	CHECK_EQ(0, th_vcpu_enter(th, 0, &found, &entry));
	guest_returns(th, 0);
	CHECK_EQ(0, th_posted(th, &posted));
	th_destroy(th);
}

TEST(registrations_are_saved_and_judged_when_restored)
{
	struct th *th = started(), *other = started();
	uint64_t token;
	uint32_t size;
	uint8_t *state;

	guest_registers(th);
	CHECK_EQ(0, th_save(th, &state, &size));
	CHECK_EQ(0, th_agree(other, FEATURES));
	memcpy(th_ram(other) + TABLE, th_ram(th) + TABLE, LICHEN_GUEST_PAGE);
	CHECK_EQ(0, th_restore(other, state, size));
	free(state);
	token = call(other, "{\"function\": \"lichen.echo\", \"arguments\": [1]}");
	CHECK_EQ(0, th_vcpu_enter(other, 0, &found, &entry));
	CHECK_EQ(ENTRY, entry.rip);
	guest_returns(other, 0);
	answered(other, token, 0, "\"a\":1");
	th_destroy(th);
	th_destroy(other);
}
