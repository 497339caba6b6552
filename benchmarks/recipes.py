#!/usr/bin/env python3
"""Times the other scaling recipes against torch (cuBLASLt and CUTLASS), all kernels interleaved in one run with a cold L2.

  recipes.py --gen build-static/bin/dgemm-gen --out out/recipes.json [--configs 10] [--samples 15] [--only row_fast]
  recipes.py ... --only 1x128 --configs 40 --fields 'warpgroups = 1' --fields 'block = 128x256x128'    a sweep

  recipes.py --prepare FOLDER --gen build/bin/dgemm-gen --only 1x128 --configs 8     compiles, without a GPU; may be repeated
  recipes.py --prepared FOLDER --out out/recipes.json --time-limit 240               times what lies there, without dgemm-gen
  recipes.py --tune out/recipes.json --into lib/Analysis/TunedTables/h200.json       makes tuned rows of it

For each recipe and row: the config that the compiler chooses, the next best ones by its cost model (with --fields also the best ones
with each of these fields), and torch's kernel for the same recipe. Prints medians in microseconds and writes all samples. Every
result is compared with torch's if torch has one.
"""
import argparse
import dataclasses
import datetime
import json
import math
import os
import re
import statistics
import sys
import time

import kernels
import table_from_sweep

NK = [(4096, 7168), (7168, 2048), (24576, 1536), (7168, 16384), (2112, 7168)]
ROWS = [(m, n, k) for m in (16, 64, 128, 512, 4096) for n, k in NK]
RECIPES = {
    "row_fast": ["--scale-a=row", "--scale-b=row", "--accuracy=fast"],
    "row_exact": ["--scale-a=row", "--scale-b=row"],
    "tensor_fast": ["--scale-a=tensor", "--scale-b=tensor", "--accuracy=fast"],
    "1x128": ["--scale-a=1x128", "--scale-b=1x128"],
}
# As tuned tables call them.
TABLE_NAMES = {"row_fast": "row x row fast", "row_exact": "row x row", "tensor_fast": "tensor x tensor fast", "1x128": "1x128 x 1x128"}
# Less than this is noise.
NOISE = 1.01


@dataclasses.dataclass(frozen=True)
class Row:
    recipe: str
    m: int
    n: int
    k: int

    def flags(self):
        return [f"--m={self.m}", f"--n={self.n}", f"--k={self.k}", "--machine=h200", *RECIPES[self.recipe]]

    @property
    def slug(self):
        return f"{self.recipe}-{self.m}x{self.n}x{self.k}"


def ceil_div(a, b):
    return -(-a // b)


class Problem:
    """The operands of a row, in our layout and in torch's."""

    def __init__(self, row):
        import torch

        m, n, k = row.m, row.n, row.k
        generator = torch.Generator(device="cuda").manual_seed(0)

        def normal(*shape):
            return torch.randn(*shape, device="cuda", generator=generator).clamp(-8, 8).to(torch.float8_e4m3fn)

        def scale(*shape):
            return torch.rand(*shape, device="cuda", generator=generator) + 0.5

        self.row, self.a, self.b = row, normal(m, k), normal(n, k)
        blocks = ceil_div(k, 128)
        # Rows innermost, with a pitch of a multiple of 4.
        shapes = {"row": (1, 1), "tensor": (0, 1), "1x128": (1, blocks)}
        per_row, depth = shapes[row.recipe.split("_")[0]]
        self.scale_a = scale(depth, ceil_div(m, 4) * 4 if per_row else 1)
        self.scale_b = scale(depth, ceil_div(n, 4) * 4 if per_row else 1)
        self.d = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)

    def addresses(self):
        return {"a": self.a.data_ptr(), "b": self.b.data_ptr(), "d": self.d.data_ptr(),
                "scale_a": self.scale_a.data_ptr(), "scale_b": self.scale_b.data_ptr()}  # fmt: skip

    def peers(self):
        """{name: function that returns D}. Calls that torch refuses are left out, and a line says why."""
        import torch

        m, n = self.row.m, self.row.n
        b = self.b.t()
        if self.row.recipe == "1x128":
            from torch.nn.functional import ScalingType, SwizzleType, scaled_mm

            scale_a, scale_b = self.scale_a[:, :m].t(), self.scale_b[:, :n].t()
            calls = {
                "torch": lambda: scaled_mm(
                    self.a, b, scale_a, ScalingType.BlockWise1x128, scale_b, ScalingType.BlockWise1x128,
                    swizzle_a=SwizzleType.NO_SWIZZLE, swizzle_b=SwizzleType.NO_SWIZZLE, output_dtype=torch.bfloat16)
            }  # fmt: skip
        else:
            rows = self.row.recipe.startswith("row")
            scale_a = self.scale_a[0, :m].reshape(m, 1) if rows else self.scale_a[0, 0]
            scale_b = self.scale_b[0, :n].reshape(1, n) if rows else self.scale_b[0, 0]

            def scaled(fast):
                return lambda: torch._scaled_mm(self.a, b, scale_a, scale_b, out_dtype=torch.bfloat16, use_fast_accum=fast)

            calls = {"torch": scaled(not self.row.recipe.endswith("exact"))}
        for name, call in list(calls.items()):
            try:
                call()
                torch.cuda.synchronize()
            except Exception as error:  # what torch has no kernel for
                print(f"{self.row.slug}: no {name}: {str(error).splitlines()[0]}", flush=True)
                del calls[name]
        return calls


