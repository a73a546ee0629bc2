/* SPDX-License-Identifier: MIT */
/*
 * exits.S: reads a port BENCH_EXITS times, then asks for the end.  Offset 1 of debug-exit reads
 * as zero and does nothing, so that what is measured is the way to the handler and back.
 */
	.code64
	.globl _start
_start:
	movl	$BENCH_EXITS, %ecx
	movl	$0xf5, %edx
1:	inb	%dx, %al
	decl	%ecx
	jnz	1b
	decl	%edx
	xorl	%eax, %eax
	outb	%al, %dx
2:	hlt
	jmp	2b
