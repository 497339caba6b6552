# Installs the build into an empty prefix, then configures, builds and runs the consumer project beside this file
# against that prefix alone.
#   cmake -DBUILD_DIR=<build> -DWORK_DIR=<scratch> -DSOURCE_DIR=<test/Embed> -DGENERATOR=<generator>
#         -DCHECKOUT=<checkout> -DC_COMPILER=<cc> -DCXX_COMPILER=<c++> -DLINKER_FLAGS=<flags> -DMLIR_DIR=<dir> -P Run.cmake
function(step what)
  message(STATUS "${what}")
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${what} failed (${code}):\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(prefix ${WORK_DIR}/prefix)
set(consumer ${WORK_DIR}/build)
file(REMOVE_RECURSE ${WORK_DIR})
step("Install into ${prefix}" ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
execute_process(COMMAND grep -rlF ${CHECKOUT}/ ${prefix} OUTPUT_VARIABLE output)
if(output)
  message(FATAL_ERROR "these installed files name ${CHECKOUT}, a folder of the machine that built them:\n${output}")
endif()
step("Configure the consumer" ${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE_DIR} -B ${consumer}
     -DCMAKE_PREFIX_PATH=${prefix} -DMLIR_DIR=${MLIR_DIR} -DCMAKE_C_COMPILER=${C_COMPILER}
     -DCMAKE_CXX_COMPILER=${CXX_COMPILER} -DCMAKE_EXE_LINKER_FLAGS=${LINKER_FLAGS})
step("Build the consumer" ${CMAKE_COMMAND} --build ${consumer})
step("Run the consumer" ${consumer}/embed)
foreach(expected ".target sm_90a" "wgmma.mma_async" "\"entry\"")
  string(FIND "${output}" "${expected}" at)
  if(at EQUAL -1)
    string(SUBSTRING "${output}" 0 2000 head)
    message(FATAL_ERROR "the consumer's output lacks '${expected}'; it begins\n${head}")
  endif()
endforeach()
# The next run installs anew; a static build leaves hundreds of megabytes.
file(REMOVE_RECURSE ${WORK_DIR})
