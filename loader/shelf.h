/* SPDX-License-Identifier: MIT */
/* shelf.h: the plugins open through one path, so that equal content is opened once. */
#ifndef LD_SHELF_H
#define LD_SHELF_H

#include "loader.h"

struct ld_shelf {
	uint32_t owners; /* the path and each plugin that was opened through it */
	struct ld_plugin *first;
};

/* NULL: no memory. */
struct ld_shelf *ld_shelf_create(void);
/* Gives back one owner; NULL: nothing. */
void ld_shelf_put(struct ld_shelf *shelf);

#endif
