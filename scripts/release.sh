#!/usr/bin/env bash
# Makes all files of a release in one folder: release.sh [--python-include DIR] [--output DIR]
#   --python-include DIR  headers of a CPython >= 3.12, for the wheel of the stable ABI (see build-wheel.sh)
#   --output DIR          default: dist/VERSION
# These are the wheels of dgemm and of deep_gemm, the sdist, the static tools (a tar.xz), and SHA256SUMS.
# Only CMakeLists.txt has the version; CHANGELOG.md must have a section for it.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

version=$(sed -nE 's/^project\(DGemm VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
output=dist/$version
wheel_options=()
while (($#)); do
  case $1 in
    --python-include) wheel_options+=(--python-include "$2") && shift 2 ;;
    --output) output=$2 && shift 2 ;;
    -h | --help)
      sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit
      ;;
    *) die "unknown option '$1'; see release.sh --help" ;;
  esac
done
grep -q "^## $version\b" CHANGELOG.md || die "CHANGELOG.md has no section '## $version'"
[[ -z $(git status --porcelain --untracked-files=no) ]] || die "there are uncommitted changes; a release is of a commit"
mkdir -p "$output"
[[ -z $(ls "$output") ]] || die "$output is not empty"

scripts/build-wheel.sh "${wheel_options[@]}" --output "$output"

say "Making the sdist"
.venv/bin/python - "$output" <<'PYTHON'
import sys

from scikit_build_core.build import build_sdist

print(build_sdist(sys.argv[1]))
PYTHON
sdist=$output/dgemm-$version.tar.gz
missing=$(comm -13 <(tar -tzf "$sdist" | sed "s,^dgemm-$version/,," | sort) \
  <(git ls-files CMakeLists.txt CHANGELOG.md LICENSE README.md pyproject.toml cmake dialects include lib python tools | sort))
[[ -z $missing ]] || die "the sdist lacks: $missing"
extra=$(comm -23 <(tar -tzf "$sdist" | sed "s,^dgemm-$version/,," | grep -vx PKG-INFO | sort) <(git ls-files | sort))
[[ -z $extra ]] || die "the sdist has files that git does not track: $extra"

say "Packing the tools"
tools=(dgemm-gen dgemm-opt dgemm-run dgemm-sass dgemm-tune)
scripts/build.sh --static "${tools[@]}"
folder=dgemm-tools-$version-linux-$(uname -m)
staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
mkdir -p "$staging/$folder/bin"
for tool in "${tools[@]}"; do
  /usr/lib/llvm-22/bin/llvm-strip "build-static/bin/$tool" -o "$staging/$folder/bin/$tool"
done
cp -r LICENSE CHANGELOG.md tools/completion "$staging/$folder/"
tar -C "$staging" --sort=name --owner=0 --group=0 --numeric-owner -cJf "$output/$folder.tar.xz" "$folder"

say "Checksums"
(cd "$output" && sha256sum -- *.whl *.tar.gz *.tar.xz | tee SHA256SUMS)
