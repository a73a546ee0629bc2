/* SPDX-License-Identifier: MIT */
/* borrow_check.c: values of an entry, which the guest may have chosen.  See borrow.h. */
#include <stddef.h>

#include "borrow.h"

enum { FW_CR4_LA57 = 1 << 12, FW_SELECTOR_MAX = 0xffff, FW_SELECTOR_RPL_TI = 7 };

int fw_is_canonical(uint64_t address, uint64_t cr4)
{
	const uint32_t spare = cr4 & FW_CR4_LA57 ? 64 - 57 : 64 - 48;
	const uint64_t low = address << spare;

	return (uint64_t)((int64_t)low >> spare) == address;
}

static int fw_is_selector(uint32_t selector)
{
	return selector <= FW_SELECTOR_MAX && !(selector & FW_SELECTOR_RPL_TI);
}

const char *fw_borrow_refuses(const struct lichen_vcpu_entry *entry,
			      const struct lichen_vcpu_context *found, uint32_t physical_bits)
{
	if (!fw_is_canonical(entry->rip, found->cr4))
		return "rip is not canonical";
	if (!fw_is_canonical(entry->gpr[LICHEN_RSP], found->cr4))
		return "rsp is not canonical";
	if (!fw_is_canonical(entry->gs_base, found->cr4))
		return "gs_base is not canonical";
	if (physical_bits < 64 && entry->cr3 >> physical_bits)
		return "cr3 has reserved bits";
	if (!fw_is_selector(entry->cs) || entry->cs == 0)
		return "cs is no selector of privilege 0";
	if (!fw_is_selector(entry->ss))
		return "ss is no selector of privilege 0";
	return NULL;
}
