#!/usr/bin/env python3
"""Compiles the kernels of the on-device check and writes their case list for `dgemm-run --cases`.

usage: gpu-cases.py --gen build/bin/dgemm-gen --out FOLDER [--seed S] [--configs C]

Every (N, K) of the dense table is compiled with M dynamic under C configs, the default and others drawn at random
from all legal ones, and checked for every M of the table, each with its own input seed. Paths in the list are relative to FOLDER.
"""
import argparse
import concurrent.futures
import os
import random
import subprocess
import sys

SHAPES = [(2112, 7168), (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048), (576, 7168), (136, 528)]
ROWS = [8, 64, 72, 128, 200, 4096]


def compile_kernel(args, n, k, config, stem):
    base = [args.gen, "--m=?", f"--n={n}", f"--k={k}"] + ([f"--config={config}"] if config else [])
    for stage, suffix in (("cubin", "cubin"), ("launch", "json")):
        path = os.path.join(args.out, f"{stem}.{suffix}")
        done = subprocess.run(base + [f"--emit={stage}", "-o", path], capture_output=True, text=True)
        if done.returncode:
            return f"{n}x{k} {config}: {done.stderr.strip()}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", default="build/bin/dgemm-gen")
    parser.add_argument("--out", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--configs", type=int, default=4)
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    draw = random.Random(args.seed)
    jobs, lines = [], []
    for n, k in SHAPES:
        listed = subprocess.run([args.gen, "--m=?", f"--n={n}", f"--k={k}", "--list-configs"], capture_output=True, text=True, check=True)
        configs = listed.stdout.split("\n")[:-1]
        for index in range(args.configs):
            config = draw.choice(configs) if index else ""
            stem = f"n{n}_k{k}_{index}"
            jobs.append((n, k, config, stem))
            lines += [f"{stem}.cubin {stem}.json {m} {n} {k} {draw.randrange(1 << 30)}" for m in ROWS]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [f for f in pool.map(lambda job: compile_kernel(args, *job), jobs) if f]
    for failure in failures:
        print(failure, file=sys.stderr)
    with open(os.path.join(args.out, "cases.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")
    print(f"{len(jobs)} kernels, {len(lines)} cases, seed {args.seed}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
