#!/usr/bin/env python3
"""Fits the constants of the cost model to a sweep, and prints what its choices lose. Needs numpy and scipy, but no GPU.

  fit_cost_model.py benchmarks/data/h200-2026-11-30.csv.xz --machine lib/Analysis/Machines/h200.json --update
  fit_cost_model.py benchmarks/data/h100-2026-11-27.csv.xz --machine lib/Analysis/Machines/h100.json --choices --update
  fit_cost_model.py benchmarks/data/h200-2026-11-30.csv.xz --machine lib/Analysis/Machines/h200.json
        judges the present constants
  fit_cost_model.py ... --gen build/bin/dgemm-gen
        judges the compiler, which ranks all of its configs; the first measured one counts

`estimate` is lib/Analysis/CostModel.cpp in numpy (docs/cost-model.md explains it); test/Python/test_cost_model.py compares
the two. The fit starts from the constants of the file. It uses the problems of three quarters of all (N, K); the others are
held out, and their loss is printed separately. An error of the estimate counts most near the best config. With --choices, the
fit mainly lowers the loss of choices, and the error of the times only as a second term.
"""
import argparse
import csv
import json
import lzma
import os
import re
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import problems

CLASSES = ("M <= 16", "17 to 128", "129 to 1024", "above", "contiguous", "masked")
CONFIG = ("tile", "stages", "warpgroups", "group_m", "cluster", "split_k", "evict_first_b", "rotate", "unroll", "even_waves",
          "early_store", "serpentine")  # fmt: skip
# The range of each constant in a fit, in microseconds, and in bytes per microsecond. No clock is above 2 GHz, so a clock of the tensor
# cores takes at least 5e-4.
BOUNDS = {
    "launch": (0.5, 8), "tile": (0, 3), "tile_element": (0, 1e-3), "wait": (0, 0.3), "wait_rotated": (0.3, 1),
    "tensor_1": (5e-4, 3e-3), "tensor_2": (5e-4, 1.4e-3), "tensor_3": (5e-4, 1.4e-3), "second_mma": (0, 0.3),
    "plain_loop": (0, 0.3), "two_scales": (0, 0.3), "odd_columns_1": (0, 0.3), "odd_columns": (0, 0.3), "row": (0, 6e-3),
    "l2": (1e6, 1e8), "dram": (2e6, 6e6), "latency": (0.1, 5), "dsmem": (500, 1e6), "dsmem_all": (2e5, 1e9),
    "reread": (0, 1), "multicast": (0.9, 1.2), "overlap": (1.2, 12), "dram_overlap": (1.2, 12),
}  # fmt: skip


class Sweep:
    """A sweep as columns: for each config, its fields, problem and time. `of` is the index of the problem."""

    def __init__(self, lines, clips_rows=True):
        self.lines = lines
        self.rows = [problems.parse_row(text) for text in sorted({line["row"] for line in lines})]
        index = {str(row): i for i, row in enumerate(self.rows)}
        self.of = np.array([index[line["row"]] for line in lines])
        column = lambda get: np.array([get(line) for line in lines], float)
        pair = lambda name, part: column(lambda line: line[name].split("x")[part])
        self.us = column(lambda line: line["microseconds"])
        self.block_m, self.block_n = pair("tile", 0), pair("tile", 1)
        self.cluster_m, self.cluster_n = pair("cluster", 0), pair("cluster", 1)
        for name in CONFIG:
            if name not in ("tile", "cluster"):
                setattr(self, name, column(lambda line: line[name]))
        problem = lambda get: np.array([get(row) for row in self.rows], float)[self.of]
        self.n, self.k, self.groups = problem(lambda row: row.n), problem(lambda row: row.k), problem(lambda row: row.groups)
        self.masked = problem(lambda row: row.layout == "masked") > 0
        self.contiguous = problem(lambda row: row.layout == "contiguous") > 0
        self.m = problem(lambda row: row.rows if row.layout == "contiguous" else row.m)
        self.all_rows = problem(lambda row: sum(row.group_rows()) if row.layout == "masked" else row.rows)
        self.tiles_m = np.array([_count_row_tiles(self.rows[i], rows)
                                 for i, rows in zip(self.of, self.block_m * self.cluster_m)], float)  # fmt: skip
        self.clips_rows = clips_rows
        self.best = np.full(len(self.rows), np.inf)
        np.minimum.at(self.best, self.of, self.us)
        self.kind = [_find_class(row) for row in self.rows]
        self.held_out = np.array([(row.n * 7919 + row.k) * 31 % 1009 % 4 == 0 for row in self.rows])


