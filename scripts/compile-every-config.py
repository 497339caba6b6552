#!/usr/bin/env python3
"""Compiles every legal config of a problem to a cubin, to find those for which ptxas spills.

usage: compile-every-config.py [--gen build/bin/dgemm-gen] -- FLAGS...
       compile-every-config.py [--gen build/bin/dgemm-gen] --write lib/Analysis/Spills/ptxas-VERSION.json --journal FILE

The first form compiles the configs of `dgemm-gen FLAGS --list-configs` and fails if one spills or does not assemble. The
second compiles each config that the verifier allows, for each kind of problem, and writes which of them spill: the data
for the choice of configs (docs/tuning.md). These are about 14000 kernels and 6 hours on one core; the same command with the
same journal continues where it stopped.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile

# The fields that the registers of a kernel depend on, and their values.
VALUES = {
    "block_n": range(8, 257, 8),
    "sharing": ["none", "tiles", "split_k"],
    "unroll": [1, 2, 4],
    "rotate": [False, True],
    "early_store": [False, True],
    "rows": ["all", "masked", "one_masked_group"],
    "loads_by_tma": [True, False],
}
# Rows of a block and math warpgroups.
SHAPES = [(64, 1), (128, 1), (128, 2), (256, 2), (192, 3)]
SHARING = {"none": "cluster=1x1,split_k=1", "tiles": "cluster=2x1,split_k=1", "split_k": "cluster=1x1,split_k=2"}
# Problems of a kind; a config spills if it spills in one of them. K is chosen so that every unrolling occurs.
PROBLEMS = {
    ("all", True): ["--m=? --n=520 --k=1664", "--layout=contiguous --row-alignment=384 --m=? --groups=4 --n=520 --k=1664",
                    "--layout=contiguous --row-alignment=256 --m=? --groups=4 --n=520 --k=1664"],
    ("all", False): ["--m=? --n=? --k=?", "--m=? --n=520 --k=1660"],
    ("masked", True): ["--layout=masked --m=200 --groups=4 --n=520 --k=1664"],
    ("masked", False): ["--layout=masked --m=200 --groups=4 --n=520 --k=1660"],
    ("one_masked_group", True): ["--layout=masked --m=200 --groups=1 --n=520 --k=1664"],
    ("one_masked_group", False): ["--layout=masked --m=200 --groups=1 --n=520 --k=1660"],
}  # fmt: skip


def run(command):
    return subprocess.run(command, capture_output=True, text=True)


def check(gen, flags):
    """The exit code."""
    base = [gen, *flags]
    listed = subprocess.run(base + ["--list-configs"], capture_output=True, text=True, check=True)
    configs = listed.stdout.splitlines()

    def compile_config(config):
        done = run(base + [f"--config={config}", "--emit=cubin", "-o", os.devnull])
        return f"{config}: {done.stderr.strip()}" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(compile_config, configs) if failure]
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(configs) - len(failures)} of {len(configs)} configs compile: {' '.join(flags)}")
    return 1 if failures else 0


def compile_point(gen, none, shape, point):
    """True if a kernel spills, False if no kernel spills, None if there is no such kernel."""
    block_n, sharing, unroll, rotate, early_store, rows, loads_by_tma = point
    fields = (f"block={shape[0]}x{block_n},warpgroups={shape[1]},{SHARING[sharing]},unroll={unroll},"
              f"rotate={str(rotate).lower()},early_store={str(early_store).lower()}")  # fmt: skip
    result = None
    for flags in PROBLEMS[rows, loads_by_tma]:
        done = run([gen, *flags.split(), f"--config={fields}", f"--spill-data={none}", "--emit=cubin", "-o", os.devnull])
        if done.returncode == 0:
            result = result or False
        elif "registers spill" in done.stderr:
            return True
        elif "cannot have this config" not in done.stderr:
            raise SystemExit(f"error: {flags} --config={fields}: {done.stderr.strip()}")
    return result


def compile_all(gen, journal):
    """{(shape, point): spills} of the existing kernels."""
    found = {}
    if os.path.exists(journal):
        with open(journal) as file:
            for line in file:
                shape, point, spills = json.loads(line)
                found[tuple(shape), tuple(point)] = spills
    points = [(shape, point) for shape in SHAPES for point in itertools.product(*VALUES.values())]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as none, open(journal, "a") as log, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:  # fmt: skip
        json.dump({"version": 1, "ptxas": "none", "spills": []}, none)
        none.flush()
        left = [entry for entry in points if entry not in found]
        for entry, spills in zip(left, pool.map(lambda entry: compile_point(gen, none.name, *entry), left)):
            found[entry] = spills
            log.write(json.dumps([*entry, spills]) + "\n")
            log.flush()
    return {entry: spills for entry, spills in found.items() if spills is not None}


def grow(start, known, order):
    """A box around `start`, one set of values for each axis, in which all points spill."""
    box = [{value} for value in start]
    for axis in order:
        for value in list(VALUES.values())[axis]:
            added = [{value} if i == axis else values for i, values in enumerate(box)]
            if all(known.get(point, True) for point in itertools.product(*added)):
                box[axis].add(value)
    return box


def cover(known):
    """Boxes that hold all points that spill, and no other known point. `known`: {point: spills}."""
    left = {point for point, spills in known.items() if spills}
    orders = [[6, 5, 3, 2, 1, 4, 0], [0, 6, 5, 1, 2, 3, 4], [6, 5, 0, 2, 3, 4, 1], [4, 6, 5, 3, 2, 1, 0], [1, 6, 5, 2, 3, 4, 0]]
    boxes = []
    while left:
        start = min(left)
        box = max((grow(start, known, order) for order in orders),
                  key=lambda box: sum(point in left for point in itertools.product(*box)))  # fmt: skip
        left -= set(itertools.product(*box))
        box[0] = {n for n in box[0] if any(known.get(point) for point in itertools.product({n}, *box[1:]))}
        boxes.append(box)
    return boxes


def write(path, ptxas, source, found):
    """`found`: {(shape, point): spills}"""
    lines = []
    for shape in SHAPES:
        for box in cover({point: spills for (of, point), spills in found.items() if of == shape}):
            entry = {"block_m": shape[0], "warpgroups": shape[1]}
            for (name, values), chosen in zip(VALUES.items(), box):
                if name == "block_n" or len(chosen) < len(values):
                    listed = [value for value in values if value in chosen]
                    entry[name] = listed[0] if isinstance(listed[0], bool) else listed
            lines.append(json.dumps(entry))
    head = ",\n".join(f'  "{name}": {json.dumps(value)}' for name, value in
                      [("version", 1), ("ptxas", ptxas), ("source", source)])  # fmt: skip
    with open(f"{path}.partial", "w") as file:
        file.write(f"{{\n{head},\n  \"spills\": [\n    " + ",\n    ".join(lines) + "\n  ]\n}\n")
    os.replace(f"{path}.partial", path)
    print(f"{sum(found.values())} of {len(found)} kernels spill, {len(lines)} entries in {path}")


def find_ptxas_version():
    """The version, such as 13.0.88, of the ptxas in DGEMM_PTXAS or PATH, which dgemm-gen also uses."""
    path = os.environ.get("DGEMM_PTXAS", "ptxas")
    match = re.search(r"V(\d+\.\d+\.\d+)", run([path, "--version"]).stdout)
    if not match:
        raise SystemExit(f"error: '{path}' is not a ptxas; name one with DGEMM_PTXAS")
    return match[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", default="build/bin/dgemm-gen", help="the compiler (default %(default)s)")
    parser.add_argument("--write", metavar="FILE", help="file for the configs that spill")
    parser.add_argument("--journal", metavar="FILE", help="with --write: the results so far, to continue from")
    parser.add_argument("flags", nargs="*", help="a problem, as for dgemm-gen")
    args = parser.parse_args()
    if bool(args.write) == bool(args.flags) or bool(args.write) != bool(args.journal):
        parser.error("expected --write and --journal, or the flags of a problem")
    if args.flags:
        return check(args.gen, args.flags)
    version = find_ptxas_version()
    found = compile_all(args.gen, args.journal)
    write(args.write, version, "scripts/compile-every-config.py: every config was compiled", found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
