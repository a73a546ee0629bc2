/* SPDX-License-Identifier: MIT */
/* first.S: its first act is the exit that ends it.  As large as a small guest, to be loaded. */
	.code64
	.globl _start
_start:
	xorl	%eax, %eax
	movl	$0xf4, %edx
	outb	%al, %dx
1:	hlt
	jmp	1b
	.org	0x2000, 0xf4
