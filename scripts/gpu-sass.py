#!/usr/bin/env python3
"""Measures the effect of rewriting the yield and reuse bits of the promotion FFMAs (dgemm-sass) on the speed of kernels.

  gpu-sass.py prepare [--gen build/bin/dgemm-gen] [--sass build/bin/dgemm-sass] [--rounds R] --out FOLDER
  dgemm-run --device=gpu --cases=FOLDER/cases.txt --time --check=sample --json=REPORT     (on the GPU machine)
  gpu-sass.py summarize REPORT [REPORT...]

`prepare` compiles the M = 4096 rows of the dense table with the config that the compiler chooses, and the M = 64 rows with
one math warpgroup, and rewrites each cubin with every policy that changes it. The case list takes the variants of a
kernel in turn, R times, all on the same inputs, so that drifts of clocks and power affect all equally. `summarize` prints the
median of the rounds' medians, their spread, and the speed-up over the unchanged kernel.
"""
import argparse
import collections
import json
import pathlib
import statistics
import subprocess
import sys

SHAPES = [(2112, 7168), (24576, 1536), (32768, 512), (7168, 16384), (4096, 7168), (7168, 2048), (576, 7168)]
# Rows and config fields.
KERNELS = [(4096, ""), (64, "warpgroups=1")]
POLICIES = ["alternate", "alternate-9/16", "all", "never"]


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def make_variants(args, stem):
    """Rewrites `stem`.none.cubin; returns the policies of which there is a file."""
    original = args.out / f"{stem}.none.cubin"
    contents = {"none": original.read_bytes()}
    for policy in POLICIES:
        rewritten = args.out / f"{stem}.{policy.replace('/', '_')}.cubin"
        output_of([args.sass, str(original), f"--policy={policy}", "-o", str(rewritten)])
        if rewritten.read_bytes() in contents.values():
            rewritten.unlink()
        else:
            contents[policy] = rewritten.read_bytes()
    return list(contents)


def prepare(args):
    args.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for (m, config), (n, k) in ((kernel, shape) for kernel in KERNELS for shape in SHAPES):
        stem = f"{m}x{n}x{k}"
        base = [args.gen, f"--m={m}", f"--n={n}", f"--k={k}"] + ([f"--config={config}"] if config else [])
        output_of(base + ["--emit=cubin", "-o", str(args.out / f"{stem}.none.cubin")])
        output_of(base + ["--emit=launch", "-o", str(args.out / f"{stem}.json")])
        policies = make_variants(args, stem)
        print(f"{stem}: {', '.join(policies)}")
        files = [f"{stem}.{policy.replace('/', '_')}.cubin" for policy in policies]
        lines += [f"{file} {stem}.json {m} {n} {k} 1\n" for _ in range(args.rounds) for file in files]
    (args.out / "cases.txt").write_text("".join(lines))
    print(f"{len(lines)} cases in {args.out}/cases.txt")
    return 0


def read_medians(reports):
    """{(stem, policy): [median of each round in us]}, in the order of the report; and the number of failed runs."""
    medians, failed = collections.defaultdict(list), 0
    for report in reports:
        for run in json.loads(pathlib.Path(report).read_text())["runs"]:
            stem, policy, _ = run["kernel"].split(".")
            if run["passed"]:
                medians[stem, policy].append(run["timing"]["median_us"])
            else:
                failed += 1
                print(f"FAILED {run['kernel']}: {run.get('error', 'wrong result')}")
    return medians, failed


def summarize(args):
    medians, failed = read_medians(args.reports)
    print(f"{'kernel':16} {'policy':15} {'us':>9} {'spread %':>9} {'rounds':>7} {'speed-up':>9}")
    for (stem, policy), times in medians.items():
        median = statistics.median(times)
        original = medians.get((stem, "none"))
        speed_up = f"{statistics.median(original) / median:9.3f}" if original else f"{'-':>9}"
        spread = (max(times) - min(times)) / median * 100
        print(f"{stem:16} {policy.replace('_', '/'):15} {median:9.2f} {spread:9.2f} {len(times):7} {speed_up}")
    return 1 if failed or not medians else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("prepare")
    command.add_argument("--gen", default="build/bin/dgemm-gen")
    command.add_argument("--sass", default="build/bin/dgemm-sass")
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--out", type=pathlib.Path, required=True)
    command.set_defaults(run=prepare)
    command = commands.add_parser("summarize")
    command.add_argument("reports", nargs="+", metavar="REPORT")
    command.set_defaults(run=summarize)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
