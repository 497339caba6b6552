# Installs the build into an empty prefix, then configures, builds and runs the consumer project beside this file
# against that prefix alone: with the compiler of the build, and with g++ if there is one.
#   cmake -DBUILD_DIR=<build> -DWORK_DIR=<scratch> -DSOURCE_DIR=<test/Embed> -DGENERATOR=<generator>
#         -DCHECKOUT=<checkout> -DC_COMPILER=<cc> -DCXX_COMPILER=<c++> -DLINKER_FLAGS=<flags> -DMLIR_DIR=<dir>
#         -DPYTHON=<python3> -P Run.cmake
function(step what)
  message(STATUS "${what}")
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${what} failed (${code}):\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(prefix ${WORK_DIR}/prefix)
file(REMOVE_RECURSE ${WORK_DIR})
step("Install into ${prefix}" ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
execute_process(COMMAND grep -rlF ${CHECKOUT}/ ${prefix} OUTPUT_VARIABLE output)
if(output)
  message(FATAL_ERROR "these installed files name ${CHECKOUT}, a folder of the machine that built them:\n${output}")
endif()
# run(PROGRAM EXPECTED...): what the program prints has each of these texts.
function(run program)
  step("Run ${program}" ${program})
  foreach(expected ${ARGN})
    string(FIND "${output}" "${expected}" at)
    if(at EQUAL -1)
      string(SUBSTRING "${output}" 0 2000 head)
      message(FATAL_ERROR "the output of ${program} lacks '${expected}'; it begins\n${head}")
    endif()
  endforeach()
endfunction()

# build(NAME CC CXX options...)
function(build name cc cxx)
  step("Configure the consumer for ${cxx}" ${ARGN} -G ${GENERATOR} -S ${SOURCE_DIR} -B ${WORK_DIR}/${name}
       -DMLIR_DIR=${MLIR_DIR} -DCMAKE_C_COMPILER=${cc} -DCMAKE_CXX_COMPILER=${cxx})
  file(STRINGS ${WORK_DIR}/${name}/CMakeCache.txt found REGEX "^DGemm_DIR")
  if(NOT found MATCHES "=${prefix}/")
    message(FATAL_ERROR "find_package found ${found}, which is not in ${prefix}")
  endif()
  step("Build the consumer for ${cxx}" ${CMAKE_COMMAND} --build ${WORK_DIR}/${name} --parallel 2)
  set(kernel ".target sm_90a" "wgmma.mma_async" "\"entry\"")
  run(${WORK_DIR}/${name}/embed ${kernel})
  run(${WORK_DIR}/${name}/embed-module ${kernel} ".entry layer(")
  run(${WORK_DIR}/${name}/embed-c ${kernel})
endfunction()

build(clang ${C_COMPILER} ${CXX_COMPILER} ${CMAKE_COMMAND} -DCMAKE_PREFIX_PATH=${prefix}
      -DCMAKE_EXE_LINKER_FLAGS=${LINKER_FLAGS})
find_program(gcc gcc)
find_program(gxx g++)
if(gcc AND gxx)
  # The package is found through PATH, and a build folder that stands before it there is none.
  build(gcc ${gcc} ${gxx} ${CMAKE_COMMAND} -E env PATH=${BUILD_DIR}/bin:${prefix}/bin:$ENV{PATH} ${CMAKE_COMMAND})
endif()
file(GLOB library ${prefix}/lib*/libdgemm.so)
step("Run main.py" ${PYTHON} ${SOURCE_DIR}/main.py ${library})
# The next run installs anew; a static build leaves hundreds of megabytes.
file(REMOVE_RECURSE ${WORK_DIR})
