# SPDX-License-Identifier: MIT
# Warnings, hardening and sanitizers for everything that is built here.
add_library(lichen_flags INTERFACE)
target_compile_options(lichen_flags INTERFACE
	-Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef
	-Wvla -Wformat=2 -Wconversion
	$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes;-Wold-style-definition>
	$<$<BOOL:${LICHEN_WERROR}>:-Werror>)
target_compile_definitions(lichen_flags INTERFACE _GNU_SOURCE)

if(LICHEN_SANITIZE)
	target_compile_options(lichen_flags INTERFACE
		-fsanitize=${LICHEN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	target_link_options(lichen_flags INTERFACE -fsanitize=${LICHEN_SANITIZE})
else()
	target_compile_options(lichen_flags INTERFACE
		-fstack-protector-strong -fcf-protection
		$<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
	target_link_options(lichen_flags INTERFACE -Wl,-z,relro,-z,now)
endif()

if(LICHEN_FUZZ)
	# What libFuzzer is guided by.  Not where a target says that it is loaded and unloaded
	# again and again, which libFuzzer does not expect.
	target_compile_options(lichen_flags INTERFACE
		$<$<NOT:$<BOOL:$<TARGET_PROPERTY:LICHEN_UNGUIDED>>>:-fsanitize=fuzzer-no-link>)
endif()

if(LICHEN_COVERAGE)
	# Atomic: vCPU threads count the same lines.
	target_compile_options(lichen_flags INTERFACE --coverage -fprofile-update=atomic)
	target_link_options(lichen_flags INTERFACE --coverage)
endif()
