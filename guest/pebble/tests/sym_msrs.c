/* SPDX-License-Identifier: MIT */
/*
 * sym_msrs: writes to every symbiotic MSR what no guest should, and sees #GP and nothing
 * else; then registers as a guest should, which works.
 */
#include <pebble/symbiotic.h>

enum { GP = 13, NONE = -1, ENTRY_CHECKS = 40, END_PAGES = 1024 };

#define PAGE_AT(memory) ((uintptr_t)(memory))

static uint8_t page[2 * LICHEN_GUEST_PAGE] __attribute__((aligned(LICHEN_GUEST_PAGE)));

static uint64_t reads_as(uint32_t msr)
{
	uint64_t value = UINT64_MAX;

	(void)sym_read(msr, &value);
	return value;
}

static void common(void)
{
	uint64_t offered = reads_as(LICHEN_MSR_OFFERED), value;

	CHECK(1, offered != UINT64_MAX);
	CHECK(2, reads_as(LICHEN_MSR_AGREED) == 0);
	CHECK(3, sym_write(LICHEN_MSR_OFFERED, offered) == GP);
	CHECK(4, sym_write(LICHEN_MSR_NOTIFY, 0) == GP);
	CHECK(5, sym_write(LICHEN_MSR_LISTEN, 2) == GP);
	CHECK(6, sym_write(LICHEN_MSR_AGREED, offered | UINT64_C(1) << 63) == GP);
	CHECK(7, sym_write(LICHEN_MSR_AGREED, UINT64_MAX) == GP);
	CHECK(8, reads_as(LICHEN_MSR_AGREED) == 0);
	for (uint32_t msr = LICHEN_MSR_OTHERS; msr <= LICHEN_MSR_COUNT; msr += 0x3f) {
		CHECK(9, sym_read(msr, &value) == GP);
		CHECK(10, sym_write(msr, 1) == GP);
	}
	CHECK(11, sym_read(LICHEN_MSR_CALL_DONE, &value) == GP);
	CHECK(12, sym_read(LICHEN_MSR_CALL_ANSWER, &value) == GP);
}

static const struct {
	uint32_t msr, feature;
} places[] = {
	{ LICHEN_MSR_SPY_GLOBAL, LICHEN_FEATURE_SPY },
	{ LICHEN_MSR_SPY_VCPU, LICHEN_FEATURE_SPY },
	{ LICHEN_MSR_SPY_HOST, LICHEN_FEATURE_SPY_HOST },
	{ LICHEN_MSR_CALL_TABLE, LICHEN_FEATURE_CALL },
	{ LICHEN_MSR_CALL_AREA, LICHEN_FEATURE_CALL_DEFERRED },
	{ LICHEN_MSR_MODULE_PAGE, LICHEN_FEATURE_MODULE },
};

static void everywhere(uint64_t value, int want, int code)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (reads_as(LICHEN_MSR_AGREED) & places[i].feature)
			CHECK(code, sym_write(places[i].msr, value) == want);
	}
}

/* The end of RAM, which has more than what is the guest's to use. */
static uint64_t ram_end(void)
{
	uint64_t end = pebble_ram & ~UINT64_C(0xfff);

	for (uint32_t pages = 0; pages < END_PAGES; pages++, end += LICHEN_GUEST_PAGE) {
		if (sym_write(places[0].msr, LICHEN_AT(end, 1)) == GP)
			return end;
	}
	CHECK(19, 0); /* it has no end */
	return 0;
}

static void where(void)
{
	uint64_t at = PAGE_AT(page), end = ram_end();

	everywhere(at, GP, 20);	    /* no bit 0 */
	everywhere(at | 2, GP, 21); /* the same, of two pages */
	everywhere(LICHEN_AT(end, 1), GP, 22);
	everywhere(LICHEN_AT(end - LICHEN_GUEST_PAGE, 2), GP, 23); /* half of it */
	everywhere(LICHEN_AT(end - LICHEN_GUEST_PAGE, 1), NONE, 33);
	everywhere(LICHEN_AT(0xfee00000, 1), GP, 24); /* a device */
	everywhere(LICHEN_AT(UINT64_C(1) << 47, 1), GP, 25);
	everywhere(LICHEN_AT(UINT64_C(0xfffffffffffff000), 1), GP, 26);
	everywhere(UINT64_MAX, GP, 27);
	everywhere(at | 0xfff, GP, 28); /* 2048 pages */
	everywhere(LICHEN_AT(at, 65), GP, 29);
	everywhere(LICHEN_AT(at, 1), NONE,
		   30); /* all at the same place, which is the guest's loss */
	everywhere(0, NONE, 31);
	everywhere(0, NONE, 32);
}

static struct lichen_call_vcpu good(void)
{
	return (struct lichen_call_vcpu){
		.struct_size = sizeof(struct lichen_call_vcpu),
		.entry = 0x100000,
		.stack = 0x200000,
		.page = PAGE_AT(page),
		.cs = 0x10,
		.ss = 0x18,
	};
}

static struct lichen_call_vcpu at __attribute__((aligned(128)));

static void refused(int code, const struct lichen_call_vcpu *registration)
{
	at = *registration;
	CHECK(code, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at) | 1) == GP);
	CHECK(code, reads_as(LICHEN_MSR_CALL_VCPU) == 0);
}

/* One member that is wrong. */
#define WRONG(code, member)                             \
	do {                                            \
		struct lichen_call_vcpu wrong = good(); \
		wrong.member;                           \
		refused((code), &wrong);                \
	} while (0)

