/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * call_entry.S: where the VMM enters for a direct call, and where it does to clean up after
 * one that it abandoned; lichen/guest/call.h says in what state.  Interrupts are off, the
 * stack is our own, gs is this CPU's, the page tables are the kernel's.
 */
#include <linux/linkage.h>
#include <linux/version.h>
#include <asm/unwind_hints.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
#include <asm/ibt.h>
#else
#define ENDBR
#endif

#include "call.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define HINT UNWIND_HINT_END_OF_STACK
#else
#define HINT UNWIND_HINT_EMPTY
#endif

.macro enter name handler
SYM_CODE_START(\name)
	HINT
	ENDBR
	subq	$CALL_FRAME_BYTES, %rsp
	movq	%rax, CALL_FRAME_SERIAL(%rsp)
	movq	%rdi, CALL_FRAME_FUNCTION(%rsp)
	movl	%r9d, CALL_FRAME_SIZE(%rsp)
	movq	%rsi, CALL_FRAME_ARGUMENTS(%rsp)
	movq	%rdx, CALL_FRAME_ARGUMENTS+8(%rsp)
	movq	%rcx, CALL_FRAME_ARGUMENTS+16(%rsp)
	movq	%r8, CALL_FRAME_ARGUMENTS+24(%rsp)
	movq	$0, CALL_FRAME_RESULTS(%rsp)
	movq	$0, CALL_FRAME_RESULTS+8(%rsp)
	movq	%rsp, %rdi
	call	\handler
	movl	CALL_FRAME_STATUS(%rsp), %eax
	movl	CALL_FRAME_SERIAL(%rsp), %edx
	movl	CALL_FRAME_DONE(%rsp), %ecx
	movq	CALL_FRAME_RESULTS(%rsp), %rdi
	movq	CALL_FRAME_RESULTS+8(%rsp), %rsi
	movl	CALL_FRAME_SIZE(%rsp), %r8d
	wrmsr
	ud2	/* not reached: the VMM has the CPU back */
SYM_CODE_END(\name)
.endm

	.text
	enter lichen_call_entry lichen_call_direct
	enter lichen_call_cleanup lichen_call_undo
