/* SPDX-License-Identifier: MIT */
/*
 * crt0.S: the first instructions, the descriptor tables, the entry of traps
 * and the trampoline of the other CPUs.  Entered in long mode as the boot
 * plugin `flat` leaves it: rdi bytes of RAM, 4 GiB mapped to themselves.
 *
 * The IDT is complete when assembled: each gate leads to a stub of 16 bytes at
 * a fixed address, so that nothing has to be filled in at run time.
 */
#define CS 0x10
#define DS 0x18
#define VECTORS 64
#define STUBS 0x100010 /* pebble.ld checks it */
#define STACK 0x4000
#define AP_MAX 32
#define AP_STACK 0x1000
#define CR0_PE_ET_PG 0x80000011
#define CR4_PAE 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

	.section .text.start, "ax"
	.code64
	.globl _start
_start:
	jmp	start

	.balign 16
	.globl pebble_stubs
pebble_stubs:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, \
		22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, \
		41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, \
		60, 61, 62, 63
	.balign 16
	/* The CPU pushes an error code for these, and nothing for the others. */
	.if \n != 8 && (\n < 10 || \n > 14) && \n != 17 && \n != 21 && \n != 29 && \n != 30
	pushq	$0
	.endif
	pushq	$\n
	jmp	trap
	.endr

	.balign 16
trap:
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	cld
	call	pebble_trap
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq

start:
	cld
	movq	%rdi, %rbx
	lgdt	gdtr
	lidt	idtr
	movl	$(stack + STACK), %esp
	movl	$pebble_bss, %edi
	movl	$pebble_bss_end, %ecx
	subl	%edi, %ecx
	shrl	$3, %ecx
	xorl	%eax, %eax
	rep stosq
	movq	%rbx, pebble_ram
	call	main
	movl	%eax, %edi
	call	pebble_exit

/*
 * Copied to a page below 1 MiB, whose number is the vector of the startup IPI.
 * From real mode straight to long mode: PE and PG are set at once.
 */
	.globl pebble_trampoline
	.globl pebble_trampoline_end
	.code16
pebble_trampoline:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	(trampoline_gdtr - pebble_trampoline)
	movl	(pebble_trampoline_cr3 - pebble_trampoline), %eax
	movl	%eax, %cr3
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	xorl	%edx, %edx
	movl	$EFER_LME, %eax
	wrmsr
	movl	$CR0_PE_ET_PG, %eax
	movl	%eax, %cr0
	ljmpl	$CS, $ap_start
	.balign 4
trampoline_gdtr:
	.word	gdt_end - gdt - 1
	.long	gdt
	.balign 4
	.globl pebble_trampoline_cr3
pebble_trampoline_cr3:
	.long	0
pebble_trampoline_end:

	.code64
ap_start:
	movl	$DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	lidt	idtr
	movl	$1, %edi
	lock xaddl %edi, pebble_ap_next
	cmpl	$AP_MAX, %edi
	jae	1f
	leal	1(%rdi), %eax
	imull	$AP_STACK, %eax, %eax
	leal	ap_stacks(%rax), %esp
	call	*pebble_ap_main
1:	cli
	hlt
	jmp	1b

	.data
	.balign 16
idt:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, \
		22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, \
		41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, \
		60, 61, 62, 63
	.word	(STUBS + \n * 16) & 0xffff
	.word	CS
	.word	0x8e00 /* present, interrupt gate */
	.word	(STUBS + \n * 16) >> 16
	.quad	0
	.endr
gdt:
	.quad	0, 0
	.quad	0x00af9b000000ffff
	.quad	0x00cf93000000ffff
gdt_end:
	.balign 4
	.word	0
gdtr:
	.word	gdt_end - gdt - 1
	.quad	gdt
	.balign 4
	.word	0
idtr:
	.word	VECTORS * 16 - 1
	.quad	idt

	.section .noinit, "aw", @nobits
	.balign 16
stack:
	.skip	STACK
ap_stacks:
	.skip	AP_MAX * AP_STACK

	.section .note.GNU-stack, "", @progbits