static void registration(void)
{
	WRONG(ENTRY_CHECKS, struct_size = 0);
	WRONG(ENTRY_CHECKS + 1, struct_size = UINT32_MAX);
	WRONG(ENTRY_CHECKS + 2, flags = 1);
	WRONG(ENTRY_CHECKS + 3, entry = 0);
	WRONG(ENTRY_CHECKS + 4, entry = UINT64_C(1) << 47);
	WRONG(ENTRY_CHECKS + 5, entry = UINT64_C(0xffff000000000000));
	WRONG(ENTRY_CHECKS + 6, cleanup = UINT64_C(1) << 63);
	WRONG(ENTRY_CHECKS + 7, stack = UINT64_C(1) << 47);
	WRONG(ENTRY_CHECKS + 8, stack = 0x200008);
	WRONG(ENTRY_CHECKS + 9, gs_base = UINT64_C(1) << 60);
	WRONG(ENTRY_CHECKS + 10, page = PAGE_AT(page) + 8);
	WRONG(ENTRY_CHECKS + 11, page = UINT64_C(1) << 40);
	WRONG(ENTRY_CHECKS + 12, page = UINT64_C(0xfffffffffffff000));
	WRONG(ENTRY_CHECKS + 13, cs = 0);
	WRONG(ENTRY_CHECKS + 14, cs = 3);
	WRONG(ENTRY_CHECKS + 15, cs = 0x13);
	WRONG(ENTRY_CHECKS + 16, cs = 0x14);
	WRONG(ENTRY_CHECKS + 17, cs = 0x10010);
	WRONG(ENTRY_CHECKS + 18, ss = 0);
	WRONG(ENTRY_CHECKS + 19, ss = 0x1b);
	WRONG(ENTRY_CHECKS + 20, cr3_rule = 3);
	WRONG(ENTRY_CHECKS + 21, _pad = 1);
	{
		struct lichen_call_vcpu fixed = good();

		fixed.cr3_rule = LICHEN_CALL_CR3_FIXED;
		fixed.cr3_value = UINT64_C(1) << 62;
		refused(ENTRY_CHECKS + 22, &fixed);
	}
	at = good();
	CHECK(70, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at)) == GP);
	CHECK(71, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at) | 3) == GP);
	CHECK(72, sym_write(LICHEN_MSR_CALL_VCPU, (PAGE_AT(&at) + 8) | 1) == GP);
	memcpy(page + LICHEN_GUEST_PAGE - 16, &at, sizeof(at)); /* across two pages */
	CHECK(73, sym_write(LICHEN_MSR_CALL_VCPU,
			    (PAGE_AT(page) + LICHEN_GUEST_PAGE - 16) | 1) == GP);
	CHECK(74, sym_write(LICHEN_MSR_CALL_VCPU, UINT64_C(0xfee00001)) == GP);
	CHECK(75, sym_write(LICHEN_MSR_CALL_VCPU, UINT64_MAX) == GP);
	CHECK(76, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at) | 1) == NONE);
	CHECK(77, reads_as(LICHEN_MSR_CALL_VCPU) == 1);
	CHECK(78, sym_write(LICHEN_MSR_CALL_DONE, UINT64_C(1) << 32) == GP);
	CHECK(79, sym_write(LICHEN_MSR_CALL_DONE, 0) == GP);
	CHECK(80, sym_write(LICHEN_MSR_CALL_ANSWER, 1) == GP);
	CHECK(81, sym_write(LICHEN_MSR_CALL_ANSWER, 0) == GP);
	CHECK(82, sym_write(LICHEN_MSR_CALL_ANSWER, UINT64_MAX) == GP);
	CHECK(83, sym_write(LICHEN_MSR_CALL_VCPU, 0) == NONE);
	CHECK(84, reads_as(LICHEN_MSR_CALL_VCPU) == 0);
}

int main(void)
{
	uint64_t offered;

	if (!sym_find()) {
		pebble_puts("pebble: no symbiotic VMM\n");
		return PEBBLE_PASS;
	}
	common();
	offered = reads_as(LICHEN_MSR_OFFERED);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		CHECK(13, sym_write(places[i].msr, LICHEN_AT(PAGE_AT(page), 1)) == GP);
	CHECK(14, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at) | 1) == GP);
	CHECK(15, sym_write(LICHEN_MSR_AGREED, offered) == NONE);
	where();
	if (offered & LICHEN_FEATURE_CALL) {
		registration();
		at = good();
		CHECK(85, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at) | 1) == NONE);
		CHECK(86, sym_write(LICHEN_MSR_AGREED,
				    offered & ~(uint64_t)LICHEN_FEATURE_CALL) == NONE);
		CHECK(87, sym_write(LICHEN_MSR_CALL_VCPU, PAGE_AT(&at) | 1) == GP);
		CHECK(88, reads_as(LICHEN_MSR_CALL_VCPU) == 0);
		CHECK(89, sym_write(LICHEN_MSR_AGREED, offered) == NONE);
		CHECK(90, reads_as(LICHEN_MSR_CALL_VCPU) == 0);
	}
	if (offered & LICHEN_FEATURE_MODULE)
		CHECK(91, sym_write(LICHEN_MSR_MODULE_ANSWER, 1) == GP);
	CHECK(92, sym_agree(SYM_ALL) == (offered & SYM_ALL));
	sym_vcpu(0);
	if (offered & LICHEN_FEATURE_CALL)
		CHECK(93, reads_as(LICHEN_MSR_CALL_VCPU) == 1);
	pebble_puts("pebble: every MSR stands it\n");
	return PEBBLE_PASS;
}
