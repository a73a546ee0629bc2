/* SPDX-License-Identifier: MIT */
/*
 * symbiotic.h: all that a symbiotic plugin needs.  The kind is a draft, and its interfaces
 * lie in lichen/draft.
 */
#ifndef LICHEN_SYMBIOTIC_H
#define LICHEN_SYMBIOTIC_H

#include <lichen/class.h>
#include <lichen/draft/symbiotic.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_SYMBIOTIC_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_SYMBIOTIC, name, version, class)

#ifdef __cplusplus
}
#endif

#endif
