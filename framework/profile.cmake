# SPDX-License-Identifier: MIT
# The profile as a static library of its own, so that it is tested without the rest of liblichen.
pkg_check_modules(LICHEN_YAML REQUIRED IMPORTED_TARGET yaml-0.1)

add_library(lichen_profile STATIC
	${CMAKE_CURRENT_LIST_DIR}/diag.c
	${CMAKE_CURRENT_LIST_DIR}/profile.c
	${CMAKE_CURRENT_LIST_DIR}/profile_bind.c
	${CMAKE_CURRENT_LIST_DIR}/profile_clash.c
	${CMAKE_CURRENT_LIST_DIR}/profile_compose.c
	${CMAKE_CURRENT_LIST_DIR}/profile_extend.c
	${CMAKE_CURRENT_LIST_DIR}/profile_instance.c
	${CMAKE_CURRENT_LIST_DIR}/profile_merge.c
	${CMAKE_CURRENT_LIST_DIR}/profile_order.c
	${CMAKE_CURRENT_LIST_DIR}/profile_param.c
	${CMAKE_CURRENT_LIST_DIR}/profile_print.c
	${CMAKE_CURRENT_LIST_DIR}/profile_rebind.c
	${CMAKE_CURRENT_LIST_DIR}/profile_scalar.c
	${CMAKE_CURRENT_LIST_DIR}/profile_tree.c
	${CMAKE_CURRENT_LIST_DIR}/profile_yaml.c
	${CMAKE_CURRENT_LIST_DIR}/socket.c
	${CMAKE_CURRENT_LIST_DIR}/values.c)
target_include_directories(lichen_profile PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(lichen_profile
	PUBLIC lichen::abi lichen::loader
	PRIVATE lichen_flags lichen_cpuid PkgConfig::LICHEN_YAML)
