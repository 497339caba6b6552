# The shipped build links LLVM and MLIR as archives. Debian's MLIR archives name the shared libLLVM in their interface,
# which would link it silently, so these references are rewritten to the archives. Included by LinkLLVM.cmake.
llvm_map_components_to_libnames(_llvm_support support)
llvm_map_components_to_libnames(_llvm_object object support)
llvm_map_components_to_libnames(_llvm_all core support irreader bitwriter passes scalaropts
  nvptxcodegen nvptxdesc nvptxinfo target targetparser mc analysis)
add_library(dgemm_llvm_static INTERFACE IMPORTED)
target_link_libraries(dgemm_llvm_static INTERFACE ${_llvm_all})

get_property(_mlir_libs GLOBAL PROPERTY MLIR_ALL_LIBS)
foreach(_lib IN LISTS _mlir_libs)
  if(TARGET ${_lib})
    get_target_property(_deps ${_lib} INTERFACE_LINK_LIBRARIES)
    if(_deps)
      list(TRANSFORM _deps REPLACE "^LLVM$" "dgemm_llvm_static")
      set_target_properties(${_lib} PROPERTIES INTERFACE_LINK_LIBRARIES "${_deps}")
    endif()
  endif()
endforeach()

# Only the static analyzer needs Z3; zstd and zlib (compressed sections) are linked as archives.
find_library(DGEMM_ZSTD_A libzstd.a)
find_library(DGEMM_ZLIB_A libz.a)
if(NOT DGEMM_ZSTD_A OR NOT DGEMM_ZLIB_A)
  message(FATAL_ERROR "a static build needs libzstd.a and libz.a: install libzstd-dev and zlib1g-dev")
endif()
get_target_property(_deps LLVMSupport INTERFACE_LINK_LIBRARIES)
list(FILTER _deps EXCLUDE REGEX "z3|zstd|ZLIB")
list(REMOVE_ITEM _deps ${DGEMM_ZSTD_A} ${DGEMM_ZLIB_A})
list(APPEND _deps ${DGEMM_ZSTD_A} ${DGEMM_ZLIB_A})
set_target_properties(LLVMSupport PROPERTIES INTERFACE_LINK_LIBRARIES "${_deps}")

target_link_libraries(dgemm_llvm_support INTERFACE ${_llvm_support})
target_link_libraries(dgemm_llvm_object INTERFACE ${_llvm_object})
target_link_libraries(dgemm_mlir INTERFACE
  MLIROptLib MLIRParser MLIRPass MLIRTransforms MLIRSCFDialect MLIRSCFTransforms MLIRSCFToControlFlow
  MLIRArithDialect MLIRBufferizationDialect MLIRDestinationStyleOpInterface MLIRDialectUtils MLIRGPUDialect MLIRLinalgDialect
  MLIRTensorDialect MLIRArithToLLVM MLIRMathDialect MLIRMathTransforms MLIRMathToLLVM MLIRControlFlowToLLVM MLIRFuncDialect
  MLIRMemRefDialect MLIRVectorDialect
  MLIRNVVMDialect MLIRNVVMToLLVM MLIRLLVMDialect MLIRLLVMCommonConversion MLIRReconcileUnrealizedCasts
  MLIRToLLVMIRTranslationRegistration MLIRLLVMToLLVMIRTranslation MLIRNVVMToLLVMIRTranslation
  MLIRBuiltinToLLVMIRTranslation dgemm_llvm_static)
