# SPDX-License-Identifier: MIT
# lichen_plugin(NAME SOURCES FILE... [LIBRARIES TARGET...])
#
# Builds NAME.so into build/plugins.  A plugin sees abi/ and sdk/ and the
# libraries that its own line names; nothing else is on its include path.
set(LICHEN_PLUGIN_DIR ${CMAKE_BINARY_DIR}/plugins)
set(LICHEN_PLUGIN_EXPORTS ${CMAKE_CURRENT_LIST_DIR}/plugin.map)

function(lichen_plugin name)
	cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
	set(target plugin-${name})
	add_library(${target} MODULE ${arg_SOURCES})
	target_link_libraries(${target} PRIVATE lichen_flags lichen::abi lichen::sdk ${arg_LIBRARIES})
	target_link_options(${target} PRIVATE -Wl,--version-script=${LICHEN_PLUGIN_EXPORTS})
	if(NOT LICHEN_SANITIZE)
		target_link_options(${target} PRIVATE -Wl,-z,defs)
	endif()
	set_target_properties(${target} PROPERTIES
		OUTPUT_NAME ${name} PREFIX "" C_VISIBILITY_PRESET hidden
		LIBRARY_OUTPUT_DIRECTORY ${LICHEN_PLUGIN_DIR}
		LINK_DEPENDS ${LICHEN_PLUGIN_EXPORTS})
	set_property(GLOBAL APPEND PROPERTY LICHEN_PLUGINS ${target})
	install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/lichen/plugins)
endfunction()
