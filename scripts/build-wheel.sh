#!/usr/bin/env bash
# Builds the wheel of the Python package into dist/: build-wheel.sh [--python-include DIR] [--build-dir DIR] [--output DIR]
#   --python-include DIR  headers of a CPython >= 3.12: a wheel cp312-abi3 for that Python and all later ones, built by any
#                         Python (without type stubs of the extension, which only that Python could make)
#   --build-dir DIR       where CMake builds (default: build-wheel)
#   --output DIR          where the wheel goes (default: dist)
# Without --python-include the wheel is for the Python in .venv: the stable ABI from 3.12 on, else only that version.
# The pure Python wheel of the package deep_gemm (python/deep_gemm_compat) goes to the same folder.
# LLVM and MLIR are linked in; DGEMM_JOBS sets the number of parallel compilations. Checks the wheel: its size, that it
# exports only its entry point, that it needs no LLVM, that it names no folder of this machine, and that it loads on
# glibc 2.28 and later, as its tag manylinux_2_28 promises. An aarch64 wheel is a cross build: docs/building-wheels.md.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
MAX_BYTES=$((64 * 1024 * 1024))
GLIBC_LEVEL=2.28

include="" build_dir=build-wheel output=dist
while (($#)); do
  case $1 in
    --python-include) include=$(realpath "$2") && shift 2 ;;
    --build-dir) build_dir=$2 && shift 2 ;;
    --output) output=$2 && shift 2 ;;
    -h | --help)
      sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit
      ;;
    *) die "unknown option '$1'; see build-wheel.sh --help" ;;
  esac
done
[[ -x .venv/bin/python ]] && .venv/bin/python -c 'import nanobind, scikit_build_core' 2>/dev/null ||
  die ".venv lacks nanobind or scikit-build-core: run scripts/setup.sh --python first"

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export CMAKE_BUILD_PARALLEL_LEVEL=${DGEMM_JOBS:-$(nproc)}
options=(--config-settings "build-dir=$build_dir" --config-settings "cmake.define.Python_EXECUTABLE=$ROOT/.venv/bin/python"
  --config-settings "cmake.define.DGEMM_PYTHON_INCLUDE=$include")
say "Building the wheel in $build_dir"
.venv/bin/python -m pip wheel . --no-deps --no-build-isolation --disable-pip-version-check \
  --wheel-dir "$temporary" "${options[@]}"
wheel=$(echo "$temporary"/*.whl)
if [[ -n $include ]]; then
  # The tag is that of the Python that ran the build; the module in it is for the stable ABI.
  .venv/bin/python -m wheel tags --python-tag cp312 --abi-tag abi3 --remove "$wheel"
  wheel=$(echo "$temporary"/*.whl)
fi

.venv/bin/python -m wheel tags --platform-tag "manylinux_${GLIBC_LEVEL/./_}_$(uname -m)" --remove "$wheel"
wheel=$(echo "$temporary"/*.whl)

say "Checking it"
mkdir -p "$temporary/contents" "$output"
.venv/bin/python -m zipfile -e "$wheel" "$temporary/contents"
module=$(echo "$temporary"/contents/dgemm/_dgemm.*so)
bytes=$(stat -c %s "$wheel")
((bytes < MAX_BYTES)) || die "the wheel has $bytes bytes; at most $MAX_BYTES are allowed"
exported=$(nm -D --defined-only "$module" | awk '{ print $3 }')
[[ $exported == PyInit__dgemm ]] || die "the module exports other symbols than PyInit__dgemm: $exported"
needed=$(readelf -d "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
if grep -qE 'LLVM|MLIR|stdc' <<<"$needed"; then
  die "the module needs shared libraries that a user may lack: $needed"
fi
scripts/check-glibc.sh --limit "$GLIBC_LEVEL" "$module"
if .venv/bin/python -c 'import auditwheel' 2>/dev/null; then
  # auditwheel knows the manylinux policy: the symbols and libraries that each level allows.
  allowed=$(.venv/bin/python -m auditwheel show "$wheel" | tr '\n' ' ')
  level=$(grep -oE 'manylinux_2_[0-9]+' <<<"${allowed#*following platform tag}" | head -1)
  ((${level##*_} <= ${GLIBC_LEVEL#*.})) || die "auditwheel allows ${level:-no level} at most: $allowed"
  echo "auditwheel: $level"
fi
if named=$(grep -rlF "$ROOT/" "$temporary/contents"); then
  die "these files of the wheel name $ROOT, a folder of the machine that built it: $named"
fi
.venv/bin/python -m pip wheel python/deep_gemm_compat --quiet --no-deps --no-build-isolation --disable-pip-version-check \
  --wheel-dir "$output"
mv "$wheel" "$output/"
echo "$output/$(basename "$wheel"): $bytes bytes; the module has $(stat -c %s "$module")"
echo "needs $(tr '\n' ' ' <<<"$needed")"