def read_lines(path):
    """The sweep of a file of benchmarks/data, without duplicates (the later commit counts), times that today's kernels beat, and
    rows with few configs. Since 71307d9 rows past the end of A are not loaded; a tile with few rows was slower before."""
    with lzma.open(path, "rt") as file:
        lines = list(csv.DictReader(file))
    kept = {}
    for line in lines:
        row, block_m = problems.parse_row(line["row"]), int(line["tile"].split("x")[0])
        cluster_m = int(line["cluster"].split("x")[0])
        is_full = ((row.m - 1) % block_m) // 8 * 8 + 8 == block_m or line["cluster"] != "1x1" or row.m >= 4 * block_m * cluster_m
        if line["commit"] == "c6ac0b9" and row.layout == "dense" and not is_full:
            continue
        key = (line["row"], *(line[name] for name in CONFIG))
        if key not in kept or line["commit"] != "c6ac0b9":
            kept[key] = line
    count = {}
    for line in kept.values():
        count[line["row"]] = count.get(line["row"], 0) + 1
    return [line for line in kept.values() if count[line["row"]] >= 8]


def _count_row_tiles(row, rows):
    groups = row.group_rows() if row.layout == "masked" else [row.rows]
    return sum(-(-m // int(rows)) for m in groups)


def _find_class(row):
    if row.layout != "dense":
        return row.layout
    return CLASSES[0] if row.m <= 16 else CLASSES[1] if row.m <= 128 else CLASSES[2] if row.m <= 1024 else CLASSES[3]


def _combine(power, *times):
    """Combines overlapping times: the longest, plus a share of the others that grows as they come closer to it."""
    longest = np.maximum.reduce(times)
    return longest * sum((time / longest) ** power for time in times) ** (1 / power)


def estimate(s, c, clusters):
    """Microseconds of each config: CostModel.cpp's estimateRows, with the real rows of each group."""
    size = s.cluster_m * s.cluster_n * s.split_k
    at_a_time = np.array([0, *clusters], float)[size.astype(int)]
    tiles_n = np.ceil(s.n / (s.block_n * s.cluster_n))
    tiles = s.tiles_m * tiles_n
    waves = np.ceil(tiles / at_a_time)
    active = np.minimum(tiles, at_a_time)
    matrices_b = np.where(s.masked | s.contiguous, s.groups, 1)
    row_tiles = s.tiles_m / matrices_b
    columns = np.where(s.block_n > 200, s.block_n / 2, s.block_n)
    mmas = s.block_m / (64 * s.warpgroups) * (s.block_n / columns)
    tensor = s.block_m * s.block_n / 32
    two_scales = (np.mod(128, s.block_n) != 0) & (np.mod(s.block_n, 128) != 0)
    odd = s.block_n % 16 > 0
    one = s.warpgroups == 1
    math = np.where(
        one,
        c["wait"] * np.where(s.rotate > 0, c["wait_rotated"], 1) + c["tensor_1"] * tensor + odd * c["odd_columns_1"],
        np.where(
            s.warpgroups == 2,
            c["tensor_2"] * tensor + (mmas > 1) * c["second_mma"] + ((s.rotate == 0) & (s.unroll <= 2)) * c["plain_loop"],
            c["tensor_3"] * tensor,
        )
        + two_scales * c["two_scales"]
        + odd * c["odd_columns"],
    )
    rows = s.block_m
    if s.clips_rows:
        real = np.ceil(s.all_rows / s.tiles_m / s.cluster_m / 8) * 8
        rows = np.where(s.contiguous, s.block_m, np.minimum(s.block_m, real))
    share_a = np.clip(active / np.maximum(1, np.minimum(s.tiles_m, s.group_m)), 1, tiles_n)
    share_b = np.where(s.split_k > 1, 1, np.clip(row_tiles, 1, s.group_m))
    l2 = active * size * 128 * (rows / s.cluster_n / share_a + s.block_n / s.cluster_m / share_b)
    k_block = _combine(c["overlap"], math, (rows + s.block_n) * c["row"], l2 / c["l2"], c["latency"] / s.stages)
    k_blocks = np.ceil(np.ceil(s.k / 128) / s.split_k)
    sent = s.block_m * s.block_n * 4 * (1 - 1 / s.split_k)
    end = c["tile"] + c["tile_element"] * s.block_m * s.block_n + sent / c["dsmem"] + active * size * sent / c["dsmem_all"]
    reads_b = np.where(s.masked, 1 + c["reread"] * np.maximum(0, row_tiles - 1), 1)
    dram = (s.all_rows * s.k + matrices_b * s.n * s.k * reads_b + 2 * s.all_rows * s.n) / c["dram"]
    us = _combine(c["dram_overlap"], waves * k_blocks * k_block + (waves - 1) * end, dram) + end + c["launch"]
    return us * np.where(s.cluster_m * s.cluster_n > 1, c["multicast"], 1)


def choose(s, us):
    """(loss, index of the choice) for each problem: the measured time of the config that is fastest by `us`, over the least time."""
    order = np.lexsort((us, s.of))
    first = order[np.searchsorted(s.of[order], np.arange(len(s.rows)))]
    return s.us[first] / s.best, first


def _geomean(values):
    return float(np.exp(np.log(values).mean())) if len(values) else float("nan")


def report(s, loss, out):
    print(f"| problems | number | loss | of the held-out | worst | above 10 % |\n| --- | --- | --- | --- | --- | --- |", file=out)
    kind = np.where(np.isnan(loss), "", s.kind)
    for name, picked in [*((name, kind == name) for name in CLASSES), ("all", kind != "")]:
        if picked.any():
            held = picked & s.held_out
            print(f"| {name} | {picked.sum()} | {100 * (_geomean(loss[picked]) - 1):.1f} % | {100 * (_geomean(loss[held]) - 1):.1f} % | "
                  f"{100 * (loss[picked].max() - 1):.0f} % | {(loss[picked] > 1.1).sum()} |", file=out)  # fmt: skip


def _weigh(s):
    weight = (s.best[s.of] / s.us) ** 3
    return np.where(s.us < 1.8 * s.best[s.of], weight, 0) * ~s.held_out[s.of]


def _read_bounds(machine):
    """(names, least, most). The DRAM rate is bounded by the data sheet of the machine."""
    bounds = {**BOUNDS, "dram": (1e6, machine["published"]["dram"])}
    return list(bounds), *np.array(list(bounds.values()), float).T


def fit_times(s, machine):
    """Least squares of the logarithms."""
    from scipy.optimize import least_squares

    start, clusters, weight = machine["costs"], machine["clusters"], _weigh(s)
    names, low, high = _read_bounds(machine)
    used = weight > 0
    residual = lambda x: (np.log(estimate(s, dict(zip(names, x)), clusters) / s.us) * weight)[used]
    margin = 1e-9 * (high - low)
    x = np.clip([start[name] for name in names], low + margin, high - margin)
    found = least_squares(residual, x, bounds=(low, high), x_scale=np.maximum(abs(x), 1e-3 * (high - low)), loss="soft_l1",
                          f_scale=0.05, max_nfev=200)  # fmt: skip
    return dict(zip(names, map(float, found.x)))


def fit_choices(s, machine, sharpness=0.015, times=0.3):
    """Minimizes the mean loss of a softmin choice, plus `times` times the error of the times."""
    from scipy.optimize import minimize

    start, clusters, weight = machine["costs"], machine["clusters"], _weigh(s)
    names, low, high = _read_bounds(machine)
    x = np.clip([start[name] for name in names], low, high)
    scale = np.where(x > 0, x, 0.01 * high)
    log_loss, taken = np.log(s.us / s.best[s.of]), ~s.held_out

    def value(y):
        us = estimate(s, dict(zip(names, np.clip(x + y * scale, low, high))), clusters)
        sharp = np.log(us) / sharpness
        least = np.full(len(s.rows), np.inf)
        np.minimum.at(least, s.of, sharp)
        chance = np.exp(least[s.of] - sharp)
        loss = np.bincount(s.of, chance * log_loss) / np.bincount(s.of, chance)
        error = np.log(us / s.us) * weight
        return loss[taken].mean() + times * np.sqrt((error**2).sum() / (weight**2).sum())

    found = minimize(value, np.zeros(len(names)), method="L-BFGS-B", bounds=list(zip((low - x) / scale, (high - x) / scale)),
                     options={"maxiter": 60, "eps": 1e-4})  # fmt: skip
    return dict(zip(names, map(float, np.clip(x + found.x * scale, low, high))))


def config_text(line):
    """The config of `line` in the compiler's format."""
    tile = [f"block = {line['tile']}x128"]
    tile += [f"cluster = {line['cluster']}"] * (line["cluster"] != "1x1") + [f"split_k = {line['split_k']}"] * (line["split_k"] != "1")
    order = [f"group_m = {line['group_m']}"] * (line["group_m"] != "8")
    order += ["serpentine = true"] * (line["serpentine"] == "1") + ["even_waves = true"] * (line["even_waves"] == "1")
    schedule = [f"stages = {line['stages']}", f"warpgroups = {line['warpgroups']}"]
    schedule += [f"unroll = {line['unroll']}"] * (line["unroll"] != "1") + ["rotate = true"] * (line["rotate"] == "1")
    schedule += ["early_store = true"] * (line["early_store"] == "1")
    parts = [f"tile = <{', '.join(tile)}>"] + [f"order = <{', '.join(order)}>"] * bool(order) + [f"schedule = <{', '.join(schedule)}>"]
    return f"<{', '.join(parts + ['loads = <b = evict_first>'] * (line['evict_first_b'] == '1'))}>"


def parse_config(text):
    """The line of a sweep for a config that the compiler prints."""
    fields = dict(re.findall(r"(\w+) = ([\w]+)", text))
    flag = lambda name: str(int(fields.get(name) == "true"))
    return {"tile": fields["block"].removesuffix("x128"), "stages": fields["stages"], "warpgroups": fields["warpgroups"],
            "group_m": fields.get("group_m", "8"), "cluster": fields.get("cluster", "1x1"), "split_k": fields.get("split_k", "1"),
            "evict_first_b": str(int("evict_first" in text)), "rotate": flag("rotate"), "unroll": fields.get("unroll", "1"),
            "even_waves": flag("even_waves"), "early_store": flag("early_store"), "serpentine": flag("serpentine")}  # fmt: skip


def judge_compiler(s, gen, machine):
    """(loss of each problem, or NaN if none of its listed configs was measured; the number of choices that were measured)."""
    measured = [{} for _ in s.rows]
    for line, problem, us in zip(s.lines, s.of, s.us):
        measured[problem][config_text(line)] = us
    loss, direct = np.ones(len(s.rows)), 0
    for i, row in enumerate(s.rows):
        command = [gen, *row.flags(), f"--machine={machine}", "--list-configs", "-o", "-"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        place, config = next(((place, config) for place, config in enumerate(listed) if config in measured[i]), (-1, None))
        direct += place == 0
        loss[i] = measured[i].get(config, np.nan) / s.best[i]
    return loss, direct


def _round(value):
    return float(f"{value:.4g}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", metavar="SWEEP.csv.xz")
    parser.add_argument("--machine", required=True, metavar="FILE.json", help="file of its constants, in lib/Analysis/Machines")
    parser.add_argument("--update", action="store_true", help="fit, and write the constants to the file")
    parser.add_argument("--choices", action="store_true", help="fit by the loss of choices")
    parser.add_argument("--gen", metavar="dgemm-gen", help="judge this compiler")
    parser.add_argument("--worst", type=int, default=0, metavar="COUNT", help="list the problems that lose most")
    options = parser.parse_args(arguments)
    with open(options.machine) as file:
        machine = json.load(file)
    # The sweep of the H100 was before rows past the end of A were skipped.
    s = Sweep(read_lines(options.sweep), clips_rows="h100" not in os.path.basename(options.sweep))
    print(f"{len(s.us)} configs of {len(s.rows)} problems", file=sys.stderr)
    if options.gen:
        loss, direct = judge_compiler(s, options.gen, machine["name"])
        report(s, loss, sys.stdout)
        print(f"\nOf {len(s.rows)} choices {direct} were measured; for {np.isfinite(loss).sum() - direct} others the best measured config by the model counts.")
        return 0
    constants = machine["costs"]
    if options.update:
        constants = (fit_choices if options.choices else fit_times)(s, machine)
        constants = machine["costs"] = {name: _round(value) for name, value in constants.items()}
        with open(options.machine, "w") as file:
            file.write(json.dumps(machine, indent=2) + "\n")
    us = estimate(s, constants, machine["clusters"])
    loss, chosen = choose(s, us)
    report(s, loss, sys.stdout)
    for i in np.argsort(-loss)[: options.worst]:
        best = next(j for j in np.where(s.of == i)[0] if s.us[j] == s.best[i])
        for j in (chosen[i], best):
            print(f"{loss[i]:.3f} {s.rows[i]}: {s.us[j]:.1f} us, {us[j]:.1f} expected: {config_text(s.lines[j])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
