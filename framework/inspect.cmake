# SPDX-License-Identifier: MIT
# What can be told of profiles and plugins without running a VM.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET GLOBAL jansson)
target_sources(lichen PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/inspect.c
	${CMAKE_CURRENT_LIST_DIR}/inspect_describe.c
	${CMAKE_CURRENT_LIST_DIR}/inspect_json.c
	${CMAKE_CURRENT_LIST_DIR}/inspect_list.c
	${CMAKE_CURRENT_LIST_DIR}/inspect_profile.c
	${CMAKE_CURRENT_LIST_DIR}/inspect_tables.c
	${CMAKE_CURRENT_LIST_DIR}/inspect_walk.c)
target_link_libraries(lichen PRIVATE PkgConfig::JANSSON)