def difference(x, y):
    """1 - 2 sum(xy) / sum(xx + yy)."""
    x, y = x.double(), y.double()
    return float(1 - 2 * (x * y).sum() / (x * x + y * y).sum())


def time_row(row, configs, store, driver, stopwatch, options):
    import launcher
    import measure
    import torch

    problem = Problem(row)
    peers = problem.peers()
    multiprocessors = torch.cuda.get_device_properties(0).multi_processor_count
    bound, result = {}, {"row": dataclasses.asdict(row), "errors": []}
    for name, config in configs.items():
        try:
            compiled = store.get(row, config)
        except kernels.CompileError as error:
            result["errors"].append(str(error).splitlines()[0][:200])
            continue
        kernel = launcher.Kernel(driver, compiled.image, json.loads(compiled.launch), {}, problem.addresses(), multiprocessors)
        problem.d.fill_(float("nan"))
        kernel()
        measure.wait(20)
        result[f"config {name}"] = json.loads(compiled.launch)["config"]
        if peers:
            result[f"difference {name}"] = difference(problem.d, peers["torch"]())
        bound[name] = kernel
    timed = stopwatch.interleave({**bound, **peers}, options.samples)
    result["us"] = {name: us for name, (us, _) in timed.items()}
    result["torch kernels"] = timed["torch"][1] if "torch" in timed else None
    for kernel in bound.values():
        kernel.unload()
    return result


def report(results):
    print(f"{'row':32} {'chosen':>8} {'best':>8} {'torch':>8} {'t/chosen':>9} {'t/best':>7}  difference")
    ratios = {}
    for result in results:
        median = {name: statistics.median(us) for name, us in result["us"].items()}
        ours = {name: us for name, us in median.items() if name != "torch"}
        row = Row(**result["row"])
        chosen, best, torch_us = ours.get("chosen", math.nan), min(ours.values()), median.get("torch", math.nan)
        worst = max((value for key, value in result.items() if key.startswith("difference")), default=math.nan)
        best_name = min(ours, key=ours.get)
        print(f"{row.slug:32} {chosen:8.2f} {best:8.2f} {torch_us:8.2f} {torch_us / chosen:9.3f} {torch_us / best:7.3f}"
              f"  {worst:.1e} {best_name} {'' if best_name == 'chosen' else result['config ' + best_name]}")  # fmt: skip
        ratios.setdefault((row.recipe, "M <= 128" if row.m <= 128 else "M >= 512"), []).append(
            (torch_us / chosen, torch_us / best))  # fmt: skip
    for (recipe, rows), values in ratios.items():
        for what, column in (("chosen", 0), ("best", 1)):
            numbers = [value[column] for value in values if not math.isnan(value[column])]
            if numbers:
                print(f"{recipe:12} {rows}: torch / {what}: geomean {statistics.geometric_mean(numbers):.3f}, "
                      f"least {min(numbers):.3f}, of {len(numbers)}")  # fmt: skip


def list_candidates(row, store, options):
    """{label: config}. The choice of the compiler has the label "chosen" and no config."""
    listed = store.list_configs(row)[1 : options.configs] if options.configs else []
    for fields in options.fields:
        listed += store.list_configs(row, fields)[: options.best]
    return {"chosen": "", **{str(i): config for i, config in enumerate(dict.fromkeys(listed), 1)}}


def name_config(i, config):
    """A kernel that lies in the folder under a name, and not as a config, keeps that."""
    if not config:
        return "chosen"
    return str(i) if config.startswith("<") else config


def read_prepared(folder):
    """{slug: [config]}; empty if there is none."""
    path = os.path.join(folder, "configs.json")
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


def prepare(rows, store, options):
    """Compiles the candidates of `rows` and adds them to those in the folder."""
    prepared = read_prepared(options.prepare)
    for row in rows:
        candidates = list_candidates(row, store, options)
        prepared[row.slug] = list(dict.fromkeys(prepared.get(row.slug, []) + list(candidates.values())))
        for config in prepared[row.slug]:
            store.submit(row, config)
    for row, config, error in store.wait_for_all():
        print(f"{row.slug}: {error}", file=sys.stderr)
        prepared[row.slug].remove(config)
    with open(os.path.join(options.prepare, "configs.json"), "w") as file:
        json.dump(prepared, file, indent=1)
    print(f"{sum(map(len, prepared.values()))} kernels of {len(prepared)} rows")


