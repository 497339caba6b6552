#!/usr/bin/env bash
# Configures and builds: build.sh [--dynamic | --release | --static | --assert | --sanitize] [--werror] [--python] [target...]
#   --dynamic  into build/, against the shared LLVM and MLIR: quick to link, for development (default)
#   --release  into build-release/, the same but optimised and without tests, to install
#   --static   into build-static/, with LLVM and MLIR linked in: quick to start, for use
#   --assert   into build-assert/, with the assertions of our code
#   --sanitize into build-sanitize/, with assertions and the address and undefined-behaviour sanitizers
#   --werror   warnings are errors
#   --python   with the Python extension module (scripts/setup.sh --python installs what it needs)
# Builds the given targets, or everything. DGEMM_JOBS sets the number of parallel compilations.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=dev
directory=build
options=()
targets=()
for argument in "$@"; do
  case $argument in
    --dynamic) preset=dev directory=build ;;
    --release) preset=release directory=build-release ;;
    --static) preset=static directory=build-static ;;
    --assert) preset=assert directory=build-assert ;;
    --sanitize) preset=sanitize directory=build-sanitize ;;
    --werror) options+=(-DDGEMM_WERROR=ON) ;;
    --python) options+=(-DDGEMM_PYTHON=ON "-DPython_EXECUTABLE=$ROOT/.venv/bin/python") ;;
    -h | --help)
      sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit
      ;;
    -*) die "unknown option '$argument'; see build.sh --help" ;;
    *) targets+=("$argument") ;;
  esac
done

command -v clang++-22 >/dev/null || die "clang++-22 is missing: run scripts/setup.sh first"

# A compilation with the MLIR headers takes up to about 1.5 GB.
jobs=$(nproc)
by_memory=$(awk '/^MemAvailable/ { print int($2 / 1572864) }' /proc/meminfo)
if ((by_memory < jobs)); then
  jobs=$((by_memory > 0 ? by_memory : 1))
fi
jobs=${DGEMM_JOBS:-$jobs}

say "Configuring $directory"
cmake --preset "$preset" "${options[@]}"
say "Building ${targets[*]:-everything} in $directory with $jobs jobs"
cmake --build "$directory" --parallel "$jobs" ${targets[@]:+--target "${targets[@]}"}
tools=("$directory"/bin/dgemm-*)
if [[ $preset == static && -e ${tools[0]} ]]; then
  say "Checking that the tools load on glibc 2.28 and later"
  scripts/check-glibc.sh "${tools[@]}"
fi
