/* SPDX-License-Identifier: MIT */
/*
 * sym_user: user code inside a symbiotic guest cannot ring its doorbells: every RDMSR and
 * WRMSR at privilege 3 is #GP in the guest, and the VMM never hears of it.
 */
#include <pebble/symbiotic.h>

enum {
	GP = 13,
	DOORBELLS = 6,
	STACK = 4096,
	USER_CODE = 0x23, /* selectors of the table below, privilege 3 */
	USER_DATA = 0x2b,
	TASK = 0x30,
	PRESENT_USER = 4, /* bit of a page table's entry */
	TABLE_ENTRIES = 512,
	LARGE = 1 << 7,
};

struct task { /* Intel SDM 3, 8.7 */
	uint32_t _reserved;
	uint32_t rsp0_low, rsp0_high;
	uint32_t rest[23];
};

static struct task task;
static uint64_t table[8] = {
	0,
	0,
	0x00af9b000000ffff,
	0x00cf93000000ffff, /* as crt0.S has them */
	0x00affb000000ffff,
	0x00cff3000000ffff, /* the same, of privilege 3 */
};
static uint8_t user_stack[STACK] __attribute__((aligned(16)));
static uint8_t kernel_stack[STACK] __attribute__((aligned(16)));
static volatile uint32_t faults, others;
static volatile uint32_t user_done;

/* Each instruction that faults is two bytes; after the last the code waits to be seen. */
void user_code(void);
__asm__(".text\n"
	"user_code:\n\t"
	"wrmsr\n\t"
	"rdmsr\n\t"
	"movl %ebx, %ecx\n\t" /* LICHEN_MSR_CALL_DONE */
	"wrmsr\n\t"
	"rdmsr\n\t"
	"movl %ebp, %ecx\n\t" /* LICHEN_MSR_CALL_ANSWER */
	"wrmsr\n\t"
	"rdmsr\n\t"
	"ud2\n");
void user_enter(uint64_t stack);
__asm__(".text\n"
	"user_enter:\n\t"
	"pushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
	"movq %rsp, user_back\n\t"
	"movl sym_first, %ecx\n\t"
	"leal 0x21(%rcx), %ebx\n\t"
	"leal 0x24(%rcx), %ebp\n\t"
	"incl %ecx\n\t" /* LICHEN_MSR_AGREED */
	"movl $1, %eax\n\t"
	"xorl %edx, %edx\n\t"
	"pushq $0x2b\n\tpushq %rdi\n\tpushq $2\n\tpushq $0x23\n\tpushq $user_code\n\t"
	"iretq\n"
	"user_return:\n\t"
	"movq user_back, %rsp\n\t"
	"popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\t"
	"ret\n");
extern const char user_return[];
extern uint64_t user_back;
uint64_t user_back;

static void on_gp(struct pebble_frame *frame)
{
	if ((frame->cs & 3) == 3)
		faults++;
	else
		others++;
	frame->rip += 2;
}

/* The end of user_code: back to user_enter(), at privilege 0. */
static void on_ud(struct pebble_frame *frame)
{
	user_done = (frame->cs & 3) == 3;
	frame->rip = (uintptr_t)user_return;
	frame->cs = 0x10;
	frame->ss = 0x18;
	frame->rsp = (uintptr_t)kernel_stack + STACK;
}

/* Everything below 1 GiB is user code's too. */
static void open_memory(void)
{
	uint64_t *entries = (uint64_t *)(uintptr_t)(read_cr3() & ~UINT64_C(0xfff));

	for (int level = 0; level < 3; level++) {
		uint64_t first = entries[0];

		for (uint32_t i = 0; i < TABLE_ENTRIES; i++) {
			if (entries[i] & 1)
				entries[i] |= PRESENT_USER;
		}
		if (first & LARGE)
			break;
		entries = (uint64_t *)(uintptr_t)(first & UINT64_C(0x000ffffffffff000));
	}
	__asm__ volatile("movq %0, %%cr3" : : "r"(read_cr3()) : "memory");
}

static void load_table(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdtr = { sizeof(table) - 1, (uintptr_t)table };
	uint64_t base = (uintptr_t)&task;

	task.rsp0_low = (uint32_t)((uintptr_t)kernel_stack + STACK);
	table[TASK / 8] = (sizeof(task) - 1) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
			  (base >> 24 & 0xff) << 56;
	table[TASK / 8 + 1] = base >> 32;
	__asm__ volatile("lgdt %0\n\tltr %1" : : "m"(gdtr), "r"((uint16_t)TASK) : "memory");
}

int main(void)
{
	uint64_t before = 0, after = 0;

	if (!sym_find()) {
		pebble_puts("pebble: no symbiotic VMM\n");
		return PEBBLE_PASS;
	}
	CHECK(1, sym_agree(SYM_ALL) != 0);
	sym_vcpu(0);
	CHECK(2, sym_read(LICHEN_MSR_AGREED, &before) < 0);
	open_memory();
	load_table();
	pebble_on(GP, on_gp);
	pebble_on(6, on_ud);
	user_enter((uintptr_t)user_stack + STACK);
	pebble_on(GP, NULL);
	pebble_on(6, NULL);
	CHECK(3, user_done == 1);
	CHECK(4, faults == DOORBELLS);
	CHECK(5, others == 0);
	CHECK(6, sym_read(LICHEN_MSR_AGREED, &after) < 0);
	CHECK(7, before == after);
	pebble_puts("pebble: user code rings nothing\n");
	return PEBBLE_PASS;
}
