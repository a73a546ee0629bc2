/* SPDX-License-Identifier: MIT */
/*
 * sym_bad: a symbiotic guest that does wrong when it is asked to.  Its functions say what
 * each does; record bad.count/1 counts the #GPs that it got where it should.  With
 * lichen.register it registers its CPUs again, as a guest would that has mended its ways.
 */
#include <pebble/apic.h>
#include <pebble/symbiotic.h>

enum { UNDEFINED = 6, GP = 13, PAGE_FAULT = 14, KBD_COMMAND = 0x64, KBD_PULSE_RESET = 0xfe };

struct count {
	uint64_t refused; /* doorbells that were #GP */
	uint64_t taken;	  /* and those that were not */
};

static struct count *count;
static volatile uint64_t last_serial; /* of the last call, to be answered twice */
static volatile uint64_t stray;	      /* a serial that the other CPU is to answer */
static volatile uint32_t again;	      /* CPUs that are to register again: a bit each */
static volatile int ended = -1;

static void doorbell(uint32_t msr, uint64_t value)
{
	int refused = sym_write(msr, value) == GP;

	sym_begin(count);
	count->refused += (uint64_t)refused;
	count->taken += (uint64_t)!refused;
	sym_end(count);
}

/* --- direct --- */

static int32_t bad_loop(struct sym_call *call)
{
	for (volatile const uint32_t *size = &call->size; *size != UINT32_MAX;)
		;
	return 0;
}

static int32_t bad_halt(struct sym_call *call)
{
	while (call->direct)
		__asm__ volatile("cli; hlt");
	return 0;
}

static int32_t bad_triple(struct sym_call *call)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	(void)call;
	__asm__ volatile("lidt %0; ud2" : : "m"(none));
	return 0;
}

static int32_t bad_stack(struct sym_call *call)
{
	(void)call;
	__asm__ volatile("movq %0, %%rsp; pushq %%rax" : : "r"(UINT64_C(1) << 47));
	return 0;
}

static int32_t bad_fault(struct sym_call *call)
{
	(void)call;
	__asm__ volatile("ud2");
	return 0;
}

static int32_t bad_serial(struct sym_call *call)
{
	doorbell(LICHEN_MSR_CALL_DONE, (call->serial + 1) << 32);
	doorbell(LICHEN_MSR_CALL_DONE, 0);
	call->size = 0;
	return 0;
}

static int32_t bad_wrong_vcpu(struct sym_call *call)
{
	stray = call->serial;
	for (uint32_t i = 0; i < PEBBLE_POLLS && stray != 0; i++)
		pebble_pause();
	call->size = 0;
	return stray == 0 ? 0 : -5;
}

static int32_t bad_twice(struct sym_call *call)
{
	last_serial = call->serial;
	call->size = 0;
	return 0;
}

static int32_t bad_register(struct sym_call *call)
{
	call->size = 0;
	sym_vcpu(0);
	return 0;
}

static int32_t bad_unregister(struct sym_call *call)
{
	call->size = 0;
	(void)sym_write(LICHEN_MSR_CALL_VCPU, 0);
	return 0;
}

static int32_t bad_disagree(struct sym_call *call)
{
	call->size = 0;
	(void)sym_write(LICHEN_MSR_AGREED, 0);
	return 0;
}

static int32_t bad_reset(struct sym_call *call)
{
	outb(KBD_COMMAND, KBD_PULSE_RESET);
	while (call->direct)
		pebble_pause();
	return 0;
}

static int32_t bad_off(struct sym_call *call)
{
	pebble_exit((int)(call->arguments[0] & 127));
}

static int32_t bad_iret(struct sym_call *call)
{
	call->size = 0;
	__asm__ volatile("movq %%rsp, %%rax\n\t"
			 "pushq $0x18\n\tpushq %%rax\n\tpushfq\n\tpushq $0x10\n\tpushq $1f\n\t"
			 "iretq\n1:"
			 :
			 :
			 : "rax", "memory");
	return 0;
}

static int32_t bad_mmio(struct sym_call *call)
{
	call->results[0] = mmio_read32(0xd0000000);
	call->results[1] = inl(0x80);
	call->size = 0;
	return 0;
}

/* --- either way --- */

static int32_t bad_status(struct sym_call *call)
{
	call->size = 0;
	return 5;
}

static int32_t bad_size(struct sym_call *call)
{
	call->size = UINT32_MAX;
	return 0;
}

/* --- deferred --- */

static int32_t bad_answer(struct sym_call *call)
{
	call->size = 0;
	for (uint64_t serial = 0; serial < 3; serial++)
		doorbell(LICHEN_MSR_CALL_ANSWER, (UINT64_C(1) << 32) + serial * UINT32_MAX);
	doorbell(LICHEN_MSR_MODULE_ANSWER, UINT64_MAX);
	return 0;
}

static int32_t bad_directory(struct sym_call *call)
{
	static struct lichen_directory good;
	struct lichen_directory *head = sym_global.head;

	if (good.magic == 0)
		good = *head;
	good.sequence = (head->sequence + 2) & ~1u;
	*head = good;
	call->size = 0;
	switch (call->arguments[0]) {
	case 0:
		return 0;
	case 1:
		head->magic = LICHEN_DIRECTORY_CALL;
		return 0;
	case 2:
		head->version = UINT32_MAX;
		return 0;
	case 3:
		head->size = UINT32_MAX;
		return 0;
	case 4:
		head->entries = head->size - 8;
		return 0;
	case 5:
		head->count = UINT32_MAX;
		return 0;
	case 6:
		head->sequence |= 1;
		return 0;
	case 7:
		head->entries = 4;
		return 0;
	default:
		return -22; /* EINVAL */
	}
}

