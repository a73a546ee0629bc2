/* SPDX-License-Identifier: MIT */
/*
 * sdk/pair.h: a device that brings its driver.  The plugin carries code for the guest (see
 * embed.h), gives it to guests that take such code (plugin symmod), and has it taken away
 * before the device goes.  Where the guest does not take it, or has no symbiotic side, the
 * device is there all the same, and the log has one sentence.
 *
 *	struct foo {
 *		struct lichen_dev dev;
 *		struct lichen_pair pair;
 *	};
 *	needs:		LICHEN_PAIR_NEED(struct foo, pair)
 *	state:		LICHEN_PAIR_FIELD(struct foo, pair)
 *	resume:		lichen_pair_resume(&f->dev, &f->pair, &foo_driver);
 *	event:		lichen_pair_event(&f->dev, &f->pair, &foo_driver, event, data, size);
 *	unplug_request:	return lichen_pair_unplug(&f->dev, &f->pair, &foo_driver);
 *	cancel:		lichen_pair_cancel(&f->pair, operation);
 *	reset:		lichen_pair_reset(&f->dev, &f->pair);
 *
 * The need is optional: a VM whose profile has no symmod when the device comes has none for it
 * later.  A removal by force asks nobody: the driver then stays in the guest, without a
 * device.  All of these are called with the instance's lock held, as callbacks are.
 */
#ifndef LICHEN_SDK_PAIR_H
#define LICHEN_SDK_PAIR_H

#include <string.h>

#include <lichen/class.h>
#include <lichen/draft/symmod.h>
#include <lichen/guest/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One driver, as it is for one kind of guest and another; either may be absent: NULL, 0. */
struct lichen_pair_driver {
	const char *name;		 /* of the module: a Linux module's own is the same */
	const char *parameters;		 /* of a Linux module; NULL: none */
	const void *linux_module;	 /* a .ko file */
	const void *linux_end;		 /* behind its last byte */
	const void *object, *object_end; /* a relocatable ELF object */
};

enum lichen_pair_doing {
	LICHEN_PAIR_NOTHING = 0,
	LICHEN_PAIR_PUSHES = 1,
	LICHEN_PAIR_DROPS = 2,
};

struct lichen_pair {
	const struct lichen_link *symmod;
	uint64_t token;	 /* of what is under way */
	uint8_t doing;	 /* enum lichen_pair_doing */
	uint8_t loaded;	 /* 1: the guest has the driver; saved */
	uint8_t torn;	 /* 1: a push was cancelled, and the guest may have the driver */
	uint8_t leaving; /* 1: unplug_request is pending */
	uint8_t told;	 /* 1: the log has the sentence about a guest that takes nothing */
	uint8_t _pad[3];
};

#define LICHEN_PAIR_NEED(type_, member)                                     \
	{                                                                   \
		LICHEN_STRUCT(struct lichen_need),                          \
			.flags = LICHEN_NEED_OPTIONAL, .id = LICHEN_SYMMOD, \
			.offset = (uint32_t)offsetof(type_, member.symmod)  \
	}

#define LICHEN_PAIR_FIELD(type_, member)                                               \
	{                                                                              \
		LICHEN_STRUCT(struct lichen_field),                                    \
			.type = LICHEN_U8, .name = "driver",                           \
			.offset = (uint32_t)offsetof(type_, member.loaded), .size = 1, \
			.since = 1, .help = "1: the guest has it"                      \
	}

enum { LICHEN_PAIR_ENOENT = -2, LICHEN_PAIR_EEXIST = -17 }; /* a guest's own, of Linux */

static inline void lichen_pair_say(const struct lichen_dev *dev, struct lichen_pair *pair,
				   const struct lichen_pair_driver *driver, const char *why)
{
	if (!pair->told)
		dev->host->log(dev->in, LICHEN_LOG_INFO, "driver %s: %s", driver->name, why);
	pair->told = 1;
}

/* Within enter and leave. */
static inline void lichen_pair_push(const struct lichen_dev *dev, struct lichen_pair *pair,
				    const struct lichen_pair_driver *driver,
				    const struct lichen_symmod_ops *ops)
{
	const uint32_t kinds = ops->takes(pair->symmod->self, pair->symmod->client);
	struct lichen_symmod_push push;
	lichen_status status;

	memset(&push, 0, sizeof(push));
	push.struct_size = sizeof(push);
	if (kinds & LICHEN_MODULE_LINUX && driver->linux_module != driver->linux_end) {
		push.bytes = driver->linux_module;
		push.size = (uint64_t)((const uint8_t *)driver->linux_end -
				       (const uint8_t *)driver->linux_module);
		push.parameters = driver->parameters;
	} else if (kinds & LICHEN_MODULE_OBJECT && driver->object != driver->object_end) {
		push.bytes = driver->object;
		push.size = (uint64_t)((const uint8_t *)driver->object_end -
				       (const uint8_t *)driver->object);
		push.name = driver->name;
	} else {
		lichen_pair_say(dev, pair, driver,
				kinds ? "there is none for this guest: the device is there "
					"without it"
				      : "the guest takes no modules now: the device is there "
					"without it");
		return;
	}
	push.token = ++pair->token;
	status = ops->push(pair->symmod->self, pair->symmod->client, &push);
	if (status == 0)
		pair->doing = LICHEN_PAIR_PUSHES;
	else
		dev->host->log_guest(dev->in, LICHEN_LOG_WARN, "driver %s: not pushed (%d)",
				     driver->name, status);
}

