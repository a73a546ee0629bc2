/* SPDX-License-Identifier: MIT */
/* symmod against the test host: the guest is this test. */
#include <stdlib.h>
#include <sys/mman.h>

#include <lichen/draft/symmod.h>
#include <lichen/draft/symspy.h>
#include <lichen/guest/module.h>

#include "tap.h"
#include "testhost.h"

enum { PAGE = 0x10000, LIST = 0x20000, LIST2 = 0x21000, ROOM = 0x100000, NAP = 1000000 };

static struct lichen_module_page *page(struct th *th)
{
	return (struct lichen_module_page *)(void *)(th_ram(th) + PAGE);
}

static struct th *started(const char *allow)
{
	struct th *th = th_create("symmod");

	th_set_symbiotic(th);
	if (allow)
		th_set_text(th, "allow", allow);
	return th;
}

static void guest_registers(struct th *th, uint32_t kinds, uint32_t policy)
{
	CHECK_EQ(0, th_agree(th, LICHEN_FEATURE_MODULE));
	page(th)->kinds = kinds;
	page(th)->policy = policy;
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_MODULE_PAGE, LICHEN_AT(PAGE, 1)));
	(void)th_causes(th);
}

static struct th *ready(void)
{
	struct th *th = started(NULL);

	CHECK_EQ(0, th_start(th));
	guest_registers(th, LICHEN_MODULE_LINUX, LICHEN_MODULE_ANY);
	return th;
}

/* A file that starts with `head` and has `size` bytes, all 'x' behind it. */
static int file(const char *head, uint32_t size)
{
	const int descriptor = memfd_create("module", MFD_CLOEXEC);
	char bytes[4096];

	memset(bytes, 'x', sizeof(bytes));
	for (uint32_t at = 0; at < size; at += sizeof(bytes))
		CHECK(pwrite(descriptor, bytes,
			     size - at < sizeof(bytes) ? size - at : sizeof(bytes), at) > 0);
	CHECK_EQ(strlen(head), pwrite(descriptor, head, strlen(head), 0));
	return descriptor;
}

static uint64_t push(struct th *th, const char *parameters, const char *head, uint32_t size)
{
	const int32_t descriptor = file(head, size);
	const uint64_t token = th_call(th, "symmod.push", parameters, &descriptor, 1);

	close(descriptor);
	return token;
}

static void answered(struct th *th, uint64_t token, lichen_status want, const char *part)
{
	lichen_status status;
	char *text;

	CHECK(th_answered(th, token, &status, &text));
	if (status != want || !strstr(text, part))
		tap_fail("want %d with %s, got %d: %s", want, part, status, text);
	free(text);
}

static lichen_status says(struct th *th, uint32_t state, int32_t status, const char *text)
{
	struct lichen_module_page *p = page(th);

	p->status = status;
	p->text_size = (uint32_t)strlen(text);
	memcpy(p->text, text, strlen(text));
	p->state = state;
	return th_msr_write(th, 0, LICHEN_MSR_MODULE_ANSWER, p->serial);
}

/* Pages for the bytes, the last of two lists after the first is full. */
static void gives_memory(struct th *th)
{
	struct lichen_module_list *lists[2] = { (void *)(th_ram(th) + LIST),
						(void *)(th_ram(th) + LIST2) };

	for (uint32_t i = 0; i < 600; i++)
		lists[i / 511]->pages[i % 511] = ROOM + (uint64_t)(599 - i) * LICHEN_GUEST_PAGE;
	lists[0]->next = LIST2;
	lists[1]->next = 0;
	page(th)->list = LIST;
}

