# SPDX-License-Identifier: MIT
# lichen_pebble(NAME SOURCES...)
#
# Builds ${CMAKE_BINARY_DIR}/guests/NAME.bin, a flat binary for the boot plugin `flat` with its
# defaults: loaded and entered at 1 MiB, in long mode.  Nothing of the host's C library or of
# the host's hardening flags goes in.
set(PEBBLE_DIR ${CMAKE_CURRENT_LIST_DIR})
set(PEBBLE_FLAGS -ffreestanding -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables)
set(PEBBLE_C_FLAGS -std=c11 -O2 -Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith -Wcast-qual
	-Wwrite-strings -Wundef -Wvla -Wconversion -Wstrict-prototypes -Wmissing-prototypes
	-Wold-style-definition $<$<BOOL:${LICHEN_WERROR}>:-Werror>)

add_library(pebble OBJECT EXCLUDE_FROM_ALL ${PEBBLE_DIR}/lib/crt0.S ${PEBBLE_DIR}/lib/acpi.c
	${PEBBLE_DIR}/lib/apic.c ${PEBBLE_DIR}/lib/console.c ${PEBBLE_DIR}/lib/pic.c
	${PEBBLE_DIR}/lib/string.c ${PEBBLE_DIR}/lib/trap.c)
target_include_directories(pebble PUBLIC ${PEBBLE_DIR}/include)
target_compile_options(pebble PUBLIC ${PEBBLE_FLAGS}
	$<$<COMPILE_LANGUAGE:C>:${PEBBLE_C_FLAGS}>)
set_target_properties(pebble PROPERTIES POSITION_INDEPENDENT_CODE OFF)

# The symbiotic side, for guests that want it: target_link_libraries(pebble-NAME PRIVATE
# pebble_symbiotic).
add_library(pebble_symbiotic OBJECT EXCLUDE_FROM_ALL ${PEBBLE_DIR}/lib/symbiotic.c
	${PEBBLE_DIR}/lib/sym_set.c ${PEBBLE_DIR}/lib/sym_call.c ${PEBBLE_DIR}/lib/sym_module.c
	${PEBBLE_DIR}/lib/sym_entry.S)
target_include_directories(pebble_symbiotic PUBLIC ${PEBBLE_DIR}/include ${PEBBLE_DIR}/../../abi)
target_compile_options(pebble_symbiotic PUBLIC ${PEBBLE_FLAGS}
	$<$<COMPILE_LANGUAGE:C>:${PEBBLE_C_FLAGS}>)
set_target_properties(pebble_symbiotic PROPERTIES POSITION_INDEPENDENT_CODE OFF)

function(lichen_pebble name)
	set(target pebble-${name})
	set(output ${CMAKE_BINARY_DIR}/guests/${name}.bin)
	add_executable(${target} ${ARGN})
	target_link_libraries(${target} PRIVATE pebble)
	target_link_options(${target} PRIVATE -nostdlib -static -Wl,--build-id=none
		-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-T,${PEBBLE_DIR}/pebble.ld)
	set_target_properties(${target} PROPERTIES
		POSITION_INDEPENDENT_CODE OFF OUTPUT_NAME ${name}.elf
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/guests
		LINK_DEPENDS ${PEBBLE_DIR}/pebble.ld)
	add_custom_command(TARGET ${target} POST_BUILD
		COMMAND ${CMAKE_OBJCOPY} -O binary $<TARGET_FILE:${target}> ${output}
		BYPRODUCTS ${output} VERBATIM)
endfunction()

# lichen_pebble_object(NAME SOURCE): builds ${CMAKE_BINARY_DIR}/guests/NAME.o, a relocatable
# object for SymMod to link into a running symbiotic guest.
function(lichen_pebble_object name source)
	set(target pebble-object-${name})
	set(output ${CMAKE_BINARY_DIR}/guests/${name}.o)
	add_library(${target} OBJECT ${source})
	target_include_directories(${target} PRIVATE ${PEBBLE_DIR}/include ${PEBBLE_DIR}/../../abi)
	target_compile_options(${target} PRIVATE ${PEBBLE_FLAGS} ${PEBBLE_C_FLAGS})
	set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
	add_custom_command(OUTPUT ${output}
		COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_OBJECTS:${target}> ${output}
		COMMAND ${CMAKE_OBJCOPY} --strip-debug ${output}
		DEPENDS ${target} $<TARGET_OBJECTS:${target}> VERBATIM)
	add_custom_target(${target}-file ALL DEPENDS ${output})
endfunction()
