#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors, and runs all tests. The unit tests that need no MLIR,
# and the tests of the dialect, the passes and the tools, also run with assertions and under the address and
# undefined-behaviour sanitizers. Fuzzes each target for 10 s: test.sh [--static]
#   --static  tests the shipped build (build-static/) instead of the development build (build/)
# Ends with a line `N passed, N failed, N skipped`. Tests that need a Hopper GPU are skipped if there is none.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

link=--dynamic directory=build
case ${1:-} in
  "") ;;
  --static) link=--static directory=build-static ;;
  *) die "usage: test.sh [--static]" ;;
esac

scripts/setup.sh --python
use_ptxas

say "Checking the format of the C++ files (repair: clang-format-22 -i FILE)"
find dialects examples fuzz include lib python test tools \( -name '*.h' -o -name '*.cpp' -o -name '*.c' \) -print0 |
  xargs -0 clang-format-22 --dry-run --Werror

say "Checking the links of the docs"
scripts/check-links.py

scripts/build.sh "$link" --werror --python

# Both suites run to their end, so that one run shows all that fails.
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
status=0
if [[ $link == --dynamic ]]; then
  say "Compiling each C++ file by itself, as the quick start and a wheel do"
  scripts/check-includes.py --build "$directory" || status=1
fi
say "Running the lit tests"
/usr/lib/llvm-22/bin/lit -sv --xunit-xml-output="$results/lit.xml" "$directory/test" || status=1
say "Running the unit tests and the embedding test"
ctest --test-dir "$directory" --output-on-failure --exclude-regex '^lit$' --no-tests=error \
  --output-junit "$results/ctest.xml" || status=1

say "Running the unit tests that need no MLIR, and the tests of the dialect, the passes and the tools, under sanitizers"
scripts/build.sh --sanitize --werror dgemm-tests-without-mlir dgemm-gen dgemm-opt dgemm-run dgemm-sass dgemm-tune
ctest --test-dir build-sanitize --output-on-failure --label-regex '^without-mlir$' --no-tests=error \
  --output-junit "$results/sanitize.xml" || status=1
# LLVM and MLIR are not instrumented, so our sanitizers would report containers and arenas that both sides use.
ASAN_OPTIONS=detect_container_overflow=0:allow_user_poisoning=0 /usr/lib/llvm-22/bin/lit -sv \
  --xunit-xml-output="$results/lit-sanitize.xml" build-sanitize/test/{Dialect,Transforms,Conversion,tools} || status=1

# Short, because an hour of scripts/fuzz.sh finds new faults more likely than another minute here.
say "Fuzzing"
scripts/fuzz.sh --seconds=10 --bin="$directory/bin" || status=1

# A few of what it draws by default.
say "Checking epilogues on the emulator"
scripts/check-epilogue-options.py --bin="$directory/bin" --count=36 --random=12 || status=1

say "Running the Python tests"
PYTHONPATH=$ROOT/$directory/python .venv/bin/python -m pytest -q -p no:cacheprovider --junitxml="$results/pytest.xml" ||
  status=1

/usr/bin/python3 - "$results"/{lit,ctest,sanitize,lit-sanitize,pytest}.xml <<'PYTHON'
import sys
import xml.etree.ElementTree as ElementTree

total = failed = skipped = 0
for path in sys.argv[1:]:
    for case in ElementTree.parse(path).iter("testcase"):
        total += 1
        failed += case.find("failure") is not None or case.find("error") is not None
        skipped += case.find("skipped") is not None
print(f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped")
PYTHON
exit "$status"