TEST(a_linux_module_goes_in_and_out)
{
	struct th *th = ready();
	uint64_t token = push(th, "{\"parameters\": \"a=1\"}", "linux good\n", 5000);

	CHECK_EQ(LICHEN_CAUSE_MODULE, th_causes(th));
	CHECK_EQ(LICHEN_MODULE_ASKED, page(th)->state);
	CHECK_EQ(LICHEN_MODULE_OFFER, page(th)->request);
	CHECK_EQ(5000, page(th)->size);
	CHECK_EQ(0, strcmp("good", page(th)->name));
	CHECK_EQ(0, strcmp("a=1", page(th)->parameters));
	gives_memory(th);
	CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
	th_advance(th, NAP);
	CHECK_EQ(LICHEN_MODULE_COPIED, page(th)->state);
	CHECK_EQ(0, memcmp("linux good\nxxx", th_ram(th) + ROOM + 599 * LICHEN_GUEST_PAGE, 14));
	CHECK_EQ('x', th_ram(th)[ROOM + 598 * LICHEN_GUEST_PAGE + 903]);
	CHECK_EQ(0, th_ram(th)[ROOM + 598 * LICHEN_GUEST_PAGE + 904]);
	CHECK_EQ(0, says(th, LICHEN_MODULE_LOADED, 0, ""));
	answered(th, token, 0, "good");
	answered(th, th_call(th, "symmod.list", "{}", NULL, 0), 0, "\"name\":\"good\"");
	token = th_call(th, "symmod.drop", "{\"name\": \"good\"}", NULL, 0);
	CHECK_EQ(LICHEN_MODULE_DROP, page(th)->request);
	CHECK_EQ(0, says(th, LICHEN_MODULE_DROPPED, 0, ""));
	answered(th, token, 0, "good");
	answered(th, th_call(th, "symmod.list", "{}", NULL, 0), 0, "[]");
	th_destroy(th);
}

TEST(the_guests_own_words_come_back_on_one_line)
{
	struct th *th = ready();
	uint64_t token = push(th, "{}", "linux bad\n", 100);

	gives_memory(th);
	CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
	th_advance(th, NAP);
	CHECK_EQ(0, says(th, LICHEN_MODULE_FAILED, -2, "bad: Unknown\nsymbol\x1b[m frob"));
	answered(th, token, -LICHEN_EINVAL,
		 "bad: the guest fails: bad: Unknown symbol [m frob "
		 "(-2)");
	token = push(th, "{}", "linux bad\n", 100);
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, ""));
	answered(th, token, -LICHEN_EPERM, "the guest refuses: it says nothing (-1)");
	th_destroy(th);
}

TEST(a_hash_that_the_profile_does_not_allow_goes_nowhere)
{
	char allow[80];
	struct th *th;

	(void)snprintf(allow, sizeof(allow), "sha256:%064d\n", 0);
	for (uint32_t i = 0; i < 32; i++) /* the test host's hash of modules named g... */
		memcpy(allow + 7 + 2 * i, "67", 2);
	th = started(allow);
	CHECK_EQ(0, th_start(th));
	guest_registers(th, LICHEN_MODULE_LINUX, LICHEN_MODULE_ANY);
	answered(th, push(th, "{}", "linux bad\n", 100), -LICHEN_EPERM, "profile allows");
	CHECK_EQ(0, page(th)->state);
	answered(th, th_call(th, "symmod.info", "{}", NULL, 0), 0, "\"refused_here\":\"0x1\"");
	(void)push(th, "{}", "linux good\n", 100);
	CHECK_EQ(LICHEN_MODULE_ASKED, page(th)->state);
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, "no"));
	th_destroy(th);
}

TEST(a_malformed_allow_list_is_refused)
{
	struct th *th = started("sha256:123\n");

	CHECK_EQ(-LICHEN_EINVAL, th_start(th));
	CHECK(strstr(th_error(th), "sha256:123"));
	th_destroy(th);
}

TEST(what_cannot_be_pushed_is_said_at_once)
{
	struct th *th = started(NULL);

	CHECK_EQ(0, th_start(th));
	answered(th, push(th, "{}", "linux good\n", 100), -LICHEN_EBUSY, "no symbiotic side");
	guest_registers(th, LICHEN_MODULE_LINUX, LICHEN_MODULE_OFF);
	answered(th, push(th, "{}", "linux good\n", 100), -LICHEN_EBUSY, "policy");
	page(th)->policy = LICHEN_MODULE_ANY;
	answered(th, push(th, "{}", "object good\n", 100), -LICHEN_EPERM, "plain objects");
	answered(th, push(th, "{}", "what\n", 5), -LICHEN_ENOEXEC, "not a module");
	answered(th, th_call(th, "symmod.push", "{}", NULL, 0), -LICHEN_EINVAL, "descriptors");
	answered(th, th_call(th, "symmod.drop", "{\"name\": \"x\"}", NULL, 0), -LICHEN_ENOENT,
		 "no module");
	th_destroy(th);
}

