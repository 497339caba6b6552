#!/usr/bin/env python3
"""Checks random problems of every scaling recipe against double precision, on the emulator or a GPU.

usage: check-recipes.py [--bin build/bin] [--count 200] [--seed 0] [--jobs N] [--device gpu] [--only TEXT]

Each problem has a granularity and an FP8 type for each operand, a type of D, a layout, odd sizes, static or dynamic, and either
the chosen config or some given fields (a cluster, split_k, the schedule of the K loop). The first problems have each pair of
granularities once. D starts as NaN, and memory around it must not change (dgemm-run). Prints the command of each problem that
fails, and exits with 1 if one does.
"""
import argparse
import concurrent.futures
import itertools
import os
import random
import subprocess
import sys
import tempfile

GRANULARITIES = ["tensor", "row", "1x128", "128x128", "none"]
PAIRS = list(itertools.product(GRANULARITIES, GRANULARITIES))
CONFIGS = ["", "", "", "cluster = 2x1, rotate = false", "cluster = 1x2", "split_k = 2", "split_k = 3", "unroll = 2, rotate = false",
           "warpgroups = 2", "serpentine = true", "rotate = true, unroll = 1", "early_store = true", "early_store = true, warpgroups = 2", "pingpong = true",
           "pingpong = true, cluster = 2x1"]


def make_problem(seed, index):
    """The flags of dgemm-gen and those of dgemm-run."""
    r = random.Random(seed * 1000003 + index)
    a, b = PAIRS[index % len(PAIRS)]
    layout = r.choice(["dense", "dense", "dense", "contiguous", "masked", "offsets", "k_grouped"])
    m, n = r.choice([1, 7, 33, 64, 100, 129, 200]), r.choice([8, 24, 40, 120, 136, 200, 264, 33, 130])
    k = r.choice([16, 128, 144, 400, 512, 640, 1000, 1040, 130, 77])
    flags = [f"--n={n}", f"--k={k}", f"--scale-a={a}", f"--scale-b={b}", f"--layout={layout}"]
    flags += [f"--a-type={r.choice(['e4m3', 'e5m2'])}", f"--b-type={r.choice(['e4m3', 'e5m2'])}"]
    flags += [f"--out={r.choice(['bf16', 'f16', 'f32'])}"]
    run = []
    if layout != "dense":
        groups = r.choice([1, 2, 3])
        flags.append(f"--groups={groups}")
        m = {"contiguous": 128 * r.choice([groups, groups + 1]), "masked": r.choice([64, 72])}.get(layout, m)
    if layout == "offsets":
        flags.append(f"--row-alignment={r.choice([1, 1, 24, 128])}")
    if r.random() < 0.25:
        flags.append("--accumulate")
    flags.append(f"--m={m}")
    run.append(f"--m={m}")
    if {a, b} <= {"tensor", "row", "none"} and r.random() < 0.6:
        flags.append(f"--accuracy={r.choice(['fast', 'fast', 'balanced'])}")
    config = r.choice(CONFIGS)
    if "cluster" in config and k % 16:
        config = ""
    if layout == "k_grouped" and ("split_k" in config or "serpentine" in config):
        config = ""
    if layout == "contiguous":
        config = ", ".join(filter(None, [config, "block = 128x64x128" if "warpgroups" in config or r.random() < 0.5 else ""]))
    if config:
        flags.append(f"--config={config}")
    if r.random() < 0.2:
        flags.append("--dynamic=m")
    for letter, granularity, rows in (("a", a, m), ("b", b, n)):
        if granularity not in ("tensor", "none") and r.random() < 0.2:
            flags += scale_strides(r, letter, granularity, rows, k)
    return flags, run


def scale_strides(r, letter, granularity, rows, k):
    """Flags for gaps between lines of scales, and for the other order of 1x128."""
    blocks = -(-k // 128)
    other = granularity == "1x128" and r.random() < 0.5
    line = {"row": rows, "128x128": blocks}.get(granularity, blocks if other else rows)
    return [f"--scale-{letter}-k-innermost"] * other + [f"--scale-{letter}-pitch={line + r.choice([0, 1, 2, 5, 8])}"]


def run_problem(options, index):
    flags, run = make_problem(options.seed, index)
    text = " ".join(f"'{flag}'" if " " in flag else flag for flag in flags)
    if options.only not in text:
        return None
    with tempfile.TemporaryDirectory() as folder:
        # A driver assembles PTX differently from the pinned ptxas.
        kernel = "kernel.ptx" if options.device == "emulator" else "kernel.cubin"
        commands = [[f"{options.bin}/dgemm-gen", *flags, f"--emit={kernel[7:]}", "-o", f"{folder}/{kernel}"],
                    [f"{options.bin}/dgemm-gen", *flags, "--emit=launch", "-o", f"{folder}/kernel.json"],
                    [f"{options.bin}/dgemm-run", f"--kernel={folder}/{kernel}", f"--launch={folder}/kernel.json", *run,
                     f"--device={options.device}", "--check=full", f"--seed={index}", "--no-time"]]
        for command in commands:
            result = subprocess.run(command, capture_output=True, text=True, timeout=300)
            if result.returncode:
                lines = (result.stdout + result.stderr).strip().splitlines()
                return f"FAIL problem {index}: dgemm-gen {text}\n  " + "\n  ".join(lines[:6])
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", default="build/bin", help="folder of the tools")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="emulator", help="emulator or gpu")
    parser.add_argument("--only", default="", help="problems whose flags have this text")
    options = parser.parse_args()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = [result for result in pool.map(lambda i: run_problem(options, i), range(options.count))
                   if result is not None]
    failed = list(filter(None, results))
    for result in failed:
        print(result)
    print(f"{len(results)} problems, {len(failed)} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
