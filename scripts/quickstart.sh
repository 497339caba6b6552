#!/usr/bin/env bash
# From a clone to a kernel: installs what is missing, builds the tools, and compiles a GEMM of DeepSeek-V3 to PTX, a
# cubin and a launch descriptor in out/. On a machine with a Hopper GPU it also runs, checks and times the kernel; on any
# other the emulator runs and checks a small one.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
M=4096 N=7168 K=16384

has_hopper() {
  command -v nvidia-smi >/dev/null &&
    nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | grep -qx '9\.0'
}

scripts/setup.sh
use_ptxas
scripts/build.sh --static dgemm-gen dgemm-opt dgemm-run

say "Compiling D[$M,$N] = A[$M,$K] x B[$N,$K]^T, scaled e4m3 to bf16, for sm_90a"
build-static/bin/dgemm-gen --m=$M --n=$N --k=$K --output-dir=out --print-config --time

say "The kernel is in out/"
ls -l out
echo "entry    $(sed -n 's/^ *"entry": "\(.*\)",*$/\1/p' out/kernel.json)"
echo "wgmmas   $(grep -c 'wgmma.mma_async' out/kernel.ptx) in $(wc -l <out/kernel.ptx) lines of PTX"

if has_hopper; then
  say "Running it on the GPU, checked against double precision"
  build-static/bin/dgemm-run --kernel=out/kernel.cubin --launch=out/kernel.json --m=$M --n=$N --k=$K
else
  say "No Hopper GPU here: a small kernel runs on the emulator instead, checked against double precision"
  build-static/bin/dgemm-run --m=256 --n=256 --k=512
  say "On a machine with a Hopper GPU, this runs the kernel in out/:"
  echo "build-static/bin/dgemm-run --kernel=out/kernel.cubin --launch=out/kernel.json"
fi
