# Defines what our libraries link, from a found LLVM/MLIR 22; shared by the build (FindLLVM22.cmake) and the installed
# package (DGemmConfig.cmake), so that an embedder links just what we tested:
#   dgemm_llvm_support  LLVM's Support library alone (launch descriptor, assembler, runtime, emulator)
#   dgemm_llvm_object   Support and the reader of object files (cubins)
#   dgemm_mlir          MLIR, LLVM's optimiser and the NVPTX back end (compiler)
# DGEMM_STATIC: the archives; otherwise libLLVM.so and libMLIR.so. The targets are IMPORTED because an exported library
# may name such a target without exporting it.
add_library(dgemm_llvm_support INTERFACE IMPORTED)
add_library(dgemm_llvm_object INTERFACE IMPORTED)
add_library(dgemm_mlir INTERFACE IMPORTED)
separate_arguments(_dgemm_llvm_definitions NATIVE_COMMAND "${LLVM_DEFINITIONS}")
list(TRANSFORM _dgemm_llvm_definitions REPLACE "^-D" "")
foreach(_dgemm_target dgemm_llvm_support dgemm_llvm_object dgemm_mlir)
  target_compile_definitions(${_dgemm_target} INTERFACE ${_dgemm_llvm_definitions})
  target_include_directories(${_dgemm_target} INTERFACE ${LLVM_INCLUDE_DIRS})
endforeach()
target_include_directories(dgemm_mlir INTERFACE ${MLIR_INCLUDE_DIRS})

if(NOT DGEMM_STATIC)
  target_link_libraries(dgemm_llvm_support INTERFACE LLVM)
  target_link_libraries(dgemm_llvm_object INTERFACE LLVM)
  # MLIR alone: naming an MLIRxxx archive as well would put a second copy of it in the program.
  target_link_libraries(dgemm_mlir INTERFACE MLIR LLVM)
else()
  include(${CMAKE_CURRENT_LIST_DIR}/StaticLLVM.cmake)
endif()
