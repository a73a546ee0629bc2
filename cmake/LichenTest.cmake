# SPDX-License-Identifier: MIT
# lichen_test(NAME SOURCES FILE... [LIBRARIES TARGET...] [LABELS LABEL...] [ENVIRONMENT K=V...])
#
# A TAP program run by ctest (and by prove).  Exit status decides; 77 is a skip.
# Labels: unit (the default), kvm, svm, vt, slow; source for what a sanitizer has no part in.
function(lichen_test name)
	cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;LABELS;ENVIRONMENT" ${ARGN})
	add_executable(test-${name} ${arg_SOURCES})
	target_link_libraries(test-${name} PRIVATE lichen_flags lichen::abi ${arg_LIBRARIES})
	target_include_directories(test-${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
	set_target_properties(test-${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	add_test(NAME ${name} COMMAND test-${name})
	lichen_test_properties(${name} LABELS ${arg_LABELS} ENVIRONMENT ${arg_ENVIRONMENT})
endfunction()

# lichen_script_test(NAME FILE [ARGUMENT...]): a shell producer of TAP.
function(lichen_script_test name file)
	cmake_parse_arguments(arg "" "" "LABELS;ENVIRONMENT;ARGUMENTS" ${ARGN})
	add_test(NAME ${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${arg_ARGUMENTS})
	lichen_test_properties(${name} LABELS ${arg_LABELS} ENVIRONMENT ${arg_ENVIRONMENT})
	set_property(TEST ${name} PROPERTY FAIL_REGULAR_EXPRESSION "(^|\n)not ok ")
endfunction()

function(lichen_test_properties name)
	cmake_parse_arguments(arg "" "" "LABELS;ENVIRONMENT" ${ARGN})
	if(NOT arg_LABELS)
		set(arg_LABELS unit)
	endif()
	set_tests_properties(${name} PROPERTIES
		SKIP_RETURN_CODE 77 LABELS "${arg_LABELS}" TIMEOUT 300
		# Of its own: VMs of different tests may have the same name.
		ENVIRONMENT "LICHEN_RUNTIME_DIR=${CMAKE_BINARY_DIR}/tests/run/${name};LICHEN_BUILD=${CMAKE_BINARY_DIR};LICHEN_SOURCE=${CMAKE_SOURCE_DIR};LICHEN_STRICT=1;${arg_ENVIRONMENT}")
endfunction()
