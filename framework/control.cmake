# SPDX-License-Identifier: MIT
# The control server: linked by those alone who name lichen_control.
target_sources(lichen PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/control/client.c
	${CMAKE_CURRENT_LIST_DIR}/control/dump.c
	${CMAKE_CURRENT_LIST_DIR}/control/event.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_console.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_device.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_dump.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_instance.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_meta.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_metrics.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_plugin.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_symbiotic.c
	${CMAKE_CURRENT_LIST_DIR}/control/methods_vm.c
	${CMAKE_CURRENT_LIST_DIR}/control/name.c
	${CMAKE_CURRENT_LIST_DIR}/control/relay.c
	${CMAKE_CURRENT_LIST_DIR}/control/rpc.c
	${CMAKE_CURRENT_LIST_DIR}/control/schema.c
	${CMAKE_CURRENT_LIST_DIR}/control/server.c)
set_property(SOURCE ${CMAKE_CURRENT_LIST_DIR}/control/methods_meta.c
	PROPERTY COMPILE_DEFINITIONS LICHEN_VERSION="${PROJECT_VERSION}")
