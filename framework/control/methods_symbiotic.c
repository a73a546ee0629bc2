/* SPDX-License-Identifier: MIT */
/* methods_symbiotic.c: what guest and VM have agreed upon.  See symbiotic.h. */
#include "control/server.h"

static const struct fw_member info_result[] = {
	{ .name = "block",
	  .kind = FW_FLAG,
	  .flags = FW_REQUIRED,
	  .help = "the guest finds a discovery block: the profile has `symbiotic:`; "
		  "the rest is there only then" },
	{ .name = "msrs", .kind = FW_HEX, .help = "number of the first MSR" },
	{ .name = "msr_count", .kind = FW_NUMBER, .help = "of them" },
	{ .name = "line",
	  .kind = FW_NUMBER,
	  .flags = FW_NULLABLE,
	  .help = "of notifications, a GSI; null: the guest polls" },
	{ .name = "listens", .kind = FW_FLAG, .help = "the guest asked to be notified on it" },
	{ .name = "offered", .kind = FW_HEX, .help = "features, a bit each" },
	{ .name = "agreed", .kind = FW_HEX, .help = "those that the guest uses" },
	{ .name = "causes", .kind = FW_HEX, .help = "notifications that it has not read yet" },
};

static void run_info(struct fw_call *call)
{
	struct fw_symbiotic *symbiotic = fw_call_vm(call)->symbiotic;

	if (!symbiotic) {
		fw_call_answer(call, json_pack("{s:b}", "block", 0));
		return;
	}
	fw_call_answer(call, json_pack("{s:b, s:o, s:i, s:o, s:b, s:o, s:o, s:o}", "block", 1,
				       "msrs", fw_json_hex(FW_SYMBIOTIC_MSRS), "msr_count",
				       (int)LICHEN_MSR_COUNT, "line",
				       symbiotic->has_line ? json_integer(symbiotic->line.gsi)
							   : json_null(),
				       "listens", atomic_load(&symbiotic->listen) != 0,
				       "offered", fw_json_hex(atomic_load(&symbiotic->offered)),
				       "agreed", fw_json_hex(atomic_load(&symbiotic->agreed)),
				       "causes", fw_json_hex(atomic_load(&symbiotic->causes))));
}

static const struct fw_method symbiotic_methods[] = {
	{ .name = "symbiotic.info",
	  .help = "what VM and guest have agreed upon",
	  FW_RESULT(info_result),
	  .run = run_info },
};

const struct fw_methods fw_methods_symbiotic = {
	symbiotic_methods, sizeof(symbiotic_methods) / sizeof(symbiotic_methods[0])
};
