/* SPDX-License-Identifier: MIT */
/*
 * testhost.h: a host without a hypervisor, for testing plugins through the ABI
 * alone.  It loads a real plugin file, plays the guest at its windows, plays its
 * providers and consumers, and keeps a clock that only the test moves.
 *
 *	struct th *th = th_create("serial16550");
 *	th_set(th, "port", 0x2f8);
 *	CHECK_EQ(0, th_start(th));
 *	th_out(th, 0x2f8, 1, 'A');
 *	CHECK_EQ(1, th_line(th, 4));
 *	th_destroy(th);
 *
 * The file is $LICHEN_BUILD/plugins/NAME.so, or that of the build tree.  All runs
 * on the calling thread, but for threads that the instance asks for.  What the
 * test does wrong (an unknown parameter, say), and every misuse of the host by the
 * plugin (a handle that it does not hold, enter without leave, a call in the wrong
 * state or role), ends the program with a sentence that names plugin and function.
 */
#ifndef LICHEN_TESTHOST_H
#define LICHEN_TESTHOST_H

#include <lichen/acpi.h>
#include <lichen/boot.h>
#include <lichen/char.h>
#include <lichen/class.h>
#include <lichen/draft/control.h>
#include <lichen/draft/module.h>
#include <lichen/draft/symbiotic.h>
#include <lichen/guest/discovery.h>
#include <lichen/hardware.h>
#include <lichen/ram.h>

enum {
	TH_RAM_SIZE = 64 << 20, /* bytes, unless th_set_memory() says otherwise */
	TH_PINS = 24,
	TH_CLIENT = 1, /* the number by which the instance knows the test as a consumer */
	TH_POST_MAX = 1 << 16, /* bytes, of host->post() */
};

struct th;

/* Opens the plugin; `name` as in its note. */
struct th *th_create(const char *name);
/* pause, quiesce, revoke, destroy, close; fails the program where something leaks. */
void th_destroy(struct th *th);

/* Parameters, before th_start(). */
void th_set(struct th *th, const char *key, uint64_t value); /* integers, BOOL, CHOICE index */
void th_set_text(struct th *th, const char *key, const char *text);
/* Takes the descriptor; the instance gets a duplicate, which the host closes after destroy. */
void th_set_file(struct th *th, const char *key, int descriptor);
void th_set_cpus(struct th *th, uint32_t cpus); /* 1 */

/* create, links, placement, realize, publish, resume.  Returns the first failure, undone. */
lichen_status th_start(struct th *th);
lichen_status th_reset(struct th *th, uint32_t kind); /* pause, reset, publish, resume */
/*
 * pause, pre_save, the declared fields as bytes in a form of this host's own, resume.
 * *bytes is the caller's to free().  Returns the first failure.
 */
lichen_status th_save(struct th *th, uint8_t **bytes, uint32_t *size);
/*
 * pause, fields from bytes that th_save() made of an instance of the same class,
 * post_load, resume.  Returns what post_load does; after a failure the instance is only
 * good for th_destroy().
 */
lichen_status th_restore(struct th *th, const uint8_t *bytes, uint32_t size);
/* unplug_request; LICHEN_PENDING: th_unplug_ended() says whether it has ended (1), and how. */
lichen_status th_unplug(struct th *th);
int th_unplug_ended(struct th *th, lichen_status *status);
void th_unplug_cancel(struct th *th);	   /* the host waits no longer */
const char *th_error(const struct th *th); /* the last sentence, "" for none */
void *th_self(struct th *th);		   /* the instance's memory */
const struct lichen_class *th_class(const struct th *th);

/* The guest's accesses; unclaimed ones read as all ones. */
uint64_t th_in(struct th *th, uint16_t port, uint32_t size);
void th_out(struct th *th, uint16_t port, uint32_t size, uint64_t value);
uint64_t th_load(struct th *th, lichen_gpa gpa, uint32_t size);
void th_store(struct th *th, lichen_gpa gpa, uint32_t size, uint64_t value);

/* The bytes of window `index`, which is memory; NULL: MAPPED, and nothing was given yet. */
uint8_t *th_window_memory(struct th *th, uint32_t index);

/* Interrupts: the level now, and rising edges since th_start(). */
uint32_t th_line(struct th *th, uint32_t gsi);
uint32_t th_edges(struct th *th, uint32_t gsi);
/* The guest's EOI: drops what a trigger eventfd asserted, and says so to its resample one. */
void th_eoi(struct th *th, uint32_t gsi);
/* Messages sent since th_start(); *last (may be NULL) is the latest one. */
uint32_t th_messages(struct th *th, struct lichen_message *last);

