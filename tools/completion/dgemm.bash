# Completion of the tools of dgemm for bash: source this file. Written by scripts/generate-help.py; edit the options in tools/.
_dgemm() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option words=
  # Bash splits words at =.
  option=$before
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    option=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case "${1##*/}:$option" in
    dgemm-gen:--a-type) words='e4m3 e5m2' ;;
    dgemm-gen:--accuracy) words='exact balanced fast' ;;
    dgemm-gen:--b-type) words='e4m3 e5m2' ;;
    dgemm-gen:--dynamic) words='m n k groups lda ldb ldd' ;;
    dgemm-gen:--layout) words='dense contiguous masked offsets k_grouped batched' ;;
    dgemm-gen:--out) words='bf16 f16 f32 e4m3 e5m2' ;;
    dgemm-gen:--scale-a) words='tensor row 1x128 128x128 none' ;;
    dgemm-gen:--scale-b) words='tensor row 1x128 128x128 none' ;;
    dgemm-gen:--emit) words='problem configured tiled promoted specialized tma wgmma nvvm llvm ptx cubin sass launch' ;;
    dgemm-gen:--interleave-ffma) words='none alternate alternate-9/16 all never' ;;
    dgemm-opt:--canonicalize) words='disabled normal aggressive' ;;
    dgemm-run:--a-type) words='e4m3 e5m2' ;;
    dgemm-run:--accuracy) words='exact balanced fast' ;;
    dgemm-run:--b-type) words='e4m3 e5m2' ;;
    dgemm-run:--dynamic) words='m n k groups lda ldb ldd' ;;
    dgemm-run:--layout) words='dense contiguous masked offsets k_grouped batched' ;;
    dgemm-run:--out) words='bf16 f16 f32 e4m3 e5m2' ;;
    dgemm-run:--scale-a) words='tensor row 1x128 128x128 none' ;;
    dgemm-run:--scale-b) words='tensor row 1x128 128x128 none' ;;
    dgemm-run:--accumulator) words='exact hopper' ;;
    dgemm-run:--device) words='auto gpu emulator' ;;
    dgemm-run:--check) words='auto full sample none' ;;
    dgemm-run:--distribution) words='normal heavy-tailed same-sign' ;;
    dgemm-sass:--policy) words='none alternate alternate-9/16 all never' ;;
    dgemm-tune:--a-type) words='e4m3 e5m2' ;;
    dgemm-tune:--accuracy) words='exact balanced fast' ;;
    dgemm-tune:--b-type) words='e4m3 e5m2' ;;
    dgemm-tune:--out) words='bf16 f16 f32 e4m3 e5m2' ;;
    dgemm-tune:--scale-a) words='tensor row 1x128 128x128 none' ;;
    dgemm-tune:--scale-b) words='tensor row 1x128 128x128 none' ;;
    dgemm-tune:--device) words='gpu emulator' ;;
  esac
  if [[ -z $words && $word == -* ]]; then
    case "${1##*/}" in
      dgemm-gen) words='--a-type= --accumulate --accuracy= --b-type= --batch-stride-a= --batch-stride-b= --batch-stride-d= --dynamic= --epilogue= --expected-m= --groups= -k --k-divisor= --layout= --lda= --lda-divisor= --ldb= --ldb-divisor= --ldd= --ldd-divisor= -m -n --n-divisor= --out= --pdl --row-alignment= --scale-a= --scale-a-k-innermost --scale-a-pitch= --scale-b= --scale-b-k-innermost --scale-b-n-innermost --scale-b-pitch= --scale-d-n-innermost --emit= --explain --list-configs --list-neighbours= --list-orders= -o --output-dir= --print-config --print-row-alignment --time --config= --machine= --multiprocessors= --spill-data= --tuned-table= --chip= --entry= --interleave-ffma= --nvdisasm= --ptxas= --help --help-list --version' ;;
      dgemm-opt) words='--canonicalize --cse --dgemm-assign-stage-phase --dgemm-choose-data-movement --dgemm-create-tensor-maps --dgemm-embed-kernels --dgemm-expand-epilogues --dgemm-fuse-epilogue --dgemm-lower-reductions --dgemm-lower-ring --dgemm-lower-stores --dgemm-lower-to-nvvm --dgemm-lower-wgmma --dgemm-outline-kernels --dgemm-promote-accumulators --dgemm-raise --dgemm-schedule-k-loop --dgemm-select-config --dgemm-tile-problem --dgemm-warp-specialize --inline --dgemm-to-gpu --dgemm-to-nvvm --mlir-print-debuginfo --mlir-print-ir-after-all --mlir-print-ir-before-all --mlir-timing -o --pass-pipeline= --verify-diagnostics --verify-each' ;;
      dgemm-run) words='--a-type= --accumulate --accuracy= --b-type= --batch-stride-a= --batch-stride-b= --batch-stride-d= --cases= --config= --dynamic= --epilogue= --expected-m= --group-rows= --groups= -k --k-divisor= --kernel= --launch= --layout= --lda= --lda-divisor= --ldb= --ldb-divisor= --ldd= --ldd-divisor= -m -n --n-divisor= --out= --pdl --ptxas= --row-alignment= --scale-a= --scale-a-k-innermost --scale-a-pitch= --scale-b= --scale-b-k-innermost --scale-b-n-innermost --scale-b-pitch= --scale-d-n-innermost --accumulator= --device= --independent-lanes --machine= --multiprocessors= --timeout= --trace= --check= --distribution= --input-a= --input-b= --input-epilogue= --input-scale-a= --input-scale-b= --save-d= --save-scale-d= --seed= --seeds= --flush-mib= --json= --no-time --repeat= --time --help --help-list --version' ;;
      dgemm-sass) words='--help --help-list --version --dry-run --list --loop-stats -o --policy=' ;;
      dgemm-tune) words='--a-type= --accumulate --accuracy= --b-type= --best= --config= --finalists= --neighbour-rounds= --out= --scale-a= --scale-b= --seed= --device= --jobs= --machine= --multiprocessors= --ptxas= --dry-run --list --table= --help --help-list --version' ;;
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace
  fi
}
complete -o default -F _dgemm dgemm-gen dgemm-opt dgemm-run dgemm-sass dgemm-tune