/* Gives the guest the driver, if it has not got it.  [control, realized or running] */
static inline void lichen_pair_resume(const struct lichen_dev *dev, struct lichen_pair *pair,
				      const struct lichen_pair_driver *driver)
{
	if (pair->doing || pair->loaded || pair->leaving)
		return;
	if (dev->host->enter(dev->in, pair->symmod) < 0) {
		lichen_pair_say(dev, pair, driver,
				"the VM has no symmod: the device is there without it");
		return;
	}
	lichen_pair_push(dev, pair, driver,
			 (const struct lichen_symmod_ops *)pair->symmod->ops);
	dev->host->leave(dev->in, pair->symmod);
}

/* Asks the guest to unload it; what is wrong with asking is told. */
static inline lichen_status lichen_pair_drop(const struct lichen_dev *dev,
					     struct lichen_pair *pair,
					     const struct lichen_pair_driver *driver)
{
	lichen_status status = dev->host->enter(dev->in, pair->symmod);

	if (status == 0) {
		const struct lichen_symmod_ops *ops =
			(const struct lichen_symmod_ops *)pair->symmod->ops;

		status = ops->drop(pair->symmod->self, pair->symmod->client, driver->name,
				   ++pair->token);
		dev->host->leave(dev->in, pair->symmod);
	}
	if (status == 0)
		pair->doing = LICHEN_PAIR_DROPS;
	else
		dev->host->error(dev->in,
				 "driver %s: it cannot be taken out from here (%d): unload it "
				 "in the guest, and force the removal",
				 driver->name, status);
	return status;
}

/* The removal that waits may go on, or not. */
static inline void lichen_pair_complete(const struct lichen_dev *dev, struct lichen_pair *pair,
					lichen_status status)
{
	if (!pair->leaving)
		return;
	pair->leaving = 0;
	dev->host->complete(dev->in, LICHEN_OP_UNPLUG_REQUEST, status);
}

static inline void lichen_pair_pushed(const struct lichen_dev *dev, struct lichen_pair *pair,
				      const struct lichen_pair_driver *driver,
				      const struct lichen_symmod_done *done, const char *text)
{
	lichen_status status;

	pair->loaded = done->status == 0 || (pair->torn && done->answer == LICHEN_PAIR_EEXIST);
	pair->torn = done->status == -LICHEN_ECANCELED || done->status == -LICHEN_ETIMEDOUT;
	if (pair->loaded)
		dev->host->log_guest(dev->in, LICHEN_LOG_INFO,
				     "driver %s: the guest has loaded it", driver->name);
	else if (!pair->torn)
		dev->host->log_guest(dev->in, LICHEN_LOG_WARN,
				     "driver %.*s: the device is there without it",
				     (int)done->size, text);
	if (!pair->leaving) {
		if (done->status == -LICHEN_ECANCELED)
			lichen_pair_resume(dev, pair, driver);
		return;
	}
	status = pair->loaded ? lichen_pair_drop(dev, pair, driver) : 0;
	if (status < 0 || !pair->loaded)
		lichen_pair_complete(dev, pair, status);
}

static inline void lichen_pair_dropped(const struct lichen_dev *dev, struct lichen_pair *pair,
				       const struct lichen_symmod_done *done, const char *text)
{
	if (done->status == 0 || done->answer == LICHEN_PAIR_ENOENT) {
		pair->loaded = 0;
		lichen_pair_complete(dev, pair, 0);
		return;
	}
	if (pair->leaving)
		dev->host->error(dev->in, "driver %.*s", (int)done->size, text);
	lichen_pair_complete(dev, pair, done->status);
}

/* What symmod posts.  [control or io, running] */
static inline void lichen_pair_event(const struct lichen_dev *dev, struct lichen_pair *pair,
				     const struct lichen_pair_driver *driver, uint32_t event,
				     const void *data, uint32_t size)
{
	struct lichen_symmod_done done;
	const char *text = (const char *)data + sizeof(done);
	uint32_t doing;

	if (event == LICHEN_SYMMOD_TAKES) {
		lichen_pair_resume(dev, pair, driver);
		return;
	}
	if (event != LICHEN_SYMMOD_DONE || size < sizeof(done))
		return;
	memcpy(&done, data, sizeof(done));
	if (done.token != pair->token || !pair->doing || done.size > size - sizeof(done))
		return;
	doing = pair->doing;
	pair->doing = LICHEN_PAIR_NOTHING;
	if (doing == LICHEN_PAIR_PUSHES)
		lichen_pair_pushed(dev, pair, driver, &done, text);
	else
		lichen_pair_dropped(dev, pair, &done, text);
}

/*
 * The device is to go: its driver goes first.  0: the guest does not have it;
 * LICHEN_PENDING; what is wrong, with a sentence.  [control, running]
 */
static inline lichen_status lichen_pair_unplug(const struct lichen_dev *dev,
					       struct lichen_pair *pair,
					       const struct lichen_pair_driver *driver)
{
	lichen_status status = 0;

	if (!pair->doing && !pair->loaded)
		return 0;
	if (!pair->doing)
		status = lichen_pair_drop(dev, pair, driver);
	if (status < 0)
		return status;
	pair->leaving = 1;
	return LICHEN_PENDING;
}

/* Nobody waits for `operation` any more: the device stays.  [control, created to running] */
static inline void lichen_pair_cancel(struct lichen_pair *pair, uint32_t operation)
{
	if (operation == LICHEN_OP_UNPLUG_REQUEST)
		pair->leaving = 0;
}

/* The guest starts anew, without the driver.  [control, paused] */
static inline void lichen_pair_reset(const struct lichen_dev *dev, struct lichen_pair *pair)
{
	pair->doing = LICHEN_PAIR_NOTHING;
	pair->loaded = pair->torn = pair->told = 0;
	lichen_pair_complete(dev, pair, 0);
}

#ifdef __cplusplus
}
#endif

#endif
