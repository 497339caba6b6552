#!/usr/bin/env bash
# Runs the fuzz targets, two at a time: fuzz.sh [--seconds=N] [--seed=N] [--jobs=N] [--bin=FOLDER] [TARGET...]
#   --seconds=N  seconds for each target (default 60); 0 runs only fuzz/corpus
#   --seed=N     seed of the mutations (default 1)
#   --jobs=N     targets at a time (default: the number of processors)
#   --bin=FOLDER folder of dgemm-opt and dgemm-gen, for the target ir (default: build/bin)
#   TARGET       of libFuzzer, under sanitizers: launch (launch descriptors), emulate (PTX and a launch), cubin, npy, ptxas-log
#                (what ptxas prints), journal (of dgemm-tune); ir (fuzz/mutate_ir.py: IR and tuned tables, with tools
#                that have been built). Default: all
# Inputs that crash, or take more than 20 s or 4 GB, are left in out/fuzz, and the exit code is 1. Inputs with new coverage are
# kept in out/fuzz/corpus, from which the next run continues.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=60 seed=1 jobs=$(nproc) bin=build/bin targets=()
for argument in "$@"; do
  case $argument in
    --seconds=*) seconds=${argument#*=} ;;
    --seed=*) seed=${argument#*=} ;;
    --bin=*) bin=${argument#*=} ;;
    --jobs=*) jobs=${argument#*=} ;;
    -h | --help)
      sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit
      ;;
    -*) die "unknown option '$argument'; see fuzz.sh --help" ;;
    *) targets+=("$argument") ;;
  esac
done
((${#targets[@]})) || targets=(launch emulate cubin npy ptxas-log journal ir)
for target in "${targets[@]}"; do
  [[ $target == ir || -d fuzz/corpus/$target ]] || die "unknown target '$target'; see fuzz.sh --help"
done

if [[ "${targets[*]}" != ir ]]; then
  scripts/build.sh --sanitize dgemm-fuzzers
fi
mkdir -p out/fuzz

# run_target NAME: its output goes to out/fuzz/NAME.log.
run_target() {
  local name=$1 options=(-seed="$seed" -timeout=20 -rss_limit_mb=4096 -malloc_limit_mb=2048 -print_final_stats=1)
  if [[ $name == ir ]]; then
    local mutants=()
    ((seconds)) || mutants=(--no-mutants)
    fuzz/mutate_ir.py --bin="$bin" --seconds="$((seconds ? seconds : 3600))" --seed="$seed" --jobs=1 --out=out/fuzz/ir "${mutants[@]}"
    return
  fi
  if ((seconds)); then
    options+=(-max_total_time="$seconds")
  else
    options+=(-runs=0)
  fi
  if [[ -f fuzz/$name.dict ]]; then
    options+=(-dict="fuzz/$name.dict")
  fi
  mkdir -p "out/fuzz/corpus/$name"
  "build-sanitize/fuzz/$name" "${options[@]}" -artifact_prefix="out/fuzz/$name-" "out/fuzz/corpus/$name" "fuzz/corpus/$name"
}

say "Fuzzing ${targets[*]}: $seconds s each, seed $seed"
status=0
declare -A running=()
finish_one() {
  local pid code=0
  wait -n -p pid "${!running[@]}" || code=$?
  local name=${running[$pid]}
  unset "running[$pid]"
  if ((code)); then
    status=1
    printf '%s: FAILED\n' "$name"
    tail -n 30 "out/fuzz/$name.log"
  else
    printf '%s: passed; %s\n' "$name" "$(grep -E 'number_of_executed_units|inputs, seed' "out/fuzz/$name.log" | tr -s ' ' || true)"
  fi
}
for target in "${targets[@]}"; do
  ((${#running[@]} < jobs)) || finish_one
  run_target "$target" >"out/fuzz/$target.log" 2>&1 &
  running[$!]=$target
done
while ((${#running[@]})); do finish_one; done
exit "$status"
