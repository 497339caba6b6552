# `cmake --install`: headers (generated ones and TableGen files too), every library of ours as DGemm::NAME, the tools
# (dgemm_add_tool), libdgemm.so, the plugin and a package for find_package(DGemm). The umbrella target DGemm::DGemm is
# the compiler library. Tools, shared libraries and the plugin are installed if they are built: the quick start builds a
# few.
include(CMakePackageConfigHelpers)
set(DGEMM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/DGemm)

get_property(_dgemm_libraries GLOBAL PROPERTY DGEMM_LIBRARIES)
add_library(DGemm INTERFACE)
add_library(DGemm::DGemm ALIAS DGemm)
if(TARGET DGemmDriver)
  target_link_libraries(DGemm INTERFACE DGemmDriver)
endif()
install(TARGETS ${_dgemm_libraries} DGemm EXPORT DGemmTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT DGemmTargets NAMESPACE DGemm:: DESTINATION ${DGEMM_CMAKE_DIR})
install(TARGETS DGemmC DGemmRuntimeC EXPORT DGemmCTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} OPTIONAL)
install(EXPORT DGemmCTargets NAMESPACE DGemm:: DESTINATION ${DGEMM_CMAKE_DIR})

foreach(_root ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/dialects
              ${PROJECT_BINARY_DIR}/include ${PROJECT_BINARY_DIR}/dialects)
  install(DIRECTORY ${_root}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN "*.h" PATTERN "*.h.inc" PATTERN "*.td" PATTERN CMakeFiles EXCLUDE)
endforeach()

# Not in a folder that find_package searches when the bin folder of the build is on PATH.
set(_package ${PROJECT_BINARY_DIR}/installed-package)
configure_package_config_file(cmake/DGemmConfig.cmake.in ${_package}/DGemmConfig.cmake
  INSTALL_DESTINATION ${DGEMM_CMAKE_DIR} NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${_package}/DGemmConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${_package}/DGemmConfig.cmake ${_package}/DGemmConfigVersion.cmake
              cmake/LinkLLVM.cmake cmake/StaticLLVM.cmake
        DESTINATION ${DGEMM_CMAKE_DIR})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
