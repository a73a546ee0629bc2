# SPDX-License-Identifier: MIT
# What authors of plugins get: headers, a CMake package, a pkg-config file.
include(CMakePackageConfigHelpers)

set(LICHEN_INSTALL_MAP ${CMAKE_INSTALL_DATADIR}/lichen/plugin.map)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Lichen)
configure_package_config_file(sdk/package/LichenConfig.cmake.in
	${CMAKE_BINARY_DIR}/LichenConfig.cmake
	INSTALL_DESTINATION ${package}
	PATH_VARS CMAKE_INSTALL_INCLUDEDIR LICHEN_INSTALL_MAP)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/LichenConfigVersion.cmake
	COMPATIBILITY SameMinorVersion)
# From the folder of the pkg-config file back to the prefix.
file(RELATIVE_PATH LICHEN_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(sdk/package/lichen-plugin.pc.in ${CMAKE_BINARY_DIR}/lichen-plugin.pc @ONLY)

install(DIRECTORY abi/lichen sdk/include/lichen DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
	FILES_MATCHING PATTERN "*.h")
install(DIRECTORY framework/include/lichen DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES cmake/plugin.map DESTINATION ${CMAKE_INSTALL_DATADIR}/lichen)
install(FILES ${CMAKE_BINARY_DIR}/LichenConfig.cmake ${CMAKE_BINARY_DIR}/LichenConfigVersion.cmake
	DESTINATION ${package})
install(FILES ${CMAKE_BINARY_DIR}/lichen-plugin.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
