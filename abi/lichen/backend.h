/* SPDX-License-Identifier: MIT */
/*
 * backend.h: all that a backend plugin needs.  A backend has no windows; it
 * provides an interface to devices, "lichen.char/1" for character backends.
 */
#ifndef LICHEN_BACKEND_H
#define LICHEN_BACKEND_H

#include <lichen/char.h>
#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_BACKEND_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_BACKEND, name, version, class)

/*
 * What the host offers backends that talk to the user's terminal:
 * host->interface(in, LICHEN_CONSOLE).  NULL where the embedder gave none.
 */
#define LICHEN_CONSOLE "lichen.console/1"

struct lichen_console {
	uint32_t struct_size;
	uint32_t _pad;
	/*
	 * The VM's console: non-blocking descriptors of its own, which the
	 * instance closes; the two may be one terminal.  One instance at a time.
	 * -LICHEN_EBUSY: taken.  [control, created]
	 */
	lichen_status (*take)(struct lichen_instance *in, int32_t *input, int32_t *output);
};

#ifdef __cplusplus
}
#endif

#endif