TEST(a_guest_that_does_not_answer_is_given_up)
{
	struct th *th = ready();
	const uint64_t token = push(th, "{}", "linux good\n", 100);
	const uint64_t second = push(th, "{}", "linux next\n", 100);

	th_advance(th, UINT64_C(31000000000));
	answered(th, token, -LICHEN_ETIMEDOUT, "in time");
	CHECK_EQ(LICHEN_MODULE_ASKED, page(th)->state);
	CHECK_EQ(0, strcmp("next", page(th)->name));
	/* of the first: nobody waits for that any more */
	CHECK(th_msr_write(th, 0, LICHEN_MSR_MODULE_ANSWER, page(th)->serial - 1) < 0);
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, ""));
	answered(th, second, -LICHEN_EPERM, "next");
	th_destroy(th);
}

TEST(memory_that_is_none_is_an_error)
{
	static const uint64_t bad[] = { 0xfffffffffffff000, LIST + 8, TH_RAM_SIZE };
	struct th *th = ready();

	for (size_t i = 0; i < 2 * sizeof(bad) / sizeof(bad[0]); i++) {
		const uint64_t token = push(th, "{}", "linux good\n", 600 * 4096);

		gives_memory(th);
		if (i % 2)
			page(th)->list = bad[i / 2];
		else
			((struct lichen_module_list *)(void *)(th_ram(th) + LIST2))->pages[88] =
				bad[i / 2];
		CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
		th_advance(th, NAP);
		answered(th, token, -LICHEN_EBADMSG, "is none");
		CHECK_EQ(LICHEN_MODULE_CANCELLED, page(th)->state);
	}
	th_destroy(th);
}

TEST(lists_in_a_circle_end_with_the_bytes)
{
	struct th *th = ready();
	const uint64_t token = push(th, "{}", "linux good\n", 1000 * 1000);

	gives_memory(th);
	((struct lichen_module_list *)(void *)(th_ram(th) + LIST))->next = LIST;
	CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
	th_advance(th, NAP);
	CHECK_EQ(LICHEN_MODULE_COPIED, page(th)->state);
	CHECK_EQ(0, says(th, LICHEN_MODULE_LOADED, 0, ""));
	answered(th, token, 0, "good");
	th_destroy(th);
}

TEST(answers_out_of_turn_are_errors)
{
	static const uint32_t bad[] = { LICHEN_MODULE_IDLE, LICHEN_MODULE_COPIED,
					LICHEN_MODULE_LOADED, LICHEN_MODULE_DROPPED, 99 };
	struct th *th = ready();

	CHECK(th_msr_write(th, 0, LICHEN_MSR_MODULE_ANSWER, 0) < 0);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_MODULE_ANSWER, 1) < 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const uint64_t token = push(th, "{}", "linux good\n", 100);

		CHECK_EQ(0, says(th, bad[i], 0, ""));
		answered(th, token, -LICHEN_EBADMSG, "malformed");
	}
	th_destroy(th);
}

static lichen_status spy_read(void *self, uint64_t client, uint32_t vcpu, const char *name,
			      void *to, uint32_t room, uint32_t *size)
{
	const struct lichen_spy_symbol symbols[3] = { { .name = "print", .address = 0x1234 } };

	(void)self, (void)client, (void)vcpu;
	CHECK_EQ(0, strcmp(LICHEN_SPY_SYMBOLS, name));
	CHECK(room >= sizeof(symbols));
	memcpy(to, symbols, sizeof(symbols));
	*size = sizeof(symbols);
	return 0;
}

TEST(an_object_is_linked_against_the_guests_symbols)
{
	static const struct lichen_symspy_ops spy = { LICHEN_STRUCT(struct lichen_symspy_ops),
						      .read = spy_read };
	struct th *th = started(NULL);
	uint64_t token;

	th_provide(th, LICHEN_SYMSPY, &spy, NULL);
	CHECK_EQ(0, th_start(th));
	guest_registers(th, LICHEN_MODULE_OBJECT, LICHEN_MODULE_ANY);
	token = push(th, "{\"name\": \"mine\"}", "object x\n", 100);
	gives_memory(th);
	page(th)->address = 0x7000;
	CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
	th_advance(th, NAP);
	CHECK_EQ(LICHEN_MODULE_COPIED, page(th)->state);
	CHECK_EQ(0x7003, page(th)->entry);
	CHECK_EQ(0, says(th, LICHEN_MODULE_LOADED, 0, ""));
	answered(th, token, 0, "mine");
	th_destroy(th);
}

