/* SPDX-License-Identifier: MIT */
/* A device with its driver: symmod is this test. */
#include <stdlib.h>

#include <lichen/draft/symmod.h>
#include <lichen/guest/module.h>

#include "tap.h"
#include "testhost.h"

/* What the device asks of symmod. */
static struct asked {
	uint32_t kinds; /* that the guest takes */
	lichen_status status;
	uint32_t pushes, drops;
	uint64_t token, size;
	char name[64], parameters[64], bytes[64];
} asked;

static uint32_t takes(void *self, uint64_t client)
{
	(void)self, (void)client;
	return asked.kinds;
}

static lichen_status push(void *self, uint64_t client, const struct lichen_symmod_push *push)
{
	(void)self, (void)client;
	CHECK_EQ(sizeof(*push), push->struct_size);
	CHECK_EQ(0, push->flags);
	CHECK(push->size < sizeof(asked.bytes));
	asked.pushes++;
	asked.token = push->token;
	asked.size = push->size;
	memset(asked.bytes, 0, sizeof(asked.bytes));
	memcpy(asked.bytes, push->bytes, push->size);
	(void)snprintf(asked.name, sizeof(asked.name), "%s", push->name ? push->name : "-");
	(void)snprintf(asked.parameters, sizeof(asked.parameters), "%s",
		       push->parameters ? push->parameters : "-");
	return asked.status;
}

static lichen_status drop(void *self, uint64_t client, const char *name, uint64_t token)
{
	(void)self, (void)client;
	CHECK_EQ(0, strcmp("paired", name));
	asked.drops++;
	asked.token = token;
	return asked.status;
}

static const struct lichen_symmod_ops symmod = { LICHEN_STRUCT(struct lichen_symmod_ops),
						 .takes = takes, .push = push, .drop = drop };

static struct th *started(uint32_t kinds)
{
	struct th *th = th_create("paired");

	memset(&asked, 0, sizeof(asked));
	asked.kinds = kinds;
	th_provide(th, LICHEN_SYMMOD, &symmod, NULL);
	CHECK_EQ(0, th_start(th));
	return th;
}

static void ends(struct th *th, lichen_status status, int32_t answer)
{
	static const char text[] = "paired: the guest fails: no way (-1)";
	struct {
		struct lichen_symmod_done done;
		char text[sizeof(text)];
	} event = { .done = { LICHEN_STRUCT(struct lichen_symmod_done), .status = status,
			      .answer = answer, .token = asked.token,
			      .size = status ? sizeof(text) - 1 : 0 } };

	memcpy(event.text, text, sizeof(text));
	th_event(th, LICHEN_SYMMOD, LICHEN_SYMMOD_DONE, &event,
		 (uint32_t)sizeof(event.done) + event.done.size);
}

static void takes_modules(struct th *th, uint32_t kinds)
{
	const struct lichen_symmod_takes event = { LICHEN_STRUCT(struct lichen_symmod_takes),
						   .kinds = kinds };

	asked.kinds = kinds;
	th_event(th, LICHEN_SYMMOD, LICHEN_SYMMOD_TAKES, &event, sizeof(event));
}

static struct th *loaded(void)
{
	struct th *th = started(LICHEN_MODULE_LINUX);

	ends(th, 0, 0);
	return th;
}

static void unplug_ended(struct th *th, lichen_status want)
{
	lichen_status status = 99;

	CHECK(th_unplug_ended(th, &status));
	CHECK_EQ(want, status);
}

static void unplug_waits(struct th *th)
{
	lichen_status status;

	CHECK_EQ(0, th_unplug_ended(th, &status));
}

TEST(the_driver_is_the_one_for_the_guest)
{
	struct th *th = started(LICHEN_MODULE_LINUX | LICHEN_MODULE_OBJECT);

	CHECK_EQ(1, asked.pushes);
	CHECK_EQ(0, strcmp("linux paired\n", asked.bytes));
	CHECK_EQ(0, strcmp("-", asked.name));
	CHECK_EQ(0, strcmp("loud=1", asked.parameters));
	ends(th, 0, 0);
	takes_modules(th, LICHEN_MODULE_LINUX); /* it has got it */
	CHECK_EQ(1, asked.pushes);
	th_destroy(th);
	th = started(LICHEN_MODULE_OBJECT);
	CHECK_EQ(0, strcmp("object paired\n", asked.bytes));
	CHECK_EQ(0, strcmp("paired", asked.name));
	CHECK_EQ(0, strcmp("-", asked.parameters));
	th_destroy(th);
}

TEST(without_symmod_the_device_is_there)
{
	struct th *th = th_create("paired");

	CHECK_EQ(0, th_start(th));
	CHECK_EQ(0, th_unplug(th));
	th_destroy(th);
}

TEST(a_guest_that_takes_none_gets_it_when_it_does)
{
	struct th *th = started(0);

	CHECK_EQ(0, asked.pushes);
	CHECK_EQ(0, th_unplug(th));
	takes_modules(th, LICHEN_MODULE_LINUX);
	CHECK_EQ(1, asked.pushes);
	takes_modules(th, LICHEN_MODULE_LINUX); /* it is on its way */
	CHECK_EQ(1, asked.pushes);
	th_destroy(th);
}

