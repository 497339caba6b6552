#!/usr/bin/env bash
# From a clone to a kernel: installs what is missing, builds the tools, and compiles a GEMM of DeepSeek-V3 to PTX, a
# cubin and a launch descriptor in out/. On a machine with a Hopper GPU it also runs, checks and times the kernel; on any
# other machine the emulator runs and checks a small one. With DGEMM_TOOLS=FOLDER it uses tools that were built before.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
M=4096 N=7168 K=16384
STEPS=4

# step NUMBER TEXT: prints the step, and the time so far.
step() {
  say "[$1/$STEPS, $((SECONDS / 60)) min $((SECONDS % 60)) s] $2"
}

has_hopper() {
  command -v nvidia-smi >/dev/null &&
    nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | grep -qx '9\.0'
}

tools=${DGEMM_TOOLS:-build-static/bin}
if [[ -n ${DGEMM_TOOLS:-} ]]; then
  step 2 "Taking the tools in $tools"
else
  step 1 "Installing what is missing: up to 2 GB, most of it LLVM and MLIR"
  scripts/setup.sh
  step 2 "Building the tools: about 10 minutes of CPU time, less with ccache"
  scripts/build.sh --static dgemm-gen dgemm-opt dgemm-run
fi
use_ptxas

step 3 "Compiling D[$M,$N] = A[$M,$K] x B[$N,$K]^T, scaled e4m3 to bf16, for sm_90a"
"$tools/dgemm-gen" --m=$M --n=$N --k=$K --output-dir=out --print-config --time
ls -l out
echo "entry    $(sed -n 's/^ *"entry": "\(.*\)",*$/\1/p' out/kernel.json)"
echo "wgmmas   $(grep -c 'wgmma.mma_async' out/kernel.ptx) in $(wc -l <out/kernel.ptx) lines of PTX"

if has_hopper; then
  step 4 "Running it on the GPU, checked against double precision"
  "$tools/dgemm-run" --kernel=out/kernel.cubin --launch=out/kernel.json --m=$M --n=$N --k=$K
else
  step 4 "No Hopper GPU here: a small kernel runs on the emulator instead, checked against double precision"
  "$tools/dgemm-run" --m=256 --n=256 --k=512
  say "On a machine with a Hopper GPU, this runs the kernel in out/:"
  echo "$tools/dgemm-run --kernel=out/kernel.cubin --launch=out/kernel.json"
fi