/* Guest RAM as one piece: what the guest has from 4 GiB on follows 3 GiB. */
uint8_t *th_ram(struct th *th);
/* Bytes of RAM, whole pages, with a hole [3 GiB, 4 GiB); before th_start() and th_ram(). */
void th_set_memory(struct th *th, uint64_t size);
/* The boot vCPU as set_cpu left it; NULL before. */
const struct lichen_cpu *th_cpu(const struct th *th);
/*
 * The provided interface `id`, NULL where the class lacks it; its functions take
 * th_self() and TH_CLIENT.  TH_CLIENT joins before publish and goes before quiesce.
 */
const void *th_interface(struct th *th, const char *id);

/* Time: clocks start at 1 s (guest, host) and at 2026-01-02 03:04:05 UTC (wall); moving
 * them runs due timers in order. */
void th_advance(struct th *th, uint64_t ns);
void th_set_wall(struct th *th, uint64_t ns);

/* Waits up to `ms` for watched descriptors and delivers `ready`; returns how many. */
uint32_t th_poll(struct th *th, int ms);

/* What the instance asked for: 0 for nothing yet. */
struct th_asked {
	uint32_t exit;	 /* status of request_exit | 0x100 */
	uint32_t end;	 /* enum lichen_end */
	uint32_t detail; /* request_end's */
	uint32_t reset;	 /* enum lichen_reset; until th_reset() */
};
struct th_asked th_asked(const struct th *th);

/*
 * A test that stands in for a provider of a need: ops and self as the interface
 * says.  Before th_start().  th_event() is what that provider posts.
 */
void th_provide(struct th *th, const char *id, const void *ops, void *self);
void th_event(struct th *th, const char *id, uint32_t event, const void *data, uint32_t size);

/* A ready-made "lichen.char/1" peer: takes `room` bytes before it is full. */
struct th_peer {
	uint8_t data[1 << 16]; /* what the device wrote */
	uint32_t size;
	uint32_t room;	/* may be changed at any time; th_peer_writable() says so */
	uint32_t asked; /* the credit now */
};
struct th_peer *th_peer(struct th *th); /* provides LICHEN_CHAR; before th_start() */
uint32_t th_peer_send(struct th *th, const void *data, uint32_t size); /* within the credit;
									  returns how much */
void th_peer_writable(struct th *th);

/* Stands in for a consumer of a backend: records what is posted to it. */
struct th_posted {
	uint32_t event;
	uint32_t size;
	uint8_t data[TH_POST_MAX];
};
/* The oldest event not yet fetched; 0 when there is none. */
int th_posted(struct th *th, struct th_posted *posted);

/* The console that th hands out through LICHEN_CONSOLE; before th_start(). */
void th_set_console(struct th *th, int input, int output);

/* A VM with a discovery block, for symbiotic plugins; before th_start(). */
void th_set_symbiotic(struct th *th);
/* The guest, which has one instance to agree with.  Negative: #GP. */
lichen_status th_agree(struct th *th, uint64_t features);
lichen_status th_msr_read(struct th *th, uint32_t vcpu, uint32_t msr, uint64_t *value);
lichen_status th_msr_write(struct th *th, uint32_t vcpu, uint32_t msr, uint64_t value);
uint64_t th_causes(struct th *th); /* since the last call */
/*
 * vCPU `vcpu` stands still for an instance that wants it: borrow_enter.  -LICHEN_ENOENT:
 * nobody does.  After success th_vcpu_leave() is owed; after a failure of borrow_enter's
 * borrow_left was called.
 */
lichen_status th_vcpu_enter(struct th *th, uint32_t vcpu,
			    const struct lichen_vcpu_context *found,
			    struct lichen_vcpu_entry *entry);
/* 1: borrow_end() or borrow_cancel() was called for it. */
int th_vcpu_ended(struct th *th, uint32_t vcpu);
void th_vcpu_leave(struct th *th, uint32_t vcpu, lichen_status status,
		   const struct lichen_vcpu_context *after);
/* Calls a method of LICHEN_CONTROL as a client would; returns the token. */
uint64_t th_call(struct th *th, const char *name, const char *parameters,
		 const int32_t *descriptors, uint32_t count);
/* 1: it was answered; *text is the caller's to free. */
int th_answered(struct th *th, uint64_t token, lichen_status *status, char **text);

/*
 * Modules for the guest are text files here, whose first line is "linux NAME" or "object
 * NAME"; others are refused.  Linked at A against N symbols an object starts at A + N.
 */

/* Nth allocation from now fails (1 is the next); 0: none does.  Works where the
 * plugin was built without sanitizers. */
void th_fail_allocation(struct th *th, uint32_t nth);

#endif