TEST(a_guest_that_refuses_keeps_the_device)
{
	struct th *th = started(LICHEN_MODULE_LINUX);

	ends(th, -LICHEN_EPERM, -1);
	CHECK_EQ(1, asked.pushes);
	CHECK_EQ(0, th_unplug(th));
	takes_modules(th, LICHEN_MODULE_LINUX); /* started its side again */
	CHECK_EQ(2, asked.pushes);
	th_destroy(th);
}

TEST(the_driver_goes_before_the_device)
{
	struct th *th = loaded();

	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	CHECK_EQ(1, asked.drops);
	unplug_waits(th);
	ends(th, 0, 0);
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(a_driver_in_use_keeps_the_device)
{
	struct th *th = loaded();

	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	ends(th, -LICHEN_EINVAL, -16);
	unplug_ended(th, -LICHEN_EINVAL);
	CHECK_EQ(0, strcmp("driver paired: the guest fails: no way (-1)", th_error(th)));
	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	ends(th, 0, 0);
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(a_driver_that_the_guest_has_not_got_any_more_is_none)
{
	struct th *th = loaded();

	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	ends(th, -LICHEN_EINVAL, -2);
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(what_symmod_does_not_drop_keeps_the_device)
{
	struct th *th = loaded();

	asked.status = -LICHEN_ENOENT;
	CHECK_EQ(-LICHEN_ENOENT, th_unplug(th));
	CHECK(strstr(th_error(th), "force the removal"));
	asked.status = 0;
	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	ends(th, 0, 0);
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(a_driver_on_its_way_is_waited_for_and_taken_out)
{
	struct th *th = started(LICHEN_MODULE_LINUX);

	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	CHECK_EQ(0, asked.drops);
	ends(th, 0, 0);
	unplug_waits(th);
	CHECK_EQ(1, asked.drops);
	ends(th, 0, 0);
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(a_driver_that_does_not_arrive_needs_no_taking_out)
{
	struct th *th = started(LICHEN_MODULE_LINUX);

	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	ends(th, -LICHEN_EPERM, -1);
	unplug_ended(th, 0);
	CHECK_EQ(0, asked.drops);
	th_destroy(th);
}

TEST(a_removal_that_was_given_up_is_not_completed)
{
	struct th *th = loaded();

	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	th_unplug_cancel(th);
	ends(th, 0, 0); /* late; the device works on without */
	CHECK_EQ(0, th_unplug(th));
	th_destroy(th);
}

/* symmod cancels at a pause; the guest may have loaded it all the same. */
TEST(what_a_pause_cancels_is_pushed_again)
{
	struct th *th = started(LICHEN_MODULE_LINUX);

	ends(th, -LICHEN_ECANCELED, 0);
	CHECK_EQ(2, asked.pushes);
	ends(th, -LICHEN_EINVAL, -17);
	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	CHECK_EQ(1, asked.drops);
	ends(th, 0, 0);
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(one_of_its_name_that_is_not_ours_is_not_taken_out)
{
	struct th *th = started(LICHEN_MODULE_LINUX);

	ends(th, -LICHEN_EINVAL, -17);
	CHECK_EQ(0, th_unplug(th));
	CHECK_EQ(0, asked.drops);
	th_destroy(th);
}

TEST(a_reset_takes_the_driver_and_the_next_guest_gets_it)
{
	struct th *th = loaded();

	asked.kinds = 0;
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	CHECK_EQ(1, asked.pushes);
	ends(th, -LICHEN_ECANCELED, 0); /* of nothing that is known */
	CHECK_EQ(1, asked.pushes);
	takes_modules(th, LICHEN_MODULE_LINUX);
	CHECK_EQ(2, asked.pushes);
	ends(th, 0, 0);
	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	CHECK_EQ(0, th_reset(th, LICHEN_RESET_WARM));
	unplug_ended(th, 0);
	th_destroy(th);
}

TEST(a_state_says_whether_the_guest_has_it)
{
	struct th *th = loaded();
	uint8_t *bytes;
	uint32_t size;

	CHECK_EQ(0, th_save(th, &bytes, &size));
	th_destroy(th);
	th = started(0);
	CHECK_EQ(0, th_restore(th, bytes, size));
	takes_modules(th, LICHEN_MODULE_LINUX);
	CHECK_EQ(0, asked.pushes);
	CHECK_EQ(LICHEN_PENDING, th_unplug(th));
	ends(th, 0, 0);
	unplug_ended(th, 0);
	free(bytes);
	th_destroy(th);
}

TEST(malformed_events_are_nothing)
{
	struct th *th = started(LICHEN_MODULE_LINUX);
	struct lichen_symmod_done done = { LICHEN_STRUCT(struct lichen_symmod_done),
					   .token = asked.token, .size = 1 };

	th_event(th, LICHEN_SYMMOD, LICHEN_SYMMOD_DONE, &done, sizeof(done) - 1);
	th_event(th, LICHEN_SYMMOD, LICHEN_SYMMOD_DONE, &done, sizeof(done));
	done.size = 0;
	done.token++;
	th_event(th, LICHEN_SYMMOD, LICHEN_SYMMOD_DONE, &done, sizeof(done));
	CHECK_EQ(LICHEN_PENDING, th_unplug(th)); /* it is still on its way */
	CHECK_EQ(0, asked.drops);
	ends(th, -LICHEN_EPERM, -1);
	unplug_ended(th, 0);
	th_destroy(th);
}
