/* SPDX-License-Identifier: MIT */
/* device.h: all that a device plugin needs. */
#ifndef LICHEN_DEVICE_H
#define LICHEN_DEVICE_H

#include <lichen/class.h>

#define LICHEN_DEVICE_PLUGIN(name, version, class) \
	LICHEN_PLUGIN(LICHEN_KIND_DEVICE, name, version, class)

#endif
