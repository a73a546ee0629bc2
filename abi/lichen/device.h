/* SPDX-License-Identifier: MIT */
/* device.h: all that a device plugin needs. */
#ifndef LICHEN_DEVICE_H
#define LICHEN_DEVICE_H

#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LICHEN_DEVICE_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_DEVICE, name, version, class)

#ifdef __cplusplus
}
#endif

#endif
