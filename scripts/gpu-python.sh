#!/usr/bin/env bash
# Runs all checks of the Python package that need a Hopper GPU: gpu-python.sh WHEEL [OUTPUT_DIR]
#   WHEEL       wheel of scripts/build-wheel.sh, for the Python of this machine
#   OUTPUT_DIR  folder of logs (default: $OUT, else out/gpu-python)
# Needs Python with torch, numpy, ml_dtypes and pytest, but no network. Uses CuPy, JAX and DeepGEMM (PYTHONPATH) if they are
# there. Ends with a line for each part, PASS or FAIL, and exits with 1 if any failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
wheel=${1:?"usage: gpu-python.sh WHEEL [OUTPUT_DIR]"}
output=${2:-${OUT:-out/gpu-python}}
python=${PYTHON:-python3}
mkdir -p "$output"
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
"$python" -m pip install --quiet --no-index --no-deps --target "$site" "$wheel" || exit 1
export PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
export DGEMM_CACHE_DIR=$site/kernels

"$python" -m dgemm info | tee "$output/info.log"
status=0
summary=()
part() {
  local name=$1
  shift
  echo "==> $name"
  if "$@" >"$output/$name.log" 2>&1; then summary+=("PASS $name"); else summary+=("FAIL $name") status=1; fi
  tail -n 25 "$output/$name.log"
}
part graph timeout 200 "$python" scripts/gpu-python.py graph
part overhead timeout 120 "$python" scripts/gpu-python.py overhead
part first-call timeout 120 "$python" scripts/gpu-python.py first-call
part threads timeout 250 "$python" scripts/gpu-python.py threads
part pytest timeout 400 "$python" -m pytest -q -p no:cacheprovider --durations=8 test/Python
printf '%s\n' "${summary[@]}" | tee "$output/summary.log"
exit "$status"
