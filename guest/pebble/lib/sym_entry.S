/* SPDX-License-Identifier: MIT */
/*
 * sym_entry.S: where the VMM enters for a direct call (lichen/guest/call.h says in what
 * state), and where it does to clean up.  gs points to a struct sym_cpu.
 */
#define CPU_PAGE 0
#define CPU_DONE 8
#define CPU_CALLS 16
/* struct sym_call */
#define CALL_RESULTS 32
#define CALL_DATA 48
#define CALL_SIZE 56
#define CALL_SERIAL 64
#define CALL_BYTES 80

	.text
	.code64
	.globl sym_entry
sym_entry:
	incq	%gs:CPU_CALLS
	pushq	%rax			/* the serial, and where the status goes */
	pushq	$0
	subq	$CALL_BYTES, %rsp
	movq	%rax, CALL_SERIAL(%rsp)
	movq	%rsi, 0(%rsp)
	movq	%rdx, 8(%rsp)
	movq	%rcx, 16(%rsp)
	movq	%r8, 24(%rsp)
	movq	$0, CALL_RESULTS(%rsp)
	movq	$0, CALL_RESULTS+8(%rsp)
	movq	%gs:CPU_PAGE, %rax
	movq	%rax, CALL_DATA(%rsp)
	movl	%r9d, %r9d
	movq	%r9, CALL_SIZE(%rsp)
	movq	%rdi, %rsi
	movq	%rsp, %rdi
	leaq	CALL_BYTES(%rsp), %rdx
	call	sym_direct
	movq	CALL_RESULTS(%rsp), %rdi
	movq	CALL_RESULTS+8(%rsp), %rsi
	movl	CALL_SIZE(%rsp), %r8d
	movl	CALL_BYTES(%rsp), %eax
	movl	CALL_BYTES+8(%rsp), %edx
	movl	%gs:CPU_DONE, %ecx
	wrmsr
	ud2				/* never: the VMM has the vCPU back */

	.globl sym_cleanup
sym_cleanup:
	lock incq sym_cleanups
	movl	%eax, %edx
	xorl	%eax, %eax
	xorl	%edi, %edi
	xorl	%esi, %esi
	xorl	%r8d, %r8d
	movl	%gs:CPU_DONE, %ecx
	wrmsr
	ud2

	.section .note.GNU-stack, "", @progbits
