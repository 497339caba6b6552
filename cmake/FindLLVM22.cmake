# Finds the distribution's LLVM/MLIR 22 and sets the build up for it. LinkLLVM.cmake defines what our targets link:
# libLLVM.so and libMLIR.so by default, with DGEMM_STATIC the archives, garbage-collected.
list(APPEND CMAKE_PREFIX_PATH /usr/lib/llvm-22)
set(LLVM_EXTERNAL_LIT /usr/lib/llvm-22/bin/lit CACHE FILEPATH "lit")
find_package(Python3 COMPONENTS Interpreter)
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "DGemm needs LLVM/MLIR 22, found ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
endif()
message(STATUS "LLVM/MLIR ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}, static: ${DGEMM_STATIC}")
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
# Without this, add_mlir_doc writes to /docs at the root of the disk.
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/bin)
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/lib)
# Installed tools find libMLIR.so where the build found it.
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(LLVM_ENABLE_WARNINGS ON)
include(TableGen)
include(AddLLVM)
include(AddMLIR)
# LLVM sets these at the top of its own build, for LLVM_USE_SANITIZER. Its libraries have no run-time type information.
set(LLVM_UBSAN_FLAGS "-fsanitize=undefined -fno-sanitize=vptr,function -fno-sanitize-recover=all")
include(HandleLLVMOptions) # -fno-exceptions, warnings, function sections, sanitizers
if(DGEMM_ASSERTIONS)
  # Debian's libraries are built with NDEBUG. The layout of their classes does not depend on it: it depends on
  # LLVM_ENABLE_ABI_BREAKING_CHECKS, which their headers fix and the linker checks.
  add_compile_options(-UNDEBUG)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(_llvm_definitions NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${_llvm_definitions})

include(cmake/LinkLLVM.cmake) # dgemm_llvm_support, dgemm_mlir
if(DGEMM_STATIC)
  # Folding saves a third of the code, but would also merge functions whose addresses someone compares; so the tests
  # run on this build too (scripts/test.sh --static). Options of our own links only: an embedder chooses theirs.
  # No packed relocations: they need glibc 2.36 (lib/GlibcCompat).
  add_link_options(-static-libstdc++ -static-libgcc -Wl,--gc-sections -Wl,--icf=all -Wl,-O2
                   -Wl,-z,nopack-relative-relocs)
endif()