TEST(what_was_pushed_is_listed_and_dropped_after_a_restore)
{
	struct th *th = ready(), *other = ready();
	uint64_t token = push(th, "{}", "linux good\n", 100);
	uint32_t size, at = 0;
	uint8_t *state;

	gives_memory(th);
	CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
	th_advance(th, NAP);
	CHECK_EQ(0, says(th, LICHEN_MODULE_LOADED, 0, ""));
	answered(th, token, 0, "good");
	CHECK_EQ(0, th_save(th, &state, &size));
	CHECK_EQ(0, th_restore(other, state, size));
	answered(other, th_call(other, "symmod.list", "{}", NULL, 0), 0, "\"name\":\"good\"");
	token = th_call(other, "symmod.drop", "{\"name\": \"good\"}", NULL, 0);
	CHECK_EQ(0, says(other, LICHEN_MODULE_DROPPED, 0, ""));
	answered(other, token, 0, "good");
	while (at + 4 < size && memcmp(state + at, "good", 4) != 0)
		at++;
	state[at] = 1;
	CHECK_EQ(-LICHEN_EBADMSG, th_restore(other, state, size));
	free(state);
	th_destroy(th);
	th_destroy(other);
}

TEST(a_reset_forgets_and_ends_what_waits)
{
	struct th *th = ready();
	const uint64_t token = push(th, "{}", "linux good\n", 100);

	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	answered(th, token, -LICHEN_ECANCELED, "good");
	answered(th, push(th, "{}", "linux good\n", 100), -LICHEN_EBUSY, "takes no modules");
	th_destroy(th);
}

/* --- other plugins --- */

static const struct lichen_symmod_ops *ops(struct th *th)
{
	return th_interface(th, LICHEN_SYMMOD);
}

static lichen_status client_pushes(struct th *th, const char *file_text, const char *name,
				   uint64_t token)
{
	const struct lichen_symmod_push push = { LICHEN_STRUCT(struct lichen_symmod_push),
						 .bytes = file_text,
						 .size = strlen(file_text),
						 .name = name,
						 .parameters = "a=1",
						 .token = token };

	return ops(th)->push(th_self(th), TH_CLIENT, &push);
}

static void told(struct th *th, uint64_t token, lichen_status status, int32_t answer,
		 const char *part)
{
	struct th_posted posted = { 0 };
	struct lichen_symmod_done done;
	char text[2000] = "";

	CHECK(th_posted(th, &posted));
	CHECK_EQ(LICHEN_SYMMOD_DONE, posted.event);
	memcpy(&done, posted.data, sizeof(done));
	CHECK_EQ(sizeof(done) + done.size, posted.size);
	CHECK_EQ(token, done.token);
	CHECK_EQ(status, done.status);
	CHECK_EQ(answer, done.answer);
	memcpy(text, posted.data + sizeof(done), done.size);
	if (!strstr(text, part))
		tap_fail("want %s, got %s", part, text);
}

static void told_that_it_takes(struct th *th, uint32_t kinds)
{
	struct th_posted posted = { 0 };
	struct lichen_symmod_takes takes;

	CHECK(th_posted(th, &posted));
	CHECK_EQ(LICHEN_SYMMOD_TAKES, posted.event);
	CHECK_EQ(sizeof(takes), posted.size);
	memcpy(&takes, posted.data, sizeof(takes));
	CHECK_EQ(kinds, takes.kinds);
}

static void nothing_more(struct th *th)
{
	struct th_posted posted;

	CHECK_EQ(0, th_posted(th, &posted));
}

/* Ready, and the client has heard of it. */
static struct th *ready_for_client(void)
{
	struct th *th = ready();

	told_that_it_takes(th, LICHEN_MODULE_LINUX);
	return th;
}

