#!/usr/bin/env python3
"""Runs the tools of compute-sanitizer on one kernel for each layout and path.

  gpu-sanitizer.py --gen build-static/bin/dgemm-gen --run build-static/bin/dgemm-run

memcheck, initcheck and synccheck check unchanged kernels. racecheck of CUDA 13.0 does not support two features of these
kernels: asynchronous copies that arrive at an mbarrier (cp.async.mbarrier.arrive), and one lane that arrives for its whole
warp. It checks kernels with two changes: cp.async.wait_all and a plain arrival replace the first, and all lanes of a math warp
arrive, at barriers that count them. With --as-is, it checks unchanged kernels and reports hazards. It skips the kernel with
split_k, which hangs under racecheck in both forms.
Exit code 1: a tool reports anything, or a kernel is wrong or does not end.
"""
import argparse
import itertools
import os
import re
import subprocess
import sys
import tempfile

_CONFIG = "--config=block = 64x64x128, stages = 3, warpgroups = 1, split_k = 1"
_CASES = {
    "dense": ["--m=257", "--n=576", "--k=1152", "--config=split_k = 1"],
    "dense, more K blocks than slots of scales": ["--m=100", "--n=200", "--k=9008", _CONFIG],
    "dense, few rows": ["--m=3", "--n=520", "--k=2048", _CONFIG],
    "dense, dynamic M": ["--m=?", "--n=520", "--k=2048", _CONFIG],
    "cluster 2x1": ["--m=300", "--n=256", "--k=2048", "--config=block = 128x64x128, stages = 3, cluster = 2x1"],
    "cluster 1x2": ["--m=100", "--n=520", "--k=2048", "--config=block = 64x64x128, stages = 3, cluster = 1x2"],
    "early store": ["--m=300", "--n=520", "--k=2048", "--config=block = 128x256, early_store = true, rotate = true"],
    "early store, masked": ["--layout=masked", "--groups=4", "--m=150", "--n=520", "--k=2048", "--config=block = 128x224, early_store = true"],
    "contiguous": ["--layout=contiguous", "--groups=4", "--m=1024", "--n=576", "--k=1152"],
    "masked": ["--layout=masked", "--groups=4", "--m=64", "--n=576", "--k=1152"],
    "split K": ["--m=64", "--n=520", "--k=2048", "--config=block = 64x64x128, stages = 3, split_k = 4"],
    "without TMA": ["--m=100", "--n=33", "--k=200"],
}
_TOOLS = {
    "memcheck": [],
    "initcheck": [],
    "synccheck": [],
    "racecheck": ["--racecheck-report", "all"],
}


def rewrite(ptx):
    """The kernel's PTX in terms that racecheck knows."""
    ptx = re.sub(r"cp\.async\.mbarrier\.arrive\.noinc(\.shared\.b64)\s", r"cp.async.wait_all;\n\tmbarrier.arrive\1 _, ", ptx)
    # A math warp elects the lane that releases a stage; the producer elects one for its copies.
    arrival = r"(?=(?:\n(?!.*(?:elect|cp)\.)[^\n]*){1,20}?\n\s*mbarrier\.arrive\.shared\.b64\s+%rd\d+, \[[^]]*\];)"
    ptx = re.sub(r"elect\.sync\s+%r\d+\|(%p\d+), -1;" + arrival, r"setp.eq.u32 \1, 0, 0;", ptx)
    inits = list(re.finditer(r"mov\.b32\s+(%r\d+), (\d+);\n\s*mbarrier\.init\.shared\.b64\s+\[[^]]*\], \1;", ptx))
    empty = inits[1]  # that of the first full barrier comes first
    return ptx[: empty.start(2)] + str(32 * int(empty[2])) + ptx[empty.end(2) :]


def build(case, options, tool, folder):
    """The cubin that `tool` checks."""
    subprocess.run([options.gen, *case, f"--output-dir={folder}"], check=True, capture_output=True)
    kernel = os.path.join(folder, "kernel.cubin")
    if tool != "racecheck" or options.as_is:
        return kernel
    path = os.path.join(folder, "kernel.ptx")
    with open(path) as file:
        ptx = rewrite(file.read())
    with open(path, "w") as file:
        file.write(ptx)
    subprocess.run([options.ptxas, "-arch=sm_90a", "-O3", path, "-o", kernel], check=True, capture_output=True)
    return kernel


def check(case, options, tool, folder):
    """(what happened, True if that is correct)."""
    kernel = build(case, options, tool, folder)
    sizes = [flag.replace("=?", "=2") for flag in case if re.match(r"--[mnk]=|--groups=", flag)]
    command = ["compute-sanitizer", "--tool", tool, *_TOOLS[tool], options.run, "--device=gpu", f"--kernel={kernel}",
               f"--launch={folder}/kernel.json", *sizes]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
    except subprocess.TimeoutExpired:
        return f"did not end in {options.timeout} s", False
    text = done.stdout + done.stderr
    said = re.findall(r"^PASS \S+|^FAIL.*|^dgemm-run: error.*|\w+ SUMMARY: .*", text, re.MULTILINE)
    good = any(line.startswith("PASS") for line in said)
    good &= any(re.search("SUMMARY: 0 (errors|hazards)", line) for line in said)
    return "; ".join(said) or text[-200:], good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", default=os.environ.get("DGEMM_GEN", "dgemm-gen"), help="dgemm-gen (DGEMM_GEN)")
    parser.add_argument("--run", default=os.environ.get("DGEMM_RUN", "dgemm-run"), help="dgemm-run (DGEMM_RUN)")
    parser.add_argument("--ptxas", default=os.environ.get("DGEMM_PTXAS", "ptxas"), help="ptxas (DGEMM_PTXAS)")
    parser.add_argument("--tool", choices=_TOOLS, action="append", help="one of the tools (default: all)")
    parser.add_argument("--as-is", action="store_true", help="racecheck also checks unchanged kernels")
    parser.add_argument("--timeout", type=int, default=60, metavar="SECONDS", help="seconds for one kernel (default 60)")
    options = parser.parse_args()
    failed = 0
    for tool, (name, case) in itertools.product(options.tool or _TOOLS, _CASES.items()):
        if tool == "racecheck" and name == "split K":
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                said, good = check(case, options, tool, folder)
            except (subprocess.CalledProcessError, OSError) as error:
                said, good = f"{error} {getattr(error, 'stderr', None) or ''}", False
        failed += not good
        print(f"{'ok ' if good else 'BAD'} {tool}, {name}: {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
