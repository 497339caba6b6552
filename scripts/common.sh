# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: the folder of the checkout, messages, and the ptxas of the tools.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

# The time since the first script began, as these scripts call one another.
export DGEMM_SCRIPTS_STARTED=${DGEMM_SCRIPTS_STARTED:-$(date +%s)}
say() {
  local seconds=$(($(date +%s) - DGEMM_SCRIPTS_STARTED))
  printf '\n==> [%d:%02d] %s\n' $((seconds / 60)) $((seconds % 60)) "$*"
}
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# The wheel that setup.sh installs: the release is pinned so that the machine code does not depend on the machine. A
# driver of the 580 series loads cubins of CUDA 13.0, but not of later releases.
PTXAS_WHEEL=nvidia-cuda-nvcc==13.0.88
PTXAS_RELEASE=13.0
# The disassembler that the tests compare our decoder with. PyPI has no 13.0; this is the oldest of CUDA 13.
NVDISASM_WHEEL=nvidia-cuda-nvdisasm==13.2.51
NVDISASM_RELEASE=13.2

# Prints the named CUDA program in .venv, nothing if there is none.
venv_cuda_program() {
  local file
  for file in "$ROOT"/.venv/lib/python3*/site-packages/nvidia/cu13/bin/"$1"; do
    if [[ -x $file ]]; then
      echo "$file"
      return
    fi
  done
}

# Makes the tools use the pinned ptxas, unless the caller has set DGEMM_PTXAS.
use_ptxas() {
  if [[ -z ${DGEMM_PTXAS:-} ]]; then
    DGEMM_PTXAS=$(venv_cuda_program ptxas)
    export DGEMM_PTXAS
  fi
}
