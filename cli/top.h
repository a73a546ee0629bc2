/* SPDX-License-Identifier: MIT */
/* top.h: what top shows of the guest, beside what the VM counts. */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include "cli.h"
#include "remote.h"

enum { CLI_TOP_TASK = 16 }; /* what is left of a line of 80 */

/* Answers of symspy.read; NULL: the guest does not tell. */
struct cli_top_guest {
	json_t *tasks, *memory, *load;
};

void cli_top_guest_ask(struct cli_remote *remote, struct cli_top_guest *guest);
void cli_top_guest_clear(struct cli_top_guest *guest);
/* Memory and load, without the line's end; 0: nothing is known, and nothing was printed. */
int cli_top_guest_line(const struct cli_top_guest *guest);
/* Who runs on that vCPU; "": unknown. */
void cli_top_guest_task(const struct cli_top_guest *guest, size_t vcpu,
			char text[static CLI_TOP_TASK]);

#endif
