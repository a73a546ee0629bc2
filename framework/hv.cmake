# SPDX-License-Identifier: MIT
# The parts of liblichen that need no plugin: hardware virtualization, buses, CPUID.
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu-memb)

function(lichen_part name)
	list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/)
	add_library(${name} STATIC ${ARGN})
	target_include_directories(${name} PUBLIC ${CMAKE_CURRENT_FUNCTION_LIST_DIR}
		${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../loader)
	target_link_libraries(${name} PRIVATE lichen_flags PUBLIC lichen::abi)
endfunction()

lichen_part(lichen_hv hv/kvm.c hv/kvm_slot.c hv/kvm_irq.c hv/kvm_msr.c hv/kvm_vcpu.c
	hv/kvm_state.c hv/kvm_cpu_state.c hv/kvm_msr_state.c hv/kvm_save.c
	hv/kvm_borrow.c hv/kvm_borrow_loss.c)
target_link_libraries(lichen_hv PUBLIC lichen::loader) # ld_error_set()
# For tests only: nothing that is installed links it.
lichen_part(lichen_hv_fake hv/fake/fake.c hv/fake/fake_irq.c hv/fake/fake_vcpu.c
	hv/fake/fake_state.c hv/fake/fake_borrow.c)
target_link_libraries(lichen_hv_fake PUBLIC lichen::loader Threads::Threads)
lichen_part(lichen_bus bus.c mutex.c)
target_link_libraries(lichen_bus PUBLIC PkgConfig::URCU Threads::Threads)
lichen_part(lichen_cpuid cpuid.c cpuid_names.c)
target_link_libraries(lichen_cpuid PUBLIC lichen_profile) # fw_nearest_try()