static int32_t bad_again(struct sym_call *call)
{
	again = UINT32_MAX;
	call->size = 0;
	sym_vcpu(0);
	return 0;
}

static int32_t leave(struct sym_call *call)
{
	ended = (int)(call->arguments[0] & 127);
	call->size = 0;
	return 0;
}

enum { DIRECT = LICHEN_CALL_DIRECT, DEFERRED = LICHEN_CALL_DEFERRED, BOTH = DIRECT | DEFERRED };

static const struct sym_function functions[] = {
	{ "bad.loop", "->", DIRECT, bad_loop },
	{ "bad.halt", "->", DIRECT, bad_halt },
	{ "bad.triple", "->", DIRECT, bad_triple },
	{ "bad.stack", "->", DIRECT, bad_stack },
	{ "bad.fault", "->", DIRECT, bad_fault },
	{ "bad.serial", "->", DIRECT, bad_serial },
	{ "bad.wrong_vcpu", "->", DIRECT, bad_wrong_vcpu },
	{ "bad.twice", "->", DIRECT, bad_twice },
	{ "bad.register", "->", DIRECT, bad_register },
	{ "bad.unregister", "->", DIRECT, bad_unregister },
	{ "bad.disagree", "->", DIRECT, bad_disagree },
	{ "bad.reset", "->", DIRECT, bad_reset },
	{ "bad.off", "code:u8 ->", DIRECT, bad_off },
	{ "bad.iret", "->", DIRECT, bad_iret },
	{ "bad.mmio", "-> mmio:x32 port:x32", DIRECT, bad_mmio },
	{ "bad.status", "->", BOTH, bad_status },
	{ "bad.size", "->", BOTH, bad_size },
	{ "bad.answer", "->", DEFERRED, bad_answer },
	{ "bad.directory", "how:u8 ->", DEFERRED, bad_directory },
	{ "lichen.register", "->", DEFERRED, bad_again },
	{ "pebble.exit", "code:u8 ->", DEFERRED, leave },
};

/* --- records --- */

static uint8_t *spinning;

static struct lichen_directory_entry *entry_of(const void *bytes)
{
	struct lichen_directory *head = sym_global.head;
	struct lichen_directory_entry *entry =
		(struct lichen_directory_entry *)(void *)(head + 1);
	uint32_t offset = (uint32_t)((uintptr_t)bytes - (uintptr_t)head -
				     sizeof(struct lichen_spy_record));

	while (entry->offset != offset)
		entry++;
	return entry;
}

static void records(void)
{
	uint8_t *odd, *far, *huge, *schema, *longest, *unaligned, *inside;

	count = sym_add_record(&sym_global, "bad.count/1", sizeof(*count),
			       "refused:u64 taken:u64");
	odd = sym_add_record(&sym_global, "bad.odd/1", 8, "a:u64");
	spinning = sym_add_record(&sym_global, "bad.spinning/1", 8, "a:u64");
	far = sym_add_record(&sym_global, "bad.far/1", 8, "a:u64");
	huge = sym_add_record(&sym_global, "bad.huge/1", 8, "a:u64");
	schema = sym_add_record(&sym_global, "bad.schema/1", 8, "[[ -> a:u9999 | \x01\xff%s");
	longest = sym_add_record(&sym_global, "bad.long/1", 8, "a:u64");
	unaligned = sym_add_record(&sym_global, "bad.unaligned/1", 8, "a:u64");
	inside = sym_add_record(&sym_global, "bad.inside/1", 8, "a:u64");
	CHECK(2, count && odd && spinning && far && huge && schema && longest && unaligned &&
			 inside);
	sym_begin(odd);
	entry_of(far)->offset = 0xfffffff8u;
	entry_of(huge)->size = UINT32_MAX;
	entry_of(longest)->schema_size = UINT32_MAX;
	memset(entry_of(unaligned)->name, 'x', LICHEN_DIRECTORY_NAME); /* without an end */
	entry_of(unaligned)->offset += 4;
	entry_of(inside)->offset = 0; /* the directory itself */
}

/* Its record never settles: it is odd most of the time, and changes all the time. */
static void other_cpu(uint32_t number)
{
	if (number + 1 >= SYM_CPUS)
		return;
	sym_vcpu(number + 1);
	for (;;) {
		for (uint32_t i = 0; i < 1000; i++) {
			sym_begin(spinning);
			spinning[0]++;
			sym_end(spinning);
		}
		if (stray != 0) {
			doorbell(LICHEN_MSR_CALL_DONE, stray << 32);
			stray = 0;
		}
		if (again & 2u << number) {
			again &= ~(2u << number);
			sym_vcpu(number + 1);
		}
	}
}

static void stand_still(struct pebble_frame *frame)
{
	(void)frame;
	for (;;)
		__asm__ volatile("cli; hlt");
}

int main(void)
{
	if (!sym_find()) {
		pebble_puts("pebble: no symbiotic VMM\n");
		return PEBBLE_PASS;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		CHECK(1, sym_add_function(&functions[i]) != 0);
	CHECK(3, sym_agree(SYM_ALL) != 0);
	records();
	sym_vcpu(0);
	pebble_on(UNDEFINED, stand_still);
	pebble_on(PAGE_FAULT, stand_still);
	pebble_start_cpus(other_cpu);
	pebble_puts("pebble: bad\n");
	while (ended < 0) {
		sym_wait();
		if (last_serial != 0) {
			doorbell(LICHEN_MSR_CALL_DONE, last_serial << 32);
			last_serial = 0;
		}
		sym_serve();
	}
	return ended;
}
