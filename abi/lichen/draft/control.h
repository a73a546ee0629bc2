/* SPDX-License-Identifier: MIT */
/*
 * control.h (draft): methods of the control socket that an instance provides.
 *
 * The class provides "lichen.control/1" and declares its methods; a client of the VM's
 * socket calls them by name like the host's own, and they are in `hello` and the schema
 * while the instance lives.  Parameters and results travel as JSON text.
 */
#ifndef LICHEN_DRAFT_CONTROL_H
#define LICHEN_DRAFT_CONTROL_H

#include <lichen/abi.h>
#include <lichen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lichen_instance;

#define LICHEN_CONTROL "lichen.control/1"

struct lichen_control_method {
	uint32_t struct_size;
	uint32_t flags;		/* 0; others are refused (-LICHEN_ENOTSUP) */
	const char *name;	/* "symcall.call": unique in the VM, else the add is refused */
	const char *summary;	/* one line, no full stop */
	const char *parameters; /* JSON schema of the parameters' object, as text */
	const char *result;	/* JSON schema of the result, as text */
};

struct lichen_control_ops {
	uint32_t struct_size;
	uint32_t _pad;
	struct lichen_table methods; /* of struct lichen_control_method */
	/*
	 * A client calls method `method` (index).  parameters: a JSON object, `size` bytes
	 * and a NUL, at most 1 MiB, borrowed for the call; descriptors: as many as the
	 * client sent, the host's, borrowed for the call.  Exactly one answer with `token`
	 * is owed, during the call or later.  [control, realized to running]
	 */
	void (*call)(void *self, uint64_t client, uint64_t token, uint32_t method,
		     const char *parameters, uint32_t size, const int32_t *descriptors,
		     uint32_t descriptor_count);
	/* The client of that call has gone or gave up: an answer is still owed, and
	 * dropped.  [control, realized to running] */
	void (*cancelled)(void *self, uint64_t client, uint64_t token);
};

#define LICHEN_CONTROL_HOST "lichen.control-host/1"

struct lichen_control_host {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * Answers the call of `token`.  status 0: result is a JSON value, NULL is null;
	 * negative: result is the sentence of the error.  Copied.  A token that is not
	 * owed is misbehaviour.  [any, realized to running]
	 */
	void (*answer)(struct lichen_instance *in, uint64_t token, lichen_status status,
		       const char *result, uint32_t size);
	/* Tells subscribers of the event "instance", with its own `name` ("symspy.record") and
	 * data, JSON.  [any, running] */
	void (*event)(struct lichen_instance *in, const char *name, const char *data,
		      uint32_t size);
};

#ifdef __cplusplus
}
#endif

#endif
