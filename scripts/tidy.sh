#!/usr/bin/env bash
# Runs clang-tidy on the C++ lines that a change touches: tidy.sh [BASE] [clang-tidy-diff option...]
#   BASE  base of the change (default: main); includes the working tree, but not untracked files
# The checks are those of .clang-tidy; every finding is an error. Needs the package clang-tidy-22, and configures build-tidy,
# where each file is compiled by itself. A file takes 10 to 30 seconds, so CI does not run this.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
base=main
if (($#)) && [[ $1 != -* ]]; then
  base=$1
  shift
fi
command -v clang-tidy-diff-22.py >/dev/null || die "clang-tidy-diff-22.py is missing: install the package clang-tidy-22"
since=$(git merge-base "$base" HEAD) || die "'$base' is no commit that HEAD has an ancestor in common with"

say "Configuring build-tidy, and what TableGen generates"
cmake --preset dev -B build-tidy -DDGEMM_QUICK_BUILD=OFF >/dev/null
cmake --build build-tidy --target DGemmIRIncGen DGemmTransformsIncGen DGemmConversionIncGen -- --quiet
say "clang-tidy on the lines that differ from $(git rev-parse --short "$since")"
git diff --no-color -U0 "$since" -- '*.cpp' '*.h' |
  clang-tidy-diff-22.py -p1 -path build-tidy -j "${DGEMM_JOBS:-$(nproc)}" -clang-tidy-binary clang-tidy-22 \
    -warnings-as-errors='*' -quiet -hide-progress "$@"