static void takes_it(struct th *th)
{
	th_advance(th, NAP);
	CHECK_EQ(LICHEN_MODULE_ASKED, page(th)->state);
	gives_memory(th);
	CHECK_EQ(0, says(th, LICHEN_MODULE_ACCEPTED, 0, ""));
	th_advance(th, NAP);
	CHECK_EQ(LICHEN_MODULE_COPIED, page(th)->state);
}

TEST(another_plugin_pushes_and_drops)
{
	struct th *th = ready_for_client();

	CHECK_EQ(LICHEN_MODULE_LINUX, ops(th)->takes(th_self(th), TH_CLIENT));
	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 7));
	takes_it(th);
	CHECK_EQ(0, strcmp("a=1", page(th)->parameters));
	CHECK_EQ(0, memcmp("linux good\n", th_ram(th) + ROOM + 599 * LICHEN_GUEST_PAGE, 11));
	nothing_more(th);
	CHECK_EQ(0, says(th, LICHEN_MODULE_LOADED, 0, ""));
	told(th, 7, 0, 0, "");
	answered(th, th_call(th, "symmod.list", "{}", NULL, 0), 0, "\"name\":\"good\"");
	CHECK_EQ(-LICHEN_ENOENT, ops(th)->drop(th_self(th), TH_CLIENT, "other", 8));
	CHECK_EQ(0, ops(th)->drop(th_self(th), TH_CLIENT, "good", 9));
	CHECK_EQ(LICHEN_MODULE_DROP, page(th)->request);
	CHECK_EQ(0, says(th, LICHEN_MODULE_FAILED, -11, "busy"));
	told(th, 9, -LICHEN_EINVAL, -11, "good: the guest fails: busy (-11)");
	CHECK_EQ(0, ops(th)->drop(th_self(th), TH_CLIENT, "good", 10));
	CHECK_EQ(0, says(th, LICHEN_MODULE_DROPPED, 0, ""));
	told(th, 10, 0, 0, "");
	nothing_more(th);
	th_destroy(th);
}

TEST(another_plugin_is_told_what_is_wrong)
{
	struct lichen_symmod_push push = { LICHEN_STRUCT(struct lichen_symmod_push),
					   .bytes = "linux good\n", .size = 11, .flags = 1 };
	char longer[1100];
	struct th *th = started(NULL);

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, ops(th)->takes(th_self(th), TH_CLIENT));
	CHECK_EQ(-LICHEN_ENODEV, ops(th)->drop(th_self(th), TH_CLIENT, "good", 1));
	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 2));
	th_advance(th, NAP);
	told(th, 2, -LICHEN_ENODEV, 0, "good: the guest has no symbiotic side");
	CHECK_EQ(-LICHEN_ENOTSUP, ops(th)->push(th_self(th), TH_CLIENT, &push));
	push.flags = 0;
	push.size = LICHEN_MODULE_SIZE_MAX + 1;
	CHECK_EQ(-LICHEN_E2BIG, ops(th)->push(th_self(th), TH_CLIENT, &push));
	push.size = 0;
	CHECK_EQ(-LICHEN_EINVAL, ops(th)->push(th_self(th), TH_CLIENT, &push));
	push.size = 11;
	memset(longer, 'x', sizeof(longer));
	longer[1024] = '\0';
	push.parameters = longer;
	CHECK_EQ(-LICHEN_EINVAL, ops(th)->push(th_self(th), TH_CLIENT, &push));
	push.parameters = NULL;
	push.name = longer;
	CHECK_EQ(-LICHEN_EINVAL, ops(th)->push(th_self(th), TH_CLIENT, &push));
	guest_registers(th, LICHEN_MODULE_LINUX, LICHEN_MODULE_OFF);
	nothing_more(th); /* it takes none, which is no news */
	page(th)->policy = LICHEN_MODULE_ANY;
	CHECK_EQ(0, client_pushes(th, "what\n", NULL, 3));
	th_advance(th, NAP);
	told(th, 3, -LICHEN_ENOEXEC, 0, "not a module");
	CHECK_EQ(0, client_pushes(th, "object x\n", "mine", 4));
	th_advance(th, NAP);
	told(th, 4, -LICHEN_EPERM, 0, "mine: the guest takes no plain objects");
	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 5));
	th_advance(th, NAP);
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, "no"));
	told(th, 5, -LICHEN_EPERM, -1, "good: the guest refuses: no (-1)");
	th_destroy(th);
}

