/* SPDX-License-Identifier: MIT */
/* Tables in guest memory, from which it is told whether the guest takes its double faults. */
#include "borrow.h"
#include "fault_tables.h"
#include "memory_map.h"

#include "fuzz.h"

static _Alignas(4096) uint8_t ram[FAULT_MEMORY];

/* What it says is the same once more, and it leaves memory alone. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t before[FAULT_MEMORY];
	struct fw_memory memory = { .piece_count = 1 };
	struct fuzz_input in = { bytes, size };
	struct hv_tables tables;
	uint64_t cr3;
	int lands;

	memory.pieces[0] = (struct fw_piece){ .size = sizeof(ram), .host = ram };
	fault_tables_make(ram, &tables);
	cr3 = FAULT_ROOT ^ fuzz_number(&in, 2);
	tables.cr4 ^= fuzz_number(&in, 2);
	tables.efer ^= fuzz_number(&in, 2);
	tables.idt ^= fuzz_number(&in, 2);
	tables.gdt ^= fuzz_number(&in, 2);
	tables.tss ^= fuzz_number(&in, 2);
	tables.idt_limit ^= fuzz_u8(&in);
	tables.gdt_limit ^= fuzz_u8(&in);
	tables.tss_limit ^= fuzz_u8(&in);
	while (in.left) {
		const uint64_t at = fuzz_number(&in, 3) % (sizeof(ram) - 8);
		const uint64_t value = fuzz_number(&in, 8);

		memcpy(ram + at, &value, sizeof(value));
	}
	memcpy(before, ram, sizeof(ram));
	lands = fw_borrow_faults_land(&memory, &tables, cr3);
	FUZZ_CHECK(lands == fw_borrow_faults_land(&memory, &tables, cr3));
	FUZZ_CHECK(memcmp(before, ram, sizeof(ram)) == 0);
	return 0;
}
