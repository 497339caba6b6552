#!/usr/bin/env python3
"""Makes the tuned table of a machine from a sweep of benchmarks/data: of each problem the config that was quickest, where that
beats the choice of the cost model by more than 1 %, which is noise. Needs numpy, and no GPU.

  table_from_data.py benchmarks/data/h200-2026-11-30.csv.xz --gen build/bin/dgemm-gen --machine h200 --gpu 'NVIDIA H200'
      --multiprocessors 132 --into lib/Analysis/TunedTables/h200.json

An entry serves all M of its bucket (docs/tuning.md), so of dense problems those are taken whose M ends one: powers of two, with
(N, K) of the benchmark. Of grouped problems all are.
"""
import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fit_cost_model
import problems
import table_from_sweep

NOISE = 1.01


def serves_a_bucket(row):
    return row.layout != "dense" or ((row.n, row.k) in problems.DENSE_NK and row.m & (row.m - 1) == 0)


def print_configured(gen, row, machine, config):
    """The config in the compiler's format; None if the compiler rejects it."""
    command = [gen, *row.flags(), f"--machine={machine}", f"--config={config}", "--explain"]
    result = subprocess.run(command, capture_output=True, text=True)
    return result.stdout.split("\n")[0].removeprefix("config ").removesuffix(" as given") if not result.returncode else None


def find_entry(gen, machine, row, times):
    """The entry for a problem with these `times` of configs; None if the model's choice is as good."""
    command = [gen, *row.flags(), f"--machine={machine}", "--list-configs"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    chosen = times.get(listed[0])
    for config in sorted(times, key=times.get):
        if chosen is not None and chosen <= NOISE * times[config]:
            return None
        if print_configured(gen, row, machine, config) == config:
            return table_from_sweep.make_entry(row, {"config": config, "median": times[config]})
    return None


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="DATA.csv.xz")
    parser.add_argument("--gen", required=True, metavar="dgemm-gen", help="the compiler whose choices count")
    parser.add_argument("--machine", required=True, help="as dgemm-gen calls it")
    parser.add_argument("--gpu", required=True, help="name of the GPU")
    parser.add_argument("--multiprocessors", type=int, required=True)
    parser.add_argument("--into", required=True, metavar="FILE", help="the table, which is replaced")
    options = parser.parse_args(arguments)
    times = {}
    for line in fit_cost_model.read_lines(options.data):
        times.setdefault(line["row"], {})[fit_cost_model.config_text(line)] = float(line["microseconds"])
    rows = [row for row in map(problems.parse_row, times) if serves_a_bucket(row)]
    found = [find_entry(options.gen, options.machine, row, times[str(row)]) for row in rows]
    order = {"dense": 0, "contiguous": 1, "masked": 2}
    entries = sorted(filter(None, found), key=lambda entry: (order[entry["layout"]], *(entry[name] for name in "groups m n k".split())))
    table = {"version": table_from_sweep.TABLE_VERSION, "machine": options.machine, "gpu": options.gpu,
             "multiprocessors": options.multiprocessors, "entries": entries}  # fmt: skip
    with open(options.into, "w") as file:
        file.write(table_from_sweep.to_text(table))
    print(f"{len(entries)} entries for {len(rows)} problems; for the others the cost model's choice is as good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