TEST(pushes_of_plugins_and_of_people_take_turns)
{
	struct th *th = ready_for_client();
	const uint64_t first = push(th, "{}", "linux one\n", 100);
	uint64_t third;

	CHECK_EQ(0, client_pushes(th, "linux two\n", NULL, 2));
	third = push(th, "{}", "linux three\n", 100);
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, ""));
	answered(th, first, -LICHEN_EPERM, "one");
	th_advance(th, NAP);
	CHECK_EQ(0, strcmp("two", page(th)->name));
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, ""));
	told(th, 2, -LICHEN_EPERM, -1, "two");
	CHECK_EQ(0, strcmp("three", page(th)->name));
	CHECK_EQ(0, says(th, LICHEN_MODULE_REFUSED, -1, ""));
	answered(th, third, -LICHEN_EPERM, "three");
	th_destroy(th);
}

/* The guest has the bytes: whether it loads them or not, they can be dropped. */
TEST(what_was_cancelled_half_way_can_be_dropped)
{
	struct th *th = ready_for_client();
	uint8_t *bytes;
	uint32_t size, serial;

	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 1));
	takes_it(th);
	serial = page(th)->serial;
	CHECK_EQ(0, th_save(th, &bytes, &size));
	told(th, 1, -LICHEN_ECANCELED, 0, "good: cancelled by a pause");
	CHECK_EQ(LICHEN_MODULE_CANCELLED, page(th)->state);
	CHECK(th_msr_write(th, 0, LICHEN_MSR_MODULE_ANSWER, serial) < 0);
	CHECK_EQ(0, ops(th)->drop(th_self(th), TH_CLIENT, "good", 2));
	CHECK_EQ(0, says(th, LICHEN_MODULE_FAILED, -2, "none of this name"));
	told(th, 2, -LICHEN_EINVAL, -2, "none of this name");
	CHECK_EQ(-LICHEN_ENOENT, ops(th)->drop(th_self(th), TH_CLIENT, "good", 3));
	free(bytes);
	th_destroy(th);
}

TEST(what_was_loaded_is_saved_and_can_be_dropped_afterwards)
{
	struct th *th = ready_for_client();
	uint8_t *bytes;
	uint32_t size;

	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 1));
	takes_it(th);
	CHECK_EQ(0, says(th, LICHEN_MODULE_LOADED, 0, ""));
	told(th, 1, 0, 0, "");
	CHECK_EQ(0, th_save(th, &bytes, &size));
	CHECK_EQ(0, ops(th)->drop(th_self(th), TH_CLIENT, "good", 2));
	CHECK_EQ(0, says(th, LICHEN_MODULE_DROPPED, 0, ""));
	told(th, 2, 0, 0, "");
	CHECK_EQ(0, th_restore(th, bytes, size));
	CHECK_EQ(0, ops(th)->drop(th_self(th), TH_CLIENT, "good", 3));
	CHECK_EQ(0, says(th, LICHEN_MODULE_DROPPED, 0, ""));
	told(th, 3, 0, 0, "");
	free(bytes);
	th_destroy(th);
}

TEST(a_guest_that_starts_its_side_again_is_announced_again)
{
	struct th *th = ready_for_client();

	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 1));
	th_advance(th, NAP);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_MODULE_PAGE, LICHEN_AT(PAGE, 1)));
	told(th, 1, -LICHEN_ECANCELED, 0, "registered its page anew");
	told_that_it_takes(th, LICHEN_MODULE_LINUX);
	CHECK_EQ(0, th_msr_write(th, 0, LICHEN_MSR_MODULE_PAGE, 0));
	nothing_more(th);
	th_destroy(th);
}

/* Its request goes on; nobody hears of the end. */
TEST(a_plugin_that_goes_leaves_its_request_behind)
{
	struct th *th = ready_for_client();

	CHECK_EQ(0, client_pushes(th, "linux good\n", NULL, 1));
	CHECK_EQ(0, client_pushes(th, "linux next\n", NULL, 2));
	takes_it(th);
	th_destroy(th); /* the client goes first, then what is cancelled is told to nobody */
}
