#!/usr/bin/env python3
"""Compiles every legal config of a problem to a cubin; fails where one spills or does not assemble.

usage: compile-every-config.py --gen build/bin/dgemm-gen -- FLAGS...     (FLAGS describe the problem as for dgemm-gen)
"""
import argparse
import concurrent.futures
import os
import subprocess
import sys


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", default="build/bin/dgemm-gen")
    parser.add_argument("flags", nargs="+")
    args = parser.parse_args()
    base = [args.gen, *args.flags]
    listed = subprocess.run(base + ["--list-configs"], capture_output=True, text=True, check=True)
    configs = listed.stdout.split("\n")[:-1]

    def compile_config(config):
        done = subprocess.run(base + [f"--config={config}", "--emit=cubin", "-o", os.devnull], capture_output=True, text=True)
        return f"{config}: {done.stderr.strip()}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(compile_config, configs) if failure]
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(configs) - len(failures)} of {len(configs)} configs compile: {' '.join(args.flags)}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