def measure_rows(rows, configs, store, options):
    import launcher
    import measure
    import torch

    torch.cuda.init()
    torch.zeros(1, device="cuda")
    driver, stopwatch = launcher.Driver(), measure.Stopwatch(measure.QUICK_FLUSH_BYTES)
    results, end = [], time.monotonic() + options.time_limit
    for row in rows:
        if time.monotonic() > end:
            print(f"out of time before {row.slug}", file=sys.stderr)
            break
        results.append(time_row(row, configs[row], store, driver, stopwatch, options))
        with open(options.out, "w") as file:
            json.dump({"gpu": torch.cuda.get_device_name(0), "driver": measure.Nvml().driver(), "torch": torch.__version__,
                       "date": datetime.date.today().isoformat(), "results": results}, file)  # fmt: skip
    report(results)


def tune(options):
    """Adds the quickest config of each row to a tuned table if it beats the compiler's choice by more than noise."""
    with open(options.tune) as file:
        results = json.load(file)["results"]
    table = table_from_sweep.read(options.into)
    added = []
    for result in results:
        row = Row(**result["row"])
        median = {name: statistics.median(us) for name, us in result["us"].items() if name == "chosen" or name.isdigit()}
        best = min(median, key=median.get)
        if median[best] * NOISE < median.get("chosen", math.inf):
            added.append({"recipe": TABLE_NAMES[row.recipe], "layout": "dense", "groups": 1, "m": row.m, "n": row.n, "k": row.k,
                          "config": result[f"config {best}"].removeprefix("#dgemm.config"), "microseconds": round(median[best], 2)})  # fmt: skip
    key = lambda entry: (entry.get("recipe", ""), *(entry[name] for name in ("layout", "groups", "m", "n", "k")))
    entries = {key(entry): entry for entry in table["entries"] + added}
    table["entries"] = list(entries.values())
    with open(options.into, "w") as file:
        file.write(table_from_sweep.to_text(table))
    print(f"{len(added)} of {len(results)} rows in {options.into}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gen", help="dgemm-gen to compile with")
    parser.add_argument("--out", help="JSON file for all samples")
    parser.add_argument("--kernels", default="/tmp/dgemm-recipes", help="where compiled kernels are kept")
    parser.add_argument("--prepare", metavar="FOLDER", help="compile into this folder and measure nothing")
    parser.add_argument("--prepared", metavar="FOLDER", help="measure what --prepare has left there")
    parser.add_argument("--tune", metavar="JSON", help="make tuned rows of these results; measure nothing")
    parser.add_argument("--into", metavar="TABLE", help="the tuned table for --tune")
    parser.add_argument("--configs", type=int, default=10)
    parser.add_argument("--fields", action="append", default=[], help="config fields, of which the best are tried, too")
    parser.add_argument("--best", type=int, default=10, help="configs with each of --fields to try (default %(default)s)")
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--time-limit", type=float, default=540, metavar="SECONDS", help="start no row after (default %(default)s)")
    parser.add_argument("--only", default="", help="rows whose name matches this regular expression")
    options = parser.parse_args()
    if options.tune:
        return options if options.into else parser.error("--tune wants --into")
    if not options.prepared and not options.gen:
        parser.error("--gen is missing; only --prepared and --tune do without")
    if not options.prepare and not options.out:
        parser.error("--out is missing")
    return options


def main():
    options = parse_arguments()
    if options.tune:
        return tune(options)
    rows = [Row(recipe, *row) for recipe in RECIPES for row in ROWS]
    rows = [row for row in rows if re.search(options.only, row.slug)]
    if options.prepare:
        os.makedirs(options.prepare, exist_ok=True)
        return prepare(rows, kernels.KernelStore(os.path.join(options.prepare, "kernels"), options.gen), options)
    if options.prepared:
        prepared = read_prepared(options.prepared)
        rows = [row for row in rows if row.slug in prepared]
        configs = {row: {name_config(i, config): config for i, config in enumerate(prepared[row.slug])} for row in rows}
        return measure_rows(rows, configs, kernels.KernelStore(os.path.join(options.prepared, "kernels")), options)
    store = kernels.KernelStore(options.kernels, options.gen)
    configs = {row: list_candidates(row, store, options) for row in rows}
    for row in rows:
        for config in configs[row].values():
            store.submit(row, config)
    store.wait_for_all()
    return measure_rows(rows, configs, store, options)


if __name__ == "__main__":
    sys.exit(main())
