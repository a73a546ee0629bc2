/* SPDX-License-Identifier: MIT */
/* msr: reading and writing an MSR that no processor has is a #GP, which can be handled. */
#include <pebble/pebble.h>

enum { GENERAL_PROTECTION = 13, UNKNOWN_MSR = 0x5a5a5a };

#define MSR_EFER 0xc0000080u

int main(void)
{
	uint64_t value = 0;

	CHECK(1, pebble_rdmsr(MSR_EFER, &value) == -1);
	CHECK(2, (value & 0x500) == 0x500);
	CHECK(3, pebble_rdmsr(UNKNOWN_MSR, &value) == GENERAL_PROTECTION);
	CHECK(4, pebble_wrmsr(UNKNOWN_MSR, 1) == GENERAL_PROTECTION);
	CHECK(5, pebble_rdmsr(MSR_EFER, &value) == -1);
	return PEBBLE_PASS;
}
