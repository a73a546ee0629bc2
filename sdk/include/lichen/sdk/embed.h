/* SPDX-License-Identifier: MIT */
/*
 * sdk/embed.h: a file within a plugin.
 *
 *	LICHEN_EMBED(foo_driver, FOO_DRIVER);		a macro or a literal that names the file
 *	... foo_driver, foo_driver_end - foo_driver ...
 *
 * A path that is not absolute is looked for where the assembler looks: in the folder of the
 * compilation, and in those of -Wa,-I.  The compiler does not tell the build system that the
 * file is read: let the object depend on it (OBJECT_DEPENDS in CMake).
 */
#ifndef LICHEN_SDK_EMBED_H
#define LICHEN_SDK_EMBED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* At file scope, once for each symbol of the plugin. */
#define LICHEN_EMBED(symbol, file)                                           \
	__asm__(".pushsection .rodata\n"                                     \
		".hidden " #symbol "\n"                                      \
		".hidden " #symbol "_end\n"                                  \
		".globl " #symbol "\n"                                       \
		".globl " #symbol "_end\n"                                   \
		".balign 16\n" #symbol ":\n"                                 \
		".incbin \"" file "\"\n" #symbol "_end:\n"                   \
		".byte 0\n"                                                  \
		".popsection\n");                                            \
	extern const uint8_t symbol[] __attribute__((visibility("hidden"))); \
	extern const uint8_t symbol##_end[] __attribute__((visibility("hidden")))

#ifdef __cplusplus
}
#endif

#endif
