#!/usr/bin/env bash
# Checks that programs and modules load on an old glibc: check-glibc.sh [--limit VERSION] FILE...
#   --limit VERSION  the newest version of glibc that they may need (default: 2.28, of the level manylinux_2_28)
# Names every symbol that is too new, and every undefined symbol of a module without a library, which the linker does not
# report. The remedy is mostly one line in lib/GlibcCompat/GlibcCompat.c.
# shellcheck source-path=SCRIPTDIR
CALLED_IN=$PWD
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$CALLED_IN"

limit=2.28
files=()
while (($#)); do
  case $1 in
    --limit) limit=${2:?--limit needs a version} && shift 2 ;;
    -h | --help)
      sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit
      ;;
    -*) die "unknown option '$1'; see check-glibc.sh --help" ;;
    *) files+=("$1") && shift ;;
  esac
done
((${#files[@]})) || die "no file is given; see check-glibc.sh --help"

# Prints the symbols and the ABI marks of file $1 that need more than the limit, each with its version.
too_new() {
  local version
  # Symbols, and marks without a symbol such as GLIBC_ABI_DT_RELR, which packed relocations add.
  { objdump -T "$1" | sed -nE 's/.*\(?GLIBC_([0-9.]+)\)? +(\S+)$/\1 \2/p'
    objdump -p "$1" | sed -nE 's/.* (GLIBC_ABI_\S+)$/99 \1/p'; } | sort -u |
    while read -r version symbol; do
      [[ $(printf '%s\n' "$version" "$limit" | sort -V | tail -1) == "$limit" ]] || echo "$symbol (GLIBC_$version)"
    done | sed 's/ (GLIBC_99)//'
}

# Prints the undefined symbols of module $1 without a version. The linker reports those of a program.
unresolved() {
  readelf -lW "$1" | grep -q INTERP && return
  nm -D --undefined-only "$1" | awk '$1 == "U" && $2 !~ /@/ && $2 !~ /^_?Py/ { print $2 }'
}

status=0
for file in "${files[@]}"; do
  [[ -f $file ]] || die "$file is not a file"
  symbols=$(too_new "$file")
  if [[ -n $symbols ]]; then
    printf 'error: %s needs more than glibc %s, for:\n%s\n' "$file" "$limit" "$symbols" >&2
    status=1
  fi
  symbols=$(unresolved "$file")
  if [[ -n $symbols ]]; then
    printf 'error: %s needs symbols that no library is named for:\n%s\n' "$file" "$symbols" >&2
    status=1
  fi
  ((status)) || echo "$file: glibc $limit or later"
done
exit "$status"
