#!/usr/bin/env bash
# The tests of test/Runner, which CI runs on the emulator, on a GPU: gpu-embedding.sh build | run
#   build  here, where LLVM is: lowers them as the tests do, and links programs into build-embedding/ (2 MB), which need nothing
#          but glibc 2.35 and libstdc++; runs them on the emulator
#   run    on a machine with a Hopper GPU and its driver: runs the programs there, operands in host memory being copied
# build wants `scripts/build.sh DGemmPlugin` and `scripts/build.sh --static DGemmRuntimeC` before.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

OUT=build-embedding
LLVM=/usr/lib/llvm-22
TESTS=(host-code tensors epilogue)

# lower NAME: test/Runner/NAME.mlir by the pipeline that the test itself names, to an object file.
lower() {
  local file=test/Runner/$1.mlir pipeline
  pipeline=$(sed -n "s/^\/\/ DEFINE: %{lower} = .*--pass-pipeline='\(.*\)'$/\1/p" "$file")
  [[ -n $pipeline ]] || die "$file names no pipeline"
  "$LLVM/bin/mlir-opt" --load-dialect-plugin=build/lib/DGemmPlugin.so --load-pass-plugin=build/lib/DGemmPlugin.so \
    --pass-pipeline="$pipeline" "$file" | "$LLVM/bin/mlir-translate" --mlir-to-llvmir |
    sed 's/@main(/@count_wrong_elements(/' > "$OUT/$1.ll"
  "$LLVM/bin/clang" -O1 -fPIC -Wno-override-module -c "$OUT/$1.ll" -o "$OUT/$1.o"
}

build() {
  [[ -e build/lib/DGemmPlugin.so ]] || die "build/lib/DGemmPlugin.so is missing: run scripts/build.sh DGemmPlugin"
  [[ -e build-static/lib/libdgemm_runtime.so ]] || die "build-static/lib/libdgemm_runtime.so is missing: run scripts/build.sh --static DGemmRuntimeC"
  rm -rf "$OUT" && mkdir -p "$OUT"
  cp -L build-static/lib/libdgemm_runtime.so.0 "$OUT/"
  "$LLVM/bin/clang++" -O2 -std=c++17 -fno-rtti -isystem "$LLVM/include" -c test/Runner/Inputs/ApFloat.cpp -o "$OUT/ApFloat.o"
  "$LLVM/bin/clang" -x c -c - -o "$OUT/main.o" <<'C'
#include <stdio.h>
int count_wrong_elements(void);
int main(void) {
  int wrong = count_wrong_elements();
  printf("%d wrong elements\n", wrong);
  return wrong != 0;
}
C
  # What libstdc++ wants of a glibc newer than that of Ubuntu 22.04.
  "$LLVM/bin/clang" -O2 -fno-builtin -c lib/GlibcCompat/GlibcCompat.c -o "$OUT/GlibcCompat.o"
  local test
  for test in "${TESTS[@]}"; do
    lower "$test"
    g++ -static-libstdc++ -static-libgcc -Wl,--gc-sections,-s "$OUT/main.o" "$OUT/$test.o" "$OUT/ApFloat.o" "$OUT/GlibcCompat.o" "$OUT/libdgemm_runtime.so.0" \
      "$LLVM/lib/libLLVMSupport.a" "$LLVM/lib/libLLVMDemangle.a" -Wl,--as-needed -lz -lzstd -lpthread -ldl \
      "-Wl,-rpath,\$ORIGIN" -o "$OUT/$test"
    rm "$OUT/$test".{ll,o}
  done
  rm "$OUT/ApFloat.o" "$OUT/GlibcCompat.o" "$OUT/main.o"
  scripts/check-glibc.sh --limit 2.35 "$OUT"/*
  try emulator
}

# try DEVICE: each program counts the elements that are wrong.
try() {
  local test failed=0
  for test in "${TESTS[@]}"; do
    if DGEMM_RUNTIME_DEVICE=$1 timeout 120 "$OUT/$test"; then
      echo "PASS $test on the $1"
    else
      echo "FAIL $test on the $1: exit code $?" && failed=1
    fi
  done
  return $failed
}

case ${1:-} in
  build) build ;;
  run) [[ -x $OUT/${TESTS[0]} ]] || die "$OUT is missing: carry it here"; try gpu ;;
  -h | --help) sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
  *) die "expected build or run; see gpu-embedding.sh --help" ;;
esac
